//! The first byte says where the rest is cut into pieces; the rest are HTTP/2 frames of a client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vergate::pipeline::connection::http2::{
    follow::Follow,
    frame::{FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, flag, kind},
    watch::{Bounds, Breach, Watch},
};

const BOUNDS: Bounds = Bounds { continuations: 3, resets: 6, resets_unanswered: 4, control_frames: 8 };

fuzz_target!(|data: &[u8]| {
    let Some((&cut, wire)) = data.split_first() else { return };
    let whole = follow(&[wire]);
    let at = usize::from(cut) % (wire.len() + 1);
    let every: Vec<&[u8]> = wire.chunks(usize::from(cut) % 16 + 1).collect();
    assert_eq!(follow(&[&wire[..at], &wire[at..]]), whole, "{}", wire.escape_ascii());
    assert_eq!(follow(&every), whole, "{}", wire.escape_ascii());
    assert_eq!(whole.0, heads(wire)[..whole.0.len()]);
    laws(&whole.0, whole.1);
});

/// The heads the watch let through, and why it stopped.
fn follow(pieces: &[&[u8]]) -> (Vec<FrameHead>, Option<Breach>) {
    let (mut follow, mut watch) = (Follow::default(), Watch::new(BOUNDS, 0));
    let mut passed = Vec::new();
    for piece in pieces {
        let look = |head: &FrameHead| watch.frame(head, 0).inspect(|()| passed.push(*head));
        if let Err(breach) = follow.heads(piece, look) {
            return (passed, Some(breach));
        }
    }
    (passed, None)
}

/// RFC 9113 section 4.1 read from a whole buffer.
fn heads(mut wire: &[u8]) -> Vec<FrameHead> {
    let mut heads = Vec::new();
    while let Some((head, rest)) = wire.split_first_chunk::<HEAD_BYTES>() {
        let head = FrameHead::read(head);
        assert_eq!(FrameHead::read(&head.bytes()), head);
        heads.push(head);
        let Some(rest) = rest.get(head.length..) else { break };
        wire = rest;
    }
    heads
}

/// What passed is what an honest client may send.
fn laws(passed: &[FrameHead], breach: Option<Breach>) {
    let count = |fits: &dyn Fn(&FrameHead) -> bool| passed.iter().filter(|head| fits(head)).count() as u32;
    assert!(count(&|head| head.kind == kind::RST_STREAM) <= BOUNDS.resets_unanswered);
    assert!(
        count(&|head| matches!(head.kind, kind::PING | kind::PRIORITY) || head.kind > kind::CONTINUATION)
            <= BOUNDS.control_frames
    );
    assert!(passed.iter().all(|head| head.length <= PAYLOAD_BYTES_MAX));
    assert!(passed.first().is_none_or(|head| head.kind == kind::SETTINGS && !head.has(flag::ACK)));
    let (mut highest, mut block, mut pieces) = (0, None, 0);
    for head in passed {
        match head.kind {
            kind::CONTINUATION => {
                assert_eq!(block, Some(head.stream));
                pieces += 1;
                assert!(pieces <= BOUNDS.continuations);
            }
            _ => assert_eq!(block, None),
        }
        match head.kind {
            kind::HEADERS => {
                highest = highest.max(head.stream);
                (block, pieces) = (Some(head.stream), 0);
            }
            kind::DATA | kind::RST_STREAM => assert!(head.stream % 2 == 1 && head.stream <= highest),
            kind::PUSH_PROMISE => panic!("clients do not push"),
            _ => {}
        }
        if matches!(head.kind, kind::HEADERS | kind::CONTINUATION) && head.has(flag::END_HEADERS) {
            block = None;
        }
    }
    if let Some(breach) = breach {
        assert_ne!(breach.reason() as u32, 0);
    }
}
