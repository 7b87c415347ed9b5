//! `versioning:` as it applies to one API.

use http::HeaderName;

use super::finding::{Finding, Place};
use super::names::{DefaultName, PathPattern};
use super::raw;
use super::shape::At;
use super::versions::{self, Draft};
use crate::domain::{
    api::{DefaultVersion, OnUnknown, Source, SourcePlace, Versioning},
    lifecycle::Status,
    time::UtcTime,
};

/// What resolution needs to know about an API.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The API's name.
    pub api: &'a str,
    /// Where its key stands.
    pub key: &'a Place,
    /// Its versions, ascending.
    pub drafts: &'a [Draft<'a>],
    /// Whether a version's key could not be read.
    pub incomplete: bool,
}

/// The rules of an API: its own key, else the global one, else the default.
pub fn build(
    global: &raw::Versioning,
    own: &raw::Versioning,
    subject: &Subject<'_>,
    now: UtcTime,
    findings: &mut Vec<Finding>,
) -> Option<Versioning> {
    let written = own.default.or(&global.default);
    let on_unknown = own.on_unknown.or(&global.on_unknown);
    if let (Some(fallback), Some(At { value: DefaultName::Required, place })) = (on_unknown.set(), written.set()) {
        if fallback.value.0 == OnUnknown::Default {
            let (later, other) =
                if *place > fallback.place { (place, &fallback.place) } else { (&fallback.place, place) };
            let message =
                format!("`on_unknown: default` has nothing to fall back to under `default: required` (see {other})");
            let help = "give a default version, or write `on_unknown: reject`";
            findings.push(Finding::error(later, "no-default", message, help));
        }
    }
    let default = match written.set() {
        None if written.is_broken() => None,
        None => Some(latest_stable(subject.key, subject, now, findings)),
        Some(At { place, value }) => match value {
            DefaultName::LatestStable => Some(latest_stable(place, subject, now, findings)),
            DefaultName::Required => Some(DefaultVersion::Required),
            DefaultName::Version(name) => {
                let what = format!("the default of the api `{}`", subject.api);
                versions::find(name, place, &what, subject.drafts, subject.incomplete, findings).map(|index| {
                    check_default(&subject.drafts[index], place, now, findings);
                    DefaultVersion::Version(index)
                })
            }
        },
    };
    let sources = own.resolve.or(&global.resolve);
    let sources = match sources.value() {
        None if sources.is_broken() => None,
        None => default_sources(),
        Some(list) => Some(list.0.iter().map(|at| source(&at.value)).collect()),
    };
    Some(Versioning {
        sources: sources?,
        default: default?,
        on_conflict: own.on_conflict.or(&global.on_conflict).value().map_or_else(Default::default, |word| word.0),
        on_unknown: on_unknown.value().map_or_else(Default::default, |word| word.0),
    })
}

fn latest_stable(place: &Place, subject: &Subject<'_>, now: UtcTime, findings: &mut Vec<Finding>) -> DefaultVersion {
    let stable = |draft: &Draft<'_>| {
        draft.lifecycle.as_ref().is_none_or(|lifecycle| lifecycle.standing(now).status == Status::Stable)
    };
    if !subject.incomplete && !subject.drafts.iter().any(stable) {
        let message = format!("the default is latest-stable, but the api `{}` has no stable version", subject.api);
        let help = "name a default version, or write `default: required`";
        findings.push(Finding::error(place, "no-stable-version", message, help));
    }
    DefaultVersion::LatestStable
}

fn check_default(draft: &Draft<'_>, place: &Place, now: UtcTime, findings: &mut Vec<Finding>) {
    let Some(lifecycle) = &draft.lifecycle else { return };
    let status = lifecycle.standing(now).status;
    if status == Status::Sunset {
        let message = format!("the default version {} is retired", draft.name);
        findings.push(Finding::error(
            place,
            "retired-default",
            message,
            "name a version that is served, or latest-stable",
        ));
    } else if !versions::is_open(status) {
        let message = format!(
            "the default version {} is {}: it is not open to callers who do not name it",
            draft.name,
            status.as_str()
        );
        findings.push(Finding::warning(
            place,
            "restricted-default",
            message,
            "name a stable version, or latest-stable",
        ));
    }
}

fn source(raw: &raw::Source) -> Source {
    let place = match &raw.place {
        raw::SourcePlace::Header(name) => SourcePlace::Header(name.0.clone()),
        raw::SourcePlace::Path(pattern) => SourcePlace::Path(pattern.0.clone()),
        raw::SourcePlace::Query(name) => SourcePlace::Query(name.0.clone()),
        raw::SourcePlace::Accept(pattern) => SourcePlace::Accept(pattern.0.clone()),
    };
    Source { place, strip: raw.strip }
}

/// The sources that need no knowledge of the API's media types.
fn default_sources() -> Option<Vec<Source>> {
    let path = PathPattern::parse(r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)").ok()?;
    let places = [
        SourcePlace::Header(HeaderName::from_static("x-api-version")),
        SourcePlace::Path(path.0),
        SourcePlace::Query("version".to_owned()),
    ];
    Some(places.map(|place| Source { place, strip: true }).into())
}
