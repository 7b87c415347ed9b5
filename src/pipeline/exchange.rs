//! What one request and its response carry along, and what is counted when they end.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Version, request::Parts, uri::PathAndQuery};

use super::{
    downstream::{forwarded, link::Link},
    handles::{Adaptation, CountedAs},
    recast::Fault,
    snapshot::VersionEntry,
    timings::Timings,
    transform::{Side, TransformError},
    worker::{Loaded, Worker},
};
use crate::{
    adaptation::Stash,
    clock,
    config::checked::LogRequests,
    domain::lifecycle::Status,
    headers::{Present, X_REQUEST_ID},
    pipeline::negotiation::VersionSource,
    problem::Code,
    telemetry::{Record, spans::Trace},
};

/// One exchange. Dropping it counts and logs it, whatever became of it.
#[derive(Debug)]
pub struct Exchange {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// The snapshot it began with; it ends with the same.
    pub loaded: Rc<Loaded>,
    /// The connection it came on.
    pub link: Rc<Link>,
    /// What the request's head has of the fields the gateway cares about.
    pub present: Present,
    /// As in `X-Request-Id`.
    pub request_id: HeaderValue,
    /// As sent.
    pub method: Method,
    /// As sent; none for a head that was refused without one.
    pub target: Option<PathAndQuery>,
    /// What it is counted under: the version asked for, also where another one answers.
    pub counted: CountedAs,
    /// Index of the version that answers, once known.
    pub served: Option<usize>,
    /// Where the version was named.
    pub source: Option<VersionSource>,
    /// `</v2.1/parse>` of the successor link, if the version announces one.
    pub successor_path: Option<String>,
    /// Another version than the one asked for answers.
    pub fallback: bool,
    /// The answer is a stream that lasts until its client leaves.
    pub endless: bool,
    /// What was taken out of the request and comes back in the answer.
    pub stash: Stash,
    /// Why the gateway itself answered.
    pub code: Option<Code>,
    /// Why a request body that is adapted while it passes broke off, once it has.
    pub fault: Option<Fault>,
    /// Response body bytes so far.
    pub bytes: u64,
    /// How long the upstream took to answer.
    pub upstream_time: Option<Duration>,
    /// When its head was there.
    pub started: Instant,
    /// Its trace, if it has one.
    pub trace: Trace,
    /// Where the time went; only kept where [`Exchange::is_timed`].
    pub timings: Timings,
    status: Option<u16>,
    /// The client's address, as far as proxies in front are trusted to tell it.
    pub client: std::net::IpAddr,
    is_http2: bool,
}

/// A request that ended before its answer, or within it: the client left first.
const CLIENT_LEFT: u16 = 499;

/// Characters a client's own request id may have at most.
const REQUEST_ID_BYTES_MAX: usize = 128;

impl Exchange {
    /// Begins: counted as in flight from here on.
    pub fn begin(worker: Rc<Worker>, link: Rc<Link>, head: &Parts) -> Box<Self> {
        let loaded = worker.loaded();
        let trusted = &loaded.snapshot.config.trusted_proxies;
        let present = Present::of(&head.headers);
        let client = forwarded::client(&head.headers, link.peer.ip(), trusted);
        worker.in_flight.inc();
        let is_http2 = head.version == Version::HTTP_2;
        link.exchange_began();
        Box::new(Self {
            present,
            request_id: request_id(&head.headers, present),
            method: head.method.clone(),
            target: head.uri.path_and_query().cloned(),
            counted: CountedAs::default(),
            served: None,
            source: None,
            successor_path: None,
            fallback: false,
            endless: false,
            stash: Stash::default(),
            code: None,
            fault: None,
            bytes: 0,
            upstream_time: None,
            status: None,
            started: Instant::now(),
            timings: Timings::default(),
            trace: Trace::begin(loaded.snapshot.config.otlp.as_ref().map(|otlp| otlp.ratio), &head.headers),
            client,
            is_http2,
            worker,
            loaded,
            link,
        })
    }

    /// The version asked for, compiled.
    pub fn counted_version(&self) -> Option<&VersionEntry> {
        Some(self.loaded.snapshot.version(self.counted.api?, self.counted.version?))
    }

    /// Whether the client speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Whether a log line may say where the time went.
    pub fn is_timed(&self) -> bool {
        self.loaded.snapshot.config.log.requests != LogRequests::Off
    }

    /// What `wait` did was waiting for client or upstream.
    pub async fn waiting<T>(&mut self, wait: impl Future<Output = T>) -> T {
        if !self.is_timed() {
            return wait.await;
        }
        let since = Instant::now();
        let outcome = wait.await;
        self.timings.waited(since.elapsed());
        outcome
    }

    /// The response head is on its way.
    pub fn answered(&mut self, status: u16) {
        if self.is_timed() {
            self.timings.first_byte = Some(self.started.elapsed());
        }
        self.status = Some(status);
    }

    /// The client left before the end of its answer.
    pub fn left(&mut self) {
        if !self.endless {
            self.status = Some(CLIENT_LEFT);
        }
    }

    /// The upstream's response head arrived.
    pub fn upstream_answered(&mut self, since: Instant) {
        let took = since.elapsed();
        self.upstream_time = Some(took);
        self.timings.waited(took);
        self.loaded.handles.upstream(self.counted, took);
    }

