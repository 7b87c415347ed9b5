//! What the access log knows of one request.
//!
//! It holds no query, no field value but the request id, and no body, so none of them can reach a log by mistake.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use http::{HeaderValue, Method, uri::PathAndQuery};

use crate::{domain::lifecycle::Phase, problem::Code};

/// One request (CONTRACT section 8). Cheap to make: everything from the configuration is behind one [`Arc`].
#[derive(Clone, Debug)]
pub struct Record {
    /// When the request's head had arrived, in milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// As in `X-Request-Id`.
    pub request_id: HeaderValue,
    /// The client's address, behind trusted proxies the one they name.
    pub client: IpAddr,
    /// As sent.
    pub method: Method,
    /// The client's target, of which only the path is logged; none where no request line was read.
    pub path: Option<PathAndQuery>,
    /// What the request was resolved to, as far as it was.
    pub target: Option<Arc<Target>>,
    /// `header`, `path`, `query`, `accept` or `default`.
    pub version_source: Option<&'static str>,
    /// Where the version's deprecation stands.
    pub phase: Option<Phase>,
    /// A known consumer's name, never a key.
    pub consumer: Option<Arc<str>>,
    /// As sent; 499 when the client left first.
    pub status: u16,
    /// Why the gateway itself answered.
    pub code: Option<Code>,
    /// From the request's head to the response's last byte.
    pub duration: Duration,
    /// From the request's first byte to the upstream's response head; none where no upstream was asked.
    pub upstream_duration: Option<Duration>,
    /// Of that, waiting for one of the connections its server may have; none where it may have any number.
    pub queue: Part,
    /// Of that, opening connections; none where an open one was used.
    pub connect: Part,
    /// From the request's head to the response's, about to be written.
    pub first_byte: Part,
    /// Of that, what was not spent waiting for client or upstream.
    pub own: Part,
    /// Bytes of the response's body.
    pub bytes: u64,
}

/// A part of a duration, if there was one: whole microseconds, up to an hour and eleven minutes, in a quarter of the
/// room. As many records as the channel holds are kept at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part(Option<NonZeroU32>);

impl From<Option<Duration>> for Part {
    fn from(time: Option<Duration>) -> Self {
        // One more than it was, so that none at all is not the same as no time.
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX).saturating_add(1);
        Self(time.and_then(|time| NonZeroU32::new(micros(time))))
    }
}

impl Part {
    fn milliseconds(self) -> Option<f64> {
        self.0.map(|micros| f64::from(micros.get() - 1) / 1e3)
    }
}

/// What a request was resolved to. Made at load, one for each endpoint of each version, best by each worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of the API.
    pub api: Option<Box<str>>,
    /// The version served.
    pub version: Option<Box<str>>,
    /// A template such as `POST /parse`, or `other`.
    pub endpoint: Option<Box<str>>,
    /// Name of the upstream.
    pub upstream: Option<Box<str>>,
}

impl Record {
    /// Hands the record to the subscriber; the fields are the line's members, in this order.
    pub(super) fn emit(&self) {
        let target = self.target.as_deref();
        let text = |part: fn(&Target) -> &Option<Box<str>>| target.and_then(|target| part(target).as_deref());
        tracing::info!(
            target: "access",
            time = self.unix_ms,
            request_id = self.request_id.to_str().unwrap_or_default(),
            client = %self.client,
            method = self.method.as_str(),
            path = self.path.as_ref().map(PathAndQuery::path),
            api = text(|target| &target.api),
            version = text(|target| &target.version),
            version_source = self.version_source,
            phase = self.phase.map(Phase::as_str),
            endpoint = text(|target| &target.endpoint),
            consumer = self.consumer.as_deref(),
            upstream = text(|target| &target.upstream),
            status = self.status,
            code = self.code.map(Code::as_str),
            duration_ms = milliseconds(self.duration),
            upstream_ms = self.upstream_duration.map(milliseconds),
            queue_ms = self.queue.milliseconds(),
            connect_ms = self.connect.milliseconds(),
            first_byte_ms = self.first_byte.milliseconds(),
            gateway_ms = self.own.milliseconds(),
            bytes = self.bytes,
        );
    }
}

/// To the microsecond, which is as many digits as a line needs.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request with every member but a consumer.
    pub(in crate::telemetry) fn record() -> Record {
        Record {
            unix_ms: 1_780_308_000_007,
            request_id: HeaderValue::from_static("abc-1"),
            client: IpAddr::from([192, 0, 2, 1]),
            method: Method::POST,
            path: Some(PathAndQuery::from_static("/v1.0/parse?key=secret")),
            target: Some(Arc::new(Target {
                api: Some("query-parser".into()),
                version: Some("1.0".into()),
                endpoint: Some("POST /parse".into()),
                upstream: Some("query-parser-1.5".into()),
            })),
            version_source: Some("path"),
            phase: Some(Phase::Warning),
            consumer: None,
            status: 502,
            code: Some(Code::UpstreamReset),
            duration: Duration::from_micros(12_345),
            upstream_duration: Some(Duration::from_millis(12)),
            queue: Part::from(Some(Duration::from_micros(30))),
            connect: Part::from(Some(Duration::from_millis(2))),
            first_byte: Part::from(Some(Duration::from_micros(12_300))),
            own: Part::from(Some(Duration::from_micros(300))),
            bytes: 321,
        }
    }

    #[test]
    fn a_part_is_none_nothing_or_as_long_as_it_was() {
        let shown = |time: Option<Duration>| Part::from(time).milliseconds();
        assert_eq!(shown(None), None);
        assert_eq!(shown(Some(Duration::ZERO)), Some(0.0));
        assert_eq!(shown(Some(Duration::from_nanos(1_234_567))), Some(1.234));
        assert_eq!(shown(Some(Duration::MAX)), Some(4_294_967.294));
    }
}
