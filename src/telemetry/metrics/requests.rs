//! What is counted of each request and of each try to serve it.

use std::sync::Arc;

use super::{
    super::{
        cells::{Counter, Gauge, Histogram},
        families::Families,
        series::Series,
    },
    Metrics,
};

/// Families of this file.
#[derive(Debug)]
pub(super) struct RequestFamilies {
    pub(super) requests: Arc<Series<Counter, 4>>,
    pub(super) deprecated_usage: Arc<Series<Counter, 4>>,
    pub(super) request_duration: Arc<Series<Histogram, 2>>,
    pub(super) upstream_duration: Arc<Series<Histogram, 3>>,
    pub(super) in_flight: Arc<Series<Gauge, 0>>,
    pub(super) conflicts: Arc<Series<Counter, 1>>,
    pub(super) adaptations: Arc<Series<Counter, 5>>,
    pub(super) failures: Arc<Series<Counter, 5>>,
    pub(super) no_transform: Arc<Series<Counter, 3>>,
    pub(super) upstream_retries: Arc<Series<Counter, 1>>,
    pub(super) upstream_queue_wait: Arc<Series<Histogram, 1>>,
    pub(super) shed: Arc<Series<Counter, 1>>,
}

impl RequestFamilies {
    pub(super) fn new(families: &Families) -> Self {
        Self {
            requests: families.add(
                "api_requests_by_version_total",
                "Responses sent, by API version; also those the gateway made itself.",
                ["api", "version", "endpoint", "status_code"],
            ),
            deprecated_usage: families.add(
                "deprecated_api_usage_total",
                "Requests for a version past its deprecation date.",
                ["api", "version", "api_key", "endpoint"],
            ),
            request_duration: families.add(
                "vergate_request_duration_seconds",
                "From the request's head to the response's last byte.",
                ["api", "version"],
            ),
            upstream_duration: families.add(
                "vergate_upstream_duration_seconds",
                "From the request's first byte to the upstream's response head.",
                ["api", "version", "upstream"],
            ),
            in_flight: families.add("vergate_requests_in_flight", "Requests being served.", []),
            conflicts: families.add(
                "vergate_version_conflicts_total",
                "Requests that named another served version in a lower source.",
                ["api"],
            ),
            adaptations: families.add(
                "vergate_adaptations_total",
                "Bodies and heads adapted between versions.",
                ["api", "from", "to", "direction", "outcome"],
            ),
            failures: families.add(
                "vergate_adaptation_failures_total",
                "Bodies that could not be adapted, by the change and op at fault.",
                ["api", "direction", "change", "op", "reason"],
            ),
            no_transform: families.add(
                "vergate_no_transform_total",
                "Messages with Cache-Control: no-transform whose bodies the changes concern.",
                ["api", "version", "direction"],
            ),
            upstream_retries: families.add("vergate_upstream_retries_total", "Requests sent again.", ["upstream"]),
            upstream_queue_wait: families.add(
                "vergate_upstream_queue_wait_seconds",
                "How long requests waited for a connection, where the upstream has max_connections.",
                ["upstream"],
            ),
            shed: families.add(
                "vergate_requests_shed_total",
                "Requests answered 503 because of the gateway's own limits.",
                ["reason"],
            ),
        }
    }
}

impl Metrics {
    /// `api_requests_by_version_total`: one per response, the gateway's own included.
    ///
    /// - `api`, `version`: as configured, or [`super::NONE`].
    /// - `endpoint`: a template such as `POST /parse`, or [`super::OTHER`].
    /// - `status`: 499 when the client left first.
    pub fn requests(&self, api: &str, version: &str, endpoint: &str, status: u16) -> Counter {
        self.requests.requests.handle([api, version, endpoint, &status.to_string()])
    }

    /// `deprecated_api_usage_total`: one per request for a version past its deprecation date.
    ///
    /// - `api_key`: a known consumer's name, `other` or `anonymous`; never a key.
    pub fn deprecated_usage(&self, api: &str, version: &str, api_key: &str, endpoint: &str) -> Counter {
        self.requests.deprecated_usage.handle([api, version, api_key, endpoint])
    }

    /// `vergate_request_duration_seconds`: one per response. Adoption is derived from its counts, so every
    /// response that [`Metrics::requests`] counts has to be observed here too.
    pub fn request_duration(&self, api: &str, version: &str) -> Histogram {
        self.requests.request_duration.handle([api, version])
    }

    /// `vergate_upstream_duration_seconds`: one per response of an upstream.
    pub fn upstream_duration(&self, api: &str, version: &str, upstream: &str) -> Histogram {
        self.requests.upstream_duration.handle([api, version, upstream])
    }

    /// `vergate_requests_in_flight`: this worker's part of it.
    pub fn in_flight(&self) -> Gauge {
        self.requests.in_flight.handle([])
    }

    /// Requests being served by all workers now.
    pub fn in_flight_total(&self) -> i64 {
        let mut total = 0;
        self.requests.in_flight.each(|_, cells| total = cells.map(Gauge::value).sum());
        total
    }

    /// `vergate_version_conflicts_total`.
    pub fn conflicts(&self, api: &str) -> Counter {
        self.requests.conflicts.handle([api])
    }

    /// `vergate_adaptations_total`.
    ///
    /// - `from`, `to`: the version asked for and the one the upstream speaks.
    /// - `direction`: `request` or `response`.
    /// - `outcome`: `adapted`, `passed` (nothing to do), `narrowed` (newer members hidden), `refused` or `failed`.
    pub fn adaptations(&self, api: &str, from: &str, to: &str, direction: &str, outcome: &str) -> Counter {
        self.requests.adaptations.handle([api, from, to, direction, outcome])
    }

    /// `vergate_adaptation_failures_total`: bodies that could not be adapted.
    ///
    /// - `direction`: `request` or `response`.
    /// - `change`, `op`: as configured, or [`super::NONE`] where no op is to blame.
    /// - `reason`: that of the problem.
    pub fn adaptation_failures(&self, api: &str, direction: &str, change: &str, op: &str, reason: &str) -> Counter {
        self.requests.failures.handle([api, direction, change, op, reason])
    }

    /// `vergate_no_transform_total`.
    ///
    /// - `direction`: `request` or `response`.
    pub fn no_transform(&self, api: &str, version: &str, direction: &str) -> Counter {
        self.requests.no_transform.handle([api, version, direction])
    }

    /// `vergate_upstream_retries_total`.
    pub fn upstream_retries(&self, upstream: &str) -> Counter {
        self.requests.upstream_retries.handle([upstream])
    }

    /// `vergate_upstream_queue_wait_seconds`: one per try, where the upstream has `max_connections`.
    pub fn upstream_queue_wait(&self, upstream: &str) -> Histogram {
        self.requests.upstream_queue_wait.handle([upstream])
    }

    /// `vergate_requests_shed_total`.
    ///
    /// - `reason`: the key below `limits` that was met.
    pub fn shed(&self, reason: &str) -> Counter {
        self.requests.shed.handle([reason])
    }
}
