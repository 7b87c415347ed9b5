//! `zstd` (RFC 8878): one frame or several behind each other, skippable ones among them.
//!
//! The crate decodes block by block from a reader that has to have the block; this module makes
//! sure that it has.

use std::fmt;

use bytes::Buf as _;
use ruzstd::{
    decoding::{
        BlockDecodingStrategy, FrameDecoder,
        errors::{FrameDecoderError, ReadFrameHeaderError},
    },
    io::Read as _,
};

use super::{DecodeError, Input, Step};

/// Decodes frame after frame.
pub(super) struct Zstd {
    /// Of a head or a block that has not arrived whole.
    held: Vec<u8>,
    frames: FrameDecoder,
    at: Place,
    /// Whether the frame ends with a checksum.
    has_sum: bool,
    /// Frames that are whole.
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    Block,
    /// Behind the last block, with bytes to hand over.
    Rest,
    /// In a frame that is not for us: so many bytes are left.
    Skip(usize),
}

/// A server must not send more (RFC 9659 section 3), so nobody has to make room for more.
const WINDOW_BYTES_MAX: u64 = 8 << 20;
/// Magic number and descriptor.
const HEAD_BYTES_MIN: usize = 5;
const SKIPPABLE_HEAD_BYTES: usize = 8;
const BLOCK_HEAD_BYTES: usize = 3;
const SUM_BYTES: usize = 4;

impl Default for Zstd {
    fn default() -> Self {
        let mut frames = FrameDecoder::new();
        frames.set_max_window_size(WINDOW_BYTES_MAX);
        Self { held: Vec::new(), frames, at: Place::Head, has_sum: false, count: 0 }
    }
}

impl Zstd {
    pub(super) fn step(&mut self, input: &mut Input, out: &mut [u8]) -> Result<Step, DecodeError> {
        loop {
            match self.at {
                Place::Head => {
                    if self.count > 0 && self.held.is_empty() && input.data.is_empty() && input.ended {
                        return Ok(Step::End);
                    }
                    if !self.take_head(input)? {
                        return input.starved();
                    }
                }
                Place::Skip(left) => {
                    let taken = left.min(input.data.len());
                    input.data.advance(taken);
                    self.at = if taken == left { Place::Head } else { Place::Skip(left - taken) };
                    if taken < left {
                        return input.starved();
                    }
                    self.count += 1;
                }
                Place::Block | Place::Rest => {
                    // What the window still needs stays in the decoder.
                    let wrote = self.frames.read(out).map_err(|_| DecodeError::Broken)?;
                    if wrote > 0 {
                        return Ok(Step::Wrote(wrote));
                    }
                    if self.at == Place::Rest {
                        if self.frames.get_checksum_from_data() != self.frames.get_calculated_checksum() && self.has_sum
                        {
                            return Err(DecodeError::Broken);
                        }
                        self.at = Place::Head;
                        self.count += 1;
                    } else if !self.take_block(input)? {
                        return input.starved();
                    }
                }
            }
        }
    }

    /// Whether the head of a frame was there.
    fn take_head(&mut self, input: &mut Input) -> Result<bool, DecodeError> {
        if !input.fill(&mut self.held, HEAD_BYTES_MIN) {
            return Ok(false);
        }
        let is_skippable = self.held[1..4] == [0x2a, 0x4d, 0x18] && self.held[0] & 0xf0 == 0x50;
        let length = if is_skippable { SKIPPABLE_HEAD_BYTES } else { head_bytes(self.held[4]) };
        if !input.fill(&mut self.held, length) {
            return Ok(false);
        }
        self.has_sum = self.held[4] & 4 != 0;
        self.at = match self.frames.reset(&self.held[..]) {
            Ok(()) => Place::Block,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                Place::Skip(usize::try_from(length).map_err(|_| DecodeError::Broken)?)
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(DecodeError::TooLarge),
            Err(_) => return Err(DecodeError::Broken),
        };
        self.held.clear();
        Ok(true)
    }

    /// Whether a block was there; then it is decoded.
    fn take_block(&mut self, input: &mut Input) -> Result<bool, DecodeError> {
        if !input.fill(&mut self.held, BLOCK_HEAD_BYTES) {
            return Ok(false);
        }
        let head = u32::from_le_bytes([self.held[0], self.held[1], self.held[2], 0]);
        let (is_last, is_run) = (head & 1 == 1, head >> 1 & 3 == 1);
        let content = if is_run { 1 } else { (head >> 3) as usize };
        let sum = if is_last && self.has_sum { SUM_BYTES } else { 0 };
        if !input.fill(&mut self.held, BLOCK_HEAD_BYTES + content + sum) {
            return Ok(false);
        }
        self.frames
            .decode_blocks(&self.held[..], BlockDecodingStrategy::UptoBlocks(1))
            .map_err(|_| DecodeError::Broken)?;
        self.held.clear();
        if is_last {
            self.at = Place::Rest;
        }
        Ok(true)
    }
}

/// How long a frame's head is, by its descriptor (RFC 8878 section 3.1.1.1.1).
fn head_bytes(descriptor: u8) -> usize {
    let single = descriptor & 0x20 != 0;
    let window = usize::from(!single);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = match descriptor >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    HEAD_BYTES_MIN + window + dictionary + size
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("at", &self.at).field("count", &self.count).finish_non_exhaustive()
    }
}
