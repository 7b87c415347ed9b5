//! An HTTP/1 answer as bytes.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response::Parts};
use hyper::ext::ReasonPhrase;

use super::{request::Asked, wire::Wire};
use crate::{clock, pipeline::chunked};

/// How a client learns where a body ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// There is no body, whatever the head says.
    Nothing,
    /// After this many bytes.
    Length(u64),
    /// After the last chunk.
    Chunks,
    /// When the connection closes.
    Close,
}

impl Delimiter {
    /// - `size`: the body's, where it is known.
    pub fn choose(asked: Asked, status: StatusCode, size: Option<u64>) -> Self {
        if asked.head || status.is_informational() || matches!(status.as_u16(), 204 | 304) {
            return Self::Nothing;
        }
        match size {
            Some(length) => Self::Length(length),
            None if asked.modern => Self::Chunks,
            None => Self::Close,
        }
    }
}

/// Appends an answer's head to `out`.
///
/// - `lines`: whole lines behind the fields of `head`.
/// - `size`: the body's, where it is known, also where it is not sent.
/// - `persists`: whether the connection stays open afterwards.
pub fn head(
    out: &mut Vec<u8>,
    (head, lines): (&Parts, &[u8]),
    asked: Asked,
    delimiter: Delimiter,
    size: Option<u64>,
    persists: bool,
    now: u64,
) {
    status_line(out, head);
    // Lengths that lie are worse than none (RFC 9110 section 8.6).
    let bodiless = head.status.is_informational() || head.status == StatusCode::NO_CONTENT;
    let measured = matches!(delimiter, Delimiter::Length(_) | Delimiter::Chunks | Delimiter::Close);
    let (mut dated, mut sized) = (false, false);
    for (name, value) in &head.headers {
        if *name == header::CONTENT_LENGTH {
            if bodiless || measured {
                continue;
            }
            sized = true;
        }
        dated |= *name == header::DATE;
        line(out, name, value);
    }
    out.extend_from_slice(lines);
    let length = match delimiter {
        Delimiter::Length(length) => Some(length),
        // HEAD: what GET would have sent, where that is known.
        Delimiter::Nothing if asked.head && !sized && !bodiless => size.filter(|size| *size > 0),
        _ => None,
    };
    if let Some(length) = length {
        out.extend_from_slice(b"content-length: ");
        decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
    if delimiter == Delimiter::Chunks {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if !dated {
        date(out, now);
    }
    match (persists, asked.modern) {
        (true, true) => {}
        _ if head.status == StatusCode::SWITCHING_PROTOCOLS => {}
        (true, false) => out.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, _) => out.extend_from_slice(b"connection: close\r\n"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends an interim response (RFC 9110 section 15.2).
pub fn interim(out: &mut Vec<u8>, status: StatusCode, fields: &HeaderMap) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        line(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, head: &Parts) {
    if head.status == StatusCode::OK && head.extensions.is_empty() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    match head.extensions.get::<ReasonPhrase>() {
        Some(reason) => out.extend_from_slice(reason.as_bytes()),
        None => out.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `Date`; written anew at most once in each tick of the worker, which `now` counts.
fn date(out: &mut Vec<u8>, now: u64) {
    thread_local! {
        static LINE: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    LINE.with_borrow_mut(|(at, line)| {
        if *at != now {
            *line = format!("date: {}\r\n", clock::now().imf_fixdate());
            *at = now;
        }
        out.extend_from_slice(line.as_bytes());
    });
}

/// Bytes on their way to the client, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    lead: Vec<u8>,
    written: usize,
    data: Bytes,
    tail: &'static [u8],
}

/// Bodies up to this size are put behind their head, so that both leave in one flat `send`.
const SMALL_BYTES_MAX: usize = 16 * 1024;
/// An ordinary head with a small body.
const LEAD_BYTES: usize = 2 * 1024;

thread_local! {
    /// The buffer of the last outbox; one for each worker is enough for almost all of them.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Outbox {
    /// Makes room for a head.
    pub fn ready(mut self) -> Self {
        if self.lead.capacity() == 0 {
            self.lead = SPARE.take();
            self.lead.clear();
            self.lead.reserve(LEAD_BYTES);
        }
        self
    }

    /// Where heads are written. Only while nothing else is on its way.
    pub fn lead(&mut self) -> &mut Vec<u8> {
        &mut self.lead
    }

    /// Appends a piece of a body.
    pub fn data(&mut self, data: Bytes, delimiter: Delimiter) {
        if data.is_empty() {
            return;
        }
        if delimiter == Delimiter::Chunks {
            chunked::size_line(&mut self.lead, data.len());
        }
        if data.len() <= SMALL_BYTES_MAX {
            self.lead.extend_from_slice(&data);
            if delimiter == Delimiter::Chunks {
                self.lead.extend_from_slice(b"\r\n");
            }
        } else {
            self.data = data;
            self.tail = if delimiter == Delimiter::Chunks { b"\r\n" } else { b"" };
        }
    }

    /// Appends the end of a body.
    pub fn end(&mut self, delimiter: Delimiter, trailers: Option<&HeaderMap>, allowed: &[HeaderName]) {
        if delimiter == Delimiter::Chunks {
            chunked::last_chunk(&mut self.lead, trailers, allowed);
        }
    }

    /// Whether nothing more may be appended before something is written.
    pub fn is_full(&self) -> bool {
        !self.data.is_empty() || self.lead.len() > SMALL_BYTES_MAX
    }

    /// Whether nothing is left to write.
    pub fn is_empty(&self) -> bool {
        self.written == self.lead.len() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Writes until nothing is left.
    pub fn poll_write(&mut self, wire: &Wire, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let slices = [IoSlice::new(&self.lead[self.written..]), IoSlice::new(&self.data), IoSlice::new(self.tail)];
            let slices = if self.data.is_empty() && self.tail.is_empty() { &slices[..1] } else { &slices[..] };
            let n = ready!(wire.poll_write(cx, slices))?;
            let of_lead = n.min(self.lead.len() - self.written);
            self.written += of_lead;
            let of_data = (n - of_lead).min(self.data.len());
            self.data.advance(of_data);
            self.tail = &self.tail[n - of_lead - of_data..];
        }
        self.lead.clear();
        self.written = 0;
        self.data = Bytes::new();
        wire.poll_flush(cx)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if (LEAD_BYTES..=2 * SMALL_BYTES_MAX).contains(&self.lead.capacity()) {
            SPARE.set(std::mem::take(&mut self.lead));
        }
    }
}
