//! The rules of an HTTP/1 request head.
//!
//! They are stricter than parsers usually are: a request without `Host`, `Content-Length` beside
//! `Transfer-Encoding`, a bare CR or LF, all of them are refused, because another reader behind the
//! gateway could take them for something else. What is refused is refused with a problem body and
//! closes the connection.

use memchr::memchr;

use super::{
    framing::{Chunks, Framing},
    target::{is_authority, is_form, is_target, table},
};
use crate::{config::checked::ChunkLimits, problem::Code};

/// Sizes a head may have.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Longest request target; 414 beyond.
    pub target_bytes: usize,
    /// Longest header section, without the request line; 431 beyond.
    pub header_bytes: usize,
    /// Most fields; 431 beyond.
    pub fields: usize,
    /// For the body that follows, if it comes in chunks.
    pub chunked: ChunkLimits,
}

/// Why a head is refused. Each closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not `METHOD target HTTP/1.x`.
    #[error("the request line is not \"METHOD target HTTP/1.1\"")]
    RequestLine,
    /// A character that RFC 3986 does not allow in a target.
    #[error("the request target has a character that has to be percent-encoded")]
    TargetCharacter,
    /// Neither a path nor a URL.
    #[error("the request target is neither an absolute path nor an http URL")]
    TargetForm,
    /// Longer than the limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Another major version in a request line (RFC 9110 section 15.6.6).
    #[error("only HTTP/1.0 and HTTP/1.1 have a request line; HTTP/2 begins with its own preface")]
    Version,
    /// A line that is not `name: value` (RFC 9112 section 5).
    #[error("a header line is not \"name: value\"")]
    Line,
    /// A line break that is not CRLF.
    #[error("a line does not end in CRLF")]
    LineEnd,
    /// Folded lines are obsolete (RFC 9112 section 5.2).
    #[error("a header line is folded")]
    Folded,
    /// A control character in a value.
    #[error("a header value has a control character")]
    ControlCharacter,
    /// Larger than the limit, or more fields.
    #[error("the header section is too large or has too many fields")]
    TooLarge,
    /// RFC 9112 section 3.2: exactly one, and valid.
    #[error("the request needs exactly one valid Host header")]
    Host,
    /// RFC 9112 section 6.3.
    #[error("Content-Length is not one plain number")]
    ContentLength,
    /// Anything but exactly `chunked`.
    #[error("Transfer-Encoding is not exactly \"chunked\", or the request is HTTP/1.0")]
    TransferEncoding,
    /// RFC 9112 section 6.3: smuggling.
    #[error("Content-Length and Transfer-Encoding stand together")]
    TwoLengths,
    /// Chunk framing is broken.
    #[error("the chunked body is malformed")]
    Chunk,
    /// The head took longer than `timeouts.request_header`.
    #[error("the request head took too long to arrive")]
    Timeout,
}

impl HeadError {
    /// The code it is answered with.
    pub fn code(self) -> Code {
        match self {
            Self::TargetTooLong => Code::TargetTooLong,
            Self::TooLarge => Code::HeaderTooLarge,
            Self::Timeout => Code::RequestTimeout,
            Self::Version => Code::HttpVersionUnsupported,
            Self::RequestLine
            | Self::TargetCharacter
            | Self::TargetForm
            | Self::Line
            | Self::LineEnd
            | Self::Folded
            | Self::ControlCharacter
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::TwoLengths
            | Self::Chunk => Code::RequestInvalid,
        }
    }
}

/// How much of a head has arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Ends before this offset; the body's framing follows.
    Complete(usize, Framing),
    /// The end has not arrived yet.
    Partial,
}

/// Takes what a head consists of, line by line, as it is checked.
pub(super) trait Reader {
    /// The request line; `old` for HTTP/1.0.
    fn line(&mut self, method: &[u8], target: &[u8], old: bool) -> Result<(), HeadError>;
    /// A field, its value without the blanks around it. It has to refuse names that are no token and
    /// values with control characters.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError>;
}

/// Looks without keeping anything.
struct Look;

impl Reader for Look {
    fn line(&mut self, _: &[u8], _: &[u8], _: bool) -> Result<(), HeadError> {
        Ok(())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err(HeadError::Line);
        }
        let control = value.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f);
        if control { Err(HeadError::ControlCharacter) } else { Ok(()) }
    }
}

/// Checks the head at the start of `bytes`, which may hold less or more than it.
///
/// - `bytes`: begins with the request line; empty lines before it were taken off.
/// - Errors as soon as no continuation could make it good.
pub fn check(bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
    walk(bytes, limits, &mut Look)
}

