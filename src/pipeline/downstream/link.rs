//! What a client connection's socket, driver and exchanges share.

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::Context,
    time::Duration,
};

use super::{
    answer,
    farewell::Farewell,
    head::{HeadError, HeadLimits},
    socket::Socket,
};
use crate::pipeline::deadline::{Deadlines, Timer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};

/// One client connection, as seen by everything that works on it. Lives on one worker.
#[derive(Debug)]
pub struct Link {
    /// The client's address.
    pub peer: SocketAddr,
    /// Whether its client is to leave.
    pub farewell: Rc<Farewell>,
    /// Whether the gateway is over its connection limit: every request is answered 503.
    pub over_limit: bool,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) head_limits: HeadLimits,
    pub(crate) timeouts: LinkTimeouts,
    waiting: Cell<Waiting>,
    read_timer: Timer,
    /// Exchanges under way.
    busy: Cell<u32>,
    /// Exchanges begun so far.
    begun: Cell<usize>,
    /// Interim responses to pass on; none for a client that knows none.
    interims: RefCell<Option<Vec<u8>>>,
    /// The same on a connection with streams, of the one that is served just now.
    early: RefCell<Vec<Early>>,
    /// Whether the connection has streams.
    has_streams: Cell<bool>,
    /// The head that was refused; taken by the exchange that stands for it.
    refused: RefCell<Option<RefusedHead>>,
    /// What takes the socket over once a switch of protocols has been answered.
    switch: Switch,
    /// The last host asked for, and what upstreams are told of it: clients rarely change hosts on a
    /// connection.
    forwarded: RefCell<Option<(Option<HeaderValue>, Bytes)>>,
    /// What the client's bytes are carried by.
    pub(crate) scheme: Scheme,
    /// The certificate the client has shown, as `Client-Cert` carries it.
    pub(crate) client_certificate: Option<Box<HeaderValue>>,
}

/// The scheme of every URL asked for on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Clear text.
    #[default]
    Http,
    /// TLS.
    Https,
}

/// An interim response.
pub(crate) type Early = (StatusCode, HeaderMap);

/// What a client that has switched protocols is read from and written to: its socket, or its stream.
pub trait Caller: AsyncRead + AsyncWrite + Unpin {
    /// Tells the client that the other side has broken off, where there is a word for it. A close follows.
    fn cut(&mut self) {}
}

impl Caller for Socket {}

/// Takes over the client and what was read from it.
pub type Takeover = Box<dyn FnOnce((Box<dyn Caller>, Vec<u8>)) -> Pin<Box<dyn Future<Output = ()>>>>;

#[derive(Default)]
struct Switch(RefCell<Option<Takeover>>);

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Switch({})", self.0.borrow().is_some())
    }
}

/// What the gateway waits for on a connection without an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waiting {
    /// Nothing: an exchange is under way.
    No,
    /// The first byte of the next head, without buffers.
    Parked,
    /// The first byte of the next head.
    Idle,
    /// The rest of a head.
    Head,
    /// The first byte of a connection that was accepted while the gateway began to drain.
    Last,
}

/// An idle connection keeps the parser and its buffers this long; clients that come back sooner find
/// everything in place.
const PARK_AFTER: Duration = Duration::from_millis(200);

/// How long a connection accepted at the last moment may take to say something.
pub(crate) const LAST_MOMENT: Duration = Duration::from_millis(500);

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct LinkTimeouts {
    /// For a request head.
    pub request_header: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// To take a piece of its answer.
    pub write: Duration,
}

/// A head that was refused, as far as it could be read.
#[derive(Debug)]
pub struct RefusedHead {
    /// Why.
    pub error: HeadError,
    /// The method, if there was one.
    pub method: Option<String>,
    /// The path without query, if there was one.
    pub path: Option<String>,
}

