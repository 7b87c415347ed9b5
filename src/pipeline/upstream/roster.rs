//! The servers of one upstream, as all workers know them.
//!
//! A name in the file stands for as many servers as it has addresses. They are looked up by whichever worker comes
//! first, and known to all: a server that is ejected or drained is so for every worker.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use super::{condition::Condition, names::Name, outlier};
use crate::domain::upstream::Server;

/// The servers of one upstream, and what concerns all of them.
#[derive(Debug)]
pub struct Roster {
    start: Instant,
    known: Mutex<Known>,
    /// How often names have got other addresses: who has looked before looks again.
    changes: AtomicU64,
    /// How many servers are ejected.
    pub ejected: AtomicU32,
    /// Until when free retries are used up if none is taken any more, in thirds of milliseconds.
    free_until: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// By label.
    conditions: HashMap<String, Arc<Condition>>,
    /// Labels of the servers whose host is an address.
    literal: Vec<String>,
    /// The others by label.
    names: HashMap<String, Name>,
    /// How long addresses are used before a name is looked up again.
    refresh: Duration,
}

/// What requests can be sent to.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is, where it is one of several addresses of its name.
    pub address: Option<SocketAddr>,
    /// Otherwise what its name is known to stand for; empty while it was not looked up.
    pub known: Vec<SocketAddr>,
    /// As all workers know it.
    pub condition: Arc<Condition>,
}

/// What a free retry uses up: a third of a second (RELIABILITY section 4), in thirds of milliseconds.
const FREE_COST: u64 = 1_000;
/// What quiet times save up at most: two seconds' worth, as long as the share of requests looks back.
const FREE_SAVED_MAX: u64 = 6_000;

