//! APIs for the tests of this folder.

use regex::Regex;

use crate::domain::{
    api::{
        AfterSunset, Api, BodyRules, DefaultVersion, DeprecationRules, OnConflict, OnUnknown, Service, Source,
        SourcePlace, Unlisted, Version, Versioning,
    },
    lifecycle::{Lifecycle, Phase, Phases, Status},
    time::UtcTime,
    version::ApiVersion,
};

/// The expression of the contract's example.
pub(super) const PATH: &str = r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)";

pub(super) fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads one line per version: `1.0 2025-06-01 2026-06-01`, with `-` for a date that is not set,
/// `status=…` and `phase=…`.
pub(super) fn api(path: Option<&str>, versions: &[&str]) -> Api {
    let header = SourcePlace::Header(crate::headers::X_API_VERSION);
    let expression = path.map(|path| SourcePlace::Path(Regex::new(path).expect("an expression")));
    let sources = [Some(header), expression].into_iter().flatten();
    Api {
        name: "query-parser".to_owned(),
        hosts: Vec::new(),
        path: String::new(),
        strip_path: false,
        endpoints: Vec::new(),
        bodies: BodyRules::default(),
        unlisted: Unlisted::Forward,
        versioning: Versioning {
            sources: sources.map(|place| Source { place, strip: true }).collect(),
            default: DefaultVersion::LatestStable,
            on_conflict: OnConflict::Precedence,
            on_unknown: OnUnknown::Reject,
        },
        versions: versions.iter().enumerate().map(|(index, line)| version(index, line)).collect(),
    }
}

fn version(index: usize, line: &str) -> Version {
    let mut words = line.split(' ');
    let name = ApiVersion::parse(words.next().unwrap_or_default()).expect("a version");
    let (mut status, mut phase, mut dates) = (None, None, Vec::new());
    for word in words {
        match word.split_once('=') {
            Some(("status", text)) => status = Some(all_statuses().find(|s| s.as_str() == text).expect("a status")),
            Some(("phase", text)) => phase = Some(all_phases().find(|p| p.as_str() == text).expect("a phase")),
            _ => dates.push((word != "-").then(|| at(word))),
        }
    }
    let date = |index: usize| dates.get(index).copied().flatten();
    Version {
        name,
        lifecycle: Lifecycle::new(status, date(0), date(1), Phases::default(), phase).expect("a lifecycle"),
        deprecation: DeprecationRules::default(),
        migration_guide: Some("/docs/migration/v1-to-v2".to_owned()),
        breaking_changes: Vec::new(),
        endpoints: None,
        service: Service { upstream: 0, through: index, speaks: index, chain: Vec::new() },
    }
}

/// The API of the contract's example, with what happens after the sunset of 1.0.
pub(super) fn example(after_sunset: AfterSunset) -> Api {
    let mut api = api(Some(PATH), &["1.0 2025-06-01 2026-06-01", "2.0", "2.1", "3.0 status=beta"]);
    api.versions[0].deprecation.after_sunset = after_sunset;
    api
}

fn all_statuses() -> impl Iterator<Item = Status> {
    use Status::*;
    [Development, Alpha, Beta, Stable, Deprecated, Sunset].into_iter()
}

fn all_phases() -> impl Iterator<Item = Phase> {
    [Phase::Announcement, Phase::Warning, Phase::Enforcement, Phase::Sunset].into_iter()
}
