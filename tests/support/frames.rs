//! An HTTP/2 client that writes exactly the frames it is told to (RFC 9113, RFC 7541).

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame the gateway sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The status of a response's HEADERS, which stands first in its block.
    pub(crate) fn status(&self) -> u16 {
        match *self.payload.as_slice() {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x08 | 0x18 | 0x48, 0x03, a, b, c, ..] => String::from_utf8(vec![a, b, c]).unwrap().parse().unwrap(),
            [0x08 | 0x18 | 0x48, huffman @ 0x82..=0x83, ..] => {
                let bits = self.payload[2..2 + usize::from(huffman & 0x7f)].iter();
                digits(bits.fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)), 8 * u32::from(huffman & 0x7f))
            }
            _ => panic!("no status in front of {:?}", self.payload),
        }
    }
}

/// Three digits in the Huffman code: five bits up to 2, six beyond.
fn digits(bits: u32, length: u32) -> u16 {
    let (mut left, mut number) = (length, 0);
    for _ in 0..3 {
        let five = bits >> (left - 5) & 0x1f;
        let (digit, taken) = if five <= 2 { (five, 5) } else { ((bits >> (left - 6) & 0x3f) - 0x19 + 3, 6) };
        left -= taken;
        number = number * 10 + digit;
    }
    u16::try_from(number).unwrap()
}

/// A header block of literal fields without compression.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn length(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        block.push(length as u8);
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// The pseudo-fields of a request and others.
pub(crate) fn request<'a>(method: &'a str, path: &'a str, fields: &[(&'a str, &'a str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "gateway.test")];
    block(&[&pseudo, fields].concat())
}

/// One connection.
pub(crate) struct Frames {
    stream: TcpStream,
}

impl Frames {
    /// A connection that has sent its preface and empty settings.
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let mut frames = Self::silent(to);
        frames.raw(PREFACE).send(SETTINGS, 0, 0, b"");
        frames
    }

    /// A connection that has sent nothing.
    pub(crate) fn silent(to: SocketAddr) -> Self {
        Self::on(TcpStream::connect(to).unwrap())
    }

    /// A connection of the caller's own that has sent nothing.
    pub(crate) fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Bytes as they are; a gateway that has hung up is not this client's business.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.stream.write_all(bytes);
        self
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        let bytes = frame(kind, flags, stream, payload);
        self.raw(&bytes)
    }

    /// A GET without body.
    pub(crate) fn get(&mut self, stream: u32, path: &str) -> &mut Self {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path, &[]))
    }

    /// The next frame; none where the gateway closed.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("neither a frame nor a close in time"),
            Err(_) => return None,
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// What one read of the socket gets.
    pub(crate) fn read_once(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 17];
        let length = self.stream.read(&mut bytes).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// Frames up to the first that fits.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let mut seen = Vec::new();
        while let Some(frame) = self.next() {
            if fits(&frame) {
                return frame;
            }
            seen.push((frame.kind, frame.flags, frame.stream));
        }
        panic!("closed before {what}; saw {seen:?}")
    }

    /// The status of the answer on a stream.
    #[track_caller]
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        self.until("an answer", |frame| frame.kind == HEADERS && frame.stream == stream).status()
    }

    /// The reason of the GOAWAY the gateway ends the connection with, which it then closes.
    #[track_caller]
    pub(crate) fn goaway(&mut self) -> u32 {
        let reason = self.until("GOAWAY", |frame| frame.kind == GOAWAY && frame.reason() != 0).reason();
        while self.next().is_some() {}
        reason
    }

    /// The reason a stream was reset for.
    #[track_caller]
    pub(crate) fn reset(&mut self, stream: u32) -> u32 {
        self.until("RST_STREAM", |frame| frame.kind == RST_STREAM && frame.stream == stream).reason()
    }

    /// The body of a stream, after its HEADERS. The windows are left as they are.
    #[track_caller]
    pub(crate) fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.until("DATA", |frame| frame.stream == stream && matches!(frame.kind, DATA | HEADERS));
            if frame.kind == DATA {
                body.extend_from_slice(&frame.payload);
            }
            if frame.ends_stream() {
                return body;
            }
        }
    }

    /// Whether the connection still answers.
    #[track_caller]
    pub(crate) fn still_serves(&mut self, stream: u32) {
        assert_eq!(self.get(stream, "/items").status(stream), 200);
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
