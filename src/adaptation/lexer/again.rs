//! A text that may come again.

use super::CHUNK_BYTES;

/// A text with what it takes to recognise it in one comparison, as most are short.
#[derive(Clone, Copy, Debug)]
pub(in crate::adaptation) struct Again<'a> {
    text: &'a [u8],
    head: u128,
    /// The bits of `head` that belong to the text.
    mask: u128,
}

impl<'a> Again<'a> {
    /// What has been read from `start` to `rest`; none so near to the end that there is no whole chunk to compare.
    pub(in crate::adaptation) fn new(start: &'a [u8], rest: &[u8]) -> Option<Self> {
        let text = start.get(..start.len() - rest.len())?;
        let beyond = CHUNK_BYTES.saturating_sub(text.len());
        let mask = u128::MAX.checked_shr(8 * u32::try_from(beyond).ok()?)?;
        let head = u128::from_le_bytes(*start.first_chunk()?) & mask;
        Some(Self { text, head, mask })
    }

    /// The text itself.
    pub(in crate::adaptation) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// What is left behind the text, if `rest` begins with it and something comes next that may begin a value.
    ///
    /// More whitespace, or the end of an array that had elements the last time, has to be read anew.
    #[inline]
    pub(in crate::adaptation) fn skip<'b>(&self, rest: &'b [u8]) -> Option<&'b [u8]> {
        let head = u128::from_le_bytes(*rest.first_chunk()?);
        let is_same = head & self.mask == self.head && (self.text.len() <= CHUNK_BYTES || rest.starts_with(self.text));
        let tail = if is_same { rest.get(self.text.len()..)? } else { return None };
        tail.first().is_some_and(|next| *next > b' ' && *next != b']').then_some(tail)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_recognised_where_it_comes_again_and_nowhere_else(text in "[ab]{1,40}", other in "[ab]{2}[ab \\]]{16,60}", same in any::<bool>()) {
            let padded = format!("{text}................");
            let again = Again::new(padded.as_bytes(), &padded.as_bytes()[text.len()..]).expect("long enough");
            let later = if same { format!("{text}{other}") } else { other };
            let tail = later.strip_prefix(&text).filter(|tail| tail.starts_with(['a', 'b']));
            prop_assert_eq!(again.skip(later.as_bytes()), tail.map(str::as_bytes));
        }
    }
}
