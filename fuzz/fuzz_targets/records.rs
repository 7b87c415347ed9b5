//! The first byte says how records are told apart and where the body is cut; the rest is a body of records.
#![no_main]

use std::{path::Path, sync::LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vergate::{
    adaptation::{Lookup, Mode, OperationPlan, Reason, Stash},
    config::checked,
    domain::time::UtcTime,
    pipeline::{
        snapshot::Snapshot,
        transform::{
            Side,
            records::{Chosen, Format, Next, Records, Terms},
        },
    },
};

/// Bytes a record may have: few, so that the fuzzer gets there.
const RECORD_BYTES_MAX: usize = 256;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let now = UtcTime::parse("2026-06-01").expect("a day");
    let outcome = checked::read(include_str!("../adaptation.yaml"), Path::new("adaptation.yaml"), &|_| None, now);
    Snapshot::compile(outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings)).into(), now)
});

fuzz_target!(|data: &[u8]| {
    let Some((&pick, body)) = data.split_first() else { return };
    let format = if pick & 1 == 0 { Format::Lines } else { Format::Events };
    let path = if pick & 2 == 0 { "/swap" } else { "/strict" };
    let whole = read(format, path, &[body]);
    let at = usize::from(pick >> 2) % (body.len() + 1);
    let every: Vec<&[u8]> = body.chunks(usize::from(pick >> 2) % 8 + 1).collect();
    for pieces in [&[&body[..at], &body[at..]][..], &every] {
        assert_eq!(whole, read(format, path, pieces), "{}", body.escape_ascii());
    }
    let (out, failed) = &whole;
    match failed {
        Some("too_large") => assert!(body.len() > RECORD_BYTES_MAX),
        // Data that is no JSON passes.
        Some(reason) => assert!(format == Format::Lines || *reason != Reason::Malformed.as_str(), "{reason}"),
        None if path == "/swap" => {
            around(format, body, out);
            let names = [&b"\"a\""[..], b"\"b\"", b"\\"];
            let has = |name: &[u8]| body.windows(name.len()).any(|window| window == name);
            if !names.into_iter().any(has) && !has(b"\xEF\xBB\xBF") {
                assert_eq!(out, body, "what no op names is not touched");
            }
        }
        None => {}
    }
});

/// All that came out, and why it broke off, if it did.
fn read(format: Format, path: &str, pieces: &[&[u8]]) -> (Vec<u8>, Option<&'static str>) {
    let terms = Terms {
        side: Side::Request,
        format,
        coding: None,
        charset: None,
        mode: Mode::Whole,
        record_bytes_max: RECORD_BYTES_MAX,
        bytes_max: u64::MAX,
    };
    let mut records = Records::new(terms, Chosen::Request(operation(path)), Stash::default());
    let (mut out, mut pieces) = (Vec::new(), pieces.iter().filter(|piece| !piece.is_empty()));
    loop {
        match records.take() {
            Ok(Next::Data(data)) => {
                assert!(!data.is_empty());
                out.extend_from_slice(&data);
            }
            Ok(Next::Working) => {}
            Ok(Next::Starved) => match pieces.next() {
                Some(piece) => records.push(Bytes::copy_from_slice(piece)),
                None => records.end(),
            },
            Ok(Next::Aside(_)) => unreachable!("no program here is slow"),
            Ok(Next::End) => return (out, None),
            Err(error) => {
                assert_eq!(records.take(), Err(error.clone()), "it stays broken");
                return (out, Some(error.reason()));
            }
        }
    }
}

/// Version 1 on an upstream of 2.
fn operation(path: &str) -> &'static OperationPlan {
    let plan = SNAPSHOT.version(0, 0).plan.as_ref().expect("the version is adapted");
    let Lookup::Operation(operation) = plan.operation("POST", path) else { panic!("{path} is adapted") };
    operation
}

/// Law: what is around the records stays, and none is lost.
fn around(format: Format, before: &[u8], after: &[u8]) {
    match format {
        Format::Lines => {
            let count = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(count(before), count(after), "{} became {}", before.escape_ascii(), after.escape_ascii());
        }
        Format::Events => {
            let others = |text: &[u8]| -> Vec<Vec<u8>> {
                // A mark before the first line is no part of it.
                let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
                let lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
                let is_data = |line: &&[u8]| *line == b"data" || line.starts_with(b"data:");
                lines.filter(|line| !line.is_empty() && !is_data(line)).map(<[u8]>::to_vec).collect()
            };
            assert_eq!(others(before), others(after), "{} became {}", before.escape_ascii(), after.escape_ascii());
        }
    }
}
