//! Data listeners: one socket for each worker, all bound to the same address.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Connections the kernel keeps for each worker until it accepts them.
const BACKLOG: i32 = 4096;
/// Pause after the process ran out of descriptors (RELIABILITY risk 21).
const PAUSE: Duration = Duration::from_millis(50);

/// Binds `count` sockets that share `address`; port 0 picks a free one for all of them.
///
/// Errors when another process has the address: it is tried alone first, because sharing would
/// hide that.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<StdListener>> {
    drop(socket(address, false)?);
    let first = socket(address, true)?;
    let bound = first.local_addr()?;
    let mut all = vec![first];
    for _ in 1..count {
        all.push(socket(bound, true)?);
    }
    Ok(all)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections until `closed` is notified, then takes those the kernel holds already.
pub async fn accept(listener: StdListener, closed: Rc<Notify>, mut each: impl FnMut(TcpStream, SocketAddr)) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "listener cannot be used");
            return;
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closed.notified() => break,
        };
        match accepted {
            Ok((stream, peer)) => each(stream, peer),
            Err(error) if is_exhaustion(&error) => {
                tracing::warn!(%error, "connections cannot be accepted for now");
                tokio::time::sleep(PAUSE).await;
            }
            // The client left before it was accepted.
            Err(error) => tracing::debug!(%error, "connection was lost before it was accepted"),
        }
    }
    // Closing a shared socket resets what waits in its queue: take it first.
    while let Some(Ok((stream, peer))) = std::future::poll_fn(|cx| match listener.poll_accept(cx) {
        std::task::Poll::Ready(accepted) => std::task::Poll::Ready(Some(accepted)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
    {
        each(stream, peer);
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: trying again at once would only spin.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_somebody_else_has_is_an_error_although_it_is_shared() {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let listeners = bind(any, 3).expect("a free port");
        let bound = listeners[0].local_addr().expect("bound");
        assert!(listeners.iter().all(|listener| listener.local_addr().ok() == Some(bound)));
        assert_eq!(bind(bound, 1).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        drop(listeners);
        assert!(bind(bound, 2).is_ok());
    }
}
