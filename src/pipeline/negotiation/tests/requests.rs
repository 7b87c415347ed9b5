//! What the stages behind get: path, query, endpoint, API (rules 8 and 10, section 2).

use http::{HeaderMap, Method};

use super::{Negotiator, Refusal, answer, api, ask, chatdb, get, now};
use crate::{
    domain::{
        api::SourcePlace,
        lifecycle::Status::{Alpha, Beta, Deprecated, Stable, Sunset},
    },
    pipeline::negotiation::{NegotiationError, fixture::V},
};

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
fn a_version_parameter_that_only_some_backends_see_is_refused() {
    for (target, expected) in [
        ("/a?x=1;version=2.0", "400 version_ambiguous"),
        ("/a?version=1.0&x;%76ersion=1.0", "400 version_ambiguous"),
        ("/v1.0/a?;version", "400 version_ambiguous"),
        ("/a?x=1;version=2.0&version=1.0", "400 version_ambiguous"),
        ("/a?x=1%3Bversion=2.0", "2.10"),
        ("/a?x=1;versions=2.0;y", "2.10"),
        ("/a?version=1.0;x=2", "400 version_malformed"),
    ] {
        assert_eq!(answer(&chatdb(), &get(target)), expected, "{target}");
    }
    // Without a source of that name it is a parameter like any other, and so it is where it stays as sent.
    let kept = api("kept").source(SourcePlace::Query("version".into()), false);
    let header = api("header").header("x-api-version");
    for api in [kept, header] {
        let negotiator = Negotiator::compile(&[api.versions(&[("2.0", Stable)]).build()], now());
        let sent = get("/a?x=1;version=1");
        let chosen = ask(&negotiator, &sent).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert_eq!(chosen.query.as_deref(), Some("x=1;version=1"));
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
    assert_eq!(chosen.sent_path(), "/api/p%61rse");
    let sent = get("/v1/api/models/7");
    let chosen = ask(&negotiator, &sent).expect("served");
    assert_eq!((chosen.sent_path(), chosen.unversioned_sent.as_deref()), ("/api/models/7", None));
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
    assert_eq!(refusal.path_capture.map(|capture| capture.range), Some(2..3), "and links to its successor");
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
            assert_eq!(refusal, Refusal::from(NegotiationError::RouteUnknown));
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
