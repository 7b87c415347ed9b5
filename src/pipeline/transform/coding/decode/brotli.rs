//! `br` (RFC 7932).

use std::fmt;

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use bytes::Buf as _;

use super::{DecodeError, Input, Step};

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// Decodes one stream. Its window is at most 16 MiB, and is touched only as far as it is written.
pub(super) struct Brotli {
    state: Box<State>,
    total: usize,
    done: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        // Without the large windows that are no part of the RFC.
        let state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
        Self { state, total: 0, done: false }
    }

    pub(super) fn step(&mut self, input: &mut Input, out: &mut [u8]) -> Result<Step, DecodeError> {
        if self.done {
            return Ok(Step::End);
        }
        let (mut left, mut read) = (input.data.len(), 0);
        let (mut room, mut wrote) = (out.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            &input.data,
            &mut room,
            &mut wrote,
            out,
            &mut self.total,
            &mut self.state,
        );
        input.data.advance(read);
        match result {
            BrotliResult::ResultFailure => return Err(DecodeError::Broken),
            BrotliResult::ResultSuccess => self.done = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        match (wrote, result) {
            (0, BrotliResult::ResultSuccess) => Ok(Step::End),
            (0, BrotliResult::NeedsMoreInput) if input.data.is_empty() => input.starved(),
            (0, _) => Err(DecodeError::Broken),
            (wrote, _) => Ok(Step::Wrote(wrote)),
        }
    }
}

impl fmt::Debug for Brotli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brotli").field("total", &self.total).finish_non_exhaustive()
    }
}
