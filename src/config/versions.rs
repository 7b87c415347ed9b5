//! The versions of an API: names, lifecycles, endpoints and deprecation rules.

use std::collections::HashMap;

use super::containers::{Entries, List, Word};
use super::finding::{Finding, Place};
use super::names::{EndpointText, VersionName};
use super::raw;
use super::shape::{At, Field};
use super::suggest;
use super::upstreams::{Named, Upstreams};
use crate::domain::{
    api::{DeprecationRules, LinkRelations, Service, Version},
    endpoint::{Endpoint, Segment},
    lifecycle::{Lead, Lifecycle, LifecycleError, Phases, Status},
    time::UtcTime,
    version::ApiVersion,
};

/// A version on its way from the file to the domain.
#[derive(Debug)]
pub struct Draft<'r> {
    /// Its name.
    pub name: ApiVersion,
    /// Where its key stands.
    pub place: Place,
    /// What is written below the key; none if it could not be read.
    pub raw: Option<&'r raw::Version>,
    /// The upstream written for it.
    pub own: OwnUpstream,
    /// Its lifecycle, if dates and status fit together.
    pub lifecycle: Option<Lifecycle>,
}

/// The upstream written for a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnUpstream {
    /// None is written.
    Absent,
    /// It cannot be told; findings say why.
    Broken,
    /// One is written.
    Named {
        /// Index of the upstream.
        upstream: usize,
        /// Index of the version it speaks.
        speaks: usize,
    },
}

/// The versions in ascending order, with their upstreams and lifecycles.
pub fn drafts<'r>(
    entries: &'r Entries<VersionName, raw::Version>,
    upstreams: &Upstreams,
    global: &raw::Deprecation,
    findings: &mut Vec<Finding>,
) -> Vec<Draft<'r>> {
    let mut drafts: Vec<Draft<'r>> = Vec::new();
    for entry in &entries.entries {
        let (name, place) = (&entry.key.value.0, &entry.key.place);
        if let Some(same) = drafts.iter().find(|draft| draft.name == *name) {
            let message = format!("version \"{name}\" is \"{}\" again, which stands at {}", same.name, same.place);
            findings.push(Finding::error(place, "duplicate-version", message, "remove one of the two"));
            continue;
        }
        if let Some(first) = drafts.first().filter(|first| first.name.is_date() != name.is_date()) {
            let message =
                format!("dates and numbers are mixed: \"{name}\" here, \"{}\" at {}", first.name, first.place);
            findings.push(Finding::error(place, "mixed-versions", message, "use one kind of name within an API"));
        }
        let raw = entry.value.value();
        let lifecycle = raw.and_then(|raw| lifecycle(name, place, raw, global, findings));
        drafts.push(Draft { name: name.clone(), place: place.clone(), raw, own: OwnUpstream::Broken, lifecycle });
    }
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    for index in 0..drafts.len() {
        drafts[index].own = own_upstream(index, &drafts, entries.incomplete, upstreams, findings);
    }
    drafts
}

