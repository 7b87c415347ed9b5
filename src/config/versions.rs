//! The versions of an API: names, lifecycles, endpoints and deprecation rules.

use std::collections::HashMap;

use super::containers::{Entries, List, Word};
use super::deprecation;
use super::finding::{Finding, Place};
use super::names::{EndpointText, VersionName};
use super::raw;
use super::shape::{At, Field};
use super::suggest;
use super::upstreams::{Named, Upstreams};
use crate::domain::{
    api::{Service, Version},
    endpoint::{Endpoint, Segment},
    lifecycle::{Lifecycle, LifecycleError, Status},
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
    let phases = deprecation::phases(raw, global, findings);
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
    if let Some(At { place, value: Word(status) }) = raw.status.set()
        && by_dates.status > *status
        && raw.current_phase.is_absent()
    {
        let (declared, real) = (status.as_str(), by_dates.status.as_str());
        let message =
            format!("version {} is declared {declared}, but by its dates it is {real}; the dates rule", draft.name);
        let help = format!("write `status: {real}`, or move the dates");
        findings.push(Finding::warning(place, "milder-status", message, help));
    }
    if let Some(At { place, value: Word(phase) }) = raw.current_phase.set()
        && by_dates.phase != Some(*phase)
    {
        let dates = by_dates.phase.map_or("none", |phase| phase.as_str());
        let message = format!("`current_phase` says {}, the dates say {dates}; `current_phase` rules", phase.as_str());
        let help = "take `current_phase` out once the dates are right";
        findings.push(Finding::warning(place, "current-phase", message, help));
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
                deprecation: deprecation::rules(raw, global),
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

/// Whether a version answers requests that do not name it exactly.
pub fn is_open(status: Status) -> bool {
    matches!(status, Status::Stable | Status::Deprecated)
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, expect_versions};

    #[test]
    fn spellings_of_one_version_are_one_version() {
        expect_versions(
            "      \"2\": {upstream: u}\n      \"2.0\": {upstream: u}\n",
            &["g.yaml:6:7: error: version \"2.0\" is \"2\" again, which stands at g.yaml:5:7"],
        );
    }

    #[test]
    fn dates_and_numbers_do_not_mix() {
        expect_versions(
            "      \"2.0\": {upstream: u}\n      \"2026-01-01\": {upstream: u}\n",
            &["g.yaml:6:7: error: dates and numbers are mixed: \"2026-01-01\" here, \"2.0\" at g.yaml:5:7"],
        );
        expect_versions("      \"2025-01-01\": {upstream: u}\n      \"2026-01-01\": {upstream: u}\n", &[]);
    }

    #[test]
    fn a_pre_release_needs_a_status() {
        let stable = "      \"1\": {upstream: u}\n";
        expect_versions(
            &format!("{stable}      \"2.0-rc.1\": {{upstream: u}}\n"),
            &["g.yaml:6:7: error: the pre-release \"2.0-rc.1\" has no status"],
        );
        expect_versions(&format!("{stable}      \"2.0-rc.1\": {{status: beta, upstream: u}}\n"), &[]);
    }

    #[test]
    fn versions_are_quoted_wherever_they_stand() {
        expect_versions(
            "      2.10: {upstream: u}\n",
            &["g.yaml:5:7: error: the version 2.10 is an unquoted number; quote it: \"2.10\" (2.10 would become 2.1)"],
        );
        expect_versions(
            "      \"2.1\": {upstream: u, speaks: 2.1}\n",
            &["g.yaml:5:36: error: the version 2.1 is an unquoted number; quote it"],
        );
        expect(
            "versioning: {default: 2}\nupstreams: {u: http://h}\napis: {a: {versions: {\"2\": {upstream: u}}}}\n",
            &["g.yaml:1:23: error: the version 2 is an unquoted number; quote it"],
        );
        expect_versions("      vee: {upstream: u}\n", &["g.yaml:5:7: error: \"vee\": not a version"]);
        expect_versions("      \"01\": {upstream: u}\n", &["g.yaml:5:7: error: \"01\": not a version"]);
    }

    #[test]
    fn dates_have_an_order() {
        expect_versions(
            "      \"1\": {deprecated: 2027-02-01, sunset: 2027-01-01, upstream: u}\n",
            &[
                "g.yaml:5:45: error: the sunset lies before the deprecation (RFC 9745 section 4); the other date stands at g.yaml:5:25",
            ],
        );
        expect_versions(
            "      \"1\": {sunset: 2027-01-01, deprecated: 2027-02-01, upstream: u}\n",
            &[
                "g.yaml:5:45: error: the sunset lies before the deprecation (RFC 9745 section 4); the other date stands at g.yaml:5:21",
            ],
        );
        expect_versions("      \"1\": {deprecated: 2027-01-01, sunset: 2027-01-01, upstream: u}\n", &[]);
    }

    #[test]
    fn a_deprecation_has_a_date() {
        expect_versions(
            "      \"1\": {upstream: u}\n      \"0\": {status: deprecated, upstream: u}\n",
            &["g.yaml:6:21: error: status deprecated needs a deprecation date"],
        );
        expect_versions(
            "      \"1\": {sunset: 2027-01-01, upstream: u}\n",
            &["g.yaml:5:21: error: a sunset date needs a deprecation date"],
        );
        // A version that is simply gone needs no date.
        expect_versions("      \"1\": {upstream: u}\n      \"0\": {status: sunset, upstream: u}\n", &[]);
    }

    #[test]
    fn a_bad_date_is_one_finding() {
        expect_versions(
            "      \"1\": {deprecated: 2027-02-30, upstream: u}\n",
            &["g.yaml:5:25: error: \"2027-02-30\" is not a date"],
        );
        expect_versions(
            "      \"1\": {deprecated: soon, upstream: u}\n",
            &["g.yaml:5:25: error: \"soon\" is not a date"],
        );
    }

    #[test]
    fn a_milder_status_than_the_dates_say_is_a_warning() {
        let stable = "      \"2\": {upstream: u}\n";
        expect_versions(
            &format!("{stable}      \"1\": {{status: stable, deprecated: 2026-01-01, upstream: u}}\n"),
            &["g.yaml:6:21: warning: version 1 is declared stable, but by its dates it is deprecated; the dates rule"],
        );
        expect_versions(
            &format!(
                "{stable}      \"1\": {{status: deprecated, deprecated: 2025-01-01, sunset: 2026-01-01, upstream: u}}\n"
            ),
            &["g.yaml:6:21: warning: version 1 is declared deprecated, but by its dates it is sunset"],
        );
        // A day later nothing is wrong yet; without a status the dates simply decide.
        expect_versions(
            &format!("{stable}      \"1\": {{status: stable, deprecated: 2026-01-02, upstream: u}}\n"),
            &[],
        );
        expect_versions(&format!("{stable}      \"1\": {{deprecated: 2025-01-01, upstream: u}}\n"), &[]);
    }

    #[test]
    fn a_phase_that_disagrees_with_the_dates_is_a_warning() {
        let stable = "      \"2\": {upstream: u}\n";
        let version = |phase: &str| {
            format!(
                "{stable}      \"1\": {{current_phase: {phase}, deprecated: 2025-01-01, sunset: 2030-01-01, upstream: u}}\n"
            )
        };
        expect_versions(
            &version("warning"),
            &["g.yaml:6:28: warning: `current_phase` says warning, the dates say announcement; `current_phase` rules"],
        );
        expect_versions(&version("announcement"), &[]);
        expect_versions(
            &version("announcment"),
            &[
                "g.yaml:6:28: error: expected announcement, warning, enforcement or sunset, found \"announcment\"; did you mean `announcement`?",
            ],
        );
    }

    #[test]
    fn an_endpoint_is_listed_once_and_has_a_form() {
        expect_versions(
            "      \"1\": {upstream: u, endpoints: [POST /parse, 'GET /m/{id}', 'GET /m/{name}/', parse]}\n",
            &[
                "g.yaml:5:66: error: the endpoint GET /m/{name} fits the same requests as the one at g.yaml:5:51",
                "g.yaml:5:84: error: \"parse\": an endpoint is a method and an absolute path",
            ],
        );
    }

    #[test]
    fn an_unknown_upstream_or_spoken_version_is_named_with_the_nearest_known() {
        expect(
            "upstreams: {parser: http://h}\napis:\n  a:\n    versions:\n      \"1\": {upstream: parsr}\n      \"2\": {upstream: parser, speaks: \"3\"}\n",
            &[
                "g.yaml:5:23: error: there is no upstream `parsr`; did you mean `parser`?",
                "g.yaml:6:39: error: `speaks` names version \"3\", which does not exist",
            ],
        );
        expect_versions(
            "      \"1\": {speaks: \"2\"}\n      \"2\": {upstream: u}\n",
            &[
                "g.yaml:5:7: error: version 1 cannot be served",
                "g.yaml:5:21: error: `speaks` stands without an `upstream`",
            ],
        );
    }

    #[test]
    fn an_api_has_at_least_one_version() {
        expect("apis: {a: {versions: {}}}\n", &["g.yaml:1:22: error: `versions` has no version"]);
        expect("apis: {a: {path: /}}\n", &["g.yaml:1:11: error: `versions` is missing"]);
        expect("apis: {a: {versions: {\"1\": }}}\n", &["g.yaml:1:"]);
    }
}
