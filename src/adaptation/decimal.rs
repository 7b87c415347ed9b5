//! Decimal numbers by their digits: no value is ever rounded, because none becomes a float.

use std::borrow::Cow;

/// Whether `text` is a JSON number (RFC 8259 section 6).
pub(super) fn is_number(text: &[u8]) -> bool {
    Number::read(text).is_some()
}

/// No op writes a number of more digits than this.
pub(super) const DIGITS_MAX: usize = 1000;

/// `-?(0|[1-9][0-9]*)`.
pub(super) fn is_integer(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'0'] => true,
        [b'0', ..] | [] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// The parts of a number's text.
struct Number<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: Option<(bool, &'a [u8])>,
}

impl<'a> Number<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
        let (integer, text) = digits(text);
        if integer.is_empty() || (integer.len() > 1 && integer[0] == b'0') {
            return None;
        }
        let (fraction, text) = match text.strip_prefix(b".") {
            Some(rest) => Some(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
            None => (&text[..0], text),
        };
        let Some((b'e' | b'E', text)) = text.split_first() else {
            return text.is_empty().then_some(Self { negative, integer, fraction, exponent: None });
        };
        let (minus, text) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        let (exponent, text) = digits(text);
        (!exponent.is_empty() && text.is_empty()).then_some(Self {
            negative,
            integer,
            fraction,
            exponent: Some((minus, exponent)),
        })
    }

    /// The exponent's value; one too large for 64 bits becomes one that no body's digits can make up for.
    fn power(&self) -> i64 {
        let Some((minus, digits)) = self.exponent else { return 0 };
        let read = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i64>().ok());
        let size = read.unwrap_or(i64::MAX).min(i64::MAX >> 2);
        if minus { -size } else { size }
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

/// A number's text as an integer's, if its value is one: `3.0` is `3`, `2e2` is `200`, `-0.0` is `-0`.
pub(super) fn whole(text: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
    if is_integer(&text) {
        return Some(text);
    }
    let number = Number::read(&text)?;
    let sign: &[u8] = if number.negative { b"-" } else { b"" };
    let all = [number.integer, number.fraction].concat();
    let Some(first) = all.iter().position(|digit| *digit != b'0') else {
        return Some(Cow::Owned([sign, b"0"].concat()));
    };
    let last = all.iter().rposition(|digit| *digit != b'0').unwrap_or(first);
    // The value is `all[first..=last]` times ten to the power of `shift`.
    let shift =
        number.power() + i64::try_from(all.len() - 1 - last).ok()? - i64::try_from(number.fraction.len()).ok()?;
    let zeros = usize::try_from(shift).ok().filter(|zeros| *zeros <= DIGITS_MAX)?;
    Some(Cow::Owned([sign, &all[first..=last], &vec![b'0'; zeros]].concat()))
}

/// A number's text times ten to the power of `pow10`, in plain notation without zeros at the end of
/// its fraction: `1.50` by 3 is `1500`, `1e-3` by 1 is `0.01`. The sign of zero stays.
///
/// None if `text` is no number or the result had more than [`DIGITS_MAX`] digits.
pub(super) fn scaled(text: &[u8], pow10: i32) -> Option<Vec<u8>> {
    let number = Number::read(text)?;
    let sign: &[u8] = if number.negative { b"-" } else { b"" };
    let all = [number.integer, number.fraction].concat();
    let Some(first) = all.iter().position(|digit| *digit != b'0') else {
        return Some([sign, b"0"].concat());
    };
    let last = all.iter().rposition(|digit| *digit != b'0').unwrap_or(first);
    let digits = &all[first..=last];
    // The value is `digits` times ten to the power of `shift`.
    let shift = number.power() + i64::from(pow10) + i64::try_from(all.len() - 1 - last).ok()?
        - i64::try_from(number.fraction.len()).ok()?;
    let size = usize::try_from(shift.unsigned_abs()).ok().filter(|size| *size <= DIGITS_MAX)?;
    let zeros = |count: usize| vec![b'0'; count];
    let text = match digits.len().checked_sub(size) {
        _ if shift >= 0 => [sign, digits, &zeros(size)].concat(),
        Some(point @ 1..) => [sign, &digits[..point], b".", &digits[point..]].concat(),
        _ => [sign, b"0.", &zeros(size - digits.len()), digits].concat(),
    };
    (text.iter().filter(|byte| byte.is_ascii_digit()).count() <= DIGITS_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shifted_by_its_digits_and_never_rounded() {
        for (text, pow10, expected) in [
            ("1.50", 3, Some("1500")),
            ("1500", -3, Some("1.5")),
            ("1", -3, Some("0.001")),
            ("12.5", -1, Some("1.25")),
            ("0.001", 3, Some("1")),
            ("100", -2, Some("1")),
            ("1e3", 3, Some("1000000")),
            ("1.5E-2", 1, Some("0.15")),
            ("-0.5", 1, Some("-5")),
            ("-0", 3, Some("-0")),
            ("0.00", -3, Some("0")),
            ("-0e99999999999999999999", 1, Some("-0")),
            ("0.1000000000000000055511151231257827", 1, Some("1.000000000000000055511151231257827")),
            ("1e99999999999999999999", 1, None),
            ("1e-99999999999999999999", 1, None),
            ("1e-999", 1, Some(&*format!("0.{}1", "0".repeat(997)))),
            ("1e-1000", 0, None),
            ("\"1\"", 1, None),
            ("null", 1, None),
        ] {
            let seen = scaled(text.as_bytes(), pow10).map(|text| String::from_utf8(text).expect("ASCII"));
            assert_eq!(seen.as_deref(), expected, "{text} {pow10}");
        }
        assert_eq!(scaled(b"1", 999).map(|text| text.len()), Some(1000));
        assert_eq!(scaled(b"10", 999), None);
    }
}
