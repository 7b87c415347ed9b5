//! `vergate run`.

use std::process::ExitCode;

use super::RunArgs;
use crate::{
    app::{self, Launch},
    clock, config,
};

/// Serves until it has drained: 0 then, 1 for a bad file or an address that cannot be used.
pub fn run(args: &RunArgs) -> ExitCode {
    let path = args.config.clone();
    let load = move |now| config::load(&path, now);
    let loaded = match load(clock::now()) {
        Ok(loaded) => loaded,
        Err(error) => {
            for finding in error.into_findings() {
                eprintln!("{finding}");
            }
            return ExitCode::FAILURE;
        }
    };
    for warning in &loaded.warnings {
        eprintln!("{warning}");
    }
    let ready = |addresses: &app::Addresses| {
        let data: Vec<String> = addresses.data.iter().map(ToString::to_string).collect();
        eprintln!(
            "vergate {} listening on {}, admin on {}",
            env!("CARGO_PKG_VERSION"),
            data.join(", "),
            addresses.admin
        );
    };
    match app::run(Launch { loaded, load: Box::new(load), ready: Box::new(ready), stop: None }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vergate: {error}");
            ExitCode::FAILURE
        }
    }
}
