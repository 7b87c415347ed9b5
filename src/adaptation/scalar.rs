//! Scalars by their text: what `convert` and `map` compute, without ever leaving the spelling.

use std::borrow::Cow;

use super::{literal::Literal, op::ScalarType};

/// Whether `text` is a JSON number (RFC 8259 section 6).
pub(super) fn is_number(text: &[u8]) -> bool {
    Number::read(text).is_some()
}

/// No conversion writes more digits than this.
const DIGITS_MAX: usize = 1000;

/// The `to` spelling of a scalar, or none if it is not of type `from` or has no such spelling.
///
/// - `json`: the scalar's valid JSON text.
pub(super) fn convert(json: &[u8], from: ScalarType, to: ScalarType) -> Option<Cow<'_, [u8]>> {
    use ScalarType as T;
    let text = match from {
        T::String => unquote(json)?,
        T::Integer if is_integer(json) => Cow::Borrowed(json),
        T::Number if is_number(json) => Cow::Borrowed(json),
        T::Boolean if matches!(json, b"true" | b"false") => Cow::Borrowed(json),
        T::Integer | T::Number | T::Boolean => return None,
    };
    let new = match (from, to) {
        (T::Boolean, T::Integer | T::Number) => Cow::Borrowed(if &*text == b"true" { b"1".as_slice() } else { b"0" }),
        (T::Integer | T::Number, T::Boolean) => match &*text {
            b"1" => Cow::Borrowed(b"true".as_slice()),
            b"0" => Cow::Borrowed(b"false".as_slice()),
            _ => return None,
        },
        (T::Number, T::Integer) => whole(text)?,
        (_, T::String) => {
            // Neither numbers nor booleans hold a character that a string would escape.
            let quoted = if from == T::String { return None } else { [b"\"".as_slice(), &text, b"\""].concat() };
            Cow::Owned(quoted)
        }
        (_, T::Integer) => text.is_ascii().then_some(text).filter(|text| is_integer(text))?,
        (_, T::Number) => Some(text).filter(|text| is_number(text))?,
        (_, T::Boolean) => Some(text).filter(|text| matches!(&**text, b"true" | b"false"))?,
    };
    let digits = new.iter().filter(|byte| byte.is_ascii_digit()).count();
    (digits <= DIGITS_MAX).then_some(new)
}

/// A scalar that a table compares with: strings by what they say, all else by how it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    pub(super) fn of(literal: &Literal) -> Self {
        let json = literal.as_bytes();
        Self(unescaped(json).as_ref().into())
    }

    /// Whether the scalar with the text `json` equals it.
    pub(super) fn fits(&self, json: &[u8]) -> bool {
        *unescaped(json) == *self.0
    }
}

/// A string with its escapes resolved, but with its first quote, so that `"1"` differs from `1`.
fn unescaped(json: &[u8]) -> Cow<'_, [u8]> {
    match unquote(json) {
        Some(Cow::Borrowed(text)) => Cow::Borrowed(&json[..=text.len()]),
        Some(Cow::Owned(text)) => Cow::Owned([b"\"".as_slice(), &text].concat()),
        None => Cow::Borrowed(json),
    }
}

/// The content of a JSON string with its escapes resolved; none for other values.
///
/// A lone surrogate becomes three bytes that no UTF-8 text has, so it equals no name.
pub(super) fn unquote(json: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(&rest[..at]);
        let (escape, after) = rest[at + 1..].split_first()?;
        rest = after;
        match escape {
            b'b' => text.push(0x08),
            b'f' => text.push(0x0c),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => rest = unicode_escape(rest, &mut text)?,
            other => text.push(*other),
        }
    }
    text.extend_from_slice(rest);
    Some(Cow::Owned(text))
}

/// Reads the four digits after `\u`, and a second escape where they are half of a pair.
fn unicode_escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (high, after) = four_digits(rest)?;
    let low = after.strip_prefix(b"\\u").and_then(four_digits);
    if let (0xD800..0xDC00, Some((low @ 0xDC00..0xE000, after))) = (high, low) {
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        push(char::from_u32(code)?, text);
        return Some(after);
    }
    match char::from_u32(high) {
        Some(character) => push(character, text),
        None => text.extend([0xED, 0x80 | (high >> 6 & 0x3F) as u8, 0x80 | (high & 0x3F) as u8]),
    }
    Some(after)
}

