//! All metric families of the process (CONTRACT section 6).
//!
//! Created once and kept over reloads. Handles are looked up once per worker and kept there; see
//! [`super::cells`] for what they cost.

mod downstream;
mod requests;
mod standing;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use prometheus::{Encoder, Registry, TextEncoder, proto};

use self::{downstream::DownstreamFamilies, requests::RequestFamilies, standing::StandingFamilies};
use super::{
    adoption::Adoption,
    cells::{Counter, Gauge, Histogram},
    families::{Families, family, label_pairs},
    sampled::{Family, Sampled, Source},
    series::{OTHER, SERIES_MAX, Series},
};

/// `api` or `version` of a response whose API or version is not known.
pub const NONE: &str = "none";

pub use downstream::{ConnectionCells, Http2Cells};

/// `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const ADOPTION: &str = "version_adoption_percentage";

/// Every family, bounded to [`SERIES_MAX`] label sets each.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestFamilies,
    downstream: DownstreamFamilies,
    standing: StandingFamilies,
    adoption: Mutex<Adoption>,
    adoption_overflow: Counter,
    /// Counts what is beyond the bound, by family.
    overflow: Arc<Series<Counter, 1>>,
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
            requests: RequestFamilies::new(&families),
            downstream: DownstreamFamilies::new(&families),
            standing: StandingFamilies::new(&families),
            adoption: Mutex::new(Adoption::new(started)),
            adoption_overflow: families.overflow.shared([ADOPTION]),
            overflow: families.overflow,
            registry: families.registry,
        };
        metrics.requests.in_flight.shared([]);
        metrics.standing.log_dropped.shared([]);
        metrics.downstream.connections_refused.shared([]);
        metrics.standing.memory_limit.shared([]);
        metrics.standing.memory_pressure.shared([]);
        metrics
    }

    /// Adds families whose numbers `source` reads at each scrape; call once for each.
    pub fn sample<const N: usize>(&self, labels: [&'static str; 2], families: [Family; N], source: Source<N>) {
        let overflow = |name: &'static str| self.overflow.shared([name]);
        let sampled = Sampled::new(labels, families, overflow, source);
        if let Err(error) = self.registry.register(Box::new(sampled)) {
            tracing::error!(%error, "two families of the same name");
        }
    }

    /// Lets the windows of `version_adoption_percentage` slide; call about once a minute.
    pub fn tick(&self, now: Instant) {
        let mut totals = Vec::new();
        self.requests.request_duration.each(|labels, cells| {
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
    use crate::domain::time::UtcTime;

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
        metrics.adaptation_failures("a", "request", NONE, NONE, "malformed");
        metrics.no_transform("a", "1", "request");
        metrics.upstream_retries("u");
        metrics.shed("memory").inc();
        metrics.connections();
        metrics.reload(Some(UtcTime::from_unix(1)));
        metrics.standing.sunset.shared(["a", "1"]).set(2);
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
            "vergate_adaptation_failures_total",
            "vergate_no_transform_total",
            "vergate_upstream_retries_total",
            "vergate_config_last_reload_successful",
            "vergate_config_last_reload_success_timestamp_seconds",
            "vergate_version_sunset_timestamp_seconds",
            "vergate_label_overflow_total",
            "vergate_access_log_dropped_total",
            "vergate_requests_shed_total",
            "vergate_connections_total",
            "vergate_connections",
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
    fn processor_time_is_told_to_less_than_a_second() {
        let (metrics, now) = metrics();
        let before = crate::telemetry::families::cpu_seconds();
        let text = metrics.render(now);
        let told = samples(&text, "process_cpu_seconds_total")[0].rsplit(' ').next().and_then(|n| n.parse().ok());
        let told: f64 = told.expect("a number");
        let after = crate::telemetry::families::cpu_seconds();
        assert!(before <= told && told <= after, "{before} {told} {after}");
        assert!(text.contains("# TYPE process_cpu_seconds_total counter"));
    }

    #[test]
    fn a_label_value_cannot_break_the_format() {
        let (metrics, now) = metrics();
        metrics.conflicts("a\"} 1\nfake 2\\").inc();
        assert!(metrics.render(now).contains(r#"{api="a\"} 1\nfake 2\\"} 1"#));
    }
}
