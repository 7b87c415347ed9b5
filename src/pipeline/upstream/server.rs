//! One server of an upstream, and the connections one worker keeps to it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    net::TcpStream,
};

use super::{condition::Condition, io::UpstreamIo, tally::Tally};
use crate::{descriptors, domain::upstream::Server, pipeline::deadline::Deadlines};

/// Room for an ordinary request head.
const LEAD_BYTES: usize = 1024;
/// Idle connections kept to one server by one worker.
const IDLE_MAX: usize = 128;

/// A server as one worker sees it. Lives as long as some snapshot names the server.
#[derive(Debug)]
pub struct ServerPool {
    /// Where it is.
    pub server: Server,
    /// `host:port`, for logs and metrics.
    pub name: String,
    /// Whether it may get requests, as all workers know it.
    pub condition: Arc<Condition>,
    /// What this worker counts about it.
    pub tally: Arc<Tally>,
    address: Option<SocketAddr>,
    idle: RefCell<Vec<Idle>>,
    /// Whether connections are kept no more: no snapshot in use names the server.
    closed: Cell<bool>,
    /// Whether this worker finds out when an open breaker may close.
    pub(super) watched: Cell<bool>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// Worker's milliseconds at which it became idle.
    since: u64,
}

/// A connection that is ready for a request, or carries one.
#[derive(Debug)]
pub struct Connection {
    io: UpstreamIo,
    /// Read from the server, not yet understood.
    pub buffer: BytesMut,
    /// Whether it has carried a request before.
    pub reused: bool,
    /// A buffer for writing, kept from one request to the next.
    lead: Vec<u8>,
    open: Open,
}

/// Counts a connection as open on its server.
#[derive(Debug)]
pub struct Open(Arc<Tally>);

/// What opening a connection needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// Until the connection stands.
    pub connect: Duration,
    /// How long a write may make no progress.
    pub write: Duration,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, or the name does not resolve.
    #[error("cannot connect")]
    Failed(#[source] io::Error),
    /// Did not stand in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

impl ServerPool {
    /// A server without connections.
    pub fn new(server: Server, condition: Arc<Condition>) -> Rc<Self> {
        let address = server.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, server.port));
        Rc::new(Self {
            name: server.label(),
            tally: condition.tally(),
            condition,
            server,
            address,
            idle: RefCell::default(),
            closed: Cell::new(false),
            watched: Cell::new(false),
        })
    }

    /// An idle connection that is still good, the one used last.
    ///
    /// `expired`: connections idle since before this are closed.
    pub fn checkout(&self, expired: u64) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let mut good = None;
        while let Some(Idle { mut connection, since }) = idle.pop() {
            if since < expired {
                // Those below it are older still.
                idle.clear();
                break;
            }
            if connection.is_quiet() {
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
    pub fn checkin(&self, connection: Connection, now: u64) {
        let mut idle = self.idle.borrow_mut();
        // A byte too much belongs to no answer of ours (RELIABILITY risk 3).
        let keep = connection.buffer.is_empty() && !self.closed.get() && !self.condition.is_drained();
        if keep && idle.len() < IDLE_MAX {
            idle.push(Idle { connection, since: now });
            self.tally.idle.set(idle.len() as u64);
        }
    }

    /// Closes connections idle since before `expired`, and those the server has closed.
    pub fn sweep(&self, expired: u64) {
        let mut idle = self.idle.borrow_mut();
        match self.condition.is_drained() {
            true => idle.clear(),
            false => idle.retain_mut(|idle| idle.since >= expired && idle.connection.is_quiet()),
        }
        self.tally.idle.set(idle.len() as u64);
    }

    /// Closes idle connections now and all others once their request is done.
    pub fn close(&self) {
        self.closed.set(true);
        self.idle.borrow_mut().clear();
        self.tally.idle.set(0);
    }

    /// Opens a connection.
    pub async fn connect(
        &self,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<Connection, ConnectError> {
        let opening = async {
            match self.address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((self.server.host.as_str(), self.server.port)).await,
            }
        };
        let stream = match tokio::time::timeout(options.connect, opening).await {
            Ok(connected) => connected.map_err(ConnectError::Failed)?,
            Err(_) => return Err(ConnectError::TimedOut(options.connect)),
        };
        if descriptors::is_reserved(&stream) {
            return Err(ConnectError::Failed(io::Error::other("descriptors are short")));
        }
        stream.set_nodelay(true).map_err(ConnectError::Failed)?;
        let io = UpstreamIo::new(stream, Rc::clone(deadlines), options.write);
        let open = Open::new(&self.tally);
        Ok(Connection { io, buffer: BytesMut::new(), reused: false, lead: Vec::new(), open })
    }
}

impl Open {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.connections.inc();
        Self(Arc::clone(tally))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

impl Connection {
    /// Reads more into the buffer, at most `room` bytes; 0 when the server has closed.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
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
    pub fn into_parts(self) -> (TcpStream, Bytes, Open) {
        (self.io.into_inner(), self.buffer.freeze(), self.open)
    }

    /// Whether an idle connection is still open and silent, as far as the kernel has told.
    fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.buffer.is_empty() && self.io.poll_silent(&mut cx)
    }
}
