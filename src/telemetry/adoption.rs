//! `version_adoption_percentage`: each version's share of its API's requests in the last hour, day and week.
//!
//! Its own module because a share over a week needs memory that counters do not have. Cumulative
//! totals are noted at the start of every slot of a ring; the difference to now is the window.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// `time_period`, its length, and how coarsely it slides.
struct Window {
    label: &'static str,
    slots: usize,
    slot: Duration,
}

const WINDOWS: [Window; 3] = [
    Window { label: "1h", slots: 60, slot: Duration::from_secs(60) },
    Window { label: "24h", slots: 96, slot: Duration::from_secs(15 * 60) },
    Window { label: "7d", slots: 84, slot: Duration::from_secs(2 * 3600) },
];

/// One sample of the metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// API and version.
    pub labels: [Box<str>; 2],
    /// `1h`, `24h` or `7d`.
    pub time_period: &'static str,
    /// 0 to 100, of the requests for the API's versions in the window.
    pub percent: f64,
}

/// Totals per version over time.
#[derive(Debug)]
pub struct Adoption {
    started: Instant,
    last: Instant,
    versions: BTreeMap<[Box<str>; 2], Track>,
}

/// The totals of one version: for each window, one at the start of every slot; zero before the version was seen.
#[derive(Debug)]
struct Track {
    total: u64,
    rings: [Vec<u64>; WINDOWS.len()],
}

impl Adoption {
    /// Nothing was counted before `started`.
    pub fn new(started: Instant) -> Self {
        Self { started, last: started, versions: BTreeMap::new() }
    }

    /// Takes note of the totals at `now`. Called about once a minute the windows slide as they should;
    /// called less often, requests since the last call count as if made right after it.
    ///
    /// - `totals`: labels (API, version) and the requests since the process started.
    pub fn tick(&mut self, now: Instant, totals: impl IntoIterator<Item = ([Box<str>; 2], u64)>) {
        for (labels, total) in totals {
            self.versions.entry(labels).or_insert_with(Track::new).total = total;
        }
        for (window, index) in WINDOWS.iter().zip(0..) {
            let (from, to) = (self.slot(window, self.last), self.slot(window, now));
            // A ring is overwritten at most once, however long the last call lies back.
            for slot in (from + 1..=to).take(window.slots + 1) {
                for track in self.versions.values_mut() {
                    let ring = &mut track.rings[index];
                    let place = slot % ring.len();
                    ring[place] = track.total;
                }
            }
        }
        self.last = self.last.max(now);
    }

    /// The shares as of the last [`Adoption::tick`]; APIs without a request in a window have none for it.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares = Vec::new();
        for (window, index) in WINDOWS.iter().zip(0..) {
            let slot = self.slot(window, self.last);
            let mut apis: BTreeMap<&str, u64> = BTreeMap::new();
            for (labels, track) in &self.versions {
                *apis.entry(&labels[0]).or_default() += track.requests(window, index, slot);
            }
            for (labels, track) in &self.versions {
                let all = apis[&*labels[0]];
                if all > 0 {
                    let percent = 100.0 * track.requests(window, index, slot) as f64 / all as f64;
                    shares.push(Share { labels: labels.clone(), time_period: window.label, percent });
                }
            }
        }
        shares
    }

    fn slot(&self, window: &Window, at: Instant) -> usize {
        let slots = at.saturating_duration_since(self.started).as_secs() / window.slot.as_secs();
        usize::try_from(slots).unwrap_or(usize::MAX)
    }
}

impl Track {
    fn new() -> Self {
        Self { total: 0, rings: WINDOWS.map(|window| vec![0; window.slots + 1]) }
    }

