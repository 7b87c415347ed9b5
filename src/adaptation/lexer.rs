//! Where JSON values end (RFC 8259): validated and skipped, without opening anything.
//!
//! What most of a body goes through. Functions take the rest of a text and return what is left
//! behind what they have read; none for what is no JSON.

mod again;
mod gaps;

use wide::u8x16;

pub(super) use self::again::Again;
use self::gaps::{Gaps, Place};
use super::error::Reason;

/// Open containers, objects and arrays together, that a body may have.
pub(super) const DEPTH_MAX: usize = 128;

/// The rest from the first byte that is no whitespace.
#[inline]
pub(super) fn past_space(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\n' | b'\t' | b'\r', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

/// Which containers are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: usize,
    /// The innermost one is the lowest bit; 1 is an object.
    kinds: u128,
}

impl Nesting {
    fn enter(&mut self, object: bool) {
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(object);
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.kinds >>= 1;
    }

    fn in_object(self) -> bool {
        self.kinds & 1 == 1
    }
}

/// Skips the value that `rest` begins with, whatever it holds.
///
/// - `outer`: how many containers are open around it, at most [`DEPTH_MAX`].
/// - Errors: what comes first in the text, a syntax error or a container too many.
#[inline]
pub(super) fn value(rest: &[u8], outer: usize) -> Result<&[u8], Reason> {
    match rest {
        [b'"', tail @ ..] => string(tail).ok_or(Reason::Malformed),
        [b'{' | b'[', ..] => container(rest, DEPTH_MAX - outer, &mut Gaps::default()),
        _ => number_or_word(rest).ok_or(Reason::Malformed),
    }
}

/// Skips a container and all in it.
///
/// - `room`: how many containers may be open, this one included.
///
/// Depth is a counter and kinds are a bit each, so no input makes it recurse.
fn container<'a>(mut rest: &'a [u8], room: usize, gaps: &mut Gaps<'a>) -> Result<&'a [u8], Reason> {
    let mut open = Nesting::default();
    'value: loop {
        rest = match rest {
            [b'"', tail @ ..] => {
                gaps.end(rest, open);
                string(tail).ok_or(Reason::Malformed)?
            }
            [b'{' | b'[', ..] if open.depth == room => return Err(Reason::Depth),
            [b'{', tail @ ..] => match past_space(tail) {
                [b'}', tail @ ..] => tail,
                tail => {
                    open.enter(true);
                    rest = name(tail).ok_or(Reason::Malformed)?;
                    continue;
                }
            },
            [b'[', tail @ ..] => match past_space(tail) {
                [b']', tail @ ..] => tail,
                tail => {
                    open.enter(false);
                    rest = tail;
                    continue;
                }
            },
            _ => {
                gaps.end(rest, open);
                number_or_word(rest).ok_or(Reason::Malformed)?
            }
        };
        if open.depth == 0 {
            return Ok(rest);
        }
        rest = match gaps.follow(rest, &mut open).ok_or(Reason::Malformed)? {
            Place::Value(next) => {
                rest = next;
                continue;
            }
            Place::Gap(next) => next,
        };
        while open.depth > 0 {
            rest = match past_space(rest) {
                [b',', tail @ ..] => {
                    rest = past_space(tail);
                    if open.in_object() {
                        rest = name(rest).ok_or(Reason::Malformed)?;
                    }
                    continue 'value;
                }
                [b'}', tail @ ..] if open.in_object() => tail,
                [b']', tail @ ..] if !open.in_object() => tail,
                _ => return Err(Reason::Malformed),
            };
            open.leave();
        }
        return Ok(rest);
    }
}

/// Skips a name, its colon and the space around that.
#[inline]
fn name(rest: &[u8]) -> Option<&[u8]> {
    let [b'"', rest @ ..] = rest else { return None };
    colon(string(rest)?)
}

/// Skips a colon and the space around it.
#[inline]
pub(super) fn colon(rest: &[u8]) -> Option<&[u8]> {
    match past_space(rest) {
        [b':', tail @ ..] => Some(past_space(tail)),
        _ => None,
    }
}

