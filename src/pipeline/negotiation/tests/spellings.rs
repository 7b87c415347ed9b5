//! No spelling gets round a verdict (rule 9), and what holds for any request.

use http::HeaderValue;
use proptest::prelude::*;

use super::{Builder, Negotiator, Stable, Sunset, answer, api, ask, chatdb, get, now};
use crate::pipeline::negotiation::NegotiationError;

#[test]
fn a_raw_backslash_or_a_path_that_is_not_absolute_is_an_invalid_request() {
    for (target, expected) in [
        ("/a\\b", "400 request_invalid"),
        ("/a?b\\c", "400 request_invalid"),
        ("/v1.0/..\\v2.0/x", "400 request_invalid"),
        ("a/b", "400 request_invalid"),
        ("*", "404 route_unknown"),
        ("", "2.10"),
    ] {
        assert_eq!(answer(&chatdb(), &get(target)), expected, "{target}");
    }
}

/// `1.0` is gone, `2.0` is the default, both list `POST /parse`; `/models/{id}` takes any segment.
fn guarded() -> Builder {
    let qp = api("qp").usual_sources().versions(&[("1.0", Sunset), ("2.0", Stable)]);
    qp.endpoints(&["GET /parse", "GET /models/{id}", "GET /a.b"])
}

#[test]
fn a_spelling_that_changes_the_verdict_is_refused() {
    for path in [
        // The version, once resolved.
        "/v2.0/../v1.0/parse",
        "/x/../v1.0/parse",
        "/x/%2e%2e/v1.0/parse",
        "/x/%2E./v1.0/parse",
        "/x/..%2fv1.0/parse",
        "/x/..%5Cv1.0/parse",
        "/x/%252e%252e/v1.0/parse",
        "/x/..%252fv1.0/parse",
        // To a reader that decodes twice and takes `\` for a letter: a version, and one that is malformed.
        "/v%255cx/%252e%252e%252fv1.0/parse",
        "/v%255cx/%252e%252e%252fv1.04/parse",
        "/x/..%255cv1.0/parse",
        "/x/..;/v1.0/parse",
        "/x/..;a=b/v1.0/parse",
        "/x/..%3b/../../v1.0/parse",
        "/./v1.0/parse",
        "//v1.0/parse",
        "/%2fv1.0/parse",
        "/%2Fv1.0/parse",
        "/%5cv1.0/parse",
        "/v1%2e0/parse",
        "/v1%252e0/parse",
        "/v1.0%2fparse",
        "/v1.0%252fparse",
        "/v1.0%5cparse",
        "/%25761.0/parse",
        "/v1.0;x/parse",
        "/v1.0;/parse",
        // To a reader that resolves dots, takes `..;x` for an ordinary name, and drops parameters last.
        "/v1.0;a/b/..;c/../d",
        "/%761.0;a/b/..;c%2e/../%69/",
        // Nobody resolves the dots.
        "/v1.0;a/../d",
        // Parameters end before `%2F` is decoded.
        "/v1.0;a%2F../d",
        // Slashes are merged where a parameter was a whole segment.
        "/a/../;b/v1.0%252f..;c",
        "/v1.0%00/parse",
        "/v1.0%2500/parse",
        // The endpoint.
        "/parse/.",
        "/./parse",
        "//parse",
        "/parse//",
        "/models/..",
        "/models/%2e%2e",
        "/models/a%2fb",
        "/models/a%5cb",
        "/models/a%252fb",
        "/models//a",
        "/a%2eb",
        "/a%252eb",
        // Above the root of what is forwarded.
        "/../x",
        "/v2.0/x/../../y",
        "/x/..%2f..%2fy",
    ] {
        assert_eq!(answer(&guarded(), &get(path)), "400 path_invalid", "{path}");
    }
}

#[test]
fn a_spelling_that_changes_nothing_goes_on_as_sent() {
    let negotiator = Negotiator::compile(&[guarded().build()], now());
    for (path, forwarded) in [
        ("/v2.0/x//y", "/x//y"),
        ("/x/./y", "/x/./y"),
        ("/parse/..", "/parse/.."),
        ("/x/y/../z", "/x/y/../z"),
        ("/v2.0/x%2Fy", "/x%2Fy"),
        ("/x%252Fy", "/x%252Fy"),
        ("/x%5cy", "/x%5cy"),
        ("/x/%2ehidden", "/x/%2ehidden"),
        ("/x/y;a=b/..;/z", "/x/y;a=b/..;/z"),
        ("/parse;a=b", "/parse;a=b"),
        ("/models/a;b", "/models/a;b"),
        ("/models/a%2eb", "/models/a%2eb"),
        ("/models/%41%20%C3%A9", "/models/%41%20%C3%A9"),
        ("/models/..a", "/models/..a"),
        ("/x/100%", "/x/100%"),
        ("/x/%2541", "/x/%2541"),
        ("/.well-known/x", "/.well-known/x"),
    ] {
        let sent = get(path);
        let chosen = ask(&negotiator, &sent).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
        assert_eq!((chosen.path.as_ref(), chosen.version), (forwarded, 1), "{path}");
    }
}

