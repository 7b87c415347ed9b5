//! Frames that say something about a stream or its connection, and carry nothing (RFC 9113 section 6).

use super::{
    frame::{FrameHead, Reason, flag, kind},
    inbound::{Fault, Inbound, Outcome, protocol},
};

/// What the gateway's ping carries: its answer tells that the client has seen what came before.
pub(super) const PING: [u8; 8] = *b"farewell";

impl Inbound {
    pub(super) fn priority(&mut self, head: &FrameHead) -> Outcome {
        match (head.stream, head.length) {
            (0, _) => protocol(Reason::Protocol),
            (_, 5) => Ok(()),
            (id, _) => match self.streams.find(id) {
                Some(at) => {
                    self.streams.reset(at, Reason::FrameSize, true);
                    Ok(())
                }
                None => protocol(Reason::FrameSize),
            },
        }
    }

    pub(super) fn reset(&mut self, head: &FrameHead) -> Outcome {
        self.cells.client_resets.inc();
        if head.length != 4 {
            return protocol(Reason::FrameSize);
        }
        if let Some(at) = self.streams.find(head.stream) {
            self.streams.client_resets(at);
        }
        Ok(())
    }

    pub(super) fn settings(&mut self, head: &FrameHead, payload: &[u8]) -> Outcome {
        if head.stream != 0 {
            return protocol(Reason::Protocol);
        }
        if head.has(flag::ACK) {
            self.streams.acknowledge();
            return if payload.is_empty() { Ok(()) } else { protocol(Reason::FrameSize) };
        }
        if !payload.len().is_multiple_of(6) {
            return protocol(Reason::FrameSize);
        }
        for setting in payload.chunks_exact(6) {
            let value = setting[2..].iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
            match (u16::from_be_bytes([setting[0], setting[1]]), value) {
                // ENABLE_PUSH: nothing is pushed, but what is no answer is none.
                (2, 0 | 1) => {}
                (2, _) => return protocol(Reason::Protocol),
                (4, window) => self.streams.set_initial_window(window).map_err(Fault::Protocol)?,
                (5, most @ 0x4000..=0xff_ffff) => self.streams.set_payload_max(most),
                (5, _) => return protocol(Reason::Protocol),
                // The gateway keeps no table, opens no streams, and sends no lists that could be too long.
                _ => {}
            }
        }
        self.streams.out(|out| out.frame(kind::SETTINGS, flag::ACK, 0, &[]));
        Ok(())
    }

    pub(super) fn ping(&mut self, head: &FrameHead, payload: &[u8]) -> Outcome {
        if head.stream != 0 {
            return protocol(Reason::Protocol);
        }
        if payload.len() != PING.len() {
            return protocol(Reason::FrameSize);
        }
        if head.has(flag::ACK) {
            self.answered_ping |= payload == PING;
        } else {
            self.streams.out(|out| out.frame(kind::PING, flag::ACK, 0, payload));
        }
        Ok(())
    }

    pub(super) fn goaway(&mut self, head: &FrameHead) -> Outcome {
        if head.stream != 0 {
            return protocol(Reason::Protocol);
        }
        if head.length < 8 {
            return protocol(Reason::FrameSize);
        }
        self.leaving = true;
        Ok(())
    }

    pub(super) fn window_update(&mut self, head: &FrameHead, payload: &[u8]) -> Outcome {
        let Ok(by) = <[u8; 4]>::try_from(payload) else { return protocol(Reason::FrameSize) };
        let by = u32::from_be_bytes(by) & 0x7fff_ffff;
        if head.stream == 0 {
            let widened = if by == 0 { Err(Reason::Protocol) } else { self.streams.widen(None, by) };
            return widened.map_err(Fault::Protocol);
        }
        // Streams that have ended take it silently: the client may not know yet.
        let Some(at) = self.streams.find(head.stream) else { return Ok(()) };
        let widened = if by == 0 { Err(Reason::Protocol) } else { self.streams.widen(Some(at), by) };
        if let Err(reason) = widened {
            self.streams.reset(at, reason, true);
        }
        Ok(())
    }
}
