//! `vergate check`.

use std::{io::Error, path::Path, process::ExitCode};

use serde::Serialize;

use super::{CheckArgs, UNUSABLE};
use crate::clock;
use crate::config::checked::{self, Outcome};
use crate::config::finding::sort;
use crate::config::{Config, Finding, LoadError, Severity};
use crate::contract;
use crate::domain::{api::Api, time::UtcTime};
use crate::proof::{documents, prove};
use crate::telemetry::say;

/// Verifies a configuration and lists everything that is wrong with it on stdout.
///
/// - Exit code: 0 sound (warnings allowed), 1 errors, 2 no such file.
pub fn run(args: &CheckArgs) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match check(&args.config, args.at, clock::now()) {
        Ok(report) => {
            // A reader that has left, such as `head`, does not change the verdict.
            let _ = if args.json { report.write_json(&mut out) } else { report.write_text(&mut out) };
            if !args.json && report.findings.is_empty() {
                say(format_args!("{}: nothing to complain about", args.config.display()));
            }
            if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            say(format_args!("vergate check: cannot read {}: {error}", args.config.display()));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// What is printed.
#[derive(Debug)]
struct Report {
    findings: Vec<Finding>,
    /// Present with `--at`.
    versions: Option<Vec<VersionLine>>,
}

/// Where a version stands on the day of `--at`.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct VersionLine {
    api: String,
    version: String,
    status: &'static str,
    phase: Option<&'static str>,
    deprecated: Option<String>,
    sunset: Option<String>,
}

/// The findings of today and of the changes, and those that only the day `at` adds, as warnings.
fn check(path: &Path, at: Option<UtcTime>, now: UtcTime) -> Result<Report, Error> {
    let mut today = read(path, now)?;
    prove(&mut today, path);
    let Some(at) = at else { return Ok(Report { findings: today.findings, versions: None }) };
    let then = read(path, at)?;
    let added: Vec<Finding> = then
        .findings
        .into_iter()
        .filter(|finding| !today.findings.contains(finding))
        .map(|finding| on_day(finding, at))
        .collect();
    today.findings.extend(added);
    sort(&mut today.findings, path);
    let config = today.config.or(then.config);
    let versions = config.iter().flat_map(|config: &Config| &config.apis).flat_map(|api| lines(api, at)).collect();
    Ok(Report { findings: today.findings, versions: Some(versions) })
}

/// Adds what the OpenAPI documents say about the changes, once both can be read.
fn prove(outcome: &mut Outcome, path: &Path) {
    let Some(config) = &outcome.config else { return };
    let first = outcome.findings.len();
    for ((api, changes), origins) in config.apis.iter().zip(&config.changes).zip(&outcome.origins) {
        let documents = documents::read(api, origins, &contract::read::from_disk, &mut outcome.findings);
        outcome.findings.extend(prove::api(prove::Subject { api, changes, origins, documents: &documents }));
    }
    if outcome.findings.len() > first {
        sort(&mut outcome.findings, path);
    }
}

fn read(path: &Path, now: UtcTime) -> Result<Outcome, Error> {
    match checked::read_file(path, now) {
        Ok(outcome) => Ok(outcome),
        Err(LoadError::Unreadable(_, error)) => Err(error),
        Err(LoadError::Findings(findings)) => {
            Ok(Outcome { config: None, findings, origins: Vec::new(), files: Vec::new() })
        }
    }
}

/// A finding that another day brings: it can be mended until then.
fn on_day(finding: Finding, at: UtcTime) -> Finding {
    let message = format!("on {}: {}", at.date(), finding.message);
    Finding { severity: Severity::Warning, message, ..finding }
}

fn lines(api: &Api, at: UtcTime) -> impl Iterator<Item = VersionLine> + '_ {
    api.versions.iter().map(move |version| {
        let standing = version.lifecycle.standing(at);
        VersionLine {
            api: api.name.clone(),
            version: version.name.to_string(),
            status: standing.status.as_str(),
            phase: standing.phase.map(|phase| phase.as_str()),
            deprecated: version.lifecycle.deprecation().map(UtcTime::date),
            sunset: version.lifecycle.sunset().map(UtcTime::date),
        }
    })
}

