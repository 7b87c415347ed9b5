//! Scalars with a unit: durations, sizes, counts, percentages, dates and times before a sunset.

use std::time::Duration;

use super::checked::MemoryLimit;
use super::forms::{Refusal, form, number_schema, or_expanded, text_schema};
use super::shape::quoted;
use crate::domain::{lifecycle::Lead, time::UtcTime};

pub use super::names::version;

/// A size in bytes, more than none: `64KiB`, `10MiB`, `1GiB` or a bare integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A size in bytes that may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeOrZero(pub u64);

/// A duration longer than none: `250ms`, `5s`, `1m`, `24h`, `7 days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A duration that may be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanOrZero(pub Duration);

/// A time before a sunset: `6 months` by the calendar, or an exact `90 days`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeadTime(pub Lead);

/// A whole number from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountOrZero(pub usize);

/// A whole number from 1 on, or `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoCount(pub Option<usize>);

/// A whole number from 1 on, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnlimitedCount(pub Option<usize>);

/// `auto`, `unlimited` or a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize(pub MemoryLimit);

/// Tries after the first, 0 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts(pub u32);

/// A share from `0%` to `100%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

/// How much more than its share something may carry, from `100%` to `1000%`; none for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess(pub Option<u32>);

/// A status such as `200`, or a class such as `2xx`: the first and the last it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange(pub u16, pub u16);

/// `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

/// A day (midnight UTC) or an RFC 3339 time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub UtcTime);

form!(Size, "a size such as 64KiB", size_schema(1));
form!(SizeOrZero, "a size such as 64KiB", size_schema(0));
form!(Span, "a duration such as 30s", span_schema());
form!(SpanOrZero, "a duration such as 30s", span_schema());
form!(LeadTime, "a time such as 6 months", text_schema("^[0-9]+ ?[a-z]+$", "A time such as 6 months or 90 days."));
form!(Count, "a whole number from 1 on", number_schema(1, "^[0-9]+$", "A whole number from 1 on."));
form!(CountOrZero, "a whole number", number_schema(0, "^[0-9]+$", "A whole number."));
form!(AutoCount, "auto or a whole number", number_schema(1, "^(auto|[0-9]+)$", "auto or a whole number from 1 on."));
form!(
    UnlimitedCount,
    "unlimited or a whole number",
    number_schema(1, "^(unlimited|[0-9]+)$", "unlimited or a whole number from 1 on.")
);
form!(
    MemorySize,
    "auto, unlimited or a size such as 512MiB",
    number_schema(1, "^(auto|unlimited|[0-9]+ ?([KMGT]iB|B)?)$", "auto, unlimited or a size such as 512MiB.")
);
form!(Attempts, "a whole number from 0 to 10", number_schema(0, "^[0-9]+$", "A whole number from 0 to 10."));
form!(Percent, "a percentage such as 20%", text_schema("^[0-9]+%$", "A percentage such as 20%."));
form!(Excess, "a percentage such as 125%", text_schema("^([0-9]+%|off)$", "A percentage such as 125%, or off."));
form!(
    StatusRange,
    "a status such as 200 or 2xx",
    number_schema(200, "^([2-5][0-9][0-9]|[2-5]xx)$", "A status such as 200, or a class such as 2xx.")
);
form!(
    Flag,
    "true or false",
    schemars::json_schema!({
        "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": or_expanded("^(true|false)$") }],
    })
);
form!(
    Date,
    "a date such as 2027-06-01",
    text_schema(
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?$",
        "A date such as 2027-06-01 (midnight UTC) or an RFC 3339 time."
    )
);

fn size_schema(minimum: u64) -> schemars::Schema {
    number_schema(minimum, "^[0-9]+ ?([KMGT]iB|B)?$", "A size such as 64KiB, 10MiB or 1GiB; a bare integer is bytes.")
}

fn span_schema() -> schemars::Schema {
    text_schema("^[0-9]+ ?[a-z]+$", "A duration such as 250ms, 5s, 1m, 24h or 7 days.")
}

