//! The lifecycle of one API version: declared status, dates, and where it stands at an instant.

use std::time::Duration;

use super::time::UtcTime;

/// What the operator declares about a version, in the order of a version's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Internal; callers are refused.
    Development,
    /// For admitted consumers only; callers are refused until consumers exist.
    Alpha,
    /// Answers to its exact name only.
    Beta,
    /// In general use.
    Stable,
    /// Still served, with warnings.
    Deprecated,
    /// No longer served.
    Sunset,
}

impl Status {
    /// The word used in `gateway.yaml` and on the admin port.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Stable => "stable",
            Self::Deprecated => "deprecated",
            Self::Sunset => "sunset",
        }
    }
}

/// Where a deprecation stands at an instant (CONTRACT section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// From the deprecation date.
    Announcement,
    /// Six months before the sunset, unless configured otherwise.
    Warning,
    /// Three months before the sunset, unless configured otherwise.
    Enforcement,
    /// From the sunset second on.
    Sunset,
}

impl Phase {
    /// The word used in `gateway.yaml`, logs and on the admin port.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Announcement => "announcement",
            Self::Warning => "warning",
            Self::Enforcement => "enforcement",
            Self::Sunset => "sunset",
        }
    }
}

/// A time span before the sunset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Calendar months; the day clamps to the month's end.
    Months(u32),
    /// An exact duration.
    Exact(Duration),
}

impl Lead {
    /// The instant this long before `at`.
    pub fn before(self, at: UtcTime) -> UtcTime {
        match self {
            Self::Months(months) => at.minus_months(months),
            Self::Exact(duration) => at.minus(duration),
        }
    }
}

/// When the warning and the enforcement phase begin, counted back from the sunset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Default: 6 months.
    pub warning: Lead,
    /// Default: 3 months.
    pub enforcement: Lead,
}

impl Default for Phases {
    fn default() -> Self {
        Self { warning: Lead::Months(6), enforcement: Lead::Months(3) }
    }
}

/// A version's declared status and dates. Fields are private: a lifecycle that exists is consistent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifecycle {
    declared: Status,
    deprecation: Option<UtcTime>,
    sunset: Option<UtcTime>,
    phases: Phases,
    phase_override: Option<Phase>,
}

/// Why status and dates contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// RFC 9745 section 4: the sunset must not be earlier than the deprecation.
    #[error("the sunset lies before the deprecation (RFC 9745 section 4)")]
    SunsetBeforeDeprecation,
    /// A sunset needs the date from which callers were told.
    #[error("a sunset date needs a deprecation date")]
    SunsetWithoutDeprecation,
    /// `status: deprecated` says nothing without a date.
    #[error("status deprecated needs a deprecation date")]
    DeprecatedWithoutDate,
}

/// Where a version stands at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The declared status, or the one the dates have brought about.
    pub status: Status,
    /// Present from the deprecation date on.
    pub phase: Option<Phase>,
}

impl Lifecycle {
    /// Checks the dates against each other.
    ///
    /// - `declared`: `None` means stable, and dates decide the rest.
    /// - Errors when `sunset` is earlier than `deprecation` (RFC 9745 section 4) or stands without it,
    ///   and when a deprecated version has no date.
    pub fn new(
        declared: Option<Status>,
        deprecation: Option<UtcTime>,
        sunset: Option<UtcTime>,
        phases: Phases,
        phase_override: Option<Phase>,
    ) -> Result<Self, LifecycleError> {
        match (deprecation, sunset) {
            (Some(from), Some(to)) if to < from => return Err(LifecycleError::SunsetBeforeDeprecation),
            (None, Some(_)) => return Err(LifecycleError::SunsetWithoutDeprecation),
            (None, None) if declared == Some(Status::Deprecated) => return Err(LifecycleError::DeprecatedWithoutDate),
            _ => {}
        }
        Ok(Self { declared: declared.unwrap_or(Status::Stable), deprecation, sunset, phases, phase_override })
    }

    /// The status written in the file, stable if none.
    pub fn declared(&self) -> Status {
        self.declared
    }

    /// The RFC 9745 date.
    pub fn deprecation(&self) -> Option<UtcTime> {
        self.deprecation
    }

    /// The RFC 8594 date.
    pub fn sunset(&self) -> Option<UtcTime> {
        self.sunset
    }

    /// `current_phase:`, which overrides the dates.
    pub fn phase_override(&self) -> Option<Phase> {
        self.phase_override
    }

    /// Status and phase at `now`. Boundary: a phase's first second belongs to it.
    pub fn standing(&self, now: UtcTime) -> Standing {
        let by_dates = self.standing_by_dates(now);
        match self.phase_override {
            None => by_dates,
            Some(Phase::Sunset) => Standing { status: Status::Sunset, phase: Some(Phase::Sunset) },
            Some(phase) => Standing { status: Status::Deprecated, phase: Some(phase) },
        }
    }

