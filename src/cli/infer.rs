//! `vergate infer`: a first change from examples of two versions.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;

use super::{InferArgs, UNUSABLE};
use crate::{
    domain::{endpoint::Endpoint, version::ApiVersion},
    infer::{self, Examples, Head, Side},
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
            eprintln!("vergate infer: {error}");
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
    let version = |option: &str, text: &str| {
        ApiVersion::parse(text).map_err(|_| format!("{option} {text} is no version; write 1.0, 2 or 2027-06-01"))
    };
    let (from, to) = (version("--older", &args.older)?, version("--newer", &args.newer)?);
    if from >= to {
        return Err(format!("{to} is not newer than {from}; a change leads from an older to a newer version"));
    }
    let mut examples = Examples::default();
    for (older, newer) in args.from.iter().zip(&args.to) {
        let added = examples.add(&read(older)?, &read(newer)?);
        added.map_err(|(is_newer, error)| format!("{}: {error}", if is_newer { newer } else { older }.display()))?;
    }
    let side = if args.response { Side::Response } else { Side::Request };
    let head = Head {
        change: args.change.clone().unwrap_or_else(|| format!("{}-to-{}", args.older, args.newer)),
        from: args.older.clone(),
        to: args.newer.clone(),
        operation: operation.to_string(),
        side,
    };
    let proposal = infer::infer(&examples, side);
    let yaml = proposal.write(&head);
    let reached = proposal.missing.is_empty();
    if !args.json {
        return Ok((yaml, reached));
    }
    let report = json!({
        "yaml": yaml,
        "ops": proposal.ops(),
        "unsure": proposal.doubts(),
        "not_reached": proposal.missing,
    });
    Ok((format!("{report:#}\n"), reached))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", PathBuf::from(path).display()))
}
