//! Header blocks of one connection: two bytes of length, then the block.
#![no_main]

use http::{HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use vergate::pipeline::connection::http2::hpack::{
    Decoder, Error,
    decoder::TABLE_BYTES,
    encoder,
    field::{Name, OVERHEAD, Seen},
    huffman,
};

fuzz_target!(|data: &[u8]| {
    let (mut decoder, mut rest) = (Decoder::default(), data);
    while let Some(([a, b], after)) = rest.split_first_chunk() {
        let length = (usize::from(*a) << 8 | usize::from(*b)).min(after.len());
        let (block, after) = after.split_at(length);
        rest = after;
        let mut plain = Vec::new();
        let mut fields = Vec::new();
        let outcome = decoder.block(block, |seen| {
            assert!(seen.size >= OVERHEAD + seen.name.length());
            if let Some((name, value)) = field(&seen) {
                encoder::field(&mut plain, &name, &value);
                fields.push((name, value, seen.secret));
            }
        });
        assert!(decoder.size() <= TABLE_BYTES);
        // What is passed on reads the same, and is kept by nobody.
        let mut again = Vec::new();
        let mut other = Decoder::default();
        assert_eq!(
            other.block(&plain, |seen| again.extend(field(&seen).map(|(name, value)| (name, value, seen.secret)))),
            Ok(())
        );
        assert_eq!((again, other.size()), (fields, 0));
        if outcome.is_err() {
            break;
        }
    }
    let mut text = Vec::new();
    match huffman::decode(data, &mut text) {
        Ok(()) => assert!(text.len() * 5 <= data.len() * 8),
        Err(error) => assert_eq!(error, Error::Huffman),
    }
});

fn field(seen: &Seen<'_>) -> Option<(HeaderName, HeaderValue)> {
    match seen.name {
        Name::Field(name) => Some((name.clone(), seen.field_value()?)),
        _ => None,
    }
}
