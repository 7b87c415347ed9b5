//! What one worker counts of one server.
//!
//! Only the worker that owns a tally writes to it; others read. So a count is a load and a store,
//! without the bus lock of a shared counter, and still never lost.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread changes and all may read.
#[derive(Debug, Default)]
pub struct Own(AtomicU64);

impl Own {
    /// One more. Only for the thread that owns it.
    pub fn inc(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// One less. Only for the thread that owns it.
    pub fn dec(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    /// What it is now.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Replaces it. Only for the thread that owns it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

/// Counts of one worker about one server.
#[derive(Debug, Default)]
pub struct Tally {
    /// Tries sent on a connection.
    pub requests: Own,
    /// Tries under way.
    pub active: Own,
    /// Tries that found an idle connection.
    pub hits: Own,
    /// Tries that found none and had to connect.
    pub misses: Own,
    /// Connections open now, idle ones among them.
    pub connections: Own,
    /// Connections idle now.
    pub idle: Own,
    /// Connections that could not be opened, those of health checks among them.
    pub connect_failures: Own,
    /// TLS handshakes that were done.
    pub handshakes: Own,
    /// Of these, those that went on with an earlier session.
    pub resumed: Own,
    /// HTTP/2 streams the server reset.
    pub resets: Own,
}

/// What all workers counted about one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of Tally")]
pub struct Totals {
    pub requests: u64,
    pub active: u64,
    pub hits: u64,
    pub misses: u64,
    pub connections: u64,
    pub idle: u64,
    pub connect_failures: u64,
    pub handshakes: u64,
    pub resumed: u64,
    pub resets: u64,
}

impl Totals {
    /// These and what `tally` counted.
    #[must_use]
    pub fn with(self, tally: &Tally) -> Self {
        Self {
            requests: self.requests + tally.requests.value(),
            active: self.active + tally.active.value(),
            hits: self.hits + tally.hits.value(),
            misses: self.misses + tally.misses.value(),
            connections: self.connections + tally.connections.value(),
            idle: self.idle + tally.idle.value(),
            connect_failures: self.connect_failures + tally.connect_failures.value(),
            handshakes: self.handshakes + tally.handshakes.value(),
            resumed: self.resumed + tally.resumed.value(),
            resets: self.resets + tally.resets.value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_of_several_workers_add_up() {
        let (one, two) = (Tally::default(), Tally::default());
        one.requests.inc();
        two.requests.inc();
        two.active.inc();
        two.active.dec();
        two.idle.set(3);
        let totals = Totals::default().with(&one).with(&two);
        assert_eq!(totals, Totals { requests: 2, idle: 3, ..Totals::default() });
    }
}
