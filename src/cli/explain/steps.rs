//! The steps of a decision in words.

use serde::Serialize;

use crate::{
    config::Config,
    domain::api::{Api, DefaultVersion, SourcePlace},
    headers,
    pipeline::negotiation::{Finding, Step},
};

/// One step: what was looked at and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct StepLine {
    /// What was looked at: `host`, `header X-API-Version`.
    pub(super) step: String,
    /// What was found, a short sentence.
    pub(super) found: String,
}

/// Every step in words, in order.
pub(super) fn lines(config: &Config, steps: &[Step]) -> Vec<StepLine> {
    let mut api = None;
    let mut decided = false;
    let mut lines = Vec::new();
    for step in steps {
        if let Step::Route { api: Some(index), .. } = step {
            api = Some(&config.apis[*index]);
        }
        let (step, found) = match (step, api) {
            (Step::Host { host, candidates, named }, _) => {
                ("host".to_owned(), in_words(host.as_deref(), *candidates, *named))
            }
            (Step::Normalised { path }, _) => ("path read as".to_owned(), path.clone()),
            (Step::Reading { path, same: true }, _) => {
                ("or read as".to_owned(), format!("{path}, which means the same"))
            }
            (Step::Reading { path, same: false }, _) => {
                ("or read as".to_owned(), format!("{path}, which means something else"))
            }
            (Step::Climbs, _) => ("forwarded".to_owned(), "would lead above the root of the upstream".to_owned()),
            (Step::Route { path, .. }, Some(api)) => {
                let prefix = if api.path.is_empty() { "/" } else { &api.path };
                ("api".to_owned(), format!("{} owns {path} by its prefix {prefix}", api.name))
            }
            (Step::Route { path, .. }, None) => ("api".to_owned(), format!("none owns {path}")),
            (Step::Source { index, finding, .. }, Some(api)) => {
                let found = source_found(api, finding, decided);
                decided |= *finding != Finding::Absent;
                (source_name(&api.versioning.sources[*index].place), found)
            }
            (Step::Default { version, preflight }, Some(api)) => {
                ("default".to_owned(), default(api, *version, *preflight))
            }
            // The endpoint is told with the version it belongs to.
            (Step::Endpoint { .. } | Step::Source { .. } | Step::Default { .. }, _) => continue,
        };
        lines.push(StepLine { step, found });
    }
    lines
}

fn in_words(host: Option<&str>, candidates: usize, named: bool) -> String {
    let host = host.filter(|host| !host.is_empty()).unwrap_or("none sent");
    let apis = if candidates == 1 { "1 api".to_owned() } else { format!("{candidates} apis") };
    match (candidates, named) {
        (0, _) => format!("{host}: no api answers to it"),
        (_, true) => format!("{host}: {apis} of this host"),
        (_, false) => format!("{host}: {apis} of any host"),
    }
}

/// `header X-API-Version`.
fn source_name(place: &SourcePlace) -> String {
    match place {
        SourcePlace::Header(name) => format!("header {}", headers::spelled(name)),
        SourcePlace::Path(_) => "path".to_owned(),
        SourcePlace::Query(name) => format!("query {name}"),
        SourcePlace::Accept(_) => "accept".to_owned(),
    }
}

/// - `decided`: a source above was present.
fn source_found(api: &Api, finding: &Finding, decided: bool) -> String {
    let found = match finding {
        Finding::Absent => return "absent".to_owned(),
        Finding::Version { text, version } => {
            let name = api.versions[*version].name.as_str();
            if text == name { format!("names {text}") } else { format!("names {text}, which means {name}") }
        }
        Finding::Unknown { text } => format!("names {text}, which does not exist"),
        Finding::Malformed => "holds something that is not a version".to_owned(),
        Finding::Ambiguous { first, second } => format!("names both {first} and {second}"),
    };
    if decided { format!("{found}; a source above decides") } else { format!("{found}; decides") }
}

fn default(api: &Api, version: Option<usize>, preflight: bool) -> String {
    let Some(version) = version else {
        return match api.versioning.default {
            DefaultVersion::Required => "none: the request has to name a version".to_owned(),
            _ => "none: no version is stable".to_owned(),
        };
    };
    let name = &api.versions[version].name;
    match (preflight, &api.versioning.default) {
        (true, _) => format!("{name}, the newest stable version, for this preflight"),
        (false, DefaultVersion::LatestStable) => format!("{name}, the newest stable version"),
        (false, _) => format!("{name}, as configured"),
    }
}