/// Checks the head at the start of `bytes` and hands its parts to `reader`.
pub(super) fn walk(bytes: &[u8], limits: &HeadLimits, reader: &mut impl Reader) -> Result<Progress, HeadError> {
    let Some((line, mut rest)) = split_line(bytes)? else {
        return incomplete(bytes, limits);
    };
    let (method, target, old) = request_line(line, limits)?;
    reader.line(method, target, old)?;
    let section = bytes.len() - rest.len();
    let mut fields = Fields::default();
    loop {
        let Some((line, after)) = split_line(rest)? else {
            let long = bytes.len() - section > limits.header_bytes;
            return if long { Err(HeadError::TooLarge) } else { Ok(Progress::Partial) };
        };
        rest = after;
        if bytes.len() - rest.len() - section > limits.header_bytes + 2 {
            return Err(HeadError::TooLarge);
        }
        if line.is_empty() {
            break;
        }
        let (name, value) = fields.split(line)?;
        reader.field(name, value)?;
        fields.note(name, value)?;
        if fields.count > limits.fields {
            return Err(HeadError::TooLarge);
        }
    }
    Ok(Progress::Complete(bytes.len() - rest.len(), fields.framing(old, limits.chunked)?))
}

/// A value without the blanks around it: SP and HTAB, nothing else (RFC 9110 section 5.6.3).
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_text = |b: &u8| !matches!(b, b' ' | b'\t');
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value.iter().rposition(is_text).map_or(start, |last| last + 1);
    &value[start..end]
}

/// A line, and what follows it.
type Split<'b> = (&'b [u8], &'b [u8]);

/// The first line without its CRLF, and what follows it; none while it is incomplete.
fn split_line(bytes: &[u8]) -> Result<Option<Split<'_>>, HeadError> {
    let Some(end) = memchr(b'\n', bytes) else {
        return Ok(None);
    };
    match bytes[..end].split_last() {
        Some((b'\r', line)) => Ok(Some((line, &bytes[end + 1..]))),
        _ => Err(HeadError::LineEnd),
    }
}

/// What to say of a request line that has not ended.
fn incomplete(bytes: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
    // A TLS hello or binary noise never ends a line: say so at its first byte.
    if bytes.first().is_some_and(|b| !is_token(*b)) {
        return Err(HeadError::RequestLine);
    }
    // The method and " HTTP/1.1" stand around the target.
    if bytes.len() > limits.target_bytes + 200 {
        return Err(HeadError::TargetTooLong);
    }
    Ok(Progress::Partial)
}

/// Method, target, and whether it is HTTP/1.0.
type RequestLine<'b> = (&'b [u8], &'b [u8], bool);

/// Checks `METHOD SP target SP HTTP/1.x`.
fn request_line<'b>(line: &'b [u8], limits: &HeadLimits) -> Result<RequestLine<'b>, HeadError> {
    let method_end = memchr(b' ', line).ok_or(HeadError::RequestLine)?;
    let (method, rest) = (&line[..method_end], &line[method_end + 1..]);
    let target_end = memchr(b' ', rest).ok_or(HeadError::RequestLine)?;
    let (target, protocol) = (&rest[..target_end], &rest[target_end + 1..]);
    if method.is_empty() || method.len() > 64 || !method.iter().all(|b| is_token(*b)) || target.is_empty() {
        return Err(HeadError::RequestLine);
    }
    if target.len() > limits.target_bytes {
        return Err(HeadError::TargetTooLong);
    }
    if !is_target(target) {
        return Err(HeadError::TargetCharacter);
    }
    if !is_form(method, target) {
        return Err(HeadError::TargetForm);
    }
    match protocol {
        b"HTTP/1.1" => Ok((method, target, false)),
        b"HTTP/1.0" => Ok((method, target, true)),
        // A later minor version can be read as the one that is known (RFC 9110 section 2.5).
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Ok((method, target, false)),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(HeadError::Version)
        }
        _ => Err(HeadError::RequestLine),
    }
}

