//! Traces, in a gateway that was built without them: nothing, at no cost. The feature `otlp` has the real ones.

use std::time::Duration;

use http::HeaderMap;

use super::{Exporting, Metrics, record::Record};

/// Where workers would leave what has been traced.
#[derive(Clone, Debug)]
pub struct Spans;

/// Would send what workers leave.
#[derive(Debug)]
pub struct Exporter;

/// The trace of one exchange; there is none.
#[derive(Debug, Default)]
pub struct Trace;

#[allow(missing_docs, clippy::unused_async, clippy::unused_self, reason = "the documentation is that of the feature")]
impl Spans {
    pub fn new(_: &Metrics) -> (Self, Exporter) {
        (Self, Exporter)
    }

    pub fn export_to(&self, _: Option<&Exporting>) {}

    pub async fn flush(&self, _: Duration) {}
}

#[allow(missing_docs, clippy::unused_async, reason = "the documentation is that of the feature")]
impl Exporter {
    pub async fn run(self) {}
}

#[allow(missing_docs, clippy::unused_self, reason = "the documentation is that of the feature")]
impl Trace {
    pub fn begin(_: Option<f64>, _: &HeaderMap) -> Self {
        Self
    }

    pub fn edit(&self, _: &mut HeaderMap) {}

    pub fn with_lines<T>(&self, lines: &[&[u8]], send: impl FnOnce(&[&[u8]]) -> T) -> T {
        send(lines)
    }

    pub fn try_begins(&self, _: &str) {}

    pub fn try_ends(&self, _: Result<u16, &'static str>) {}

    pub fn finish(self, _: &Spans, _: impl FnOnce() -> Record) {}
}
