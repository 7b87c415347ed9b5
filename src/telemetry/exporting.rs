//! Where traces are sent, and of how many exchanges.

use std::{fmt, time::Duration};

/// `telemetry.otlp:`.
#[derive(Clone, PartialEq)]
pub struct Exporting {
    /// Where spans are sent: a whole `http://` URL.
    pub endpoint: String,
    /// Share of the exchanges that are traced where the caller does not say; 0 to 1.
    pub ratio: f64,
    /// What the gateway is called.
    pub service_name: String,
    /// Fields of the requests to the collector.
    pub headers: Vec<(String, String)>,
    /// How long the collector may take for one request.
    pub timeout: Duration,
}

/// Without the values of `headers`: they may be keys.
impl fmt::Debug for Exporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, ratio, service_name, headers, timeout } = self;
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("Exporting");
        shown.field("endpoint", endpoint).field("ratio", ratio).field("service_name", service_name);
        shown.field("headers", &names).field("timeout", timeout).finish()
    }
}