impl Link {
    /// A connection that has not sent anything yet.
    pub fn new(
        peer: SocketAddr,
        farewell: Rc<Farewell>,
        over_limit: bool,
        deadlines: Rc<Deadlines>,
        head_limits: HeadLimits,
        timeouts: LinkTimeouts,
    ) -> Self {
        Self {
            peer,
            farewell,
            over_limit,
            head_limits,
            timeouts,
            waiting: Cell::new(Waiting::No),
            read_timer: Timer::new(&deadlines),
            deadlines,
            busy: Cell::new(0),
            begun: Cell::new(0),
            interims: RefCell::default(),
            early: RefCell::default(),
            has_streams: Cell::new(false),
            refused: RefCell::default(),
            switch: Switch::default(),
            forwarded: RefCell::default(),
            scheme: Scheme::Http,
            client_certificate: None,
        }
    }

    /// The same connection over TLS.
    ///
    /// - `client_certificate`: what the client has shown, as `Client-Cert` carries it.
    pub fn over_tls(self, client_certificate: Option<HeaderValue>) -> Self {
        Self { scheme: Scheme::Https, client_certificate: client_certificate.map(Box::new), ..self }
    }

    /// The first head has to be there by `at`, in milliseconds of the worker's deadlines: what came before HTTP
    /// has used some of its time.
    pub(crate) fn first_head_by(&self, at: u64) {
        self.read_timer.arm_at(at);
    }

