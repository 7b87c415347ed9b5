//! What stands between scalars, remembered.
//!
//! Elements of an array mostly have the same members: between their scalars the same text comes
//! again and again, `}, {"id": ` or `, "name": `. What has been read once need not be read a second
//! time: the same text with the same containers open leaves the same containers open. So each gap
//! remembers where it led and which gap came behind it, and costs one comparison from then on.

use super::{CHUNK_BYTES, Nesting};

/// Scalars of a value before it is worth remembering anything.
const SCALARS_MIN: usize = 24;

/// Gaps remembered: more than most elements have members.
const GAPS_MAX: usize = 48;

/// Gaps that were not foreseen, more than those that were, before it is given up.
const MISSES_MAX: usize = 256;

/// The gaps of one value.
#[derive(Default)]
pub(super) struct Gaps<'a> {
    known: Vec<Gap<'a>>,
    /// The last one passed.
    last: usize,
    scalars: usize,
    misses: usize,
    hits: usize,
    /// Where a gap began that was not foreseen.
    begun: Option<(&'a [u8], Nesting)>,
}

/// A text between two scalars.
struct Gap<'a> {
    text: &'a [u8],
    /// The first bytes of the text, and a mask for those that are part of it.
    head: u128,
    mask: u128,
    before: Nesting,
    after: Nesting,
    /// Which gap came behind it the last time.
    next: usize,
}

impl<'a> Gaps<'a> {
    /// Skips the gap that `rest` begins with, if it is the one that came the last time.
    #[inline]
    pub(super) fn skip(&mut self, rest: &'a [u8], open: &mut Nesting) -> Option<&'a [u8]> {
        let Some(last) = self.known.get(self.last) else {
            self.scalars += 1;
            if self.scalars > SCALARS_MIN && self.misses < self.hits + MISSES_MAX {
                self.begun = Some((rest, *open));
            }
            return None;
        };
        let gap = self.known.get(last.next);
        match gap.and_then(|gap| gap.skip(rest, *open)) {
            Some(tail) => {
                self.last = last.next;
                self.hits += 1;
                *open = gap?.after;
                Some(tail)
            }
            None => {
                self.begun = Some((rest, *open));
                None
            }
        }
    }

    /// Notes that a scalar begins: a gap that was not foreseen has ended.
    #[inline]
    pub(super) fn end(&mut self, rest: &'a [u8], open: Nesting) {
        if let Some((begun, before)) = self.begun.take() {
            self.note(begun, before, rest, open);
        }
    }

    fn note(&mut self, begun: &'a [u8], before: Nesting, rest: &'a [u8], after: Nesting) {
        self.misses += 1;
        if self.misses >= self.hits + MISSES_MAX {
            self.known.clear();
            return;
        }
        let Some(text) = begun.get(..begun.len() - rest.len()) else { return };
        let known = self.known.iter().position(|gap| gap.before == before && gap.text == text);
        let index = known.unwrap_or(self.known.len());
        if known.is_none() {
            let Some(gap) = Gap::new(begun, text, before, after).filter(|_| index < GAPS_MAX) else { return };
            self.known.push(gap);
        }
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = index;
        }
        self.last = index;
    }
}

impl<'a> Gap<'a> {
    /// None so near to the end of the body that there is no whole chunk to compare.
    fn new(begun: &'a [u8], text: &'a [u8], before: Nesting, after: Nesting) -> Option<Self> {
        let head = u128::from_le_bytes(*begun.first_chunk()?);
        let beyond = CHUNK_BYTES.saturating_sub(text.len());
        let mask = u128::MAX.checked_shr(8 * u32::try_from(beyond).ok()?)?;
        Some(Self { text, head: head & mask, mask, before, after, next: 0 })
    }

    #[inline]
    fn skip<'b>(&self, rest: &'b [u8], open: Nesting) -> Option<&'b [u8]> {
        let head = u128::from_le_bytes(*rest.first_chunk()?);
        let is_same = head & self.mask == self.head
            && self.before == open
            && (self.text.len() <= CHUNK_BYTES || rest.starts_with(self.text));
        rest.get(self.text.len()..).filter(|_| is_same)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::adaptation::{error::Reason, lexer::value};

    /// The verdict without anything remembered: each element is read as a value of its own.
    fn elements_alone(elements: &[String]) -> Result<(), Reason> {
        elements.iter().try_for_each(|element| match value(element.as_bytes(), 1)? {
            [] => Ok(()),
            _ => Err(Reason::Malformed),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_remembered_changes_no_verdict(shapes in prop::collection::vec("(\\{\"a\": ?[0-9]{1,3}, \"bcd\": \"[a-z]{0,20}\", \"list\": \\[(1, ?\"x\", \\{\\})?(true)?\\](, \"e\": \\{\"f\":null\\})?\\})|\\[1, ?[\\]},]?|\"x\"|\\{\"a\": 1\\]|7", 1..5), picks in prop::collection::vec(any::<prop::sample::Index>(), 20..120)) {
            let elements: Vec<String> = picks.iter().map(|pick| pick.get(&shapes).clone()).collect();
            let list = format!("[{}]   ................", elements.join(", "));
            let whole = value(list.as_bytes(), 0);
            // A shape that is no JSON alone may be some together with its neighbours, but not the other way round.
            if elements_alone(&elements).is_ok() {
                prop_assert_eq!(whole.map(<[u8]>::len), Ok(19));
            } else if elements.iter().all(|element| !element.starts_with("[1")) {
                prop_assert!(whole.is_err());
            }
        }
    }
}
