//! The socket of an upstream connection: flat small writes, and a deadline for stalled ones.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::pipeline::{
    deadline::{Deadlines, Timer},
    flat_write::poll_write_flat,
};

/// A server's socket.
#[derive(Debug)]
pub struct UpstreamIo {
    stream: TcpStream,
    deadlines: Rc<Deadlines>,
    write: Duration,
    write_timer: Option<Timer>,
    heard: Rc<Cell<bool>>,
}

impl UpstreamIo {
    /// - `write`: how long a write may make no progress.
    /// - `heard`: set whenever the server sends anything.
    pub fn new(stream: TcpStream, deadlines: Rc<Deadlines>, write: Duration, heard: Rc<Cell<bool>>) -> Self {
        Self { stream, deadlines, write, write_timer: None, heard }
    }

    /// The bare socket.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    fn stalled<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.write_timer.is_some() {
                self.write_timer = None;
            }
            return outcome;
        }
        let timer = self.write_timer.get_or_insert_with(|| {
            let timer = Timer::new(&self.deadlines);
            timer.arm(self.write);
            timer
        });
        if timer.expired(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.set(true);
        }
        outcome
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, data);
        self.stalled(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = poll_write_flat(&mut self.stream, cx, slices);
        self.stalled(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