    /// Whether an exchange is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.get() > 0
    }

    /// An exchange began.
    pub fn exchange_began(&self) {
        self.wait(Waiting::No);
        self.busy.set(self.busy.get() + 1);
        self.begun.set(self.begun.get() + 1);
    }

    /// How many requests this connection has carried, the present one included.
    pub fn requests(&self) -> usize {
        self.begun.get()
    }

    /// An exchange ended.
    pub fn exchange_ended(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
        if !self.is_busy() {
            self.wait(Waiting::Idle);
        }
    }

    /// From now on the connection waits for `waiting`, at most as long as is configured for it.
    pub(crate) fn wait(&self, waiting: Waiting) {
        self.waiting.set(waiting);
        match waiting {
            Waiting::No => self.read_timer.disarm(),
            Waiting::Parked => self.read_timer.arm(self.timeouts.keep_alive.saturating_sub(PARK_AFTER)),
            Waiting::Idle => self.read_timer.arm(self.timeouts.keep_alive.min(PARK_AFTER)),
            Waiting::Head => self.read_timer.arm(self.timeouts.request_header),
            Waiting::Last => self.read_timer.arm(LAST_MOMENT),
        }
    }

    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.get()
    }

    /// Whether a connection that has been idle for its time may be parked, and stay open after that.
    pub(crate) fn may_park(&self) -> bool {
        self.waiting() == Waiting::Idle && self.timeouts.keep_alive > PARK_AFTER
    }

    /// The connection is idle and gives up what it can make anew.
    pub(crate) fn parked(&self) {
        *self.forwarded.borrow_mut() = None;
        self.wait(Waiting::Parked);
    }

    /// Whether the exchange under way is the connection's last, because the gateway wants no more.
    ///
    /// - `most`: requests a connection may carry.
    pub(crate) fn is_last(&self, most: usize) -> bool {
        self.over_limit || self.requests() >= most || self.farewell.is_said()
    }

    /// Whether the client of the exchange under way knows interim responses.
    pub(crate) fn relay(&self, wanted: bool) {
        let mut interims = self.interims.borrow_mut();
        if interims.is_some() != wanted {
            *interims = wanted.then(Vec::new);
        }
    }

    /// Passes an interim response on to a client that knows them (RFC 9110 section 15.2); others never see it.
    pub fn interim(&self, status: StatusCode, fields: &HeaderMap) {
        if self.has_streams.get() {
            self.early.borrow_mut().push((status, fields.clone()));
        } else if let Some(interims) = &mut *self.interims.borrow_mut() {
            answer::interim(interims, status, fields);
        }
    }

    /// The connection has streams, each with interim responses of its own.
    pub(crate) fn speaks_http2(&self) {
        self.has_streams.set(true);
    }

    /// Takes the interim responses of the stream that was just served.
    pub(crate) fn take_early(&self) -> Vec<Early> {
        std::mem::take(&mut self.early.borrow_mut())
    }

    /// Appends the interim responses that were not passed on yet.
    pub(crate) fn take_interims(&self, out: &mut Vec<u8>) {
        if let Some(interims) = self.interims.borrow_mut().as_mut().filter(|interims| !interims.is_empty()) {
            out.extend_from_slice(&std::mem::take(interims));
        }
    }

    /// Whether the client has waited too long; if not, the task is woken when it has.
    pub(crate) fn expired(&self, cx: &mut Context<'_>) -> bool {
        self.read_timer.expired(cx)
    }

    /// Once the current answer is sent, `takeover` gets the socket.
    pub fn switch(&self, takeover: Takeover) {
        *self.switch.0.borrow_mut() = Some(takeover);
    }

    pub(crate) fn take_switch(&self) -> Option<Takeover> {
        self.switch.0.borrow_mut().take()
    }

    /// The lines about this client asking for `host`; made anew only if the host differs from the last one.
    pub(crate) fn forwarded(&self, host: Option<&HeaderValue>, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut last = self.forwarded.borrow_mut();
        match &*last {
            Some((known, value)) if known.as_ref() == host => value.clone(),
            _ => {
                let value = make();
                // A copy: the original is a slice of the connection's buffer, and would keep it.
                let host = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
                *last = Some((host, value.clone()));
                value
            }
        }
    }

    /// Remembers why the head at the front of `bytes` was refused.
    pub(crate) fn refuse(&self, error: HeadError, bytes: &[u8]) {
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let mut words = line.split(|b| *b == b' ');
        let method =
            words.next().filter(|word| !word.is_empty() && word.len() <= 32 && word.iter().all(u8::is_ascii_uppercase));
        let path = words
            .next()
            .and_then(|target| target.split(|b| *b == b'?').next())
            .filter(|path| path.first() == Some(&b'/'));
        // Bounded, and without the bytes that made the head bad.
        let text =
            |bytes: &[u8]| bytes.iter().take(256).filter(|b| b.is_ascii_graphic()).map(|b| char::from(*b)).collect();
        *self.refused.borrow_mut() =
            Some(RefusedHead { error, method: method.map(text), path: method.and(path).map(text) });
    }

    /// The refused head that the current request stands for.
    pub fn take_refused(&self) -> Option<RefusedHead> {
        self.refused.borrow_mut().take()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A link from `peer` with generous limits.
    pub(crate) fn link(peer: &str) -> Link {
        let timeouts = LinkTimeouts {
            request_header: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            write: Duration::from_secs(15),
        };
        let limits = HeadLimits { target_bytes: 8192, header_bytes: 32768, fields: 100, chunked: Default::default() };
        let peer = peer.parse().expect("an address with a port");
        Link::new(peer, Farewell::new(Rc::default()), false, Deadlines::new(), limits, timeouts)
    }

    #[test]
    fn a_refused_head_keeps_its_method_and_path_without_what_was_wrong() {
        for (head, method, path) in [
            ("GET /a?token=x HTTP/1.1\r\nbad", Some("GET"), Some("/a")),
            ("HEAD /a\u{1}b HTTP/1.1\r\n", Some("HEAD"), Some("/ab")),
            ("\u{16}\u{3}\u{1}", None, None),
            ("", None, None),
        ] {
            let link = link("127.0.0.1:1");
            link.refuse(HeadError::Line, head.as_bytes());
            let refused = link.take_refused().expect("just refused");
            assert_eq!((refused.method.as_deref(), refused.path.as_deref()), (method, path), "{head:?}");
            assert!(link.take_refused().is_none());
        }
    }
}
