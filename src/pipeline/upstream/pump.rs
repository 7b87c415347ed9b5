//! Writes one request, head and body, as fast as the socket and the client allow.

use std::{
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, header};

use super::{
    body::{Upload, UploadError, UploadFailure, UpstreamBody, UpstreamRequest},
    server::Connection,
    wire::request::{self, Coding},
};

use crate::pipeline::chunked;

/// A request on its way to a server.
#[derive(Debug)]
pub struct Pump {
    /// Head and chunk lines, written before `data`.
    lead: Vec<u8>,
    /// Bytes of `lead` that are written.
    written: usize,
    data: Bytes,
    /// Written after `data`.
    tail: &'static [u8],
    coding: Coding,
    upload: Option<Box<Upload>>,
    /// What may follow a chunked body.
    trailers: Option<Rc<[HeaderName]>>,
    /// Whether the server may have seen anything.
    begun: bool,
}

/// Why a request could not be written to its end.
#[derive(Debug)]
pub enum PumpError {
    /// The server does not take it.
    Io(io::Error),
    /// The client does not give it.
    Upload(UploadFailure),
}

/// Bodies up to this size are put behind the head in one buffer.
const SMALL_BYTES_MAX: usize = 4 * 1024;

impl Pump {
    /// Takes a streamed body out of `request`; a complete one stays there, so that it can be sent again.
    ///
    /// - `base`: path put before the request's.
    /// - `lines`: put into the head as they are.
    /// - `trailers`: fields that may follow a streamed body.
    /// - `lead`: an empty buffer to write with.
    pub fn new(
        request: &mut UpstreamRequest,
        base: &str,
        lines: &[&[u8]],
        trailers: &Rc<[HeaderName]>,
        lead: Vec<u8>,
    ) -> Self {
        let mut pump = Self {
            lead,
            written: 0,
            data: Bytes::new(),
            tail: b"",
            coding: Coding::Empty,
            upload: None,
            trailers: None,
            begun: false,
        };
        let UpstreamRequest { head, body } = request;
        if let UpstreamBody::Stream(upload) = body {
            let sized = upload.length().is_some() && head.headers.contains_key(header::CONTENT_LENGTH);
            pump.coding = if sized { Coding::Plain } else { Coding::Chunked };
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        request::head(&mut pump.lead, &head.method, base, target, &head.headers, lines, pump.coding);
        match body {
            UpstreamBody::Empty => {}
            UpstreamBody::Full(body) if body.len() <= SMALL_BYTES_MAX => pump.lead.extend_from_slice(body),
            UpstreamBody::Full(body) => pump.data = body.clone(),
            body @ UpstreamBody::Stream(_) => {
                if let UpstreamBody::Stream(upload) = std::mem::replace(body, UpstreamBody::Empty) {
                    pump.upload = Some(upload);
                }
                pump.trailers = Some(Rc::clone(trailers));
            }
        }
        pump
    }

    /// Puts a streamed body of which nothing was sent back into its request.
    pub fn give_back(self, request: &mut UpstreamRequest) {
        if let Some(upload) = self.upload {
            request.body = UpstreamBody::Stream(upload);
        }
    }

    /// The buffer, for the next request.
    pub fn into_lead(self) -> Vec<u8> {
        self.lead
    }

    /// Whether the server may have seen anything of the request.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether the server has taken all that the client has given so far.
    pub fn waits_for_client(&self) -> bool {
        self.upload.is_some() && self.written == self.lead.len() && self.data.is_empty() && self.tail.is_empty()
    }

    /// The server asked for the body (100).
    pub fn open(&mut self) {
        if let Some(upload) = &mut self.upload {
            upload.open();
        }
    }

    /// Writes on; ready when the last byte is written.
    pub fn poll(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<(), PumpError>> {
        loop {
            while self.written < self.lead.len() || self.data.has_remaining() || !self.tail.is_empty() {
                let slices =
                    [IoSlice::new(&self.lead[self.written..]), IoSlice::new(&self.data), IoSlice::new(self.tail)];
                let whole_is_lead = self.data.is_empty() && self.tail.is_empty();
                let slices = if whole_is_lead { &slices[..1] } else { &slices[..] };
                match connection.poll_write(cx, slices) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(PumpError::Io(error))),
                    Poll::Ready(Ok(n)) => self.wrote(n),
                }
            }
            // Before anything is waited for: what TLS holds back would be waited for by the server.
            match connection.poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(PumpError::Io(error))),
                Poll::Ready(Ok(())) => {}
            }
            let Some(upload) = &mut self.upload else { return Poll::Ready(Ok(())) };
            let frame = match upload.poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            };
            self.lead.clear();
            self.written = 0;
            match frame {
                Some(Err(UploadError(failure))) => return Poll::Ready(Err(PumpError::Upload(failure))),
                None => self.finish(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.load(data),
                    Err(frame) => self.finish(frame.trailers_ref()),
                },
            }
        }
    }

    fn load(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.coding == Coding::Chunked {
            chunked::size_line(&mut self.lead, data.len());
            self.tail = b"\r\n";
        }
        self.data = data;
    }

    fn finish(&mut self, trailers: Option<&HeaderMap>) {
        self.upload = None;
        if self.coding == Coding::Chunked {
            chunked::last_chunk(&mut self.lead, trailers, self.trailers.as_deref().unwrap_or_default());
        }
    }

    fn wrote(&mut self, n: usize) {
        self.begun = true;
        let of_lead = n.min(self.lead.len() - self.written);
        self.written += of_lead;
        let of_data = (n - of_lead).min(self.data.len());
        self.data.advance(of_data);
        self.tail = &self.tail[n - of_lead - of_data..];
    }
}
