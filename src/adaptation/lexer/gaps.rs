//! What stands between scalars, remembered.
//!
//! Elements of an array mostly have the same members: between their scalars the same text comes
//! again and again, `}, {"id": ` or `, "name": `. What has been read once need not be read a second
//! time: the same text with the same containers open leaves the same containers open. So each gap
//! remembers where it led and which gap came behind it, and costs one comparison from then on.

use super::{Again, Nesting, number_or_word, string};

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

/// Where a reader has come to.
pub(super) enum Place<'a> {
    /// Before a value.
    Value(&'a [u8]),
    /// Behind a value, before a gap that was not foreseen.
    Gap(&'a [u8]),
}

/// A text between two scalars.
struct Gap<'a> {
    text: Again<'a>,
    before: Nesting,
    after: Nesting,
    /// Which gap came behind it the last time, with the same containers open; beyond all of them: none yet.
    next: usize,
}

impl<'a> Gaps<'a> {
    /// Goes on from behind a value in a container: over gaps that are those of the last time, and the scalars
    /// behind them.
    ///
    /// None for a scalar that is none.
    #[inline]
    pub(super) fn follow(&mut self, mut rest: &'a [u8], open: &mut Nesting) -> Option<Place<'a>> {
        let Some(mut last) = self.known.get(self.last).filter(|last| last.after == *open) else {
            if self.known.is_empty() {
                self.scalars += 1;
            }
            if self.scalars > SCALARS_MIN && self.misses < self.hits + MISSES_MAX {
                self.begun = Some((rest, *open));
            }
            return Some(Place::Gap(rest));
        };
        // A gap and the one behind it have the same containers open between them: see `note`.
        while let Some(next) = self.known.get(last.next)
            && let Some(tail) = next.text.skip(rest)
        {
            self.hits += 1;
            self.last = last.next;
            last = next;
            rest = match tail {
                [b'"', tail @ ..] => string(tail)?,
                [b'{' | b'[', ..] => {
                    *open = last.after;
                    return Some(Place::Value(tail));
                }
                _ => number_or_word(tail)?,
            };
        }
        *open = last.after;
        self.begun = Some((rest, last.after));
        Some(Place::Gap(rest))
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
        let Some(text) = Again::new(begun, rest) else { return };
        let known = self.known.iter().position(|gap| gap.before == before && gap.text.text() == text.text());
        let index = known.unwrap_or(self.known.len());
        if known.is_none() {
            if index == GAPS_MAX {
                return;
            }
            self.known.push(Gap { text, before, after, next: usize::MAX });
        }
        if let Some(last) = self.known.get_mut(self.last)
            && last.after == before
        {
            last.next = index;
        }
        self.last = index;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::adaptation::{
        Reason,
        lexer::{DEPTH_MAX, container},
    };

    /// Remembers nothing.
    fn forgetful<'a>() -> Gaps<'a> {
        Gaps { misses: usize::MAX / 2, ..Gaps::default() }
    }

    #[test]
    fn elements_alike_are_foreseen_and_a_fault_behind_them_is_found() {
        let element = r#"{"id": 17, "name": "x", "list": [1, {}], "none": null}"#;
        let good = vec![element; 50].join(", ");
        for (end, expected) in [("]", Ok(0)), ("}", Err(Reason::Malformed)), (", ]", Err(Reason::Malformed))] {
            let text = format!("[{good}{end}");
            assert_eq!(container(text.as_bytes(), DEPTH_MAX, &mut Gaps::default()).map(<[u8]>::len), expected);
        }
        let text = format!("[{good}]");
        let mut gaps = Gaps::default();
        assert!(container(text.as_bytes(), DEPTH_MAX, &mut gaps).is_ok());
        assert!(gaps.hits > 100, "{}", gaps.hits);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_remembered_changes_no_verdict(
            shapes in prop::collection::vec("[\\[\\]{}\",: 1a]{0,9}|\\{\"a\": ?[0-9]{1,3}, \"bcd\": \"[a-z]{0,20}\", \"list\": \\[(1, ?\"x\", \\{\\})?(true)?\\](, \"e\": \\{\"f\":null\\})?\\}", 1..5),
            picks in prop::collection::vec((any::<Index>(), 1..30_usize), 1..8),
        ) {
            let elements: Vec<&str> = picks.iter().flat_map(|(pick, times)| vec![pick.get(&shapes).as_str(); *times]).collect();
            let list = format!("[{}]   ................", elements.join(", "));
            let remembered = container(list.as_bytes(), DEPTH_MAX, &mut Gaps::default());
            prop_assert_eq!(remembered, container(list.as_bytes(), DEPTH_MAX, &mut forgetful()));
        }
    }
}
