//! Takes a coding off while the bytes arrive.
//!
//! Nothing is decoded before there is room for it, so a small message that stands for a large one
//! costs no more memory than its reader offers, and no more time at once.

mod brotli;
mod deflate;
mod gzip;
mod zstd;

use bytes::{Buf as _, Bytes};

use self::{brotli::Brotli, deflate::Deflate, gzip::Gzip, zstd::Zstd};
use super::Coding;

/// Why a message cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what the coding allows, or end too early.
    #[error("the content coding is broken")]
    Broken,
    /// It asks for more memory than one message gets.
    #[error("the content coding asks for too much memory")]
    TooLarge,
}

/// What became of one [`Decoder::read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes were decoded, at least one.
    Wrote(usize),
    /// More has to be pushed first.
    Starved,
    /// That was all.
    End,
}

/// Decodes a message that is there already.
///
/// - `cap`: most bytes it may have.
pub fn decode(coding: Coding, coded: Bytes, cap: usize) -> Result<Bytes, DecodeError> {
    let mut decoder = Decoder::new(coding);
    decoder.push(coded);
    decoder.end();
    let (mut whole, mut room) = (Vec::new(), vec![0; 16 * 1024]);
    while let Step::Wrote(length) = decoder.read(&mut room)? {
        whole.extend_from_slice(&room[..length]);
        if whole.len() > cap {
            return Err(DecodeError::TooLarge);
        }
    }
    Ok(whole.into())
}

/// Decodes one message.
#[derive(Debug)]
pub struct Decoder {
    input: Input,
    kind: Kind,
    begun: bool,
    done: bool,
}

/// Coded bytes on their way in.
#[derive(Debug, Default)]
struct Input {
    data: Bytes,
    ended: bool,
}

#[derive(Debug)]
enum Kind {
    Gzip(Gzip),
    Brotli(Brotli),
    Zstd(Box<Zstd>),
    Deflate(Deflate),
}

impl Decoder {
    /// Begins a message.
    pub fn new(coding: Coding) -> Self {
        let kind = match coding {
            Coding::Gzip => Kind::Gzip(Gzip::default()),
            Coding::Brotli => Kind::Brotli(Brotli::new()),
            Coding::Zstd => Kind::Zstd(Box::default()),
            Coding::Deflate => Kind::Deflate(Deflate::default()),
        };
        Self { input: Input::default(), kind, begun: false, done: false }
    }

    /// Gives it more, once [`Decoder::read`] said it is starved.
    pub fn push(&mut self, data: Bytes) {
        self.input.push(data);
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.input.ended = true;
    }

    /// Decodes into `out`, which is not empty.
    ///
    /// - Errors: what was decoded before is worth nothing.
    pub fn read(&mut self, out: &mut [u8]) -> Result<Step, DecodeError> {
        // A message without content has no coding, whatever it says.
        self.begun |= !self.input.data.is_empty();
        if self.begun && !self.done {
            let step = match &mut self.kind {
                Kind::Gzip(gzip) => gzip.step(&mut self.input, out),
                Kind::Brotli(brotli) => brotli.step(&mut self.input, out),
                Kind::Zstd(zstd) => zstd.step(&mut self.input, out),
                Kind::Deflate(deflate) => deflate.step(&mut self.input, out),
            };
            match step? {
                Step::End => self.done = true,
                step => return Ok(step),
            }
        }
        if !self.input.data.is_empty() {
            return Err(DecodeError::Broken);
        }
        Ok(if self.input.ended { Step::End } else { Step::Starved })
    }
}

impl Input {
    fn push(&mut self, data: Bytes) {
        if self.data.is_empty() {
            self.data = data;
        } else {
            self.data = [&self.data[..], &data].concat().into();
        }
    }

    /// There is no more for now.
    fn starved(&self) -> Result<Step, DecodeError> {
        if self.ended { Err(DecodeError::Broken) } else { Ok(Step::Starved) }
    }

    /// Moves bytes into `held` until it has `length` of them; whether it has.
    fn fill(&mut self, held: &mut Vec<u8>, length: usize) -> bool {
        let taken = length.saturating_sub(held.len()).min(self.data.len());
        held.extend_from_slice(&self.data[..taken]);
        self.data.advance(taken);
        held.len() >= length
    }
}

#[cfg(test)]
mod tests;
