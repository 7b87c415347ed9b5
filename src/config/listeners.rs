//! `listen:`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;

use super::containers::ShortOrLong;
use super::finding::Finding;
use super::places::Address;
use super::raw::{self, ProxyProtocol};
use super::shape::{At, Field};
use super::tls::{Pems, server};
use crate::tls::server::ServerTls;

/// Where callers connect if nothing is written.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Where callers connect.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its address, and what tells it from others.
    pub id: ListenerId,
    /// Peers that begin with a PROXY protocol header; empty for nobody.
    pub proxies: Vec<IpNet>,
    /// What is agreed with clients; none for clear text.
    pub tls: Option<ServerTls>,
}

impl Listener {
    /// The first listener at `address`, in clear text.
    pub fn plain(address: SocketAddr) -> Self {
        Self { id: ListenerId { address, nth: 0 }, proxies: Vec::new(), tls: None }
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
///
/// - `pems`: reads the certificates they name.
pub fn listeners(raw: &raw::Gateway, pems: &mut Pems<'_>, findings: &mut Vec<Finding>) -> Vec<Arc<Listener>> {
    let written = places(raw);
    for (index, later) in written.iter().enumerate() {
        let first = written[..index].iter().find(|first| overlap(first.value, later.value));
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
    let Some(listen) = raw.listen.value() else { return vec![Arc::new(Listener::plain(LISTEN))] };
    let mut listeners: Vec<Arc<Listener>> = Vec::new();
    for at in &listen.0 {
        let mut listener = match &at.value {
            ShortOrLong::Short(address) => Listener::plain(address.0),
            ShortOrLong::Long(keys) => {
                let tls = keys.tls.set().and_then(|tls| server(tls, pems, findings));
                let proxies = proxies(raw, keys, findings);
                let Some(address) = keys.address.value() else { continue };
                Listener { proxies, tls, ..Listener::plain(address.0) }
            }
        };
        let address = listener.id.address;
        listener.id.nth = listeners.iter().filter(|before| before.id.address == address).count();
        listeners.push(Arc::new(listener));
    }
    listeners
}

/// Who begins with a PROXY protocol header.
fn proxies(raw: &raw::Gateway, keys: &raw::Listener, findings: &mut Vec<Finding>) -> Vec<IpNet> {
    let Some(at) = keys.proxy_protocol.set() else { return Vec::new() };
    let networks: Vec<IpNet> = match &at.value {
        ProxyProtocol::Flag(false) => return Vec::new(),
        ProxyProtocol::From(networks) => networks.iter().map(|network| network.value.0).collect(),
        ProxyProtocol::Flag(true) => match &raw.trusted_proxies {
            Field::Broken => return Vec::new(),
            Field::Set(trusted) => trusted.value.0.iter().map(|network| network.value.0).collect(),
            Field::Absent => Vec::new(),
        },
    };
    if networks.is_empty() {
        let message = "nobody may send a PROXY protocol header: `trusted_proxies` is empty";
        let help = "name the networks of your load balancers: `proxy_protocol: [10.0.0.0/8]`";
        findings.push(Finding::error(&at.place, "proxy-protocol", message, help));
    }
    if let Some(all) = networks.iter().find(|network| network.prefix_len() == 0) {
        let message = format!("{all} lets everybody claim any address");
        let help = "name the networks of your load balancers alone";
        findings.push(Finding::warning(&at.place, "proxy-protocol", message, help));
    }
    networks
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

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};

    const API: &str = "upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";

    fn with(first_line: &str) -> String {
        format!("{first_line}\n{API}")
    }

    #[test]
    fn listeners_of_one_address_are_told_apart() {
        let config = outcome(&with("listen: [127.0.0.1:0, 127.0.0.1:0, {address: '127.0.0.1:0'}]")).config;
        let ids: Vec<_> = config.expect("sound").listeners.iter().map(|listener| listener.id.nth).collect();
        assert_eq!(ids, [0, 1, 2]);
    }

    #[test]
    fn a_tls_with_nothing_behind_it_is_no_plain_listener() {
        expect(&with("listen: {address: '127.0.0.1:1', tls: }"), &["g.yaml:1:34: error: `tls` is empty"]);
        expect(&with("listen: [{tls: ~, address: '127.0.0.1:1'}]"), &["g.yaml:1:11: error: `tls` is empty"]);
    }

    #[test]
    fn proxies_are_named_where_they_may_speak_for_others() {
        let proxies = |listen: &str| {
            let config = outcome(&with(listen)).config.expect("sound");
            config.listeners[0].proxies.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            proxies("listen: {address: '127.0.0.1:1', proxy_protocol: [10.1.2.3/8, '::1']}"),
            ["10.0.0.0/8", "::1/128"]
        );
        let trusted = "trusted_proxies: [192.0.2.0/24]";
        assert_eq!(
            proxies(&format!("listen: {{address: '127.0.0.1:1', proxy_protocol: true}}\n{trusted}")),
            ["192.0.2.0/24"]
        );
        assert!(proxies(&format!("listen: {{address: '127.0.0.1:1', proxy_protocol: false}}\n{trusted}")).is_empty());
        assert!(proxies("listen: {address: '127.0.0.1:1'}").is_empty());
        let listen = |value: &str| with(&format!("listen: {{address: '127.0.0.1:1', proxy_protocol: {value}}}"));
        let place = "g.yaml:1:50";
        expect(&listen("true"), &[&format!("{place}: error: nobody may send a PROXY protocol header")]);
        expect(&listen("[]"), &[&format!("{place}: error: the list is empty")]);
        expect(&listen("v2"), &[&format!("{place}: error: expected true or false, found \"v2\"")]);
        expect(&listen("[0.0.0.0/0]"), &[&format!("{place}: warning: 0.0.0.0/0 lets everybody claim any address")]);
        expect(&listen("[10.0.0.0/99]"), &["g.yaml:1:51: error: expected a network such as 10.0.0.0/8"]);
    }
}
