//! What a client may do with frames before it is asked to go.
//!
//! HTTP/2 lets a client make the gateway work with frames that cost it next to nothing: requests that
//! are taken back at once, header blocks in endless pieces, settings, pings. Only frame heads are
//! looked at here, nothing is allocated, and a breach ends the connection (RFC 9113 section 10.5).

use super::frame::{FrameHead, PAYLOAD_BYTES_MAX, Reason, flag, kind};

/// How often a client may do what costs it nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CONTINUATION frames of one header block, empty ones too.
    pub continuations: u32,
    /// Streams that end in a reset in one [window](WINDOW_MS), by each side.
    pub resets: u32,
    /// The same on a connection that was never answered.
    pub resets_unanswered: u32,
    /// SETTINGS, PING, PRIORITY, empty DATA and unknown frames in one window, together.
    pub control_frames: u32,
}

/// Counts are forgotten after this many milliseconds.
pub const WINDOW_MS: u64 = 10_000;

/// What a client did too often, or may not do at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Rapid reset.
    #[error("the client resets streams too often")]
    ClientResets,
    /// Requests made to be reset by the gateway.
    #[error("the client causes resets too often")]
    OwnResets,
    /// CONTINUATION flood.
    #[error("a header block has too many pieces")]
    Continuations,
    /// Frames that ask for work and carry nothing.
    #[error("too many frames without content")]
    ControlFrames,
    /// A frame that may not stand where it stands.
    #[error("a frame is not allowed here")]
    Order,
    /// A frame of an impossible length.
    #[error("a frame has a length it may not have")]
    Length,
}

impl Breach {
    /// What the client is told.
    pub fn reason(self) -> Reason {
        match self {
            Self::ClientResets | Self::OwnResets | Self::Continuations | Self::ControlFrames => Reason::EnhanceYourCalm,
            Self::Order => Reason::Protocol,
            Self::Length => Reason::FrameSize,
        }
    }

    /// The label it is counted under.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientResets => "client_resets",
            Self::OwnResets => "own_resets",
            Self::Continuations => "continuation",
            Self::ControlFrames => "control",
            Self::Order | Self::Length => "protocol",
        }
    }
}

/// Follows the frames of one client.
#[derive(Debug)]
pub struct Watch {
    bounds: Bounds,
    /// When the current window began, in milliseconds.
    since: u64,
    client_resets: u32,
    own_resets: u32,
    control_frames: u32,
    /// Whether any request was ever answered.
    answered: bool,
    /// Whether the client's SETTINGS have come, which have to be first (RFC 9113 section 3.4).
    began: bool,
    /// The stream whose header block goes on, and how many more frames it may have.
    block: Option<(u32, u32)>,
    /// The highest stream the client opened.
    last_stream: u32,
}

impl Watch {
    /// A client that has sent its preface.
    pub fn new(bounds: Bounds, now: u64) -> Self {
        Self {
            bounds,
            since: now,
            client_resets: 0,
            own_resets: 0,
            control_frames: 0,
            answered: false,
            began: false,
            block: None,
            last_stream: 0,
        }
    }

    /// The highest stream the client opened.
    pub fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// Whether a header block has begun and not ended.
    pub fn in_header_block(&self) -> bool {
        self.block.is_some()
    }

    /// Looks at the head of the client's next frame. `now` is in milliseconds.
    pub fn frame(&mut self, head: &FrameHead, now: u64) -> Result<(), Breach> {
        if head.length > PAYLOAD_BYTES_MAX {
            return Err(Breach::Length);
        }
        if !self.began {
            // A client whose first frame acknowledges settings has not seen any.
            self.began = head.kind == kind::SETTINGS && !head.has(flag::ACK);
            return if self.began { Ok(()) } else { Err(Breach::Order) };
        }
        if self.block.is_some() != (head.kind == kind::CONTINUATION) {
            return Err(Breach::Order);
        }
        match head.kind {
            kind::HEADERS => self.headers(head),
            kind::CONTINUATION => self.continuation(head),
            kind::DATA => {
                self.known_stream(head.stream)?;
                if head.length == 0 && !head.has(flag::END_STREAM) { self.control_frame(now) } else { Ok(()) }
            }
            kind::RST_STREAM => {
                self.known_stream(head.stream)?;
                self.turn(now);
                self.client_resets += 1;
                self.check_resets(self.client_resets, Breach::ClientResets)
            }
            kind::WINDOW_UPDATE if head.stream != 0 => self.known_stream(head.stream),
            kind::WINDOW_UPDATE | kind::GOAWAY => Ok(()),
            // Only servers push.
            kind::PUSH_PROMISE => Err(Breach::Order),
            _ => self.control_frame(now),
        }
    }

