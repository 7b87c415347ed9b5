//! URI references that are safe inside a header field.

use std::borrow::Cow;

use http::HeaderValue;

/// Percent-encodes what is outside `pchar` and `/` (RFC 3986 section 3.3).
///
/// Escapes that are already there stay; a `%` that begins none is encoded.
pub fn path(text: &str) -> Cow<'_, str> {
    escape(text, |byte| is_pchar(byte) || byte == b'/')
}

/// Percent-encodes what no URI reference may hold (RFC 3986 section 2), so that a guide fits
/// between `<` and `>` and into a field value.
pub fn guide(text: &str) -> Cow<'_, str> {
    escape(text, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?' | b'#' | b'[' | b']'))
}

/// The `Location` of a redirect: a path and the client's own query.
///
/// None where the path could be read as another host (`//host`).
pub fn location(target: &str, query: Option<&str>) -> Option<HeaderValue> {
    if !target.starts_with('/') || target.starts_with("//") {
        return None;
    }
    let mut text = path(target).into_owned();
    if let Some(query) = query {
        text.push('?');
        text.push_str(&escape(query, |byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'#')));
    }
    HeaderValue::from_str(&text).ok()
}

fn is_pchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn escape(text: &str, kept: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_escape = |at: usize| {
        bytes[at] == b'%' && bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    let stays = |at: usize| kept(bytes[at]) || is_escape(at);
    if (0..bytes.len()).all(stays) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(bytes.len() + 8);
    for (at, byte) in bytes.iter().enumerate() {
        if stays(at) {
            escaped.push(char::from(*byte));
        } else {
            escaped.push('%');
            escaped.push(hex(byte >> 4));
            escaped.push(hex(byte & 15));
        }
    }
    Cow::Owned(escaped)
}

fn hex(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_outside_pchar_is_encoded_and_escapes_stay() {
        for (text, encoded) in [
            ("/v2.1/parse", "/v2.1/parse"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/100%", "/100%25"),
            ("/%zz", "/%25zz"),
            ("/%4", "/%254"),
            ("/a>b\"<|^`{}[]\\#?", "/a%3Eb%22%3C%7C%5E%60%7B%7D%5B%5D%5C%23%3F"),
            ("/ü", "/%C3%BC"),
            ("/~a!$&'()*+,;=:@-._", "/~a!$&'()*+,;=:@-._"),
        ] {
            assert_eq!(path(text), encoded);
        }
    }

    #[test]
    fn a_guide_keeps_its_query_and_fragment() {
        assert_eq!(guide("https://[::1]/a?b=c#d"), "https://[::1]/a?b=c#d");
        assert_eq!(guide("/guide für v1>2\n"), "/guide%20f%C3%BCr%20v1%3E2%0A");
    }

    #[test]
    fn a_location_keeps_the_query_byte_for_byte() {
        let text = |value: Option<HeaderValue>| value.map(|value| value.to_str().expect("visible ASCII").to_owned());
        assert_eq!(text(location("/v2.1/p", Some("a=%7b1%7d&&b|c%"))).as_deref(), Some("/v2.1/p?a=%7b1%7d&&b|c%"));
        assert_eq!(text(location("/v2.1/p", Some(""))).as_deref(), Some("/v2.1/p?"));
        assert_eq!(text(location("/v2.1/p", None)).as_deref(), Some("/v2.1/p"));
        assert_eq!(text(location("/p", Some("q=ü"))).as_deref(), Some("/p?q=%C3%BC"));
    }

    #[test]
    fn a_location_never_names_another_host() {
        assert_eq!(location("//evil.example/x", None), None);
        assert_eq!(location("evil", None), None);
    }

    proptest! {
        #[test]
        fn every_text_becomes_a_uri_reference_and_stays_one(text in "\\PC{0,20}|[ -~\r\n%]{0,30}") {
            for (encoded, again) in [(path(&text), path(&path(&text)).into_owned()), (guide(&text), guide(&guide(&text)).into_owned())] {
                prop_assert_eq!(encoded.as_ref(), again);
                let allowed = |b: u8| is_pchar(b) || b"/?#[]%".contains(&b);
                prop_assert!(encoded.bytes().all(allowed), "{}", encoded);
                let escapes = encoded.split('%').skip(1);
                let complete = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
                prop_assert!({ escapes }.all(complete), "{}", encoded);
            }
        }
    }
}
