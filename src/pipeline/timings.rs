//! Where the time of one exchange goes, for the access log.

use std::{cell::Cell, time::Duration};

/// What was waited for, and until when there was an answer.
///
/// Only kept where the log asks for it: each look at the clock costs what a header field does.
#[derive(Debug, Default)]
pub struct Timings {
    /// Until the answer's head was about to be written.
    pub first_byte: Option<Duration>,
    /// Of that, what was spent waiting for client and upstream.
    waited: Duration,
    /// Waits for the upstream, before a connection could carry the request.
    pub waits: Cell<Waits>,
}

/// Waits for a connection, over all tries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// For one of those the server may have; none where it may have any number.
    pub queue: Option<Duration>,
    /// For a new one, TLS included; none where an open one was used.
    pub connect: Option<Duration>,
}

impl Timings {
    /// Client or upstream was waited for.
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    /// What the gateway itself took until the first byte.
    pub fn own(&self) -> Option<Duration> {
        Some(self.first_byte?.saturating_sub(self.waited))
    }
}

/// Adds `wait` to one of [`Waits`].
pub fn add(waits: &Cell<Waits>, part: fn(&mut Waits) -> &mut Option<Duration>, wait: Duration) {
    let mut all = waits.get();
    let part = part(&mut all);
    *part = Some(part.unwrap_or_default() + wait);
    waits.set(all);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_gateways_own_time_is_what_was_not_waited_for() {
        let mut timings = Timings::default();
        timings.waited(3 * MS);
        timings.waited(4 * MS);
        assert_eq!(timings.own(), None, "nothing was answered yet");
        timings.first_byte = Some(9 * MS);
        assert_eq!(timings.own(), Some(2 * MS));
        timings.waited(4 * MS);
        assert_eq!(timings.own(), Some(Duration::ZERO));
    }

    #[test]
    fn waits_of_several_tries_add_up() {
        let waits = Cell::new(Waits::default());
        add(&waits, |waits| &mut waits.connect, MS);
        add(&waits, |waits| &mut waits.connect, 2 * MS);
        assert_eq!((waits.get().connect, waits.get().queue), (Some(3 * MS), None));
    }
}