impl Size {
    /// Reads a size of at least one byte.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match SizeOrZero::parse(text)? {
            SizeOrZero(0) => {
                Err(Refusal::value("zero", "the size is 0", "with it nothing could pass; give at least 1"))
            }
            SizeOrZero(bytes) => Ok(Self(bytes)),
        }
    }
}

impl SizeOrZero {
    /// Reads a size.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let help = "write a whole number of bytes, or one with B, KiB, MiB, GiB or TiB";
        let (number, unit) = split_unit(text).ok_or_else(|| Refusal::form(help))?;
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            other => {
                let message = format!("`{other}` is not a unit of size");
                return Err(Refusal::value("size", message, "units are B, KiB, MiB, GiB and TiB (powers of 1024)"));
            }
        };
        // Lengths are added to each other later on: the top bits stay free.
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes < 1 << 60 && usize::try_from(*bytes).is_ok());
        bytes.map(Self).ok_or_else(|| Refusal::value("size", "the size is too large", "give less than 1024 PiB"))
    }
}

impl Span {
    /// Reads a duration longer than none.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match SpanOrZero::parse(text)? {
            SpanOrZero(Duration::ZERO) => {
                Err(Refusal::value("zero", "the duration is 0", "with it nothing could succeed; give at least 1ms"))
            }
            SpanOrZero(duration) => Ok(Self(duration)),
        }
    }
}

impl SpanOrZero {
    /// Reads a duration.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match lead(text)? {
            // Deadlines are sums of an instant and a duration: a year is long enough and cannot overflow.
            Lead::Exact(duration) if duration <= DAY * 366 => Ok(Self(duration)),
            Lead::Exact(_) => Err(Refusal::value("duration", "the duration is longer than a year", "give less")),
            Lead::Months(_) => {
                Err(Refusal::value("duration", "months have no fixed length", "give days, such as `30 days`"))
            }
        }
    }
}

impl LeadTime {
    /// Reads a time before a sunset. A bare `m` could mean months or minutes and is refused.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if let Some((number, "m")) = split_unit(text) {
            let message = format!("`{text}`: months or minutes?");
            return Err(Refusal::value("duration", message, format!("write `{number} months` or `{number} minutes`")));
        }
        let lead = lead(text)?;
        let longest = match lead {
            Lead::Months(months) => months <= 1200,
            Lead::Exact(duration) => duration <= DAY * 36_525,
        };
        if longest {
            Ok(Self(lead))
        } else {
            Err(Refusal::value("duration", "the time is longer than 100 years", "give less"))
        }
    }
}

impl Count {
    /// Reads a whole number from 1 on.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match whole(text)? {
            0 => Err(Refusal::value("zero", "the number is 0", "give at least 1")),
            number => Ok(Self(number)),
        }
    }
}

impl CountOrZero {
    /// Reads a whole number.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        whole(text).map(Self)
    }
}

impl AutoCount {
    /// Reads `auto` or a whole number from 1 on.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text == "auto" { Ok(Self(None)) } else { Count::parse(text).map(|count| Self(Some(count.0))) }
    }
}

impl UnlimitedCount {
    /// Reads `unlimited` or a whole number from 1 on.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text == "unlimited" { Ok(Self(None)) } else { Count::parse(text).map(|count| Self(Some(count.0))) }
    }
}

impl MemorySize {
    /// Reads `auto`, `unlimited` or a size of at least one byte.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "auto" => Ok(Self(MemoryLimit::Auto)),
            "unlimited" => Ok(Self(MemoryLimit::Unlimited)),
            size => Size::parse(size).map(|size| Self(MemoryLimit::Bytes(size.0))),
        }
    }
}

impl Attempts {
    /// Reads a whole number from 0 to 10.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let number = whole(text)?;
        let attempts = u32::try_from(number).ok().filter(|attempts| *attempts <= 10);
        attempts.map(Self).ok_or_else(|| Refusal::form("more tries than 10 only add load"))
    }
}

