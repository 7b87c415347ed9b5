//! One server of an upstream, and the connections one worker keeps to it.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::oneshot};

use super::{body::UpstreamBody, io::UpstreamIo};
use crate::{domain::upstream::Server, pipeline::deadline::Deadlines};

/// Idle connections kept to one server by one worker.
const IDLE_MAX: usize = 128;

/// A server as one worker sees it. Lives as long as some snapshot names the server.
#[derive(Debug)]
pub struct ServerPool {
    /// Where it is.
    pub server: Server,
    /// `host:port`, for logs and metrics.
    pub name: String,
    /// Requests under way on this worker.
    pub active: Cell<u32>,
    address: Option<SocketAddr>,
    idle: RefCell<Vec<Idle>>,
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
    /// Sends requests.
    pub sender: SendRequest<UpstreamBody>,
    /// The socket, and what was read beyond the head, once the server switched protocols.
    pub switched: oneshot::Receiver<(UpstreamIo, Bytes)>,
    /// Whether it has carried a request before.
    pub reused: bool,
    /// Whether the server has sent anything since this was last cleared.
    pub heard: Rc<Cell<bool>>,
}

/// What opening a connection needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// Until the connection stands.
    pub connect: Duration,
    /// How long a write may make no progress.
    pub write: Duration,
    /// Longest response header section.
    pub header_bytes: usize,
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
    pub fn new(server: Server) -> Rc<Self> {
        let address = server.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, server.port));
        let name = match address {
            Some(address) => address.to_string(),
            None => format!("{}:{}", server.host, server.port),
        };
        Rc::new(Self { server, name, active: Cell::new(0), address, idle: RefCell::default() })
    }

    /// An idle connection that is still good, the one used last.
    ///
    /// `expired`: connections idle since before this are closed.
    pub fn checkout(&self, expired: u64) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        while let Some(Idle { mut connection, since }) = idle.pop() {
            if since < expired {
                // Those below it are older still.
                idle.clear();
                return None;
            }
            if connection.sender.is_ready() {
                connection.reused = true;
                return Some(connection);
            }
            // Closed by the server, or its last answer was not read to the end: dropped.
        }
        None
    }

    /// Takes back a connection whose answer was read to the end.
    pub fn checkin(&self, connection: Connection, now: u64) {
        let mut idle = self.idle.borrow_mut();
        if !connection.sender.is_closed() && idle.len() < IDLE_MAX {
            idle.push(Idle { connection, since: now });
        }
    }

    /// Closes connections idle since before `expired`.
    pub fn sweep(&self, expired: u64) {
        self.idle.borrow_mut().retain(|idle| idle.since >= expired && !idle.connection.sender.is_closed());
    }

    /// Opens a connection and drives it on this worker.
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
        stream.set_nodelay(true).map_err(ConnectError::Failed)?;
        let heard = Rc::default();
        let io = TokioIo::new(UpstreamIo::new(stream, Rc::clone(deadlines), options.write, Rc::clone(&heard)));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(options.header_bytes.max(64 * 1024))
            .max_header_size(options.header_bytes)
            .handshake(io)
            .await
            .map_err(|error| ConnectError::Failed(io::Error::other(error)))?;
        let (hand_over, switched) = oneshot::channel();
        tokio::task::spawn_local(drive(connection, hand_over));
        Ok(Connection { sender, switched, reused: false, heard })
    }
}

/// Runs a connection to its end; after a switch of protocols the socket goes to whoever waits for it.
async fn drive(
    mut connection: http1::Connection<TokioIo<UpstreamIo>, UpstreamBody>,
    hand_over: oneshot::Sender<(UpstreamIo, Bytes)>,
) {
    // Failures reach the exchange through its response; nobody waits for them here.
    if std::future::poll_fn(|cx| connection.poll_without_shutdown(cx)).await.is_ok() && !hand_over.is_closed() {
        let parts = connection.into_parts();
        let _ = hand_over.send((parts.io.into_inner(), parts.read_buf));
    }
}
