//! What a client connection's socket, driver and exchanges share.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use http::HeaderValue;

use super::head::{HeadError, HeadLimits};
use crate::pipeline::deadline::Deadlines;

/// One client connection, as seen by everything that works on it. Lives on one worker.
#[derive(Debug)]
pub struct Link {
    /// The client's address.
    pub peer: SocketAddr,
    /// Set once when the gateway begins to drain; shared by all connections of a worker.
    pub draining: Rc<Cell<bool>>,
    /// Whether the gateway is over its connection limit: every request is answered 503.
    pub over_limit: bool,
    pub(crate) deadlines: Rc<Deadlines>,
    pub(crate) head_limits: HeadLimits,
    pub(crate) timeouts: LinkTimeouts,
    /// Heads handed to the parser, less exchanges that ended.
    busy: Cell<u32>,
    /// The head that was refused; taken by the exchange that stands for it.
    refused: RefCell<Option<RefusedHead>>,
    /// The client's address as `X-Forwarded-For` and `Forwarded: for=` write it.
    pub(crate) address: ClientText,
}

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

/// Two spellings of the client's address.
#[derive(Debug)]
pub struct ClientText {
    /// `192.0.2.1`, `2001:db8::1`.
    pub plain: HeaderValue,
    /// `for=192.0.2.1`, `for="[2001:db8::1]"` (RFC 7239 section 6).
    pub node: String,
}

impl Link {
    /// A connection that has not sent anything yet.
    pub fn new(
        peer: SocketAddr,
        draining: Rc<Cell<bool>>,
        over_limit: bool,
        deadlines: Rc<Deadlines>,
        head_limits: HeadLimits,
        timeouts: LinkTimeouts,
    ) -> Self {
        let ip = peer.ip().to_canonical();
        let plain = HeaderValue::try_from(ip.to_string()).expect("an address is visible ASCII");
        let node = if ip.is_ipv6() { format!("for=\"[{ip}]\"") } else { format!("for={ip}") };
        Self {
            peer,
            draining,
            over_limit,
            deadlines,
            head_limits,
            timeouts,
            busy: Cell::new(0),
            refused: RefCell::default(),
            address: ClientText { plain, node },
        }
    }

    /// Whether an exchange is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.get() > 0
    }

    /// A head went to the parser.
    pub(crate) fn head_handed_on(&self) {
        self.busy.set(self.busy.get() + 1);
    }

    /// An exchange ended; the next head may be handed on.
    pub fn exchange_ended(&self) {
        self.busy.set(self.busy.get().saturating_sub(1));
    }

    /// Remembers why the head at the front of `bytes` was refused.
    pub(crate) fn refuse(&self, error: HeadError, bytes: &[u8]) {
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let mut words = line.split(|b| *b == b' ');
        let method = words.next().filter(|word| !word.is_empty() && word.len() <= 32 && word.iter().all(u8::is_ascii_uppercase));
        let path = words.next().and_then(|target| target.split(|b| *b == b'?').next()).filter(|path| path.first() == Some(&b'/'));
        // Bounded, and without the bytes that made the head bad.
        let text = |bytes: &[u8]| bytes.iter().take(256).filter(|b| b.is_ascii_graphic()).map(|b| char::from(*b)).collect();
        *self.refused.borrow_mut() =
            Some(RefusedHead { error, method: method.map(text), path: method.and(path).map(text) });
    }

    /// The refused head that the current request stands for.
    pub fn take_refused(&self) -> Option<RefusedHead> {
        self.refused.borrow_mut().take()
    }
}
