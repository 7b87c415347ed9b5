//! The socket of an upstream connection: flat small writes, and a deadline for stalled ones.

use std::{
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

use crate::pipeline::{deadline::Deadlines, flat_write::poll_write_flat, stall::Stall};

/// A server's socket.
#[derive(Debug)]
pub struct UpstreamIo {
    stream: TcpStream,
    stall: Stall,
}

impl UpstreamIo {
    /// `write`: how long a write may make no progress.
    pub fn new(stream: TcpStream, deadlines: Rc<Deadlines>, write: Duration) -> Self {
        Self { stream, stall: Stall::new(deadlines, write) }
    }

    /// Whether neither bytes nor a close have come. Asks the kernel only where an event says so.
    pub fn poll_silent(&mut self, cx: &mut Context<'_>) -> bool {
        match self.stream.poll_read_ready(cx) {
            Poll::Pending => true,
            Poll::Ready(Err(_)) => false,
            Poll::Ready(Ok(())) => {
                let outcome = self.stream.try_read(&mut [0]);
                outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }

    /// The bare socket.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, data);
        self.stall.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = poll_write_flat(&mut self.stream, cx, slices);
        self.stall.watch(cx, outcome)
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
