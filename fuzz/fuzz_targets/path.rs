//! A path, read as well-known servers read it. What is served must be the same version for all of them.
#![no_main]

mod reference;

use std::{path::Path, sync::LazyLock};

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use reference::resolved;
use vergate::{
    config::checked,
    domain::time::UtcTime,
    pipeline::negotiation::{Chosen, Head, NegotiationError, Negotiator, Refusal},
};

static NEGOTIATOR: LazyLock<Negotiator> = LazyLock::new(|| {
    let now = UtcTime::parse("2026-06-01").expect("a day");
    let outcome = checked::read(include_str!("../resolver.yaml"), Path::new("resolver.yaml"), &|_| None, now);
    let config = outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings));
    Negotiator::compile(&config.apis, now)
});

fuzz_target!(|data: &[u8]| {
    // What the check of heads lets through as a path.
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > 256 || !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && !b"?#\\".contains(&byte)) {
        return;
    }
    let path = format!("/{text}");
    let headers = HeaderMap::new();
    let Ok(chosen) = negotiate(&path, &headers) else { return };
    for (server, read) in SERVERS {
        let seen = read(&path);
        // What is still encoded is a matter for yet another reader.
        if seen.contains(['%', ';', '\\']) || seen.bytes().any(|byte| !matches!(byte, 0x21..=0x7e)) {
            continue;
        }
        match negotiate(&seen, &headers) {
            Ok(read) => {
                assert_eq!((read.api, read.version), (chosen.api, chosen.version), "{server}: {path} is {seen}")
            }
            // Readers that drop parameters may see another endpoint, and some leave oddities behind.
            Err(refusal) => {
                let odd =
                    refusal.error == NegotiationError::PathInvalid && ["//", "/."].iter().any(|o| seen.contains(o));
                let unlisted = refusal.error == NegotiationError::EndpointUnknown && path.contains(';');
                assert!(odd || unlisted, "{server}: {path} is {seen}: {refusal:?}");
            }
        }
    }
});

fn negotiate<'p>(path: &'p str, headers: &HeaderMap) -> Result<Chosen<'p>, Refusal> {
    NEGOTIATOR.negotiate(&Head { method: &Method::GET, host: None, path, query: None, headers })
}

/// How servers read a path, each in the order in which it does things.
const SERVERS: [(&str, fn(&str) -> String); 6] = [
    ("as sent, resolved", |path| resolved(path)),
    ("nginx", |path| resolved(&decoded(path, b""))),
    ("apache", |path| resolved(&decoded(path, b"/"))),
    ("tomcat", |path| resolved(&decoded(&bare(path), b"/"))),
    ("one that takes a backslash for a slash", |path| resolved(&decoded(path, b"").replace('\\', "/"))),
    ("one behind another that decodes", |path| resolved(&decoded(&decoded(path, b""), b""))),
];

/// Every escape decoded once, but for those of `kept`; what is no text stays as it is.
fn decoded(path: &str, kept: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let byte = rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii() && !kept.contains(byte)) {
            Some(byte) => {
                text.push(char::from(byte));
                rest = &rest[3..];
            }
            None => {
                text.push('%');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

/// `;…` taken off every segment.
fn bare(path: &str) -> String {
    let names: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    names.join("/")
}
