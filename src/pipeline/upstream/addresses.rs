//! Where a server is: its address, or those of its name.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use crate::domain::upstream::Server;

/// The addresses of one server, on one worker.
#[derive(Debug)]
pub struct Addresses {
    /// Name and port; none where the host is an address.
    name: Option<(String, u16)>,
    /// What the last lookup that succeeded gave, in an order of our own.
    known: RefCell<Rc<[SocketAddr]>>,
    /// Which of them the next connection begins with.
    turn: Cell<usize>,
}

impl Addresses {
    /// `address`: where the server is, where it is one of several of its name.
    pub fn new(server: &Server, address: Option<SocketAddr>) -> Self {
        let literal = server.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, server.port));
        let address = address.or(literal);
        Self {
            name: address.is_none().then(|| (server.host.clone(), server.port)),
            known: RefCell::new(address.into_iter().collect()),
            turn: Cell::new(fastrand::usize(..)),
        }
    }

    /// The addresses in the order a connection tries them: each comes first in turn, families alternate.
    ///
    /// Errors where the name was never found.
    pub async fn candidates(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some((host, port)) = self.name.as_ref().filter(|_| self.known.borrow().is_empty()) {
            let found = tokio::net::lookup_host((host.as_str(), *port)).await?.collect();
            self.found(found);
        }
        let known = Rc::clone(&self.known.borrow());
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        Ok(in_turn(&known, turn))
    }

    /// Whether connections to `address` may get further requests: the name still has it.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.known.borrow().contains(&address)
    }

    /// What a lookup has given; nothing changes nothing.
    pub fn found(&self, mut addresses: Vec<SocketAddr>) {
        addresses.sort_unstable();
        addresses.dedup();
        if !addresses.is_empty() {
            *self.known.borrow_mut() = addresses.into();
        }
    }
}

/// `turn`'s address first, the others behind it, IPv6 and IPv4 alternating (RFC 8305 section 4).
fn in_turn(known: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let mut rest: Vec<SocketAddr> = known.to_vec();
    if rest.is_empty() {
        return rest;
    }
    let middle = turn % rest.len();
    rest.rotate_left(middle);
    let mut ordered = vec![rest.remove(0)];
    while let Some(last) = ordered.last().filter(|_| !rest.is_empty()) {
        let other = rest.iter().position(|address| address.is_ipv4() != last.is_ipv4());
        ordered.push(rest.remove(other.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str) -> Server {
        Server { host: host.into(), port: 80, base_path: String::new(), weight: 1, tls: None, link_local: false }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| format!("{text}:80").parse().expect("an address")).collect()
    }

    #[test]
    fn each_address_comes_first_in_turn_and_the_other_family_next() {
        let known = addresses(&["10.0.0.1", "10.0.0.2", "[::1]", "[::2]"]);
        assert_eq!(in_turn(&known, 0), addresses(&["10.0.0.1", "[::1]", "10.0.0.2", "[::2]"]));
        assert_eq!(in_turn(&known, 5), addresses(&["10.0.0.2", "[::1]", "10.0.0.1", "[::2]"]));
        assert_eq!(in_turn(&known, 3), addresses(&["[::2]", "10.0.0.1", "[::1]", "10.0.0.2"]));
        assert_eq!(in_turn(&[], 3), []);
    }

    #[test]
    fn a_lookup_that_finds_nothing_leaves_what_was_known() {
        let names = Addresses::new(&server("svc"), None);
        names.found(addresses(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]));
        names.found(Vec::new());
        assert_eq!(**names.known.borrow(), *addresses(&["10.0.0.1", "10.0.0.2"]));
        names.found(addresses(&["10.0.0.3"]));
        assert!(names.contains(addresses(&["10.0.0.3"])[0]) && !names.contains(addresses(&["10.0.0.1"])[0]));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_is_looked_up_when_it_is_needed_and_an_address_never() {
        let names = Addresses::new(&server("localhost"), None);
        let found = names.candidates().await.expect("localhost");
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(Addresses::new(&server("no-such-name.invalid"), None).candidates().await.is_err());
        let literal = Addresses::new(&server("::1"), None);
        assert_eq!(literal.candidates().await.expect("an address"), addresses(&["[::1]"]));
        let one = addresses(&["10.0.0.7"])[0];
        let one_of_several = Addresses::new(&server("no-such-name.invalid"), Some(one));
        assert_eq!(one_of_several.candidates().await.expect("an address"), [one]);
    }
}
