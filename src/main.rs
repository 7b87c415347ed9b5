//! The `vergate` program: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    vergate::cli::execute(vergate::cli::Cli::parse())
}
