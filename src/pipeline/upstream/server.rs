//! One server of an upstream, and the connections one worker keeps to it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::{
    addresses::Addresses,
    cap::{Cap, Giving, Held},
    condition::Condition,
    connect::{self, ConnectError, ConnectOptions},
    guard::Guard,
    http2::Multiplexer,
    io::UpstreamIo,
    socket::Socket,
    tally::Tally,
};
use crate::{
    domain::upstream::Server,
    pipeline::{deadline::Deadlines, scratch},
};

/// Room for an ordinary request head.
const LEAD_BYTES: usize = 1024;
/// How long before a server may close an idle connection it is not used any more.
const CLOSE_MARGIN_MS: u64 = 1000;
/// Idle connections kept to one server by one worker: as many as the requests of a few HTTP/2 clients need at once.
const IDLE_MAX: usize = 1024;

/// A server as one worker sees it. Lives as long as some snapshot names the server.
#[derive(Debug)]
pub struct ServerPool {
    /// Where it is.
    pub server: Server,
    /// `host:port`, or its address where its name has several: for logs and metrics.
    pub name: String,
    /// Whether it may get requests, as all workers know it.
    pub condition: Arc<Condition>,
    /// What this worker counts about it.
    pub tally: Arc<Tally>,
    addresses: Addresses,
    /// Under the snapshot in use.
    guard: RefCell<Guard>,
    idle: RefCell<Vec<Idle>>,
    /// Its connections that carry many requests, where the upstream speaks HTTP/2.
    pub multiplexer: Multiplexer,
    /// Whether connections are kept no more: no snapshot in use names the server.
    closed: Cell<bool>,
    /// Gives idle connections up to other workers, where there is a cap.
    giving: RefCell<Option<Giving>>,
    /// Whether this worker finds out when an open breaker may close.
    pub(super) watched: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    /// Worker's milliseconds at which it became idle.
    since: u64,
    /// Worker's milliseconds at which the server may close it.
    until: u64,
}

/// A connection that is ready for a request, or carries one.
#[derive(Debug)]
pub struct Connection {
    io: UpstreamIo,
    /// Read from the server, not yet understood.
    pub buffer: BytesMut,
    /// Whether it has carried a request before.
    pub reused: bool,
    /// Milliseconds for which the server keeps it without a request, where it said so.
    pub kept_for: Option<u64>,
    /// A buffer for writing, kept from one request to the next.
    lead: Vec<u8>,
    open: Open,
}

/// Counts a connection as open on its server.
#[derive(Debug)]
pub struct Open {
    tally: Arc<Tally>,
    /// Its part of the server's cap, where there is one.
    held: Option<Held>,
}

impl ServerPool {
    /// A server without connections.
    ///
    /// - `address`: where it is, where that is one of several addresses of its name.
    pub fn new(server: Server, address: Option<SocketAddr>, condition: Arc<Condition>) -> Rc<Self> {
        Rc::new(Self {
            name: address.map_or_else(|| server.label(), |address| address.to_string()),
            tally: condition.tally(),
            condition,
            addresses: Addresses::new(&server, address),
            server,
            guard: RefCell::default(),
            idle: RefCell::default(),
            multiplexer: Multiplexer::default(),
            closed: Cell::new(false),
            giving: RefCell::default(),
            watched: Cell::new(false),
        })
    }