/// Index of a version; reports one that does not exist unless a key could not be read.
pub fn find(
    name: &ApiVersion,
    place: &Place,
    what: &str,
    drafts: &[Draft<'_>],
    incomplete: bool,
    findings: &mut Vec<Finding>,
) -> Option<usize> {
    let found = drafts.iter().position(|draft| draft.name == *name);
    if found.is_none() && !incomplete {
        let help = suggest::remedy(name.as_str(), drafts.iter().map(|draft| draft.name.as_str()));
        findings.push(Finding::error(
            place,
            "unknown-version",
            format!("{what} names version \"{name}\", which does not exist"),
            help,
        ));
    }
    found
}

fn own_upstream(
    index: usize,
    drafts: &[Draft<'_>],
    incomplete: bool,
    upstreams: &Upstreams,
    findings: &mut Vec<Finding>,
) -> OwnUpstream {
    let Some(raw) = drafts[index].raw else { return OwnUpstream::Broken };
    let speaks = match &raw.speaks {
        Field::Absent => Some(index),
        Field::Broken => None,
        Field::Set(At { place, value }) => {
            if raw.upstream.is_absent() {
                let help = "add `upstream`, or take `speaks` out";
                findings.push(Finding::error(place, "speaks", "`speaks` stands without an `upstream`", help));
            }
            find(&value.0, place, "`speaks`", drafts, incomplete, findings)
        }
    };
    match &raw.upstream {
        Field::Absent => OwnUpstream::Absent,
        Field::Broken => OwnUpstream::Broken,
        Field::Set(name) => match (upstreams.find(name, findings), speaks) {
            (Named::Known(upstream), Some(speaks)) => OwnUpstream::Named { upstream, speaks },
            _ => OwnUpstream::Broken,
        },
    }
}

fn lifecycle(
    name: &ApiVersion,
    key: &Place,
    raw: &raw::Version,
    global: &raw::Deprecation,
    findings: &mut Vec<Finding>,
) -> Option<Lifecycle> {
    if name.is_pre_release() && raw.status.is_absent() {
        let message = format!("the pre-release \"{name}\" has no status");
        let help = "add `status: beta`, or what it is";
        findings.push(Finding::error(key, "pre-release-status", message, help));
    }
    let phases = phases(raw, global, findings);
    let broken =
        raw.status.is_broken() || raw.deprecated.is_broken() || raw.sunset.is_broken() || raw.current_phase.is_broken();
    if broken {
        return None;
    }
    let declared = raw.status.value().map(|word| word.0);
    let date = |field: &Field<super::units::Date>| field.value().map(|date| date.0);
    let current = raw.current_phase.value().map(|word| word.0);
    match Lifecycle::new(declared, date(&raw.deprecated), date(&raw.sunset), phases, current) {
        Ok(lifecycle) => Some(lifecycle),
        Err(error) => {
            findings.push(contradiction(error, key, raw));
            None
        }
    }
}

fn contradiction(error: LifecycleError, key: &Place, raw: &raw::Version) -> Finding {
    let place = |field: Option<&Place>| field.unwrap_or(key).clone();
    let sunset = raw.sunset.set().map(|at| &at.place);
    match error {
        LifecycleError::SunsetBeforeDeprecation => {
            let deprecated = place(raw.deprecated.set().map(|at| &at.place));
            let sunset = place(sunset);
            let (later, other) = if deprecated > sunset { (deprecated, sunset) } else { (sunset, deprecated) };
            let message = format!("{error}; the other date stands at {other}");
            Finding::error(
                &later,
                "sunset-before-deprecation",
                message,
                "callers are told first: let `sunset` be the later date",
            )
        }
        LifecycleError::SunsetWithoutDeprecation => {
            let help = "add `deprecated:` with the day from which callers are told";
            Finding::error(&place(sunset), "sunset-without-deprecation", error.to_string(), help)
        }
        LifecycleError::DeprecatedWithoutDate => {
            let place = place(raw.status.set().map(|at| &at.place));
            let help = "add `deprecated:` with the day from which callers are told";
            Finding::error(&place, "deprecated-without-date", error.to_string(), help)
        }
    }
}

/// What the day `now` has to say about a version: dates and declarations that disagree.
pub fn check_day(draft: &Draft<'_>, now: UtcTime, findings: &mut Vec<Finding>) {
    let (Some(raw), Some(lifecycle)) = (draft.raw, &draft.lifecycle) else { return };
    let by_dates = lifecycle.standing_by_dates(now);
    if let Some(At { place, value: Word(status) }) = raw.status.set() {
        if by_dates.status > *status && raw.current_phase.is_absent() {
            let (declared, real) = (status.as_str(), by_dates.status.as_str());
            let message =
                format!("version {} is declared {declared}, but by its dates it is {real}; the dates rule", draft.name);
            let help = format!("write `status: {real}`, or move the dates");
            findings.push(Finding::warning(place, "milder-status", message, help));
        }
    }
    if let Some(At { place, value: Word(phase) }) = raw.current_phase.set() {
        if by_dates.phase != Some(*phase) {
            let dates = by_dates.phase.map_or("none", |phase| phase.as_str());
            let message =
                format!("`current_phase` says {}, the dates say {dates}; `current_phase` rules", phase.as_str());
            let help = "take `current_phase` out once the dates are right";
            findings.push(Finding::warning(place, "current-phase", message, help));
        }
    }
}

/// The finished versions; none if anything about one of them is missing.
pub fn finish(
    drafts: Vec<Draft<'_>>,
    services: Vec<Option<Service>>,
    global: &raw::Deprecation,
    findings: &mut Vec<Finding>,
) -> Option<Vec<Version>> {
    let finished: Vec<Option<Version>> = drafts
        .into_iter()
        .zip(services)
        .map(|(draft, service)| {
            let raw = draft.raw?;
            // Read before anything is given up, so that its findings are there.
            let endpoints = raw.endpoints.value().map(|list| endpoints(list, findings));
            Some(Version {
                name: draft.name,
                lifecycle: draft.lifecycle?,
                deprecation: rules(raw, global),
                migration_guide: raw.migration_guide.value().map(|guide| guide.0.clone()),
                breaking_changes: raw
                    .breaking_changes
                    .value()
                    .iter()
                    .flat_map(|list| &list.0)
                    .map(|at| at.value.0.clone())
                    .collect(),
                endpoints,
                service: service?,
            })
        })
        .collect();
    finished.into_iter().collect()
}

/// Endpoints; two that fit the same requests are an error.
pub fn endpoints(list: &List<EndpointText>, findings: &mut Vec<Finding>) -> Vec<Endpoint> {
    let mut seen: HashMap<(String, Vec<Option<String>>), &Place> = HashMap::new();
    for At { place, value: EndpointText(endpoint) } in &list.0 {
        let shape = endpoint.segments().iter().map(|segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            Segment::Param(_) => None,
        });
        let key = (endpoint.method().to_owned(), shape.collect());
        if let Some(first) = seen.get(&key) {
            let message = format!("the endpoint {endpoint} fits the same requests as the one at {first}");
            findings.push(Finding::error(place, "duplicate-endpoint", message, "remove one of the two"));
        } else {
            seen.insert(key, place);
        }
    }
    list.0.iter().map(|at| at.value.0.clone()).collect()
}

/// When phases begin: the version's own word, else the global one.
fn phases(raw: &raw::Version, global: &raw::Deprecation, findings: &mut Vec<Finding>) -> Phases {
    let nothing = raw::Phases::default();
    let own = raw.deprecation.value().and_then(|rules| rules.phases.value()).unwrap_or(&nothing);
    let global = global.phases.value().unwrap_or(&nothing);
    let (warning, enforcement) = (own.warning.or(&global.warning), own.enforcement.or(&global.enforcement));
    let default = Phases::default();
    let phases = Phases {
        warning: warning.value().map_or(default.warning, |lead| lead.0),
        enforcement: enforcement.value().map_or(default.enforcement, |lead| lead.0),
    };
    let places = [warning, enforcement].map(|field| field.set().map(|at| &at.place));
    if let Some(place) = places.into_iter().flatten().max().filter(|_| !in_order(phases)) {
        let message = "the enforcement phase would begin before the warning phase";
        findings.push(Finding::error(place, "phases", message, "let `warning` be the longer time before the sunset"));
    }
    phases
}

/// Whether the warning phase begins first, whatever the sunset. Months of 28 to 31 days decide mixed units.
fn in_order(phases: Phases) -> bool {
    let days = |lead: Lead, month: u64| match lead {
        Lead::Months(months) => u64::from(months) * month * 86_400,
        Lead::Exact(duration) => duration.as_secs(),
    };
    match (phases.warning, phases.enforcement) {
        (Lead::Months(warning), Lead::Months(enforcement)) => warning >= enforcement,
        (warning, enforcement) => days(warning, 31) >= days(enforcement, 28),
    }
}

fn rules(raw: &raw::Version, global: &raw::Deprecation) -> DeprecationRules {
    let (nothing, no_headers) = (raw::Deprecation::default(), raw::AnnounceHeaders::default());
    let own = raw.deprecation.value().unwrap_or(&nothing);
    let own_headers = own.headers.value().unwrap_or(&no_headers);
    let global_headers = global.headers.value().unwrap_or(&no_headers);
    let default = DeprecationRules::default();
    let links = own_headers.links.or(&global_headers.links).value().map(|list| {
        let sent = |relation| list.0.iter().any(|at| at.value.0 == relation);
        LinkRelations {
            deprecation: sent(raw::LinkRelation::Deprecation),
            sunset: sent(raw::LinkRelation::Sunset),
            successor_version: sent(raw::LinkRelation::SuccessorVersion),
        }
    });
    DeprecationRules {
        after_sunset: own.after_sunset.or(&global.after_sunset).value().map_or(default.after_sunset, |word| word.0),
        warning: own_headers.warning.or(&global_headers.warning).value().map_or(default.warning, |flag| flag.0),
        seed: own_headers.seed.or(&global_headers.seed).value().map_or(default.seed, |flag| flag.0),
        links: links.unwrap_or(default.links),
    }
}

/// Whether a version answers requests that do not name it exactly.
pub fn is_open(status: Status) -> bool {
    matches!(status, Status::Stable | Status::Deprecated)
}
