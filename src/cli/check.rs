//! `vergate check`.

use std::process::ExitCode;

use super::CheckArgs;

/// Does what `vergate check` asks for.
pub fn run(args: &CheckArgs) -> ExitCode {
    let _ = args;
    eprintln!("vergate check: not built yet");
    ExitCode::FAILURE
}
