//! `listen:`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::containers::ShortOrLong;
use super::finding::Finding;
use super::places::Address;
use super::raw;
use super::shape::At;

/// Where callers connect if nothing is written.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Where callers connect.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its address, and what tells it from others.
    pub id: ListenerId,
}

impl Listener {
    /// The first listener at `address`, in clear text.
    pub fn plain(address: SocketAddr) -> Self {
        Self { id: ListenerId { address, nth: 0 } }
    }
}

/// Tells listeners apart, over reloads and also where several ask for any free port of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId {
    /// As configured; port 0 asks for a free one.
    pub address: SocketAddr,
    /// How many listeners before it have the same address.
    pub nth: usize,
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// The data listeners; an address given twice is an error.
pub fn listeners(raw: &raw::Gateway, findings: &mut Vec<Finding>) -> Vec<Listener> {
    let addresses = places(raw);
    for (index, later) in addresses.iter().enumerate() {
        let first = addresses[..index].iter().find(|first| overlap(first.value, later.value));
        if let Some(first) = first {
            let message = format!("{} is taken by the listener at {}", later.value, first.place);
            findings.push(Finding::error(
                &later.place,
                "duplicate-address",
                message,
                "give every listener its own port",
            ));
        }
    }
    let mut listeners: Vec<Listener> = Vec::new();
    let written = addresses.into_iter().map(|at| at.value);
    for address in if raw.listen.is_absent() { vec![LISTEN] } else { written.collect() } {
        let nth = listeners.iter().filter(|listener| listener.id.address == address).count();
        listeners.push(Listener { id: ListenerId { address, nth } });
    }
    listeners
}

/// The addresses that are written, and where.
pub(super) fn places(raw: &raw::Gateway) -> Vec<At<SocketAddr>> {
    let Some(listen) = raw.listen.value() else { return Vec::new() };
    let address = |at: &At<ShortOrLong<Address, raw::Listener>>| match &at.value {
        ShortOrLong::Short(address) => Some(At { place: at.place.clone(), value: address.0 }),
        ShortOrLong::Long(listener) => {
            let address = listener.address.set()?;
            Some(At { place: address.place.clone(), value: address.value.0 })
        }
    };
    listen.0.iter().filter_map(address).collect()
}

/// Whether two addresses cannot both be bound. Port 0 is always free.
pub(super) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |one: SocketAddr, other: SocketAddr| {
        one.ip() == other.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
    };
    a.port() != 0 && a.port() == b.port() && (covers(a, b) || covers(b, a))
}
