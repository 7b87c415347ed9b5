//! The listening sockets of one address.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use crate::pipeline::downstream::listener;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; choose another address or stop what uses it")]
pub struct BindError {
    /// As configured.
    pub address: SocketAddr,
    /// Another process has the address, or it is not one of this machine's.
    pub source: io::Error,
}

/// The sockets of one configured address.
#[derive(Debug)]
pub struct Listening {
    /// The port is resolved.
    pub bound: SocketAddr,
    sockets: Vec<TcpListener>,
    /// Another process keeps the sockets open for whoever comes after this one.
    kept: bool,
}

impl Listening {
    /// Binds `count` sockets to `address`.
    ///
    /// - `ours`: what this process listens on already.
    pub fn bind(
        address: SocketAddr,
        count: usize,
        ours: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Self, BindError> {
        let ours = ours.into_iter().any(|have| covers(have, address) || covers(address, have));
        let error = |source| BindError { address, source };
        let sockets = listener::bind(address, count, ours).map_err(error)?;
        let bound = sockets[0].local_addr().map_err(error)?;
        Ok(Self { bound, sockets, kept: false })
    }

    /// Sockets that another process opened.
    ///
    /// - `kept`: whether it keeps them open.
    pub fn passed(sockets: Vec<TcpListener>, kept: bool) -> io::Result<Self> {
        let first = sockets.first().ok_or_else(|| io::Error::other("an address without a socket"))?;
        Ok(Self { bound: first.local_addr()?, sockets, kept })
    }

    /// The sockets; at least one.
    pub fn sockets(&self) -> &[TcpListener] {
        &self.sockets
    }

    /// Whether another process keeps the sockets open.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Copies of all sockets, for another process.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        self.sockets.iter().map(|socket| socket.try_clone().map(OwnedFd::from)).collect()
    }

    /// Copies for `workers` workers, every socket accepted on by one of them at least.
    pub fn share(&self, workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let (workers, sockets) = (workers.max(1), self.sockets.len().max(1));
        let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        for turn in 0..workers.max(sockets) {
            shares[turn % workers].push(self.sockets[turn % sockets].try_clone()?);
        }
        Ok(shares)
    }
}

/// Whether a socket on `a` takes connections for `b`, so that the two cannot be bound independently. Port 0 is free.
fn covers(a: SocketAddr, b: SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || any(a.ip()) && a.is_ipv4() == b.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_the_addresses_of_its_family_at_its_port() {
        for (a, b, covered) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "0.0.0.0:80", false),
            ("[::]:80", "[::1]:80", true),
            // Sockets of IPv6 are for IPv6 only.
            ("[::]:80", "127.0.0.1:80", false),
            ("0.0.0.0:0", "127.0.0.1:0", false),
        ] {
            let (a, b): (SocketAddr, SocketAddr) = (a.parse().expect("an address"), b.parse().expect("an address"));
            assert_eq!(covers(a, b), covered, "{a} {b}");
        }
    }

    #[test]
    fn every_socket_is_accepted_on_and_every_worker_has_one() {
        for (sockets, workers) in [(1, 1), (1, 3), (3, 1), (2, 3), (3, 2)] {
            let any = "127.0.0.1:0".parse().expect("an address");
            let listening = Listening::bind(any, sockets, []).expect("a free port");
            let shares = listening.share(workers).expect("copies");
            assert_eq!(shares.len(), workers);
            assert!(shares.iter().all(|share| !share.is_empty()));
            assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), sockets.max(workers));
        }
    }
}
