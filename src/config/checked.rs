//! The checked configuration: domain types whose constructors make bad states impossible.

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::IpNet;

use super::apis::{self, Context};
use super::expand::{self, Outside};
use super::finding::{Finding, Severity};
use super::shape::Read as _;
use super::upstreams::{self, Upstreams};
use super::{builder, raw, settings, tree};
use crate::adaptation::change::Change;
use crate::domain::{api::Api, time::UtcTime, upstream::Upstream};

/// Everything `gateway.yaml` says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses of the data listeners; never empty. Port 0 asks for a free one.
    pub listeners: Vec<SocketAddr>,
    /// Worker threads, at least 1; `auto` was resolved to the number of cores.
    pub workers: usize,
    /// The admin port.
    pub admin: Admin,
    /// Access log.
    pub log: Log,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are kept and appended to.
    pub trusted_proxies: Vec<IpNet>,
    /// Sizes and counts.
    pub limits: Limits,
    /// Durations of the data path.
    pub timeouts: Timeouts,
    /// In file order; [`crate::domain::api::Service::upstream`] is an index into it.
    pub upstreams: Vec<Upstream>,
    /// In file order; never empty.
    pub apis: Vec<Api>,
    /// The changes of each API, by the API's index; [`crate::domain::api::Service::chain`] points into the inner list.
    pub changes: Vec<Vec<Change>>,
    /// Every file that was read, for the watcher.
    pub files: Vec<PathBuf>,
}

/// `admin:`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Default 127.0.0.1:9901.
    pub listen: SocketAddr,
    /// Required off loopback.
    pub token: Option<Secret>,
    /// Further accepted `Host` values, lower case.
    pub hosts: Vec<String>,
}

/// A text that is never printed: neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The bytes, for comparison only.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// `log:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object or one human line per request.
    pub format: LogFormat,
    /// Which requests are logged.
    pub requests: LogRequests,
}

/// How an access-log line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For human readers.
    Text,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogRequests {
    /// Every request.
    #[default]
    All,
    /// Answers of 400 and above, and aborted exchanges.
    Errors,
    /// None.
    Off,
}

/// `limits:`, in bytes and counts (CONTRACT section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the request target; 414 beyond. Default 8 KiB.
    pub request_target_bytes: usize,
    /// Length of the request's header section; 431 beyond. Default 32 KiB.
    pub request_header_bytes: usize,
    /// Fields of the request's header section; 431 beyond. Default 100.
    pub request_header_fields: usize,
    /// Length of a request body; 413 beyond. Default 1 GiB.
    pub request_body_bytes: u64,
    /// Length of a body that is adapted; 413 or 502 beyond. Default 8 MiB.
    pub adapted_body_bytes: usize,
    /// Length of the response's header section; 502 beyond. Default 64 KiB.
    pub response_header_bytes: usize,
    /// Client connections; none means as many as descriptors allow.
    pub connections: Option<usize>,
    /// Client connections from one address; none means unlimited.
    pub connections_per_client: Option<usize>,
    /// Requests being served; 503 beyond; none means automatic.
    pub requests_in_flight: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_target_bytes: 8 << 10,
            request_header_bytes: 32 << 10,
            request_header_fields: 100,
            request_body_bytes: 1 << 30,
            adapted_body_bytes: 8 << 20,
            response_header_bytes: 64 << 10,
            connections: None,
            connections_per_client: None,
            requests_in_flight: None,
        }
    }
}

/// `timeouts:` of the data path (CONTRACT section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Total time for a request head; 408. Default 10 s.
    pub request_header: Duration,
    /// Longest pause within a request body; 408. Default 15 s.
    pub request_body: Duration,
    /// Longest stall while a client does not take its answer. Default 15 s.
    pub write: Duration,
    /// Idle client connection. Default 75 s.
    pub keep_alive: Duration,
    /// Default of the upstreams' own. Default 2 s.
    pub connect: Duration,
    /// Default of the upstreams' own. Default 30 s.
    pub response: Duration,
    /// Longest pause within a response body. Default 30 s.
    pub response_idle: Duration,
    /// Whole exchange, to the last response byte; does not bind tunnels and event streams. Default 300 s.
    pub request: Duration,
    /// Longest silence of an upgraded connection. Default 1 h.
    pub tunnel_idle: Duration,
    /// How long requests in flight may take to finish on shutdown. Default 30 s.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            request_header: seconds(10),
            request_body: seconds(15),
            write: seconds(15),
            keep_alive: seconds(75),
            connect: seconds(2),
            response: seconds(30),
            response_idle: seconds(30),
            request: seconds(300),
            tunnel_idle: seconds(3600),
            drain: seconds(30),
        }
    }
}

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

/// What reading a configuration has given.
#[derive(Debug)]
pub struct Outcome {
    /// The configuration, unless a finding is an error.
    pub config: Option<Config>,
    /// Errors and warnings, in the order of their places.
    pub findings: Vec<Finding>,
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
    let bytes = expand::read_bounded(path, builder::TEXT_BYTES_MAX as u64).map_err(unreadable)?;
    let env = |name: &str| std::env::var(name).ok();
    Ok(match tree::decode(&bytes, path) {
        Ok(text) => read(text, path, &env, now),
        Err(finding) => Outcome { config: None, findings: vec![finding], files: vec![path.to_path_buf()] },
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
    sort(&mut findings, file);
    files.sort();
    files.dedup();
    let sound = findings.iter().all(|finding| finding.severity != Severity::Error);
    let config = config.filter(|_| sound).map(|config| Config { files: files.clone(), ..config });
    Outcome { config, findings, files }
}

/// Holds the parts of a file against each other.
fn assemble(
    raw: &raw::Gateway,
    folder: &Path,
    files: &mut Vec<PathBuf>,
    now: UtcTime,
    findings: &mut Vec<Finding>,
) -> Option<Config> {
    let timeouts = settings::timeouts(raw);
    let upstreams = Upstreams::build(raw, &timeouts, findings);
    let (no_versioning, no_deprecation) = (raw::Versioning::default(), raw::Deprecation::default());
    let mut context = Context {
        now,
        folder,
        files,
        upstreams: &upstreams,
        versioning: raw.versioning.value().unwrap_or(&no_versioning),
        deprecation: raw.deprecation.value().unwrap_or(&no_deprecation),
    };
    let (apis, changes) = apis::build(raw, &mut context, findings);
    upstreams::warn_of_unused(raw, findings);
    let config = Config {
        listeners: settings::listeners(raw, findings),
        workers: settings::workers(raw, findings),
        admin: settings::admin(raw, findings),
        log: settings::log(raw),
        trusted_proxies: raw.trusted_proxies.value().iter().flat_map(|list| &list.0).map(|at| at.value.0).collect(),
        limits: settings::limits(raw),
        timeouts,
        upstreams: upstreams.list,
        apis,
        changes,
        files: Vec::new(),
    };
    // An API that could not be built left an error behind; no configuration goes without one.
    (!config.apis.is_empty()).then_some(config)
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
