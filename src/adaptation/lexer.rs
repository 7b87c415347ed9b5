//! Where JSON values end (RFC 8259): validated and skipped, without opening anything.
//!
//! Functions over a text and a place in it, no state: what most of a body goes through. Every
//! function that returns a place stands behind what it has read.

use wide::u8x16;

use super::error::Reason;

/// Open containers, objects and arrays together, that a body may have.
pub(super) const DEPTH_MAX: usize = 128;

type Place = Result<usize, Reason>;

/// The first place at or behind `at` that is no whitespace; the end of the text if there is none.
#[inline]
pub(super) fn past_space(text: &[u8], at: usize) -> usize {
    // Most values have none or one space around them.
    if text.get(at).is_none_or(|byte| *byte > b' ') {
        return at;
    }
    let mut at = at;
    while text.get(at).is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// Skips the value that begins at `at`, whatever it holds.
///
/// - `outer`: how many containers are open around it, at most [`DEPTH_MAX`].
/// - Errors: what comes first in the text, a syntax error or a container too many.
///
/// Depth is a counter and kinds are a bit each, so no input makes it recurse.
pub(super) fn value(text: &[u8], mut at: usize, outer: usize) -> Place {
    let room = DEPTH_MAX - outer;
    let (mut depth, mut kinds) = (0, 0_u128);
    'value: loop {
        match text.get(at) {
            Some(b'"') => at = string(text, at + 1)?,
            Some(b'-' | b'0'..=b'9') => at = number(text, at)?,
            Some(b'{') => {
                if depth == room {
                    return Err(Reason::Depth);
                }
                at = past_space(text, at + 1);
                if text.get(at) != Some(&b'}') {
                    (depth, kinds) = (depth + 1, kinds << 1 | 1);
                    at = name(text, at)?;
                    continue;
                }
                at += 1;
            }
            Some(b'[') => {
                if depth == room {
                    return Err(Reason::Depth);
                }
                at = past_space(text, at + 1);
                if text.get(at) != Some(&b']') {
                    (depth, kinds) = (depth + 1, kinds << 1);
                    continue;
                }
                at += 1;
            }
            _ => at = word(text, at)?,
        }
        while depth > 0 {
            at = past_space(text, at);
            let in_object = kinds & 1 == 1;
            match text.get(at) {
                Some(b',') => {
                    at = past_space(text, at + 1);
                    if in_object {
                        at = name(text, at)?;
                    }
                    continue 'value;
                }
                Some(b'}') if in_object => {}
                Some(b']') if !in_object => {}
                _ => return Err(Reason::Malformed),
            }
            (at, depth, kinds) = (at + 1, depth - 1, kinds >> 1);
        }
        return Ok(at);
    }
}

/// Skips a name, its colon and the space around that.
#[inline]
fn name(text: &[u8], at: usize) -> Place {
    if text.get(at) != Some(&b'"') {
        return Err(Reason::Malformed);
    }
    colon(text, string(text, at + 1)?)
}

/// Skips a colon and the space around it.
#[inline]
pub(super) fn colon(text: &[u8], at: usize) -> Place {
    let at = past_space(text, at);
    if text.get(at) == Some(&b':') { Ok(past_space(text, at + 1)) } else { Err(Reason::Malformed) }
}

/// Skips the rest of a string whose first quote has been read.
#[inline]
pub(super) fn string(text: &[u8], at: usize) -> Place {
    let mut at = plain_until(text, at);
    while text.get(at) != Some(&b'"') {
        at = plain_until(text, escape(text, at)?);
    }
    Ok(at + 1)
}

fn escape(text: &[u8], at: usize) -> Place {
    match text.get(at..) {
        Some([b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..]) => Ok(at + 2),
        Some([b'\\', b'u', digits @ ..]) if digits.iter().take(4).filter(|d| d.is_ascii_hexdigit()).count() == 4 => {
            Ok(at + 6)
        }
        _ => Err(Reason::Malformed),
    }
}

fn word(text: &[u8], at: usize) -> Place {
    match text.get(at..) {
        Some([b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..]) => Ok(at + 4),
        Some([b'f', b'a', b'l', b's', b'e', ..]) => Ok(at + 5),
        _ => Err(Reason::Malformed),
    }
}

/// Skips a number.
#[inline]
fn number(text: &[u8], at: usize) -> Place {
    // Nearly all numbers are short and have neither sign nor exponent: one look finds their digits.
    if let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let digits = digits_in(chunk);
        let whole = digits.trailing_ones() as usize;
        let canonical = whole == 1 || chunk[0] != b'0';
        if whole > 0 && whole < CHUNK_BYTES && canonical {
            let end = match chunk[whole] {
                b'.' => whole + 1 + (digits >> (whole + 1)).trailing_ones() as usize,
                _ => whole,
            };
            if end < CHUNK_BYTES && end != whole + 1 && !matches!(chunk[end], b'.' | b'e' | b'E') {
                return Ok(at + end);
            }
        }
    }
    any_number(text, at)
}

fn any_number(text: &[u8], at: usize) -> Place {
    let mut at = at + usize::from(text.get(at) == Some(&b'-'));
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at = digits(text, at)?;
    }
    Ok(at)
}

/// A bit for each byte that is a digit; the first byte is the lowest bit.
#[inline]
fn digits_in(chunk: &[u8; CHUNK_BYTES]) -> u32 {
    let values = u8x16::new(*chunk) - u8x16::splat(b'0');
    values.min(u8x16::splat(9)).simd_eq(values).to_bitmask()
}

/// Skips at least one digit.
#[inline]
fn digits(text: &[u8], at: usize) -> Place {
    let mut end = at;
    while text.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    if end == at { Err(Reason::Malformed) } else { Ok(end) }
}

/// The first quote, backslash or control character at or behind `at`, or the end of the text.
#[inline]
fn plain_until(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        if let Some(found) = special_in(chunk) {
            return at + found;
        }
        at += CHUNK_BYTES;
    }
    while text.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

const CHUNK_BYTES: usize = 16;

/// Compares sixteen bytes at once.
#[inline]
fn special_in(chunk: &[u8; CHUNK_BYTES]) -> Option<usize> {
    let bytes = u8x16::new(*chunk);
    let control = bytes.min(u8x16::splat(0x1F)).simd_eq(bytes);
    let found = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\')) | control;
    let places = found.to_bitmask();
    (places != 0).then_some(places.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_chunk_at_a_time_search_finds_the_first(text in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), any::<u8>(), 0x1e_u8..0x24], 0..70)) {
            let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(text.len());
            prop_assert_eq!(plain_until(&text, 0), expected);
        }
    }
}
