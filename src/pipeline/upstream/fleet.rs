//! All servers of all upstreams, as the process knows them.
//!
//! Workers have pools of their own; what is true of a server for all of them stands here: its
//! [`Condition`], and what retries of an upstream have in common. Looked up when a configuration is
//! loaded, never for a request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{condition::Condition, roster::Roster};
use crate::domain::upstream::Upstream;

/// Every upstream of the configuration in use.
#[derive(Debug)]
pub struct Fleet {
    start: Instant,
    rosters: Mutex<HashMap<String, Arc<Roster>>>,
}

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
            roster.keep(&upstream.servers, upstream.dns_refresh);
            rosters.insert(upstream.name.clone(), roster);
        }
        before.values().for_each(|roster| roster.keep(&[], Duration::MAX));
    }

    /// What is known of an upstream; of one that is not kept (any more), nothing that others would see.
    pub fn roster(&self, upstream: &str) -> Arc<Roster> {
        self.lock().get(upstream).cloned().unwrap_or_else(|| Arc::new(Roster::new(self.start)))
    }

    /// Upstreams none of whose servers may get requests, by name.
    pub fn out_of_service(&self) -> Vec<String> {
        let rosters = self.lock();
        let out = rosters.iter().filter(|(_, roster)| roster.is_out_of_service());
        let mut names: Vec<String> = out.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Calls `see` with each server: upstream, label and condition, in no order.
    pub fn each(&self, mut see: impl FnMut(&str, &str, &Condition)) {
        for (name, roster) in self.lock().iter() {
            roster.each(|label, condition| see(name, label, condition));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Roster>>> {
        self.rosters.lock().unwrap_or_else(PoisonError::into_inner)
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
}
