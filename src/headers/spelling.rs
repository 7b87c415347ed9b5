//! Field names from bytes, each spelling made once.
//!
//! A server answers with the same few names in the same spelling all day. Finding one again costs a
//! comparison; making it folds case, looks through all standard names and allocates for the others.

use std::cell::RefCell;

use http::{HeaderName, header::InvalidHeaderName};

/// Sets of spellings one thread remembers, two in each.
const SETS: usize = 128;
/// Longer spellings are not remembered.
const SPELLING_BYTES_MAX: usize = 48;

#[derive(Clone, Debug)]
struct Known {
    spelling: Box<[u8]>,
    name: HeaderName,
}

thread_local! {
    static KNOWN: RefCell<Vec<[Option<Known>; 2]>> = RefCell::new(vec![[const { None }; 2]; SETS]);
}

/// The name that `spelling` stands for, in any case.
///
/// Errors where no field can have that name (RFC 9110 section 5.1).
pub fn name(spelling: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    KNOWN.with_borrow_mut(|sets| {
        let set = &mut sets[set(spelling)];
        for known in set.iter().flatten() {
            if *known.spelling == *spelling {
                return Ok(known.name.clone());
            }
        }
        let name = HeaderName::from_bytes(spelling)?;
        if spelling.len() <= SPELLING_BYTES_MAX {
            let [first, second] = set;
            *second = first.replace(Known { spelling: spelling.into(), name: name.clone() });
        }
        Ok(name)
    })
}

/// Where a spelling is looked for: a multiplication mixes its first and last letters.
fn set(spelling: &[u8]) -> usize {
    let letters = match (spelling.first_chunk::<8>(), spelling.last_chunk::<8>()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => spelling.iter().fold(0, |word, letter| word << 8 | u64::from(*letter)),
    };
    let mixed = letters.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    usize::try_from(mixed).unwrap_or_default() % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_however_often_and_however_spelled() {
        for _ in 0..3 {
            for spelling in ["X-Custom", "x-custom", "X-CUSTOM"] {
                assert_eq!(name(spelling.as_bytes()).expect("a name"), "x-custom");
            }
            assert_eq!(name(b"Content-Length").expect("a name"), http::header::CONTENT_LENGTH);
            let long = "x".repeat(SPELLING_BYTES_MAX + 1);
            assert_eq!(name(long.as_bytes()).expect("a name").as_str(), long);
            for bad in [&b""[..], b"a b", b"a:", b"\xc3", b" x-custom"] {
                assert!(name(bad).is_err(), "{}", bad.escape_ascii());
            }
        }
    }

    #[test]
    fn more_names_than_there_is_room_for_are_still_told_apart() {
        let names: Vec<String> = (0..10 * SETS).map(|at| format!("x-{at}-field")).collect();
        for spelling in names.iter().chain(&names) {
            assert_eq!(name(spelling.as_bytes()).expect("a name").as_str(), spelling);
        }
    }
}
