//! From a file to the checked configuration, or to everything that is wrong with it.

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
};

use super::apis::{self, Context};
use super::checked::Config;
use super::expand::{self, Outside};
use super::finding::{Finding, Severity};
use super::origins::ApiOrigins;
use super::pem::Files;
use super::shape::Read as _;
use super::tls::Pems;
use super::upstreams::{self, Upstreams};
use super::{builder, file, listeners, raw, settings, tracing, tree};
use crate::domain::time::UtcTime;

/// A configuration that can be used, and what is worth a warning.
#[derive(Debug)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// Warnings only, in file order.
    pub warnings: Vec<Finding>,
}

/// Why a file cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// The file itself could not be read.
    Unreadable(PathBuf, std::io::Error),
    /// Errors, and warnings among them, in file order.
    Findings(Vec<Finding>),
}

impl LoadError {
    /// What `check` would list.
    pub fn into_findings(self) -> Vec<Finding> {
        match self {
            Self::Findings(findings) => findings,
            Self::Unreadable(file, error) => {
                vec![Finding::of_file(file, "unreadable", format!("cannot be read: {error}"))]
            }
        }
    }
}

/// One line per finding, or why the file cannot be read.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Findings(findings) => {
                for (index, finding) in findings.iter().enumerate() {
                    if index > 0 {
                        writeln!(f)?;
                    }
                    write!(f, "{finding}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// What reading a configuration has given.
#[derive(Debug)]
pub struct Outcome {
    /// The configuration, unless a finding is an error.
    pub config: Option<Config>,
    /// Errors and warnings, in the order of their places.
    pub findings: Vec<Finding>,
    /// Where things stand, by the index of the API; empty where there is no configuration.
    pub origins: Vec<ApiOrigins>,
    /// Every file that was read or looked for, the configuration first; also where there is no configuration.
    pub files: Vec<PathBuf>,
}

/// Reads and checks `path` and every file it names.
///
/// - `now`: the day the lifecycle rules are checked for.
/// - Errors: all of them at once.
pub fn load(path: &Path, now: UtcTime) -> Result<Loaded, LoadError> {
    let Outcome { config, findings, .. } = read_file(path, now)?;
    match config {
        Some(config) => Ok(Loaded { config, warnings: findings }),
        None => Err(LoadError::Findings(findings)),
    }
}

/// Like [`load`], but keeps findings and files where there is no configuration.
///
/// - Errors: the file itself could not be read.
pub fn read_file(path: &Path, now: UtcTime) -> Result<Outcome, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_path_buf(), error);
    let bytes = file::read(path, builder::TEXT_BYTES_MAX as u64).map_err(unreadable)?;
    let env = |name: &str| std::env::var(name).ok();
    Ok(match tree::decode(&bytes, path) {
        Ok(text) => read(text, path, &env, now),
        Err(finding) => {
            Outcome { config: None, findings: vec![finding], origins: Vec::new(), files: vec![path.to_path_buf()] }
        }
    })
}

/// Checks the text of a configuration.
///
/// - `file`: its name in findings; files named in the text are relative to its folder.
/// - `env`: looks an environment variable up.
/// - `now`: the day the lifecycle rules are checked for.
pub fn read(text: &str, file: &Path, env: &dyn Fn(&str) -> Option<String>, now: UtcTime) -> Outcome {
    let mut findings = Vec::new();
    let mut files = vec![file.to_path_buf()];
    let folder = file.parent().unwrap_or(Path::new(""));
    let config = builder::build(text, file, &mut findings).and_then(|mut root| {
        expand::expand(&mut root, &mut Outside { variable: env, folder, files: &mut files }, &mut findings);
        let raw = raw::Gateway::read(&root, &mut findings)?;
        assemble(&raw, folder, &mut files, now, &mut findings)
    });
    for empty in findings.iter_mut().filter(|found| found.code == builder::EMPTY && found.file == file) {
        empty.help = "a configuration has at least `apis:`; gateway.yaml in the repository shows every key".to_owned();
    }
    sort(&mut findings, file);
    files.sort();
    files.dedup();
    let sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    let (config, origins) = config.filter(|_| sound).unzip();
    let config = config.map(|config| Config { files: files.clone(), ..config });
    Outcome { config, findings, origins: origins.unwrap_or_default(), files }
}

