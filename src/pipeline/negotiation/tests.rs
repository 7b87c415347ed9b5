//! The rules of CONTRACT section 3 on whole request heads, one table per rule.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::{
    Chosen, Head, NegotiationError, Negotiator, Refusal, VersionSource,
    fixture::{Builder, V, api, now},
};
use crate::{
    domain::{
        api::{DefaultVersion, OnConflict, OnUnknown, SourcePlace},
        lifecycle::Status::{self, Alpha, Beta, Deprecated, Development, Stable, Sunset},
    },
    problem::{Code, NamedBy},
};

/// A request in one line: `METHOD host/path?query` and header lines.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    host: Option<String>,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

fn get(target: &str) -> Sent {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Sent { method: Method::GET, host: None, path: path.to_owned(), query, headers: HeaderMap::new() }
}

impl Sent {
    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a field value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn version(self, value: &str) -> Self {
        self.with("x-api-version", value)
    }

    fn head(&self) -> Head<'_, '_> {
        Head {
            method: &self.method,
            host: self.host.as_deref(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// The decision on `sent`, with the trace held against it.
fn ask<'s>(negotiator: &Negotiator, sent: &'s Sent) -> Result<Chosen<'s>, Refusal> {
    let outcome = negotiator.negotiate(&sent.head());
    assert_eq!(negotiator.trace(&sent.head()).outcome, outcome, "the trace decides otherwise: {sent:?}");
    outcome
}

/// The name of the chosen version, or the short code of the refusal with its status.
fn answer(api: &Builder, sent: &Sent) -> String {
    let api = api.clone().build();
    let negotiator = Negotiator::compile(std::slice::from_ref(&api), now());
    match ask(&negotiator, sent) {
        Ok(chosen) => api.versions[chosen.version].name.to_string(),
        Err(refusal) => {
            let code = refusal.error.code();
            format!("{} {}", code.status().as_u16(), code.as_str())
        }
    }
}

fn chatdb() -> Builder {
    let versions =
        [("1.0", Deprecated), ("1.5", Stable), ("2.0", Stable), ("2.1", Stable), ("2.10", Stable), ("3.0", Beta)];
    api("chatdb").usual_sources().versions(&versions)
}

#[test]
fn the_first_source_that_is_present_decides() {
    let all = || get("/v1.5/parse?version=2.0").version("1.0").with("accept", "application/vnd.chatdb.v2.1+json");
    let without = |name: &'static str| {
        let mut sent = all();
        sent.headers.remove(name);
        sent
    };
    assert_eq!(answer(&chatdb(), &all()), "1.0");
    assert_eq!(answer(&chatdb(), &without("x-api-version")), "1.5");
    let mut query = without("x-api-version");
    query.path = "/parse".into();
    assert_eq!(answer(&chatdb(), &query), "2.0");
    query.query = Some("versions=1.0".into());
    assert_eq!(answer(&chatdb(), &query), "2.1");
    query.headers.clear();
    assert_eq!(answer(&chatdb(), &query), "2.10");

    let reversed = api("chatdb").accept().query("version").sources(&[V]).header("x-api-version");
    let reversed = reversed.versions(&[("1.0", Stable), ("1.5", Stable), ("2.0", Stable), ("2.1", Stable)]);
    assert_eq!(answer(&reversed, &all()), "2.1");
}

#[test]
fn a_source_is_present_when_it_is_there_whatever_it_says() {
    for (sent, expected) in [
        (get("/x?version=2.0").version(""), "400 version_malformed"),
        (get("/x?version=2.0").version("latest"), "400 version_malformed"),
        (get("/x?version=2.0").version("9"), "400 version_unknown"),
        (get("/v9/x?version=2.0"), "404 version_unknown"),
        (get("/v01/x?version=2.0"), "400 version_malformed"),
        (get("/x?version").with("accept", "application/vnd.chatdb.v2+json"), "400 version_malformed"),
        (get("/x?version="), "400 version_malformed"),
        (get("/x?%76ersion=2%2E0"), "2.0"),
        (get("/x?version=+2.0+"), "2.0"),
        (get("/x?version=%202.0"), "2.0"),
        (get("/x?version=%FF"), "400 version_malformed"),
        (get("/x?version=2.0%00"), "400 version_malformed"),
        (get("/x?VERSION=1.0"), "2.10"),
        (get("/x?a=version=1.0"), "2.10"),
        (get("/vx/x"), "2.10"),
        (get("/x").with("accept", "application/json"), "2.10"),
        (get("/x").with("accept", "application/vnd.chatdb.v1.0+json;q=0"), "2.10"),
        (get("/x").with("accept", "text/html, APPLICATION/vnd.chatDB.v1.0+JSON;x=y;q=0.1"), "1.0"),
        (get("/x").with("accept", "application/vnd.chatdb.v1.0+jsonx"), "2.10"),
    ] {
        assert_eq!(answer(&chatdb(), &sent), expected, "{sent:?}");
    }
}

#[test]
fn the_form_of_a_version_is_kept_to() {
    let longest = format!("2.0-{}", "a".repeat(60));
    let too_long = format!("2.0-{}", "a".repeat(61));
    for (value, expected) in [
        ("2.0", "2.0"),
        ("v2.0", "2.0"),
        ("V2.0", "2.0"),
        ("\t 2.0 \t", "2.0"),
        ("02.0", "400 version_malformed"),
        ("2.00", "400 version_malformed"),
        ("2.0.0.0", "400 version_malformed"),
        ("2.", "400 version_malformed"),
        ("vv2", "400 version_malformed"),
        ("2026-02-30", "400 version_malformed"),
        ("2026-02-28", "400 version_unknown"),
        ("2.0-rc.1", "400 version_unknown"),
        ("99999999999999999999999999", "400 version_unknown"),
        (&longest, "400 version_unknown"),
        (&too_long, "400 version_malformed"),
        ("2.0é", "400 version_malformed"),
    ] {
        assert_eq!(answer(&chatdb(), &get("/x").version(value)), expected, "{value:?}");
    }
}

#[test]
fn one_source_naming_two_versions_is_ambiguous() {
    for (sent, expected) in [
        (get("/x").version("1.0").version("1.0"), "1.0"),
        (get("/x").version("1.0, v1.0.0"), "1.0"),
        (get("/x").version("2").version("2.10"), "2.10"),
        (get("/x").version("1.0").version("1.5"), "400 version_ambiguous"),
        (get("/x").version("1.0, 1.5"), "400 version_ambiguous"),
        (get("/x").version("1.0, 9"), "400 version_ambiguous"),
        (get("/x").version("8, 9"), "400 version_ambiguous"),
        (get("/x").version("9, v9.0"), "400 version_unknown"),
        (get("/x").version("1.0, 1.5, x"), "400 version_malformed"),
        (get("/x").version("x, 1.0"), "400 version_malformed"),
        (get("/x").version("1.0,"), "400 version_malformed"),
        (get("/x").version("1.0").version(""), "400 version_malformed"),
        (get("/x?version=1.0&a=b&version=1.5"), "400 version_ambiguous"),
        (get("/x?version=1.0&version=1.0"), "1.0"),
        (get("/x?version=1.0&version"), "400 version_malformed"),
        (get("/x?version=1.0,1.0"), "400 version_malformed"),
    ] {
        assert_eq!(answer(&chatdb(), &sent), expected, "{sent:?}");
    }
}

#[test]
fn accept_names_the_heaviest_version_that_is_left() {
    let qp = api("qp").usual_sources().versions(&[
        ("1.0", Sunset),
        ("1.1", Sunset),
        ("2.0", Deprecated),
        ("2.1", Stable),
        ("3.0-RC.1", Beta),
    ]);
    let v = |text: &str| text.replace("vN", "application/vnd.chatdb.v").replace('_', "+json");
    for (accept, expected) in [
        ("vN2.0_, vN2.1_;q=0.9", "2.0"),
        ("vN2.0_;q=0.8, vN2.1_;q=0.9", "2.1"),
        ("vN2.0_;q=0.9, vN2.1_;q=0.9", "400 version_ambiguous"),
        ("vN2.1_;q=0.9, vN2_;q=0.9", "2.1"),
        ("vN2.0_;q=0.5, vN2.1_, vN2.0_;q=0.9", "2.1"),
        ("vN9_, vN2.0_;q=0.1", "2.0"),
        ("vN9_", "406 version_unknown"),
        ("vN8_, vN9_", "406 version_unknown"),
        ("vN01_, vN2.0_", "400 version_malformed"),
        ("vN2.0_, vN01_;q=0.1", "400 version_malformed"),
        ("vN2.0_, vN01_;q=0", "2.0"),
        ("vN1.0_, vN2.0_;q=0.1", "2.0"),
        ("vN1.0_, vN9_", "1.0"),
        ("vN1.0_, vN1.1_", "400 version_ambiguous"),
        ("vN1.0_;q=0.1, vN1.1_", "1.1"),
        ("vN1_", "1.1"),
    ] {
        let sent = get("/x").with("accept", &v(accept));
        assert_eq!(answer(&qp, &sent), expected, "{accept}");
    }
    let lines = get("/x").with("accept", &v("vN2.0_;q=0.1, a/b;x=\",\"")).with("accept", &v("vN2.1_;q=0.2"));
    assert_eq!(answer(&qp, &lines), "2.1");
}

#[test]
fn a_pre_release_in_a_media_type_is_read_without_case() {
    let expression = r"application/vnd\.chatdb\.v([0-9A-Za-z.-]+)\+json";
    let place = SourcePlace::Accept(regex::Regex::new(expression).expect("an expression"));
    let qp = api("qp").source(place, true).versions(&[("2.0", Stable), ("3.0-rc.1", Beta)]);
    let sent = get("/x").with("accept", "application/vnd.chatdb.v3.0-RC.1+json");
    assert_eq!(answer(&qp, &sent), "3.0-rc.1");
}

#[test]
fn a_shorter_request_means_the_newest_stable_version_under_it() {
    let table = |versions: &[(&str, Status)], cases: &[(&str, &str)]| {
        let qp = api("qp").usual_sources().versions(versions);
        for (asked, expected) in cases {
            assert_eq!(answer(&qp, &get("/x").version(asked)), *expected, "{asked} of {versions:?}");
        }
    };
    table(
        &[("1.0", Stable), ("2.0", Stable), ("2.1", Stable), ("2.10", Stable), ("2.11", Deprecated), ("2.12", Beta)],
        &[
            ("2", "2.10"),
            ("2.0", "2.0"),
            ("2.1", "2.1"),
            ("2.1.0", "2.1"),
            ("2.11", "2.11"),
            ("2.12", "2.12"),
            ("2.1.1", "400 version_unknown"),
            ("20", "400 version_unknown"),
        ],
    );
    table(&[("2", Deprecated), ("2.1", Stable)], &[("2", "2"), ("2.0", "2"), ("2.0.0", "2"), ("2.1", "2.1")]);
    table(&[("2.0", Deprecated), ("2.1", Deprecated), ("2.2", Sunset), ("2.3", Beta)], &[("2", "2.1")]);
    table(&[("1.0", Stable), ("2.0", Sunset), ("2.1", Sunset)], &[("2", "2.1"), ("2.0", "2.0")]);
    table(
        &[("1.0", Stable), ("2.0", Alpha), ("2.1", Development), ("2.2", Beta)],
        &[("2", "400 version_unknown"), ("2.0", "2.0"), ("2.1", "2.1"), ("2.2", "2.2")],
    );
    table(
        &[("2.0", Stable), ("2.1-rc.1", Stable)],
        &[("2", "2.0"), ("2.1", "400 version_unknown"), ("2.1-rc.1", "2.1-rc.1"), ("2.1-rc", "400 version_unknown")],
    );
    table(&[("2.1.3", Stable), ("2.1.4", Stable)], &[("2.1", "2.1.4"), ("2", "2.1.4"), ("2.1.3", "2.1.3")]);
    table(
        &[("2025-01-01", Stable), ("2026-01-01", Stable)],
        &[("2025-01-01", "2025-01-01"), ("2026", "400 version_unknown")],
    );
}

#[test]
fn a_lower_source_may_disagree_only_under_precedence() {
    let rejecting = chatdb().on_conflict(OnConflict::Reject);
    for (sent, precedence, reject) in [
        (get("/v1.5/x").version("1.0"), "1.0", "400 version_conflict"),
        (get("/v1.0/x").version("v1.0.0"), "1.0", "1.0"),
        (get("/v2/x").version("2.10"), "2.10", "2.10"),
        (get("/v9/x").version("1.0"), "1.0", "400 version_conflict"),
        (get("/v01/x").version("1.0"), "1.0", "400 version_malformed"),
        (get("/x?version=1.0&version=1.5").version("1.0"), "1.0", "400 version_conflict"),
        (get("/x?version").version("1.0"), "1.0", "400 version_malformed"),
        (get("/x").version("1.0").with("accept", "application/vnd.chatdb.v9+json"), "1.0", "400 version_conflict"),
        (get("/x").version("1.0").with("accept", "application/json"), "1.0", "1.0"),
        (get("/v1.5/x").version("9"), "400 version_unknown", "400 version_unknown"),
        (get("/v1.5/x").version("x"), "400 version_malformed", "400 version_malformed"),
        (get("/v1.5/x?version=2.0").version("1.5"), "1.5", "400 version_conflict"),
    ] {
        assert_eq!(answer(&chatdb(), &sent), precedence, "{sent:?}");
        assert_eq!(answer(&rejecting, &sent), reject, "{sent:?}");
    }
}

#[test]
fn a_different_served_version_below_counts_as_a_conflict() {
    let qp = api("qp").usual_sources().versions(&[("1.0", Stable), ("2.0", Beta), ("3.0", Sunset), ("4.0", Alpha)]);
    let negotiator = Negotiator::compile(&[qp.build()], now());
    for (path, conflict) in
        [("/x", false), ("/v1/x", false), ("/v2.0/x", true), ("/v3.0/x", false), ("/v4.0/x", false), ("/v9/x", false)]
    {
        let sent = get(path).version("1.0");
        assert_eq!(ask(&negotiator, &sent).map(|chosen| chosen.conflict), Ok(conflict), "{path}");
    }
}

#[test]
fn nothing_named_means_the_default() {
    for (default, expected) in [
        (DefaultVersion::LatestStable, "2.10"),
        (DefaultVersion::Version(0), "1.0"),
        (DefaultVersion::Required, "400 version_required"),
    ] {
        assert_eq!(answer(&chatdb().default(default), &get("/x")), expected);
    }
    let none_left = chatdb().versions(&[("1.0", Deprecated), ("2.0", Beta), ("3.0-rc.1", Stable)]);
    assert_eq!(answer(&none_left, &get("/x")), "400 version_required");
}

#[test]
fn a_preflight_without_a_version_is_let_through() {
    let preflight = |target| {
        get(target)
            .method(Method::OPTIONS)
            .with("origin", "https://example.com")
            .with("access-control-request-method", "POST")
    };
    let required = chatdb().default(DefaultVersion::Required);
    assert_eq!(answer(&required, &preflight("/x")), "2.10");
    assert_eq!(answer(&required, &preflight("/v1.0/x")), "1.0");
    assert_eq!(answer(&chatdb().default(DefaultVersion::Version(0)), &preflight("/x")), "1.0");
    assert_eq!(answer(&required.clone().versions(&[("1.0", Beta)]), &preflight("/x")), "400 version_required");
    let mut plain = preflight("/x");
    plain.headers.remove("origin");
    assert_eq!(answer(&required, &plain), "400 version_required");
    assert_eq!(answer(&required, &preflight("/x").method(Method::GET)), "400 version_required");
}

#[test]
fn an_unknown_version_is_answered_by_its_source_or_by_the_default() {
    let accept = || get("/x").with("accept", "application/vnd.chatdb.v9+json");
    let lenient = chatdb().on_unknown(OnUnknown::Default);
    for (sent, rejected) in [
        (get("/x").version("9"), "400 version_unknown"),
        (get("/x?version=9"), "400 version_unknown"),
        (get("/v9/x"), "404 version_unknown"),
        (accept(), "406 version_unknown"),
    ] {
        assert_eq!(answer(&chatdb(), &sent), rejected, "{sent:?}");
        assert_eq!(answer(&lenient, &sent), "2.10", "{sent:?}");
    }
    for (sent, expected) in [
        (get("/x").version("x"), "400 version_malformed"),
        (get("/x").version("8, 9"), "400 version_ambiguous"),
        (get("/v1.0/x").version("9"), "2.10"),
    ] {
        assert_eq!(answer(&lenient, &sent), expected, "{sent:?}");
    }
    let negotiator = Negotiator::compile(&[lenient.build()], now());
    let sent = get("/v9/x");
    let chosen = ask(&negotiator, &sent).expect("the default");
    assert!(chosen.fallback && chosen.source == VersionSource::Path && chosen.path == "/x");
}

#[test]
fn a_refusal_lists_the_served_versions_ascending() {
    let versions =
        [("2.10", Stable), ("2.9", Deprecated), ("3.0", Beta), ("1.0", Sunset), ("4.0", Alpha), ("5.0", Development)];
    let negotiator = Negotiator::compile(&[api("qp").usual_sources().versions(&versions).build()], now());
    let sent = get("/v9/x");
    let problem = ask(&negotiator, &sent).expect_err("unknown").problem(&negotiator);
    assert_eq!(problem.code, Code::VersionUnknown(NamedBy::Path));
    assert_eq!(problem.extensions, [("supported_versions", serde_json::json!(["2.9", "2.10", "3.0"]))]);
    assert_eq!(problem.detail, "the path names version 9, which does not exist");
}

#[test]
fn the_version_is_taken_off_and_the_rest_stays_byte_for_byte() {
    let kept = api("kept")
        .source(SourcePlace::Path(regex::Regex::new(V).expect("an expression")), false)
        .source(SourcePlace::Query("version".into()), false);
    let inner = api("inner").path("/api").sources(&["^/api/v([0-9]+)(?:/|$)"]).query("version").strip_path();
    let outer = api("outer").path("/api/").sources(&[V]).strip_path();
    let kept_outer = api("kept").path("/api").strip_path();
    let kept_outer = kept_outer.source(SourcePlace::Path(regex::Regex::new(V).expect("an expression")), false);
    for (api, target, path, query) in [
        (chatdb(), "/v2/query", "/query", None),
        (chatdb(), "/v2", "/", None),
        (chatdb(), "/v2/", "/", None),
        (chatdb(), "/v2/a%2Db/%7E/?x=%zz&&y", "/a%2Db/%7E/", Some("x=%zz&&y")),
        (chatdb(), "/%762/%61?version=2", "/%61", None),
        (chatdb(), "/a?version=2&version=2", "/a", None),
        (chatdb(), "/a?x&version=2&&y=+%2B&%76ersion=2", "/a", Some("x&&y=+%2B")),
        (chatdb(), "/v1.0/a?version=2", "/a", None),
        (chatdb(), "/a?", "/a", Some("")),
        (kept, "/v1.0/a?version=2&b", "/v1.0/a", Some("version=2&b")),
        (inner.clone(), "/api/v1/x?version=1&a", "/x", Some("a")),
        (inner.clone(), "/api/v1", "/", None),
        (inner, "/api", "/", None),
        (outer.clone(), "/v1/api/x/", "/x/", None),
        (outer, "/api/x", "/x", None),
        (kept_outer, "/v1/api/x", "/v1/x", None),
    ] {
        let api = api.versions(&[("1.0", Stable), ("2.0", Stable)]).build();
        let negotiator = Negotiator::compile(std::slice::from_ref(&api), now());
        let sent = get(target);
        let chosen = ask(&negotiator, &sent).unwrap_or_else(|refusal| panic!("{target}: {refusal:?}"));
        assert_eq!((chosen.path.as_ref(), chosen.query.as_deref()), (path, query), "{} {target}", api.name);
    }
}

#[test]
fn endpoints_see_the_path_without_the_version_and_with_the_prefix() {
    let qp =
        api("qp").path("/api").strip_path().usual_sources().endpoints(&["POST /api/parse", "GET /api/models/{id}"]);
    let negotiator = Negotiator::compile(&[qp.build()], now());
    for (method, path, endpoint) in [
        (Method::POST, "/v1/api/parse", Some(0)),
        (Method::POST, "/v1/api/p%61rse/", Some(0)),
        (Method::HEAD, "/api/models/7", Some(1)),
        (Method::GET, "/v1/api/parse", None),
        (Method::OPTIONS, "/v1/api/parse", None),
    ] {
        let sent = get(path).method(method);
        assert_eq!(ask(&negotiator, &sent).map(|chosen| chosen.endpoint), Ok(endpoint), "{path}");
    }
    let sent = get("/v1/api/p%61rse");
    let chosen = ask(&negotiator, &sent).expect("served");
    assert_eq!((chosen.unversioned_path.as_ref(), chosen.path.as_ref()), ("/api/parse", "/p%61rse"));
}

#[test]
fn an_unlisted_endpoint_is_rejected_where_the_api_says_so_and_the_version_is_served() {
    let versions = [("1.0", Deprecated), ("2.0", Stable), ("3.0", Sunset), ("4.0", Alpha), ("5.0", Beta)];
    let qp = api("qp").usual_sources().versions(&versions).endpoints(&["POST /parse", "POST /voice"]);
    let qp = qp.endpoints_of("1.0", &["POST /parse"]).reject_unlisted();
    for (method, path, expected) in [
        (Method::POST, "/v1/parse", "1.0"),
        (Method::POST, "/v1/voice", "404 endpoint_unknown"),
        (Method::POST, "/v2/voice", "2.0"),
        (Method::GET, "/v2/voice", "404 endpoint_unknown"),
        (Method::HEAD, "/v2/voice", "404 endpoint_unknown"),
        (Method::OPTIONS, "/v2/voice", "2.0"),
        (Method::OPTIONS, "/v1/voice", "404 endpoint_unknown"),
        (Method::POST, "/v5.0/x", "404 endpoint_unknown"),
        // 410 and 403 come first: that is for the policy to say.
        (Method::POST, "/v3/x", "3.0"),
        (Method::POST, "/v4.0/x", "4.0"),
    ] {
        assert_eq!(answer(&qp, &get(path).method(method)), expected, "{path}");
    }
    let negotiator = Negotiator::compile(&[qp.build()], now());
    let sent = get("/v1/voice");
    let refusal = ask(&negotiator, &sent).expect_err("unlisted");
    assert_eq!((refusal.api, refusal.version), (Some(0), Some(0)), "the answer still says which version it is of");
    assert_eq!(negotiator.endpoint(0, 1, &Method::POST, "/voice"), Ok(Some(1)));
    assert_eq!(negotiator.endpoint(0, 0, &Method::POST, "/voice"), Err(NegotiationError::EndpointUnknown));
}

#[test]
fn a_named_host_has_no_fall_through() {
    let apis = [
        api("exact").host("api.example.com").path("/a").build(),
        api("wild").host("*.example.com").path("/b").build(),
        api("any").build(),
        api("two").host("api.example.com").host("two.org").path("/two").build(),
    ];
    let negotiator = Negotiator::compile(&apis, now());
    for (host, path, expected) in [
        ("API.example.com:8080", "/a/x", Some(0)),
        ("api.example.com", "/b", None),
        ("other.example.com", "/b", Some(1)),
        ("other.example.com", "/a", None),
        ("a.b.example.com", "/b", Some(2)),
        ("example.com", "/a", Some(2)),
        ("api.example.com", "/two", Some(3)),
        ("two.org", "/two", Some(3)),
        ("two.org", "/a", None),
    ] {
        let sent = get(path).host(host);
        let found = ask(&negotiator, &sent);
        assert_eq!(found.as_ref().map(|chosen| chosen.api).ok(), expected, "{host}{path}");
        if let Err(refusal) = found {
            assert_eq!(refusal, Refusal { error: NegotiationError::RouteUnknown, api: None, version: None });
        }
    }
}

#[test]
fn what_stages_behind_need_to_know_about_the_naming() {
    let negotiator = Negotiator::compile(&[chatdb().build()], now());
    let vendor = "application/vnd.chatdb.v1.0.0+json";
    for (sent, alone, capture, media) in [
        (get("/v1.0/x"), true, Some(2..5), None),
        (get("/%76%31.0/x"), true, Some(4..9), None),
        (get("/v1.0/x").version("1.0"), false, Some(2..5), None),
        (get("/v1.0/x?version=1.0"), false, Some(2..5), None),
        (get("/v1.0/x").with("accept", vendor), false, Some(2..5), Some("1.0.0")),
        (get("/v2.0/x").with("accept", vendor), false, Some(2..5), None),
        (get("/x").with("accept", vendor), false, None, Some("1.0.0")),
        (get("/x"), false, None, None),
    ] {
        let chosen = ask(&negotiator, &sent).expect("served");
        assert_eq!(chosen.named_by_path_alone, alone, "{sent:?}");
        assert_eq!(chosen.path_capture.map(|capture| (capture.source, capture.range)), capture.map(|at| (1, at)));
        assert_eq!(chosen.media_type_text.as_ref().map(|text| text.as_str()), media, "{sent:?}");
    }
}

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
        "/v1.0%00/parse",
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

#[test]
fn vary_names_the_fields_that_select_the_version() {
    let apis = [
        chatdb().build(),
        api("path").path("/p").sources(&[V]).build(),
        api("two").path("/t").header("x-a").header("x-b").build(),
    ];
    let negotiator = Negotiator::compile(&apis, now());
    for (api, expected) in [(0, Some("X-API-Version, Accept")), (1, None), (2, Some("X-A, X-B"))] {
        let mut headers = HeaderMap::new();
        crate::headers::merge_vary(&mut headers, negotiator.vary(api));
        assert_eq!(headers.get("vary").map(|value| value.to_str().expect("ASCII")), expected);
    }
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
        path in "/(/|v1\\.0/|v2\\.0/|\\./|\\.\\./|%2e%2e/|x/|models/|..;/|%2f){0,6}(parse|x)?",
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
}
