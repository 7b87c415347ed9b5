//! A request body that comes by an HTTP/2 stream.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;

use super::body::Broken;

/// Reads a stream's DATA; the client may send more as pieces are taken.
#[derive(Debug)]
pub struct StreamBody {
    stream: RecvStream,
    /// Bytes that are left, where the client said it.
    left: Option<u64>,
}

impl StreamBody {
    /// - `length`: the whole body's; the protocol holds the client to it.
    pub fn new(stream: RecvStream, length: Option<u64>) -> Box<Self> {
        Box::new(Self { stream, left: length })
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// Bytes that are left, where the client said it.
    pub fn length(&self) -> Option<u64> {
        self.left
    }

    /// The next piece, or the trailers behind the last one.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(data)) => {
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                // Fails only where the stream is gone, which the next look tells.
                let _ = self.stream.flow_control().release_capacity(data.len());
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(_)) => Poll::Ready(Some(Err(Broken))),
            None => match ready!(self.stream.poll_trailers(cx)) {
                Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
                Err(_) => Poll::Ready(Some(Err(Broken))),
            },
        }
    }
}