impl Percent {
    /// Reads `0%` to `100%`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::form("write a whole number from 0 to 100 and a percent sign");
        let number = text.strip_suffix('%').ok_or_else(refusal)?;
        let percent = digits(number).and_then(|number| u32::try_from(number).ok()).filter(|percent| *percent <= 100);
        percent.map(Self).ok_or_else(refusal)
    }
}

impl Excess {
    /// Reads `100%` to `1000%`, or `off`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::form("write a whole number from 100 to 1000 and a percent sign, or off");
        if text == "off" {
            return Ok(Self(None));
        }
        let number = text.strip_suffix('%').and_then(digits).and_then(|number| u32::try_from(number).ok());
        number.filter(|percent| (100..=1000).contains(percent)).map(|percent| Self(Some(percent))).ok_or_else(refusal)
    }
}

impl StatusRange {
    /// Reads a status from 200 to 599 or a class of them.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::form("write a status from 200 to 599, or a class from 2xx to 5xx");
        if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().ok().filter(|class| (2..=5).contains(class)).ok_or_else(refusal)?;
            return Ok(Self(class * 100, class * 100 + 99));
        }
        let status = digits(text).and_then(|number| u16::try_from(number).ok());
        let status = status.filter(|status| (200..600).contains(status)).ok_or_else(refusal)?;
        Ok(Self(status, status))
    }
}

impl Flag {
    /// Reads `true` or `false`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "true" | "True" | "TRUE" => Ok(Self(true)),
            "false" | "False" | "FALSE" => Ok(Self(false)),
            "yes" | "on" | "Yes" | "On" => Err(Refusal::form("write `true`")),
            "no" | "off" | "No" | "Off" => Err(Refusal::form("write `false`")),
            _ => Err(Refusal::form("write `true` or `false`")),
        }
    }
}

impl Date {
    /// Reads a day or an RFC 3339 time.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        UtcTime::parse(text).map(Self).map_err(|_| {
            let help = "write a day such as 2027-06-01, or an RFC 3339 time such as 2027-06-01T12:00:00Z";
            Refusal::value("date", format!("{} is not a date between 1970 and 9999", quoted(text)), help)
        })
    }
}

const DAY: Duration = Duration::from_secs(86_400);

/// A duration in any unit.
fn lead(text: &str) -> Result<Lead, Refusal> {
    const HELP: &str = "write a whole number and a unit: 250ms, 5s, 1m, 24h, 7 days, 12 months";
    let (number, unit) = split_unit(text).ok_or_else(|| Refusal::form(HELP))?;
    let too_long = || Refusal::value("duration", "the duration is too long", "give less");
    let seconds = match unit {
        "ms" | "millisecond" | "milliseconds" => return Ok(Lead::Exact(Duration::from_millis(number))),
        "s" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "week" | "weeks" => 7 * 86_400,
        "month" | "months" => return u32::try_from(number).map(Lead::Months).map_err(|_| too_long()),
        "" => return Err(Refusal::value("duration", format!("`{text}` has no unit"), HELP)),
        other => return Err(Refusal::value("duration", format!("`{other}` is not a unit of time"), HELP)),
    };
    number.checked_mul(seconds).map(|seconds| Lead::Exact(Duration::from_secs(seconds))).ok_or_else(too_long)
}

