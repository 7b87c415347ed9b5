//! `vergate explain`.

use std::process::ExitCode;

use super::ExplainArgs;

/// Does what `vergate explain` asks for.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let _ = args;
    eprintln!("vergate explain: not built yet");
    ExitCode::FAILURE
}
