//! Frames from the client (RFC 9113 sections 4 and 6).

use std::rc::Rc;

use super::{
    frame::{FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, Reason, flag, kind},
    head::{HeadReader, Malformed},
    hpack::Decoder,
    streams::{Stray, Streams},
    watch::{Breach, Watch},
};
use crate::{pipeline::downstream::head::HeadLimits, telemetry::Http2Cells};

/// Reads the frames of one connection and tells its streams.
#[derive(Debug)]
pub struct Inbound {
    pub(super) streams: Rc<Streams>,
    pub(super) cells: Http2Cells,
    limits: HeadLimits,
    watch: Watch,
    decoder: Decoder,
    /// What was read of a frame that is not complete: of its head, or of its payload.
    held: Vec<u8>,
    /// The head of that frame, if it is.
    head: Option<FrameHead>,
    /// The DATA frame that goes on; its payload is not waited for.
    data: Option<Data>,
    /// The header block that goes on.
    block: Option<Block>,
    /// The highest stream that was looked at.
    last: u32,
    /// Whether no more streams are served.
    closed: bool,
    /// Whether the client says that it is about to leave.
    pub(super) leaving: bool,
    /// Whether the client has answered the gateway's ping.
    pub(super) answered_ping: bool,
}

/// Why the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client does what it may not, or too often.
    Breach(Breach),
    /// What the client says cannot be understood.
    Protocol(Reason),
}

impl Fault {
    /// What the client is told.
    pub fn reason(self) -> Reason {
        match self {
            Self::Breach(breach) => breach.reason(),
            Self::Protocol(reason) => reason,
        }
    }
}

impl From<Breach> for Fault {
    fn from(breach: Breach) -> Self {
        Self::Breach(breach)
    }
}

#[derive(Debug)]
struct Data {
    /// None where the stream is not open.
    at: Option<usize>,
    id: u32,
    /// Bytes of content that are still to come.
    left: usize,
    padding: usize,
    ends: bool,
}

#[derive(Debug)]
struct Block {
    id: u32,
    ends: bool,
    bytes: Vec<u8>,
}

pub(super) type Outcome = Result<(), Fault>;

impl Inbound {
    /// - `streams`: where requests go and answers come from.
    /// - `watch`: what the client may do.
    pub fn new(streams: Rc<Streams>, cells: Http2Cells, limits: HeadLimits, watch: Watch) -> Self {
        Self {
            streams,
            cells,
            limits,
            watch,
            decoder: Decoder::default(),
            held: Vec::new(),
            head: None,
            data: None,
            block: None,
            last: 0,
            closed: false,
            leaving: false,
            answered_ping: false,
        }
    }

    /// The highest stream that was looked at.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Whether a header block or another short frame has begun and not ended.
    pub fn is_in_head(&self) -> bool {
        self.block.is_some() || self.head.is_some() || !self.held.is_empty()
    }

    /// Whether the client has said that it is about to leave.
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether the client has seen what was sent before the ping.
    pub fn has_answered_ping(&self) -> bool {
        self.answered_ping
    }

    /// From now on requests are not looked at.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Gives up what is made anew when it is needed.
    pub fn rest(&mut self) {
        self.held.shrink_to_fit();
        self.decoder.rest();
    }

    /// Takes in what was read.
    pub fn feed(&mut self, bytes: &[u8], now: u64) -> Outcome {
        if self.held.is_empty() {
            let rest = self.frames(bytes, now)?;
            self.held.extend_from_slice(rest);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            let left = self.frames(&joined, now)?.len();
            joined.drain(..joined.len() - left);
            self.held = joined;
        }
        Ok(())
    }

    /// Counts the resets the client has brought about.
    pub fn count_resets(&mut self, now: u64) -> Outcome {
        if self.streams.answered() {
            self.watch.answered();
        }
        for _ in 0..self.streams.blamed() {
            self.watch.own_reset(now)?;
        }
        Ok(())
    }