impl Report {
    fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    fn write_json(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        match &self.versions {
            None => serde_json::to_writer_pretty(&mut *out, &self.findings)?,
            Some(versions) => {
                #[derive(Serialize)]
                struct WithVersions<'r> {
                    findings: &'r [Finding],
                    versions: &'r [VersionLine],
                }
                serde_json::to_writer_pretty(&mut *out, &WithVersions { findings: &self.findings, versions })?;
            }
        }
        writeln!(out)
    }

    fn write_text(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut lines: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        // One mistake may have two codes, which only machines read.
        lines.dedup();
        for line in lines {
            writeln!(out, "{line}")?;
        }
        for line in self.versions.iter().flatten() {
            let name = format!("{} {}", line.api, line.version);
            write!(out, "{name:<28} {:<12}", line.status)?;
            if let Some(phase) = line.phase.filter(|phase| *phase != line.status) {
                write!(out, " {phase}")?;
            }
            if let Some(sunset) = &line.sunset {
                write!(out, " (sunset {sunset})")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "\
upstreams: {u: http://127.0.0.1:1}
apis:
  a:
    versions:
      \"1\": {deprecated: 2030-01-01, sunset: 2031-01-01, upstream: u}
      \"2\": {deprecated: 2032-01-01, upstream: u}
";

    fn day(text: &str) -> UtcTime {
        UtcTime::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn file(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("vergate-check-{}-{name}.yaml", std::process::id()));
        std::fs::write(&path, YAML).expect("a temporary file");
        path
    }

    #[test]
    fn what_is_wrong_only_on_the_day_asked_for_is_a_warning() {
        let path = file("day");
        let today = check(&path, None, day("2029-01-01")).expect("readable");
        assert!(today.findings.is_empty(), "{:?}", today.findings);
        let later = check(&path, Some(day("2033-01-01")), day("2029-01-01")).expect("readable");
        assert_eq!(later.findings.len(), 1);
        assert_eq!(later.findings[0].severity, Severity::Warning);
        assert!(later.findings[0].message.starts_with("on 2033-01-01: the default is latest-stable"));
        assert!(later.is_sound());
        let then = check(&path, None, day("2033-01-01")).expect("readable");
        assert!(!then.is_sound());
        std::fs::remove_file(path).expect("removed");
    }

    #[test]
    fn each_version_is_shown_as_it_stands_on_the_day() {
        let path = file("phases");
        let report = check(&path, Some(day("2030-08-01")), day("2029-01-01")).expect("readable");
        let versions = report.versions.as_ref().expect("asked for");
        let standing = |index: usize| (versions[index].version.as_str(), versions[index].status, versions[index].phase);
        assert_eq!(standing(0), ("1", "deprecated", Some("warning")));
        assert_eq!(standing(1), ("2", "stable", None));
        let mut json = Vec::new();
        report.write_json(&mut json).expect("written");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["versions"][0]["sunset"], "2031-01-01");
        assert!(json["findings"].is_array());
        std::fs::remove_file(path).expect("removed");
    }

    #[test]
    fn without_a_day_json_is_an_array() {
        let path = file("array");
        let report = check(&path, None, day("2029-01-01")).expect("readable");
        let mut json = Vec::new();
        report.write_json(&mut json).expect("written");
        assert_eq!(String::from_utf8_lossy(&json).trim(), "[]");
        std::fs::remove_file(path).expect("removed");
    }

    #[test]
    fn a_document_that_is_broken_or_not_there_is_an_error() {
        let folder = std::env::temp_dir().join(format!("vergate-check-{}-documents", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("gateway.yaml");
        let yaml = YAML.replace("upstream: u}", "upstream: u, openapi: one.yaml}");
        std::fs::write(&path, yaml.replacen("one.yaml", "none.yaml", 1)).expect("written");
        std::fs::write(folder.join("one.yaml"), "swagger: '2.0'\n").expect("written");
        let report = check(&path, None, day("2029-01-01")).expect("readable");
        std::fs::remove_dir_all(&folder).expect("removed");
        let lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let place = |name: &str| folder.join(name).display().to_string();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("{}:5:79: error: cannot read the OpenAPI document", place("gateway.yaml")))
        );
        assert!(lines[1].starts_with(&format!("{}:1:10: error: Swagger 2.0 is not read", place("one.yaml"))));
        assert_eq!(report.findings[1].api.as_deref(), Some("a"));
    }

    #[test]
    fn a_file_that_is_not_there_is_no_finding() {
        assert!(check(Path::new("/nowhere/gateway.yaml"), None, day("2029-01-01")).is_err());
    }
}
