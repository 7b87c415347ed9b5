//! How short memory is, and what follows from it.

/// Degrees of shortage; each includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Connections end with their next answer, so that their buffers do.
    NoKeepAlive,
    /// Requests are answered 503.
    Shed,
    /// New connections wait in the kernel's queue.
    NoAccept,
}

/// Where the last part of the limit begins, in percent (RELIABILITY section 4: 85, 92 and 95 %).
const LAST_PART: u64 = 85;
/// Where in the last part each degree begins, in fifteenths: percents, if it begins at 85.
const STEPS: [(i128, Pressure); 3] = [(10, Pressure::NoAccept), (7, Pressure::Shed), (0, Pressure::NoKeepAlive)];
/// A degree is left this many fifteenths below its beginning, so that it does not flicker.
const SLACK: i128 = 2;

impl Pressure {
    /// The degree after `self` when `used` of `limit` bytes are in use.
    ///
    /// - `floor`: bytes that are in use when there is nothing to do, as far as known. What the allocator keeps for
    ///   the next request is no reason to refuse it: degrees are then parts of what is left above.
    pub fn next(self, used: u64, limit: u64, floor: u64) -> Self {
        let usual = limit / 100 * LAST_PART + limit % 100 * LAST_PART / 100;
        let (used, base, limit) = (i128::from(used), i128::from(usual.max(floor)), i128::from(limit));
        // Above a floor there is nothing below to fall to: the first degree begins a little later.
        let (first, least) = if floor > usual { (SLACK, 1) } else { (0, -SLACK) };
        let at = |slack: i128| {
            let reached = |(from, _): &&(i128, Pressure)| {
                let from = ((*from).max(first) - slack).max(least);
                (used - base) * 15 >= from * (limit - base).max(1)
            };
            STEPS.iter().find(reached).map_or(Self::None, |(_, degree)| *degree)
        };
        // Rising at once, falling only with some room.
        at(0).max(self.min(at(SLACK)))
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "memory suffices",
            Self::NoKeepAlive => "memory is short: connections end with their next answer",
            Self::Shed => "memory is short: requests are answered 503",
            Self::NoAccept => "memory is short: no connections are accepted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_degree_begins_at_its_percentage_and_ends_two_points_below() {
        use Pressure::*;
        for (before, percent, after) in [
            (None, 84, None),
            (None, 85, NoKeepAlive),
            (None, 91, NoKeepAlive),
            (None, 92, Shed),
            (None, 94, Shed),
            (None, 95, NoAccept),
            (None, 250, NoAccept),
            (NoAccept, 94, NoAccept),
            (NoAccept, 93, NoAccept),
            (NoAccept, 92, Shed),
            (NoAccept, 10, None),
            (Shed, 91, Shed),
            (Shed, 90, Shed),
            (Shed, 89, NoKeepAlive),
            (NoKeepAlive, 83, NoKeepAlive),
            (NoKeepAlive, 82, None),
        ] {
            assert_eq!(before.next(percent * 10, 1000, 0), after, "{before:?} at {percent} %");
        }
        assert_eq!(None.next(1, 0, 0), NoAccept);
        assert_eq!(None.next(u64::MAX, u64::MAX / 2, 0), NoAccept);
    }

    #[test]
    fn above_what_is_never_given_back_the_degrees_share_what_is_left() {
        use Pressure::*;
        // 930 of 1000 stay in use whatever happens: 70 are left.
        for (before, used, after) in
            [(Shed, 930, None), (None, 939, None), (None, 940, NoKeepAlive), (None, 963, Shed), (None, 977, NoAccept)]
        {
            assert_eq!(before.next(used, 1000, 930), after, "{before:?} at {used}");
        }
    }
}
