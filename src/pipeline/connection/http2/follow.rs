//! Where frames begin in a stream of bytes that comes in pieces.

use super::{
    frame::{FrameHead, HEAD_BYTES, kind},
    watch::Breach,
};

/// Finds the frame heads in a stream of bytes.
#[derive(Debug, Default)]
pub struct Follow {
    /// Bytes of preface or payload that are still to come.
    skip: usize,
    head: [u8; HEAD_BYTES],
    held: usize,
    /// Kind of the last frame.
    kind: u8,
}

impl Follow {
    /// The first `skip` bytes belong to no frame.
    pub fn skipping(skip: usize) -> Self {
        Self { skip, ..Self::default() }
    }

    /// Whether the last frame is complete.
    pub fn is_between_frames(&self) -> bool {
        self.skip == 0 && self.held == 0
    }

    /// Whether a frame other than DATA has begun and not ended. DATA may take its time, within the body's own.
    pub fn is_in_short_frame(&self) -> bool {
        self.held > 0 || (self.skip > 0 && self.kind != kind::DATA)
    }

    /// Shows every head that is complete; stops at the first that is not to `look`'s liking.
    pub fn heads(
        &mut self,
        mut bytes: &[u8],
        mut look: impl FnMut(&FrameHead) -> Result<(), Breach>,
    ) -> Result<(), Breach> {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD_BYTES - self.held).min(bytes.len());
            self.head[self.held..self.held + taken].copy_from_slice(&bytes[..taken]);
            self.held += taken;
            bytes = &bytes[taken..];
            if self.held < HEAD_BYTES {
                return Ok(());
            }
            let head = FrameHead::read(&self.head);
            look(&head)?;
            (self.held, self.skip, self.kind) = (0, head.length, head.kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_wherever_the_bytes_are_cut() {
        let ping = FrameHead { length: 8, kind: kind::PING, flags: 0, stream: 0 };
        let data = FrameHead { length: 3, kind: kind::DATA, flags: 1, stream: 1 };
        let wire = [b"preface".as_slice(), &ping.bytes(), &[0; 8], &data.bytes(), b"abc"].concat();
        for size in 1..=wire.len() {
            let (mut follow, mut seen) = (Follow::skipping(7), Vec::new());
            for piece in wire.chunks(size) {
                let all = follow.heads(piece, |head| {
                    seen.push(*head);
                    Ok(())
                });
                assert_eq!(all, Ok(()));
            }
            assert_eq!(seen, [ping, data], "in pieces of {size}");
            assert!(follow.is_between_frames());
        }
    }

    #[test]
    fn a_frame_that_has_not_ended_is_known_by_its_kind() {
        let half = |kind| {
            let mut follow = Follow::default();
            let head = FrameHead { length: 9, kind, flags: 0, stream: 1 };
            assert_eq!(follow.heads(&head.bytes(), |_| Ok(())), Ok(()));
            (follow.is_between_frames(), follow.is_in_short_frame())
        };
        assert_eq!(half(kind::HEADERS), (false, true));
        assert_eq!(half(kind::DATA), (false, false));
    }
}
