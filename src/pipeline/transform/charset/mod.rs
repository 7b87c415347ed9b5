//! Charsets: JSON is UTF-8 (RFC 8259 section 8.1), but not every sender's is (ADAPTATION section 6,
//! rule 11).
//!
//! What `Content-Type` names is believed only where the bytes are no JSON in UTF-8: more senders
//! name a charset they do not write than write the one they name. Names and tables are those of
//! the WHATWG Encoding Standard, as in browsers: `iso-8859-1` is windows-1252 there.

mod label;
mod transcoder;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use http::HeaderMap;

pub(super) use label::{names_foreign, remove_foreign};
pub(super) use transcoder::Transcoder;

use super::error::{Side, TransformError};
use crate::{
    adaptation::Reason,
    domain::api::{self, BodyRules},
};

/// What a body may be in, if it is not in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// UTF-16; the text shows in which byte order.
    Utf16,
    /// One in which line feeds are those of ASCII.
    Other(&'static Encoding),
    /// Its name means nothing.
    Unknown,
}

impl Charset {
    /// The charset that `Content-Type` names; none where it is UTF-8, or the API refuses others.
    pub fn of(headers: &HeaderMap, rules: BodyRules) -> Option<Self> {
        match rules.charset {
            api::Charset::Refuse => None,
            api::Charset::Transcode => label::foreign(headers).map(Self::named),
        }
    }

    fn named(label: &[u8]) -> Self {
        match Encoding::for_label_no_replacement(label) {
            None => Self::Unknown,
            Some(encoding) if [UTF_16LE, UTF_16BE].contains(&encoding) => Self::Utf16,
            Some(encoding) => Self::Other(encoding),
        }
    }

    /// A whole JSON text in UTF-8.
    ///
    /// - `cap`: most bytes of it as such.
    pub(super) fn read(self, text: &Bytes, cap: usize) -> Result<Bytes, Reason> {
        if is_utf8(text) {
            return Ok(text.clone());
        }
        let encoding = match self {
            Self::Utf16 => byte_order(text),
            Self::Other(encoding) => Some(encoding),
            Self::Unknown => None,
        };
        transcoder::whole(encoding.ok_or(Reason::Charset)?, text, cap)
    }

    /// What has to be read before lines can be told from each other.
    pub(super) fn transcoder(self) -> Option<Transcoder> {
        (self == Self::Utf16).then(Transcoder::default)
    }

    /// What can be read line by line, so that each line may prove to be in UTF-8 by itself.
    pub(super) fn of_lines(self) -> Option<Self> {
        (self != Self::Utf16).then_some(self)
    }
}

/// A body that is to be adapted, in UTF-8; `headers` name no other charset any more.
///
/// - `cap`: most bytes of it as such.
/// - Errors: it is not in the charset that is named, or nobody knows that one.
pub fn transcode(
    side: Side,
    rules: BodyRules,
    headers: &mut HeaderMap,
    body: Bytes,
    cap: usize,
) -> Result<Bytes, TransformError> {
    // What is empty goes on with the fields it came with.
    let Some(charset) = Charset::of(headers, rules).filter(|_| !body.is_empty()) else { return Ok(body) };
    let text = charset.read(&body, cap).map_err(|reason| TransformError::of_body(side, reason))?;
    remove_foreign(headers);
    Ok(text)
}

/// Whether a JSON text can be in UTF-8. Text in UTF-16 or ISO-2022-JP may pass for it by its bytes,
/// but not without a NUL or an escape, which JSON knows in strings only, and not raw.
pub(super) fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && memchr::memchr2(0, 0x1b, text).is_none()
}

