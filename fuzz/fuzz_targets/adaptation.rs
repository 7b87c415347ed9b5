//! The first byte picks a program and a mode; the rest is a body.
#![no_main]

use std::{path::Path, sync::LazyLock};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use vergate::{
    adaptation::{Lookup, Mode, Program, Reason},
    config::checked,
    domain::time::UtcTime,
    pipeline::snapshot::Snapshot,
};

const PATHS: [&str; 4] = ["/swap", "/names", "/all", "/strict"];

/// Containers that a body may have inside each other.
const DEPTH_MAX: usize = 128;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let now = UtcTime::parse("2026-06-01").expect("a day");
    let outcome = checked::read(include_str!("../adaptation.yaml"), Path::new("adaptation.yaml"), &|_| None, now);
    Snapshot::compile(outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings)).into(), now)
});

/// Version 1 on an upstream of 2 asks upwards; version 3 on it asks downwards.
fn program(version: usize, path: &str, response: bool) -> Option<&'static Program> {
    let plan = SNAPSHOT.version(0, version).plan.as_ref().expect("the version is adapted");
    let Lookup::Operation(operation) = plan.operation("POST", path) else { return None };
    if response { operation.response(200) } else { operation.request() }
}

fuzz_target!(|data: &[u8]| {
    let Some((&pick, body)) = data.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    let path = PATHS[usize::from(pick) % PATHS.len()];
    let version = if pick & 4 == 0 { 0 } else { 2 };
    let mode = if pick & 16 == 0 { Mode::Whole } else { Mode::Patch };
    let Some(program) = program(version, path, pick & 8 != 0) else { return };
    let bare = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&body);

    let traced = program.trace(&body, mode);
    match program.apply(&body, mode) {
        Ok(adapted) => {
            assert!(is_json(bare), "only JSON is adapted");
            assert!(is_json(&adapted.body), "{} became {}", text(&body), text(&adapted.body));
            let lines = traced.expect("what works step by step works at once");
            assert_eq!(lines.last().map(|(_, body)| body), Some(&adapted.body), "the last step gives the result");
            let again = program.apply(&body, mode).expect("what was taken once is taken again");
            assert_eq!(again, adapted);
            if is_beside_the_point(path, bare) {
                assert_eq!(adapted.body, bare, "what no op names is not touched");
                assert!(!adapted.narrowed);
            }
            if path == "/swap" {
                swapped_twice_is_the_original(bare, adapted.body);
            }
        }
        Err(error) => {
            assert_eq!(traced.as_ref().err(), Some(&error), "at once and step by step fail alike");
            match error.reason {
                Reason::Malformed => assert!(!is_json(bare), "{} is JSON", text(&body)),
                Reason::Depth => assert!(brackets(bare) > DEPTH_MAX),
                _ => assert!(is_json(bare), "only JSON gets as far as an op"),
            }
            let op_is_to_blame = !matches!(error.reason, Reason::Malformed | Reason::Depth);
            assert_eq!(error.op.is_some(), op_is_to_blame, "{error:?}");
            assert_eq!(error.pointer.is_some(), op_is_to_blame, "{error:?}");
        }
    }
});

/// The other opinion; it has no limit of depth where nothing is kept, and takes any bytes in strings.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn brackets(body: &[u8]) -> usize {
    body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count()
}

/// Whether a program that only renames and converts cannot find any of its names.
fn is_beside_the_point(path: &str, body: &[u8]) -> bool {
    let names: &[&[u8]] = match path {
        "/swap" => &[b"\"a\"", b"\"b\""],
        "/names" => &[b"text", b"query", b"lang", b"id", b"key", b"\"n\"", b"\"s\""],
        _ => return false,
    };
    let has = |name: &[u8]| body.windows(name.len()).any(|window| window == name);
    !body.contains(&b'\\') && !names.iter().any(|name| has(name))
}

/// Law: a swap undoes itself.
fn swapped_twice_is_the_original(body: &[u8], swapped: Bytes) {
    let back = program(0, "/swap", false).expect("it has ops").apply(&swapped, Mode::Whole).expect("it was taken once");
    let value = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).ok();
    // Numbers too large and halves of surrogates are no values of the other reader.
    if let Some(before) = value(body) {
        assert_eq!(value(&back.body), Some(before), "{} by {}", text(body), text(&swapped));
    }
}

fn text(body: &[u8]) -> String {
    body.escape_ascii().to_string()
}
