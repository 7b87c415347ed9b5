//! Reads a coded body whole, decoding it while it arrives.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use super::transform::coding::{Coding, DecodeError, Decoder, Step};

/// Why a coded body was not read whole.
#[derive(Debug)]
pub(super) enum UnpackError<E> {
    /// It did not arrive.
    Body(E),
    /// It cannot be decoded, or is larger than it may be.
    Decode(DecodeError),
}

/// Decoded at once.
const ROOM_BYTES: usize = 32 * 1024;
/// Decoded without letting others have a turn.
const TURN_BYTES: usize = 256 * 1024;

/// - `cap`: most bytes of the body as decoded. A bomb is not decoded any further.
/// - `source`: where the body comes from.
pub(super) async fn unpack<E>(
    coding: Coding,
    cap: usize,
    mut source: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, E>>>,
) -> Result<Bytes, UnpackError<E>> {
    let mut decoder = Decoder::new(coding);
    let mut whole = Vec::new();
    let mut turn = 0;
    loop {
        let held = whole.len();
        // One more than may come tells that there is more.
        whole.resize(held + ROOM_BYTES.min(cap - held + 1), 0);
        let step = decoder.read(&mut whole[held..]).map_err(UnpackError::Decode)?;
        let length = if let Step::Wrote(length) = step { length } else { 0 };
        whole.truncate(held + length);
        if whole.len() > cap {
            return Err(UnpackError::Decode(DecodeError::TooLarge));
        }
        turn += length;
        if turn >= TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
        match step {
            Step::Wrote(_) => {}
            Step::End => return Ok(whole.into()),
            Step::Starved => match poll_fn(&mut source).await {
                None => decoder.end(),
                Some(frame) => match frame.map_err(UnpackError::Body)?.into_data() {
                    Ok(data) => decoder.push(data),
                    Err(_trailers) => {}
                },
            },
        }
    }
}
