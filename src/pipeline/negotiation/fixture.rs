//! APIs for the tests of this folder.

use regex::Regex;

use crate::domain::{
    api::{
        Api, BodyRules, DefaultVersion, DeprecationRules, HostPattern, OnConflict, OnUnknown, Service, Source,
        SourcePlace, Unlisted, Version, Versioning,
    },
    endpoint::Endpoint,
    lifecycle::{Lifecycle, Phases, Status},
    time::UtcTime,
    version::ApiVersion,
};

/// The usual path expression.
pub(super) const V: &str = r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)";

/// The usual expression for media ranges.
pub(super) const VENDOR: &str = r"application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json";

/// The instant the tests stand at.
pub(super) fn now() -> UtcTime {
    at("2026-06-01")
}

fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).expect("a date")
}

/// Begins an API with one stable version 1.0, no sources, for any host and path.
pub(super) fn api(name: &str) -> Builder {
    Builder(Api {
        name: name.to_owned(),
        hosts: Vec::new(),
        path: String::new(),
        strip_path: false,
        endpoints: Vec::new(),
        bodies: BodyRules::default(),
        unlisted: Unlisted::Forward,
        versioning: Versioning {
            sources: Vec::new(),
            default: DefaultVersion::LatestStable,
            on_conflict: OnConflict::Precedence,
            on_unknown: OnUnknown::Reject,
        },
        versions: vec![version("1.0", Status::Stable)],
    })
}

fn version(name: &str, status: Status) -> Version {
    let deprecation = (status == Status::Deprecated).then(|| at("2026-01-01"));
    Version {
        name: ApiVersion::parse(name).expect("a version"),
        lifecycle: Lifecycle::new(Some(status), deprecation, None, Phases::default(), None).expect("consistent"),
        deprecation: DeprecationRules::default(),
        migration_guide: None,
        breaking_changes: Vec::new(),
        endpoints: None,
        service: Service { upstream: 0, through: 0, speaks: 0, chain: Vec::new() },
    }
}

/// An API in the making.
#[derive(Clone)]
pub(super) struct Builder(Api);

impl Builder {
    /// The prefix, as a file may write it.
    pub(super) fn path(mut self, path: &str) -> Self {
        self.0.path = path.to_owned();
        self
    }

    pub(super) fn strip_path(mut self) -> Self {
        self.0.strip_path = true;
        self
    }

    pub(super) fn host(mut self, host: &str) -> Self {
        self.0.hosts.push(match host.strip_prefix('*') {
            Some(suffix) => HostPattern::OneLabel(suffix.to_owned()),
            None => HostPattern::Exact(host.to_owned()),
        });
        self
    }

    /// Path sources.
    pub(super) fn sources(mut self, patterns: &[&str]) -> Self {
        for pattern in patterns {
            self = self.source(SourcePlace::Path(Regex::new(pattern).expect("an expression")), true);
        }
        self
    }

    pub(super) fn source(mut self, place: SourcePlace, strip: bool) -> Self {
        self.0.versioning.sources.push(Source { place, strip });
        self
    }

    /// Header, path, query and Accept, as the example configuration has them.
    pub(super) fn usual_sources(self) -> Self {
        self.header("x-api-version").sources(&[V]).query("version").accept()
    }

    pub(super) fn header(self, name: &'static str) -> Self {
        self.source(SourcePlace::Header(http::HeaderName::from_static(name)), true)
    }

    pub(super) fn query(self, name: &str) -> Self {
        self.source(SourcePlace::Query(name.to_owned()), true)
    }

    pub(super) fn accept(self) -> Self {
        self.source(SourcePlace::Accept(Regex::new(VENDOR).expect("an expression")), true)
    }

    pub(super) fn endpoints(mut self, list: &[&str]) -> Self {
        self.0.endpoints = list.iter().map(|text| Endpoint::parse(text).expect("an endpoint")).collect();
        self
    }

    /// The own endpoint list of a version.
    pub(super) fn endpoints_of(mut self, name: &str, list: &[&str]) -> Self {
        let endpoints = list.iter().map(|text| Endpoint::parse(text).expect("an endpoint")).collect();
        let version = self.0.versions.iter_mut().find(|version| version.name.as_str() == name);
        version.expect("a version").endpoints = Some(endpoints);
        self
    }

    pub(super) fn reject_unlisted(mut self) -> Self {
        self.0.unlisted = Unlisted::Reject;
        self
    }

    pub(super) fn versions(mut self, versions: &[(&str, Status)]) -> Self {
        self.0.versions = versions.iter().map(|(name, status)| version(name, *status)).collect();
        self.0.versions.sort_by(|a, b| a.name.cmp(&b.name));
        self
    }

    pub(super) fn default(mut self, default: DefaultVersion) -> Self {
        self.0.versioning.default = default;
        self
    }

    pub(super) fn on_conflict(mut self, rule: OnConflict) -> Self {
        self.0.versioning.on_conflict = rule;
        self
    }

    pub(super) fn on_unknown(mut self, rule: OnUnknown) -> Self {
        self.0.versioning.on_unknown = rule;
        self
    }

    pub(super) fn build(self) -> Api {
        self.0
    }
}
