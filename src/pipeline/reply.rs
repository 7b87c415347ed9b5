//! The response body the client gets, and the accounting that ends with it.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    exchange::Exchange,
    filter::Filtered,
    upstream::download::{Download, DownloadError},
};
use crate::problem::Code;

/// Where the bytes come from.
#[derive(Debug)]
pub enum Source {
    /// No content.
    Empty,
    /// A complete body: a problem, or an adapted answer.
    Full(Bytes),
    /// The upstream's answer as it comes.
    Stream(Box<Download>),
    /// The upstream's answer, rewritten as it comes.
    Rewritten(Box<(Filtered, Download)>),
}

/// A response body. Dropping it ends the exchange: that is when it is counted and logged.
#[derive(Debug)]
pub struct Reply {
    source: Source,
    /// Whole lines that belong to the head.
    lines: Vec<u8>,
    exchange: Option<Box<Exchange>>,
}

impl Reply {
    /// - `lines`: see [`Reply::take_lines`].
    /// - `exchange`: counted when the body ends, however it ends.
    pub fn new(source: Source, lines: Vec<u8>, exchange: Box<Exchange>) -> Self {
        let mut reply = Self { source, lines, exchange: Some(exchange) };
        if reply.is_end_stream() {
            reply.exchange = None;
        }
        reply
    }

    /// Lines that stand behind the fields of an HTTP/1 head: what the gateway itself says.
    pub fn take_lines(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.lines)
    }

    /// The client left before its end, or takes nothing more of it.
    pub fn left(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.left();
        }
    }

    fn sent(&mut self, length: usize) {
        if let Some(exchange) = &mut self.exchange {
            exchange.bytes += length as u64;
        }
    }

    fn broken(&mut self, error: &DownloadError) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.code = Some(match error {
                DownloadError::Broken(_) | DownloadError::Truncated => Code::UpstreamReset,
                DownloadError::Malformed(_) => Code::UpstreamInvalidResponse,
                DownloadError::Stalled => Code::UpstreamTimeout,
                DownloadError::Unfit(_) => Code::AdaptationResponseFailed,
            });
            exchange.note(error);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = DownloadError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Empty => None,
            Source::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)))
            }
            Source::Stream(download) => match download.poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            },
            Source::Rewritten(rewritten) => {
                let (filter, download) = &mut **rewritten;
                ready!(filter.poll_frame(cx, |cx| download.poll_frame(cx)))
            }
        };
        match &frame {
            Some(Ok(frame)) => this.sent(frame.data_ref().map_or(0, Bytes::len)),
            Some(Err(error)) => this.broken(error),
            None => this.exchange = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Full(bytes) => bytes.is_empty(),
            Source::Stream(download) => download.is_end_stream(),
            // Only its filter knows, when it is asked.
            Source::Rewritten(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(download) => download.size_hint(),
            Source::Rewritten(_) => SizeHint::new(),
        }
    }
}

/// A handler that cannot fail: every error is an answer.
pub type Handled = Result<http::Response<Reply>, Infallible>;
