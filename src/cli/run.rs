//! `vergate run`.

use std::process::ExitCode;

use super::RunArgs;

/// Does what `vergate run` asks for.
pub fn run(args: &RunArgs) -> ExitCode {
    let _ = args;
    eprintln!("vergate run: not built yet");
    ExitCode::FAILURE
}
