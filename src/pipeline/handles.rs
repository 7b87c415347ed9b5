//! One worker's metric cells under one snapshot: found once, then counted without a lookup.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
};

use super::{
    snapshot::{Snapshot, endpoints},
    transform::TransformError,
};
use crate::telemetry::{Counter, Histogram, Metrics, Target, metrics::NONE, series::OTHER};

/// Cells of everything that is counted per exchange.
#[derive(Debug)]
pub struct Handles {
    metrics: Arc<Metrics>,
    /// By API index.
    apis: Vec<ApiHandles>,
    /// For requests whose API is not known.
    unresolved: VersionHandles,
}

#[derive(Debug)]
struct ApiHandles {
    /// By version index.
    versions: Vec<VersionHandles>,
    /// For requests whose version is not known.
    unresolved: VersionHandles,
    conflicts: OnceCell<Counter>,
}

/// Cells of one version, or of what could not be resolved.
#[derive(Debug)]
pub struct VersionHandles {
    names: Names,
    upstream: Option<String>,
    /// By endpoint index; the last one is `other`.
    endpoints: Vec<EndpointHandles>,
    duration: OnceCell<Histogram>,
    upstream_duration: OnceCell<Histogram>,
    adaptations: RefCell<Vec<(Adaptation, Counter)>>,
}

#[derive(Debug)]
struct Names {
    api: String,
    version: String,
    speaks: String,
}

#[derive(Debug)]
struct EndpointHandles {
    name: String,
    statuses: RefCell<Vec<(u16, Counter)>>,
    deprecated: OnceCell<Counter>,
    target: OnceCell<Arc<Target>>,
}

/// What happened to one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// `request` or `response`.
    pub direction: &'static str,
    /// `adapted`, `passed`, `refused`, `failed` or `narrowed`.
    pub outcome: &'static str,
}

/// What a response is counted under. Indices are those of the snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountedAs {
    /// Index of the API, once known.
    pub api: Option<usize>,
    /// Index of the version, once known.
    pub version: Option<usize>,
    /// Index of the endpoint; none counts as `other`.
    pub endpoint: Option<usize>,
}

impl Handles {
    /// Cells are made when first used.
    pub fn new(metrics: Arc<Metrics>, snapshot: &Snapshot) -> Self {
        let config = &snapshot.config;
        let api = |(index, api): (usize, &crate::domain::api::Api)| {
            let version = |at: usize| {
                let entry = snapshot.version(index, at);
                let listed = endpoints(api, at).iter().map(ToString::to_string);
                let names = Names {
                    api: api.name.clone(),
                    version: api.versions[at].name.to_string(),
                    speaks: entry.speaks.to_str().unwrap_or_default().to_owned(),
                };
                VersionHandles::new(names, Some(config.upstreams[entry.upstream].name.clone()), listed)
            };
            ApiHandles {
                versions: (0..api.versions.len()).map(version).collect(),
                unresolved: VersionHandles::unresolved(&api.name),
                conflicts: OnceCell::new(),
            }
        };
        Self {
            apis: config.apis.iter().enumerate().map(api).collect(),
            unresolved: VersionHandles::unresolved(NONE),
            metrics,
        }
    }

    /// The cells of a version, or of what is not resolved.
    pub fn version(&self, counted: CountedAs) -> &VersionHandles {
        match (counted.api.and_then(|api| self.apis.get(api)), counted.version) {
            (Some(api), Some(version)) => api.versions.get(version).unwrap_or(&api.unresolved),
            (Some(api), None) => &api.unresolved,
            (None, _) => &self.unresolved,
        }
    }

    /// Counts a response: `status` 499 when the client left first.
    pub fn response(&self, counted: CountedAs, status: u16, duration: std::time::Duration, deprecated: bool) {
        let version = self.version(counted);
        let endpoint = version.endpoint(counted.endpoint);
        let names = &version.names;
        let mut statuses = endpoint.statuses.borrow_mut();
        match statuses.iter().find(|(known, _)| *known == status) {
            Some((_, counter)) => counter.inc(),
            None => {
                let counter = self.metrics.requests(&names.api, &names.version, &endpoint.name, status);
                counter.inc();
                statuses.push((status, counter));
            }
        }
        version.duration.get_or_init(|| self.metrics.request_duration(&names.api, &names.version)).observe(duration);
        if deprecated {
            let counter = || self.metrics.deprecated_usage(&names.api, &names.version, ANONYMOUS, &endpoint.name);
            endpoint.deprecated.get_or_init(counter).inc();
        }
    }