impl Roster {
    /// No servers yet. `start`: where the fleet's milliseconds begin.
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
            known: Mutex::default(),
            changes: AtomicU64::new(0),
            ejected: AtomicU32::new(0),
            free_until: AtomicU64::new(0),
        }
    }

    /// What is known of the server with this label.
    pub fn condition(&self, label: &str) -> Arc<Condition> {
        Arc::clone(self.lock().conditions.entry(label.to_owned()).or_default())
    }

    /// What requests for `server` can be sent to: itself, or the addresses of its name, in order.
    pub fn endpoints(&self, server: &Server) -> Vec<Endpoint> {
        let label = server.label();
        let known = &mut *self.lock();
        let addresses = known.names.get(&label).map_or(&[][..], Name::addresses);
        let several = known.names.get(&label).is_some_and(Name::stands_for_several);
        let mut condition = |label: String| Arc::clone(known.conditions.entry(label).or_default());
        if !several {
            return vec![Endpoint { address: None, known: addresses.to_vec(), condition: condition(label) }];
        }
        let endpoint =
            |at: &SocketAddr| Endpoint { address: Some(*at), known: vec![*at], condition: condition(at.to_string()) };
        addresses.iter().map(endpoint).collect()
    }

    /// How often names have got other addresses.
    pub fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }

    /// Whether the name of `server` has to be looked up; if so, the caller does and says what was [found](Self::found).
    pub fn claims(&self, server: &Server) -> bool {
        let now = self.now();
        self.lock().names.get_mut(&server.label()).is_some_and(|name| name.claim(now))
    }

    /// What a name that was [claimed](Self::claims) stands for; empty where it was not found, which changes nothing.
    /// Whether that is new.
    pub fn found(&self, server: &Server, addresses: Vec<SocketAddr>) -> bool {
        let now = self.now();
        let known = &mut *self.lock();
        let refresh = known.refresh;
        let changed = known.names.get_mut(&server.label()).is_some_and(|name| name.found(addresses, now, refresh));
        if changed {
            self.settle(known);
            self.changes.fetch_add(1, Release);
        }
        changed
    }

    /// Drains a server, or takes that back: all addresses of a name, those it will have included, or one of them.
    /// Whether there is such a server.
    pub fn drain(&self, label: &str, drained: bool) -> bool {
        let known = &mut *self.lock();
        if let Some(name) = known.names.get_mut(label) {
            name.drained = drained;
            for label in name.labels(label) {
                known.conditions.entry(label).or_default().drain(drained);
            }
            return true;
        }
        known.conditions.get(label).map(|condition| condition.drain(drained)).is_some()
    }

    /// Whether no server may get requests.
    pub fn is_out_of_service(&self) -> bool {
        self.lock().conditions.values().all(|server| !server.is_available())
    }

    /// Calls `see` with each server: label and condition, in no order.
    pub fn each(&self, mut see: impl FnMut(&str, &Condition)) {
        self.lock().conditions.iter().for_each(|(label, condition)| see(label, condition));
    }

    /// Milliseconds since the fleet began; the same for all threads.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes one of the three retries a second that are always allowed, if one is left.
    pub fn take_free_retry(&self) -> bool {
        self.take_free_at(self.now())
    }

    fn take_free_at(&self, now: u64) -> bool {
        let now = now * 3;
        let take = |until: u64| Some(until.max(now) + FREE_COST).filter(|until| *until <= now + FREE_SAVED_MAX);
        self.free_until.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Knows these servers from now on, and forgets all others.
    ///
    /// - `refresh`: how long the addresses of a name are used before it is looked up again.
    pub(super) fn keep(&self, servers: &[Server], refresh: Duration) {
        let known = &mut *self.lock();
        known.refresh = refresh;
        let (literal, named): (Vec<&Server>, Vec<&Server>) = servers.iter().partition(|server| server.is_literal());
        known.literal = literal.into_iter().map(Server::label).collect();
        let named: Vec<String> = named.into_iter().map(Server::label).collect();
        known.names.retain(|label, _| named.contains(label));
        for label in named {
            known.names.entry(label).or_default().hasten(self.now(), refresh);
        }
        self.settle(known);
    }

    /// Makes conditions for the servers there are now and parts with others.
    fn settle(&self, known: &mut Known) {
        let of_names = known.names.iter().flat_map(|(label, name)| {
            let drained = name.drained;
            name.labels(label).into_iter().map(move |label| (label, drained))
        });
        let labels: HashMap<String, bool> =
            known.literal.iter().map(|label| (label.clone(), false)).chain(of_names).collect();
        known.conditions.retain(|label, condition| {
            let kept = labels.contains_key(label);
            if !kept {
                condition.retire();
                outlier::let_in(self, condition);
            }
            kept
        });
        for (label, drained) in labels {
            known.conditions.entry(label).or_insert_with(|| {
                let condition = Condition::default();
                condition.drain(drained);
                Arc::new(condition)
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream::testing::upstream;

    const MINUTE: Duration = Duration::from_secs(60);

    fn named() -> Vec<Server> {
        let mut servers = upstream("u", &[1]).servers;
        servers.push(Server { host: "svc".into(), ..servers[0].clone() });
        servers
    }

    fn labels(roster: &Roster) -> Vec<String> {
        let mut labels = Vec::new();
        roster.each(|label, _| labels.push(label.to_owned()));
        labels.sort();
        labels
    }

    fn addresses(ends: &[u8]) -> Vec<SocketAddr> {
        ends.iter().map(|end| SocketAddr::from(([10, 0, 1, *end], 1))).collect()
    }

    #[test]
    fn a_name_is_one_server_until_it_has_several_addresses() {
        let (roster, servers) = (Roster::new(Instant::now()), named());
        roster.keep(&servers, MINUTE);
        assert_eq!(labels(&roster), ["10.0.0.1:1", "svc:1"]);
        assert!(!roster.claims(&servers[0]), "an address is not looked up");
        assert!(roster.claims(&servers[1]) && !roster.claims(&servers[1]), "one looks it up for all");
        roster.found(&servers[1], addresses(&[7]));
        let [whole] = &roster.endpoints(&servers[1])[..] else { panic!("it is one server") };
        assert_eq!((whole.address, &whole.known), (None, &addresses(&[7])));
        let (condition, changes) = (Arc::clone(&whole.condition), roster.changes());
        roster.found(&servers[1], addresses(&[8, 7]));
        assert_eq!(labels(&roster), ["10.0.0.1:1", "10.0.1.7:1", "10.0.1.8:1"]);
        assert!(condition.is_retired() && roster.changes() > changes);
        let places: Vec<_> = roster.endpoints(&servers[1]).into_iter().map(|endpoint| endpoint.address).collect();
        assert_eq!(places, [Some(addresses(&[7])[0]), Some(addresses(&[8])[0])]);
    }

    #[test]
    fn what_is_known_of_an_address_stays_while_its_name_has_it() {
        let (roster, servers) = (Roster::new(Instant::now()), named());
        roster.keep(&servers, MINUTE);
        roster.found(&servers[1], addresses(&[7, 8]));
        let [seventh, eighth] = ["10.0.1.7:1", "10.0.1.8:1"].map(|label| roster.condition(label));
        seventh.drain(true);
        roster.found(&servers[1], addresses(&[7, 9]));
        assert!(Arc::ptr_eq(&seventh, &roster.condition("10.0.1.7:1")) && !seventh.is_retired());
        assert!(eighth.is_retired());
        let changes = roster.changes();
        roster.found(&servers[1], Vec::new());
        roster.found(&servers[1], addresses(&[9, 7, 9]));
        assert_eq!((roster.changes(), labels(&roster).len()), (changes, 3), "nothing new");
        roster.keep(&servers, MINUTE);
        assert!(!seventh.is_retired(), "nor does a reload change anything");
        roster.keep(&servers[..1], MINUTE);
        assert!(seventh.is_retired());
    }

    #[test]
    fn draining_a_name_drains_what_it_stands_for_now_and_later() {
        let (roster, servers) = (Roster::new(Instant::now()), named());
        roster.keep(&servers, MINUTE);
        roster.found(&servers[1], addresses(&[7, 8]));
        assert!(roster.drain("svc:1", true) && !roster.drain("other:1", true));
        roster.found(&servers[1], addresses(&[8, 9]));
        let drained = || ["10.0.1.8:1", "10.0.1.9:1", "10.0.0.1:1"].map(|label| roster.condition(label).is_drained());
        assert_eq!(drained(), [true, true, false]);
        assert!(roster.drain("10.0.1.9:1", false));
        assert_eq!(drained(), [true, false, false], "an address by itself");
        assert!(roster.drain("svc:1", false) && roster.drain("10.0.0.1:1", true));
        assert_eq!(drained(), [false, false, true]);
    }

    #[test]
    fn three_retries_a_second_are_free_and_two_seconds_of_them_are_saved_up() {
        let roster = Roster::new(Instant::now());
        let taken = |now| (0..100).filter(|_| roster.take_free_at(now)).count();
        assert_eq!((taken(0), taken(500), taken(1_000), taken(3_000)), (6, 1, 2, 6));
        let steady: usize = (0..100).map(|tenth| taken(100_000 + tenth * 100)).sum();
        assert_eq!(steady, 6 + 29, "three in each of ten seconds, and what was saved up");
    }
}
