//! A request as bytes.

use http::{HeaderMap, HeaderName, Method, header};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// There is none.
    Empty,
    /// As it is; its length stands in the head.
    Plain,
    /// In chunks, because its length is not known.
    Chunked,
}

/// Appends a request head to `out`.
///
/// - `lines`: whole header lines, put behind the fields as they are.
/// - `base`: put before `target`, which is path and query.
pub fn head(
    out: &mut Vec<u8>,
    method: &Method,
    base: &str,
    target: &str,
    headers: &HeaderMap,
    lines: &[&[u8]],
    coding: Coding,
) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(base.as_bytes());
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        // Never both (RFC 9112 section 6.2).
        if coding == Coding::Chunked && name == header::CONTENT_LENGTH {
            continue;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for line in lines {
        out.extend_from_slice(line);
    }
    if coding == Coding::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the line before a chunk of `length` bytes, which is not 0.
pub fn chunk_size(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(format!("{length:x}\r\n").as_bytes());
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
    fn a_head_is_written_field_by_field() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let mut out = Vec::new();
        head(&mut out, &Method::GET, "/base", "/a?b", &headers, &[b"via: x\r\n", b""], Coding::Empty);
        assert_eq!(out, b"GET /base/a?b HTTP/1.1\r\nx-a: 1\r\nx-a: 2\r\nvia: x\r\n\r\n");
        out.clear();
        headers.clear();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
        head(&mut out, &Method::POST, "", "/", &headers, &[], Coding::Chunked);
        assert_eq!(out, b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
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
