//! What both sides of the gateway share of HTTP/1 bodies (RFC 9112 section 7).

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};

/// What the next bytes are.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// A piece of the body, not empty.
    Data(Bytes),
    /// The trailers; the body is at its end.
    Trailers(HeaderMap),
    /// More bytes have to come first.
    More,
    /// The end.
    End,
}

/// As much of `left` bytes as the buffer holds; none if it is empty.
pub(crate) fn piece(buffer: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= length as u64;
    (length > 0).then(|| buffer.split_to(length).freeze())
}

/// What may stand in a chunk extension or a trailer.
pub(crate) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Appends the line before a chunk of `length` bytes, which is not 0.
pub fn size_line(out: &mut Vec<u8>, length: usize) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{length:x}\r\n");
}

/// Appends the last chunk with those `trailers` whose names are `allowed`, each line of its own.
pub fn last_chunk(out: &mut Vec<u8>, trailers: Option<&HeaderMap>, allowed: &[HeaderName]) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten().filter(|(name, _)| allowed.contains(name)) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_chunk_begins_with_its_size_in_hexadecimal() {
        let mut out = Vec::new();
        [1, 26, 65_536].into_iter().for_each(|length| size_line(&mut out, length));
        assert_eq!(out, b"1\r\n1a\r\n10000\r\n");
    }

    #[test]
    fn only_trailers_that_are_allowed_are_sent_on() {
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "host", "x-sum", "x-other"] {
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let mut out = Vec::new();
        last_chunk(&mut out, Some(&trailers), &[HeaderName::from_static("x-sum")]);
        assert_eq!(out, b"0\r\nx-sum: v\r\nx-sum: v\r\n\r\n");
        out.clear();
        last_chunk(&mut out, Some(&trailers), &[]);
        assert_eq!(out, b"0\r\n\r\n");
    }
}