    /// Counts the time an upstream took to answer.
    pub fn upstream(&self, counted: CountedAs, duration: std::time::Duration) {
        let version = self.version(counted);
        let names = &version.names;
        let upstream = version.upstream.as_deref().unwrap_or(NONE);
        let cell = || self.metrics.upstream_duration(&names.api, &names.version, upstream);
        version.upstream_duration.get_or_init(cell).observe(duration);
    }

    /// Counts what happened to a body.
    pub fn adaptation(&self, counted: CountedAs, adaptation: Adaptation) {
        let version = self.version(counted);
        let mut known = version.adaptations.borrow_mut();
        if let Some((_, counter)) = known.iter().find(|(kind, _)| *kind == adaptation) {
            counter.inc();
            return;
        }
        let Names { api, version: from, speaks } = &version.names;
        let counter = self.metrics.adaptations(api, from, speaks, adaptation.direction, adaptation.outcome);
        counter.inc();
        known.push((adaptation, counter));
    }

    /// Counts a body that could not be adapted, by what is to blame.
    pub fn unadapted(&self, counted: CountedAs, error: &TransformError) {
        let Names { api, .. } = &self.version(counted).names;
        let (change, op) = error.culprit().unwrap_or((NONE, NONE));
        self.metrics.adaptation_failures(api, error.side.as_str(), change, op, error.reason()).inc();
    }

    /// Counts a message that forbids what is done to its body, or would be.
    pub fn no_transform(&self, counted: CountedAs, direction: &'static str) {
        let Names { api, version, .. } = &self.version(counted).names;
        self.metrics.no_transform(api, version, direction).inc();
    }

    /// Counts a request whose sources name different versions.
    pub fn conflict(&self, api: usize, name: &str) {
        if let Some(handles) = self.apis.get(api) {
            handles.conflicts.get_or_init(|| self.metrics.conflicts(name)).inc();
        }
    }

    /// What a log line says a request was resolved to.
    pub fn target(&self, counted: CountedAs) -> Arc<Target> {
        let version = self.version(counted);
        let endpoint = version.endpoint(counted.endpoint);
        let target = || {
            let known = |name: &str| (name != NONE).then(|| Box::from(name));
            Arc::new(Target {
                api: known(&version.names.api),
                version: known(&version.names.version),
                endpoint: known(&version.names.version).map(|_| Box::from(endpoint.name.as_str())),
                upstream: version.upstream.as_deref().map(Box::from),
            })
        };
        Arc::clone(endpoint.target.get_or_init(target))
    }
}

/// Callers are told apart once consumers exist.
const ANONYMOUS: &str = "anonymous";

impl VersionHandles {
    fn new(names: Names, upstream: Option<String>, endpoints: impl Iterator<Item = String>) -> Self {
        let endpoints = endpoints.chain([OTHER.to_owned()]).map(EndpointHandles::new).collect();
        let adaptations = RefCell::default();
        Self { names, upstream, endpoints, duration: OnceCell::new(), upstream_duration: OnceCell::new(), adaptations }
    }

    fn unresolved(api: &str) -> Self {
        let names = Names { api: api.to_owned(), version: NONE.to_owned(), speaks: NONE.to_owned() };
        Self::new(names, None, std::iter::empty())
    }

    fn endpoint(&self, index: Option<usize>) -> &EndpointHandles {
        let other = self.endpoints.len() - 1;
        &self.endpoints[index.map_or(other, |index| index.min(other))]
    }
}

impl EndpointHandles {
    fn new(name: String) -> Self {
        Self { name, statuses: RefCell::default(), deprecated: OnceCell::new(), target: OnceCell::new() }
    }
}
