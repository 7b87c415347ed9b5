//! A response head from bytes.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use memchr::memchr;

use super::body::Decoder;
use crate::config::checked::{ChunkLimits, Limits};

/// Heads with more fields than this are parsed with room from the heap.
const USUAL_FIELDS: usize = 200;
/// Room for what the gateway adds to a head, so that the map need not grow.
const ADDED_FIELDS: usize = 10;

/// A response head, and how its body ends.
#[derive(Debug)]
pub struct Head {
    /// 100 to 999.
    pub status: StatusCode,
    /// As sent, in order.
    pub headers: HeaderMap,
    /// A reason phrase other than the usual one.
    pub reason: Option<Bytes>,
    /// Where the body ends.
    pub decoder: Decoder,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
}

/// What the bytes are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No status line or header line.
    #[error("the head is not an HTTP/1 response")]
    Head,
    /// Larger than `limits.response_header`.
    #[error("the head is too large or has too many fields")]
    TooLarge,
    /// Lengths that contradict each other, or a transfer coding nobody would undo.
    #[error("the length of the body cannot be told")]
    Length,
    /// Chunk framing is broken.
    #[error("the chunked body is malformed")]
    Chunk,
}

/// Takes a head off the front of `buffer`; none while it is incomplete.
///
/// - `method`: of the request; answers to HEAD have no body.
pub fn take(buffer: &mut BytesMut, method: &Method, limits: &Limits) -> Result<Option<Head>, Malformed> {
    let limit = limits.response_header_bytes;
    let Some(end) = end_of_head(buffer) else {
        // Garbage is told by its first bytes, not by waiting for more.
        let start = &buffer[..buffer.len().min(5)];
        return match b"HTTP/".starts_with(start) {
            false => Err(Malformed::Head),
            true if buffer.len() > limit => Err(Malformed::TooLarge),
            true => Ok(None),
        };
    };
    if end > limit {
        return Err(Malformed::TooLarge);
    }
    parse(&buffer.split_to(end).freeze(), method, limits).map(Some)
}

/// Where the empty line ends. A line may end in LF alone, as some old servers write it.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(line) = memchr(b'\n', &bytes[at..]) {
        at += line + 1;
        match &bytes[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn parse(bytes: &Bytes, method: &Method, limits: &Limits) -> Result<Head, Malformed> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut many = Vec::new();
    let fields = match usual.get_mut(..limits.response_header_fields) {
        Some(fields) => fields,
        None => {
            many.resize_with(limits.response_header_fields.min(bytes.len()), MaybeUninit::uninit);
            &mut many[..]
        }
    };
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, fields);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::TooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed::Head),
    }
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Malformed::Head)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len() + ADDED_FIELDS);
    let mut seen = Seen::default();
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Head)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).map_err(|_| Malformed::Head)?;
        seen.note(&name);
        headers.append(name, value);
    }
    let usual = head.reason.unwrap_or_default() == status.canonical_reason().unwrap_or_default();
    let reason = head.reason.filter(|_| !usual).map(|reason| bytes.slice_ref(reason.as_bytes()));
    let modern = head.version == Some(1);
    let (decoder, closes) = framing(&mut headers, &seen, status, method, modern, limits.chunked)?;
    let keep_alive = !closes && if seen.connection { persists(&headers, modern) } else { modern };
    Ok(Head { status, headers, reason, decoder, keep_alive })
}

/// Which of the fields that decide framing there are: most answers have one of the three.
#[derive(Default)]
struct Seen {
    connection: bool,
    coding: bool,
    length: bool,
}

impl Seen {
    fn note(&mut self, name: &HeaderName) {
        self.connection |= name == header::CONNECTION;
        self.coding |= name == header::TRANSFER_ENCODING;
        self.length |= name == header::CONTENT_LENGTH;
    }
}

/// RFC 9112 section 6.3; also whether the connection ends with the body.
fn framing(
    headers: &mut HeaderMap,
    seen: &Seen,
    status: StatusCode,
    method: &Method,
    modern: bool,
    chunked: ChunkLimits,
) -> Result<(Decoder, bool), Malformed> {
    let coded = seen.coding && codings(headers, modern)?;
    let length = if seen.length { content_length(headers)? } else { None };
    let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 304) || method == Method::HEAD;
    if coded && length.is_some() {
        // The coding wins; whoever sent both is not to be trusted with another request.
        headers.remove(header::CONTENT_LENGTH);
    }
    match (bodiless, coded, length) {
        (true, _, _) => Ok((Decoder::Done, coded && length.is_some())),
        (false, true, length) => Ok((Decoder::chunked(chunked), length.is_some())),
        (false, false, Some(length)) => Ok((Decoder::length(length), false)),
        (false, false, None) => Ok((Decoder::UntilClose, true)),
    }
}

