//! Where a server is: the addresses of its name, looked up again while it is used.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use crate::domain::upstream::Server;

/// How long addresses are used before the name is looked up again, give or take [`JITTER_PERCENT`].
const REFRESH_MS: u64 = 30_000;
const JITTER_PERCENT: u64 = 20;

/// The addresses of one server, on one worker.
#[derive(Debug)]
pub struct Addresses {
    /// Name and port; none where the host is an address.
    name: Option<(String, u16)>,
    /// What the last lookup that succeeded gave, in an order of our own.
    known: RefCell<Rc<[SocketAddr]>>,
    /// Which of them the next connection begins with.
    turn: Cell<usize>,
    /// Worker's milliseconds at which the name is looked up again.
    due: Cell<u64>,
    /// Whether it is being looked up.
    asking: Cell<bool>,
}

impl Addresses {
    /// Not looked up yet.
    pub fn new(server: &Server) -> Self {
        let literal = server.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, server.port));
        Self {
            name: literal.is_none().then(|| (server.host.clone(), server.port)),
            known: RefCell::new(literal.into_iter().collect()),
            turn: Cell::new(fastrand::usize(..)),
            due: Cell::new(u64::MAX),
            asking: Cell::new(false),
        }
    }

    /// The addresses in the order a connection tries them: each comes first in turn, families alternate.
    ///
    /// Errors where the name was never found. `now`: worker's milliseconds.
    pub async fn candidates(&self, now: u64) -> io::Result<Vec<SocketAddr>> {
        if self.known.borrow().is_empty() {
            self.look_up(now).await?;
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

    /// Whether the name has to be looked up again; if so, the caller does. `now`: worker's milliseconds.
    pub fn is_due(&self, now: u64) -> bool {
        self.name.is_some() && now >= self.due.get() && !self.asking.get()
    }

    /// Looks the name up, off this thread. A failure leaves the addresses as they are.
    pub async fn look_up(&self, now: u64) -> io::Result<()> {
        let Some((host, port)) = &self.name else { return Ok(()) };
        self.asking.set(true);
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        self.asking.set(false);
        self.due.set(now.saturating_add(jittered(REFRESH_MS)));
        self.found(found?.collect());
        Ok(())
    }

    fn found(&self, mut addresses: Vec<SocketAddr>) {
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

/// Apart, so that the lookups of many workers and gateways do not come at once.
fn jittered(ms: u64) -> u64 {
    let spread = ms * JITTER_PERCENT / 100;
    ms - spread + fastrand::u64(0..=2 * spread)
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
        let names = Addresses::new(&server("svc"));
        names.found(addresses(&["10.0.0.2", "10.0.0.1", "10.0.0.2"]));
        names.found(Vec::new());
        assert_eq!(**names.known.borrow(), *addresses(&["10.0.0.1", "10.0.0.2"]));
        names.found(addresses(&["10.0.0.3"]));
        assert!(names.contains(addresses(&["10.0.0.3"])[0]) && !names.contains(addresses(&["10.0.0.1"])[0]));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_name_is_looked_up_when_it_is_needed_and_again_after_about_half_a_minute() {
        let names = Addresses::new(&server("localhost"));
        assert!(!names.is_due(1 << 40), "nothing has asked for it");
        let found = names.candidates(1_000).await.expect("localhost");
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!names.is_due(1_000 + 23_999) && names.is_due(1_000 + 36_000));
        assert!(Addresses::new(&server("no-such-name.invalid")).candidates(0).await.is_err());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_address_is_not_looked_up() {
        let literal = Addresses::new(&server("::1"));
        assert_eq!(literal.candidates(0).await.expect("an address"), addresses(&["[::1]"]));
        assert!(!literal.is_due(u64::MAX - 1));
    }

    #[test]
    fn the_jitter_is_a_fifth_either_way() {
        assert!((0..1000).all(|_| (24_000..=36_000).contains(&jittered(30_000))));
    }
}
