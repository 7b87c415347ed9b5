//! The first byte says where the rest is cut into pieces; the rest are HTTP/2 frames of a client.
#![no_main]

use std::{rc::Rc, time::Instant};

use libfuzzer_sys::fuzz_target;
use vergate::{
    config::checked::ChunkLimits,
    pipeline::{
        connection::http2::{
            frame::{FrameHead, HEAD_BYTES, PAYLOAD_BYTES_MAX, flag, kind},
            inbound::{Fault, Inbound},
            streams::{Streams, Terms},
            watch::{Bounds, Watch},
        },
        downstream::head::HeadLimits,
    },
    telemetry::{Http2Cells, Metrics},
};

const BOUNDS: Bounds = Bounds { continuations: 3, resets: 6, resets_unanswered: 4, control_frames: 8 };
const TERMS: Terms = Terms { streams: 3, places: 5, stream_window: 100, connection_window: 70_000 };
const LIMITS: HeadLimits = HeadLimits {
    target_bytes: 100,
    header_bytes: 1_000,
    fields: 10,
    chunked: ChunkLimits { extension_bytes: 16, trailer_bytes: 16, trailer_fields: 2 },
};

thread_local! {
    static CELLS: Http2Cells = Metrics::new(Instant::now()).http2();
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, wire)) = data.split_first() else { return };
    let whole = serve(&[wire]);
    let at = usize::from(cut) % (wire.len() + 1);
    let every: Vec<&[u8]> = wire.chunks(usize::from(cut) % 16 + 1).collect();
    assert_eq!(serve(&[&wire[..at], &wire[at..]]), whole, "{}", wire.escape_ascii());
    assert_eq!(serve(&every), whole, "{}", wire.escape_ascii());
    laws(wire, &whole);
});

/// What a client has brought about.
#[derive(Debug, PartialEq)]
struct Seen {
    /// What the gateway says to it.
    answers: Vec<u8>,
    /// The requests that are to be served.
    requests: Vec<String>,
    last: u32,
    fault: Option<Fault>,
}

fn serve(pieces: &[&[u8]]) -> Seen {
    let cells = CELLS.with(Clone::clone);
    let streams = Streams::new(TERMS, cells.clone());
    let mut inbound = Inbound::new(Rc::clone(&streams), cells, LIMITS, Watch::new(BOUNDS, 0));
    let fault = pieces.iter().find_map(|piece| inbound.feed(piece, 0).err());
    let mut requests = Vec::new();
    for at in 0..streams.places() {
        if let std::task::Poll::Ready(arrival) = streams.poll_arrival(at) {
            let (head, _) = arrival.request.into_parts();
            requests.push(format!("{} {} {:?} {:?}", head.method, head.uri, head.headers, arrival.refused));
        }
    }
    let answers = streams.out(|out| out.unsent().to_vec());
    Seen { answers, requests, last: inbound.last(), fault }
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

fn laws(wire: &[u8], seen: &Seen) {
    let asked = heads(wire);
    let said = heads(&seen.answers);
    // What is said is whole frames, each small, and only what is said without being served.
    assert_eq!(said.iter().map(|head| HEAD_BYTES + head.length).sum::<usize>(), seen.answers.len());
    for head in &said {
        assert!(head.length <= PAYLOAD_BYTES_MAX);
        assert!(
            matches!(head.kind, kind::RST_STREAM)
                || (head.has(flag::ACK) && matches!(head.kind, kind::SETTINGS | kind::PING)),
            "{head:?}"
        );
    }
    let count = |frames: &[FrameHead], kind| frames.iter().filter(|head| head.kind == kind).count();
    assert!(count(&said, kind::PING) <= count(&asked, kind::PING).min(BOUNDS.control_frames as usize));
    assert!(count(&said, kind::SETTINGS) <= count(&asked, kind::SETTINGS));
    assert!(count(&said, kind::RST_STREAM) <= BOUNDS.resets_unanswered as usize + 1);
    assert!(seen.requests.len() <= TERMS.places && seen.requests.len() <= count(&asked, kind::HEADERS));
    assert!(asked.iter().any(|head| head.stream == seen.last) || seen.last == 0);
    for request in &seen.requests {
        assert!(!request.contains(['\r', '\n', '\0']), "{request}");
    }
    if let Some(fault) = seen.fault {
        assert_ne!(fault.reason() as u32, 0);
    }
}