fn push(character: char, text: &mut Vec<u8>) {
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

fn four_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// `-?(0|[1-9][0-9]*)`.
fn is_integer(text: &[u8]) -> bool {
    Number::read(text).is_some_and(|number| number.fraction.is_empty() && number.exponent.is_none())
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
fn whole(text: Cow<'_, [u8]>) -> Option<Cow<'_, [u8]>> {
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

#[cfg(test)]
mod tests {
    use super::ScalarType::{Boolean, Integer, Number, String};
    use super::*;

    fn converted(json: &str, from: ScalarType, to: ScalarType) -> Option<std::string::String> {
        convert(json.as_bytes(), from, to).map(|text| std::string::String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn numbers_and_strings_change_into_each_other_by_their_digits() {
        for (json, from, to, expected) in [
            ("12345678901234567890123", Integer, String, Some("\"12345678901234567890123\"")),
            ("\"12345678901234567890123\"", String, Integer, Some("12345678901234567890123")),
            ("\"\\u0031\"", String, Integer, Some("1")),
            ("\"007\"", String, Integer, None),
            ("\"1.5\"", String, Integer, None),
            ("\" 1\"", String, Integer, None),
            ("\"\"", String, Number, None),
            ("\"1.50\"", String, Number, Some("1.50")),
            ("1.50", Number, String, Some("\"1.50\"")),
            ("1E5", Number, String, Some("\"1E5\"")),
            ("1.0", Integer, String, None),
            ("-0", Integer, String, Some("\"-0\"")),
            ("3", Integer, Number, Some("3")),
            ("true", Boolean, Integer, Some("1")),
            ("0", Integer, Boolean, Some("false")),
            ("2", Integer, Boolean, None),
            ("false", Boolean, String, Some("\"false\"")),
            ("\"true\"", String, Boolean, Some("true")),
            ("\"True\"", String, Boolean, None),
            ("[1]", Integer, String, None),
            ("null", Boolean, String, None),
        ] {
            assert_eq!(converted(json, from, to).as_deref(), expected, "{json} {from:?} {to:?}");
        }
    }

    #[test]
    fn a_number_becomes_an_integer_only_where_its_value_is_one() {
        for (json, expected) in [
            ("3.0", Some("3")),
            ("2e2", Some("200")),
            ("2.50e1", Some("25")),
            ("-0.0", Some("-0")),
            ("-1.20E+2", Some("-120")),
            ("100e-2", Some("1")),
            ("0e999999999999999999999", Some("0")),
            ("1.5", None),
            ("1e-1", None),
            ("1e999999999999999999999", None),
            ("1e-999999999999999999999", None),
        ] {
            assert_eq!(converted(json, Number, Integer).as_deref(), expected, "{json}");
        }
        assert!(converted("1e999", Number, Integer).is_some_and(|text| text.len() == 1000));
        assert_eq!(converted("1e1000", Number, Integer), None);
    }

    #[test]
    fn no_result_has_more_than_a_thousand_digits() {
        assert!(converted(&"1".repeat(1000), Integer, String).is_some());
        assert_eq!(converted(&"1".repeat(1001), Integer, String), None);
    }

    #[test]
    fn table_keys_compare_strings_by_meaning_and_numbers_by_spelling() {
        let key = Key::of(&Literal::string("é"));
        assert!(key.fits("\"é\"".as_bytes()) && key.fits(b"\"\\u00e9\""));
        let one = Key::of(&Literal::number("1").expect("a number"));
        assert!(one.fits(b"1") && !one.fits(b"1.0") && !one.fits(b"\"1\""));
        assert!(!Key::of(&Literal::string("1")).fits(b"1"));
    }

    #[test]
    fn escapes_are_resolved_and_lone_surrogates_equal_nothing() {
        let read = |json: &str| unquote(json.as_bytes()).map(Cow::into_owned);
        assert_eq!(read(r#""a\n\/\"\\\u0041\ud83d\ude00""#), Some("a\n/\"\\A😀".as_bytes().to_vec()));
        let lone = read(r#""\ud83d""#).expect("a string");
        assert!(std::str::from_utf8(&lone).is_err());
        assert_ne!(read(r#""\ud83dx""#), read(r#""\ude00x""#));
    }
}
