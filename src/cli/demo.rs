//! `vergate demo`: the gateway on the example configuration, in front of built-in sample backends.

mod backends;
mod calls;

use std::{
    borrow::Cow,
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::oneshot;

use self::{backends::Backends, calls::Call};
use super::DemoArgs;
use crate::{
    app::{self, Addresses, Launch},
    clock,
    config::checked::{self, LoadError, Loaded, LogRequests, Outcome},
    domain::time::UtcTime,
    passed::Passed,
    telemetry::say,
};

/// The shipped `gateway.yaml`, so that the demo needs no file.
const EXAMPLE: &str = include_str!("../../gateway.yaml");
/// The line of it that gives Query Parser 1.5 a service of its own.
const UPSTREAM_OF_15: &str = "        upstream: query-parser-1.5\n";

/// Runs until it is interrupted; with `--once` calls itself and ends: 0 if every answer is right, else 1.
pub fn run(args: &DemoArgs) -> ExitCode {
    let backends = match Backends::start() {
        Ok(backends) => backends,
        Err(error) => {
            say(format_args!("vergate demo: the sample backends cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let once_only = args.once;
    // Every load after the first is a reload: the story goes on without the service of 1.5.
    let reloads = AtomicBool::new(false);
    let addresses = OnceLock::new();
    let load = move |now: UtcTime| {
        let act = if reloads.swap(true, Ordering::Relaxed) { Act::WithoutTheServiceOf15 } else { Act::Shipped };
        example(&backends, act, &addresses, once_only, now)
    };
    let loaded = match load(clock::now()) {
        Ok(loaded) => loaded,
        Err(error) => {
            for finding in error.into_findings() {
                say(finding);
            }
            return ExitCode::FAILURE;
        }
    };
    let outcome = if args.once { once(loaded, Box::new(load), args.json) } else { serve(loaded, Box::new(load)) };
    outcome.unwrap_or_else(|error| {
        say(format_args!("vergate demo: {error}"));
        ExitCode::FAILURE
    })
}

fn serve(loaded: Loaded, load: app::Load) -> Result<ExitCode, app::StartError> {
    let ready = |addresses: &Addresses| {
        println!("Vergate is listening on {}, its admin port on {}.", addresses.data[0], addresses.admin);
        println!(
            "Behind it are four sample backends. Query Parser 1.0 has none: 1.5 answers, adapted.\n\nTry, in another terminal:"
        );
        for call in calls::all(addresses) {
            println!("\n# {}\n{}", call.about, call.curl());
        }
        println!("\nStop with Ctrl-C. The log of requests follows.\n");
    };
    app::run(Launch { passed: Passed::default(), takeover: None, loaded, load, ready: Box::new(ready), stop: None })?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the gateway on a thread of its own, calls it, and stops it again.
fn once(loaded: Loaded, load: app::Load, json: bool) -> Result<ExitCode, app::StartError> {
    let (ready, opened) = mpsc::channel::<Addresses>();
    let (stop, stopped) = oneshot::channel();
    let caller = thread::Builder::new().name("demo-caller".into()).spawn(move || {
        // The gateway never came up: its own error says why.
        let Ok(addresses) = opened.recv() else { return false };
        let right = show(&calls::all(&addresses), json);
        let _ = stop.send(());
        right
    })?;
    let ready = move |addresses: &Addresses| drop(ready.send(addresses.clone()));
    app::run(Launch {
        passed: Passed::default(),
        takeover: None,
        loaded,
        load,
        ready: Box::new(ready),
        stop: Some(stopped),
    })?;
    Ok(if caller.join().unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the calls and prints what came back; returns whether all of it was as it should be.
fn show(calls: &[Call], json: bool) -> bool {
    let mut right = true;
    let mut answers = Vec::new();
    for call in calls {
        let answer = call.send();
        let wrong = match &answer {
            Ok(answer) => call.wrong(answer),
            Err(error) => Some(format!("no answer: {error}")),
        };
        right &= wrong.is_none();
        if json {
            let answer = answer.ok();
            answers.push(serde_json::json!({
                "about": call.about,
                "curl": call.curl(),
                "status": answer.as_ref().map(|answer| answer.status),
                "headers": answer.as_ref().map(|answer| answer.lines[1..].to_vec()),
                "body": answer.as_ref().map(|answer| answer.body.clone()),
                "wrong": wrong,
            }));
            continue;
        }
        println!("# {}\n$ {}", call.about, call.curl());
        if let Ok(answer) = answer {
            println!("{}\n", call.excerpt(&answer));
        }
        if let Some(wrong) = wrong {
            println!("WRONG: {wrong}\n");
        }
    }
    if json {
        println!("{}", serde_json::Value::from(answers));
    }
    right
}

/// Which configuration the demo runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// The shipped one.
    Shipped,
    /// The shipped one, in which 1.5 has no upstream of its own: 2.0 serves it, and 1.0 through it.
    WithoutTheServiceOf15,
}

impl Act {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Shipped => EXAMPLE.into(),
            Self::WithoutTheServiceOf15 => EXAMPLE.replace(UPSTREAM_OF_15, "").into(),
        }
    }
}

/// The example configuration with the sample backends in the place of its upstreams.
///
/// - `addresses`: where it listens, once that is known.
/// - `once`: nobody else will call, so it listens on any free ports and logs no requests.
fn example(
    backends: &Backends,
    act: Act,
    addresses: &OnceLock<Vec<SocketAddr>>,
    once: bool,
    now: UtcTime,
) -> Result<Loaded, LoadError> {
    let env = |name: &str| backends.url(name);
    let Outcome { config, findings, .. } = checked::read(&act.text(), Path::new("gateway.yaml"), &env, now);
    let Some(mut config) = config else { return Err(LoadError::Findings(findings)) };
    // There is no file on disk to watch.
    config.files.clear();
    let own = config.listeners.iter_mut().map(|listener| &mut Arc::make_mut(listener).id.address);
    let own: Vec<&mut SocketAddr> = own.chain([&mut config.admin.listen]).collect();
    // A reload stays where the first load has found room.
    let found = addresses.get_or_init(|| {
        own.iter().map(|address| if once { SocketAddr::new(address.ip(), 0) } else { free(**address) }).collect()
    });
    for (address, found) in own.into_iter().zip(found) {
        *address = *found;
    }
    if once {
        config.log.requests = LogRequests::Off;
    }
    Ok(Loaded { config, warnings: findings })
}

/// The address itself, or one with a free port if somebody has it.
fn free(address: SocketAddr) -> SocketAddr {
    match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => SocketAddr::new(address.ip(), 0),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{contract::read, proof::documents, proof::prove};

    #[test]
    fn both_acts_are_sound_and_proven_against_the_shipped_documents() {
        for (act, served_by) in [(Act::Shipped, 1), (Act::WithoutTheServiceOf15, 2)] {
            let now = UtcTime::parse("2026-01-01").expect("a day");
            let outcome = checked::read(&act.text(), Path::new("gateway.yaml"), &|_| None, now);
            let config = outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings));
            let parser = &config.apis[0];
            assert_eq!(parser.versions[0].service.speaks, served_by);
            assert_eq!(parser.versions[1].service.speaks, served_by);
            let mut findings = Vec::new();
            let (changes, origins) = (&config.changes[0], &outcome.origins[0]);
            let documents = documents::read(parser, origins, &read::from_disk, &mut findings);
            assert!(documents.iter().all(Option::is_some), "every version has a document");
            findings.extend(prove::api(prove::Subject { api: parser, changes, origins, documents: &documents }));
            // An upstream that nobody names any more is what the second act is about.
            assert_eq!(findings, [], "{findings:#?}");
        }
    }
}
