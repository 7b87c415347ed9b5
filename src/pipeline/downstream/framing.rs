//! Where a request's body ends in the byte stream.
//!
//! Chunk framing is read strictly (RFC 9112 section 7.1): CRLF only, a bounded size line.

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::{HeadError, trim};
use crate::{
    config::checked::ChunkLimits,
    pipeline::chunked::{Step, is_text, piece},
};

/// What follows the head on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many body bytes; 0 for none.
    Length(u64),
    /// A chunked body.
    Chunked(Chunks),
}

impl Framing {
    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.state == State::Done,
        }
    }

    /// Bytes that are left, where that is known.
    pub fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) => None,
        }
    }

    /// Takes the next piece off the front of `buffer`; what follows the body stays in it.
    ///
    /// Errors when the chunk framing is broken; the connection cannot go on then.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Step, HeadError> {
        match self {
            Self::Length(0) => Ok(Step::End),
            Self::Length(left) => Ok(piece(buffer, left).map_or(Step::More, Step::Data)),
            Self::Chunked(chunks) => chunks.next(buffer),
        }
    }
}

/// Progress through a chunked body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    /// Bytes left in the current chunk, or the size being read.
    size: u64,
    /// Digits of the size line being read.
    digits: u8,
    /// What is left of the limits on extensions and trailers.
    left: ChunkLimits,
    /// Trailer lines so far.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    /// Blanks behind a size; only an extension may follow.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

/// Digits of a size, leading zeros included: without a bound a body of zeros would never begin nor end.
const SIZE_DIGITS_MAX: u8 = 16;

impl Chunks {
    /// A chunked body at its beginning.
    pub fn new(limits: ChunkLimits) -> Self {
        Self { state: State::SizeStart, size: 0, digits: 0, left: limits, trailers: Vec::new() }
    }

    fn next(&mut self, buffer: &mut BytesMut) -> Result<Step, HeadError> {
        let mut at = 0;
        while self.state != State::Done {
            if self.state == State::Data {
                buffer.advance(at);
                let piece = piece(buffer, &mut self.size);
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                return Ok(piece.map_or(Step::More, Step::Data));
            }
            let Some(byte) = buffer.get(at) else {
                buffer.advance(at);
                return Ok(Step::More);
            };
            self.state = self.step(*byte)?;
            at += 1;
        }
        buffer.advance(at);
        if self.trailers.is_empty() {
            return Ok(Step::End);
        }
        fields(&std::mem::take(&mut self.trailers)).map(Step::Trailers)
    }

    fn step(&mut self, byte: u8) -> Result<State, HeadError> {
        let bad = Err(HeadError::Chunk);
        match (self.state, byte) {
            (State::SizeStart, b) if b.is_ascii_hexdigit() => {
                self.size = hex(b);
                self.digits = 1;
                Ok(State::Size)
            }
            (State::Size, b) if b.is_ascii_hexdigit() => {
                if self.digits == SIZE_DIGITS_MAX || self.size > u64::MAX >> 5 {
                    return bad;
                }
                self.digits += 1;
                self.size = self.size << 4 | hex(b);
                Ok(State::Size)
            }
            (State::Size | State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Size | State::Blank, b' ' | b'\t') => self.extension(State::Blank),
            (State::Size | State::Blank, b';') => self.extension(State::Extension),
            (State::Extension, b) if is_text(b) => self.extension(State::Extension),
            (State::SizeLf, b'\n') if self.size == 0 => Ok(State::TrailerStart),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SizeStart),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            // A folded line is no field.
            (State::TrailerStart, b' ' | b'\t') => bad,
            (State::TrailerStart, b) if is_text(b) => {
                spend(&mut self.left.trailer_fields, 1)?;
                self.trailer(b)
            }
            (State::Trailer, b) if is_text(b) => self.trailer(b),
            (State::Trailer, b'\r') => {
                self.trailers.push(b'\n');
                Ok(State::TrailerLf)
            }
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => bad,
        }
    }

    fn extension(&mut self, next: State) -> Result<State, HeadError> {
        spend(&mut self.left.extension_bytes, 1)?;
        Ok(next)
    }

    fn trailer(&mut self, byte: u8) -> Result<State, HeadError> {
        // Line ends count as well: a trailer of one byte would else cost the reader more than it weighs.
        let bytes = if self.state == State::TrailerStart { 3 } else { 1 };
        spend(&mut self.left.trailer_bytes, bytes)?;
        self.trailers.push(byte);
        Ok(State::Trailer)
    }
}

fn spend(left: &mut u32, amount: u32) -> Result<(), HeadError> {
    *left = left.checked_sub(amount).ok_or(HeadError::Chunk)?;
    Ok(())
}

