//! `vergate diff`: what a newer version breaks, and whether the changes heal it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{DiffArgs, UNUSABLE};
use crate::{
    clock,
    config::{Config, Finding, LoadError, Severity, checked, origins::ApiOrigins},
    contract::{self, Document, directory::Directory},
    diff::{self, Chain, Difference, Healing, Weight},
    domain::{api::Api, version::ApiVersion},
    telemetry::say,
};

/// Lists the differences on stdout.
///
/// - Exit code: 0 nothing breaks that is not healed, 1 something does, 2 unusable arguments or files.
pub fn run(args: &DiffArgs) -> ExitCode {
    let differences = match differences(args) {
        Ok(differences) => differences,
        Err(error) => {
            say(format_args!("vergate diff: {error}"));
            return ExitCode::from(UNUSABLE);
        }
    };
    let shown: Vec<&Difference> =
        differences.iter().filter(|difference| args.all || difference.weight != Weight::Harmless).collect();
    let mut out = io::stdout().lock();
    // A reader that has left, such as `head`, does not change the verdict.
    let _ = if args.json { write_json(&shown, &mut out) } else { write_text(&shown, &mut out) };
    let open = differences.iter().filter(|difference| difference.is_open()).count();
    if !args.json {
        let breaking: Vec<_> = differences.iter().filter(|difference| difference.weight == Weight::Breaking).collect();
        let healed = breaking.iter().filter(|difference| !difference.is_open()).count();
        match breaking.iter().all(|difference| difference.healing == Healing::Unknown) {
            true => say(format_args!("{} breaking", breaking.len())),
            false => say(format_args!("{} breaking, {healed} of them healed by changes", breaking.len())),
        }
    }
    if open == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn write_json(shown: &[&Difference], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, shown)?;
    writeln!(out)
}

fn write_text(shown: &[&Difference], out: &mut impl Write) -> io::Result<()> {
    shown.iter().try_for_each(|difference| writeln!(out, "{difference}"))
}

/// Two documents alone, or two versions with the changes between them.
fn differences(args: &DiffArgs) -> Result<Vec<Difference>, String> {
    let files = [&args.older, &args.newer].map(|name| Path::new(name).is_file());
    if files == [true, true] && args.config.is_none() {
        let (old, new) = (document(Path::new(&args.older))?, document(Path::new(&args.newer))?);
        return Ok(diff::compare(&Directory::new(&old, ""), &Directory::new(&new, ""), &Clone::clone));
    }
    let path = args.config.clone().unwrap_or_else(|| PathBuf::from("gateway.yaml"));
    let outcome = checked::read_file(&path, clock::now()).map_err(|error| match error {
        LoadError::Unreadable(_, error) if args.config.is_none() => format!(
            "{:?} and {:?} are not both files, and there is no {} whose versions they could be ({error})",
            args.older,
            args.newer,
            path.display()
        ),
        error => error.to_string(),
    })?;
    let config = outcome.config.ok_or_else(|| lines(&outcome.findings))?;
    let [(api, from), (_, to)] = versions(&config, &outcome.origins, args)?;
    let origins = &outcome.origins[api];
    let read = |version: usize| match &origins.documents[version] {
        Some(named) => document(&named.path),
        None => {
            let name = &config.apis[api].versions[version].name;
            Err(format!(
                "version {name} of {} names no OpenAPI document; give it `openapi: FILE`",
                config.apis[api].name
            ))
        }
    };
    let (old, new) = (read(from)?, read(to)?);
    let chain = chain(&config, api, origins, from, to)?;
    let prefix = &config.apis[api].path;
    Ok(diff::heal(&Directory::new(&old, prefix), &Directory::new(&new, prefix), &chain))
}

/// The changes from one version up to another.
pub(super) fn chain<'c>(
    config: &'c Config,
    api: usize,
    origins: &'c ApiOrigins,
    from: usize,
    to: usize,
) -> Result<Chain<'c>, String> {
    let versions = &config.apis[api].versions;
    let (from, to) = (&versions[from].name, &versions[to].name);
    if from >= to {
        return Err(format!("{to} is not newer than {from}; name the older one first"));
    }
    let changes = &config.changes[api];
    let walk = crate::adaptation::walk::between(changes, from, to)
        .ok_or_else(|| format!("no chain of changes leads from {from} to {to}; add the missing change"))?;
    let origin = |change| {
        let at = changes.iter().position(|known| std::ptr::eq(known, change));
        at.and_then(|at| origins.changes.get(at))
    };
    Ok(Chain::new(walk.into_iter().filter_map(|(change, _)| Some((change, origin(change)?))).collect()))
}

/// API and version of both arguments: by the version's name, or by its document.
fn versions(config: &Config, origins: &[ApiOrigins], args: &DiffArgs) -> Result<[(usize, usize); 2], String> {
    let apis = |api: &&Api| args.api.as_ref().is_none_or(|name| *name == api.name);
    if let Some(name) = args.api.as_ref().filter(|_| config.apis.iter().find(apis).is_none()) {
        let known: Vec<_> = config.apis.iter().map(|api| api.name.as_str()).collect();
        return Err(format!("there is no API {name:?}; the file has {}", known.join(", ")));
    }
    let places = |text: &str| -> Vec<(usize, usize)> {
        let wanted = ApiVersion::parse(text).ok();
        let file = std::fs::canonicalize(text).ok();
        let mut found = Vec::new();
        for (index, api) in config.apis.iter().enumerate().filter(|(_, api)| apis(api)) {
            for (at, version) in api.versions.iter().enumerate() {
                let named = origins[index].documents[at].as_ref();
                let same_file = file.is_some() && named.and_then(|n| std::fs::canonicalize(&n.path).ok()) == file;
                if wanted.as_ref() == Some(&version.name) || same_file {
                    found.push((index, at));
                }
            }
        }
        found
    };
    let (older, newer) = (places(&args.older), places(&args.newer));
    for (text, found) in [(&args.older, &older), (&args.newer, &newer)] {
        if found.is_empty() {
            return Err(format!("{text:?} is neither a version nor the document of one"));
        }
    }
    let mut both =
        older.iter().flat_map(|old| newer.iter().filter(move |new| new.0 == old.0).map(move |new| [*old, *new]));
    match (both.next(), both.next()) {
        (Some(both), None) => Ok(both),
        (None, _) => Err(format!("no API has both {} and {}", args.older, args.newer)),
        (Some(_), Some(_)) => Err("several APIs have these versions; name one with --api".to_owned()),
    }
}

/// Reads a document that has to be sound.
pub(super) fn document(path: &Path) -> Result<Document, String> {
    if let Err(error) = contract::read::from_disk(path) {
        return Err(format!("cannot read {}: {error}", path.display()));
    }
    let mut findings = Vec::new();
    let document = contract::read::file(path, &contract::read::from_disk, &mut findings);
    let wrong: Vec<Finding> = findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    match document {
        Some(document) if wrong.is_empty() => Ok(document),
        _ => Err(lines(&wrong)),
    }
}

fn lines(findings: &[Finding]) -> String {
    let findings = findings.iter().filter(|finding| finding.severity == Severity::Error);
    findings.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
