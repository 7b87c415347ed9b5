//! JSON text that an operator wrote into a change.

use std::fmt;

/// A valid JSON value, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Literal(Box<[u8]>);

impl Literal {
    /// `null`.
    pub fn null() -> Self {
        Self(b"null".as_slice().into())
    }

    /// `true` or `false`.
    pub fn boolean(value: bool) -> Self {
        Self(if value { b"true".as_slice() } else { b"false" }.into())
    }

    /// A string.
    pub fn string(text: &str) -> Self {
        Self(quote(text).into())
    }

    /// A number in its own spelling; none if `text` is no JSON number (RFC 8259 section 6).
    pub fn number(text: &str) -> Option<Self> {
        super::decimal::is_number(text.as_bytes()).then(|| Self(text.as_bytes().into()))
    }

    /// Any value, as it is spelled; none if `text` is no JSON text (RFC 8259) or deeper than a body may be.
    pub fn json(text: &str) -> Option<Self> {
        super::scan::read(text.as_bytes(), &super::scan::Touch::default()).ok()?;
        let space = |c: char| matches!(c, ' ' | '\n' | '\t' | '\r');
        Some(Self(text.trim_matches(space).as_bytes().into()))
    }

    /// An array.
    pub fn array(items: &[Self]) -> Self {
        let items: Vec<&[u8]> = items.iter().map(Self::as_bytes).collect();
        Self([b"[".as_slice(), &items.join(&b','), b"]"].concat().into())
    }

    /// An object, members in this order; names have to differ.
    pub fn object(members: &[(String, Self)]) -> Self {
        let members: Vec<Vec<u8>> =
            members.iter().map(|(name, value)| [&quote(name), b":".as_slice(), &value.0].concat()).collect();
        Self([b"{".as_slice(), &members.join(&b','), b"}"].concat().into())
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `text` as a JSON string: only what has to be escaped is.
pub(super) fn quote(text: &str) -> Vec<u8> {
    quote_bytes(text.as_bytes())
}

/// The same for text as [`unquote`](super::scalar::unquote) gives it: a lone surrogate is escaped again.
///
/// What is neither UTF-8 nor a surrogate becomes U+FFFD.
pub(super) fn quote_bytes(text: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(text.len() + 2);
    json.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (valid, broken) = match std::str::from_utf8(rest) {
            Ok(_) => (rest, &rest[..0]),
            Err(error) => rest.split_at(error.valid_up_to()),
        };
        quote_valid(valid, &mut json);
        rest = match broken {
            [] => broken,
            [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF, after @ ..] => {
                let code = 0xD000 | u32::from(middle & 0x3F) << 6 | u32::from(last & 0x3F);
                json.extend(format!("\\u{code:04x}").into_bytes());
                after
            }
            [_, after @ ..] => {
                json.extend("\u{fffd}".as_bytes());
                after
            }
        };
    }
    json.push(b'"');
    json
}

fn quote_valid(text: &[u8], json: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => json.extend([b'\\', byte]),
            b'\n' => json.extend(b"\\n"),
            b'\r' => json.extend(b"\\r"),
            b'\t' => json.extend(b"\\t"),
            0..0x20 => json.extend(format!("\\u{byte:04x}").into_bytes()),
            _ => json.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_minimal_json() {
        let value = Literal::object(&[
            ("a\"b".to_owned(), Literal::array(&[Literal::null(), Literal::boolean(true)])),
            ("é".to_owned(), Literal::string("1\n\u{1}")),
        ]);
        assert_eq!(value.to_string(), "{\"a\\\"b\":[null,true],\"é\":\"1\\n\\u0001\"}");
    }

    #[test]
    fn a_number_keeps_its_spelling_and_nothing_else_is_one() {
        for text in ["1.50", "-0", "1E5", "0", "1e400"] {
            assert_eq!(Literal::number(text).map(|n| n.to_string()).as_deref(), Some(text));
        }
        for text in ["0x10", "1_000", ".5", "yes", "01", "+1", "1.", "", "-", "1e", "NaN"] {
            assert_eq!(Literal::number(text), None, "{text}");
        }
    }
}
