//! `gzip` (RFC 1952): one member or several behind each other.

use super::{DecodeError, Input, Step, deflate::Inflate};

/// Decodes member after member.
#[derive(Debug, Default)]
pub(super) struct Gzip {
    /// Of a head or an end that has not arrived whole.
    held: Vec<u8>,
    member: Option<Member>,
    /// Members that are whole.
    count: u64,
}

#[derive(Debug)]
struct Member {
    body: Inflate,
    sum: crc32fast::Hasher,
    length: u32,
    /// Whether only its checksum and length are left.
    is_decoded: bool,
}

/// Identification, method, flags, time, extra flags, system.
const HEAD_BYTES: usize = 10;
/// CRC-32 and length.
const END_BYTES: usize = 8;
/// A name or comment in the head may be long, but not for ever.
const HEAD_BYTES_MAX: usize = 16 * 1024;

const HAS_CHECKSUM: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

impl Gzip {
    pub(super) fn step(&mut self, input: &mut Input, out: &mut [u8]) -> Result<Step, DecodeError> {
        loop {
            let Some(member) = &mut self.member else {
                if self.count > 0 && self.held.is_empty() && input.data.is_empty() && input.ended {
                    return Ok(Step::End);
                }
                if !take_head(&mut self.held, input)? {
                    return input.starved();
                }
                self.held.clear();
                self.member = Some(Member::new());
                continue;
            };
            if !member.is_decoded {
                match member.body.step(input, out)? {
                    Step::Wrote(length) => {
                        member.sum.update(&out[..length]);
                        // The length is kept modulo 2^32.
                        member.length = member.length.wrapping_add(length as u32);
                        return Ok(Step::Wrote(length));
                    }
                    Step::Starved => return Ok(Step::Starved),
                    Step::End => member.is_decoded = true,
                }
            }
            if !input.fill(&mut self.held, END_BYTES) {
                return input.starved();
            }
            let end = [member.sum.clone().finalize().to_le_bytes(), member.length.to_le_bytes()].concat();
            if self.held != end {
                return Err(DecodeError::Broken);
            }
            self.held.clear();
            self.member = None;
            self.count += 1;
        }
    }
}

impl Member {
    fn new() -> Self {
        Self { body: Inflate::new(false), sum: crc32fast::Hasher::new(), length: 0, is_decoded: false }
    }
}

/// Moves a member's head from `input` to `held`, byte for byte as far as it goes; whether it is whole.
fn take_head(held: &mut Vec<u8>, input: &mut Input) -> Result<bool, DecodeError> {
    if !input.fill(held, HEAD_BYTES) {
        return Ok(false);
    }
    let flags = held[3];
    if held[..3] != [0x1f, 0x8b, 8] || flags & RESERVED != 0 {
        return Err(DecodeError::Broken);
    }
    let mut at = HEAD_BYTES;
    if flags & HAS_EXTRA != 0 {
        if !input.fill(held, at + 2) {
            return Ok(false);
        }
        at += 2 + usize::from(u16::from_le_bytes([held[at], held[at + 1]]));
        if !input.fill(held, at) {
            return Ok(false);
        }
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text == 0 {
            continue;
        }
        loop {
            if !input.fill(held, at + 1) {
                return if held.len() > HEAD_BYTES_MAX { Err(DecodeError::Broken) } else { Ok(false) };
            }
            at += 1;
            if held[at - 1] == 0 {
                break;
            }
        }
    }
    if flags & HAS_CHECKSUM != 0 {
        if !input.fill(held, at + 2) {
            return Ok(false);
        }
        let sum = crc32fast::hash(&held[..at]).to_le_bytes();
        if held[at..at + 2] != sum[..2] {
            return Err(DecodeError::Broken);
        }
    }
    Ok(true)
}
