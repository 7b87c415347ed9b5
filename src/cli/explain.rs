//! `vergate explain`: how one request would be treated, without any network traffic.
//!
//! Asks the very functions that treat requests: the decision comes with its steps from
//! [`crate::pipeline::negotiation`], the announcement from the policy, the body from the plan.

mod account;
mod body;
mod fields;
mod link;
mod page;
mod request;
mod steps;
#[cfg(test)]
mod tests;

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use self::{account::Account, page::Page, request::Request};
use super::{ExplainArgs, UNUSABLE};
use crate::{clock, config::LoadError, pipeline::snapshot::Snapshot, proof::load, telemetry::say};

/// Does what `vergate explain` asks for.
///
/// - Exit code: 0 explained, also where the request would be refused; 1 a configuration with errors;
///   2 unusable arguments or no such file.
pub fn run(args: &ExplainArgs) -> ExitCode {
    let request = match Request::read(args) {
        Ok(request) => request,
        Err(error) => {
            say(format_args!("vergate explain: {error}"));
            return ExitCode::from(UNUSABLE);
        }
    };
    // What is wrong only on the day of --at must not keep it from being explained.
    let now = clock::now();
    let config = match load::load(&args.config, now) {
        Ok(loaded) => Arc::new(loaded.config),
        Err(LoadError::Unreadable(path, error)) => {
            say(format_args!("vergate explain: cannot read {}: {error}", path.display()));
            return ExitCode::from(UNUSABLE);
        }
        Err(LoadError::Findings(findings)) => {
            for finding in findings {
                say(finding);
            }
            return ExitCode::FAILURE;
        }
    };
    let at = args.at.unwrap_or(now);
    let account = Account::of(&Snapshot::compile(config, at), &request, at, args.verbose);
    let mut out = std::io::stdout().lock();
    let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A reader that has left, such as `head`, is no failure.
    let _ = if args.json { account.write_json(&mut out) } else { Page { colour }.write(&account, &mut out) };
    let _ = out.flush();
    ExitCode::SUCCESS
}
