//! The bytes of a request head, checked as the listener does and negotiated as the data path does.
#![no_main]

mod reference;

use std::{path::Path, sync::LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use libfuzzer_sys::fuzz_target;
use reference::resolved;
use vergate::{
    config::{
        Config,
        checked::{self, ChunkLimits},
    },
    domain::{
        api::{Api, DefaultVersion, OnUnknown, SourcePlace, Unlisted},
        lifecycle::Status,
        time::UtcTime,
        version::RequestedVersion,
    },
    pipeline::{
        downstream::head::{HeadLimits, Progress, check},
        negotiation::{Chosen, Head, NegotiationError, Negotiator, Refusal, VersionSource},
        snapshot,
    },
};

const CHUNKED: ChunkLimits = ChunkLimits { extension_bytes: 16, trailer_bytes: 16, trailer_fields: 1 };
const LIMITS: HeadLimits = HeadLimits { target_bytes: 1024, header_bytes: 2048, fields: 20, chunked: CHUNKED };

struct Gateway {
    config: Config,
    negotiator: Negotiator,
    now: UtcTime,
}

static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
    let now = UtcTime::parse("2026-06-01").expect("a day");
    let outcome = checked::read(include_str!("../resolver.yaml"), Path::new("resolver.yaml"), &|_| None, now);
    let config = outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings));
    let negotiator = Negotiator::compile(&config.apis, now);
    Gateway { config, negotiator, now }
});

fuzz_target!(|data: &[u8]| {
    let whole = check(data, &LIMITS);
    a_head_is_judged_by_its_own_bytes(data, &whole);
    let Ok(Progress::Complete(end, _)) = whole else { return };
    let Some(request) = Request::split(&data[..end]) else { return };
    // CONNECT is refused before anything is negotiated.
    if request.method == Method::CONNECT {
        return;
    }
    let head = request.head();
    let outcome = GATEWAY.negotiator.negotiate(&head);
    assert_eq!(outcome, GATEWAY.negotiator.trace(&head).outcome, "what is explained is what is done");
    match outcome {
        Ok(chosen) => a_choice_is_one_of_the_configuration(&head, &chosen),
        Err(refusal) => a_refusal_says_why(&refusal),
    }
});

/// Nothing behind a head, and no piece of it that has arrived, changes the verdict on it.
fn a_head_is_judged_by_its_own_bytes(
    data: &[u8],
    whole: &Result<Progress, vergate::pipeline::downstream::head::HeadError>,
) {
    match whole {
        Ok(Progress::Complete(end, _)) => {
            assert!(data[..*end].ends_with(b"\r\n\r\n"));
            assert_eq!(check(&data[..*end], &LIMITS), *whole);
            let cut = usize::from(data[0]) % end;
            assert_eq!(check(&data[..cut], &LIMITS), Ok(Progress::Partial), "a beginning of a good head is good");
        }
        Ok(Progress::Partial) => {
            let half = check(&data[..data.len() / 2], &LIMITS);
            assert_eq!(half, Ok(Progress::Partial));
        }
        // A line that has not ended may be called too long before it is seen to be broken.
        Err(_) => {
            let longer = [data, b" / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            assert!(check(&longer, &LIMITS).is_err(), "no continuation makes it good");
        }
    }
}

/// A head as the parser behind the check understands it.
struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Request {
    /// Whatever the check lets through has to be a request for the types behind it as well.
    fn split(head: &[u8]) -> Option<Self> {
        let head = head.strip_suffix(b"\r\n\r\n").expect("a whole head");
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = lines.next().expect("a request line");
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [method, target, _] = words[..] else { panic!("three words") };
        let method = Method::from_bytes(method).expect("a token is a method");
        let uri = match Uri::try_from(target) {
            Ok(uri) => uri,
            // CONNECT is refused whatever it names.
            Err(_) if method == Method::CONNECT => return None,
            Err(error) => panic!("{}: {error}", target.escape_ascii()),
        };
        if target.starts_with(b"/") {
            assert_eq!(uri.path_and_query().expect("a path").as_str().as_bytes(), target, "kept byte for byte");
        }
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|byte| *byte == b':').expect("a field has a colon");
            let name = HeaderName::from_bytes(&line[..colon]).expect("a token is a name");
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).expect("a value without controls");
            headers.append(name, value);
        }
        Some(Self { method, uri, headers })
    }

    fn head(&self) -> Head<'_, '_> {
        let host = match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
        };
        let (path, query) = (self.uri.path(), self.uri.query());
        Head { method: &self.method, host, path, query, headers: &self.headers }
    }
}

