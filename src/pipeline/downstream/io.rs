//! The socket of an HTTP/2 client connection, between the kernel and the parser.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    link::{Link, Waiting},
    socket::Socket,
};
use crate::pipeline::{flat_write::poll_write_flat, stall::Stall};

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    socket: Socket,
    /// Read from the socket, not yet handed on.
    stash: BytesMut,
    stall: Stall,
}

impl ClientIo {
    /// - `stash`: what was read from `socket` already.
    pub fn new(socket: Socket, stash: BytesMut, link: &Rc<Link>) -> Self {
        link.never_park();
        link.wait(Waiting::Idle);
        let stall = Stall::new(Rc::clone(&link.deadlines), link.timeouts.write);
        Self { socket, stash, stall }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stash.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buf);
        }
        let n = buf.remaining().min(self.stash.len());
        buf.put_slice(&self.stash.split_to(n));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
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
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
