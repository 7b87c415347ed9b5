//! Keeps servers out for a while that fail too often in a row (passive health).
//!
//! What counts is decided in one place for all workers; how much of it may happen at once, too: a
//! fault of the callers or of something all servers need must not empty the upstream.

use std::sync::atomic::Ordering::Relaxed;

use super::{
    condition::{Condition, Ejection},
    roster::Roster,
};
use crate::domain::upstream::EjectionRules;

/// A server failed once more.
///
/// - `servers`: how many the upstream has.
/// - Returns whether this ejected it.
pub fn failed(rules: &EjectionRules, roster: &Roster, server: &Condition, servers: usize) -> bool {
    // One that is gone would be counted as out for ever.
    let may_be = !server.is_ejected() && !server.is_retired();
    server.failed() >= rules.after && may_be && eject(rules, roster, server, servers, roster.now())
}

/// Lets a server in again whose time is over.
pub fn release(roster: &Roster, server: &Condition) {
    if server.is_ejected() && server.ejection(|ejection| ejection.until) <= roster.now() {
        let_in(roster, server);
    }
}

/// Lets a server in again.
pub fn let_in(roster: &Roster, server: &Condition) {
    if server.eject(false) {
        roster.ejected.fetch_sub(1, Relaxed);
    }
}

/// Whether so few servers are left that ejections are ignored.
pub fn is_panic(rules: &EjectionRules, available: usize, servers: usize) -> bool {
    available * 100 < servers * rules.panic_percent as usize
}

fn eject(rules: &EjectionRules, roster: &Roster, server: &Condition, servers: usize, now: u64) -> bool {
    let max = ejected_max(rules, servers);
    let count = |ejected: u32| Some(ejected + 1).filter(|ejected| *ejected <= max);
    if roster.ejected.fetch_update(Relaxed, Relaxed, count).is_err() {
        return false;
    }
    // Set first: whoever sees the server ejected sees until when.
    server.ejection(|ejection| *ejection = next(rules, *ejection, now));
    let changed = server.eject(true);
    if !changed {
        // Another worker was faster.
        roster.ejected.fetch_sub(1, Relaxed);
    }
    changed
}

/// Servers that may be out at once.
fn ejected_max(rules: &EjectionRules, servers: usize) -> u32 {
    if servers < 2 {
        return 0;
    }
    u32::try_from((servers * rules.share_percent as usize / 100).clamp(1, servers)).unwrap_or(u32::MAX)
}

/// The ejection that begins `now`, after one that ended a while ago: longer by its length each time, less by each such
/// length that went well since.
fn next(rules: &EjectionRules, before: Ejection, now: u64) -> Ejection {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
    let went_well = now.saturating_sub(before.until) / millis(rules.time);
    let level = before.level.saturating_sub(u32::try_from(went_well).unwrap_or(u32::MAX)).saturating_add(1);
    let length = millis(rules.time).saturating_mul(u64::from(level)).min(millis(rules.time_max));
    Ejection { level, until: now.saturating_add(length) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{domain::upstream::testing::upstream, pipeline::upstream::fleet::Fleet};

    const RULES: EjectionRules = EjectionRules {
        after: 3,
        time: Duration::from_secs(30),
        time_max: Duration::from_secs(100),
        share_percent: 50,
        panic_percent: 50,
    };

    #[test]
    fn each_ejection_is_longer_than_the_last_and_good_times_shorten_it() {
        let first = next(&RULES, Ejection::default(), 0);
        assert_eq!((first.level, first.until), (1, 30_000));
        let second = next(&RULES, first, 30_000);
        assert_eq!((second.level, second.until), (2, 90_000));
        let third = next(&RULES, second, 100_000);
        assert_eq!((third.level, third.until), (3, 190_000));
        let fourth = next(&RULES, third, 190_000);
        assert_eq!((fourth.level, fourth.until), (4, 290_000), "no longer than time_max");
        let rested = next(&RULES, fourth, 290_000 + 90_000);
        assert_eq!((rested.level, rested.until), (2, 440_000));
    }

    #[test]
    fn at_most_a_share_is_out_but_one_of_several_may_be() {
        assert_eq!([1, 2, 3, 4, 10].map(|servers| ejected_max(&RULES, servers)), [0, 1, 1, 2, 5]);
        assert_eq!(ejected_max(&EjectionRules { share_percent: 0, ..RULES }, 10), 1);
        let fleet = Fleet::default();
        fleet.keep(&[upstream("u", &[1, 2, 3, 4])]);
        let roster = fleet.roster("u");
        let servers = [1, 2, 3, 4].map(|port| roster.condition(&format!("10.0.0.1:{port}")));
        let out = |server: &Condition| (0..3).any(|_| failed(&RULES, &roster, server, 4));
        assert_eq!(servers.each_ref().map(|server| out(server)), [true, true, false, false]);
        let_in(&roster, &servers[0]);
        let_in(&roster, &servers[0]);
        assert!(out(&servers[2]), "one came back");
        assert!(!out(&servers[3]));
    }

    #[test]
    fn a_row_of_failures_ends_with_a_success() {
        let fleet = Fleet::default();
        fleet.keep(&[upstream("u", &[1, 2])]);
        let roster = fleet.roster("u");
        let server = roster.condition("10.0.0.1:1");
        for _ in 0..3 {
            assert!(!failed(&RULES, &roster, &server, 2) && !failed(&RULES, &roster, &server, 2));
            server.succeeded();
        }
        assert!((0..3).any(|_| failed(&RULES, &roster, &server, 2)));
        release(&roster, &server);
        assert!(server.is_ejected(), "its time is not over");
        server.ejection(|ejection| ejection.until = 0);
        release(&roster, &server);
        assert!(server.is_available());
    }

    #[test]
    fn ejections_are_ignored_when_too_few_are_left() {
        assert!(is_panic(&RULES, 1, 3) && !is_panic(&RULES, 2, 4) && is_panic(&RULES, 0, 1));
        assert!(!is_panic(&EjectionRules { panic_percent: 0, ..RULES }, 0, 3));
    }
}
