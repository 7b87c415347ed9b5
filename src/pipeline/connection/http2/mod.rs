//! A client connection that speaks HTTP/2 (RFC 9113).

pub mod follow;
pub mod frame;
mod io;
mod stream;
pub mod watch;

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::server::{Builder, Connection};

use self::{
    io::{WatchedIo, Wire},
    watch::{Bounds, Watch},
};
use crate::{
    config::Limits,
    pipeline::{
        deadline::Timer,
        downstream::{io::ClientIo, link::Link},
        worker::Worker,
    },
};

/// Bytes of one answer that wait for the client's connection.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How long a client that was told to go may leave its connection open without a stream.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves streams until the connection closes.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, io: ClientIo) {
    let limits = worker.loaded().snapshot.config.limits;
    let watch = Watch::new(bounds(&limits), worker.deadlines.now());
    let wire = Wire::new(io, watch, Rc::clone(&worker.deadlines), worker.http2.clone());
    let mut handshake = builder(&limits).handshake(WatchedIo(Rc::clone(&wire)));
    let connection = poll_fn(|cx| {
        if let Poll::Ready(outcome) = Pin::new(&mut handshake).poll(cx) {
            return Poll::Ready(outcome.ok());
        }
        match wire.poll_turn(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(None),
            _ if link.expired(cx) => Poll::Ready(None),
            _ => Poll::Pending,
        }
    })
    .await;
    if let Some(connection) = connection {
        Driver::new(connection, &worker, &link, &wire).run().await;
    }
    if let Some(breach) = wire.breach() {
        worker.shared.metrics.http2_floods(breach.label()).inc();
        tracing::debug!(client = %link.peer, %breach, "HTTP/2 connection ended");
    }
}

fn builder(limits: &Limits) -> Builder {
    // Resets are counted by the watch; these bounds of the library must not come first.
    let resets = limits.http2_resets.saturating_mul(2);
    let mut builder = Builder::new();
    builder
        .max_header_list_size(clamped(limits.request_header_bytes))
        .initial_window_size(clamped(limits.http2_stream_window_bytes))
        .initial_connection_window_size(clamped(limits.http2_connection_window_bytes))
        .max_concurrent_streams(clamped(limits.http2_streams))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(resets)
        .max_local_error_reset_streams(Some(resets));
    builder
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        continuations: clamped(limits.http2_continuations),
        resets: clamped(limits.http2_resets),
        resets_unanswered: clamped(limits.http2_resets_unanswered),
        control_frames: clamped(limits.http2_control_frames),
    }
}

/// HTTP/2 counts to 2^31 - 1.
fn clamped(number: usize) -> u32 {
    u32::try_from(number).map_or(u32::MAX >> 1, |number| number.min(u32::MAX >> 1))
}

/// Starts streams, sends what they wrote, and ends the connection in time.
struct Driver<'c> {
    connection: Connection<WatchedIo, Bytes>,
    worker: &'c Rc<Worker>,
    link: &'c Rc<Link>,
    wire: &'c Rc<Wire>,
    /// For the rest of a header block, and for leaving once told to.
    deadline: Timer,
    /// Whether a header block has begun and is waited for.
    in_head: bool,
    /// Whether the client was told to go.
    told: bool,
    /// Requests so far.
    seen: usize,
}

impl<'c> Driver<'c> {
    fn new(
        connection: Connection<WatchedIo, Bytes>,
        worker: &'c Rc<Worker>,
        link: &'c Rc<Link>,
        wire: &'c Rc<Wire>,
    ) -> Self {
        let deadline = Timer::new(&worker.deadlines);
        Self { connection, worker, link, wire, deadline, in_head: false, told: false, seen: 0 }
    }

    async fn run(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(next) = self.connection.poll_accept(cx) {
            let Some(Ok((request, respond))) = next else { return Poll::Ready(()) };
            self.seen += 1;
            let (worker, link) = (Rc::clone(self.worker), Rc::clone(self.link));
            tokio::task::spawn_local(stream::serve(worker, link, request, respond));
        }
        if !self.told && self.is_over(cx) {
            // GOAWAY first; what is under way finishes.
            self.told = true;
            self.deadline.arm(FAREWELL);
            self.connection.graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        let late = self.is_late(cx);
        let sent = self.wire.poll_turn(cx);
        match sent {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Ready(Ok(())) if late => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }

    /// Whether the connection has served its time.
    fn is_over(&self, cx: &mut Context<'_>) -> bool {
        let most = || self.worker.loaded().snapshot.config.limits.requests_per_connection;
        self.link.expired(cx) || !self.worker.keep_alive.get() || (self.seen > 0 && self.seen >= most())
    }

    /// Whether the client does not finish a header block, or does not leave.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.told {
            return !self.link.is_busy() && self.deadline.expired(cx);
        }
        if self.wire.is_in_head() != self.in_head {
            self.in_head = !self.in_head;
            match self.in_head {
                true => self.deadline.arm(self.link.timeouts.request_header),
                false => self.deadline.disarm(),
            }
        }
        self.in_head && self.deadline.expired(cx)
    }
}
