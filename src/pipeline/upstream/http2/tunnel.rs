//! The bytes of a stream that has become a tunnel, on the side of the server (RFC 8441 section 5).
//!
//! DATA frames carry them, END_STREAM closes one direction like the FIN of a connection. A stream that the server resets
//! is broken like a connection that is reset; one that is dropped early is reset with CANCEL.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Slot, pump::lost};
use crate::pipeline::upstream::{cap::Place, lease::Active};

/// Bytes that are taken for writing at once.
const PIECE_BYTES: usize = 16 * 1024;

/// One stream, read and written like a socket.
#[derive(Debug)]
pub struct Tunnel {
    sending: SendStream<Bytes>,
    receiving: RecvStream,
    /// What has come and was not read yet.
    read: Bytes,
    ended: bool,
    _slot: Slot,
    active: Active,
    _place: Option<Place>,
}

impl Tunnel {
    pub(super) fn new(
        (sending, receiving): (SendStream<Bytes>, RecvStream),
        (slot, active, place): (Slot, Active, Option<Place>),
    ) -> Self {
        Self { sending, receiving, read: Bytes::new(), ended: false, _slot: slot, active, _place: place }
    }

    fn broken(&self, error: h2::Error) -> io::Error {
        if error.is_reset() && error.is_remote() {
            self.active.reset();
        }
        lost(error)
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.receiving.poll_data(cx)) {
                // Trailers say nothing in a tunnel.
                None => return Poll::Ready(Ok(())),
                Some(Ok(data)) => self.read = data,
                Some(Err(error)) => return Poll::Ready(Err(self.broken(error))),
            }
        }
        let length = buf.remaining().min(self.read.len());
        buf.put_slice(&self.read[..length]);
        self.read.advance(length);
        // What was handed on makes room for more.
        let released = self.receiving.flow_control().release_capacity(length);
        Poll::Ready(released.map_err(lost))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let wanted = data.len().min(PIECE_BYTES);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        self.sending.reserve_capacity(wanted);
        while self.sending.capacity() == 0 {
            match ready!(self.sending.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(lost(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let length = self.sending.capacity().min(wanted);
        let sent = self.sending.send_data(Bytes::copy_from_slice(&data[..length]), false);
        Poll::Ready(sent.map(|()| length).map_err(lost))
    }

    /// The connection's own task sends.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.ended, true) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.sending.send_data(Bytes::new(), true).map_err(lost))
    }
}
