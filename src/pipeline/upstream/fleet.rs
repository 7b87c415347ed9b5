//! All servers of all upstreams, as the process knows them.
//!
//! Workers have pools of their own; what is true of a server for all of them stands here: its
//! [`Condition`], and what retries of an upstream have in common. Looked up when a configuration is
//! loaded, never for a request.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{condition::Condition, outlier};
use crate::domain::upstream::{Server, Upstream};

/// Every upstream of the configuration in use.
#[derive(Debug)]
pub struct Fleet {
    start: Instant,
    rosters: Mutex<HashMap<String, Arc<Roster>>>,
}

/// The servers of one upstream, and what concerns all of them.
#[derive(Debug)]
pub struct Roster {
    start: Instant,
    servers: Mutex<HashMap<String, Arc<Condition>>>,
    /// How many servers are ejected.
    pub ejected: AtomicU32,
    /// Until when free retries are used up if none is taken any more, in thirds of milliseconds.
    free_until: AtomicU64,
}

/// What a free retry uses up: a third of a second (RELIABILITY section 4), in thirds of milliseconds.
const FREE_COST: u64 = 1_000;
/// What quiet times save up at most: two seconds' worth, as long as the share of requests looks back.
const FREE_SAVED_MAX: u64 = 6_000;

impl Default for Fleet {
    fn default() -> Self {
        Self { start: Instant::now(), rosters: Mutex::default() }
    }
}

impl Fleet {
    /// Knows the servers of this configuration from now on, and forgets all others. What is known of a server
    /// that stays is kept.
    pub fn keep(&self, upstreams: &[Upstream]) {
        let mut rosters = self.lock();
        let mut before = std::mem::take(&mut *rosters);
        for upstream in upstreams {
            let roster = before.remove(&upstream.name).unwrap_or_else(|| Arc::new(Roster::new(self.start)));
            roster.keep(&upstream.servers);
            rosters.insert(upstream.name.clone(), roster);
        }
        before.values().for_each(|roster| roster.keep(&[]));
    }

    /// What is known of an upstream; of one that is not kept (any more), nothing that others would see.
    pub fn roster(&self, upstream: &str) -> Arc<Roster> {
        self.lock().get(upstream).cloned().unwrap_or_else(|| Arc::new(Roster::new(self.start)))
    }

    /// Upstreams none of whose servers may get requests, by name.
    pub fn out_of_service(&self) -> Vec<String> {
        let rosters = self.lock();
        let out = rosters.iter().filter(|(_, roster)| roster.lock().values().all(|server| !server.is_available()));
        let mut names: Vec<String> = out.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Calls `see` with each server: upstream, label and condition, in no order.
    pub fn each(&self, mut see: impl FnMut(&str, &str, &Condition)) {
        for (name, roster) in self.lock().iter() {
            for (label, condition) in roster.lock().iter() {
                see(name, label, condition);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Roster>>> {
        self.rosters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster {
    /// No servers yet. `start`: where the fleet's milliseconds begin.
    fn new(start: Instant) -> Self {
        Self { start, servers: Mutex::default(), ejected: AtomicU32::new(0), free_until: AtomicU64::new(0) }
    }

    /// What is known of the server with this label.
    pub fn condition(&self, label: &str) -> Arc<Condition> {
        Arc::clone(self.lock().entry(label.to_owned()).or_default())
    }

    /// What is known of the server with this label, if there is one.
    pub fn find(&self, label: &str) -> Option<Arc<Condition>> {
        self.lock().get(label).cloned()
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

    fn keep(&self, servers: &[Server]) {
        let labels: Vec<String> = servers.iter().map(Server::label).collect();
        self.lock().retain(|known, condition| {
            let kept = labels.contains(known);
            if !kept {
                condition.retire();
                outlier::let_in(self, condition);
            }
            kept
        });
        for label in labels {
            self.condition(&label);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Condition>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream::testing::upstream;

    fn labels(fleet: &Fleet) -> Vec<String> {
        let mut labels = Vec::new();
        fleet.each(|upstream, label, _| labels.push(format!("{upstream} {label}")));
        labels.sort();
        labels
    }

    #[test]
    fn what_is_known_of_a_server_survives_a_reload_and_ends_with_its_name() {
        let fleet = Fleet::default();
        fleet.keep(&[upstream("one", &[1, 2])]);
        let (first, second) =
            (fleet.roster("one").condition("10.0.0.1:1"), fleet.roster("one").condition("10.0.0.1:2"));
        first.drain(true);
        fleet.keep(&[upstream("one", &[1, 3]), upstream("two", &[1])]);
        assert_eq!(labels(&fleet), ["one 10.0.0.1:1", "one 10.0.0.1:3", "two 10.0.0.1:1"]);
        assert!(fleet.roster("one").condition("10.0.0.1:1").is_drained());
        assert!(!fleet.roster("two").condition("10.0.0.1:1").is_drained(), "another upstream's");
        assert!(second.is_retired() && !first.is_retired());
        assert!(fleet.out_of_service().is_empty());
        fleet.roster("two").condition("10.0.0.1:1").drain(true);
        assert_eq!(fleet.out_of_service(), ["two"]);
        fleet.keep(&[]);
        assert!(first.is_retired());
        assert!(labels(&fleet).is_empty());
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