fn a_choice_is_one_of_the_configuration(head: &Head<'_, '_>, chosen: &Chosen<'_>) {
    let api = &GATEWAY.config.apis[chosen.api];
    let status = |index: usize| api.versions[index].lifecycle.standing(GATEWAY.now).status;
    let version = &api.versions[chosen.version];
    let restricted = matches!(status(chosen.version), Status::Development | Status::Alpha);

    match (&chosen.requested, chosen.source) {
        (None, source) => {
            assert_eq!(source, VersionSource::Default);
            assert!(!restricted && !version.name.is_pre_release(), "{} is nobody's default", version.name);
            let preflight = head.method == Method::OPTIONS;
            assert!(api.versioning.default != DefaultVersion::Required || preflight, "a version is required");
        }
        (Some(text), source) => {
            let asked = RequestedVersion::read(text.as_str()).expect("what was asked for has the form of a version");
            if chosen.fallback {
                assert_eq!(api.versioning.on_unknown, OnUnknown::Default);
            } else {
                assert_ne!(source, VersionSource::Default);
                assert!(asked.equals(&version.name, true) || asked.is_prefix_of(&version.name), "{text} {version:?}");
                assert!(!restricted || asked.equals(&version.name, true), "a restricted version has to be named");
            }
        }
    }
    let has = |wanted: fn(&SourcePlace) -> bool| api.versioning.sources.iter().any(|source| wanted(&source.place));
    assert!(match chosen.source {
        VersionSource::Header => has(|place| matches!(place, SourcePlace::Header(_))),
        VersionSource::Path => chosen.path_capture.is_some(),
        VersionSource::Query => head.query.is_some() && has(|place| matches!(place, SourcePlace::Query(_))),
        VersionSource::Accept => head.headers.contains_key(header::ACCEPT),
        VersionSource::Default => true,
    });

    an_endpoint_is_the_one_of_the_path(head, api, chosen);
    a_path_is_cut_not_rewritten(head, api, chosen);
    a_query_loses_only_the_version(head, api, chosen);
    a_lenient_reader_sees_the_same(head, chosen);
    parameters_hide_no_version(head, chosen);
}

