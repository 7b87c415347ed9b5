//! `deflate`: the zlib format (RFC 1950), or the bare one (RFC 1951) that some senders mean by it.

use bytes::Buf as _;
use flate2::{Decompress, FlushDecompress, Status};

use super::{DecodeError, Input, Step};

/// Tells the two formats apart by the first bytes.
#[derive(Debug, Default)]
pub(super) struct Deflate {
    head: Vec<u8>,
    body: Option<Inflate>,
}

/// One deflated stream, with or without the wrapper of zlib.
#[derive(Debug)]
pub(super) struct Inflate {
    engine: Decompress,
    done: bool,
}

impl Deflate {
    pub(super) fn step(&mut self, input: &mut Input, out: &mut [u8]) -> Result<Step, DecodeError> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                if !input.fill(&mut self.head, 2) && !input.ended {
                    return Ok(Step::Starved);
                }
                let head = std::mem::take(&mut self.head);
                let zlib = is_zlib(&head);
                // Back in front of the rest.
                input.data = [&head[..], &input.data].concat().into();
                self.body.insert(Inflate::new(zlib))
            }
        };
        body.step(input, out)
    }
}

/// Method 8, a window of at most 32 KiB, no dictionary, and a check that adds up. A bare stream
/// could begin so only with a stored block whose padding is not zero, and nobody writes that.
fn is_zlib(head: &[u8]) -> bool {
    let &[method, flags, ..] = head else { return false };
    method & 0x0f == 8
        && method >> 4 <= 7
        && flags & 0x20 == 0
        && (u16::from(method) << 8 | u16::from(flags)).is_multiple_of(31)
}

impl Inflate {
    pub(super) fn new(zlib: bool) -> Self {
        Self { engine: Decompress::new(zlib), done: false }
    }

    pub(super) fn step(&mut self, input: &mut Input, out: &mut [u8]) -> Result<Step, DecodeError> {
        loop {
            if self.done {
                return Ok(Step::End);
            }
            let (read, wrote) = (self.engine.total_in(), self.engine.total_out());
            let status =
                self.engine.decompress(&input.data, out, FlushDecompress::None).map_err(|_| DecodeError::Broken)?;
            let read = usize::try_from(self.engine.total_in() - read).map_err(|_| DecodeError::Broken)?;
            let wrote = usize::try_from(self.engine.total_out() - wrote).map_err(|_| DecodeError::Broken)?;
            input.data.advance(read);
            self.done = status == Status::StreamEnd;
            if wrote > 0 {
                return Ok(Step::Wrote(wrote));
            }
            if !self.done && input.data.is_empty() {
                return input.starved();
            }
            if !self.done && read == 0 {
                return Err(DecodeError::Broken);
            }
        }
    }
}