    /// Requests from the start of the window's oldest slot until now.
    fn requests(&self, window: &Window, index: usize, slot: usize) -> u64 {
        let before =
            if slot < window.slots { 0 } else { self.rings[index][(slot - window.slots) % (window.slots + 1)] };
        self.total.saturating_sub(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn labels(api: &str, version: &str) -> [Box<str>; 2] {
        [api.into(), version.into()]
    }

    fn percent(adoption: &Adoption, version: &str, period: &str) -> Option<f64> {
        let wanted = labels("parser", version);
        adoption.shares().into_iter().find(|s| s.labels == wanted && s.time_period == period).map(|s| s.percent)
    }

    /// Ticks every minute of `minutes`, with `old` and `new` requests in each.
    fn run(adoption: &mut Adoption, at: &mut (Instant, u64, u64), minutes: u64, old: u64, new: u64) {
        for _ in 0..minutes {
            *at = (at.0 + MINUTE, at.1 + old, at.2 + new);
            adoption.tick(at.0, [(labels("parser", "1.0"), at.1), (labels("parser", "2.0"), at.2)]);
        }
    }

    #[test]
    fn shares_of_an_api_add_up_to_a_hundred() {
        let start = Instant::now();
        let mut adoption = Adoption::new(start);
        run(&mut adoption, &mut (start, 0, 0), 1, 3, 1);
        for period in ["1h", "24h", "7d"] {
            assert_eq!(percent(&adoption, "1.0", period), Some(75.0), "{period}");
            assert_eq!(percent(&adoption, "2.0", period), Some(25.0), "{period}");
        }
    }

    #[test]
    fn a_window_forgets_what_is_older_and_not_what_is_younger() {
        let start = Instant::now();
        let mut adoption = Adoption::new(start);
        let mut at = (start, 0, 0);
        run(&mut adoption, &mut at, 60, 1, 0);
        run(&mut adoption, &mut at, 59, 0, 1);
        assert!(
            percent(&adoption, "1.0", "1h").is_some_and(|share| share > 0.0),
            "the hour still holds a minute of it"
        );
        run(&mut adoption, &mut at, 2, 0, 1);
        assert_eq!(percent(&adoption, "1.0", "1h"), Some(0.0));
        assert!(percent(&adoption, "1.0", "24h").is_some_and(|share| share > 40.0));
        run(&mut adoption, &mut at, 25 * 60, 0, 1);
        assert_eq!(percent(&adoption, "1.0", "24h"), Some(0.0));
        assert!(percent(&adoption, "1.0", "7d").is_some_and(|share| share > 0.0));
        run(&mut adoption, &mut at, 7 * 24 * 60, 0, 1);
        assert_eq!(percent(&adoption, "1.0", "7d"), Some(0.0));
        assert_eq!(percent(&adoption, "2.0", "7d"), Some(100.0));
    }

    #[test]
    fn an_api_without_requests_in_a_window_has_no_share() {
        let start = Instant::now();
        let mut adoption = Adoption::new(start);
        adoption.tick(start, [(labels("parser", "1.0"), 0)]);
        assert_eq!(adoption.shares(), []);
        let mut at = (start, 0, 0);
        run(&mut adoption, &mut at, 1, 1, 0);
        run(&mut adoption, &mut at, 120, 0, 0);
        assert_eq!(percent(&adoption, "1.0", "1h"), None);
        assert_eq!(percent(&adoption, "1.0", "24h"), Some(100.0));
    }

    #[test]
    fn one_api_does_not_count_in_anothers_share() {
        let start = Instant::now();
        let mut adoption = Adoption::new(start);
        adoption.tick(start + MINUTE, [(labels("parser", "1.0"), 1), (labels("models", "1.0"), 99)]);
        assert_eq!(percent(&adoption, "1.0", "1h"), Some(100.0));
    }

    #[test]
    fn a_call_after_a_long_silence_still_forgets() {
        let start = Instant::now();
        let mut adoption = Adoption::new(start);
        adoption.tick(start, [(labels("parser", "1.0"), 10)]);
        adoption.tick(start + Duration::from_secs(30 * 24 * 3600), [(labels("parser", "1.0"), 10)]);
        assert_eq!(adoption.shares(), []);
        adoption.tick(start, [(labels("parser", "1.0"), 11)]);
        assert_eq!(percent(&adoption, "1.0", "1h"), Some(100.0), "an older instant changes nothing but the total");
    }
}
