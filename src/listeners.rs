//! The listening sockets of the process, held by the control thread.
//!
//! Workers accept on copies of them. The control thread keeps its own so that a reload can tell its own addresses from
//! those of strangers.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
};

use crate::{
    config::{Listener, ListenerId},
    crew::Crew,
    pipeline::downstream::listener::{self, Ending},
};

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
        Ok(Self { bound, sockets })
    }

    /// The only socket of an address bound once.
    pub fn into_one(mut self) -> Option<TcpListener> {
        self.sockets.pop()
    }

    /// Copies for `workers` workers, every socket accepted on by one of them at least.
    fn share(&self, workers: usize) -> io::Result<Vec<Vec<TcpListener>>> {
        let (workers, sockets) = (workers.max(1), self.sockets.len().max(1));
        let mut shares: Vec<Vec<TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
        for turn in 0..workers.max(sockets) {
            shares[turn % workers].push(self.sockets[turn % sockets].try_clone()?);
        }
        Ok(shares)
    }
}

/// The data listeners in use.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Vec<(ListenerId, Listening)>,
}

impl Listeners {
    /// The addresses as bound.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|(_, listening)| listening.bound).collect()
    }

    /// Binds what `wanted` has and this set has not: everything that can fail.
    ///
    /// - `others`: further addresses this process listens on.
    pub fn open(
        &self,
        wanted: &[Arc<Listener>],
        workers: usize,
        others: &[SocketAddr],
    ) -> Result<Vec<(ListenerId, Listening)>, BindError> {
        let open = |listener: &Arc<Listener>| {
            let ours = self.bound().into_iter().chain(others.iter().copied());
            Ok((listener.id, Listening::bind(listener.id.address, workers, ours)?))
        };
        let is_new = |wanted: &&Arc<Listener>| self.open.iter().all(|(id, _)| *id != wanted.id);
        wanted.iter().filter(is_new).map(open).collect()
    }

    /// Accepts on `opened` from now on, and no longer on what `wanted` does not have.
    pub fn put_into_use(
        &mut self,
        opened: Vec<(ListenerId, Listening)>,
        wanted: &[Arc<Listener>],
        crew: &Crew,
    ) -> io::Result<()> {
        for (id, listening) in opened {
            crew.listen(id, listening.share(crew.workers())?);
            self.open.push((id, listening));
        }
        // Only now: what was asked of the old address may be answered at the new one.
        let is_gone = |(id, _): &mut (ListenerId, Listening)| wanted.iter().all(|listener| listener.id != *id);
        for (id, listening) in self.open.extract_if(.., is_gone) {
            end(id, &listening, crew);
        }
        Ok(())
    }

    /// Accepts on nothing any more.
    pub fn end(&mut self, crew: &Crew) {
        for (id, listening) in self.open.drain(..) {
            end(id, &listening, crew);
        }
    }
}

fn end(id: ListenerId, listening: &Listening, crew: &Crew) {
    listening.sockets.iter().for_each(listener::retire);
    crew.close(id, Ending::Retired);
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
