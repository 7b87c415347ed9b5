//! A response head from bytes.

use std::{cell::RefCell, ops::Range};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use memchr::{memchr, memchr_iter};

use super::body::Decoder;
use crate::{
    config::checked::{ChunkLimits, Limits},
    headers::{spare, spelling},
};

/// Room for what the gateway adds to a head, so that the map need not grow.
const ADDED_FIELDS: usize = 10;

/// A response head, and how its body ends.
#[derive(Debug)]
pub struct Head {
    /// 100 to 999.
    pub status: StatusCode,
    /// As sent, in order, but for what has been understood of the connection: `Transfer-Encoding`, and
    /// `Connection` lines that name no field.
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
    // Garbage is told by its first bytes, not by waiting for more.
    let start = &buffer[..buffer.len().min(PROTOCOL.len())];
    if !PROTOCOL.starts_with(start) {
        return Err(Malformed::Head);
    }
    let limit = limits.response_header_bytes;
    LINE_ENDS.with_borrow_mut(|ends| match find_lines(buffer, limits.response_header_fields, ends)? {
        None if buffer.len() > limit => Err(Malformed::TooLarge),
        None => Ok(None),
        Some(end) if end > limit => Err(Malformed::TooLarge),
        Some(end) => parse(&buffer.split_to(end).freeze(), ends, method, limits.chunked).map(Some),
    })
}

const PROTOCOL: &[u8] = b"HTTP/";

thread_local! {
    /// Where the lines of the head at hand end, each at its LF: found once, looked at twice.
    static LINE_ENDS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Finds the lines of a head and the end of the empty line behind them; none where that is missing. A
/// line may end in LF alone, as some old servers write it.
fn find_lines(bytes: &[u8], fields_max: usize, ends: &mut Vec<usize>) -> Result<Option<usize>, Malformed> {
    ends.clear();
    let mut start = 0;
    for at in memchr_iter(b'\n', bytes) {
        if matches!(&bytes[start..at], b"" | b"\r") {
            return Ok(Some(at + 1));
        }
        // The status line is no field.
        if ends.len() > fields_max {
            return Err(Malformed::TooLarge);
        }
        ends.push(at);
        start = at + 1;
    }
    Ok(None)
}

/// The lines that end at `ends`, each without its line end.
fn lines(bytes: &[u8], ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    ends.iter().map(move |&end| {
        let line = start..end - usize::from(end > start && bytes[end - 1] == b'\r');
        start = end + 1;
        line
    })
}

fn parse(bytes: &Bytes, ends: &[usize], method: &Method, chunked: ChunkLimits) -> Result<Head, Malformed> {
    let mut headers = spare::take(ends.len() + ADDED_FIELDS);
    let mut lines = lines(bytes, ends);
    let line = StatusLine::read(&bytes[lines.next().ok_or(Malformed::Head)?])?;
    let mut transfer = Transfer { modern: line.modern, ..Transfer::default() };
    for line in lines {
        let (name, value) = field(bytes, line).ok_or(Malformed::Head)?;
        if transfer.note(&name, &value)? {
            headers.append(name, value);
        }
    }
    let status = line.status;
    let (decoder, closes) = transfer.framing(status, method, chunked)?;
    let reason = line.reason.map(|reason| bytes.slice_ref(reason));
    Ok(Head { status, headers, reason, decoder, keep_alive: !closes && transfer.persists() })
}

/// `HTTP/1.1 200 OK`.
struct StatusLine<'b> {
    /// Whether it is HTTP/1.1.
    modern: bool,
    status: StatusCode,
    /// Other than the usual one.
    reason: Option<&'b [u8]>,
}

impl<'b> StatusLine<'b> {
    fn read(line: &'b [u8]) -> Result<Self, Malformed> {
        let (modern, rest) = match line {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', rest @ ..] => {
                (*minor == b'1', rest)
            }
            _ => return Err(Malformed::Head),
        };
        let (code, reason) = rest.split_at_checked(3).ok_or(Malformed::Head)?;
        let status = StatusCode::from_bytes(code).map_err(|_| Malformed::Head)?;
        let reason = match reason {
            [] => &[],
            [b' ', reason @ ..] => reason,
            _ => return Err(Malformed::Head),
        };
        let usual = status.canonical_reason().unwrap_or_default().as_bytes();
        let reason = (reason != usual).then_some(reason);
        let is_text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        match reason.is_none_or(|reason| reason.iter().all(is_text)) {
            true => Ok(Self { modern, status, reason }),
            false => Err(Malformed::Head),
        }
    }
}

/// A field line. A folded one is none: its name would begin with a space.
fn field(bytes: &Bytes, line: Range<usize>) -> Option<(HeaderName, HeaderValue)> {
    let text = &bytes[line.clone()];
    let colon = memchr(b':', text)?;
    let name = spelling::name(&text[..colon]).ok()?;
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let value = &text[colon + 1..];
    let after = value.iter().rev().take_while(is_space).count();
    let before = value[..value.len() - after].iter().take_while(is_space).count();
    let value = bytes.slice(line.start + colon + 1 + before..line.end - after);
    Some((name, HeaderValue::from_maybe_shared(value).ok()?))
}

/// What the fields say about this message and its connection.
#[derive(Default)]
struct Transfer {
    modern: bool,
    chunked: bool,
    length: Option<u64>,
    close: bool,
    keep_alive: bool,
}

impl Transfer {
    /// Whether the field goes on.
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, Malformed> {
        if *name == header::CONTENT_LENGTH {
            let length = content_length(value.as_bytes())?;
            return match self.length.replace(length) {
                None => Ok(true),
                Some(before) if before == length => Ok(false),
                Some(_) => Err(Malformed::Length),
            };
        }
        if *name == header::CONNECTION {
            return Ok(self.options(value.as_bytes()));
        }
        if *name == header::TRANSFER_ENCODING {
            // Any other coding would go on as if it were the body.
            let is_chunked = value.as_bytes().eq_ignore_ascii_case(b"chunked");
            if self.chunked || !is_chunked || !self.modern {
                return Err(Malformed::Length);
            }
            self.chunked = true;
            return Ok(false);
        }
        Ok(true)
    }

    /// Takes the options of a `Connection` line into account; whether it names fields.
    fn options(&mut self, line: &[u8]) -> bool {
        let mut names = false;
        for option in line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else {
                names = true;
            }
        }
        names
    }

    /// RFC 9112 section 6.3; also whether the connection ends with the body.
    fn framing(&self, status: StatusCode, method: &Method, chunked: ChunkLimits) -> Result<(Decoder, bool), Malformed> {
        // Whoever says where a body ends in two ways may mean another answer than the one that is read.
        if self.chunked && self.length.is_some() {
            return Err(Malformed::Length);
        }
        let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 304) || method == Method::HEAD;
        Ok(match (bodiless, self.chunked, self.length) {
            (true, _, _) => (Decoder::Done, false),
            (false, true, _) => (Decoder::chunked(chunked), false),
            (false, false, Some(length)) => (Decoder::length(length), false),
            (false, false, None) => (Decoder::UntilClose, true),
        })
    }

    /// RFC 9112 section 9.3.
    fn persists(&self) -> bool {
        !self.close && (self.modern || self.keep_alive)
    }
}

/// Digits alone: the parser of numbers would take a sign, and a list is no length.
fn content_length(text: &[u8]) -> Result<u64, Malformed> {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|text| digits(text.as_bytes())).ok_or(Malformed::Length)?;
    text.parse().map_err(|_| Malformed::Length)
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
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Length),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Length),
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
