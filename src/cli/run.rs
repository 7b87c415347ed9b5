//! `vergate run`.

use std::{path::Path, process::ExitCode};

use super::RunArgs;
use crate::{
    app::{self, Launch, StartError},
    clock,
    passed::Passed,
    proof,
    takeover::{Guest, TakeoverError},
    telemetry::say,
};

/// Serves until it has drained: 0 then, 1 for a bad file or an address that cannot be used.
pub fn run(args: &RunArgs) -> ExitCode {
    let path = args.config.clone();
    let load = move |now| proof::load::load(&path, now);
    let loaded = match load(clock::now()) {
        Ok(loaded) => loaded,
        Err(error) => {
            for finding in error.into_findings() {
                say(finding);
            }
            return ExitCode::FAILURE;
        }
    };
    for warning in &loaded.warnings {
        say(warning);
    }
    let ready = |addresses: &app::Addresses| {
        let data: Vec<String> = addresses.data.iter().map(ToString::to_string).collect();
        let (version, data) = (env!("CARGO_PKG_VERSION"), data.join(", "));
        say(format_args!("vergate {version} listening on {data}, admin on {}", addresses.admin));
    };
    let started = meet(args.takeover, loaded.config.admin.takeover.as_deref()).and_then(|(takeover, passed)| {
        app::run(Launch { passed, takeover, loaded, load: Box::new(load), ready: Box::new(ready), stop: None })
    });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("vergate: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Listening sockets of the gateway whose place is taken, or of the service manager.
fn meet(takeover: bool, place: Option<&Path>) -> Result<(Option<Guest>, Passed), StartError> {
    if takeover {
        if let Some((guest, passed)) = Guest::fetch(place.ok_or(TakeoverError::NoPlace)?)? {
            return Ok((Some(guest), passed));
        }
        say("no gateway to take over from, starting as usual");
    }
    Ok((None, Passed::from_service_manager()?))
}