/// The byte order of JSON in UTF-16, by its mark or its first character, which is one of ASCII:
/// senders do not agree on what `utf-16` alone means (RFC 2781 section 4.3).
fn byte_order(text: &[u8]) -> Option<&'static Encoding> {
    match text {
        [0xfe, 0xff, ..] | [0, 1..=255, ..] => Some(UTF_16BE),
        [0xff, 0xfe, ..] | [1..=255, 0, ..] => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_TYPE};

    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn read(label: &str, bytes: &[u8]) -> Result<String, Reason> {
        let text = Charset::named(label.as_bytes()).read(&Bytes::copy_from_slice(bytes), 100)?;
        Ok(String::from_utf8(text.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn a_text_is_read_in_the_charset_it_names() {
        let (le, be) = (utf16("{\"ä\":\"🦀\"}", u16::to_le_bytes), utf16("{\"ä\":\"🦀\"}", u16::to_be_bytes));
        let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
        for (label, bytes, text) in [
            ("latin1", &b"[\"\xe9\"]"[..], "[\"é\"]"),
            ("ISO-8859-1", b"[\"\x80\"]", "[\"€\"]"),
            ("iso-8859-15", b"[\"\xa4\"]", "[\"€\"]"),
            ("windows-1251", b"[\"\xc4\xe0\"]", "[\"Да\"]"),
            ("koi8-r", b"[\"\xe4\xc1\"]", "[\"Да\"]"),
            ("shift_jis", b"[\"\x93\xfa\x96\x7b\"]", "[\"日本\"]"),
            ("euc-jp", b"[\"\xc6\xfc\xcb\xdc\"]", "[\"日本\"]"),
            ("gb18030", b"[\"\xc4\xe3\"]", "[\"你\"]"),
            ("big5", b"[\"\xa7\x41\"]", "[\"你\"]"),
            // Seven bits, so the bytes would pass for UTF-8.
            ("iso-2022-jp", b"[\"\x1b$BF|K\\\x1b(B\"]", "[\"日本\"]"),
            // Nobody's byte order is taken on trust.
            ("utf-16", &le, "{\"ä\":\"🦀\"}"),
            ("utf-16", &be, "{\"ä\":\"🦀\"}"),
            ("utf-16be", &le, "{\"ä\":\"🦀\"}"),
            ("utf-16le", &marked(b"\xfe\xff", &be), "{\"ä\":\"🦀\"}"),
            ("utf-16", &marked(b"\xff\xfe", &le), "{\"ä\":\"🦀\"}"),
            ("ucs-2", b"7\0", "7"),
        ] {
            assert_eq!(read(label, bytes).as_deref(), Ok(text), "{label}");
        }
    }

    #[test]
    fn what_is_in_utf8_is_left_alone_whatever_it_is_called() {
        for label in ["latin1", "shift_jis", "utf-16", "utf-16be", "iso-2022-jp", "utf-32", "x"] {
            assert_eq!(read(label, "{\"ä\":1}".as_bytes()).as_deref(), Ok("{\"ä\":1}"), "{label}");
        }
    }

    #[test]
    fn what_is_not_in_the_charset_it_names_is_refused() {
        for (label, bytes) in [
            ("shift_jis", &b"\"\xe9\""[..]),
            ("euc-jp", b"\"\xc6\""),
            ("gbk", b"\"\xff\""),
            ("iso-2022-jp", b"\"\x1b$B!"),
            // A byte too few, and half a pair.
            ("utf-16", b"\"\0a\0\"\0x"),
            ("utf-16le", b"\"\0\x00\xd8\"\0"),
            ("utf-16", b"\xe9\xe9"),
            ("utf-16", b"\0\0\0\""),
            ("utf-16", b"\xff"),
            ("windows-1253", b"\"\xaa\""),
            // No charset, one that is not read, one that browsers do not read any more.
            ("klingon", b"\"\xe9\""),
            ("utf-32", b"7\0\0\0"),
            ("iso-2022-kr", b"\"\x1b$)C\""),
            ("utf-7", b"\"\xe9\""),
            ("unicode-1-1-utf-8", b"\"\xe9\""),
        ] {
            assert_eq!(read(label, bytes), Err(Reason::Charset), "{label}");
        }
    }

    #[test]
    fn the_cap_is_on_the_text_in_utf8() {
        let of = |count| [vec![b'"'], vec![0xe9; count], vec![b'"']].concat();
        assert_eq!(read("latin1", &of(49)).map(|text| text.len()), Ok(100));
        assert_eq!(read("latin1", &of(50)), Err(Reason::TooLarge));
        let large = [vec![b'"'], vec![0xe9; 100_000], vec![b'"']].concat();
        assert_eq!(read("latin1", &large), Err(Reason::TooLarge));
        let text = Charset::named(b"latin1").read(&large.into(), usize::MAX).expect("sound");
        assert_eq!(text, format!("\"{}\"", "é".repeat(100_000)));
    }

    #[test]
    fn a_body_is_transcoded_where_the_api_says_so_and_named_anew() {
        let transcoded = |rules, body: &'static [u8]| {
            let latin1 = HeaderValue::from_static("application/json; charset=latin1; v=2");
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, latin1)]);
            let text = transcode(Side::Request, rules, &mut headers, Bytes::from_static(body), 100);
            (text.map_err(|error| error.reason()), headers[CONTENT_TYPE].clone())
        };
        let refuse = BodyRules::default();
        let rules = BodyRules { charset: api::Charset::Transcode, ..refuse };
        let (was, is) = ("application/json; charset=latin1; v=2", "application/json; v=2");
        assert_eq!(transcoded(rules, b"\"\xe9\""), (Ok("\"é\"".into()), HeaderValue::from_static(is)));
        assert_eq!(transcoded(rules, b""), (Ok("".into()), HeaderValue::from_static(was)));
        assert_eq!(transcoded(refuse, b"\"\xe9\""), (Ok((&b"\"\xe9\""[..]).into()), HeaderValue::from_static(was)));
    }
}
