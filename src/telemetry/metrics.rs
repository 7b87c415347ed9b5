//! All metric families of the process (CONTRACT section 6).
//!
//! Created once and kept over reloads. Handles are looked up once per worker and kept there; see
//! [`super::cells`] for what they cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus::{Encoder, Registry, TextEncoder, proto};

use super::{
    adoption::Adoption,
    cells::{Counter, Gauge, Histogram},
    families::{Families, family, label_pairs},
    sampled::{Family, Sampled, Source},
    series::{OTHER, SERIES_MAX, Series},
};
use crate::domain::{api::Api, time::UtcTime};

/// `api` or `version` of a response whose API or version is not known.
pub const NONE: &str = "none";

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const ADOPTION: &str = "version_adoption_percentage";

/// Every family, bounded to [`SERIES_MAX`] label sets each.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Arc<Series<Counter, 4>>,
    deprecated_usage: Arc<Series<Counter, 4>>,
    request_duration: Arc<Series<Histogram, 2>>,
    upstream_duration: Arc<Series<Histogram, 3>>,
    in_flight: Arc<Series<Gauge, 0>>,
    conflicts: Arc<Series<Counter, 1>>,
    adaptations: Arc<Series<Counter, 5>>,
    upstream_retries: Arc<Series<Counter, 1>>,
    upstream_queue_wait: Arc<Series<Histogram, 1>>,
    reload_successful: Arc<Series<Gauge, 0>>,
    reload_timestamp: Arc<Series<Gauge, 0>>,
    sunset: Arc<Series<Gauge, 2>>,
    log_dropped: Arc<Series<Counter, 0>>,
    http2_floods: Arc<Series<Counter, 1>>,
    certificate_ends: Arc<Series<Gauge, 1>>,
    tls_handshakes: Arc<Series<Counter, 2>>,
    proxy_headers: Arc<Series<Counter, 1>>,
    shed: Arc<Series<Counter, 1>>,
    connections_refused: Arc<Series<Counter, 0>>,
    memory_limit: Arc<Series<Gauge, 0>>,
    memory_pressure: Arc<Series<Gauge, 0>>,
    http2_resets: Arc<Series<Counter, 1>>,
    http2_streams: Arc<Series<Gauge, 0>>,
    adoption: Mutex<Adoption>,
    adoption_overflow: Counter,
    /// Counts what is beyond the bound, by family.
    overflow: Arc<Series<Counter, 1>>,
}

/// What one worker counts of HTTP/2 connections of clients.
#[derive(Clone, Debug)]
pub struct Http2Cells {
    /// Streams that are open.
    pub streams: Gauge,
    /// Streams the client reset.
    pub client_resets: Counter,
    /// Streams the gateway reset.
    pub own_resets: Counter,
}

