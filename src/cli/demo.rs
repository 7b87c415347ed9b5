//! `vergate demo`.

use std::process::ExitCode;

use super::DemoArgs;

/// Does what `vergate demo` asks for.
pub fn run(args: &DemoArgs) -> ExitCode {
    let _ = args;
    eprintln!("vergate demo: not built yet");
    ExitCode::FAILURE
}
