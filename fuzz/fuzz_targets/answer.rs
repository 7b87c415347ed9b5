//! The bytes of an upstream: the first says where they are cut, the rest is an answer and what follows it.
#![no_main]

use bytes::BytesMut;
use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use vergate::{
    config::checked::{ChunkLimits, Limits},
    headers::Present,
    pipeline::chunked::Step,
    pipeline::upstream::{hop_by_hop, wire::response},
};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, wire)) = data.split_first() else { return };
    let method = if cut & 1 == 0 { Method::GET } else { Method::HEAD };
    let whole = read(&method, &[wire]);
    let at = usize::from(cut) % (wire.len() + 1);
    let every: Vec<&[u8]> = wire.chunks(usize::from(cut) % 16 + 1).collect();
    for pieces in [&[&wire[..at], &wire[at..]][..], &every] {
        // A head that is too large may be told before it is seen to be no head, and the other way round.
        match (&whole, read(&method, pieces)) {
            (Read::Bad, Read::Bad) => {}
            (whole, other) => assert_eq!(*whole, other, "{}", wire.escape_ascii()),
        }
    }
    if let Read::Whole { fields, .. } = whole {
        nothing_of_the_connection_is_left(fields);
    }
});

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// It ended: head, body, and what was left over.
    Whole { status: u16, fields: HeaderMap, body: Vec<u8>, trailers: Option<HeaderMap>, rest: Vec<u8> },
    /// More has to come.
    Partial,
    /// It is no answer.
    Bad,
}

fn read(method: &Method, pieces: &[&[u8]]) -> Read {
    let chunked = ChunkLimits { extension_bytes: 32, trailer_bytes: 64, trailer_fields: 3 };
    let limits = Limits { response_header_bytes: 512, response_header_fields: 8, chunked, ..Limits::default() };
    let (mut buffer, mut pieces) = (BytesMut::new(), pieces.iter());
    let head = loop {
        match response::take(&mut buffer, method, &limits) {
            Err(_) => return Read::Bad,
            Ok(Some(head)) => break head,
            Ok(None) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Read::Partial,
            },
        }
    };
    let (mut decoder, mut body, mut trailers) = (head.decoder, Vec::new(), None);
    let done = decoder.left();
    loop {
        match decoder.next(&mut buffer) {
            Err(_) => return Read::Bad,
            Ok(Step::Data(data)) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Ok(Step::Trailers(fields)) => {
                assert!(!fields.is_empty() && fields.len() <= 3);
                trailers = Some(fields);
            }
            Ok(Step::End) => break,
            Ok(Step::More) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None if decoder.end() => break,
                None => return Read::Partial,
            },
        }
    }
    if let Some(length) = done {
        assert_eq!(body.len() as u64, length, "a body has the length its head says");
    }
    let rest = buffer.iter().chain(pieces.copied().flatten()).copied().collect();
    Read::Whole { status: head.status.as_u16(), fields: head.headers, body, trailers, rest }
}

fn nothing_of_the_connection_is_left(mut fields: HeaderMap) {
    let before = fields.clone();
    hop_by_hop::remove_from_response(&mut fields, Present::of(&before));
    for name in ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"] {
        assert!(!fields.contains_key(name), "{name}");
    }
    for name in fields.keys() {
        assert!(fields.get_all(name).iter().eq(before.get_all(name).iter()), "{name} is not as it was sent");
    }
    let once = fields.clone();
    hop_by_hop::remove_from_response(&mut fields, Present::of(&once));
    assert_eq!(once, fields);
}