/// Holds the parts of a file against each other.
fn assemble(
    raw: &raw::Gateway,
    folder: &Path,
    files: &mut Vec<PathBuf>,
    now: UtcTime,
    findings: &mut Vec<Finding>,
) -> Option<(Config, Vec<ApiOrigins>)> {
    let timeouts = settings::timeouts(raw);
    let upstreams = Upstreams::build(raw, &timeouts, &mut Files { folder, seen: files }, findings);
    let (no_versioning, no_deprecation) = (raw::Versioning::default(), raw::Deprecation::default());
    let mut context = Context {
        now,
        folder,
        files,
        upstreams: &upstreams,
        versioning: raw.versioning.value().unwrap_or(&no_versioning),
        deprecation: raw.deprecation.value().unwrap_or(&no_deprecation),
    };
    let mut apis = Vec::new();
    let mut changes = Vec::new();
    let mut origins = Vec::new();
    for (api, its_changes, its_origins) in apis::build(raw, &mut context, findings) {
        apis.push(api);
        changes.push(its_changes);
        origins.push(its_origins);
    }
    upstreams::warn_of_unused(raw, findings);
    let mut pems = Pems::new(folder, files, now);
    let listeners = listeners::listeners(raw, &mut pems, findings);
    let certificate_ends = pems.ends;
    let config = Config {
        listeners,
        certificate_ends,
        workers: settings::workers(raw, findings),
        admin: settings::admin(raw, folder, findings),
        log: settings::log(raw),
        otlp: tracing::exporting(raw, findings),
        trusted_proxies: raw.trusted_proxies.value().iter().flat_map(|list| &list.0).map(|at| at.value.0).collect(),
        limits: settings::limits(raw),
        request_trailers: settings::request_trailers(raw),
        timeouts,
        upstreams: upstreams.list,
        apis,
        changes,
        files: Vec::new(),
    };
    let listeners = config.listeners.iter().map(|listener| listener.id.address);
    let own: Vec<_> = listeners.chain([config.admin.listen]).collect();
    upstreams::refuse_own(raw, &own, findings);
    upstreams::refuse_small_caps(raw, config.workers, findings);
    // An API that could not be built left an error behind; no configuration goes without one.
    (!config.apis.is_empty()).then_some((config, origins))
}

