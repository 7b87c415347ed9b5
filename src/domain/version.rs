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
        let form = Form::read(text).ok_or(VersionError::Malformed)?;
        if form.too_large {
            return Err(VersionError::TooLarge);
        }
        let Form { numbers, written, date, pre_release, .. } = form;
        Ok(Self { text: text.into(), numbers, written, date, pre_release: pre_release.map(Into::into) })
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

/// A version as a caller writes it, read without copying (CONTRACT section 3, rule 2).
#[derive(Clone, Copy, Debug)]
pub struct RequestedVersion<'t> {
    /// Without surrounding spaces, with the `v` if there is one.
    text: &'t str,
    form: Form<'t>,
}

impl<'t> RequestedVersion<'t> {
    /// Reads an optional `v`, then a version; spaces and tabs around it are ignored.
    ///
    /// None is malformed. A number too large to hold fits the form and equals no declared version.
    pub fn read(text: &'t str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        if text.len() > VERSION_BYTES_MAX {
            return None;
        }
        let form = Form::read(text.strip_prefix(['v', 'V']).unwrap_or(text))?;
        Some(Self { text, form })
    }

    /// What the caller wrote, without surrounding spaces.
    pub fn text(&self) -> VersionText {
        VersionText::new(self.text).expect("read() refuses longer texts")
    }

    /// Whether this names exactly `version`: it has at least as many numbers as the declared name,
    /// they are the same, and so is the pre-release.
    ///
    /// - `fold`: pre-releases are compared without case, as media types are.
    pub fn equals(&self, version: &ApiVersion, fold: bool) -> bool {
        let form = &self.form;
        !form.too_large
            && form.written >= version.written
            && (form.date, form.numbers) == (version.date, version.numbers)
            && match (form.pre_release, version.pre_release.as_deref()) {
                (None, None) => true,
                (Some(asked), Some(declared)) => asked == declared || (fold && asked.eq_ignore_ascii_case(declared)),
                _ => false,
            }
    }

    /// Whether this is a shorter form that `version`, no pre-release, falls under: `2` for 2.1.
    pub fn is_prefix_of(&self, version: &ApiVersion) -> bool {
        let form = &self.form;
        let written = usize::from(form.written);
        !form.too_large
            && !form.date
            && !version.date
            && form.pre_release.is_none()
            && version.pre_release.is_none()
            && form.written < version.written
            && form.numbers[..written] == version.numbers[..written]
    }

    /// Whether both are spellings of one version, declared or not.
    pub fn spells_the_same(&self, other: &RequestedVersion<'_>) -> bool {
        let (a, b) = (&self.form, &other.form);
        a.date == b.date && a.pre_release == b.pre_release && a.digits().eq(b.digits())
    }
}

/// The parts of a version text.
#[derive(Clone, Copy, Debug)]
struct Form<'t> {
    /// The text before the pre-release.
    release: &'t str,
    numbers: [u64; 3],
    written: u8,
    date: bool,
    pre_release: Option<&'t str>,
    too_large: bool,
}

impl<'t> Form<'t> {
    fn read(text: &'t str) -> Option<Self> {
        if text.len() > VERSION_BYTES_MAX {
            return None;
        }
        if has_the_form_of_a_date(text) {
            let numbers = date(text)?;
            return Some(Self { release: text, numbers, written: 3, date: true, pre_release: None, too_large: false });
        }
        let (release, pre_release) = match text.split_once('-') {
            Some((release, pre)) => (release, Some(pre)),
            None => (text, None),
        };
        if pre_release.is_some_and(|pre| !pre.split('.').all(is_identifier)) {
            return None;
        }
        let mut numbers = [0u64; 3];
        let mut written = 0u8;
        let mut too_large = false;
        for part in release.as_bytes().split(|byte| *byte == b'.') {
            if written == 3 || part.is_empty() || (part.len() > 1 && part[0] == b'0') {
                return None;
            }
            let mut number = Some(0u64);
            for byte in part {
                if !byte.is_ascii_digit() {
                    return None;
                }
                let digit = u64::from(byte - b'0');
                number = number.and_then(|n| n.checked_mul(10)).and_then(|n| n.checked_add(digit));
            }
            match number {
                Some(number) => numbers[usize::from(written)] = number,
                None => too_large = true,
            }
            written += 1;
        }
        Some(Self { release, numbers, written, date: false, pre_release, too_large })
    }

