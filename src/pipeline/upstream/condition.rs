//! Whether a server may get requests, as all workers know it.
//!
//! Its own module because it is the only state of the data path that workers share: one word that is
//! read for every request and written only when something goes wrong or right again. What is counted
//! for every request stands in a [`Tally`] that one worker alone writes.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::{
    cap::Cap,
    tally::{Tally, Totals},
};
use crate::domain::time::UtcTime;

/// An operator asked that nothing more be sent to it.
const DRAINED: u32 = 1;
/// Its health checks fail.
const UNHEALTHY: u32 = 1 << 1;
/// It cannot be connected to.
const OPEN: u32 = 1 << 2;
/// It failed too often in a row.
const EJECTED: u32 = 1 << 3;

/// What is known of one server of an upstream. Survives reloads while the server is named.
#[derive(Debug, Default)]
pub struct Condition {
    /// Reasons to send nothing, as bits; 0 in good times.
    reasons: AtomicU32,
    /// Connections in a row that could not be opened.
    refusals: AtomicU32,
    /// Answers and tries in a row that were failures.
    failures: AtomicU32,
    /// Ejections so far.
    ejections: AtomicU64,
    /// How many times the ejection time was extended, and when it ends or ended, in the fleet's milliseconds.
    ejection: Mutex<Ejection>,
    last_check: Mutex<Option<Check>>,
    checks: AtomicU64,
    failed_checks: AtomicU64,
    tallies: Mutex<Vec<Arc<Tally>>>,
    cap: Mutex<Option<Arc<Cap>>>,
    /// Requests that were sent away because too many waited already or they waited too long.
    turned_away: AtomicU64,
    /// Set when no configuration names the server any more.
    retired: AtomicBool,
}

/// How long a server is kept out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ejection {
    /// Ejections that weigh on the next one's length.
    pub level: u32,
    /// When the last one ends or ended, in the fleet's milliseconds.
    pub until: u64,
}

/// The last health check.
#[derive(Clone, Debug)]
pub struct Check {
    /// When it ended.
    pub at: UtcTime,
    /// What was wrong; none for a success.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Condition {
    /// Whether requests may be sent to it.
    pub fn is_available(&self) -> bool {
        self.reasons.load(Relaxed) == 0
    }

    /// Whether nothing but its own past failures speaks against it.
    pub fn is_at_worst_ejected(&self) -> bool {
        self.reasons.load(Relaxed) & !EJECTED == 0
    }

    /// Whether an operator drains it.
    pub fn is_drained(&self) -> bool {
        self.has(DRAINED)
    }

    /// Whether its health checks fail.
    pub fn is_unhealthy(&self) -> bool {
        self.has(UNHEALTHY)
    }

    /// Whether its breaker is open.
    pub fn is_open(&self) -> bool {
        self.has(OPEN)
    }

    /// Whether it is ejected.
    pub fn is_ejected(&self) -> bool {
        self.has(EJECTED)
    }