/// Skips the rest of a string whose first quote has been read.
#[inline]
pub(super) fn string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let special = match rest.split_first_chunk() {
            Some((chunk, tail)) => match special_in(chunk) {
                Some(at) => at,
                None => {
                    rest = tail;
                    continue;
                }
            },
            None => rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?,
        };
        rest = match rest.get(special..)? {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', tail @ ..] => tail,
            [b'\\', b'u', a, b, c, d, tail @ ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => tail,
            _ => return None,
        };
    }
}

#[inline]
fn number_or_word(rest: &[u8]) -> Option<&[u8]> {
    short_number(rest).or_else(|| match rest {
        [b't', b'r', b'u', b'e', tail @ ..] | [b'n', b'u', b'l', b'l', tail @ ..] => Some(tail),
        [b'f', b'a', b'l', b's', b'e', tail @ ..] => Some(tail),
        _ => number(rest),
    })
}

/// Skips a number without sign and exponent, as nearly all are: one look finds its digits.
///
/// None for all others, and for what is none.
#[inline]
fn short_number(rest: &[u8]) -> Option<&[u8]> {
    const LAST: usize = CHUNK_BYTES - 1;
    let chunk: &[u8; CHUNK_BYTES] = rest.first_chunk()?;
    let digits = digits_in(chunk);
    let whole = digits.trailing_ones() as usize;
    let mut end = whole;
    if chunk[end & LAST] == b'.' {
        let places = (digits >> (whole + 1)).trailing_ones() as usize;
        end = if places == 0 { CHUNK_BYTES } else { whole + 1 + places };
    }
    let has_no_zero_before = chunk[0] != b'0' || whole == 1;
    let is_over = end < CHUNK_BYTES && !matches!(chunk[end & LAST], b'.' | b'e' | b'E');
    (whole > 0 && is_over && has_no_zero_before).then(|| &rest[end..])
}

fn number(rest: &[u8]) -> Option<&[u8]> {
    let mut rest = match rest.strip_prefix(b"-").unwrap_or(rest) {
        [b'0', tail @ ..] => tail,
        unsigned => digits(unsigned)?,
    };
    if let [b'.', tail @ ..] = rest {
        rest = digits(tail)?;
    }
    match rest {
        [b'e' | b'E', b'+' | b'-', tail @ ..] | [b'e' | b'E', tail @ ..] => digits(tail),
        _ => Some(rest),
    }
}

/// Skips at least one digit.
fn digits(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(end..).filter(|_| end > 0)
}

const CHUNK_BYTES: usize = 16;

/// The first quote, backslash or control character.
#[inline]
fn special_in(chunk: &[u8; CHUNK_BYTES]) -> Option<usize> {
    let bytes = u8x16::new(*chunk);
    let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
    let found = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | control;
    let places = found.to_bitmask();
    (places != 0).then_some(places.trailing_zeros() as usize)
}

/// A bit for each byte that is a digit; the first byte is the lowest bit.
#[inline]
fn digits_in(chunk: &[u8; CHUNK_BYTES]) -> u32 {
    let values = u8x16::new(*chunk) - u8x16::splat(b'0');
    values.min(u8x16::splat(9)).simd_eq(values).to_bitmask()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_special_byte_of_a_chunk_is_found(chunk in prop::array::uniform16(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>(), 0x1e_u8..0x24, 0x40_u8..0x7f])) {
            let expected = chunk.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(special_in(&chunk), expected);
        }

        #[test]
        fn what_is_skipped_as_a_short_number_is_one(text in "-?[0-9]{0,9}[.]?[0-9]{0,9}[eE+-]?[0-9]{0,2}[,} \\]x.]{1,2}.{0,16}") {
            if let Some(tail) = short_number(text.as_bytes()) {
                prop_assert_eq!(number(text.as_bytes()), Some(tail));
            }
        }
    }
}
