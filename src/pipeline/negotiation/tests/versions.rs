//! Which version a request means (rules 1 to 7 and 11).

use http::Method;

use super::{Negotiator, answer, api, ask, chatdb, get, now};
use crate::{
    domain::{
        api::{DefaultVersion, OnConflict, OnUnknown, SourcePlace},
        lifecycle::Status::{self, Alpha, Beta, Deprecated, Development, Stable, Sunset},
    },
    pipeline::negotiation::{VersionSource, fixture::V},
    problem::{Code, NamedBy},
};

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