    /// The strongest reason why nothing is sent to it, in one word.
    pub fn state(&self) -> &'static str {
        match self.reasons.load(Relaxed) {
            0 => "available",
            reasons if reasons & DRAINED != 0 => "drained",
            reasons if reasons & UNHEALTHY != 0 => "unhealthy",
            reasons if reasons & OPEN != 0 => "breaker_open",
            _ => "ejected",
        }
    }

    /// Sends nothing more to it, or sends again.
    pub fn drain(&self, drained: bool) {
        self.set(DRAINED, drained);
    }

    /// What its health checks say; whether that is new.
    pub fn checked(&self, healthy: bool) -> bool {
        self.set(UNHEALTHY, !healthy)
    }

    /// A connection could not be opened. Whether this opened the breaker: the caller has to probe.
    ///
    /// - `open_after`: refusals in a row that open it.
    pub fn refused(&self, open_after: u32) -> bool {
        let refusals = self.refusals.fetch_add(1, Relaxed).saturating_add(1);
        refusals >= open_after && self.set(OPEN, true)
    }

    /// A connection was opened: the breaker closes.
    pub fn connected(&self) {
        if self.refusals.load(Relaxed) != 0 {
            self.refusals.store(0, Relaxed);
            self.set(OPEN, false);
        }
    }

    /// Connections in a row that could not be opened.
    pub fn refusals(&self) -> u32 {
        self.refusals.load(Relaxed)
    }

    /// An answer was a failure, or there was none; how many in a row that makes.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// An answer was good.
    pub fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// Keeps the server out or lets it in again; whether that is a change.
    pub fn eject(&self, ejected: bool) -> bool {
        let changed = self.set(EJECTED, ejected);
        if changed && ejected {
            self.ejections.fetch_add(1, Relaxed);
        }
        self.failures.store(0, Relaxed);
        changed
    }

    /// Reads or changes how long the server is kept out.
    pub fn ejection<T>(&self, edit: impl FnOnce(&mut Ejection) -> T) -> T {
        edit(&mut self.ejection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ejections so far.
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Remembers a health check.
    pub fn note(&self, check: Check) {
        self.checks.fetch_add(1, Relaxed);
        self.failed_checks.fetch_add(u64::from(check.error.is_some()), Relaxed);
        *self.last_check.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
    }

    /// Health checks so far, and how many of them failed.
    pub fn checks(&self) -> (u64, u64) {
        (self.checks.load(Relaxed), self.failed_checks.load(Relaxed))
    }

    /// It is not checked any more: nothing is known against it.
    pub fn forget_checks(&self) {
        *self.last_check.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.checked(true);
    }

    /// The last health check, if there was one.
    pub fn last_check(&self) -> Option<Check> {
        self.last_check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server's cap, for this many connections; none for any number.
    ///
    /// - `each`: requests a connection carries at once.
    pub fn cap(&self, max: Option<usize>, each: usize) -> Option<Arc<Cap>> {
        let mut cap = self.cap.lock().unwrap_or_else(PoisonError::into_inner);
        match (max, cap.as_ref()) {
            (None, _) => *cap = None,
            (Some(max), Some(known)) if known.is_for(max, each) => {}
            (Some(max), before) => *cap = Some(Arc::new(Cap::new(max, each, before.map(AsRef::as_ref)))),
        }
        cap.clone()
    }

    /// A request was sent away because too many waited already or it waited too long.
    pub fn turn_away(&self) {
        self.turned_away.fetch_add(1, Relaxed);
    }

    /// Requests that wait for a connection, and how many were sent away so far.
    pub fn queue(&self) -> (usize, u64) {
        let cap = self.cap.lock().unwrap_or_else(PoisonError::into_inner);
        (cap.as_ref().map_or(0, |cap| cap.waiting()), self.turned_away.load(Relaxed))
    }

    /// A tally for one worker.
    pub fn tally(&self) -> Arc<Tally> {
        let tally = Arc::default();
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
        tally
    }

    /// What all workers have counted.
    pub fn totals(&self) -> Totals {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.iter().fold(Totals::default(), |totals, tally| totals.with(tally))
    }

    /// No configuration names the server any more: what watches over it ends.
    pub fn retire(&self) {
        self.retired.store(true, Release);
    }

    /// Whether no configuration names the server any more.
    pub fn is_retired(&self) -> bool {
        self.retired.load(Acquire)
    }

    fn has(&self, reason: u32) -> bool {
        self.reasons.load(Relaxed) & reason != 0
    }

    /// Whether this changed anything.
    fn set(&self, reason: u32, on: bool) -> bool {
        let before = match on {
            true => self.reasons.fetch_or(reason, Relaxed),
            false => self.reasons.fetch_and(!reason, Relaxed),
        };
        (before & reason != 0) != on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_at_its_number_of_refusals_in_a_row_and_only_once() {
        let server = Condition::default();
        for _ in 0..4 {
            assert!(!server.refused(5));
        }
        server.connected();
        assert_eq!((0..6).filter(|_| server.refused(5)).count(), 1);
        assert_eq!((server.is_available(), server.state()), (false, "breaker_open"));
        server.connected();
        assert!(server.is_available());
    }

    #[test]
    fn each_reason_stands_for_itself() {
        let server = Condition::default();
        server.drain(true);
        assert!(server.checked(false), "a change");
        assert!(!server.checked(false), "no change");
        assert!(server.eject(true));
        assert!(!server.is_at_worst_ejected());
        server.drain(false);
        assert_eq!(server.state(), "unhealthy");
        server.checked(true);
        assert!(server.is_at_worst_ejected() && !server.is_available());
        assert_eq!(server.state(), "ejected");
        server.eject(false);
        assert_eq!((server.state(), server.ejections()), ("available", 1));
    }

    #[test]
    fn a_success_ends_a_row_of_failures() {
        let server = Condition::default();
        assert_eq!((server.failed(), server.failed()), (1, 2));
        server.succeeded();
        assert_eq!(server.failed(), 1);
    }
}