    /// What [`Lifecycle::standing`] would say without `current_phase`.
    pub fn standing_by_dates(&self, now: UtcTime) -> Standing {
        let reached = |at: Option<UtcTime>| at.is_some_and(|at| at <= now);
        // The severer of declaration and dates rules.
        let mut status = self.declared;
        if reached(self.deprecation) {
            status = status.max(Status::Deprecated);
        }
        if reached(self.sunset) {
            status = Status::Sunset;
        }
        let phase = match status {
            Status::Sunset => Some(Phase::Sunset),
            Status::Deprecated if reached(self.starts(Phase::Enforcement)) => Some(Phase::Enforcement),
            Status::Deprecated if reached(self.starts(Phase::Warning)) => Some(Phase::Warning),
            Status::Deprecated => Some(Phase::Announcement),
            Status::Development | Status::Alpha | Status::Beta | Status::Stable => None,
        };
        Standing { status, phase }
    }

    /// When `phase` begins by the dates; none where its date is not set.
    pub fn starts(&self, phase: Phase) -> Option<UtcTime> {
        match phase {
            Phase::Announcement => self.deprecation,
            Phase::Warning => self.sunset.map(|at| self.phases.warning.before(at)),
            Phase::Enforcement => self.sunset.map(|at| self.phases.enforcement.before(at)),
            Phase::Sunset => self.sunset,
        }
    }

    /// The first instant after `now` at which the standing may change; none if it never will.
    pub fn next_turn(&self, now: UtcTime) -> Option<UtcTime> {
        if self.phase_override.is_some() {
            return None;
        }
        [Phase::Announcement, Phase::Warning, Phase::Enforcement, Phase::Sunset]
            .into_iter()
            .filter_map(|phase| self.starts(phase))
            .filter(|at| *at > now)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcTime {
        UtcTime::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn lifecycle(status: Option<Status>, deprecation: &str, sunset: &str) -> Result<Lifecycle, LifecycleError> {
        let date = |text: &str| (!text.is_empty()).then(|| at(text));
        Lifecycle::new(status, date(deprecation), date(sunset), Phases::default(), None)
    }

    #[test]
    fn each_phase_begins_in_its_own_second_not_before() {
        let life = lifecycle(None, "2025-06-01", "2026-06-01").expect("consistent");
        for (now, status, phase) in [
            ("2025-05-31T23:59:59Z", Status::Stable, None),
            ("2025-06-01T00:00:00Z", Status::Deprecated, Some(Phase::Announcement)),
            ("2025-11-30T23:59:59Z", Status::Deprecated, Some(Phase::Announcement)),
            ("2025-12-01T00:00:00Z", Status::Deprecated, Some(Phase::Warning)),
            ("2026-02-28T23:59:59Z", Status::Deprecated, Some(Phase::Warning)),
            ("2026-03-01T00:00:00Z", Status::Deprecated, Some(Phase::Enforcement)),
            ("2026-05-31T23:59:59Z", Status::Deprecated, Some(Phase::Enforcement)),
            ("2026-06-01T00:00:00Z", Status::Sunset, Some(Phase::Sunset)),
        ] {
            assert_eq!(life.standing(at(now)), Standing { status, phase }, "{now}");
        }
    }

    #[test]
    fn a_short_notice_starts_in_the_phase_the_sunset_asks_for() {
        let life = lifecycle(None, "2026-04-01", "2026-06-01").expect("consistent");
        assert_eq!(life.standing(at("2026-03-31")).phase, None);
        assert_eq!(life.standing(at("2026-04-01")).phase, Some(Phase::Enforcement));
    }

    #[test]
    fn the_severer_of_status_and_dates_rules() {
        let past = lifecycle(Some(Status::Beta), "2025-01-01", "").expect("consistent");
        assert_eq!(past.standing(at("2026-01-01")).status, Status::Deprecated);
        let future = lifecycle(Some(Status::Deprecated), "2027-01-01", "").expect("consistent");
        assert_eq!(future.standing(at("2026-01-01")).phase, Some(Phase::Announcement));
        let gone = lifecycle(Some(Status::Sunset), "", "").expect("consistent");
        assert_eq!(gone.standing(at("2026-01-01")).phase, Some(Phase::Sunset));
    }

    #[test]
    fn contradicting_dates_are_refused() {
        use LifecycleError::*;
        assert_eq!(lifecycle(None, "2026-01-02", "2026-01-01"), Err(SunsetBeforeDeprecation));
        assert!(lifecycle(None, "2026-01-01", "2026-01-01").is_ok());
        assert_eq!(lifecycle(None, "", "2026-01-01"), Err(SunsetWithoutDeprecation));
        assert_eq!(lifecycle(Some(Status::Deprecated), "", ""), Err(DeprecatedWithoutDate));
    }

    #[test]
    fn an_override_stands_still() {
        let dates = (Some(at("2025-01-01")), Some(at("2026-01-01")));
        let life = Lifecycle::new(None, dates.0, dates.1, Phases::default(), Some(Phase::Warning)).expect("consistent");
        assert_eq!(life.standing(at("2030-01-01")).phase, Some(Phase::Warning));
        assert_eq!(life.next_turn(at("2020-01-01")), None);
    }

    #[test]
    fn the_next_turn_is_the_nearest_boundary_ahead() {
        let life = lifecycle(None, "2025-06-01", "2026-06-01").expect("consistent");
        assert_eq!(life.next_turn(at("2025-06-01")).map(UtcTime::date).as_deref(), Some("2025-12-01"));
        assert_eq!(life.next_turn(at("2026-06-01")), None);
    }
}
