//! The Huffman code of texts (RFC 7541 section 5.2, appendix B).
//!
//! The code is canonical: among codes of one length the smaller byte has the smaller code, and a longer
//! code begins where the shorter ones end. The length of each byte's code says all there is to know.

use super::Error;

/// Bits of each byte's code.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, //
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, //
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, // ' ' to '/'
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, // '0' to '?'
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, // '@' to 'O'
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, // 'P' to '_'
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, // '`' to 'o'
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, // 'p' to delete
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, //
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, //
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, //
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, //
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, //
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, //
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, //
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, //
];

const LONGEST: usize = 30;
/// Codes up to this length are found in one step: all that is common in fields.
const QUICK_BITS: usize = 9;

struct Code {
    /// Byte and length by the next [`QUICK_BITS`]; length 0 for longer codes.
    quick: [(u8, u8); 1 << QUICK_BITS],
    /// All bytes in the order of their codes.
    bytes: [u8; 256],
    /// By length: the first code.
    first: [u32; LONGEST + 1],
    /// By length: where its bytes begin.
    at: [usize; LONGEST + 1],
    /// By length: what the next 32 bits are less than, if the code is not longer.
    below: [u32; LONGEST + 1],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut code = Code {
        quick: [(0, 0); 1 << QUICK_BITS],
        bytes: [0; 256],
        first: [0; LONGEST + 1],
        at: [0; LONGEST + 1],
        below: [0; LONGEST + 1],
    };
    let (mut next, mut placed, mut length) = (0u32, 0, 1);
    while length <= LONGEST {
        next <<= 1;
        code.first[length] = next;
        code.at[length] = placed;
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                code.bytes[placed] = byte as u8;
                placed += 1;
                if length <= QUICK_BITS {
                    let from = (next as usize) << (QUICK_BITS - length);
                    let mut at = from;
                    while at < from + (1 << (QUICK_BITS - length)) {
                        code.quick[at] = (byte as u8, length as u8);
                        at += 1;
                    }
                }
                next += 1;
            }
            byte += 1;
        }
        code.below[length] = next << (32 - length);
        length += 1;
    }
    code
}

/// Appends what `bytes` stand for.
pub fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    out.reserve(bytes.len() * 8 / 5);
    let mut rest = bytes.iter();
    // The next bits, left-aligned, and how many they are.
    let (mut bits, mut held) = (0u64, 0usize);
    loop {
        while held <= 56
            && let Some(byte) = rest.next()
        {
            bits |= u64::from(*byte) << (56 - held);
            held += 8;
        }
        let (byte, length) = match CODE.quick[(bits >> (64 - QUICK_BITS)) as usize] {
            (_, 0) => match long((bits >> 32) as u32) {
                Some(found) => found,
                None => break,
            },
            (byte, length) => (byte, usize::from(length)),
        };
        if length > held {
            break;
        }
        out.push(byte);
        bits <<= length;
        held -= length;
    }
    // What is left is padding: fewer than eight ones, as at the start of the code nobody may send.
    let padding = held < 8 && bits == !(u64::MAX.checked_shr(held as u32).unwrap_or(0));
    if padding { Ok(()) } else { Err(Error::Huffman) }
}

/// The byte at the front of 32 bits and the length of its code; none for the code that ends a text.
fn long(bits: u32) -> Option<(u8, usize)> {
    let length = (QUICK_BITS + 1..=LONGEST).find(|length| bits < CODE.below[*length])?;
    let code = bits >> (32 - length);
    Some((CODE.bytes[CODE.at[length] + (code - CODE.first[length]) as usize], length))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `text` in the code.
    pub(crate) fn encoded(text: &[u8]) -> Vec<u8> {
        let (mut out, mut bits, mut held) = (Vec::new(), 0u64, 0usize);
        for byte in text {
            let length = usize::from(LENGTHS[usize::from(*byte)]);
            let before = CODE.bytes[CODE.at[length]..].iter().position(|other| other == byte).expect("a code");
            bits = bits << length | (u64::from(CODE.first[length]) + before as u64);
            held += length;
            while held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
            }
        }
        if held > 0 {
            out.push((bits << (8 - held)) as u8 | 0xff >> held);
        }
        out
    }

    fn decoded(bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 7541 appendix C.4 and C.6.
        for (text, code) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("private", "aec3771a4b"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
            ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        ] {
            let bytes: Vec<u8> =
                (0..code.len()).step_by(2).map(|at| u8::from_str_radix(&code[at..at + 2], 16).expect("hex")).collect();
            assert_eq!(decoded(&bytes), Ok(text.as_bytes().to_vec()), "{text}");
            assert_eq!(encoded(text.as_bytes()), bytes, "{text}");
        }
    }

    #[test]
    fn padding_is_fewer_than_eight_ones() {
        assert_eq!(decoded(b""), Ok(Vec::new()));
        // '0' is five zeros.
        assert_eq!(decoded(&[0b0000_0111]), Ok(b"0".to_vec()));
        for bad in [&[0b0000_0110][..], &[0b0000_0111, 0xff], &[0xff], &[0xff; 4], &[0xff, 0xff, 0xff, 0xfc, 0x07]] {
            assert_eq!(decoded(bad), Err(Error::Huffman), "{bad:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decoded(&encoded(&text)), Ok(text));
        }

        #[test]
        fn what_is_decoded_has_one_code(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(text) = decoded(&bytes) {
                prop_assert_eq!(encoded(&text), bytes);
            }
        }
    }
}
