//! The bytes of a stream that has become a tunnel (RFC 8441 section 5).
//!
//! DATA frames carry them, END_STREAM closes one direction like the FIN of a connection, and RST_STREAM with CANCEL says
//! that the other side has broken off.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frame::Reason,
    streams::{Room, Streams},
};
use crate::pipeline::downstream::{body::RequestBody, link::Caller};

/// Bytes that are taken for writing at once.
const PIECE_BYTES: usize = 16 * 1024;

/// One stream, read and written like a socket. Its place is its own until it is dropped.
pub(super) struct Tunnel {
    streams: Rc<Streams>,
    at: usize,
    sent: RequestBody,
    /// What was taken of the stream's window and not read yet.
    read: Bytes,
    /// What the client has not made room for yet.
    unsent: Bytes,
    ended: bool,
}

impl Tunnel {
    /// - `sent`: what the client sends on the stream.
    pub(super) fn new(streams: Rc<Streams>, at: usize, sent: RequestBody) -> Self {
        Self { streams, at, sent, read: Bytes::new(), unsent: Bytes::new(), ended: false }
    }

    /// Ready when everything that was written is on its way. The connection wakes the stream when there is room.
    fn poll_sent(&mut self) -> Poll<io::Result<()>> {
        if self.streams.is_gone(self.at) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !self.unsent.is_empty() && self.streams.body(self.at, &mut self.unsent, false) != Room::Sent {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Caller for Tunnel {
    fn cut(&mut self) {
        self.streams.reset(self.at, Reason::Cancel, false);
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.sent.poll_frame(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                // Trailers say nothing in a tunnel; its end follows them.
                Some(Ok(frame)) => self.read = frame.into_data().unwrap_or_default(),
            }
        }
        let length = buf.remaining().min(self.read.len());
        buf.put_slice(&self.read[..length]);
        self.read.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent())?;
        let length = data.len().min(PIECE_BYTES);
        self.unsent = Bytes::copy_from_slice(&data[..length]);
        match self.poll_sent() {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent())?;
        if !std::mem::replace(&mut self.ended, true) {
            self.streams.body(self.at, &mut Bytes::new(), true);
        }
        Poll::Ready(Ok(()))
    }
}
