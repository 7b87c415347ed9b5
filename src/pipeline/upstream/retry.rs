//! Whether a failed try may be repeated (RELIABILITY risk 4), and how often.

use std::cell::Cell;

use http::Method;

/// How far a try came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No connection stood: nothing was sent.
    NotConnected,
    /// The pooled connection turned out closed before a byte was written.
    NotSent,
    /// The connection had served before and died with the request on it, without an answer byte.
    LostOnReused,
    /// A fresh connection died without an answer byte.
    LostOnFresh,
}

/// Whether a request may be sent again.
///
/// - `replayable`: its body can be sent a second time, which here means that it has none.
pub fn allowed(progress: Progress, method: &Method, replayable: bool) -> bool {
    match progress {
        Progress::NotConnected | Progress::NotSent => true,
        Progress::LostOnReused | Progress::LostOnFresh => replayable && is_idempotent(method),
    }
}

/// RFC 9110 section 9.2.2.
pub fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
}

/// Limits retries to a share of the requests of this second and the one before, on one worker.
///
/// What is allowed beyond the share, [`Roster`](super::roster::Roster) says for all workers: three a second
/// for each would be many.
#[derive(Debug)]
pub struct Budget {
    percent: u32,
    /// Milliseconds at which the current second ends.
    ends: Cell<u64>,
    current: Cell<Counts>,
    previous: Cell<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u32,
    retries: u32,
}

/// Length of one part of the window; two are looked at.
const PART_MS: u64 = 1_000;

impl Budget {
    /// `percent`: the share of requests that may be retried.
    pub fn new(percent: u32) -> Self {
        Self { percent, ends: Cell::default(), current: Cell::default(), previous: Cell::default() }
    }

    /// Counts a request. `now`: milliseconds of the worker's clock.
    pub fn request(&self, now: u64) {
        if now >= self.ends.get() {
            self.turn(now);
        }
        let counts = self.current.get();
        self.current.set(Counts { requests: counts.requests.saturating_add(1), ..counts });
    }

    /// Takes one retry from the share, if there is one left in it.
    pub fn take(&self, now: u64) -> bool {
        if now >= self.ends.get() {
            self.turn(now);
        }
        let (current, previous) = (self.current.get(), self.previous.get());
        let requests = u64::from(current.requests) + u64::from(previous.requests);
        let retries = u64::from(current.retries) + u64::from(previous.retries);
        let left = retries < requests * u64::from(self.percent) / 100;
        if left {
            self.current.set(Counts { retries: current.retries + 1, ..current });
        }
        left
    }

    fn turn(&self, now: u64) {
        let is_next = now < self.ends.get() + PART_MS;
        self.previous.set(if is_next { self.current.get() } else { Counts::default() });
        self.current.set(Counts::default());
        self.ends.set(now + PART_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_have_had_an_effect_is_sent_again() {
        use Progress::*;
        for (progress, method, replayable, again) in [
            (NotConnected, Method::POST, false, true),
            (NotSent, Method::POST, false, true),
            (LostOnReused, Method::GET, true, true),
            (LostOnReused, Method::PUT, false, false),
            (LostOnReused, Method::POST, true, false),
            (LostOnReused, Method::PATCH, true, false),
            (LostOnFresh, Method::GET, true, true),
            (LostOnFresh, Method::POST, true, false),
        ] {
            assert_eq!(allowed(progress, &method, replayable), again, "{progress:?} {method} {replayable}");
        }
    }

    #[test]
    fn retries_are_bounded_by_the_share_of_this_second_and_the_one_before() {
        let budget = Budget::new(20);
        let taken = |now| (0..100).filter(|_| budget.take(now)).count();
        assert_eq!(taken(0), 0, "nothing was asked yet");
        (0..100).for_each(|_| budget.request(0));
        assert_eq!(taken(999), 20);
        (0..50).for_each(|_| budget.request(1_500));
        assert_eq!(taken(1_500), 10, "a fifth of 150, less the 20 of the second before");
        assert_eq!(taken(3_000), 0, "those of the second before are used up");
        assert_eq!(taken(9_000), 0, "a quiet time saves nothing up");
    }
}
