//! A response body from bytes.

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::response::Malformed;
use crate::{
    config::checked::ChunkLimits,
    pipeline::chunked::{Step, is_text, piece},
};

/// Digits of a chunk's size, leading zeros included.
const SIZE_DIGITS_MAX: usize = 16;

/// Where a body ends, and how far it has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// This many bytes are left; never 0.
    Length(u64),
    /// Within a chunked body; the limits are what is left of them.
    Chunked(Chunk, ChunkLimits),
    /// It ends with the connection.
    UntilClose,
    /// Nothing is left.
    Done,
}

/// Where in a chunked body the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// In a size line.
    Size,
    /// In a chunk with this many bytes left; never 0.
    Data(u64),
    /// In the line end after a chunk.
    DataEnd,
    /// In the trailers.
    Trailers,
}

impl Decoder {
    /// A body of `length` bytes.
    pub fn length(length: u64) -> Self {
        if length == 0 { Self::Done } else { Self::Length(length) }
    }

    /// A chunked body at its beginning.
    pub fn chunked(limits: ChunkLimits) -> Self {
        Self::Chunked(Chunk::Size, limits)
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        *self == Self::Done
    }

    /// Bytes left, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Done => Some(0),
            Self::Chunked(..) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece off the front of `buffer`.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Step, Malformed> {
        match self {
            Self::Done => Ok(Step::End),
            Self::UntilClose if buffer.is_empty() => Ok(Step::More),
            Self::UntilClose => Ok(Step::Data(buffer.split().freeze())),
            Self::Length(left) => {
                let Some(piece) = piece(buffer, left) else { return Ok(Step::More) };
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Step::Data(piece))
            }
            Self::Chunked(..) => self.chunk(buffer),
        }
    }

    fn chunk(&mut self, buffer: &mut BytesMut) -> Result<Step, Malformed> {
        while let Self::Chunked(chunk, limits) = self {
            match chunk {
                Chunk::Size => {
                    let longest = SIZE_DIGITS_MAX + limits.extension_bytes as usize;
                    let Some(line) = line(buffer, longest)? else { return Ok(Step::More) };
                    let (size, extension_bytes) = size(&line)?;
                    let left = u32::try_from(extension_bytes).ok().and_then(|n| limits.extension_bytes.checked_sub(n));
                    limits.extension_bytes = left.ok_or(Malformed::Chunk)?;
                    *chunk = match size {
                        0 => Chunk::Trailers,
                        size => Chunk::Data(size),
                    };
                }
                Chunk::Data(left) => {
                    let Some(piece) = piece(buffer, left) else { return Ok(Step::More) };
                    if *left == 0 {
                        *chunk = Chunk::DataEnd;
                    }
                    return Ok(Step::Data(piece));
                }
                Chunk::DataEnd => {
                    match &buffer[..] {
                        [] | [b'\r'] => return Ok(Step::More),
                        [b'\r', b'\n', ..] => buffer.advance(2),
                        _ => return Err(Malformed::Chunk),
                    }
                    *chunk = Chunk::Size;
                }
                Chunk::Trailers => {
                    let Some(trailers) = trailers(buffer, limits)? else { return Ok(Step::More) };
                    *self = Self::Done;
                    return Ok(if trailers.is_empty() { Step::End } else { Step::Trailers(trailers) });
                }
            }
        }
        Ok(Step::End)
    }

    /// The connection ended; whether the body is whole.
    pub fn end(&mut self) -> bool {
        let whole = matches!(self, Self::Done | Self::UntilClose);
        *self = Self::Done;
        whole
    }
}

/// Takes a line without its CRLF; none while it is incomplete.
fn line(buffer: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, Malformed> {
    match memchr(b'\n', buffer) {
        None if buffer.len() > limit => Err(Malformed::Chunk),
        None => Ok(None),
        Some(0) => Err(Malformed::Chunk),
        Some(end) if end > limit || buffer[end - 1] != b'\r' => Err(Malformed::Chunk),
        Some(end) => {
            let mut line = buffer.split_to(end + 1);
            line.truncate(end - 1);
            Ok(Some(line))
        }
    }
}

/// The number before any extension, 1 to 16 hexadecimal digits (RFC 9112 section 7.1), and the extension's length.
fn size(line: &[u8]) -> Result<(u64, usize), Malformed> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = &line[digits..];
    let is_extension = || {
        let behind_blanks = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        behind_blanks.is_none_or(|byte| *byte == b';') && rest.iter().copied().all(is_text)
    };
    if !(1..=SIZE_DIGITS_MAX).contains(&digits) || !is_extension() {
        return Err(Malformed::Chunk);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| Malformed::Chunk)?;
    let size = u64::from_str_radix(text, 16).map_err(|_| Malformed::Chunk)?;
    Ok((size, line.len() - digits))
}

