//! The response body on its way down: timed, and the connection returned at its end.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{
    client::Arrival,
    http2,
    lease::Lease,
    patience::Patience,
    pump::Pump,
    whole::Whole,
    wire::{body::Decoder, response::Malformed},
};
use crate::pipeline::{chunked::Step, deadline::Deadlines, filter::Unfit};

/// A response body that is forwarded while it arrives.
#[derive(Debug)]
pub struct Download {
    from: Arriving,
    patience: Rc<Patience>,
    waiting: bool,
}

/// Where it comes from.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every answer comes by HTTP/1.1")]
enum Arriving {
    Http1(Http1),
    Http2(Box<http2::answer::Stream>),
    /// Nowhere any more.
    Gone,
}

/// A body on a connection of its own.
#[derive(Debug)]
struct Http1 {
    decoder: Decoder,
    lease: Option<Lease>,
    /// The rest of the request, where the server answered before it had all of it.
    pump: Option<Box<Pump>>,
    /// How much is read at once; grows with the body.
    room: usize,
    deadlines: Rc<Deadlines>,
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
    /// A part of it cannot be adapted.
    #[error("the upstream's answer cannot be adapted any further")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<Unfit> for DownloadError {
    fn from(Unfit(why): Unfit) -> Self {
        Self::Unfit(why)
    }
}

/// Least and most bytes of one read: many large streams must not leave much memory behind.
const ROOM_BYTES_MIN: usize = 16 * 1024;
const ROOM_BYTES_MAX: usize = 64 * 1024;

type Piece = Option<Result<Frame<Bytes>, DownloadError>>;

impl Download {
    /// - `decoder`: where a body of HTTP/1.1 ends.
    pub fn new(decoder: Decoder, arrival: Arrival, deadlines: Rc<Deadlines>, patience: Rc<Patience>) -> Self {
        let from = match arrival {
            Arrival::Http1(lease, pump) => Arriving::Http1(Http1::new(decoder, lease, pump, deadlines)),
            Arrival::Http2(stream) => Arriving::Http2(stream),
            // A tunnel has no body: its bytes are nobody's answer.
            Arrival::Tunnel(_) => Arriving::Gone,
        };
        Self { from, patience, waiting: false }
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let polled = match &mut self.from {
            Arriving::Http1(body) => body.poll_frame(cx, &self.patience),
            Arriving::Http2(_) if self.patience.is_over() => Poll::Ready(Some(Err(DownloadError::Stalled))),
            Arriving::Http2(stream) => stream.poll_frame(cx),
            Arriving::Gone => Poll::Ready(None),
        };
        match polled {
            Poll::Pending => {
                if !self.waiting {
                    self.patience.paused();
                    self.waiting = true;
                }
                match self.patience.expired(cx) {
                    true => self.fail(DownloadError::Stalled),
                    false => Poll::Pending,
                }
            }
            Poll::Ready(Some(Err(error))) => self.fail(error),
            Poll::Ready(piece) => {
                self.waiting = false;
                Poll::Ready(piece)
            }
        }
    }

    fn fail(&mut self, error: DownloadError) -> Poll<Piece> {
        self.from = Arriving::Gone;
        Poll::Ready(Some(Err(error)))
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        match &self.from {
            Arriving::Http1(body) => body.decoder.is_done(),
            Arriving::Http2(stream) => stream.is_end_stream(),
            Arriving::Gone => true,
        }
    }

    /// How much is left, as far as the head says.
    pub fn size_hint(&self) -> SizeHint {
        match &self.from {
            Arriving::Http1(body) => body.decoder.left().map_or_else(SizeHint::new, SizeHint::with_exact),
            Arriving::Http2(stream) => stream.size_hint(),
            Arriving::Gone => SizeHint::with_exact(0),
        }
    }

    /// Collects the rest; none beyond `cap` bytes.
    pub async fn collect(&mut self, cap: usize) -> Result<Option<Bytes>, DownloadError> {
        let announced = self.size_hint().exact().unwrap_or_default();
        if let Arriving::Http1(body) = &mut self.from {
            body.expect(announced);
        }
        let mut whole = Whole::new(announced.min(cap as u64));
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if whole.len() + data.len() > cap {
                self.from = Arriving::Gone;
                return Ok(None);
            }
            whole.push(data);
        }
        Ok(Some(whole.into_bytes()))
    }
}

impl Http1 {
    /// - `lease`: the connection it arrives on.
    /// - `pump`: what is left of the request.
    fn new(decoder: Decoder, lease: Lease, pump: Option<Box<Pump>>, deadlines: Rc<Deadlines>) -> Self {
        let mut body = Self { decoder, lease: Some(lease), pump, room: ROOM_BYTES_MIN, deadlines };
        body.return_at_end();
        body
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>, patience: &Patience) -> Poll<Piece> {
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
                Err(error) => return fail(DownloadError::Malformed(error)),
                Ok(_) if patience.is_over() => return fail(DownloadError::Stalled),
                Ok(Step::Data(data)) => {
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
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return fail(DownloadError::Broken(error)),
                Poll::Ready(Ok(0)) if self.decoder.end() => {
                    self.lease = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => return fail(DownloadError::Truncated),
                Poll::Ready(Ok(n)) if n >= self.room => self.room = (self.room * 2).min(ROOM_BYTES_MAX),
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    /// Reads more at once from the start: so many bytes are wanted together.
    fn expect(&mut self, announced: u64) {
        let announced = usize::try_from(announced).unwrap_or(ROOM_BYTES_MAX);
        self.room = announced.clamp(self.room, ROOM_BYTES_MAX);
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

fn fail(error: DownloadError) -> Poll<Piece> {
    Poll::Ready(Some(Err(error)))
}
