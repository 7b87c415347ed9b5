//! An answer's body as it arrives on its stream.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};

use super::{Slot, pump::Pump};
use crate::pipeline::upstream::{cap::Place, download::DownloadError, lease::Active};

/// What is left of an exchange once its answer has begun. Dropping it early resets the stream.
#[derive(Debug)]
pub struct Stream {
    body: RecvStream,
    /// The rest of the request, where the server answered before it had all of it.
    pump: Option<Pump>,
    /// Bytes the head promised and that have not come; none where it says nothing.
    left: Option<u64>,
    done: bool,
    _slot: Slot,
    active: Active,
    /// Given on when the stream has ended.
    _place: Option<Place>,
}

impl Stream {
    /// - `fields`: of the answer; `bodiless`: whether its length speaks of a body that does not come.
    pub(super) fn new(
        body: RecvStream,
        pump: Option<Pump>,
        (fields, bodiless): (&HeaderMap, bool),
        (slot, active, place): (Slot, Active, Option<Place>),
    ) -> Self {
        let length = fields.get(header::CONTENT_LENGTH).filter(|_| !bodiless);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let done = body.is_end_stream() && pump.is_none();
        Self { body, pump, left, done, _slot: slot, active, _place: place }
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.done
    }

    /// How much is left, as far as the head says.
    pub fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let uploading = self.pump.is_some();
        if let Some(pump) = &mut self.pump
            && pump.poll(cx).is_ready()
        {
            // Written, or the server wants no more of it.
            self.pump = None;
        }
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                // What was handed on makes room for more.
                let released = self.body.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                match released {
                    Ok(()) => Poll::Ready(Some(Ok(Frame::data(data)))),
                    Err(error) => self.fail(error),
                }
            }
            // "Complete, and I need no more of the request" (RFC 9113 section 8.1); anything else is cut short.
            Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) && self.may_be_whole(uploading) => {
                self.done = true;
                Poll::Ready(None)
            }
            Some(Err(error)) => self.fail(error),
            None => match ready!(self.body.poll_trailers(cx)) {
                Ok(trailers) => {
                    self.done = true;
                    Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
                }
                Err(error) => self.fail(error),
            },
        }
    }

    fn may_be_whole(&self, uploading: bool) -> bool {
        self.left.map_or(uploading, |left| left == 0)
    }

    fn fail(&mut self, error: h2::Error) -> Poll<Option<Result<Frame<Bytes>, DownloadError>>> {
        self.done = true;
        if error.is_reset() && error.is_remote() {
            self.active.reset();
        }
        Poll::Ready(Some(Err(match error.is_io() {
            true => DownloadError::Broken(error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())),
            false => DownloadError::Broken(io::Error::other(error)),
        })))
    }
}
