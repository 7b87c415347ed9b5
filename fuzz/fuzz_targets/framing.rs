//! The first byte says where the rest is cut into pieces; the rest is a chunked body and what follows it.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use vergate::{
    config::checked::ChunkLimits,
    pipeline::{
        chunked::Step,
        downstream::framing::{Chunks, Framing},
    },
};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, wire)) = data.split_first() else { return };
    let whole = follow(Framing::Chunked(Chunks::new(ChunkLimits::default())), &[wire]);
    assert_eq!(whole, reference(wire), "{}", wire.escape_ascii());
    let length = u64::from(cut);
    let taken = usize::from(cut).min(wire.len());
    let plain = if taken == usize::from(cut) { Read::Done(taken) } else { Read::Partial };
    let at = usize::from(cut) % (wire.len() + 1);
    let every: Vec<&[u8]> = wire.chunks(usize::from(cut) % 16 + 1).collect();
    for pieces in [&[&wire[..at], &wire[at..]][..], &every] {
        assert_eq!(
            follow(Framing::Chunked(Chunks::new(ChunkLimits::default())), pieces),
            whole,
            "{}",
            wire.escape_ascii()
        );
        assert_eq!(follow(Framing::Length(length), pieces), plain);
    }
});

/// How a body stands after some bytes.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// It ended after so many bytes.
    Done(usize),
    /// It goes on.
    Partial,
    /// It is broken.
    Bad,
}

fn follow(mut framing: Framing, pieces: &[&[u8]]) -> Read {
    let (mut buffer, mut given) = (BytesMut::new(), 0);
    let mut pieces = pieces.iter();
    loop {
        match framing.next(&mut buffer) {
            Err(_) => return Read::Bad,
            Ok(Step::Data(data)) => assert!(!data.is_empty()),
            Ok(Step::Trailers(_) | Step::End) => break,
            Ok(Step::More) => match pieces.next() {
                Some(piece) => {
                    buffer.extend_from_slice(piece);
                    given += piece.len();
                }
                None => return Read::Partial,
            },
        }
    }
    assert!(framing.is_done());
    let done = Read::Done(given - buffer.len());
    buffer.extend_from_slice(b"GET / HTTP/1.1");
    let left = buffer.len();
    assert_eq!(framing.next(&mut buffer), Ok(Step::End));
    assert_eq!(buffer.len(), left, "what follows a body is not its own");
    done
}

/// RFC 9112 section 7.1 read from a whole buffer, line by line.
fn reference(wire: &[u8]) -> Read {
    let mut rest = wire;
    loop {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let text = std::str::from_utf8(&rest[..digits]).expect("digits");
        let significant = text.trim_start_matches('0');
        let size = if significant.is_empty() { Ok(0) } else { u64::from_str_radix(significant, 16) };
        if digits > DIGITS_MAX || size.as_ref().is_ok_and(|size| i64::try_from(*size).is_err()) || size.is_err() {
            return Read::Bad;
        }
        rest = &rest[digits..];
        match rest.first() {
            None => return Read::Partial,
            Some(b'\r' | b';' | b' ' | b'\t') if digits > 0 => {}
            Some(_) => return Read::Bad,
        }
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(blanks) {
            None => return Read::Partial,
            Some(b';') => {}
            Some(b'\r') if blanks == 0 => {}
            Some(_) => return Read::Bad,
        }
        rest = match line(rest) {
            Line::Whole(_, rest) => rest,
            Line::Partial => return Read::Partial,
            Line::Bad => return Read::Bad,
        };
        let size = size.unwrap_or_default();
        if size == 0 {
            break;
        }
        let Some(after) = usize::try_from(size).ok().and_then(|size| rest.get(size..)) else { return Read::Partial };
        rest = match after {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Read::Partial,
            _ => return Read::Bad,
        };
    }
    let (mut fields, mut begun) = (true, 0);
    loop {
        if matches!(rest.first(), Some(b' ' | b'\t')) {
            return Read::Bad;
        }
        begun += u32::from(matches!(rest.first(), Some(byte) if *byte != b'\r'));
        if begun > ChunkLimits::default().trailer_fields {
            return Read::Bad;
        }
        match line(rest) {
            Line::Whole(b"", _) if !fields => return Read::Bad,
            Line::Whole(b"", rest) => return Read::Done(wire.len() - rest.len()),
            Line::Whole(text, after) => {
                let name = text.split(|byte| *byte == b':').next().filter(|name| name.len() < text.len());
                fields &= name.is_some_and(|name| http::HeaderName::from_bytes(name).is_ok());
                rest = after;
            }
            Line::Partial => return Read::Partial,
            Line::Bad => return Read::Bad,
        }
    }
}

/// Digits that a size may have, leading zeros included.
const DIGITS_MAX: usize = 16;

enum Line<'w> {
    /// The line, and what follows it.
    Whole(&'w [u8], &'w [u8]),
    Partial,
    Bad,
}

fn line(wire: &[u8]) -> Line<'_> {
    let end = wire.iter().position(|byte| *byte != b'\t' && (*byte < b' ' || *byte == 0x7f));
    match end.map(|end| (end, &wire[end..])) {
        None => Line::Partial,
        Some((_, [b'\r'])) => Line::Partial,
        Some((end, [b'\r', b'\n', rest @ ..])) => Line::Whole(&wire[..end], rest),
        Some(_) => Line::Bad,
    }
}
