//! A body that is read whole.

use bytes::Bytes;

/// Pieces put together; a body that arrives in one piece is not copied.
#[derive(Debug, Default)]
pub(super) struct Whole {
    first: Bytes,
    /// Everything, once there is a second piece.
    joined: Vec<u8>,
}

impl Whole {
    pub(super) fn len(&self) -> usize {
        self.first.len().max(self.joined.len())
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if self.joined.is_empty() && self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&piece);
    }

    pub(super) fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.into() }
    }
}
