//! Instants of the calendar, in whole UTC seconds.
//!
//! Lifecycle dates are wall-clock instants; everything that measures a duration uses
//! [`std::time::Instant`] instead.

use std::fmt;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// A UTC instant in whole seconds since 1970-01-01T00:00:00Z, years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(i64);

/// The text is neither `YYYY-MM-DD` nor an RFC 3339 timestamp between the years 1970 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date (2027-06-01) or RFC 3339 time (2027-06-01T12:00:00Z) between 1970 and 9999")]
pub struct TimeError;

/// 9999-12-31T23:59:59Z, the last instant IMF-fixdate can write.
const LAST: i64 = 253_402_300_799;

impl UtcTime {
    /// The instant `seconds` after the epoch; values outside 1970 to 9999 are clamped.
    pub fn from_unix(seconds: i64) -> Self {
        Self(seconds.clamp(0, LAST))
    }

    /// Seconds since the epoch.
    pub fn unix(self) -> i64 {
        self.0
    }

    /// Reads `2027-06-01` (midnight UTC) or an RFC 3339 timestamp; fractions of a second are dropped.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let seconds = if text.len() == 10 {
            let date: Date = text.parse().map_err(|_| TimeError)?;
            let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| TimeError)?;
            midnight.timestamp().as_second()
        } else {
            let at: Timestamp = text.parse().map_err(|_| TimeError)?;
            at.as_second()
        };
        if (0..=LAST).contains(&seconds) { Ok(Self(seconds)) } else { Err(TimeError) }
    }

    /// The instant `months` calendar months earlier; the day clamps to the month's end.
    pub fn minus_months(self, months: u32) -> Self {
        let zoned = self.timestamp().to_zoned(TimeZone::UTC);
        match zoned.checked_sub(i64::from(months).months()) {
            Ok(earlier) => Self::from_unix(earlier.timestamp().as_second()),
            Err(_) => Self(0),
        }
    }

    /// The instant `duration` earlier, not before 1970.
    pub fn minus(self, duration: std::time::Duration) -> Self {
        Self::from_unix(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// IMF-fixdate, 29 bytes ending in `GMT` (RFC 9110 section 5.6.7).
    pub fn imf_fixdate(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// The UTC calendar day, `2027-06-01`.
    pub fn date(self) -> String {
        self.timestamp().strftime("%Y-%m-%d").to_string()
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_second(self.0).expect("the constructors keep the value between 1970 and 9999")
    }
}

/// RFC 3339 with `Z`.
impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_midnight_utc() {
        assert_eq!(UtcTime::parse("2025-06-01").map(UtcTime::unix), Ok(1_748_736_000));
        assert_eq!(UtcTime::parse("2025-06-01T02:00:00+02:00").map(UtcTime::unix), Ok(1_748_736_000));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "2025-13-01", "2025-02-29", "tomorrow", "2025-06-01T00:00:00", "1969-12-31", "20250601"] {
            assert_eq!(UtcTime::parse(text), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn the_sunset_field_has_29_bytes() {
        let at = UtcTime::parse("2026-06-01").expect("a date");
        assert_eq!(at.imf_fixdate(), "Mon, 01 Jun 2026 00:00:00 GMT");
        assert_eq!(at.date(), "2026-06-01");
        assert_eq!(at.to_string(), "2026-06-01T00:00:00Z");
    }

    #[test]
    fn months_clamp_to_the_end_of_the_month() {
        let at = UtcTime::parse("2027-08-31").expect("a date");
        assert_eq!(at.minus_months(6).date(), "2027-02-28");
    }
}
