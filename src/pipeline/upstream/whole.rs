//! A body that is read whole.

use bytes::Bytes;

/// Pieces put together; a body that arrives in one piece is not copied.
#[derive(Debug, Default)]
pub(super) struct Whole {
    first: Bytes,
    /// Everything, once there is a second piece.
    joined: Vec<u8>,
    expected: usize,
}

/// Room made at once for a body that announces its length. Larger ones have to arrive before they get theirs.
const ROOM_BYTES_MAX: usize = 1 << 20;

impl Whole {
    /// - `expected`: bytes that the body announces; 0: it does not say.
    pub(super) fn new(expected: u64) -> Self {
        let expected = usize::try_from(expected).map_or(ROOM_BYTES_MAX, |expected| expected.min(ROOM_BYTES_MAX));
        Self { expected, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if self.joined.is_empty() && self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(self.expected.max(self.first.len() + piece.len()));
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&piece);
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.into() }
    }
}
