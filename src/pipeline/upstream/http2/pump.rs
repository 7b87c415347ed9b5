//! Writes one request body as fast as the server's windows and the client allow.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::SendStream;
use http::{HeaderMap, HeaderName};

use crate::pipeline::{
    stall::Stall,
    upstream::{body::Upload, body::UploadError, pump::PumpError},
};

/// A request body on its way.
#[derive(Debug)]
pub(super) struct Pump {
    stream: SendStream<Bytes>,
    data: Bytes,
    upload: Option<Box<Upload>>,
    /// Fields that may follow the body.
    trailers: Vec<HeaderName>,
    stall: Stall,
    /// Whether anything of the client's body was taken.
    begun: bool,
}

/// Most that is asked to be sent at once.
const PIECE_BYTES_MAX: usize = 64 << 10;

impl Pump {
    /// - `data`: a complete body; else `upload` brings it.
    pub(super) fn new(
        stream: SendStream<Bytes>,
        (data, upload): (Bytes, Option<Box<Upload>>),
        trailers: &[HeaderName],
        stall: Stall,
    ) -> Self {
        Self { stream, data, upload, trailers: trailers.to_vec(), stall, begun: false }
    }

    /// The client's body, if nothing of it was taken.
    pub(super) fn give_back(self) -> Option<Box<Upload>> {
        self.upload.filter(|_| !self.begun)
    }

    /// Whether the server has taken all that the client has given so far.
    pub(super) fn waits_for_client(&self) -> bool {
        self.upload.is_some() && self.data.is_empty()
    }

    /// The server asked for the body (100).
    pub(super) fn open(&mut self) {
        if let Some(upload) = &mut self.upload {
            upload.open();
        }
    }

    /// Writes on; ready when the last byte is on its way.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PumpError>> {
        loop {
            while !self.data.is_empty() {
                let room = ready!(self.poll_room(cx)).map_err(PumpError::Io)?;
                let piece = self.data.split_to(room.min(self.data.len()));
                let last = self.data.is_empty() && self.upload.is_none();
                self.stream.send_data(piece, last).map_err(|error| PumpError::Io(lost(error)))?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            let Some(upload) = &mut self.upload else { return Poll::Ready(Ok(())) };
            let frame = ready!(upload.poll_frame(cx));
            self.begun = true;
            match frame {
                Some(Err(UploadError(failure))) => return Poll::Ready(Err(PumpError::Upload(failure))),
                None => return Poll::Ready(self.finish(None)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.data = data,
                    Err(frame) => return Poll::Ready(self.finish(frame.into_trailers().ok())),
                },
            }
        }
    }

    /// How much the server takes now.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.stream.reserve_capacity(self.data.len().min(PIECE_BYTES_MAX));
        let outcome = loop {
            match self.stream.capacity() {
                0 => {}
                room => break Poll::Ready(Ok(room)),
            }
            match self.stream.poll_capacity(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => break Poll::Ready(Err(lost(error))),
                Poll::Ready(None) => break Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        };
        self.stall.watch(cx, outcome)
    }

    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), PumpError> {
        self.upload = None;
        let mut allowed = HeaderMap::new();
        for (name, value) in trailers.iter().flatten().filter(|(name, _)| self.trailers.contains(name)) {
            allowed.append(name.clone(), value.clone());
        }
        let sent = match allowed.is_empty() {
            true => self.stream.send_data(Bytes::new(), true),
            false => self.stream.send_trailers(allowed),
        };
        sent.map_err(|error| PumpError::Io(lost(error)))
    }
}

pub(super) fn lost(error: h2::Error) -> io::Error {
    match error.is_io() {
        true => error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()),
        false => io::Error::other(error),
    }
}
