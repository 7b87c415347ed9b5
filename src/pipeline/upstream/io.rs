//! The socket of an upstream connection: flat small writes, and a deadline for stalled ones.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;
use crate::pipeline::{deadline::Deadlines, flat_write::poll_write_flat, stall::Stall};

/// A server's socket.
#[derive(Debug)]
pub struct UpstreamIo {
    socket: Socket,
    address: SocketAddr,
    stall: Stall,
}

impl UpstreamIo {
    /// `write`: how long a write may make no progress.
    pub fn new(socket: Socket, address: SocketAddr, deadlines: Rc<Deadlines>, write: Duration) -> Self {
        Self { socket, address, stall: Stall::new(deadlines, write) }
    }

    /// Whether neither bytes nor a close have come. Asks the kernel only where an event says so.
    pub fn poll_silent(&mut self, cx: &mut Context<'_>) -> bool {
        self.socket.poll_silent(cx)
    }

    /// Where the server is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bare socket.
    pub fn into_inner(self) -> Socket {
        self.socket
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, data);
        self.stall.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = poll_write_flat(&mut self.socket, cx, slices);
        self.stall.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.socket).poll_flush(cx);
        self.stall.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
