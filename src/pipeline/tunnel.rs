//! A switched connection: bytes pass unread in both directions (WebSocket and other upgrades).

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{
    deadline::{Deadlines, Timer},
    downstream::link::Caller,
};

/// Passes bytes until both sides have closed, one breaks, or nothing has moved for `idle`.
///
/// - `client`: its socket or stream, and what it sent while it waited for the switch.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    (client, sent): (Box<dyn Caller>, Vec<u8>),
    (server, early): (S, Bytes),
    deadlines: Rc<Deadlines>,
    idle: Duration,
) {
    let moved = Rc::new(Cell::new(deadlines.now()));
    let mut client =
        Watched { inner: client, first: sent.into(), deadlines: Rc::clone(&deadlines), moved: Rc::clone(&moved) };
    // What the server sent right behind its head goes first.
    let mut server =
        Watched { inner: server, first: early, deadlines: Rc::clone(&deadlines), moved: Rc::clone(&moved) };
    let timer = Timer::new(&deadlines);
    timer.arm(idle);
    let mut passing = Box::pin(tokio::io::copy_bidirectional(&mut client, &mut server));
    let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
    let broken = std::future::poll_fn(|cx| {
        if let Poll::Ready(passed) = passing.as_mut().poll(cx) {
            return Poll::Ready(passed.is_err());
        }
        while timer.expired(cx) {
            let silent_since = moved.get();
            if deadlines.now().saturating_sub(silent_since) >= idle_ms {
                return Poll::Ready(false);
            }
            timer.arm_at(silent_since + idle_ms);
        }
        Poll::Pending
    })
    .await;
    drop(passing);
    if broken {
        client.inner.cut();
    }
    let _ = client.shutdown().await;
}

/// Notes when bytes were last seen.
struct Watched<T> {
    inner: T,
    first: Bytes,
    deadlines: Rc<Deadlines>,
    moved: Rc<Cell<u64>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let n = buf.remaining().min(self.first.len());
            buf.put_slice(&self.first.split_to(n));
            return Poll::Ready(Ok(()));
        }
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        if outcome.is_ready() {
            self.moved.set(self.deadlines.now());
        }
        outcome
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, data);
        if outcome.is_ready() {
            self.moved.set(self.deadlines.now());
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
