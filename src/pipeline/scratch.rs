//! Small reads through one buffer of the worker.
//!
//! Between two requests a connection's own buffer leaves the cache, and with many connections the kernel
//! copies every head into cold memory: on loopback that was a third of a microsecond for each read. One
//! buffer for all connections of a worker is always warm, and a connection keeps only as much memory as
//! it was sent.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// Most bytes of one small read; larger ones are worth a buffer of their own.
pub(crate) const SMALL_BYTES: usize = 8 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SMALL_BYTES]);
}

/// Reads once and appends to `buffer`; 0 at the end of the stream.
///
/// - `room`: most bytes that are read, up to [`SMALL_BYTES`].
pub(crate) fn poll_read(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
    room: usize,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(&mut scratch[..room.min(SMALL_BYTES)]);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn reads_are_appended_until_the_stream_ends() {
        let sent: Vec<u8> = (0..2 * SMALL_BYTES + 10).map(|at| (at % 251) as u8).collect();
        let (mut stream, mut buffer) = (&sent[..], BytesMut::from(&b"before"[..]));
        let mut cx = Context::from_waker(Waker::noop());
        let mut lengths = Vec::new();
        loop {
            match poll_read(&mut stream, &mut cx, &mut buffer, usize::MAX) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(length)) => lengths.push(length),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lengths, [SMALL_BYTES, SMALL_BYTES, 10]);
        assert_eq!(buffer.strip_prefix(b"before"), Some(&sent[..]));
    }
}