/// In the order of their places, the configuration's own before those of other files; nothing twice.
fn sort(findings: &mut Vec<Finding>, file: &Path) {
    // What a reference that cannot be resolved would have to be is another question.
    let unresolved = |finding: &Finding| expand::CODES.contains(&finding.code);
    let places: HashSet<(usize, usize)> =
        findings.iter().filter(|finding| unresolved(finding)).map(|finding| (finding.line, finding.col)).collect();
    findings.retain(|finding| {
        unresolved(finding) || finding.file != file || !places.contains(&(finding.line, finding.col))
    });
    let place = |finding: &Finding| (finding.file != file, finding.file.clone(), finding.line, finding.col);
    findings.sort_by(|a, b| place(a).cmp(&place(b)).then(a.severity.cmp(&b.severity)));
    findings.dedup_by(|later, first| place(later) == place(first) && later.message == first.message);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::testing::outcome;
    use crate::config::{Limits, Secret, Timeouts};

    const SHIPPED: &str = include_str!("../../gateway.yaml");

    fn day(text: &str) -> UtcTime {
        UtcTime::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn shipped(now: &str, env: &dyn Fn(&str) -> Option<String>) -> Config {
        let outcome = read(SHIPPED, Path::new("gateway.yaml"), env, day(now));
        assert!(outcome.findings.is_empty(), "{:#?}", outcome.findings);
        outcome.config.expect("no finding")
    }

    #[test]
    fn the_shipped_configuration_is_sound_and_stays_so_for_years() {
        for now in ["2026-01-01", "2030-01-01", "2034-11-30"] {
            let config = shipped(now, &|_| None);
            let names: Vec<(&str, Vec<&str>)> = config
                .apis
                .iter()
                .map(|api| (api.name.as_str(), api.versions.iter().map(|version| version.name.as_str()).collect()))
                .collect();
            assert_eq!(
                names,
                [
                    ("query-parser", vec!["1.0", "1.5", "2.0"]),
                    ("ml-engine", vec!["1.0", "1.2", "1.3"]),
                    ("db-connector", vec!["1.0", "2.0", "2.1"]),
                ]
            );
        }
    }

    #[test]
    fn the_shipped_configuration_listens_on_loopback_and_knows_its_upstreams() {
        let config = shipped("2026-01-01", &|_| None);
        let addresses: Vec<_> = config.listeners.iter().map(|listener| listener.id.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:8080"]);
        assert_eq!(config.admin.listen, "127.0.0.1:9901".parse().expect("an address"));
        assert!(config.apis.iter().all(|api| api.hosts.is_empty()));
        let ports: Vec<(&str, u16)> = config.upstreams.iter().map(|u| (u.name.as_str(), u.servers[0].port)).collect();
        assert_eq!(
            ports,
            [("query-parser-1.5", 9015), ("query-parser-2.0", 9020), ("ml-engine", 9112), ("db-connector", 9220)]
        );
        let service = &config.apis[0].versions[0].service;
        assert_eq!((service.upstream, service.through, service.speaks), (0, 1, 1));
        assert_eq!(config.changes[0][service.chain[0]].name, "qp-1.5-context");
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.timeouts, Timeouts::default());
    }

    #[test]
    fn the_shipped_upstreams_can_be_moved_by_the_environment() {
        let env = |name: &str| (name == "QUERY_PARSER_1_5").then(|| "http://127.0.0.1:4711".to_owned());
        assert_eq!(shipped("2026-01-01", &env).upstreams[0].servers[0].port, 4711);
    }

    #[test]
    fn the_shipped_configuration_shows_every_supported_key() {
        let schema = crate::config::schema::document();
        let definitions = schema["$defs"].as_object().expect("definitions").values().chain([&schema]);
        let mut supported = std::collections::BTreeMap::new();
        for (key, property) in definitions.filter_map(|shape| shape["properties"].as_object()).flatten() {
            let later = property["description"].as_str().is_some_and(|text| text.contains("Not supported yet"));
            // Two mappings may have a key of one name.
            *supported.entry(key).or_insert(false) |= !later;
        }
        for (key, supported) in supported {
            assert_eq!(supported, SHIPPED.contains(&format!("{key}:")), "{key}");
        }
    }

    #[test]
    fn files_are_read_beside_the_configuration_and_all_of_them_are_known() {
        let folder = std::env::temp_dir().join(format!("vergate-load-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("gateway.yaml");
        let text = "admin: {token: \"${file:token}\"}\nupstreams: {u: http://h}\napis: {a: {versions: {\"1\": {}, \"2\": {upstream: u}}, changes: [x.yaml]}}\n";
        std::fs::write(&path, text).expect("written");
        std::fs::write(folder.join("token"), "hush\n").expect("written");
        std::fs::write(folder.join("x.yaml"), "change: x\nfrom: \"1\"\nto: \"2\"\noperations: []\n").expect("written");
        let loaded = load(&path, day("2026-01-01"));
        std::fs::remove_dir_all(&folder).expect("removed");
        let config = loaded.unwrap_or_else(|error| panic!("{error}")).config;
        assert_eq!(config.admin.token.as_ref().map(Secret::expose), Some(&b"hush"[..]));
        assert_eq!(config.files, [folder.join("gateway.yaml"), folder.join("token"), folder.join("x.yaml")]);
        assert_eq!(config.apis[0].versions[0].service.chain, [0]);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_a_finding() {
        let error = load(Path::new("/nowhere/gateway.yaml"), day("2026-01-01")).expect_err("missing");
        assert!(matches!(error, LoadError::Unreadable(..)));
        let error = load(&std::env::temp_dir(), day("2026-01-01")).expect_err("a directory");
        assert!(matches!(error, LoadError::Unreadable(..)));
    }

    #[test]
    fn warnings_do_not_stand_in_the_way() {
        let outcome = outcome("upstreams: {u: http://h, v: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n");
        assert_eq!(outcome.findings.len(), 1);
        assert!(outcome.config.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The shipped file with a hole, or with something else in the hole: never a panic, and never neither
        /// a configuration nor an error.
        #[test]
        fn a_damaged_configuration_is_refused_with_a_reason_or_used(
            start in 0..SHIPPED.len(),
            length in 0..40usize,
            filling in prop::sample::select(vec!["", "x", "{", "]", "null", "- ", ": ", "\"", "1.5", "${X}", "&a", "*a", "\n", "[]", "{}", "\t"]),
        ) {
            let end = (start + length).min(SHIPPED.len());
            prop_assume!(SHIPPED.is_char_boundary(start) && SHIPPED.is_char_boundary(end));
            let text = format!("{}{filling}{}", &SHIPPED[..start], &SHIPPED[end..]);
            let outcome = outcome(&text);
            let errors = outcome.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
            prop_assert_eq!(outcome.config.is_some(), errors == 0);
        }
    }
}