    /// Counts what happened to a body.
    pub fn adapted(&self, direction: &'static str, outcome: &'static str) {
        self.loaded.handles.adaptation(self.counted, Adaptation { direction, outcome });
    }

    /// Counts a body that could not be adapted.
    pub fn unadapted(&self, error: &TransformError) {
        self.adapted(error.side.as_str(), if error.side == Side::Request { "refused" } else { "failed" });
        self.loaded.handles.unadapted(self.counted, error);
    }

    /// Counts a message that forbids what is done to its body, or would be.
    pub fn no_transform(&self, direction: &'static str) {
        self.loaded.handles.no_transform(self.counted, direction);
    }

    /// Tells operators why something failed; callers get a safe sentence instead.
    pub fn note(&self, error: &dyn std::error::Error) {
        // An upstream that is down fails every request: the log tells it often enough, not each time.
        let Some(skipped) = self.worker.notes.admit(self.worker.deadlines.now()) else { return };
        let request_id = self.request_id.to_str().unwrap_or_default();
        tracing::warn!(request_id, code = self.code.map(Code::as_str), skipped, error = %Causes(error), "exchange failed");
    }

    fn record(&self, status: u16, duration: Duration) -> Record {
        Record {
            unix_ms: clock::now_ms() - i64::try_from(duration.as_millis()).unwrap_or(0),
            request_id: self.request_id.clone(),
            client: self.client,
            method: self.method.clone(),
            path: self.target.clone(),
            target: Some(
                self.loaded.handles.target(CountedAs { version: self.served.or(self.counted.version), ..self.counted }),
            ),
            version_source: self.source.map(VersionSource::as_str),
            phase: self.counted_version().and_then(|version| version.policy.standing.phase),
            consumer: None,
            status,
            code: self.code,
            duration,
            upstream_duration: self.upstream_time,
            queue: self.timings.waits.get().queue.into(),
            connect: self.timings.waits.get().connect.into(),
            first_byte: self.timings.first_byte.into(),
            own: self.timings.own().into(),
            bytes: self.bytes,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.worker.in_flight.dec();
        self.link.exchange_ended();
        let panicked = std::thread::panicking();
        let status = self.status.unwrap_or(if panicked { 500 } else { CLIENT_LEFT });
        if panicked {
            self.code = Some(Code::Internal);
        }
        let duration = self.started.elapsed();
        let deprecated =
            self.counted_version().is_some_and(|version| version.policy.standing.status >= Status::Deprecated);
        self.loaded.handles.response(self.counted, status, duration, deprecated);
        let wanted = match self.loaded.snapshot.config.log.requests {
            LogRequests::All => true,
            LogRequests::Errors => status >= 400 || self.code.is_some(),
            LogRequests::Off => false,
        };
        if wanted {
            self.worker.shared.log.write(self.record(status, duration));
        }
        let trace = std::mem::take(&mut self.trace);
        trace.finish(&self.worker.shared.spans, || self.record(status, duration));
    }
}

/// An error and everything behind it, in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The client's own id if it is at most 128 visible ASCII characters, else a new one.
fn request_id(headers: &HeaderMap, present: Present) -> HeaderValue {
    let sent = if present.has(Present::REQUEST_ID) { headers.get(X_REQUEST_ID) } else { None };
    let own = sent.filter(|id| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    own.cloned().unwrap_or_else(new_id)
}

/// Digits of an id.
const ID_BYTES: usize = 32;
/// Ids made at once: they share one allocation, and a copy of one is a count.
const IDS: usize = 32;

thread_local! {
    /// Ids nobody has yet.
    static READY: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
}

/// 32 hexadecimal digits, random.
fn new_id() -> HeaderValue {
    let id = READY.with_borrow_mut(|ready| {
        if ready.is_empty() {
            *ready = random_digits(ID_BYTES * IDS);
        }
        ready.split_to(ID_BYTES)
    });
    HeaderValue::from_maybe_shared(id).expect("hexadecimal digits are visible")
}

/// - `count`: a multiple of 16.
fn random_digits(count: usize) -> Bytes {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    let mut digits = vec![0; count];
    for sixteen in digits.chunks_exact_mut(16) {
        for (pair, byte) in sixteen.chunks_exact_mut(2).zip(fastrand::u64(..).to_le_bytes()) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
    digits.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_never_the_same() {
        let ids: std::collections::HashSet<String> =
            (0..3 * IDS).map(|_| new_id().to_str().expect("visible").to_owned()).collect();
        assert_eq!(ids.len(), 3 * IDS);
        assert!(
            ids.iter().all(|id| id.len() == ID_BYTES && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        );
    }

    #[test]
    fn a_clients_own_id_is_kept_if_it_is_short_and_visible() {
        let id = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(value).expect("a value"));
            request_id(&headers, Present::of(&headers))
        };
        assert_eq!(id(b"abc-123"), "abc-123");
        assert_eq!(id(&[b'x'; 128]).len(), 128);
        for bad in [&b""[..], b"a b", b"\xff", &[b'x'; 129]] {
            let made = id(bad);
            assert_eq!(made.len(), 32, "{}", bad.escape_ascii());
            assert_ne!(made, id(bad));
        }
    }
}
