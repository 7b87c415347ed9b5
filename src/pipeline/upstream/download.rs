//! The response body on its way down: timed, and the connection returned at its end.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{client::Lease, patience::Patience, whole::Whole};
use crate::pipeline::deadline::Deadlines;

/// A response body that is forwarded while it arrives.
#[derive(Debug)]
pub struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
    deadlines: Rc<Deadlines>,
    patience: Rc<Patience>,
    waiting: bool,
}

/// Why a response body ended early. The client's connection is cut, so that no truncated answer
/// looks complete.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The server closed the connection, or broke the framing.
    #[error("the upstream broke off within its answer")]
    Broken(#[source] hyper::Error),
    /// A pause or the whole answer took too long.
    #[error("the upstream stopped within its answer")]
    Stalled,
}

impl Download {
    /// `lease`: the connection it arrives on.
    pub fn new(incoming: Incoming, lease: Lease, deadlines: Rc<Deadlines>, patience: Rc<Patience>) -> Self {
        let mut download = Self { incoming, lease: Some(lease), deadlines, patience, waiting: false };
        download.return_at_end();
        download
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => {
                if !self.waiting {
                    self.patience.paused();
                    self.waiting = true;
                }
                if self.patience.expired(cx) {
                    self.lease = None;
                    return Poll::Ready(Some(Err(DownloadError::Stalled)));
                }
                Poll::Pending
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(DownloadError::Broken(error))))
            }
            Poll::Ready(Some(Ok(_))) if self.patience.is_over() => {
                self.lease = None;
                Poll::Ready(Some(Err(DownloadError::Stalled)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = false;
                self.return_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
        }
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// How much is left, as far as the head says.
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Collects the rest; none beyond `cap` bytes.
    pub async fn collect(&mut self, cap: usize) -> Result<Option<Bytes>, DownloadError> {
        let mut whole = Whole::default();
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if whole.len() + data.len() > cap {
                self.lease = None;
                return Ok(None);
            }
            whole.push(data);
        }
        Ok(Some(whole.into_bytes()))
    }

    fn return_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish(&self.deadlines);
        }
    }
}
