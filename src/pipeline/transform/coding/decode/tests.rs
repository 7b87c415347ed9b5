use flate2::{
    Compression, GzBuilder,
    write::{DeflateEncoder, GzEncoder},
};
use proptest::prelude::*;
use std::io::Write as _;

use super::*;
use crate::pipeline::transform::coding::encode;

/// Decodes `pieces` one after the other, with room for `room` bytes at once.
fn decode(coding: Coding, pieces: &[&[u8]], room: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(coding);
    let (mut whole, mut out) = (Vec::new(), vec![0; room]);
    let mut pieces = pieces.iter();
    loop {
        match decoder.read(&mut out)? {
            Step::Wrote(length) => {
                assert!((1..=room).contains(&length));
                whole.extend_from_slice(&out[..length]);
            }
            Step::Starved => match pieces.next() {
                Some(piece) => decoder.push(Bytes::copy_from_slice(piece)),
                None => decoder.end(),
            },
            Step::End => return Ok(whole),
        }
    }
}

fn coded(coding: Coding, text: &[u8]) -> Vec<u8> {
    encode(coding, text).expect("memory does not fail")
}

/// Words, so that there is something to compress, and noise, so that not everything can be.
fn text(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    let words = [&b"{\"name\":"[..], b"\"value\"", b",null,", b"0123456789", b"]}"];
    let mut text = Vec::new();
    while text.len() < length {
        text.extend_from_slice(words[random.usize(..words.len())]);
        text.push(random.u8(..));
    }
    text.truncate(length);
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_coded_comes_back_however_it_is_cut(length in 0usize..100_000, cuts: [prop::sample::Index; 3], room in 1usize..70_000) {
        let text = text(length);
        for coding in Coding::ALL {
            let coded = coded(coding, &text);
            let mut at = cuts.map(|cut| cut.index(coded.len() + 1));
            at.sort_unstable();
            let [a, b, c] = at;
            let decoded = decode(coding, &[&coded[..a], &coded[a..b], &coded[b..c], &coded[c..]], room.max(length / 200 + 1));
            prop_assert!(decoded.as_ref() == Ok(&text), "{coding:?} {length}: {:?}", decoded.map(|d| d.len()));
        }
    }

    #[test]
    fn nothing_from_the_network_panics(mut noise in prop::collection::vec(any::<u8>(), 1..300), flips: [(prop::sample::Index, u8); 4]) {
        for coding in Coding::ALL {
            let _ = decode(coding, &[&noise], 1000);
            let mut coded = coded(coding, &noise);
            for (at, bits) in flips {
                let at = at.index(coded.len());
                coded[at] ^= bits;
            }
            let _ = decode(coding, &[&coded], 1000);
        }
        noise.splice(..0, *b"\x28\xb5\x2f\xfd");
        let _ = decode(Coding::Zstd, &[&noise], 1000);
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let text = text(3000);
    for coding in Coding::ALL {
        let coded = coded(coding, &text);
        let pieces: Vec<&[u8]> = coded.chunks(1).collect();
        assert_eq!(decode(coding, &pieces, 7), Ok(text.clone()), "{coding:?}");
    }
}

#[test]
fn what_ends_too_early_or_too_late_is_broken() {
    let text = text(2000);
    for coding in Coding::ALL {
        let coded = coded(coding, &text);
        for length in 1..coded.len() {
            assert_eq!(decode(coding, &[&coded[..length]], 512), Err(DecodeError::Broken), "{coding:?} {length}");
        }
        for more in [&b"\0"[..], b"{}", b"\x1f"] {
            assert_eq!(decode(coding, &[&coded, more], 512), Err(DecodeError::Broken), "{coding:?}");
            assert_eq!(decode(coding, &[&[&coded[..], more].concat()], 512), Err(DecodeError::Broken), "{coding:?}");
        }
        assert_eq!(decode(coding, &[], 512), Ok(Vec::new()), "{coding:?}: no content has no coding");
    }
}

#[test]
fn a_checksum_that_does_not_hold_is_broken() {
    let text = text(2000);
    for (coding, from_end) in [(Coding::Gzip, 8), (Coding::Gzip, 1), (Coding::Deflate, 1), (Coding::Zstd, 1)] {
        let mut coded = coded(coding, &text);
        let at = coded.len() - from_end;
        coded[at] ^= 1;
        assert_eq!(decode(coding, &[&coded], 512), Err(DecodeError::Broken), "{coding:?} {from_end}");
    }
}

#[test]
fn what_other_programs_wrote_is_read() {
    let text = [b"{\"a\":1,\"s\":\"", &b"abc".repeat(40)[..], b"\"}"].concat();
    for (coding, coded) in [
        (Coding::Zstd, FIXTURE_ZSTD),
        (Coding::Gzip, FIXTURE_GZIP),
        (Coding::Deflate, FIXTURE_ZLIB),
        (Coding::Deflate, FIXTURE_RAW),
    ] {
        assert_eq!(decode(coding, &[coded], 64), Ok(text.clone()), "{coding:?}");
    }
    // Of RFC 7932's own program: "hello\n" without compression.
    assert_eq!(decode(Coding::Brotli, &[b"\x8b\x02\x80hello\n\x03"], 64), Ok(b"hello\n".to_vec()));
}

#[test]
fn a_bare_deflate_stream_is_told_from_zlib() {
    let text = text(5000);
    for level in [0, 1, 9] {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(&text).expect("memory does not fail");
        let bare = encoder.finish().expect("memory does not fail");
        assert_eq!(decode(Coding::Deflate, &[&bare[..1], &bare[1..]], 512), Ok(text.clone()), "{level}");
    }
    assert_eq!(decode(Coding::Deflate, &[b"\x03\0"], 512), Ok(Vec::new()), "an empty one");
}

#[test]
fn gzip_heads_have_names_comments_extras_and_checksums() {
    let mut encoder = GzBuilder::new()
        .filename("a.json")
        .comment("nothing to say")
        .extra(vec![7; 300])
        .write(Vec::new(), Compression::fast());
    encoder.write_all(b"{}").expect("memory does not fail");
    let coded = encoder.finish().expect("memory does not fail");
    let pieces: Vec<&[u8]> = coded.chunks(1).collect();
    assert_eq!(decode(Coding::Gzip, &pieces, 64), Ok(b"{}".to_vec()));

    // With a checksum of the head, right and wrong.
    let plain = coded_gzip(b"{}");
    let mut head = plain[..10].to_vec();
    head[3] |= 2;
    let sum = crc32fast::hash(&head).to_le_bytes();
    let with = |sum: &[u8]| [&head[..], sum, &plain[10..]].concat();
    assert_eq!(decode(Coding::Gzip, &[&with(&sum[..2])], 64), Ok(b"{}".to_vec()));
    assert_eq!(decode(Coding::Gzip, &[&with(&[sum[0], !sum[1]])], 64), Err(DecodeError::Broken));

    // Reserved flags, another method, no end to a name.
    for (at, byte) in [(3, 0x20), (2, 7), (0, 0x1e)] {
        let mut coded = plain.clone();
        coded[at] = byte;
        assert_eq!(decode(Coding::Gzip, &[&coded], 64), Err(DecodeError::Broken), "{at}");
    }
    let mut endless = plain[..10].to_vec();
    endless[3] = 8;
    let mut decoder = Decoder::new(Coding::Gzip);
    decoder.push([&endless[..], &[b'a'; 20_000]].concat().into());
    assert_eq!(decoder.read(&mut [0; 64]), Err(DecodeError::Broken));
}

fn coded_gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

#[test]
fn members_and_frames_stand_behind_each_other() {
    let two = [coded_gzip(b"[1,"), coded_gzip(b"2]")].concat();
    assert_eq!(decode(Coding::Gzip, &[&two], 64), Ok(b"[1,2]".to_vec()));
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc";
    let two = [&skipped[..], &coded(Coding::Zstd, b"[1,"), skipped, &coded(Coding::Zstd, b"2]"), skipped].concat();
    let pieces: Vec<&[u8]> = two.chunks(1).collect();
    assert_eq!(decode(Coding::Zstd, &pieces, 64), Ok(b"[1,2]".to_vec()));
    assert_eq!(decode(Coding::Zstd, &[&two], 64), Ok(b"[1,2]".to_vec()));
}

#[test]
fn a_window_beyond_what_senders_may_use_is_too_large() {
    // A frame of 16 MiB in one segment, and one with a window of 16 MiB.
    for head in [&b"\x28\xb5\x2f\xfd\xa0\0\0\0\x01"[..], b"\x28\xb5\x2f\xfd\0\x70"] {
        let mut decoder = Decoder::new(Coding::Zstd);
        decoder.push(Bytes::copy_from_slice(head));
        assert_eq!(decoder.read(&mut [0; 64]), Err(DecodeError::TooLarge));
    }
    // The largest that is allowed.
    let mut decoder = Decoder::new(Coding::Zstd);
    decoder.push(Bytes::from_static(b"\x28\xb5\x2f\xfd\0\x68\x01\0\0"));
    decoder.end();
    assert_eq!(decoder.read(&mut [0; 64]), Ok(Step::End));
}

#[test]
fn a_bomb_is_decoded_as_far_as_it_is_read() {
    let zeros = vec![b'0'; 4 << 20];
    for coding in Coding::ALL {
        // One frame of zstd says how large it is: that one is refused outright.
        let bomb = if coding == Coding::Zstd { ZSTD_BOMB.to_vec() } else { coded(coding, &zeros) };
        assert!(bomb.len() < 8 << 10, "{coding:?}: {}", bomb.len());
        let mut decoder = Decoder::new(coding);
        decoder.push(bomb.into());
        let mut out = vec![0; 1 << 10];
        for _ in 0..100 {
            assert!(matches!(decoder.read(&mut out), Ok(Step::Wrote(1..=1024))), "{coding:?}");
        }
    }
}

/// A window of 1 KiB, and 1,000 runs of 1,000 zeros.
const ZSTD_BOMB: [u8; 4 + 1 + 1 + 4 * 1000] = {
    let mut bomb = [0; 4006];
    let (head, run) = (*b"\x28\xb5\x2f\xfd\0\0", [0x42, 0x1f, 0, b'0']);
    let mut at = 0;
    while at < bomb.len() {
        bomb[at] = if at < 6 { head[at] } else { run[(at - 6) % 4] };
        at += 1;
    }
    bomb
};

const FIXTURE_ZSTD: &[u8] = b"\
    \x28\xb5\x2f\xfd\x04\x58\xc5\x00\x00\x88\x7b\x22\x61\x22\x3a\x31\x2c\x22\x73\x22\x3a\x22\x61\x62\x63\x22\
    \x7d\x01\x00\xd2\xd4\xd5\x01\x51\x94\x13\x21";

const FIXTURE_GZIP: &[u8] = b"\
    \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xd4\x51\x2a\x56\xb2\x52\x4a\x4c\x4a\x1e\
    \x10\xa4\x54\x0b\x00\x0e\xb8\xf1\x5e\x86\x00\x00\x00";

const FIXTURE_ZLIB: &[u8] = b"\
    \x78\x9c\xab\x56\x4a\x54\xb2\x32\xd4\x51\x2a\x56\xb2\x52\x4a\x4c\x4a\x1e\x10\xa4\x54\x0b\x00\xa0\xde\x31\
    \x5a";

const FIXTURE_RAW: &[u8] = b"\
    \xab\x56\x4a\x54\xb2\x32\xd4\x51\x2a\x56\xb2\x52\x4a\x4c\x4a\x1e\x10\xa4\x54\x0b\x00";
