//! Names of API versions, and how they are ordered.

use std::{cmp::Ordering, fmt};

/// A version as an API declares it: `MAJOR[.MINOR[.PATCH]][-PRERELEASE]` or a date `YYYY-MM-DD`.
///
/// Two spellings of one version are equal (`2` and `2.0`); order is numeric (2.10 > 2.9) and a
/// pre-release stands before its release (Semantic Versioning 2.0.0 section 11).
#[derive(Clone, Debug)]
pub struct ApiVersion {
    /// The name as written.
    text: Box<str>,
    /// Missing numbers are 0. A date holds year, month, day.
    numbers: [u64; 3],
    /// How many numbers were written, 1 to 3.
    written: u8,
    /// Whether this is a date version.
    date: bool,
    /// The identifiers after `-`.
    pre_release: Option<Box<str>>,
}

/// Why a text does not name a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Neither numbers nor a date.
    #[error("not a version: write MAJOR, MAJOR.MINOR, MAJOR.MINOR.PATCH (optionally -PRERELEASE) or YYYY-MM-DD")]
    Malformed,
    /// Of the right form, but a number does not fit 64 bits: no API can have declared it.
    #[error("a number in the version is too large")]
    TooLarge,
}

/// The longest version text that is read (CONTRACT section 3, rule 2).
pub const VERSION_BYTES_MAX: usize = 64;

impl ApiVersion {
    /// Reads a version without the `v` and without surrounding spaces.
    ///
    /// Leading zeros (`01`, `2.00`) are malformed; at most [`VERSION_BYTES_MAX`] bytes.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::Malformed);
        }
        if has_the_form_of_a_date(text) {
            let numbers = date(text).ok_or(VersionError::Malformed)?;
            return Ok(Self { text: text.into(), numbers, written: 3, date: true, pre_release: None });
        }
        let (release, pre_release) = match text.split_once('-') {
            Some((release, pre)) => (release, Some(pre)),
            None => (text, None),
        };
        if pre_release.is_some_and(|pre| !pre.split('.').all(is_identifier)) {
            return Err(VersionError::Malformed);
        }
        let mut numbers = [0; 3];
        let mut written = 0u8;
        let mut too_large = false;
        for part in release.split('.') {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if written == 3 || !digits || (part.len() > 1 && part.starts_with('0')) {
                return Err(VersionError::Malformed);
            }
            match part.parse() {
                Ok(number) => numbers[usize::from(written)] = number,
                Err(_) => too_large = true,
            }
            written += 1;
        }
        if too_large {
            return Err(VersionError::TooLarge);
        }
        Ok(Self { text: text.into(), numbers, written, date: false, pre_release: pre_release.map(Into::into) })
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many numbers the name has, 1 to 3.
    pub fn written(&self) -> u8 {
        self.written
    }

    /// Major, minor and patch, 0 where not written; year, month and day of a date.
    pub fn numbers(&self) -> [u64; 3] {
        self.numbers
    }

    /// Whether the name is a date.
    pub fn is_date(&self) -> bool {
        self.date
    }

    /// Whether the name has a `-PRERELEASE` part.
    pub fn is_pre_release(&self) -> bool {
        self.pre_release.is_some()
    }

    fn key(&self) -> (bool, [u64; 3]) {
        (self.date, self.numbers)
    }
}

impl Ord for ApiVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key()).then_with(|| match (&self.pre_release, &other.pre_release) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_pre_releases(a, b),
        })
    }
}

impl PartialOrd for ApiVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ApiVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ApiVersion {}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `[0-9A-Za-z-]+`, numeric ones without leading zeros.
fn is_identifier(part: &str) -> bool {
    let numeric = part.bytes().all(|b| b.is_ascii_digit());
    !part.is_empty()
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !(numeric && part.len() > 1 && part.starts_with('0'))
}

/// Identifier by identifier: numbers numerically and before texts, texts by bytes, fewer first.
fn compare_pre_releases(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => {
                let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
                match (numeric(x), numeric(y)) {
                    // Without leading zeros the longer number is the larger one.
                    (true, true) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
                    (true, false) => Ordering::Less,
                    (false, true) => Ordering::Greater,
                    (false, false) => x.cmp(y),
                }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Four digits, two and two. Such a text is a date or nothing: 30 February is no pre-release.
fn has_the_form_of_a_date(text: &str) -> bool {
    let shape =
        |(index, byte): (usize, u8)| if index == 4 || index == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(shape)
}

/// Year, month and day of `YYYY-MM-DD`; none if that is not a day of the calendar.
fn date(text: &str) -> Option<[u64; 3]> {
    let day: jiff::civil::Date = text.parse().ok()?;
    let part = |number: i64| u64::try_from(number).ok();
    Some([part(day.year().into())?, part(day.month().into())?, part(day.day().into())?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        ApiVersion::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn order_is_numeric_and_pre_releases_come_first() {
        let ascending =
            ["1", "1.9", "1.10", "2.0-alpha", "2.0-alpha.1", "2.0-alpha.beta", "2.0-rc.2", "2.0-rc.10", "2.0", "2.0.1"];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert!(version("2026-09-30") < version("2026-10-01"));
    }

    #[test]
    fn spellings_of_one_version_are_equal() {
        assert_eq!(version("2"), version("2.0.0"));
        assert_ne!(version("2"), version("2.0.1"));
        assert_ne!(version("2.0"), version("2.0-rc.1"));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "v1",
            "1.",
            ".1",
            "01",
            "1.02",
            "1.2.3.4",
            "1.0-",
            "1.0-01",
            "1.0-a..b",
            "a",
            "1 ",
            "+1",
            "1.0+b",
            "2026-02-30",
        ] {
            assert_eq!(ApiVersion::parse(text).err(), Some(VersionError::Malformed), "{text}");
        }
        assert_eq!(ApiVersion::parse(&"1".repeat(65)).err(), Some(VersionError::Malformed));
        assert_eq!(ApiVersion::parse("18446744073709551616").err(), Some(VersionError::TooLarge));
    }
}