    /// The gateway reset a stream because of something the client did.
    pub fn own_reset(&mut self, now: u64) -> Result<(), Breach> {
        self.turn(now);
        self.own_resets += 1;
        self.check_resets(self.own_resets, Breach::OwnResets)
    }

    /// A request was answered: the client is after answers.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    fn headers(&mut self, head: &FrameHead) -> Result<(), Breach> {
        if head.stream.is_multiple_of(2) {
            return Err(Breach::Order);
        }
        self.last_stream = self.last_stream.max(head.stream);
        if !head.has(flag::END_HEADERS) {
            self.block = Some((head.stream, self.bounds.continuations));
        }
        Ok(())
    }

    fn continuation(&mut self, head: &FrameHead) -> Result<(), Breach> {
        let Some((stream, left)) = self.block.filter(|(stream, _)| *stream == head.stream) else {
            return Err(Breach::Order);
        };
        let left = left.checked_sub(1).ok_or(Breach::Continuations)?;
        self.block = (!head.has(flag::END_HEADERS)).then_some((stream, left));
        Ok(())
    }

    /// Streams that were never opened are idle: only HEADERS and PRIORITY may name them (section 5.1).
    fn known_stream(&self, stream: u32) -> Result<(), Breach> {
        if stream % 2 == 1 && stream <= self.last_stream { Ok(()) } else { Err(Breach::Order) }
    }

    fn control_frame(&mut self, now: u64) -> Result<(), Breach> {
        self.turn(now);
        self.control_frames += 1;
        if self.control_frames > self.bounds.control_frames { Err(Breach::ControlFrames) } else { Ok(()) }
    }

    fn check_resets(&self, resets: u32, breach: Breach) -> Result<(), Breach> {
        let unanswered = !self.answered && resets > self.bounds.resets_unanswered;
        if unanswered || resets > self.bounds.resets { Err(breach) } else { Ok(()) }
    }

    /// Forgets the counts of a window that is over.
    fn turn(&mut self, now: u64) {
        if now.saturating_sub(self.since) >= WINDOW_MS {
            self.since = now;
            (self.client_resets, self.own_resets, self.control_frames) = (0, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { continuations: 2, resets: 5, resets_unanswered: 3, control_frames: 4 };

    fn head(kind: u8, flags: u8, stream: u32) -> FrameHead {
        FrameHead { length: 8, kind, flags, stream }
    }

    fn empty(kind: u8, flags: u8, stream: u32) -> FrameHead {
        FrameHead { length: 0, ..head(kind, flags, stream) }
    }

    /// A client that has sent its settings and opened stream 1.
    fn watch() -> Watch {
        let mut watch = Watch::new(BOUNDS, 0);
        assert_eq!(watch.frame(&head(kind::SETTINGS, 0, 0), 0), Ok(()));
        assert_eq!(watch.frame(&head(kind::HEADERS, flag::END_HEADERS, 1), 0), Ok(()));
        watch
    }

    #[test]
    fn a_client_begins_with_its_settings() {
        for (kind, flags) in [(kind::PING, 0), (kind::HEADERS, flag::END_HEADERS), (kind::SETTINGS, flag::ACK)] {
            let mut watch = Watch::new(BOUNDS, 0);
            assert_eq!(watch.frame(&head(kind, flags, 0), 0), Err(Breach::Order), "{kind}");
        }
    }

    #[test]
    fn resets_are_bounded_and_fewer_before_any_answer() {
        let mut quiet = watch();
        let reset = head(kind::RST_STREAM, 0, 1);
        for _ in 0..3 {
            assert_eq!(quiet.frame(&reset, 0), Ok(()));
        }
        assert_eq!(quiet.frame(&reset, 0), Err(Breach::ClientResets));
        let mut served = watch();
        served.answered();
        for _ in 0..5 {
            assert_eq!(served.frame(&reset, 0), Ok(()));
            assert_eq!(served.own_reset(0), Ok(()));
        }
        assert_eq!(served.own_reset(WINDOW_MS - 1), Err(Breach::OwnResets));
        assert_eq!(served.frame(&reset, WINDOW_MS), Ok(()), "counts are forgotten after the window");
    }

    #[test]
    fn frames_without_content_are_bounded_together() {
        let mut idle = watch();
        for frame in [
            head(kind::SETTINGS, 0, 0),
            head(kind::PING, 0, 0),
            head(kind::PRIORITY, 0, 7),
            empty(kind::DATA, 0, 1),
            head(0xfa, 0, 0),
        ] {
            let last = frame.kind == 0xfa;
            assert_eq!(idle.frame(&frame, 1), if last { Err(Breach::ControlFrames) } else { Ok(()) }, "{frame:?}");
        }
        let mut busy = watch();
        for _ in 0..100 {
            assert_eq!(busy.frame(&head(kind::DATA, 0, 1), 1), Ok(()));
            assert_eq!(busy.frame(&head(kind::WINDOW_UPDATE, 0, 0), 1), Ok(()));
        }
        assert_eq!(busy.frame(&empty(kind::DATA, flag::END_STREAM, 1), 1), Ok(()));
    }

    #[test]
    fn a_header_block_has_so_many_pieces_and_no_other_frame_between_them() {
        let mut watch = watch();
        assert_eq!(watch.frame(&head(kind::HEADERS, 0, 3), 0), Ok(()));
        assert_eq!(watch.frame(&empty(kind::CONTINUATION, 0, 3), 0), Ok(()));
        assert_eq!(watch.frame(&empty(kind::CONTINUATION, flag::END_HEADERS, 3), 0), Ok(()));
        assert_eq!(watch.frame(&head(kind::HEADERS, 0, 5), 0), Ok(()));
        for _ in 0..2 {
            assert_eq!(watch.frame(&empty(kind::CONTINUATION, 0, 5), 0), Ok(()));
        }
        assert_eq!(watch.frame(&empty(kind::CONTINUATION, flag::END_HEADERS, 5), 0), Err(Breach::Continuations));
        for other in
            [head(kind::PING, 0, 0), head(kind::CONTINUATION, 0, 9), head(kind::HEADERS, 0, 7), head(0xfa, 0, 0)]
        {
            let mut watch = self::watch();
            assert_eq!(watch.frame(&head(kind::HEADERS, 0, 5), 0), Ok(()));
            assert_eq!(watch.frame(&other, 0), Err(Breach::Order), "{other:?}");
        }
        assert_eq!(self::watch().frame(&head(kind::CONTINUATION, flag::END_HEADERS, 1), 0), Err(Breach::Order));
    }

    #[test]
    fn streams_that_were_never_opened_take_no_frames() {
        for kind in [kind::DATA, kind::RST_STREAM, kind::WINDOW_UPDATE] {
            assert_eq!(watch().frame(&head(kind, 0, 3), 0), Err(Breach::Order), "{kind}");
            assert_eq!(watch().frame(&head(kind, 0, 2), 0), Err(Breach::Order), "{kind}");
            assert_eq!(watch().frame(&head(kind, 0, 1), 0), Ok(()), "{kind}");
        }
        assert_eq!(watch().frame(&head(kind::DATA, 0, 0), 0), Err(Breach::Order));
        assert_eq!(watch().frame(&head(kind::RST_STREAM, 0, 0), 0), Err(Breach::Order));
        assert_eq!(watch().frame(&head(kind::WINDOW_UPDATE, 0, 0), 0), Ok(()));
        assert_eq!(watch().frame(&head(kind::PRIORITY, 0, 99), 0), Ok(()));
        assert_eq!(watch().frame(&head(kind::HEADERS, flag::END_HEADERS, 2), 0), Err(Breach::Order));
        assert_eq!(watch().frame(&head(kind::PUSH_PROMISE, flag::END_HEADERS, 1), 0), Err(Breach::Order));
    }

    #[test]
    fn a_frame_larger_than_announced_is_refused() {
        let large = |length| FrameHead { length, ..head(kind::DATA, 0, 1) };
        assert_eq!(watch().frame(&large(PAYLOAD_BYTES_MAX), 0), Ok(()));
        assert_eq!(watch().frame(&large(PAYLOAD_BYTES_MAX + 1), 0), Err(Breach::Length));
    }
}