impl Metrics {
    /// All families, the metrics of the process and `vergate_build_info`.
    ///
    /// - `started`: from when on adoption is measured.
    pub fn new(started: Instant) -> Self {
        let families = Families::new();
        let build = families.add("vergate_build_info", "What runs here; always 1.", ["version"]);
        Gauge::set(&build.shared([env!("CARGO_PKG_VERSION")]), 1);
        let metrics = Self {
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
            upstream_queue_wait: families.add(
                "vergate_upstream_queue_wait_seconds",
                "How long requests waited for a connection, where the upstream has max_connections.",
                ["upstream"],
            ),
            upstream_retries: families.add("vergate_upstream_retries_total", "Requests sent again.", ["upstream"]),
            reload_successful: families.add(
                "vergate_config_last_reload_successful",
                "1 if the last (re)load of the configuration succeeded, else 0.",
                [],
            ),
            reload_timestamp: families.add(
                "vergate_config_last_reload_success_timestamp_seconds",
                "When the configuration in use was loaded.",
                [],
            ),
            sunset: families.add(
                "vergate_version_sunset_timestamp_seconds",
                "When the version's sunset is or was.",
                ["api", "version"],
            ),
            log_dropped: families.add(
                "vergate_access_log_dropped_total",
                "Access-log lines that were lost because the log could not keep up.",
                [],
            ),
            http2_floods: families.add(
                "vergate_http2_floods_total",
                "HTTP/2 connections that were ended because of what the client sent.",
                ["kind"],
            ),
            certificate_ends: families.add(
                "vergate_tls_certificate_not_after_timestamp_seconds",
                "Until when the certificate of a listener is good, by its file.",
                ["certificate"],
            ),
            tls_handshakes: families.add(
                "vergate_tls_handshakes_total",
                "TLS handshakes with clients, by what became of them and the version agreed on.",
                ["outcome", "version"],
            ),
            proxy_headers: families.add(
                "vergate_proxy_protocol_headers_total",
                "PROXY protocol headers of load balancers, by what became of them.",
                ["outcome"],
            ),
            shed: families.add(
                "vergate_requests_shed_total",
                "Requests answered 503 because of the gateway's own limits.",
                ["reason"],
            ),
            connections_refused: families.add(
                "vergate_connections_refused_total",
                "Connections beyond the limit that were closed without an answer.",
                [],
            ),
            memory_limit: families.add(
                "vergate_memory_limit_bytes",
                "Memory the process may use, 0 if nothing limits it.",
                [],
            ),
            memory_pressure: families.add(
                "vergate_memory_pressure",
                "0 memory suffices, 1 no keep-alive, 2 requests are shed, 3 nothing is accepted.",
                [],
            ),
            http2_resets: families.add(
                "vergate_http2_resets_total",
                "HTTP/2 streams of clients that were reset, by the side that did it.",
                ["side"],
            ),
            http2_streams: families.add("vergate_http2_streams", "HTTP/2 streams of clients that are open.", []),
            adoption: Mutex::new(Adoption::new(started)),
            adoption_overflow: families.overflow.shared([ADOPTION]),
            overflow: families.overflow,
            registry: families.registry,
        };
        metrics.in_flight.shared([]);
        metrics.log_dropped.shared([]);
        metrics.connections_refused.shared([]);
        metrics.memory_limit.shared([]);
        metrics.memory_pressure.shared([]);
        metrics
    }

    /// `api_requests_by_version_total`: one per response, the gateway's own included.
    ///
    /// - `api`, `version`: as configured, or [`NONE`].
    /// - `endpoint`: a template such as `POST /parse`, or [`OTHER`].
    /// - `status`: 499 when the client left first.
    pub fn requests(&self, api: &str, version: &str, endpoint: &str, status: u16) -> Counter {
        self.requests.handle([api, version, endpoint, &status.to_string()])
    }

    /// `deprecated_api_usage_total`: one per request for a version past its deprecation date.
    ///
    /// - `api_key`: a known consumer's name, `other` or `anonymous`; never a key.
    pub fn deprecated_usage(&self, api: &str, version: &str, api_key: &str, endpoint: &str) -> Counter {
        self.deprecated_usage.handle([api, version, api_key, endpoint])
    }

    /// `vergate_request_duration_seconds`: one per response. Adoption is derived from its counts, so every
    /// response that [`Metrics::requests`] counts has to be observed here too.
    pub fn request_duration(&self, api: &str, version: &str) -> Histogram {
        self.request_duration.handle([api, version])
    }

    /// `vergate_upstream_duration_seconds`: one per response of an upstream.
    pub fn upstream_duration(&self, api: &str, version: &str, upstream: &str) -> Histogram {
        self.upstream_duration.handle([api, version, upstream])
    }

    /// `vergate_requests_in_flight`: this worker's part of it.
    pub fn in_flight(&self) -> Gauge {
        self.in_flight.handle([])
    }

    /// Requests being served by all workers now.
    pub fn in_flight_total(&self) -> i64 {
        let mut total = 0;
        self.in_flight.each(|_, cells| total = cells.map(Gauge::value).sum());
        total
    }

