//! One client connection, from the accept to the close.

mod http2;

use std::{net::SocketAddr, pin::Pin, rc::Rc, task::Poll, time::Duration};

use bytes::Bytes;
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    downstream::{
        head::HeadLimits,
        io::{ClientIo, Protocol},
        link::{Link, LinkTimeouts, Takeover},
        socket::Socket,
    },
    handle,
    worker::{Slot, Worker},
};

/// The parser's buffer: a head that passed our check always fits.
const HEAD_BUFFER_BYTES_MIN: usize = 64 * 1024;
/// How long a closed connection's remaining bytes are read, so that the last answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 * 1024;
/// Serves a connection until it closes.
pub async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    let loaded = worker.loaded();
    let config = &loaded.snapshot.config;
    let Some(slot) = Slot::take(&worker.shared, config, peer.ip().to_canonical()) else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let limits = HeadLimits {
        target_bytes: config.limits.request_target_bytes,
        header_bytes: config.limits.request_header_bytes,
        fields: config.limits.request_header_fields,
        chunked: config.limits.chunked,
    };
    let timeouts = LinkTimeouts {
        request_header: config.timeouts.request_header,
        keep_alive: config.timeouts.keep_alive,
        write: config.timeouts.write,
    };
    let draining = Rc::clone(&worker.draining);
    let link = Link::new(peer, draining, slot.over_limit, Rc::clone(&worker.deadlines), limits, timeouts);
    let link = Rc::new(link);
    // An open connection must not keep a replaced snapshot alive.
    drop(loaded);
    worker.open.set(worker.open.get() + 1);
    let _open = Open(Rc::clone(&worker));
    let mut io = ClientIo::new(Socket::Plain(stream), Rc::clone(&link));
    match io.protocol().await {
        None => {}
        Some(Protocol::Http1) => http1(worker, link, io).await,
        // Boxed: its state is several times that of HTTP/1, and every connection would pay for it.
        Some(Protocol::Http2) => Box::pin(http2::serve(worker, link, io)).await,
    }
    drop(slot);
}

/// Counts an open connection of this worker.
struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// Serves HTTP/1 exchanges; while the client is idle only the socket is kept.
async fn http1(worker: Rc<Worker>, link: Rc<Link>, mut io: ClientIo) {
    loop {
        match exchanges(&worker, &link, io).await {
            Pause::Idle(mut idle) => match idle.park().await {
                true => io = idle,
                false => return close(idle).await,
            },
            Pause::Switched(takeover, socket) => return takeover(socket).await,
            Pause::Ended(io) => return close(io).await,
        }
    }
}

/// Why no exchange follows for now.
enum Pause {
    /// The client is idle.
    Idle(ClientIo),
    /// The connection changes its protocol.
    Switched(Takeover, (Socket, Vec<u8>)),
    /// The connection is over.
    Ended(ClientIo),
}

/// Serves exchanges until there is a pause.
async fn exchanges(worker: &Rc<Worker>, link: &Rc<Link>, io: ClientIo) -> Pause {
    let limits = link.head_limits;
    let handler = service_fn(|request: Request<Incoming>| handle(Rc::clone(worker), Rc::clone(link), request));
    let mut builder = http1::Builder::new();
    builder.max_buf_size((limits.header_bytes + limits.target_bytes + 1024).max(HEAD_BUFFER_BYTES_MIN));
    if limits.fields > 100 {
        // Beyond its default the parser allocates for every head.
        builder.max_headers(limits.fields);
    }
    let mut connection = builder.serve_connection(TokioIo::new(io), handler);
    let mut told = false;
    let ended = std::future::poll_fn(|cx| {
        let mut connection = Pin::new(&mut connection);
        if worker.draining.get() && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if !told && link.may_park(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    match (ended, link.take_switch()) {
        // An idle parser has read nothing it did not use.
        (None, _) => Pause::Idle(io),
        (Some(Ok(())), Some(takeover)) => Pause::Switched(takeover, with_rest(io, &parts.read_buf)),
        (Some(_), _) => Pause::Ended(io),
    }
}

/// The socket and everything read from it, in order.
fn with_rest(io: ClientIo, read: &Bytes) -> (Socket, Vec<u8>) {
    let (stream, stash) = io.into_parts();
    (stream, [read.as_ref(), &stash].concat())
}

/// Closes so that the last answer arrives: a socket closed with unread bytes is reset.
async fn close(io: ClientIo) {
    let unread = io.has_unread();
    let (mut stream, _) = io.into_parts();
    if stream.shutdown().await.is_err() || !unread {
        return;
    }
    let drained = async {
        // On the heap: every connection would carry it in its state otherwise.
        let mut sink = vec![0u8; 4096];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(n @ 1..) = stream.read(&mut sink).await {
            left = left.saturating_sub(n);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drained).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn ten_thousand_idle_connections_carry_little_state() {
        // A connection keeps the first for as long as it is open, the second until it is parked.
        assert!(size(serve) <= 2048, "{}", size(serve));
        assert!(size(handle) <= 2560, "{}", size(handle));
    }
}