/// A whole number and the unit after it, which may stand apart.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let unit = text[end..].trim_start();
    let plain = unit.bytes().all(|b| b.is_ascii_alphabetic());
    digits(&text[..end]).filter(|_| plain).map(|number| (number, unit))
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn whole(text: &str) -> Result<usize, Refusal> {
    let number = digits(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number <= 1 << 40).ok_or_else(|| Refusal::form("write a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_or_bytes() {
        for (text, bytes) in [("0", Some(0)), ("512", Some(512)), ("64KiB", Some(65_536)), ("10 MiB", Some(10 << 20))] {
            assert_eq!(SizeOrZero::parse(text).ok().map(|size| size.0), bytes, "{text}");
        }
        for text in
            ["", "KiB", "64KB", "64kib", "1.5MiB", "-1", "1e3", "99999999999999999999", "1000000000 TiB", "0x10"]
        {
            assert!(SizeOrZero::parse(text).is_err(), "{text}");
        }
        assert!(Size::parse("0").is_err());
        assert!(Size::parse("1").is_ok());
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, millis) in
            [("250ms", 250), ("5s", 5_000), ("1m", 60_000), ("24h", 86_400_000), ("7 days", 604_800_000), ("0s", 0)]
        {
            assert_eq!(SpanOrZero::parse(text), Ok(SpanOrZero(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "5", "s", "5 x", "-5s", "1.5s", "12 months", "367 days", "18446744073709551615h", "5s5s"] {
            assert!(SpanOrZero::parse(text).is_err(), "{text}");
        }
        assert!(Span::parse("0ms").is_err());
        assert!(Span::parse("1ms").is_ok());
    }

    #[test]
    fn a_bare_m_before_a_sunset_asks_months_or_minutes() {
        let refusal = LeadTime::parse("6m").expect_err("ambiguous");
        assert_eq!(refusal.message.as_deref(), Some("`6m`: months or minutes?"));
        assert!(LeadTime::parse("6 m").is_err());
        assert_eq!(LeadTime::parse("6 months"), Ok(LeadTime(Lead::Months(6))));
        assert_eq!(LeadTime::parse("30 minutes"), Ok(LeadTime(Lead::Exact(Duration::from_secs(1800)))));
        assert_eq!(LeadTime::parse("90 days"), Ok(LeadTime(Lead::Exact(DAY * 90))));
        assert!(LeadTime::parse("1201 months").is_err());
    }

    #[test]
    fn counts_begin_at_one_and_words_have_their_place() {
        assert_eq!(Count::parse("1"), Ok(Count(1)));
        assert!(Count::parse("0").is_err());
        assert_eq!(CountOrZero::parse("0"), Ok(CountOrZero(0)));
        assert!(CountOrZero::parse("-1").is_err());
        assert!(Count::parse("+1").is_err());
        assert_eq!(AutoCount::parse("auto"), Ok(AutoCount(None)));
        assert!(AutoCount::parse("unlimited").is_err());
        assert_eq!(UnlimitedCount::parse("unlimited"), Ok(UnlimitedCount(None)));
        assert_eq!(MemorySize::parse("auto"), Ok(MemorySize(MemoryLimit::Auto)));
        assert_eq!(MemorySize::parse("unlimited"), Ok(MemorySize(MemoryLimit::Unlimited)));
        assert_eq!(MemorySize::parse("1GiB"), Ok(MemorySize(MemoryLimit::Bytes(1 << 30))));
        assert!(MemorySize::parse("0").is_err());
        assert!(MemorySize::parse("80%").is_err());
        assert_eq!(Attempts::parse("0"), Ok(Attempts(0)));
        assert!(Attempts::parse("11").is_err());
        assert_eq!(Percent::parse("100%"), Ok(Percent(100)));
        assert!(Percent::parse("101%").is_err());
        assert!(Percent::parse("20").is_err());
        assert_eq!(
            ["100%", "1000%", "off"].map(Excess::parse),
            [Some(100), Some(1000), None].map(|most| Ok(Excess(most)))
        );
        assert!(["99%", "1001%", "125", "1.25"].iter().all(|text| Excess::parse(text).is_err()));
        assert!(Flag::parse("yes").is_err());
        assert_eq!(StatusRange::parse("204"), Ok(StatusRange(204, 204)));
        assert_eq!(StatusRange::parse("2xx"), Ok(StatusRange(200, 299)));
        for text in ["", "xx", "1xx", "6xx", "100", "600", "2XX", "20", "2x", "+200"] {
            assert!(StatusRange::parse(text).is_err(), "{text}");
        }
    }
}
