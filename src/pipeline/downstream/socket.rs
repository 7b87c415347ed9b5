//! The bytes of a client connection.

use std::{
    io,
    task::{Context, Poll},
};

use super::tls::TlsStream;
use crate::pipeline::socket;

/// An accepted connection.
pub type Socket = socket::Socket<TlsStream>;

impl Socket {
    /// Ready when a read would not wait: bytes, the end or an error are there.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Closing it will reset the connection.
    pub fn reset_on_close(&self) {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.socket(),
        };
        // A connection that is gone already needs no reset.
        let _ = socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
    }
}