/// The few fields that decide framing.
#[derive(Default)]
struct Fields {
    count: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn split<'l>(&mut self, line: &'l [u8]) -> Result<(&'l [u8], &'l [u8]), HeadError> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(HeadError::Folded);
        }
        self.count += 1;
        let colon = memchr(b':', line).ok_or(HeadError::Line)?;
        Ok((&line[..colon], trim(&line[colon + 1..])))
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), HeadError> {
        self.hosts += 1;
        if self.hosts > 1 || !is_authority(value) {
            return Err(HeadError::Host);
        }
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        // Digits only: the parser of numbers would take a sign.
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse::<u64>().ok());
        match length {
            Some(n) if n <= i64::MAX as u64 && self.length.is_none_or(|before| before == n) => {
                self.length = Some(n);
                Ok(())
            }
            _ => Err(HeadError::ContentLength),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadError::TransferEncoding);
        }
        self.chunked = true;
        Ok(())
    }

    fn framing(self, one_zero: bool, chunked: ChunkLimits) -> Result<Framing, HeadError> {
        if self.hosts == 0 && !one_zero {
            return Err(HeadError::Host);
        }
        match (self.chunked, self.length) {
            (true, _) if one_zero => Err(HeadError::TransferEncoding),
            (true, Some(_)) => Err(HeadError::TwoLengths),
            (true, None) => Ok(Framing::Chunked(Chunks::new(chunked))),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    const TABLE: [bool; 256] = table(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    TABLE[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: ChunkLimits = ChunkLimits { extension_bytes: 3, trailer_bytes: 4, trailer_fields: 5 };
    const LIMITS: HeadLimits = HeadLimits { target_bytes: 32, header_bytes: 200, fields: 5, chunked: CHUNKED };

    fn whole(head: &str) -> Result<Progress, HeadError> {
        check(head.as_bytes(), &LIMITS)
    }

    #[test]
    fn a_good_head_ends_where_its_body_begins() {
        let head = "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(whole(head), Ok(Progress::Complete(head.len(), Framing::Length(3))));
        assert_eq!(whole(&format!("{head}abcGET")), Ok(Progress::Complete(head.len(), Framing::Length(3))));
        let chunked = "POST / HTTP/1.1\r\nhost:x\r\ntransfer-encoding: Chunked\r\n\r\n";
        assert_eq!(whole(chunked), Ok(Progress::Complete(chunked.len(), Framing::Chunked(Chunks::new(CHUNKED)))));
        for good in [
            "OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            "GET /a\"b\"?{c}|d HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /a^b?^`? HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.9\r\nHost: a\r\n\r\n",
            "GET http://a:8/b HTTP/1.1\r\nHost:\r\n\r\n",
            "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(whole(good).is_ok(), "{good:?}");
        }
        let old = "GET / HTTP/1.0\r\n\r\n";
        assert_eq!(whole(old), Ok(Progress::Complete(old.len(), Framing::Length(0))));
    }

    #[test]
    fn a_head_is_partial_until_its_empty_line() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(whole(&head[..end]), Ok(Progress::Partial), "{end}");
        }
    }

    #[test]
    fn what_a_stricter_or_laxer_reader_could_misread_is_refused() {
        use HeadError::*;
        for (head, error) in [
            ("GET / HTTP/1.1\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Host),
            ("GET / HTTP/1.1\r\nHost: a:80:90\r\n\r\n", Host),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET http://a%41/ HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n", TargetForm),
            ("GET / HTTP/1.1\nHost: a\n\n", LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", ControlCharacter),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", ControlCharacter),
            ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", Folded),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Line),
            ("GET / HTTP/1.1\r\nHost a\r\n\r\n", Line),
            ("GET / HTTP/1.1\r\n: a\r\n\r\n", Line),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
            ("GET /\r\nHost: a\r\n\r\n", RequestLine),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", RequestLine),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Version),
            ("GET / HTTP/0.9\r\nHost: a\r\n\r\n", Version),
            ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", RequestLine),
            ("GET / HTTP/1.2\r\n\r\n", Host),
            ("GET /a`b HTTP/1.1\r\nHost: a\r\n\r\n", TargetCharacter),
            ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", RequestLine),
            ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", TargetCharacter),
            ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", TargetCharacter),
            ("GET /a?b=\"c\" HTTP/1.1\r\nHost: a\r\n\r\n", TargetCharacter),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", TwoLengths),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", ContentLength),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", ContentLength),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", ContentLength),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", ContentLength),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", ContentLength),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", TransferEncoding),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", TransferEncoding),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                TransferEncoding,
            ),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncoding),
            ("\u{16}\u{3}\u{1}", RequestLine),
        ] {
            assert_eq!(whole(head), Err(error), "{}", head.escape_debug());
        }
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n - 1));
        assert!(whole(&target(32)).is_ok());
        assert_eq!(whole(&target(33)), Err(HeadError::TargetTooLong));
        assert_eq!(whole(&format!("GET /{}", "x".repeat(300))), Err(HeadError::TargetTooLong));
        let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(n - 1));
        assert!(whole(&fields(5)).is_ok());
        assert_eq!(whole(&fields(6)), Err(HeadError::TooLarge));
        let section = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(n - 14));
        assert!(whole(&section(200)).is_ok());
        assert_eq!(whole(&section(201)), Err(HeadError::TooLarge));
        assert_eq!(whole(&format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(300))), Err(HeadError::TooLarge));
    }
}
