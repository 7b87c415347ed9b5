//! A request's body, whatever protocol it comes by.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;

use super::{stream_body::StreamBody, wire::Wire};

/// A body that is read while it arrives.
#[derive(Debug)]
pub enum RequestBody {
    /// There is none.
    Empty,
    /// From an HTTP/1 connection.
    Http1(Rc<Wire>),
    /// From a stream of an HTTP/2 connection.
    Http2(StreamBody),
}

/// The client closed the connection within the body, reset the stream, or broke the framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl RequestBody {
    /// Whether nothing (more) comes.
    pub fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1(wire) => wire.is_body_done(),
            Self::Http2(stream) => stream.is_end_stream(),
        }
    }

    /// Bytes that are left, where the client said it.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Http1(wire) => wire.body_left(),
            Self::Http2(stream) => stream.length(),
        }
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Http1(wire) => wire.poll_body(cx),
            Self::Http2(stream) => stream.poll_frame(cx),
        }
    }
}
