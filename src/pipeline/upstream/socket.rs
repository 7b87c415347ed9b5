//! The bytes of a connection to a server.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::pipeline::socket;

/// A connection to a server, TLS after its handshake.
pub type Socket = socket::Socket<TlsStream<TcpStream>>;

impl Socket {
    /// Whether neither bytes nor a close have come. Asks the kernel only where an event says so.
    pub fn poll_silent(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(stream) => match stream.poll_read_ready(cx) {
                Poll::Pending => true,
                Poll::Ready(Err(_)) => false,
                Poll::Ready(Ok(())) => {
                    let outcome = stream.try_read(&mut [0]);
                    outcome.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
                }
            },
            // Session tickets come after the handshake, in records without data: reading takes them in.
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, &mut ReadBuf::new(&mut [0])).is_pending(),
        }
    }
}
