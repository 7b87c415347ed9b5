//! Frame heads and the numbers of HTTP/2 (RFC 9113 sections 4.1, 6 and 7).

/// Length of a frame's head.
pub const HEAD_BYTES: usize = 9;

/// Largest payload the gateway takes; it never announces more (RFC 9113 section 4.2).
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// Kinds of frames.
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 section 6")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames; some share a bit.
pub mod flag {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 section 6")]
    pub const END_STREAM: u8 = 0x1;
    pub const ACK: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
    pub const PRIORITY: u8 = 0x20;
}

/// Why a stream or a connection ends (RFC 9113 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names are those of RFC 9113 section 7")]
pub enum Reason {
    NoError = 0x0,
    Protocol = 0x1,
    Internal = 0x2,
    FlowControl = 0x3,
    SettingsTimeout = 0x4,
    StreamClosed = 0x5,
    FrameSize = 0x6,
    RefusedStream = 0x7,
    Cancel = 0x8,
    Compression = 0x9,
    EnhanceYourCalm = 0xb,
}

/// The nine bytes in front of every frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of payload.
    pub length: usize,
    /// One of [`kind`], or unknown.
    pub kind: u8,
    /// Of [`flag`].
    pub flags: u8,
    /// 0 for the connection.
    pub stream: u32,
}

impl FrameHead {
    /// Reads a head. The reserved bit of the stream is ignored (RFC 9113 section 4.1).
    pub fn read(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Self { length, kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff }
    }

    /// The bytes of the head.
    pub fn bytes(&self) -> [u8; HEAD_BYTES] {
        let [_, a, b, c] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        let [s, t, u, v] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s, t, u, v]
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A GOAWAY that ends the connection: nothing after stream `last` was or will be looked at.
pub fn goaway(last: u32, reason: Reason) -> [u8; HEAD_BYTES + 8] {
    let mut frame = [0; HEAD_BYTES + 8];
    frame[..HEAD_BYTES].copy_from_slice(&FrameHead { length: 8, kind: kind::GOAWAY, flags: 0, stream: 0 }.bytes());
    frame[HEAD_BYTES..HEAD_BYTES + 4].copy_from_slice(&last.to_be_bytes());
    frame[HEAD_BYTES + 4..].copy_from_slice(&(reason as u32).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written() {
        let head = FrameHead { length: 0x01_02_03, kind: kind::DATA, flags: flag::END_STREAM, stream: 0x7fff_fffe };
        assert_eq!(FrameHead::read(&head.bytes()), head);
        let reserved = [0, 0, 0, 0, 0, 0x80, 0, 0, 1];
        assert_eq!(FrameHead::read(&reserved).stream, 1);
    }

    #[test]
    fn a_goaway_names_the_last_stream_and_the_reason() {
        let frame = goaway(5, Reason::EnhanceYourCalm);
        assert_eq!(frame, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0xb]);
    }
}
