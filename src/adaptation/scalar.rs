//! Scalars by their text: what `convert` and `map` compute, without ever leaving the spelling.

use std::borrow::Cow;

use super::{
    decimal::{DIGITS_MAX, is_integer, is_number, whole},
    literal::Literal,
    op::ScalarType,
};

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
            if from == T::String {
                return None;
            }
            Cow::Owned(quoted(&text))
        }
        (_, T::Integer) => text.is_ascii().then_some(text).filter(|text| is_integer(text))?,
        (_, T::Number) => Some(text).filter(|text| is_number(text))?,
        (_, T::Boolean) => Some(text).filter(|text| matches!(&**text, b"true" | b"false"))?,
    };
    let is_short = new.len() <= DIGITS_MAX || new.iter().filter(|byte| byte.is_ascii_digit()).count() <= DIGITS_MAX;
    is_short.then_some(new)
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(text);
    quoted.push(b'"');
    quoted
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
            b'u' => rest = unicode_escape(rest, &mut text)?,
            other => text.push(simple_escape(*other)),
        }
    }
    text.extend_from_slice(rest);
    Some(Cow::Owned(text))
}

/// The raw text between the quotes of a JSON string, cut where it says `separator`, into at most
/// `count` pieces; none for other values. Escapes stay as they are spelled.
///
/// - `separator`: UTF-8 text, never empty.
pub(super) fn cut<'a>(json: &'a [u8], separator: &[u8], count: usize) -> Option<Vec<&'a [u8]>> {
    let mut rest = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let is_plain = memchr::memchr(b'\\', rest).is_none();
    let mut pieces = Vec::new();
    while pieces.len() + 1 < count {
        let found = if is_plain {
            memchr::memmem::find(rest, separator).map(|at| (at, separator.len()))
        } else {
            find_said(rest, separator)
        };
        let Some((at, size)) = found else { break };
        pieces.push(&rest[..at]);
        rest = &rest[at + size..];
    }
    pieces.push(rest);
    Some(pieces)
}

/// Where the raw text of a string first says `separator`, and how many bytes it takes for it.
fn find_said(raw: &[u8], separator: &[u8]) -> Option<(usize, usize)> {
    let mut said = Vec::with_capacity(4);
    let mut at = 0;
    while at < raw.len() {
        let (mut end, mut left) = (at, separator);
        while !left.is_empty() && end < raw.len() {
            let size = character(&raw[end..], &mut said);
            let Some(after) = left.strip_prefix(said.as_slice()) else { break };
            (left, end) = (after, end + size);
        }
        if left.is_empty() {
            return Some((at, end - at));
        }
        at += character(&raw[at..], &mut said);
    }
    None
}

/// Reads one byte or one escape, which may be a pair, at the beginning of a string's raw text.
///
/// - Returns how many bytes it took; `said` is what it says.
fn character(raw: &[u8], said: &mut Vec<u8>) -> usize {
    said.clear();
    match raw {
        [b'\\', b'u', rest @ ..] => match unicode_escape(rest, said) {
            Some(after) => raw.len() - after.len(),
            None => raw.len(),
        },
        [b'\\', escape, ..] => {
            said.push(simple_escape(*escape));
            2
        }
        [byte, ..] => {
            said.push(*byte);
            1
        }
        [] => 0,
    }
}

/// What a backslash and this byte say; not for `u`.
fn simple_escape(escape: u8) -> u8 {
    match escape {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
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
    fn a_string_is_cut_by_what_it_says_and_keeps_its_spelling() {
        let pieces = |json: &str, separator: &str, count: usize| {
            let pieces = cut(json.as_bytes(), separator.as_bytes(), count)?;
            Some(
                pieces
                    .into_iter()
                    .map(|piece| std::string::String::from_utf8_lossy(piece).into_owned())
                    .collect::<Vec<_>>(),
            )
        };
        for (json, separator, count, expected) in [
            (r#""a b c""#, " ", 3, vec!["a", "b", "c"]),
            (r#""a b c""#, " ", 2, vec!["a", "b c"]),
            (r#""a""#, " ", 2, vec!["a"]),
            (r#""""#, " ", 2, vec![""]),
            (r#"" ""#, " ", 2, vec!["", ""]),
            (r#""a\u0020\u00e9""#, " ", 2, vec!["a", r"\u00e9"]),
            (r#""a\/b/c""#, "/", 3, vec!["a", "b", "c"]),
            (r#""x\ud83d\ude00y""#, "😀", 2, vec!["x", "y"]),
            (r#""x\ud83d y""#, " ", 2, vec![r"x\ud83d", "y"]),
            (r#""x\\ud83d""#, "ud", 2, vec![r"x\\", "83d"]),
            ("\"é😀é\"", "😀", 2, vec!["é", "é"]),
            (r#""a\"b""#, "\"", 2, vec!["a", "b"]),
            (r#""aaa""#, "aa", 3, vec!["", "a"]),
        ] {
            assert_eq!(pieces(json, separator, count).unwrap_or_default(), expected, "{json}");
        }
        assert_eq!(pieces("7", " ", 2), None);
        assert_eq!(pieces("[\"a b\"]", " ", 2), None);
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
