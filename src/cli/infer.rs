//! `vergate infer`: a first change from examples of two versions.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{InferArgs, UNUSABLE, diff::document};
use crate::{
    config::tree,
    domain::{endpoint::Endpoint, version::ApiVersion},
    infer::{self, Examples, Head, Side},
    telemetry::say,
};

/// Proposes a change, on stdout.
///
/// - Exit code: 0 the ops lead from one to the other, 1 something is not reached, 2 unusable arguments or files.
pub fn run(args: &InferArgs) -> ExitCode {
    match propose(args) {
        Ok((text, reached)) => {
            // A reader that has left, such as `head`, is no failure.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(format_args!("vergate infer: {error}"));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// What is printed, and whether it leads all the way.
fn propose(args: &InferArgs) -> Result<(String, bool), String> {
    if args.from.len() != args.to.len() {
        let (from, to) = (args.from.len(), args.to.len());
        return Err(format!("{from} older and {to} newer documents; name one --to for each --from, in the same order"));
    }
    let operation: Endpoint = Endpoint::parse(&args.operation)
        .map_err(|error| format!("--operation {}: {error}; write METHOD /path", args.operation))?;
    let texts: Vec<(String, String)> =
        args.from.iter().zip(&args.to).map(|(from, to)| Ok((read(from)?, read(to)?))).collect::<Result<_, String>>()?;
    if let [(older, newer)] = texts.as_slice()
        && is_openapi(older, &args.from[0])
        && is_openapi(newer, &args.to[0])
    {
        let (old, new) = (document(&args.from[0])?, document(&args.to[0])?);
        let head = head(args, &operation, [&old.version, &new.version])?;
        let (yaml, missing) = infer::between(&old, &new, &head);
        let reached = missing.is_empty();
        return Ok((if args.json { report(&yaml, &[], &[], &missing) } else { yaml }, reached));
    }
    let head = head(args, &operation, ["1", "2"])?;
    let mut examples = Examples::default();
    for ((older, newer), (from, to)) in texts.iter().zip(args.from.iter().zip(&args.to)) {
        let added = examples.add(older, newer);
        added.map_err(|(is_newer, error)| format!("{}: {error}", if is_newer { to } else { from }.display()))?;
    }
    let proposal = infer::infer(&examples, head.side);
    let yaml = proposal.write(&head);
    let reached = proposal.missing.is_empty();
    Ok((if args.json { report(&yaml, &proposal.ops(), &proposal.doubts(), &proposal.missing) } else { yaml }, reached))
}

fn report(yaml: &str, ops: &[String], unsure: &[String], missing: &[String]) -> String {
    format!("{:#}\n", json!({"yaml": yaml, "ops": ops, "unsure": unsure, "not_reached": missing}))
}

/// - `versions`: where the arguments name none.
fn head(args: &InferArgs, operation: &Endpoint, versions: [&str; 2]) -> Result<Head, String> {
    let version = |option: &str, given: &Option<String>, otherwise: &str| {
        let text = given.as_deref().unwrap_or(otherwise);
        let version = ApiVersion::parse(text)
            .map_err(|_| format!("{option} {text} is no version; write 1.0, 2 or 2027-06-01"))?;
        Ok::<_, String>((text.to_owned(), version))
    };
    let (from, to) = (version("--older", &args.older, versions[0])?, version("--newer", &args.newer, versions[1])?);
    if from.1 >= to.1 {
        return Err(format!("{} is not newer than {}; a change leads from an older to a newer version", to.0, from.0));
    }
    Ok(Head {
        change: args.change.clone().unwrap_or_else(|| format!("{}-to-{}", from.0, to.0)),
        from: from.0,
        to: to.0,
        operation: operation.to_string(),
        side: if args.response { Side::Response } else { Side::Request },
    })
}

/// Whether a text says that it is an OpenAPI document.
fn is_openapi(text: &str, path: &Path) -> bool {
    tree::parse(text, path).is_ok_and(|root| root.get("openapi").is_some())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", PathBuf::from(path).display()))
}