    /// An idle connection that is still good, the one used last.
    ///
    /// - `now`: worker's milliseconds.
    /// - `expired`: connections idle since before this are closed.
    pub fn checkout(&self, now: u64, expired: u64) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let mut good = None;
        while let Some(Idle { mut connection, since, until }) = idle.pop() {
            if since < expired {
                // Those below it are older still.
                idle.clear();
                break;
            }
            if now < until && connection.is_quiet() {
                connection.reused = true;
                good = Some(connection);
                break;
            }
            // Closed by the server, or it said something nobody asked for: dropped.
        }
        self.tally.idle.set(idle.len() as u64);
        good
    }

    /// Takes back a connection whose answer was read to the end.
    pub fn checkin(&self, connection: Box<Connection>, now: u64) {
        let mut idle = self.idle.borrow_mut();
        // A byte too much belongs to no answer of ours (RELIABILITY risk 3).
        let keep = connection.buffer.is_empty() && !self.closed.get() && !self.condition.is_drained();
        if keep && idle.len() < IDLE_MAX {
            // A request must not meet the server's close on the way.
            let kept_for = connection.kept_for.map(|ms| ms.saturating_sub(CLOSE_MARGIN_MS));
            let until = kept_for.map_or(u64::MAX, |ms| now.saturating_add(ms));
            idle.push(Idle { connection, since: now, until });
            self.tally.idle.set(idle.len() as u64);
        }
    }

    /// Closes connections idle since before `expired`, those the server has closed, and those to an address its name
    /// does not have any more.
    pub fn sweep(&self, now: u64, expired: u64) {
        let current = |address: SocketAddr| self.addresses.contains(address);
        match self.condition.is_drained() {
            true => self.multiplexer.close(),
            false => self.multiplexer.sweep(expired, current),
        }
        let mut idle = self.idle.borrow_mut();
        match self.condition.is_drained() {
            true => idle.clear(),
            false => idle.retain_mut(|idle| {
                let wanted = idle.since >= expired && now < idle.until && current(idle.connection.io.address());
                wanted && idle.connection.is_quiet()
            }),
        }
        self.tally.idle.set(idle.len() as u64);
    }

    /// Gives idle connections up to other workers where there is a cap; call where tasks can be spawned.
    pub fn give_under(self: &Rc<Self>, cap: Option<&Arc<Cap>>) {
        let mut giving = self.giving.borrow_mut();
        match cap {
            None => *giving = None,
            Some(cap) if giving.as_ref().is_some_and(|giving| giving.is_for(cap)) => {}
            Some(cap) => *giving = Some(Giving::begin(self, cap)),
        }
    }

    /// Closes the connection that has been idle longest.
    pub fn give_up_one(&self) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            idle.remove(0);
            self.tally.idle.set(idle.len() as u64);
        }
    }

    /// Closes idle connections now and all others once their request is done.
    pub fn close(&self) {
        self.closed.set(true);
        self.multiplexer.close();
        self.idle.borrow_mut().clear();
        self.tally.idle.set(0);
    }

    /// From now on these addresses are not connected to.
    pub fn guard(&self, own: &Rc<[SocketAddr]>) {
        self.guard.replace(Guard::new(Rc::clone(own), self.server.link_local));
    }

    /// What its name stands for now; nothing changes nothing.
    pub fn is_at(&self, known: Vec<SocketAddr>) {
        self.addresses.found(known);
    }

    /// Opens a connection that nothing was sent on, and what counts it as open.
    pub async fn open(
        &self,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<(UpstreamIo, Open), ConnectError> {
        let guard = self.guard.borrow().clone();
        let places = (&self.addresses, &guard);
        let opened = connect::open(&self.server, places, options.connect).await;
        let (socket, address) = opened.inspect_err(|_| self.tally.connect_failures.inc())?;
        if let Socket::Tls(stream) = &socket {
            self.tally.handshakes.inc();
            if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                self.tally.resumed.inc();
            }
        }
        let open = Open::new(&self.tally);
        Ok((UpstreamIo::new(socket, address, Rc::clone(deadlines), options.write), open))
    }

    /// Opens a connection for one request at a time.
    pub async fn connect(
        &self,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<Box<Connection>, ConnectError> {
        let (io, open) = self.open(deadlines, options).await?;
        let (buffer, lead) = (BytesMut::new(), Vec::new());
        // Boxed: it is handed from the pool to the exchange and back for every request.
        Ok(Box::new(Connection { io, buffer, reused: false, kept_for: None, lead, open }))
    }
}

impl Open {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.connections.inc();
        Self { tally: Arc::clone(tally), held: None }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tally.connections.dec();
    }
}

impl Connection {
    /// Reads more into the buffer, at most `room` bytes; 0 when the server has closed.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if room <= scratch::SMALL_BYTES {
            return scratch::poll_read(&mut self.io, cx, &mut self.buffer, room);
        }
        self.buffer.reserve(room);
        // The adapter reads into spare capacity without clearing it first; it keeps no state.
        pin!(self.io.read_buf(&mut self.buffer)).poll(cx)
    }

    /// Writes as much of `slices` as the socket takes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => Poll::Ready(Ok(n)),
        }
    }

    /// Counts the connection against the server's cap.
    pub fn hold(&mut self, held: Option<Held>) {
        self.open.held = held;
    }

    /// Writes what was taken but not handed to the kernel yet.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// An empty buffer for writing.
    pub fn take_lead(&mut self) -> Vec<u8> {
        let mut lead = std::mem::take(&mut self.lead);
        lead.clear();
        lead.reserve(LEAD_BYTES);
        lead
    }

    /// Keeps the buffer for the next request, unless it has grown out of proportion.
    pub fn keep_lead(&mut self, lead: Option<Vec<u8>>) {
        if let Some(lead) = lead.filter(|lead| lead.capacity() <= 8 * LEAD_BYTES) {
            self.lead = lead;
        }
    }

    /// The bare socket, what was read from it but not understood, and what counts it as open.
    pub fn into_parts(self) -> (Socket, Bytes, Open) {
        (self.io.into_inner(), self.buffer.freeze(), self.open)
    }

    /// Whether an idle connection is still open and silent, as far as the kernel has told.
    fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.buffer.is_empty() && self.io.poll_silent(&mut cx)
    }
}
