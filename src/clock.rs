//! The only place that reads the wall clock, and how far it is believed.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::UtcTime;

/// The current UTC second.
pub fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The current time in milliseconds since 1970, for log lines.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The current time, for spans.
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// A jump of the wall clock by more than this is not believed at once (RELIABILITY risk 18).
const JUMP: Duration = Duration::from_secs(300);
/// A jump that still stands after this time is believed.
const CONFIRM: Duration = Duration::from_secs(60);

/// Compares the wall clock with the monotonic one.
///
/// Sunsets follow the wall clock, and a machine that comes up with a wrong one must not retire a version for good
/// callers: what it says is believed when it says so twice, a minute apart.
#[derive(Debug)]
pub struct Trust {
    wall_ms: i64,
    at: Instant,
    doubt: Option<Doubt>,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// Milliseconds the wall clock is ahead of what it should be.
    ahead: i64,
    since: Instant,
}

/// What a look at both clocks showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// They agree.
    Steady,
    /// The wall clock has just jumped by so many milliseconds.
    Jumped(i64),
    /// It jumped less than a minute ago.
    Doubted,
    /// It has said the same for a minute and is believed.
    Confirmed,
    /// It has jumped back.
    Undone,
}

impl Trust {
    /// Believes the wall clock as it is now.
    pub fn new(wall_ms: i64, at: Instant) -> Self {
        Self { wall_ms, at, doubt: None }
    }

    /// Looks at both clocks; call about once a second.
    pub fn look(&mut self, wall_ms: i64, at: Instant) -> Seen {
        let expected = self.wall_ms.saturating_add(millis(at.saturating_duration_since(self.at)));
        let ahead = wall_ms.saturating_sub(expected);
        let far = |ms: i64| ms.unsigned_abs() > JUMP.as_millis() as u64;
        match self.doubt {
            // Small steps are followed: that is how clocks are kept right.
            None if !far(ahead) => {
                *self = Self::new(wall_ms, at);
                Seen::Steady
            }
            Some(_) if !far(ahead) => {
                *self = Self::new(wall_ms, at);
                Seen::Undone
            }
            Some(doubt) if !far(ahead.saturating_sub(doubt.ahead)) => {
                if at.saturating_duration_since(doubt.since) < CONFIRM {
                    return Seen::Doubted;
                }
                *self = Self::new(wall_ms, at);
                Seen::Confirmed
            }
            _ => {
                self.doubt = Some(Doubt { ahead, since: at });
                Seen::Jumped(ahead)
            }
        }
    }

    /// Milliseconds to take from the wall clock to get the time that is believed.
    pub fn ahead(&self) -> i64 {
        self.doubt.map_or(0, |doubt| doubt.ahead)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// Looks at (monotonic seconds, milliseconds the wall clock is ahead of them).
    fn looks(steps: &[(u64, i64)]) -> Vec<(Seen, i64)> {
        let start = Instant::now();
        let mut trust = Trust::new(0, start);
        let look = |(seconds, ahead): &(u64, i64)| {
            let wall = i64::try_from(*seconds).expect("small") * 1000 + ahead;
            (trust.look(wall, start + Duration::from_secs(*seconds)), trust.ahead())
        };
        steps.iter().map(look).collect()
    }

    #[test]
    fn a_clock_that_is_kept_right_is_followed_at_once() {
        let small = 5 * MINUTE;
        assert_eq!(looks(&[(1, small), (2, 0), (3, -small)]), [(Seen::Steady, 0); 3]);
    }

    #[test]
    fn a_jump_is_believed_when_it_stands_a_minute_later_not_before() {
        for jump in [5 * MINUTE + 1, -6 * MINUTE, 365 * 24 * 60 * MINUTE] {
            assert_eq!(
                looks(&[(1, 0), (2, jump), (3, jump + 20), (61, jump), (62, jump + 500), (63, jump)]),
                [
                    (Seen::Steady, 0),
                    (Seen::Jumped(jump), jump),
                    (Seen::Doubted, jump),
                    (Seen::Doubted, jump),
                    (Seen::Confirmed, 0),
                    (Seen::Steady, 0),
                ]
            );
        }
    }

    #[test]
    fn a_jump_that_is_taken_back_leaves_nothing_behind() {
        let jump = 60 * MINUTE;
        assert_eq!(
            looks(&[(1, jump), (30, jump), (31, 7), (90, 0)]),
            [(Seen::Jumped(jump), jump), (Seen::Doubted, jump), (Seen::Undone, 0), (Seen::Steady, 0)]
        );
    }

    #[test]
    fn a_second_jump_starts_the_minute_anew() {
        let (first, second) = (60 * MINUTE, 120 * MINUTE);
        assert_eq!(
            looks(&[(1, first), (50, second), (61, second), (110, second)]),
            [
                (Seen::Jumped(first), first),
                (Seen::Jumped(second), second),
                (Seen::Doubted, second),
                (Seen::Confirmed, 0),
            ]
        );
    }

    #[test]
    fn clocks_at_their_ends_do_not_overflow() {
        let start = Instant::now();
        let mut trust = Trust::new(i64::MIN, start);
        assert_eq!(trust.look(i64::MAX, start), Seen::Jumped(i64::MAX));
    }
}
