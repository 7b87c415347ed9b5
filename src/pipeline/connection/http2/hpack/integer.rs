//! Numbers (RFC 7541 section 5.1).

use super::Error;

/// No length, index or table size the gateway knows is larger.
const MOST: usize = 1 << 28;

/// Takes a number off the front of `rest`; it begins in the low `bits` of the first byte.
pub fn read(rest: &mut &[u8], bits: u32) -> Result<usize, Error> {
    let full = (1usize << bits) - 1;
    let first = usize::from(byte(rest)?) & full;
    if first < full {
        return Ok(first);
    }
    let (mut number, mut shift) = (full, 0);
    loop {
        let next = byte(rest)?;
        number += usize::from(next & 0x7f) << shift;
        // The shift ends before the sum can overflow, also where zeros follow zeros.
        if number > MOST || shift > 21 && next & 0x80 != 0 {
            return Err(Error::Number);
        }
        if next & 0x80 == 0 {
            return Ok(number);
        }
        shift += 7;
    }
}

/// Appends `number`, with `pattern` in the high bits of its first byte.
pub fn write(out: &mut Vec<u8>, pattern: u8, bits: u32, number: usize) {
    let full = (1usize << bits) - 1;
    if number < full {
        out.push(pattern | number as u8);
        return;
    }
    out.push(pattern | full as u8);
    let mut rest = number - full;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn byte(rest: &mut &[u8]) -> Result<u8, Error> {
    let (first, others) = rest.split_first().ok_or(Error::Short)?;
    *rest = others;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_as_it_was_written_in_every_prefix() {
        for bits in 1..=8 {
            for number in [0, 1, 2, 14, 15, 30, 31, 62, 127, 128, 254, 255, 256, 1337, 16_511, 1 << 21, MOST] {
                let mut bytes = Vec::new();
                write(&mut bytes, 0, bits, number);
                bytes.push(0xaa);
                let mut rest = &bytes[..];
                assert_eq!(read(&mut rest, bits), Ok(number), "{number} in {bits} bits");
                assert_eq!(rest, [0xaa]);
            }
        }
    }

    #[test]
    fn numbers_are_written_as_the_rfc_shows_them() {
        for (bits, number, bytes) in [(5, 10, &[0x0a][..]), (5, 1337, &[0x1f, 0x9a, 0x0a]), (8, 42, &[0x2a])] {
            let mut out = Vec::new();
            write(&mut out, 0, bits, number);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn numbers_that_do_not_end_or_mean_too_much_are_refused() {
        for (bytes, error) in [
            (&[][..], Error::Short),
            (&[0x1f], Error::Short),
            (&[0x1f, 0x80], Error::Short),
            (&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x0f], Error::Number),
            (&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Error::Number),
            (&[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Error::Number),
        ] {
            assert_eq!(read(&mut &bytes[..], 5), Err(error), "{bytes:x?}");
        }
    }
}