    /// The numbers as digits, `0` where not written: also right for numbers too large to hold.
    fn digits(&self) -> impl Iterator<Item = &'t str> {
        let separator = if self.date { '-' } else { '.' };
        self.release.split(separator).chain(std::iter::repeat("0")).take(3)
    }
}

/// The text of a requested version, kept without allocating: at most [`VERSION_BYTES_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VersionText {
    length: u8,
    bytes: [u8; VERSION_BYTES_MAX],
}

impl VersionText {
    /// Copies `text`; none if it is longer than [`VERSION_BYTES_MAX`] bytes.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; VERSION_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self { length: u8::try_from(text.len()).ok()?, bytes })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("new() copies a whole text")
    }
}

impl fmt::Debug for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for VersionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

    fn requested(text: &str) -> RequestedVersion<'_> {
        RequestedVersion::read(text).unwrap_or_else(|| panic!("{text:?} fits the form"))
    }

    #[test]
    fn a_request_may_write_v_and_surrounding_spaces() {
        for text in ["2.1", "v2.1", "V2.1", "  2.1\t", " v2.1.0 "] {
            assert!(requested(text).equals(&version("2.1"), false), "{text:?}");
        }
        for text in ["", "v", "vv1", "v 1", "2 .1", "v-1", "v01", "2.1;", "2.1,", "latest"] {
            assert!(RequestedVersion::read(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_requested_version_has_at_most_64_bytes_with_its_v() {
        let longest = format!("v{}", "1".repeat(63));
        assert!(RequestedVersion::read(&longest).is_some());
        assert!(RequestedVersion::read(&format!(" {longest} ")).is_some());
        assert!(RequestedVersion::read(&format!("{longest}1")).is_none());
    }

    #[test]
    fn a_request_equals_a_name_that_has_no_more_numbers() {
        for (asked, declared, equal) in [
            ("2", "2", true),
            ("2.0", "2", true),
            ("2.1.0", "2.1", true),
            ("2", "2.0", false),
            ("2.1", "2.1.0", false),
            ("2.1.1", "2.1", false),
            ("2.0-rc.1", "2.0-rc.1", true),
            ("2.0-RC.1", "2.0-rc.1", false),
            ("2.0", "2.0-rc.1", false),
            ("2026-10-01", "2026-10-01", true),
            ("2026-10-01", "2026-10-02", false),
        ] {
            assert_eq!(requested(asked).equals(&version(declared), false), equal, "{asked} {declared}");
        }
        assert!(requested("2.0-RC.1").equals(&version("2.0-rc.1"), true));
    }

    #[test]
    fn a_prefix_is_shorter_than_the_names_under_it() {
        for (asked, declared, under) in [
            ("2", "2.0", true),
            ("2", "2.10.3", true),
            ("2.1", "2.1.0", true),
            ("2.1", "2.1", false),
            ("2.1", "2.10", false),
            ("2", "3.0", false),
            ("2", "2.0-rc.1", false),
            ("2026", "2026-10-01", false),
        ] {
            assert_eq!(requested(asked).is_prefix_of(&version(declared)), under, "{asked} {declared}");
        }
    }

    #[test]
    fn a_number_too_large_to_hold_equals_nothing_but_its_own_spellings() {
        let huge = "99999999999999999999999";
        assert!(!requested(huge).equals(&version("1"), false));
        assert!(requested(huge).spells_the_same(&requested(&format!("v{huge}.0"))));
        assert!(!requested(huge).spells_the_same(&requested("99999999999999999999998")));
        assert!(requested("2").spells_the_same(&requested("v2.0.0")));
        assert!(!requested("2").spells_the_same(&requested("2-rc")));
    }
}
