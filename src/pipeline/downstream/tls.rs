//! TLS on an accepted socket.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::HeaderValue;
use rustls::{Error, ProtocolVersion, ServerConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server};

use crate::tls::server::H2;

/// A connection after its handshake.
#[derive(Debug)]
pub struct TlsStream(server::TlsStream<TcpStream>);

impl TlsStream {
    /// Shakes hands with the client.
    pub async fn accept(config: Arc<ServerConfig>, stream: TcpStream) -> io::Result<Self> {
        TlsAcceptor::from(config).accept(stream).await.map(Self)
    }

    /// Whether HTTP/2 was agreed on.
    pub fn is_http2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(H2)
    }

    /// The version agreed on: `1.2` or `1.3`.
    pub fn version(&self) -> &'static str {
        match self.0.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        }
    }

    /// The certificate the client has shown, as `Client-Cert` carries it (RFC 9440 section 2.2).
    pub fn client_certificate(&self) -> Option<HeaderValue> {
        let certificate = self.0.get_ref().1.peer_certificates()?.first()?;
        // Base64 between colons is visible ASCII.
        HeaderValue::try_from(format!(":{}:", BASE64.encode(certificate))).ok()
    }

    /// Whether a ticket of an earlier connection was taken.
    pub fn is_resumed(&self) -> bool {
        self.0.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// The socket that carries it.
    pub fn socket(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// Ready when a read would not wait: data, the end or an error are there.
    ///
    /// What arrives is decrypted to find out: half a record, or a change of keys, is nothing to read.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (stream, session) = self.0.get_mut();
        loop {
            match session.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed() => {}
                // An error is told by the next read.
                Ok(_) | Err(_) => return Poll::Ready(Ok(())),
            }
            ready!(stream.poll_read_ready(cx))?;
            match session.read_tls(&mut Arrived(stream)) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// What the kernel holds already.
struct Arrived<'s>(&'s TcpStream);

impl io::Read for Arrived<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Why a handshake failed, as metrics name it.
pub fn failure(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        // The client closed or reset before the end.
        None => "client_left",
        Some(Error::NoCertificatesPresented) => "client_certificate_missing",
        Some(Error::InvalidCertificate(_)) => "client_certificate_invalid",
        // What the client did not like: our certificate, most of the time.
        Some(Error::AlertReceived(_)) => "client_refused",
        // No common version, cipher suite, signature or protocol.
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "incompatible",
        Some(_) => "malformed",
    }
}
