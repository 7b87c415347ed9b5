//! Texts that Vergate prints about itself: the schema, completions and the manual page.

use std::{io::Write as _, process::ExitCode};

use clap::CommandFactory as _;

use super::{Cli, CompletionsArgs};
use crate::{config::schema, telemetry::say};

/// Prints the JSON Schema of `gateway.yaml`.
pub fn run() -> ExitCode {
    let mut text = format!("{:#}", schema::document());
    text.push('\n');
    print(text.as_bytes())
}

/// Prints the completion script of a shell.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vergate", &mut script);
    print(&script)
}

/// Prints the manual page, in roff.
pub fn man() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut page) {
        Ok(()) => print(&page),
        Err(error) => {
            say(format_args!("vergate man: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A reader that has left, such as `head`, is no error.
fn print(text: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
    ExitCode::SUCCESS
}
