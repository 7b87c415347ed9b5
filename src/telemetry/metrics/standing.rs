//! How the gateway itself stands: its configuration, certificates, memory and log.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        cells::{Counter, Gauge},
        families::Families,
        series::Series,
    },
    Metrics,
};
use crate::domain::{api::Api, time::UtcTime};

/// Families of this file.
#[derive(Debug)]
pub(super) struct StandingFamilies {
    pub(super) reload_successful: Arc<Series<Gauge, 0>>,
    pub(super) reload_timestamp: Arc<Series<Gauge, 0>>,
    pub(super) sunset: Arc<Series<Gauge, 2>>,
    pub(super) certificate_ends: Arc<Series<Gauge, 1>>,
    spans_sent: Arc<Series<Counter, 0>>,
    spans_dropped: Arc<Series<Counter, 1>>,
    pub(super) log_dropped: Arc<Series<Counter, 0>>,
    pub(super) memory_limit: Arc<Series<Gauge, 0>>,
    pub(super) memory_pressure: Arc<Series<Gauge, 0>>,
}

impl StandingFamilies {
    pub(super) fn new(families: &Families) -> Self {
        Self {
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
            certificate_ends: families.add(
                "vergate_tls_certificate_not_after_timestamp_seconds",
                "Until when the certificate of a listener is good, by its file.",
                ["certificate"],
            ),
            spans_sent: families.add("vergate_otlp_spans_sent_total", "Spans that a collector has taken.", []),
            spans_dropped: families.add(
                "vergate_otlp_spans_dropped_total",
                "Spans that were lost: the queue was full, or the collector did not take them.",
                ["reason"],
            ),
            log_dropped: families.add(
                "vergate_access_log_dropped_total",
                "Access-log lines that were lost because the log could not keep up.",
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
        }
    }
}

impl Metrics {
    /// `vergate_config_last_reload_*`: the configuration was loaded at this instant, or was not.
    pub fn reload(&self, at: Option<UtcTime>) {
        self.standing.reload_successful.shared([]).set(i64::from(at.is_some()));
        if let Some(at) = at {
            self.standing.reload_timestamp.shared([]).set(at.unix());
        }
    }

    /// `vergate_version_sunset_timestamp_seconds` of every version that has a sunset; others disappear.
    pub fn sunsets(&self, apis: &[Api]) {
        self.standing.sunset.retain(|_| false);
        for api in apis {
            for version in &api.versions {
                if let Some(at) = version.lifecycle.sunset() {
                    self.standing.sunset.shared([&api.name, version.name.as_str()]).set(at.unix());
                }
            }
        }
    }

    /// `vergate_tls_certificate_not_after_timestamp_seconds` of these certificates; others disappear.
    pub fn certificates(&self, ends: &BTreeMap<String, UtcTime>) {
        self.standing.certificate_ends.retain(|_| false);
        for (file, end) in ends {
            self.standing.certificate_ends.shared([file]).set(end.unix());
        }
    }

    /// `vergate_otlp_spans_sent_total`, and `vergate_otlp_spans_dropped_total` for `queue_full` and `not_taken`.
    pub fn spans(&self) -> (Counter, Counter, Counter) {
        let dropped = |reason| self.standing.spans_dropped.shared([reason]);
        (self.standing.spans_sent.shared([]), dropped("queue_full"), dropped("not_taken"))
    }

    /// `vergate_access_log_dropped_total`.
    pub fn log_dropped(&self) -> Counter {
        self.standing.log_dropped.handle([])
    }

    /// `vergate_memory_limit_bytes`.
    pub fn memory_limit(&self, bytes: Option<u64>) {
        self.standing.memory_limit.shared([]).set(bytes.map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)));
    }

    /// `vergate_memory_pressure`.
    ///
    /// - `degree`: 0 to 3.
    pub fn memory_pressure(&self, degree: i64) {
        self.standing.memory_pressure.shared([]).set(degree);
    }
}
