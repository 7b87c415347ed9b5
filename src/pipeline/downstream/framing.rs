//! Where a request's body ends in the byte stream.
//!
//! The connection has to know, because the next head is checked before the parser sees it. Chunk
//! framing is followed strictly (RFC 9112 section 7.1): CRLF only, a bounded size line.

use super::head::HeadError;
use crate::config::checked::ChunkLimits;

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

    /// Follows `bytes`; returns how many of them belong to this body.
    ///
    /// Errors when the chunk framing is broken; the connection cannot go on then.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, HeadError> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunks) => chunks.advance(bytes),
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
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
        Self { state: State::SizeStart, size: 0, digits: 0, left: limits }
    }

    fn advance(&mut self, bytes: &[u8]) -> Result<usize, HeadError> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Data {
                let taken = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += taken;
                self.size -= taken as u64;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
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
            (State::Size, b'\r') | (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Size, b';' | b' ' | b'\t') => self.extension(),
            (State::Extension, b) if is_text(b) => self.extension(),
            (State::SizeLf, b'\n') if self.size == 0 => Ok(State::TrailerStart),
            (State::SizeLf, b'\n') => Ok(State::Data),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SizeStart),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart, b) if is_text(b) => {
                spend(&mut self.left.trailer_fields, 1)?;
                self.trailer()
            }
            (State::Trailer, b) if is_text(b) => self.trailer(),
            (State::Trailer, b'\r') => Ok(State::TrailerLf),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::EndLf, b'\n') => Ok(State::Done),
            _ => bad,
        }
    }

    fn extension(&mut self) -> Result<State, HeadError> {
        spend(&mut self.left.extension_bytes, 1)?;
        Ok(State::Extension)
    }

    fn trailer(&mut self) -> Result<State, HeadError> {
        // Line ends count as well: a trailer of one byte would else cost the reader more than it weighs.
        let bytes = if self.state == State::TrailerStart { 3 } else { 1 };
        spend(&mut self.left.trailer_bytes, bytes)?;
        Ok(State::Trailer)
    }
}

fn spend(left: &mut u32, amount: u32) -> Result<(), HeadError> {
    *left = left.checked_sub(amount).ok_or(HeadError::Chunk)?;
    Ok(())
}

/// What may stand in an extension or a trailer.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
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
    use super::*;

    fn follow(body: &[u8], step: usize) -> Result<(usize, bool), HeadError> {
        follow_within(ChunkLimits::default(), body, step)
    }

    fn follow_within(limits: ChunkLimits, body: &[u8], step: usize) -> Result<(usize, bool), HeadError> {
        let mut framing = Framing::Chunked(Chunks::new(limits));
        let mut taken = 0;
        for piece in body.chunks(step) {
            let n = framing.advance(piece)?;
            taken += n;
            if n < piece.len() {
                break;
            }
        }
        Ok((taken, framing.is_done()))
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
    fn a_length_takes_exactly_its_bytes() {
        let mut framing = Framing::Length(3);
        assert_eq!(framing.advance(b"ab"), Ok(2));
        assert_eq!(framing.advance(b"cd"), Ok(1));
        assert!(framing.is_done());
    }
}
