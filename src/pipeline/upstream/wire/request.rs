//! A request as bytes.

use http::{HeaderMap, Method, header};

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
}