/// Whether the body is chunked. Any other coding would go on as if it were the body.
fn codings(headers: &HeaderMap, modern: bool) -> Result<bool, Malformed> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if modern && coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(Malformed::Length),
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for line in headers.get_all(header::CONTENT_LENGTH) {
        let text = line.to_str().map_err(|_| Malformed::Length)?.trim();
        // The parser of numbers would take a sign.
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value: u64 = text.parse().ok().filter(|_| digits).ok_or(Malformed::Length)?;
        if length.is_some_and(|before| before != value) {
            return Err(Malformed::Length);
        }
        length = Some(value);
    }
    Ok(length)
}

/// RFC 9112 section 9.3.
fn persists(headers: &HeaderMap, modern: bool) -> bool {
    let lines = headers.get_all(header::CONNECTION);
    let mut persists = modern;
    for option in lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')) {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        persists |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    persists
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn limits() -> Limits {
        Limits { response_header_bytes: LIMIT, ..Limits::default() }
    }

    fn chunked() -> Decoder {
        Decoder::chunked(ChunkLimits::default())
    }

    fn head(text: &str) -> Result<Head, Malformed> {
        take(&mut BytesMut::from(text), &Method::GET, &limits()).map(|head| head.expect("a whole head"))
    }

    #[test]
    fn a_head_is_taken_off_and_the_body_stays() {
        let mut buffer = BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi");
        let head = take(&mut buffer, &Method::GET, &limits()).expect("good").expect("whole");
        assert_eq!(
            (head.status.as_u16(), &head.headers["x-a"], head.keep_alive),
            (200, &HeaderValue::from_static("b"), true)
        );
        assert_eq!(head.decoder, Decoder::length(2));
        assert_eq!(&buffer[..], b"hi");
    }

    #[test]
    fn a_head_is_incomplete_until_its_empty_line() {
        let text = "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n";
        for end in 0..text.len() {
            assert!(
                take(&mut BytesMut::from(&text[..end]), &Method::GET, &limits()).expect("good so far").is_none(),
                "{end}"
            );
        }
    }

    #[test]
    fn the_body_ends_where_the_standard_says() {
        for (text, decoder, keep_alive) in [
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", chunked(), true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", chunked(), false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Decoder::length(5), true),
            ("HTTP/1.1 200 OK\r\n\r\n", Decoder::UntilClose, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", Decoder::Done, true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Decoder::Done, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", Decoder::Done, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", Decoder::Done, false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", Decoder::Done, true),
            ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", Decoder::Done, true),
        ] {
            let head = head(text).expect(text);
            assert_eq!((head.decoder, head.keep_alive), (decoder, keep_alive), "{text:?}");
        }
        let to_head =
            take(&mut BytesMut::from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), &Method::HEAD, &limits());
        let to_head = to_head.expect("good").expect("whole");
        assert_eq!((to_head.decoder, to_head.headers.len()), (Decoder::Done, 1));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        use Malformed::*;
        let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(LIMIT));
        for (text, error) in [
            ("SSH-2.0-x\r\n\r\n", Head),
            ("nonsense", Head),
            ("HTTP/2.0 200 OK\r\n\r\n", Head),
            ("HTTP/1.1 20x OK\r\n\r\n", Head),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Head),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", Length),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", Length),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Length),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Length),
            (&long, TooLarge),
        ] {
            assert_eq!(head(text).err(), Some(error), "{text:?}");
        }
        assert_eq!(take(&mut BytesMut::from(&long[..LIMIT + 1]), &Method::GET, &limits()).err(), Some(TooLarge));
    }

    #[test]
    fn fields_are_counted_up_to_any_limit() {
        for limit in [1, 5, 200, 201, 5000] {
            let limits = Limits { response_header_bytes: 1 << 20, response_header_fields: limit, ..Limits::default() };
            let outcome = |fields: usize| {
                let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a:b\r\n".repeat(fields));
                take(&mut BytesMut::from(&*text), &Method::GET, &limits).map(|head| head.expect("whole").headers.len())
            };
            assert_eq!(outcome(limit), Ok(limit));
            assert_eq!(outcome(limit + 1), Err(Malformed::TooLarge), "{limit}");
        }
    }

    #[test]
    fn an_unusual_reason_is_kept() {
        assert_eq!(head("HTTP/1.1 200 Fine\r\n\r\n").expect("good").reason.as_deref(), Some(&b"Fine"[..]));
        assert_eq!(head("HTTP/1.1 200 OK\r\n\r\n").expect("good").reason, None);
    }
}