    /// `vergate_version_conflicts_total`.
    pub fn conflicts(&self, api: &str) -> Counter {
        self.conflicts.handle([api])
    }

    /// `vergate_adaptations_total`.
    ///
    /// - `from`, `to`: the version asked for and the one the upstream speaks.
    /// - `direction`: `request` or `response`.
    /// - `outcome`: `adapted`, `passed` (nothing to do), `narrowed` (newer members hidden), `refused` or `failed`.
    pub fn adaptations(&self, api: &str, from: &str, to: &str, direction: &str, outcome: &str) -> Counter {
        self.adaptations.handle([api, from, to, direction, outcome])
    }

    /// `vergate_upstream_retries_total`.
    pub fn upstream_retries(&self, upstream: &str) -> Counter {
        self.upstream_retries.handle([upstream])
    }

    /// `vergate_upstream_queue_wait_seconds`: one per try, where the upstream has `max_connections`.
    pub fn upstream_queue_wait(&self, upstream: &str) -> Histogram {
        self.upstream_queue_wait.handle([upstream])
    }

    /// Adds families whose numbers `source` reads at each scrape; call once for each.
    pub fn sample<const N: usize>(&self, labels: [&'static str; 2], families: [Family; N], source: Source<N>) {
        let overflow = |name: &'static str| self.overflow.shared([name]);
        let sampled = Sampled::new(labels, families, overflow, source);
        if let Err(error) = self.registry.register(Box::new(sampled)) {
            tracing::error!(%error, "two families of the same name");
        }
    }

    /// `vergate_config_last_reload_*`: the configuration was loaded at this instant, or was not.
    pub fn reload(&self, at: Option<UtcTime>) {
        self.reload_successful.shared([]).set(i64::from(at.is_some()));
        if let Some(at) = at {
            self.reload_timestamp.shared([]).set(at.unix());
        }
    }

    /// `vergate_version_sunset_timestamp_seconds` of every version that has a sunset; others disappear.
    pub fn sunsets(&self, apis: &[Api]) {
        self.sunset.retain(|_| false);
        for api in apis {
            for version in &api.versions {
                if let Some(at) = version.lifecycle.sunset() {
                    self.sunset.shared([&api.name, version.name.as_str()]).set(at.unix());
                }
            }
        }
    }

    /// `vergate_access_log_dropped_total`.
    pub fn log_dropped(&self) -> Counter {
        self.log_dropped.handle([])
    }

    /// `vergate_http2_floods_total`.
    ///
    /// - `kind`: `client_resets`, `own_resets`, `continuation`, `control` or `protocol`.
    pub fn http2_floods(&self, kind: &str) -> Counter {
        self.http2_floods.shared([kind])
    }

    /// `vergate_http2_resets_total` and `vergate_http2_streams`: one worker's part of them.
    pub fn http2(&self) -> Http2Cells {
        Http2Cells {
            streams: self.http2_streams.handle([]),
            client_resets: self.http2_resets.handle(["client"]),
            own_resets: self.http2_resets.handle(["gateway"]),
        }
    }

    /// `vergate_tls_certificate_not_after_timestamp_seconds` of these certificates; others disappear.
    pub fn certificates(&self, ends: &BTreeMap<String, UtcTime>) {
        self.certificate_ends.retain(|_| false);
        for (file, end) in ends {
            self.certificate_ends.shared([file]).set(end.unix());
        }
    }

    /// `vergate_tls_handshakes_total`.
    ///
    /// - `outcome`: `full`, `resumed`, or why it failed.
    /// - `version`: `1.2`, `1.3`, or [`NONE`] where none was agreed on.
    pub fn tls_handshakes(&self, outcome: &str, version: &str) -> Counter {
        self.tls_handshakes.handle([outcome, version])
    }

    /// `vergate_proxy_protocol_headers_total`.
    ///
    /// - `outcome`: `address`, `local` (none was given), `malformed`, `timeout` or `client_left`.
    pub fn proxy_headers(&self, outcome: &str) -> Counter {
        self.proxy_headers.handle([outcome])
    }

    /// `vergate_requests_shed_total`.
    ///
    /// - `reason`: the key below `limits` that was met.
    pub fn shed(&self, reason: &str) -> Counter {
        self.shed.handle([reason])
    }

    /// `vergate_connections_refused_total`.
    pub fn connections_refused(&self) -> Counter {
        self.connections_refused.shared([])
    }

    /// `vergate_memory_limit_bytes`.
    pub fn memory_limit(&self, bytes: Option<u64>) {
        self.memory_limit.shared([]).set(bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)));
    }

    /// `vergate_memory_pressure`.
    ///
    /// - `degree`: 0 to 3.
    pub fn memory_pressure(&self, degree: i64) {
        self.memory_pressure.shared([]).set(degree);
    }

    /// Lets the windows of `version_adoption_percentage` slide; call about once a minute.
    pub fn tick(&self, now: Instant) {
        let mut totals = Vec::new();
        self.request_duration.each(|labels, cells| {
            let known = &*labels[1] != NONE && &*labels[0] != OTHER;
            if known {
                totals.push((labels.clone(), cells.map(Histogram::count).sum()));
            }
        });
        self.adoption.lock().unwrap_or_else(PoisonError::into_inner).tick(now, totals);
    }

    /// Everything in the Prometheus text format 0.0.4 ([`CONTENT_TYPE`]), families by name.
    pub fn render(&self, now: Instant) -> String {
        self.tick(now);
        let mut families = self.registry.gather();
        let adoption = self.adoption();
        if !adoption.get_metric().is_empty() {
            let place = families.partition_point(|family| family.name() < ADOPTION);
            families.insert(place, adoption);
        }
        let mut text = Vec::new();
        // Fails only for a family without samples or a writer that fails; neither happens here.
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(%error, "metrics could not be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn adoption(&self) -> proto::MetricFamily {
        let mut shares = self.adoption.lock().unwrap_or_else(PoisonError::into_inner).shares();
        if shares.len() > SERIES_MAX {
            // A share that is cut off cannot be added to another: it is left out, not named `other`.
            self.adoption_overflow.inc();
            shares.truncate(SERIES_MAX);
        }
        let sample = |share: &super::adoption::Share| {
            let mut gauge = proto::Gauge::default();
            gauge.set_value(share.percent);
            let mut metric = proto::Metric::from_gauge(gauge);
            let values = [&*share.labels[0], &*share.labels[1], share.time_period];
            metric.set_label(label_pairs(&["api", "version", "time_period"], values.into_iter()));
            metric
        };
        let help = "Share of the API's requests in the last hour, day and week.";
        family(ADOPTION, help, proto::MetricType::GAUGE, shares.iter().map(sample).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn metrics() -> (Metrics, Instant) {
        let started = Instant::now();
        (Metrics::new(started), started)
    }

    fn samples<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let starts = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        text.lines().filter(starts).collect()
    }

    #[test]
    fn a_request_is_counted_under_the_seeds_name_and_labels() {
        let (metrics, now) = metrics();
        metrics.requests("query-parser", "1.0", "POST /parse", 200).inc();
        metrics.requests(NONE, NONE, OTHER, 404).inc();
        let text = metrics.render(now);
        let requests = samples(&text, "api_requests_by_version_total");
        assert_eq!(
            requests,
            [
                r#"api_requests_by_version_total{api="none",version="none",endpoint="other",status_code="404"} 1"#,
                r#"api_requests_by_version_total{api="query-parser",version="1.0",endpoint="POST /parse",status_code="200"} 1"#,
            ]
        );
        assert!(text.contains("# TYPE api_requests_by_version_total counter\n"));
    }

    #[test]
    fn two_thousand_endpoints_are_a_thousand_series_and_other() {
        let (metrics, now) = metrics();
        for number in 0..2_000 {
            metrics.requests("api", "1.0", &format!("GET /{number}"), 200).inc();
        }
        let text = metrics.render(now);
        assert_eq!(samples(&text, "api_requests_by_version_total").len(), SERIES_MAX + 1);
        let overflow = r#"vergate_label_overflow_total{metric="api_requests_by_version_total"} 1000"#;
        assert!(text.lines().any(|line| line == overflow));
    }

    #[test]
    fn adoption_counts_versions_and_not_what_named_none() {
        let (metrics, now) = metrics();
        for (version, requests) in [("1.0", 3), ("2.0", 1), (NONE, 96)] {
            let duration = metrics.request_duration("parser", version);
            (0..requests).for_each(|_| duration.observe(Duration::from_millis(1)));
        }
        let text = metrics.render(now + Duration::from_secs(1));
        let shares = samples(&text, ADOPTION);
        assert_eq!(shares.len(), 6, "{shares:?}");
        assert!(shares.contains(&r#"version_adoption_percentage{api="parser",version="1.0",time_period="1h"} 75"#));
        assert!(shares.contains(&r#"version_adoption_percentage{api="parser",version="2.0",time_period="7d"} 25"#));
    }

    #[test]
    fn a_failed_reload_keeps_the_time_of_the_last_good_one() {
        let (metrics, now) = metrics();
        metrics.reload(Some(UtcTime::from_unix(1_748_736_000)));
        metrics.reload(None);
        let text = metrics.render(now);
        assert_eq!(
            samples(&text, "vergate_config_last_reload_successful"),
            ["vergate_config_last_reload_successful 0"]
        );
        assert_eq!(
            samples(&text, "vergate_config_last_reload_success_timestamp_seconds"),
            ["vergate_config_last_reload_success_timestamp_seconds 1748736000"]
        );
        metrics.reload(Some(UtcTime::from_unix(1_748_736_001)));
        assert!(metrics.render(now).contains("\nvergate_config_last_reload_successful 1\n"));
    }

    #[test]
    fn every_family_of_the_contract_is_there() {
        let (metrics, now) = metrics();
        metrics.requests("a", "1", OTHER, 200).inc();
        metrics.deprecated_usage("a", "1", "anonymous", OTHER).inc();
        metrics.request_duration("a", "1").observe(Duration::from_millis(3));
        metrics.upstream_duration("a", "1", "u").observe(Duration::from_millis(2));
        metrics.in_flight().inc();
        metrics.conflicts("a");
        metrics.adaptations("a", "1", "2", "request", "adapted");
        metrics.upstream_retries("u");
        metrics.shed("memory").inc();
        metrics.reload(Some(UtcTime::from_unix(1)));
        metrics.sunset.shared(["a", "1"]).set(2);
        let text = metrics.render(now + Duration::from_secs(1));
        for name in [
            "api_requests_by_version_total",
            ADOPTION,
            "deprecated_api_usage_total",
            "vergate_request_duration_seconds_bucket",
            "vergate_request_duration_seconds_sum",
            "vergate_upstream_duration_seconds_count",
            "vergate_requests_in_flight",
            "vergate_version_conflicts_total",
            "vergate_adaptations_total",
            "vergate_upstream_retries_total",
            "vergate_config_last_reload_successful",
            "vergate_config_last_reload_success_timestamp_seconds",
            "vergate_version_sunset_timestamp_seconds",
            "vergate_label_overflow_total",
            "vergate_access_log_dropped_total",
            "vergate_requests_shed_total",
            "vergate_connections_refused_total",
            "vergate_memory_limit_bytes",
            "vergate_memory_pressure",
            "vergate_build_info",
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_open_fds",
        ] {
            assert!(!samples(&text, name).is_empty(), "{name} is missing in\n{text}");
        }
        assert_eq!(metrics.in_flight_total(), 1);
    }

    #[test]
    fn a_label_value_cannot_break_the_format() {
        let (metrics, now) = metrics();
        metrics.conflicts("a\"} 1\nfake 2\\").inc();
        assert!(metrics.render(now).contains(r#"{api="a\"} 1\nfake 2\\"} 1"#));
    }
}
