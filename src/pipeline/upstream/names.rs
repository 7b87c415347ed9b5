//! What one name in the file stands for, as all workers know it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use super::jitter::jittered;

/// A lookup that failed is tried again so soon, or as soon as any other.
const RETRY: Duration = Duration::from_secs(5);

/// One name. Times are the fleet's milliseconds.
#[derive(Debug, Default)]
pub(super) struct Name {
    /// What the last lookup that succeeded gave, in an order of our own.
    addresses: Vec<SocketAddr>,
    /// When it is looked up again.
    due: u64,
    /// Whether it is being looked up.
    asking: bool,
    /// Whether nothing is to be sent to whatever it stands for.
    pub drained: bool,
}

impl Name {
    /// What it is known to stand for; empty before the first lookup that succeeded.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether its addresses are servers of their own. Both spellings of this machine are one.
    pub(super) fn stands_for_several(&self) -> bool {
        let here = |at: &SocketAddr| [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&at.ip());
        self.addresses.len() > 1 && !self.addresses.iter().all(here)
    }

    /// What its servers are called. `own`: what it is called itself.
    pub(super) fn labels(&self, own: &str) -> Vec<String> {
        match self.stands_for_several() {
            true => self.addresses.iter().map(SocketAddr::to_string).collect(),
            false => vec![own.to_owned()],
        }
    }

    /// Whether it is time to look it up; if so, the caller does.
    pub(super) fn claim(&mut self, now: u64) -> bool {
        let claimed = now >= self.due && !self.asking;
        self.asking |= claimed;
        claimed
    }

    /// What a lookup has given; whether that is new. Nothing changes nothing.
    ///
    /// - `refresh`: how long it is believed, give or take a fifth.
    pub(super) fn found(&mut self, mut addresses: Vec<SocketAddr>, now: u64, refresh: Duration) -> bool {
        addresses.sort_unstable();
        addresses.dedup();
        self.asking = false;
        let pause = if addresses.is_empty() { refresh.min(RETRY) } else { refresh };
        self.due = now.saturating_add(millis(jittered(pause)));
        let new = !addresses.is_empty() && addresses != self.addresses;
        if new {
            self.addresses = addresses;
        }
        new
    }

    /// The file has asked for it to be looked up more often.
    pub(super) fn hasten(&mut self, now: u64, refresh: Duration) {
        self.due = self.due.min(now.saturating_add(millis(refresh)));
    }
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(30);

    fn name(texts: &[&str]) -> Name {
        let mut name = Name::default();
        name.found(texts.iter().map(|text| text.parse().expect("an address")).collect(), 0, REFRESH);
        name
    }

    #[test]
    fn several_addresses_are_several_servers_but_this_machine_is_one() {
        for (addresses, labels) in [
            (&[][..], &["svc:80"][..]),
            (&["10.0.0.1:80"], &["svc:80"]),
            (&["10.0.0.2:80", "[fd00::1]:80", "10.0.0.1:80"], &["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80"]),
            (&["127.0.0.1:80", "[::1]:80"], &["svc:80"]),
            (&["127.0.0.1:80", "127.0.0.2:80"], &["127.0.0.1:80", "127.0.0.2:80"]),
        ] {
            assert_eq!(name(addresses).labels("svc:80"), labels, "{addresses:?}");
        }
    }

    #[test]
    fn a_name_is_looked_up_at_once_and_then_every_now_and_then() {
        let mut name = Name::default();
        assert!(name.claim(0) && !name.claim(1_000_000), "somebody is at it");
        assert!(name.found(vec![SocketAddr::from(([10, 0, 0, 1], 80))], 1_000, REFRESH));
        assert!(!name.claim(1_000 + 23_000) && name.claim(1_000 + 36_001));
        assert!(!name.found(Vec::new(), 40_000, REFRESH), "not found");
        assert_eq!(name.addresses().len(), 1);
        assert!(!name.claim(40_000 + 3_900) && name.claim(40_000 + 6_001), "asked again soon");
        assert!(!name.found(vec![SocketAddr::from(([10, 0, 0, 1], 80))], 50_000, REFRESH), "nothing new");
        name.hasten(50_000, Duration::from_secs(1));
        assert!(name.claim(51_000));
    }
}