#[test]
fn no_spelling_reaches_another_api_or_escapes_a_stripped_prefix() {
    let apis = [api("open").build(), api("closed").path("/closed").strip_path().reject_unlisted().build()];
    let negotiator = Negotiator::compile(&apis, now());
    for path in ["/open/../closed", "/closed/../open", "//closed", "/open/%2e%2e/closed", "/clo%73ed/..%2fopen"] {
        let sent = get(path);
        let error = ask(&negotiator, &sent).expect_err(path).error;
        assert_eq!(error, NegotiationError::PathInvalid, "{path}");
    }
    let sent = get("/clo%73ed/x");
    assert_eq!(ask(&negotiator, &sent).expect_err("unlisted").error, NegotiationError::EndpointUnknown);
    // All readings stay in the API, but what is forwarded would climb out of the upstream's base path.
    let apis = [api("based").path("/based").strip_path().build()];
    let negotiator = Negotiator::compile(&apis, now());
    let sent = get("/based/../based/x");
    assert_eq!(ask(&negotiator, &sent).expect_err("climbs").error, NegotiationError::PathInvalid);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Laws: no head panics; the trace decides the same; what is forwarded is made of the client's own
    /// segments and parameters, in order.
    #[test]
    fn any_head_has_an_answer_made_of_its_own_bytes(
        path in "(/|/v|v1|1\\.0|2|%2e|%2F|%25|%5c|%76|\\.\\.|\\.|;|parse|models|é|\u{0}|[ -~]){0,10}",
        query in prop::option::of("(version|=|&|1\\.0|2|%76ersion|\\+|%zz|[ -~]){0,8}"),
        value in prop::option::of(prop::collection::vec(prop_oneof![32u8..=126, 128u8..=255, Just(9)], 0..12)),
        accept in prop::option::of("(application/vnd\\.chatdb\\.v|1|2\\.0|\\+json|,|;q=|0\\.5|\"|\\\\|[ -~]){0,8}"),
        host in prop::option::of("[ -~é]{0,12}"),
    ) {
        let negotiator = Negotiator::compile(&[guarded().build(), api("a").host("a.b").build()], now());
        let mut sent = get("/");
        (sent.path, sent.query, sent.host) = (path, query, host);
        if let Some(value) = value {
            sent.headers.append("x-api-version", HeaderValue::from_bytes(&value).expect("no control bytes"));
        }
        if let Some(accept) = &accept {
            sent.headers.append("accept", HeaderValue::from_str(accept).expect("visible"));
        }
        let outcome = ask(&negotiator, &sent);
        if let Ok(chosen) = outcome {
            let forwarded = |part: &str, whole: &str, separator: char| {
                let mut own = whole.split(separator);
                part.split(separator).all(|piece| own.any(|other| other == piece))
            };
            prop_assert!(chosen.path == "/" || forwarded(&chosen.path, &sent.path, '/'), "{:?}", chosen);
            if let Some(query) = &chosen.query {
                prop_assert!(forwarded(query, sent.query.as_deref().unwrap_or_default(), '&'));
            }
        }
    }

    /// Law: a path that is served means the same once it is resolved as RFC 3986 says.
    #[test]
    fn a_served_path_and_its_resolved_form_mean_the_same(
        path in "/(/|v1\\.0/|v2\\.0/|\\./|\\.\\./|%2e%2e/|x/|models/|\\.\\.;/|%2f){0,6}(parse|x)?",
    ) {
        let negotiator = Negotiator::compile(&[guarded().build()], now());
        let sent = get(&path);
        if let Ok(chosen) = ask(&negotiator, &sent) {
            let mut kept: Vec<&str> = Vec::new();
            let decoded = path.replace("%2e", ".").replace("%2f", "/").replace("..;", "..");
            for segment in decoded.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
                if segment == ".." { kept.pop(); } else { kept.push(segment); }
            }
            let resolved = get(&format!("/{}", kept.join("/")));
            let again = ask(&negotiator, &resolved).expect("served as well");
            prop_assert_eq!((again.api, again.version, again.endpoint), (chosen.api, chosen.version, chosen.endpoint));
        }
    }

    /// Law: parameters hide no version, whether they are dropped before dots are resolved or after, or dots
    /// are not resolved at all.
    #[test]
    fn a_served_path_means_the_same_version_without_its_parameters(
        path in "/(/|v1\\.0|v2\\.0|\\.|\\.\\.|x|;a?|;\\.\\.|%2f|/\\.\\./|/\\.\\.;/){0,10}",
    ) {
        let negotiator = Negotiator::compile(&[guarded().build()], now());
        let sent = get(&path);
        if let Ok(chosen) = ask(&negotiator, &sent) {
            let bare = |path: &str| {
                let names: Vec<_> = path.split('/').map(|segment| segment.split(';').next().unwrap_or("")).collect();
                names.join("/")
            };
            let resolved = |path: &str| {
                let mut kept: Vec<&str> = Vec::new();
                for segment in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
                    if segment == ".." { kept.pop(); } else { kept.push(segment); }
                }
                format!("/{}", kept.join("/"))
            };
            let decoded = |path: &str| path.replace("%2f", "/");
            for read in [
                resolved(&bare(&path)),
                bare(&resolved(&path)),
                resolved(&decoded(&bare(&path))),
                resolved(&bare(&decoded(&path))),
                bare(&resolved(&decoded(&path))),
            ] {
                let again = get(&read);
                match ask(&negotiator, &again) {
                    Ok(again) => prop_assert_eq!((again.api, again.version), (chosen.api, chosen.version), "{}", read),
                    // What is still odd may be refused for what the next reader makes of it.
                    Err(refusal) => prop_assert!(["//", "/.", "%"].iter().any(|odd| read.contains(odd)), "{}: {:?}", read, refusal),
                }
            }
        }
    }
}