/// Takes the trailer section with its empty line; none while it is incomplete.
fn trailers(buffer: &mut BytesMut, limits: &ChunkLimits) -> Result<Option<HeaderMap>, Malformed> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let bytes_max = limits.trailer_bytes as usize;
    let mut fields = vec![httparse::EMPTY_HEADER; (limits.trailer_fields as usize).min(buffer.len())];
    match httparse::parse_headers(buffer, &mut fields) {
        Ok(httparse::Status::Complete((length, fields))) if length <= bytes_max => {
            let mut trailers = HeaderMap::with_capacity(fields.len());
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Chunk)?;
                trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Malformed::Chunk)?);
            }
            buffer.advance(length);
            Ok(Some(trailers))
        }
        Ok(httparse::Status::Partial) if buffer.len() <= bytes_max => Ok(None),
        Ok(_) | Err(_) => Err(Malformed::Chunk),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunked() -> Decoder {
        Decoder::chunked(ChunkLimits::default())
    }

    type Read = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

    /// Reads `bytes` in pieces of `step`; the body, its trailers, and what was left over.
    fn read(mut decoder: Decoder, bytes: &[u8], step: usize) -> Result<Read, Malformed> {
        let (mut body, mut trailers, mut buffer) = (Vec::new(), None, BytesMut::new());
        let mut pieces = bytes.chunks(step);
        loop {
            match decoder.next(&mut buffer)? {
                Step::Data(piece) => body.extend_from_slice(&piece),
                Step::Trailers(map) => trailers = Some(map),
                Step::End => break,
                Step::More => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => {
                        return if decoder.end() {
                            Ok((body, trailers, buffer.to_vec()))
                        } else {
                            Err(Malformed::Length)
                        };
                    }
                },
            }
        }
        let rest = pieces.flatten().copied();
        Ok((body, trailers, buffer.iter().copied().chain(rest).collect()))
    }

    #[test]
    fn a_body_ends_where_the_next_answer_begins() {
        let wire = b"5;x=y\r\nhello\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\nHTTP/1.1";
        for step in [1, 3, wire.len()] {
            let (body, trailers, rest) = read(chunked(), wire, step).expect("good");
            assert_eq!((&body[..], &rest[..]), (&b"hello0123456789"[..], &b"HTTP/1.1"[..]), "in pieces of {step}");
            assert_eq!(trailers.expect("trailers")["x-sum"], "1");
        }
        let (body, _, rest) = read(Decoder::length(3), b"abcHTTP", 2).expect("good");
        assert_eq!((&body[..], &rest[..]), (&b"abc"[..], &b"HTTP"[..]));
        assert_eq!(read(Decoder::UntilClose, b"abc", 2).expect("good").0, b"abc");
    }

    #[test]
    fn a_truncated_body_is_never_whole() {
        assert_eq!(read(Decoder::length(4), b"abc", 1), Err(Malformed::Length));
        let wire = b"3\r\nabc\r\n0\r\n\r\n";
        for end in 0..wire.len() {
            assert_eq!(read(chunked(), &wire[..end], 2), Err(Malformed::Length), "{end}");
        }
    }

    #[test]
    fn broken_chunk_framing_is_an_error() {
        for body in [
            &b"\r\n"[..],
            b"\n",
            b"g\r\n",
            b"-1\r\n",
            b"5\nhello",
            b"5 x\r\nhello",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n\n",
            b"11111111111111111\r\n",
            b"5;a\0b\r\nhello\r\n",
            b"5;a\x7f\r\nhello\r\n",
            b"5;\x1b[2J\r\nhello\r\n",
            b"5\x0c\r\nhello\r\n",
            b"0;\0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(read(chunked(), body, body.len()), Err(Malformed::Chunk), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn what_stands_around_the_chunks_is_bounded() {
        let limits = ChunkLimits { extension_bytes: 10, trailer_bytes: 30, trailer_fields: 2 };
        for (body, fits) in [
            ("1;234567890\r\na\r\n0\r\n\r\n", true),
            ("1;2345678901\r\na\r\n0\r\n\r\n", false),
            ("1;2345\r\na\r\n1;2345\r\nb\r\n0\r\n\r\n", true),
            ("1;2345\r\na\r\n1;2345\r\nb\r\n0;\r\n\r\n", false),
            ("0\r\na: b\r\nc: d\r\n\r\n", true),
            ("0\r\na: b\r\nc: d\r\ne: f\r\n\r\n", false),
            ("0\r\na: 34567890123456789012345\r\n\r\n", true),
            ("0\r\na: 345678901234567890123456\r\n\r\n", false),
        ] {
            for step in [1, body.len()] {
                let outcome = read(Decoder::chunked(limits), body.as_bytes(), step);
                assert_eq!(outcome.is_ok(), fits, "{body:?} in pieces of {step}: {outcome:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn chunks_come_back_as_they_were_sent(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8), step in 1usize..50) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(read(chunked(), &wire, step), Ok((chunks.concat(), None, Vec::new())));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..50) {
            let _ = read(chunked(), &bytes, step);
        }
    }
}
