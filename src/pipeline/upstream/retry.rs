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

/// Limits retries to a share of recent requests, plus three a second.
#[derive(Debug)]
pub struct Budget {
    percent: u32,
    /// Milliseconds at which the current window began.
    window: Cell<u64>,
    requests: Cell<u32>,
    retries: Cell<u32>,
}

/// Length of the window over which the share is taken.
const WINDOW_MS: u64 = 10_000;
/// Three a second, over the window.
const FREE: u32 = 30;

impl Budget {
    /// `percent`: the share of requests that may be retried.
    pub fn new(percent: u32) -> Self {
        Self { percent, window: Cell::new(0), requests: Cell::new(0), retries: Cell::new(0) }
    }

    /// Counts a request. `now`: milliseconds of the worker's clock.
    pub fn request(&self, now: u64) {
        if now.saturating_sub(self.window.get()) >= WINDOW_MS {
            self.window.set(now);
            self.requests.set(0);
            self.retries.set(0);
        }
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Takes one retry from the budget, if there is one left.
    pub fn take(&self) -> bool {
        let share = u64::from(self.requests.get()) * u64::from(self.percent) / 100;
        let left = u64::from(self.retries.get()) < share + u64::from(FREE);
        if left {
            self.retries.set(self.retries.get() + 1);
        }
        left
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
    fn retries_are_bounded_by_the_share_of_requests() {
        let budget = Budget::new(20);
        for _ in 0..100 {
            budget.request(0);
        }
        assert_eq!((0..100).filter(|_| budget.take()).count(), 50);
        budget.request(WINDOW_MS);
        assert!(budget.take());
    }
}