fn an_endpoint_is_the_one_of_the_path(head: &Head<'_, '_>, api: &Api, chosen: &Chosen<'_>) {
    let endpoints = snapshot::endpoints(api, chosen.version);
    match chosen.endpoint {
        Some(index) => {
            let endpoint = &endpoints[index];
            assert!(endpoint.matches_path(&chosen.unversioned_path), "{endpoint:?} {}", chosen.unversioned_path);
            let method = head.method.as_str();
            let same = endpoint.method() == method || (method == "HEAD" && endpoint.method() == "GET");
            assert!(same || method == "OPTIONS", "{endpoint:?} {method}");
        }
        None => {
            let sunset = api.versions[chosen.version].lifecycle.standing(GATEWAY.now).status == Status::Sunset;
            let preflight = head.method == Method::OPTIONS;
            assert!(api.unlisted == Unlisted::Forward || sunset || preflight, "unlisted endpoints are refused");
        }
    }
    let path = chosen.unversioned_path.as_ref();
    let owned = path.strip_prefix(api.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    assert!(owned, "{path} belongs to {:?}", api.path);
}

fn a_path_is_cut_not_rewritten(head: &Head<'_, '_>, api: &Api, chosen: &Chosen<'_>) {
    assert!(chosen.path.starts_with('/'), "{}", chosen.path);
    let sent: Vec<&str> = head.path.split('/').skip(1).collect();
    let kept: Vec<&str> = chosen.path.split('/').skip(1).collect();
    if chosen.path != "/" {
        assert!(is_subsequence(&kept, &sent), "{} {}", head.path, chosen.path);
        let prefix = if api.strip_path { api.path.split('/').skip(1).count() } else { 0 };
        let versions = api.versioning.sources.iter().filter(|source| matches!(source.place, SourcePlace::Path(_)));
        let most = prefix + versions.filter(|source| source.strip).count();
        assert!(sent.len() - kept.len() <= most, "{} {}", head.path, chosen.path);
    }
    if let Some(capture) = &chosen.path_capture {
        assert!(matches!(api.versioning.sources[capture.source].place, SourcePlace::Path(_)));
        assert!(head.path.get(capture.range.clone()).is_some_and(|text| !text.is_empty() && !text.contains('/')));
    }
}

fn a_query_loses_only_the_version(head: &Head<'_, '_>, api: &Api, chosen: &Chosen<'_>) {
    let names = |parameter: &str| {
        let name = decoded(parameter.split('=').next().unwrap_or_default());
        api.versioning.sources.iter().any(|source| {
            source.strip && matches!(&source.place, SourcePlace::Query(known) if name == known.as_bytes())
        })
    };
    let sent: Vec<&str> = head.query.map_or_else(Vec::new, |query| query.split('&').collect());
    let expected: Vec<&str> = sent.iter().copied().filter(|parameter| !names(parameter)).collect();
    let expected = (!expected.is_empty()).then(|| expected.join("&"));
    assert_eq!(chosen.query.as_deref(), expected.as_deref(), "{:?}", head.query);
}

/// A backend that decodes once or twice, takes `\` for `/`, and resolves dots and doubled slashes must
/// not be led to another API, version or endpoint.
///
/// A text that still has escapes in question is a matter for yet another reader, and left out.
fn a_lenient_reader_sees_the_same(head: &Head<'_, '_>, chosen: &Chosen<'_>) {
    let once = structure_decoded(head.path);
    let twice = structure_decoded(&once);
    for text in [once, twice] {
        if structure_decoded(&text) != text {
            continue;
        }
        let path = resolved(&text);
        // Parameters are the next law's.
        if path.contains(';') {
            continue;
        }
        let read = GATEWAY.negotiator.negotiate(&Head { path: &path, ..*head });
        let seen = read.as_ref().map(|read| (read.api, read.version, read.endpoint));
        assert_eq!(seen, Ok((chosen.api, chosen.version, chosen.endpoint)), "{} may be read as {path}", head.path);
    }
}

/// A backend that drops `;…` before it resolves dots and doubled slashes, or after, must not be led to
/// another API or version. Endpoints may differ: a `;` is an ordinary character of most paths.
fn parameters_hide_no_version(head: &Head<'_, '_>, chosen: &Chosen<'_>) {
    if !head.path.contains(';') {
        return;
    }
    for path in [resolved(&bare(head.path)), bare(&resolved(head.path))] {
        match GATEWAY.negotiator.negotiate(&Head { path: &path, ..*head }) {
            Ok(read) => {
                let seen = (read.api, read.version);
                assert_eq!(seen, (chosen.api, chosen.version), "{} may be read as {path}", head.path);
            }
            // What is still odd may be refused for what the next reader makes of it.
            Err(refusal) => {
                let is_odd = ["//", "/.", "%"].iter().any(|odd| path.contains(odd));
                let odd = is_odd && refusal.error == NegotiationError::PathInvalid;
                let unlisted = refusal.error == NegotiationError::EndpointUnknown;
                assert!(odd || unlisted, "{} may be read as {path}: {refusal:?}", head.path);
            }
        }
    }
}

/// `;…` taken off every segment.
fn bare(path: &str) -> String {
    let names: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    names.join("/")
}

/// Escapes of `.`, `/`, `\` and of `%` before two digits decoded.
fn structure_decoded(path: &str) -> String {
    let mut text = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let after = rest.get(at + 3..).unwrap_or_default();
        let digits = after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
        let decoded = match rest.get(at..at + 3).unwrap_or_default().to_ascii_lowercase().as_str() {
            "%2e" => ".",
            "%2f" | "%5c" => "/",
            "%25" if digits => "%",
            _ => "",
        };
        let (kept, skipped) = if decoded.is_empty() { ("%", 1) } else { (decoded, 3) };
        text.push_str(kept);
        rest = &rest[at + skipped..];
    }
    text + rest
}

fn a_refusal_says_why(refusal: &Refusal) {
    let status = refusal.error.code().status();
    assert!((400..500).contains(&status.as_u16()), "{refusal:?}");
    assert!(!refusal.error.to_string().is_empty());
    let body = refusal.problem(&GATEWAY.negotiator).body("/", "id");
    assert!(
        serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|problem| problem["status"] == status.as_u16())
    );
    let Some(api) = refusal.api.map(|api| &GATEWAY.config.apis[api]) else { return };
    assert!(refusal.version.is_none_or(|version| version < api.versions.len()));
}

fn is_subsequence(part: &[&str], whole: &[&str]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|wanted| whole.any(|found| found == wanted))
}

/// `application/x-www-form-urlencoded`, one name.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = |index: usize| bytes.get(index).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    out
}
