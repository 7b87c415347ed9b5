//! Whether a request body arrives fast enough.
//!
//! A client that sends a byte now and then never pauses for long, and would keep its connection and one to
//! an upstream for days. What counts is the time spent waiting for the client: time an upstream takes to
//! read is not its fault.

use std::time::Duration;

/// What a client has sent, and how long it was waited for. Instants are milliseconds of the worker's clock.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Bytes a second that are asked for; 0 for any.
    rate: u64,
    grace_ms: u64,
    received: u64,
    /// Without the wait that is running.
    waited_ms: u64,
}

impl Pace {
    /// - `rate`: bytes a second; 0 for any.
    /// - `grace`: time a client may be behind.
    pub fn new(rate: u64, grace: Duration) -> Self {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        Self { rate, grace_ms, received: 0, waited_ms: 0 }
    }

    /// A wait begins at `now`: when it has lasted too long, if nothing comes before. None where any rate
    /// will do.
    pub fn until(&self, now: u64) -> Option<u64> {
        let paid_ms = self.received.saturating_mul(1000).checked_div(self.rate)?;
        Some(now.saturating_add(paid_ms.saturating_add(self.grace_ms).saturating_sub(self.waited_ms)))
    }

    /// A wait has ended.
    pub fn waited(&mut self, ms: u64) {
        self.waited_ms = self.waited_ms.saturating_add(ms);
    }

    /// Bytes have come.
    pub fn received(&mut self, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When a client that sends `bytes` after each wait of `every_ms` is told, if within an hour.
    fn told(mut pace: Pace, bytes: u64, every_ms: u64) -> Option<u64> {
        let mut now = 0;
        while now < 3_600_000 {
            match pace.until(now) {
                Some(at) if at < now + every_ms => return Some(at),
                _ => pace.waited(every_ms),
            }
            now += every_ms;
            pace.received(bytes);
        }
        None
    }

    #[test]
    fn a_client_is_told_when_it_is_behind_by_the_grace() {
        let pace = Pace::new(500, Duration::from_secs(10));
        assert_eq!(told(pace, 0, 1000), Some(10_000));
        assert_eq!(told(pace, 1, 1000), Some(10_020));
        assert_eq!(told(pace, 250, 1000), Some(20_000 - 500));
        assert_eq!(told(pace, 500, 1000), None);
        assert_eq!(told(pace, 5000, 9_999), None);
    }

    #[test]
    fn what_was_sent_fast_pays_for_what_is_sent_slowly() {
        let mut pace = Pace::new(500, Duration::from_secs(10));
        pace.received(30_000);
        assert_eq!(told(pace, 0, 1000), Some(70_000));
    }

    #[test]
    fn any_rate_is_never_too_slow() {
        assert_eq!(Pace::new(0, Duration::ZERO).until(7), None);
        assert_eq!(Pace::new(u64::MAX, Duration::ZERO).until(7), Some(7));
    }
}
