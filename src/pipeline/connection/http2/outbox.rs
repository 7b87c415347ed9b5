//! Frames on their way to the client.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite as _;

use super::frame::{FrameHead, HEAD_BYTES, Reason, flag, goaway, kind};
use crate::pipeline::{downstream::socket::Socket, stall::Stall};

/// Bodies wait for the client to take something while more than this is on its way.
const FULL_BYTES: usize = 64 * 1024;
/// Nothing more is read from a client that leaves this much untaken.
const CHOKED_BYTES: usize = 4 * FULL_BYTES;
/// A buffer that has grown beyond this is not kept for the next connection.
const KEPT_BYTES: usize = 128 * 1024;

thread_local! {
    /// The buffer of the last connection that had everything sent; one for each worker is mostly enough.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One buffer, sent at once.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Whether everything has left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What has not left yet.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// Whether bodies have to wait.
    pub fn is_full(&self) -> bool {
        self.unsent().len() >= FULL_BYTES
    }

    /// Whether the client makes the gateway write more than it takes.
    pub fn is_choked(&self) -> bool {
        self.unsent().len() >= CHOKED_BYTES
    }

    /// Appends a frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let bytes = self.bytes();
        bytes.extend_from_slice(&FrameHead { length: payload.len(), kind, flags, stream }.bytes());
        bytes.extend_from_slice(payload);
    }

    /// Ends a stream (RFC 9113 section 6.4).
    pub fn reset(&mut self, stream: u32, reason: Reason) {
        self.frame(kind::RST_STREAM, 0, stream, &(reason as u32).to_be_bytes());
    }

    /// Lets the client send more (RFC 9113 section 6.9).
    pub fn window_update(&mut self, stream: u32, by: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    }

    /// Tells the client to go (RFC 9113 section 6.8).
    pub fn goaway(&mut self, last: u32, reason: Reason) {
        self.bytes().extend_from_slice(&goaway(last, reason));
    }

    /// Appends a header block, in as many frames as it takes.
    ///
    /// - `most`: bytes of one frame.
    /// - `write`: appends the block.
    pub fn block(&mut self, stream: u32, ends: bool, most: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let bytes = self.bytes();
        let head = bytes.len();
        bytes.extend_from_slice(&[0; HEAD_BYTES]);
        let start = bytes.len();
        write(bytes);
        let length = bytes.len() - start;
        let ends = if ends { flag::END_STREAM } else { 0 };
        let mut put = |at: usize, length, kind, flags| {
            let frame = FrameHead { length, kind, flags, stream };
            bytes[at..at + HEAD_BYTES].copy_from_slice(&frame.bytes());
        };
        if length <= most {
            return put(head, length, kind::HEADERS, ends | flag::END_HEADERS);
        }
        put(head, most, kind::HEADERS, ends);
        let rest = bytes.split_off(start + most);
        let mut pieces = rest.chunks(most).peekable();
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            self.frame(kind::CONTINUATION, flags, stream, piece);
        }
    }

    fn bytes(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
        &mut self.bytes
    }

    /// Sends until nothing is left. An outbox that is empty has no buffer.
    pub(super) fn poll_send(
        &mut self,
        socket: &mut Socket,
        stall: &mut Stall,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let outcome = Pin::new(&mut *socket).poll_write(cx, &self.bytes[self.sent..]);
            match ready!(stall.watch(cx, outcome))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        let outcome = Pin::new(socket).poll_flush(cx);
        ready!(stall.watch(cx, outcome))?;
        let mut bytes = std::mem::take(&mut self.bytes);
        self.sent = 0;
        if bytes.capacity() <= KEPT_BYTES {
            bytes.clear();
            SPARE.set(bytes);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_larger_than_a_frame_continues_in_others() {
        for (length, frames) in [
            (0, &[(kind::HEADERS, 5, 0)][..]),
            (10, &[(kind::HEADERS, 5, 10)]),
            (11, &[(kind::HEADERS, 1, 10), (kind::CONTINUATION, 4, 1)]),
            (25, &[(kind::HEADERS, 1, 10), (kind::CONTINUATION, 0, 10), (kind::CONTINUATION, 4, 5)]),
        ] {
            let mut out = Outbox::default();
            out.frame(kind::PING, 0, 0, &[0; 8]);
            let block: Vec<u8> = (0..length).collect();
            out.block(3, true, 10, |out| out.extend_from_slice(&block));
            let (mut rest, mut seen, mut joined) = (&out.bytes[17..], Vec::new(), Vec::new());
            while let Some((head, after)) = rest.split_first_chunk() {
                let head = FrameHead::read(head);
                assert_eq!(head.stream, 3);
                seen.push((head.kind, head.flags, head.length));
                joined.extend_from_slice(&after[..head.length]);
                rest = &after[head.length..];
            }
            assert_eq!((seen, joined), (frames.to_vec(), block));
        }
    }
}