    /// Takes frames in until one is not complete, and returns its bytes.
    fn frames<'b>(&mut self, mut bytes: &'b [u8], now: u64) -> Result<&'b [u8], Fault> {
        loop {
            self.count_resets(now)?;
            if let Some(data) = self.data.take() {
                bytes = self.payload(data, bytes)?;
                if self.data.is_some() {
                    return Ok(bytes);
                }
            }
            let head = match self.head.take() {
                Some(head) => head,
                None => {
                    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(bytes) };
                    let head = FrameHead::read(head);
                    self.watch.frame(&head, now)?;
                    bytes = rest;
                    head
                }
            };
            if head.kind == kind::DATA {
                // The length of the padding stands in front.
                if head.has(flag::PADDED) && head.length > 0 && bytes.is_empty() {
                    self.head = Some(head);
                    return Ok(bytes);
                }
                bytes = self.data(&head, bytes)?;
                continue;
            }
            let Some((payload, rest)) = bytes.split_at_checked(head.length) else {
                self.head = Some(head);
                return Ok(bytes);
            };
            bytes = rest;
            self.frame(&head, payload)?;
        }
    }

    fn frame(&mut self, head: &FrameHead, payload: &[u8]) -> Outcome {
        match head.kind {
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::PRIORITY => self.priority(head),
            kind::RST_STREAM => self.reset(head),
            kind::SETTINGS => self.settings(head, payload),
            kind::PING => self.ping(head, payload),
            kind::GOAWAY => self.goaway(head),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            // Frames nobody knows are ignored (RFC 9113 section 5.5); pushes did not pass the watch.
            _ => Ok(()),
        }
    }

    /// Begins a DATA frame; `bytes` is what was read of its payload and what follows.
    fn data<'b>(&mut self, head: &FrameHead, mut bytes: &'b [u8]) -> Result<&'b [u8], Fault> {
        let mut at = self.streams.find(head.stream);
        if let Some(open) = at.filter(|at| self.streams.client_done(*at)) {
            // Half-closed (RFC 9113 section 5.1).
            self.streams.reset(open, Reason::StreamClosed, true);
            at = None;
        } else if at.is_none() && head.stream <= self.last {
            match self.streams.stray(head.stream) {
                Stray::Ignore => {}
                Stray::Closed => return protocol(Reason::StreamClosed),
                Stray::Unknown => self.streams.refuse(head.stream, Reason::StreamClosed, true),
            }
        }
        match self.streams.data_begins(at, head.length) {
            Ok(()) => {}
            Err((true, reason)) => return protocol(reason),
            Err((false, reason)) => {
                if let Some(at) = at.take() {
                    self.streams.reset(at, reason, true);
                }
            }
        }
        let (mut left, mut padding) = (head.length, 0);
        if head.has(flag::PADDED) {
            let Some((pad, rest)) = bytes.split_first().filter(|_| left > 0) else {
                return protocol(Reason::FrameSize);
            };
            bytes = rest;
            padding = usize::from(*pad);
            left -= 1;
            let Some(content) = left.checked_sub(padding) else { return protocol(Reason::Protocol) };
            left = content;
            if let Some(at) = at {
                self.streams.padding(at, padding + 1);
            }
        }
        self.data = Some(Data { at, id: head.stream, left, padding, ends: head.has(flag::END_STREAM) });
        Ok(bytes)
    }

    /// Takes in what there is of a DATA frame's payload.
    fn payload<'b>(&mut self, mut data: Data, bytes: &'b [u8]) -> Result<&'b [u8], Fault> {
        let (content, rest) = bytes.split_at(data.left.min(bytes.len()));
        data.left -= content.len();
        let skipped = if data.left == 0 { data.padding.min(rest.len()) } else { 0 };
        data.padding -= skipped;
        let rest = &rest[skipped..];
        // The stream may have ended, and its place been taken, since the frame began.
        let at = data.at.filter(|_| !content.is_empty() || data.ends).and_then(|_| self.streams.find(data.id));
        let complete = data.left == 0 && data.padding == 0;
        if let Some(at) = at {
            let mut outcome = if content.is_empty() { Ok(()) } else { self.streams.data(at, content) };
            if outcome.is_ok() && complete && data.ends {
                outcome = self.streams.client_ends(at, None);
            }
            if let Err(reason) = outcome {
                self.streams.reset(at, reason, true);
            }
        }
        if !complete {
            self.data = Some(data);
        }
        Ok(rest)
    }

    fn headers(&mut self, head: &FrameHead, mut payload: &[u8]) -> Outcome {
        if head.has(flag::PADDED) {
            payload = unpadded(payload)?;
        }
        if head.has(flag::PRIORITY) {
            // Priorities of this kind have been given up (RFC 9113 section 5.3.2).
            payload = payload.get(5..).ok_or(Fault::Protocol(Reason::FrameSize))?;
        }
        let ends = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.fields(head.stream, ends, payload);
        }
        self.block = Some(Block { id: head.stream, ends, bytes: payload.to_vec() });
        Ok(())
    }

    fn continuation(&mut self, head: &FrameHead, payload: &[u8]) -> Outcome {
        // The watch knows that a block is under way.
        let Some(mut block) = self.block.take() else { return protocol(Reason::Protocol) };
        block.bytes.extend_from_slice(payload);
        if block.bytes.len() > self.block_bytes_max() {
            return Err(Breach::Continuations.into());
        }
        if head.has(flag::END_HEADERS) {
            return self.fields(block.id, block.ends, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// A block twice as long as the list may be is no mistake.
    fn block_bytes_max(&self) -> usize {
        self.limits.header_bytes.saturating_mul(2).max(PAYLOAD_BYTES_MAX)
    }

    /// A whole header block. It is read whatever becomes of it: the next ones build on it.
    fn fields(&mut self, id: u32, ends: bool, block: &[u8]) -> Outcome {
        let mut reader = HeadReader::new(self.limits);
        let read = self.decoder.block(block, |seen| reader.show(seen));
        read.map_err(|_| Fault::Protocol(Reason::Compression))?;
        if id > self.last {
            if !self.closed {
                self.last = id;
                self.request(id, ends, reader);
            }
        } else if let Some(at) = self.streams.find(id) {
            self.trailers(at, ends, reader);
        } else {
            match self.streams.stray(id) {
                Stray::Ignore => {}
                Stray::Closed => return protocol(Reason::StreamClosed),
                // An identifier that was passed over is used up (RFC 9113 section 5.1.1).
                Stray::Unknown => return protocol(Reason::Protocol),
            }
        }
        Ok(())
    }

    fn request(&mut self, id: u32, ends: bool, reader: HeadReader) {
        let opened = match reader.request(ends) {
            Ok(head) => self.streams.open(id, ends, head),
            Err(Malformed) => Err(Reason::Protocol),
        };
        if let Err(reason) = opened {
            self.streams.refuse(id, reason, true);
        }
    }

    fn trailers(&mut self, at: usize, ends: bool, reader: HeadReader) {
        let outcome = if self.streams.client_done(at) {
            Err(Reason::StreamClosed)
        } else {
            match reader.trailers() {
                Ok(trailers) if ends => self.streams.client_ends(at, Some(trailers)),
                _ => Err(Reason::Protocol),
            }
        };
        if let Err(reason) = outcome {
            self.streams.reset(at, reason, true);
        }
    }
}

pub(super) fn protocol<T>(reason: Reason) -> Result<T, Fault> {
    Err(Fault::Protocol(reason))
}

/// A payload without its padding (RFC 9113 section 6.1).
fn unpadded(payload: &[u8]) -> Result<&[u8], Fault> {
    let (padding, rest) = payload.split_first().ok_or(Fault::Protocol(Reason::FrameSize))?;
    let content = rest.len().checked_sub(usize::from(*padding)).ok_or(Fault::Protocol(Reason::Protocol))?;
    Ok(&rest[..content])
}