/// The fields of a trailer section whose lines end in LF.
fn fields(section: &[u8]) -> Result<HeaderMap, HeadError> {
    let mut trailers = HeaderMap::new();
    for line in section.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let colon = memchr::memchr(b':', line).ok_or(HeadError::Chunk)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| HeadError::Chunk)?;
        let value = HeaderValue::from_bytes(trim(&line[colon + 1..])).map_err(|_| HeadError::Chunk)?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

fn hex(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn follow(body: &[u8], step: usize) -> Result<(usize, bool), HeadError> {
        follow_within(ChunkLimits::default(), body, step)
    }

    /// How many bytes belong to the body, and whether it is whole.
    fn follow_within(limits: ChunkLimits, wire: &[u8], step: usize) -> Result<(usize, bool), HeadError> {
        let mut framing = Framing::Chunked(Chunks::new(limits));
        let (mut buffer, mut given) = (BytesMut::new(), 0);
        let mut pieces = wire.chunks(step);
        loop {
            match framing.next(&mut buffer)? {
                Step::Data(_) => {}
                Step::More => match pieces.next() {
                    Some(piece) => {
                        buffer.extend_from_slice(piece);
                        given += piece.len();
                    }
                    None => break,
                },
                Step::Trailers(_) | Step::End => break,
            }
        }
        Ok((given - buffer.len(), framing.is_done()))
    }

    #[test]
    fn a_chunked_body_ends_where_the_next_head_begins() {
        let body = b"5;x=\"y\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
        let mut wire = body.to_vec();
        wire.extend_from_slice(b"GET / HTTP/1.1\r\n");
        for step in [1, 2, 7, wire.len()] {
            assert_eq!(follow(&wire, step), Ok((body.len(), true)), "in pieces of {step}");
        }
    }

    #[test]
    fn broken_chunk_framing_is_an_error() {
        for body in [
            &b"5\nhello\r\n"[..],
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"\r\n",
            b"g\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"fffffffffffffffff\r\n",
            b"5\r\rhello",
            b"5 5\r\nhello",
            b"5 \r\nhello",
            b"5 x\r\nhello",
            b"0\r\n\n",
            b"0\r\nX: y\n\r\n",
        ] {
            assert_eq!(follow(body, body.len()), Err(HeadError::Chunk), "{}", body.escape_ascii());
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
            ("0\r\na: 3456789012345678901234567\r\n\r\n", true),
            ("0\r\na: 34567890123456789012345678\r\n\r\n", false),
        ] {
            for step in [1, body.len()] {
                let outcome = follow_within(limits, body.as_bytes(), step);
                let expected = if fits { Ok((body.len(), true)) } else { Err(HeadError::Chunk) };
                assert_eq!(outcome, expected, "{body:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn a_size_may_be_padded_with_zeros_but_not_endlessly() {
        assert_eq!(follow(b"0000000000000003\r\nabc\r\n0\r\n\r\n", 1), Ok((28, true)));
        assert_eq!(follow(b"00000000000000003", 1), Err(HeadError::Chunk));
        assert_eq!(follow(b"7fffffffffffffff\r\n", 1), Ok((18, false)));
        assert_eq!(follow(b"8000000000000000\r\n", 1), Err(HeadError::Chunk));
    }

    #[test]
    fn trailers_come_after_the_last_byte() {
        let mut buffer = BytesMut::from(&b"1\r\na\r\n0\r\nX-Sum:  1 \r\nx-b:\r\n\r\nGET"[..]);
        let mut framing = Framing::Chunked(Chunks::new(ChunkLimits::default()));
        assert_eq!(framing.next(&mut buffer), Ok(Step::Data(Bytes::from_static(b"a"))));
        let Ok(Step::Trailers(trailers)) = framing.next(&mut buffer) else { panic!("no trailers") };
        assert_eq!(
            (trailers["x-sum"].as_bytes(), trailers["x-b"].as_bytes(), trailers.len()),
            (&b"1"[..], &b""[..], 2)
        );
        assert_eq!((framing.next(&mut buffer), &buffer[..]), (Ok(Step::End), &b"GET"[..]));
        for bad in [&b"0\r\nno colon\r\n\r\n"[..], b"0\r\n folded: x\r\n\r\n", b"0\r\na b: c\r\n\r\n"] {
            assert_eq!(follow(bad, 3), Err(HeadError::Chunk), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_length_takes_exactly_its_bytes() {
        let mut framing = Framing::Length(3);
        let mut buffer = BytesMut::from(&b"ab"[..]);
        assert_eq!(framing.next(&mut buffer), Ok(Step::Data(Bytes::from_static(b"ab"))));
        assert_eq!(framing.next(&mut buffer), Ok(Step::More));
        buffer.extend_from_slice(b"cd");
        assert_eq!(framing.next(&mut buffer), Ok(Step::Data(Bytes::from_static(b"c"))));
        assert_eq!((framing.next(&mut buffer), &buffer[..]), (Ok(Step::End), &b"d"[..]));
    }
}
