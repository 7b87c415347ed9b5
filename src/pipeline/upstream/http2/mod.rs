//! HTTP/2 towards an upstream: few connections, many requests on each.
//!
//! The frames are the business of crate `h2`; a task for each connection drives them. A request's own task
//! writes its body and reads its answer, so that back-pressure reaches from the client to the server.

pub mod answer;
mod ask;
pub mod exchange;
mod pump;
mod settled;
pub mod tunnel;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::{Rc, Weak},
    time::Duration,
};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};

use self::settled::Settled;
use super::{
    connect::{ConnectError, ConnectOptions},
    io::UpstreamIo,
    server::Open,
};
use crate::pipeline::deadline::Deadlines;

/// Requests on one connection at once; fewer where the server says so (RELIABILITY section 4).
pub const STREAMS_MAX: usize = 100;
/// How much of an answer, and of all answers of a connection, may wait to be read.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// How much of a request may wait to be written.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// How often is looked whether a connection has ended, where no more may be open.
const ENDING: Duration = Duration::from_millis(10);

/// The connections of one worker to one server.
#[derive(Debug, Default)]
pub struct Multiplexer {
    connections: RefCell<Vec<Rc<Multiplexed>>>,
    /// Those that get no further requests and still carry some.
    ending: RefCell<Vec<Weak<Multiplexed>>>,
    /// Held while one is opened, so that a burst of requests opens one and not one each.
    opening: tokio::sync::Mutex<()>,
}

/// A connection that carries many requests.
#[derive(Debug)]
pub struct Multiplexed {
    _open: Open,
    address: SocketAddr,
    sender: SendRequest<Bytes>,
    /// Requests under way.
    streams: Cell<usize>,
    /// Whether it gets no further requests: it ended, the server said so, or a request on it was not answered.
    closed: Rc<Cell<bool>>,
    /// Worker's milliseconds at which it was last without requests.
    idle_since: Cell<u64>,
    /// Whether it has carried a request before.
    used: Cell<bool>,
    settled: Rc<Settled>,
}

impl Multiplexer {
    /// A connection with room for a request.
    pub fn checkout(&self) -> Option<Rc<Multiplexed>> {
        self.part();
        let connections = self.connections.borrow();
        connections.iter().find(|connection| connection.has_room()).cloned()
    }

    /// A connection with room, opened with `open` where there is none.
    ///
    /// - `now`: worker's milliseconds.
    /// - `within`: how long others that are opening one may be waited for, and those that end.
    /// - `max`: how many may be open; where none has room, the one with the fewest requests takes one more.
    pub async fn connection(
        &self,
        now: u64,
        within: Duration,
        max: usize,
        open: impl AsyncFnOnce() -> Result<Multiplexed, ConnectError>,
    ) -> Result<Rc<Multiplexed>, ConnectError> {
        let ours = async {
            let opening = self.opening.lock().await;
            while self.checkout().is_none() && self.open() >= max && self.least_busy().is_none() {
                tokio::time::sleep(ENDING).await;
            }
            opening
        };
        let Ok(_opening) = tokio::time::timeout(within, ours).await else {
            return Err(ConnectError::TimedOut(within));
        };
        let full = || Some(()).filter(|()| self.open() >= max).and_then(|()| self.least_busy());
        if let Some(connection) = self.checkout().or_else(full) {
            return Ok(connection);
        }
        let connection = Rc::new(open().await?);
        connection.idle_since.set(now);
        self.connections.borrow_mut().push(Rc::clone(&connection));
        Ok(connection)
    }

    /// Parts with connections that get no further requests.
    fn part(&self) {
        let mut ending = self.ending.borrow_mut();
        ending.retain(|connection| connection.strong_count() > 0);
        self.connections.borrow_mut().retain(|connection| {
            let closed = connection.closed.get();
            if closed && connection.streams.get() > 0 {
                ending.push(Rc::downgrade(connection));
            }
            !closed
        });
    }

    /// How many connections are open, as far as requests are on them or may come.
    fn open(&self) -> usize {
        self.part();
        self.connections.borrow().len() + self.ending.borrow().len()
    }

    fn least_busy(&self) -> Option<Rc<Multiplexed>> {
        self.connections.borrow().iter().min_by_key(|connection| connection.streams.get()).cloned()
    }

    /// Closes connections without requests since before `expired`, and forgets those that ended or whose address is
    /// not `current`; requests under way end first.
    pub fn sweep(&self, expired: u64, current: impl Fn(SocketAddr) -> bool) {
        // A connection closes itself when nobody can send on it any more.
        self.connections.borrow_mut().retain(|connection| {
            let usable = !connection.closed.get() && current(connection.address);
            let keep = usable && (connection.streams.get() > 0 || connection.idle_since.get() >= expired);
            if !keep && connection.streams.get() > 0 {
                self.ending.borrow_mut().push(Rc::downgrade(connection));
            }
            keep
        });
    }

    /// Gives no connection out any more; requests under way end first.
    pub fn close(&self) {
        self.connections.borrow_mut().clear();
    }
}

impl Multiplexed {
    /// Begins HTTP/2 on `io`, in a task of its own.
    ///
    /// `header_bytes`: what the fields of an answer may have.
    pub async fn begin(
        io: UpstreamIo,
        open: Open,
        options: ConnectOptions,
        header_bytes: usize,
    ) -> Result<Self, ConnectError> {
        let address = io.address();
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX));
        let handshake = tokio::time::timeout(options.connect, builder.handshake::<_, Bytes>(io)).await;
        let (sender, connection) =
            handshake.map_err(|_| ConnectError::TimedOut(options.connect))?.map_err(ConnectError::Http2)?;
        let mut connection = connection;
        let settled = Settled::new(connection.ping_pong(), options.connect);
        let closed = Rc::new(Cell::new(false));
        let ended = Rc::clone(&closed);
        tokio::task::spawn_local(async move {
            // Why it ended is told to the requests on it.
            let _ = connection.await;
            ended.set(true);
        });
        Ok(Self {
            _open: open,
            address,
            sender,
            streams: Cell::new(0),
            closed,
            idle_since: Cell::new(0),
            used: Cell::new(false),
            settled,
        })
    }

    /// Whether it has carried a request before.
    pub fn is_used(&self) -> bool {
        self.used.get()
    }

    /// Whether its server makes tunnels of streams (RFC 8441 section 3).
    async fn takes_tunnels(&self) -> bool {
        let says = || self.sender.is_extended_connect_protocol_enabled();
        if !says() {
            self.settled.wait().await;
        }
        says()
    }

    /// Takes no further requests; those under way end first.
    fn retire(&self) {
        self.closed.set(true);
    }

    fn has_room(&self) -> bool {
        self.streams.get() < self.sender.current_max_send_streams().min(STREAMS_MAX)
    }
}

/// A request under way on a connection, until dropped.
#[derive(Debug)]
pub struct Slot {
    connection: Rc<Multiplexed>,
    deadlines: Rc<Deadlines>,
}

impl Slot {
    fn take(connection: Rc<Multiplexed>, deadlines: &Rc<Deadlines>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self { connection, deadlines: Rc::clone(deadlines) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connection.streams.set(self.connection.streams.get() - 1);
        self.connection.idle_since.set(self.deadlines.now());
    }
}
