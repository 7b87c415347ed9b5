//! Opening a connection to a server.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

use super::{
    addresses::Addresses,
    guard::{Forbidden, Guard},
    socket::Socket,
};
use crate::{
    descriptors,
    domain::upstream::{Server, Tls},
};

/// What opening a connection needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ConnectOptions {
    /// Until the connection stands, its TLS handshake included.
    pub connect: Duration,
    /// How long a write may make no progress.
    pub write: Duration,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable, or the name does not resolve.
    #[error("cannot connect")]
    Failed(#[source] io::Error),
    /// All its addresses are such that the gateway does not connect to.
    #[error("its address is not connected to")]
    Forbidden(#[source] Forbidden),
    /// Both sides do not agree on TLS, or the server could not prove who it is.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The server does not speak HTTP/2.
    #[error("the server does not speak HTTP/2")]
    Http2(#[source] h2::Error),
    /// Did not stand in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

/// Opens a connection to `server`, at one of its addresses; and which one it was.
///
/// `within`: until it stands.
pub async fn open(
    server: &Server,
    (addresses, guard): (&Addresses, &Guard),
    within: Duration,
) -> Result<(Socket, SocketAddr), ConnectError> {
    let opening = async {
        let candidates = addresses.candidates().await.map_err(ConnectError::Failed)?;
        let (stream, address) = dial(&candidates, guard, Instant::now() + within).await?;
        if descriptors::is_reserved(&stream) {
            return Err(ConnectError::Failed(io::Error::other("descriptors are short")));
        }
        stream.set_nodelay(true).map_err(ConnectError::Failed)?;
        let socket = match &server.tls {
            None => Socket::Plain(stream),
            Some(tls) => secure(stream, tls).await?,
        };
        Ok((socket, address))
    };
    match tokio::time::timeout(within, opening).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ConnectError::TimedOut(within)),
    }
}

/// Connects to the first address that answers; each gets its share of the time that is left.
async fn dial(
    candidates: &[SocketAddr],
    guard: &Guard,
    until: Instant,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let mut failed = ConnectError::Failed(io::ErrorKind::AddrNotAvailable.into());
    for (index, address) in candidates.iter().enumerate() {
        if let Err(forbidden) = guard.check(*address) {
            failed = ConnectError::Forbidden(forbidden);
            continue;
        }
        let left = u32::try_from(candidates.len() - index).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / left;
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => failed = ConnectError::Failed(error),
            Err(_) => failed = ConnectError::TimedOut(share),
        }
    }
    Err(failed)
}

async fn secure(stream: TcpStream, tls: &Tls) -> Result<Socket, ConnectError> {
    let connector = TlsConnector::from(Arc::clone(&tls.client));
    let stream = connector.connect(tls.server_name.clone(), stream).await.map_err(ConnectError::Tls)?;
    // A server that agrees to nothing speaks HTTP/1.1 (RFC 7301 section 3.1, RFC 9113 section 3.2).
    let wanted = tls.client.alpn_protocols.first().map(Vec::as_slice);
    if wanted == Some(&b"h2"[..]) && stream.get_ref().1.alpn_protocol() != wanted {
        return Err(ConnectError::Tls(io::Error::other("the server does not offer HTTP/2")));
    }
    Ok(Socket::Tls(Box::new(stream)))
}
