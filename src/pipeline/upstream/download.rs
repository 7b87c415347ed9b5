//! The response body on its way down: timed, and the connection returned at its end.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    client::Lease,
    patience::Patience,
    pump::Pump,
    whole::Whole,
    wire::{
        body::{Decoder, Step},
        response::Malformed,
    },
};
use crate::pipeline::deadline::Deadlines;

/// A response body that is forwarded while it arrives.
#[derive(Debug)]
pub struct Download {
    decoder: Decoder,
    lease: Option<Lease>,
    /// The rest of the request, where the server answered before it had all of it.
    pump: Option<Box<Pump>>,
    /// How much is read at once; grows with the body.
    room: usize,
    deadlines: Rc<Deadlines>,
    patience: Rc<Patience>,
    waiting: bool,
}

/// Why a response body ended early. The client's connection is cut, so that no truncated answer
/// looks complete.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The connection broke.
    #[error("the connection to the upstream broke within the answer")]
    Broken(#[source] io::Error),
    /// The framing broke.
    #[error("the upstream's answer is malformed")]
    Malformed(#[source] Malformed),
    /// The server closed the connection too early.
    #[error("the upstream closed the connection within its answer")]
    Truncated,
    /// A pause or the whole answer took too long.
    #[error("the upstream stopped within its answer")]
    Stalled,
}

/// Least and most bytes of one read: many large streams must not leave much memory behind.
const ROOM_BYTES_MIN: usize = 16 * 1024;
const ROOM_BYTES_MAX: usize = 64 * 1024;

type Piece = Option<Result<Frame<Bytes>, DownloadError>>;

impl Download {
    /// - `lease`: the connection it arrives on.
    /// - `pump`: what is left of the request.
    pub fn new(
        decoder: Decoder,
        lease: Lease,
        pump: Option<Box<Pump>>,
        deadlines: Rc<Deadlines>,
        patience: Rc<Patience>,
    ) -> Self {
        let lease = Some(lease);
        let mut download = Self { decoder, lease, pump, room: ROOM_BYTES_MIN, deadlines, patience, waiting: false };
        download.return_at_end();
        download
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let Some(lease) = &mut self.lease else { return Poll::Ready(None) };
        if let Some(pump) = &mut self.pump {
            match pump.poll(&mut lease.connection, cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.pump = None,
                // The server has answered and wants no more of the request.
                Poll::Ready(Err(_)) => {
                    self.pump = None;
                    lease.keep_alive = false;
                }
            }
        }
        loop {
            match self.decoder.next(&mut lease.connection.buffer) {
                Err(error) => return self.fail(DownloadError::Malformed(error)),
                Ok(_) if self.patience.is_over() => return self.fail(DownloadError::Stalled),
                Ok(Step::Data(data)) => {
                    self.waiting = false;
                    self.return_at_end();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Step::Trailers(trailers)) => {
                    self.return_at_end();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Step::End) => {
                    self.return_at_end();
                    return Poll::Ready(None);
                }
                Ok(Step::More) => {}
            }
            match lease.connection.poll_fill(cx, self.room) {
                Poll::Pending => return self.poll_pause(cx),
                Poll::Ready(Err(error)) => return self.fail(DownloadError::Broken(error)),
                Poll::Ready(Ok(0)) if self.decoder.end() => {
                    self.lease = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => return self.fail(DownloadError::Truncated),
                Poll::Ready(Ok(n)) if n >= self.room => self.room = (self.room * 2).min(ROOM_BYTES_MAX),
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if !self.waiting {
            self.patience.paused();
            self.waiting = true;
        }
        if self.patience.expired(cx) { self.fail(DownloadError::Stalled) } else { Poll::Pending }
    }

    fn fail(&mut self, error: DownloadError) -> Poll<Piece> {
        self.lease = None;
        Poll::Ready(Some(Err(error)))
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.decoder.is_done()
    }

    /// How much is left, as far as the head says.
    pub fn size_hint(&self) -> SizeHint {
        self.decoder.left().map_or_else(SizeHint::new, SizeHint::with_exact)
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

    /// Gives the connection back once the body is whole and the request was taken whole.
    fn return_at_end(&mut self) {
        if self.decoder.is_done()
            && let Some(lease) = self.lease.take()
            && self.pump.is_none()
        {
            lease.finish(&self.deadlines);
        }
    }
}
