use crate::support::{Gateway, SOURCES, Upstream, fill};

const VERSIONS: &str = r#"
upstreams: {one: <one>, two: <two>}
apis:
  shop:
    path: /
    endpoints: [GET /items, 'GET /items/{id}']
    unlisted: <unlisted>
    versions: {"0.9": {status: sunset, upstream: one}, "1.0": {upstream: one}, "2.0": {upstream: two}}
"#;

struct World {
    gateway: Gateway,
    one: Upstream,
    two: Upstream,
}

/// What has to come of a request: the version and the target its backend sees, or a status and a code.
enum Expect {
    Sees(&'static str, &'static str),
    Refused(u16, &'static str),
}
use Expect::{Refused, Sees};

impl World {
    fn new(conflict: &str, unlisted: &str) -> Self {
        let (one, two) = (Upstream::named("one"), Upstream::named("two"));
        let versions = fill(VERSIONS, &[("one", &one.url()), ("two", &two.url()), ("unlisted", unlisted)]);
        let gateway = Gateway::start(&format!("{SOURCES}  on_conflict: {conflict}\n{versions}"));
        Self { gateway, one, two }
    }

    #[track_caller]
    fn check(&self, rows: &[(&str, &[&str], Expect)]) {
        let mut wrong = Vec::new();
        for (target, fields, expect) in rows {
            let (ones, twos) = (self.one.requests().len(), self.two.requests().len());
            let answer = self.gateway.get(target, fields);
            let (ones, twos) = (self.one.requests().split_off(ones), self.two.requests().split_off(twos));
            let seen: Vec<_> = ones.iter().map(|r| ("1.0", r)).chain(twos.iter().map(|r| ("2.0", r))).collect();
            let good = match expect {
                Sees(version, forwarded) => {
                    matches!(&seen[..], [(backend, r)] if backend == version
                        && r.target == *forwarded
                        && r.head.lines("X-API-Version") == [*version]
                        && r.header("Accept").is_none_or(|a| !a.contains("chatdb") || a.contains(&format!("v{version}+json"))))
                        && answer.used().as_deref() == Some(version)
                }
                Refused(status, code) => {
                    seen.is_empty() && answer.status == *status && answer.json()["code"].as_str() == Some(code)
                }
            };
            if !good {
                let seen: Vec<_> = seen.iter().map(|(b, r)| format!("{b}: {}", r.head.raw)).collect();
                wrong.push(format!(
                    "{target} {fields:?}: {} {:.120} backends saw {seen:?}",
                    answer.status,
                    answer.text()
                ));
            }
        }
        assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }
}

const ONE: &str = "X-API-Version: 1.0";
const TWO: &str = "X-API-Version: 2.0";
const ACCEPT_ONE: &str = "Accept: application/vnd.chatdb.v1.0+json";
const ACCEPT_TWO: &str = "Accept: application/vnd.chatdb.v2.0+json";

#[test]
fn a_backend_never_sees_a_signal_that_lost() {
    World::new("precedence", "forward").check(&[
        ("/v1.0/items", &[TWO], Sees("2.0", "/items")),
        ("/v2.0/items", &[ONE], Sees("1.0", "/items")),
        ("/items?version=2.0", &[ONE], Sees("1.0", "/items")),
        ("/items?a=b&version=2.0&c", &[ONE], Sees("1.0", "/items?a=b&c")),
        ("/items?version=2.0&version=0.9", &[ONE], Sees("1.0", "/items")),
        ("/items?%76ersion=2.0", &[ONE], Sees("1.0", "/items")),
        ("/v2.0/items?version=2.0", &[ONE, ACCEPT_TWO], Sees("1.0", "/items")),
        ("/v1.0/items?version=2.0", &[ACCEPT_TWO], Sees("1.0", "/items")),
        ("/items?version=2.0", &[ACCEPT_ONE], Sees("2.0", "/items")),
        ("/items", &[ACCEPT_ONE], Sees("1.0", "/items")),
        (
            "/items",
            &["Accept: application/vnd.chatdb.v1.0+json, application/vnd.chatdb.v2.0+json;q=0.5, */*;q=0.1"],
            Sees("1.0", "/items"),
        ),
        ("/v0.9/items", &[TWO], Sees("2.0", "/items")),
        ("/items?version=nonsense", &[TWO], Sees("2.0", "/items")),
        ("/items", &[TWO, "X-API-Version-Used: 1.0", "X-API-Version-Fallback: true"], Sees("2.0", "/items")),
        ("/items", &["x-api-version:1.0"], Sees("1.0", "/items")),
        ("/items", &["X-Original-URL: /v1.0/items", "X-Rewrite-URL: /v1.0/items"], Sees("2.0", "/items")),
        ("/items", &["X-API-Version: 1.0, v1.0.0"], Sees("1.0", "/items")),
        ("/items", &["X-API-Version: 1.0, 2.0"], Refused(400, "version_ambiguous")),
        ("/items", &[ONE, TWO], Refused(400, "version_ambiguous")),
        ("/items", &["X-API-Version: "], Refused(400, "version_malformed")),
        ("/items?version=1.0&version=2.0", &[], Refused(400, "version_ambiguous")),
        ("/v2.0/items", &["X-API-Version: 3.0"], Refused(400, "version_unknown")),
        ("/v2.0/items", &["X-API-Version: 0.9"], Refused(410, "version_sunset")),
        ("/v2.0/items", &["Connection: X-API-Version", ONE], Refused(400, "request_invalid")),
    ]);
}

#[test]
fn signals_that_disagree_are_refused_where_the_operator_says_so() {
    World::new("reject", "forward").check(&[
        ("/v1.0/items", &[TWO], Refused(400, "version_conflict")),
        ("/items?version=2.0", &[ONE], Refused(400, "version_conflict")),
        ("/v1.0/items?version=2.0", &[], Refused(400, "version_conflict")),
        ("/v1.0/items", &[ACCEPT_TWO], Refused(400, "version_conflict")),
        ("/v0.9/items", &[TWO], Refused(400, "version_conflict")),
        ("/items?version=x", &[ONE], Refused(400, "version_malformed")),
        ("/items?version=7.7", &[ONE], Refused(400, "version_conflict")),
        ("/v1.0/items?version=1.0", &[ONE, ACCEPT_ONE], Sees("1.0", "/items")),
        ("/v1/items?version=v1.0.0", &["X-API-Version: 1"], Sees("1.0", "/items")),
    ]);
}

#[test]
fn spellings_that_readers_could_take_apart_reach_no_other_version_and_no_unlisted_path() {
    // Under `reject` every path but the listed ones is unknown: whatever hides another one is refused.
    let world = World::new("precedence", "reject");
    let mut rows: Vec<String> = Vec::new();
    for slash in ["%2f", "%2F", "%5c", "%5C", "%252f", "%255c", "%25%32%66", "%2%66"] {
        rows.push(format!("/v2.0{slash}items"));
        rows.push(format!("/v1.0/..{slash}v2.0/items"));
    }
    for up in ["..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "..;", "..;x=y", "%2e%2e;", "..%3b", "..%00", ".%252e"] {
        rows.push(format!("/v1.0/{up}/v2.0/items"));
        rows.push(format!("/v2.0/x/{up}/items"));
        rows.push(format!("/{up}/v2.0/items"));
        rows.push(format!("/items/{up}/v1.0/items"));
    }
    for here in [".", "%2e", "%2E", "%252e", ".;"] {
        rows.push(format!("/{here}/v2.0/items"));
        rows.push(format!("/v2.0/{here}/items"));
    }
    for many in ["//v2.0/items", "/v2.0//items", "///v2.0///items"] {
        rows.push(many.to_owned());
    }
    let mut wrong = Vec::new();
    for target in &rows {
        let answer = world.gateway.get(target, &[]);
        if !matches!(answer.status, 400 | 404) {
            wrong.push(format!("{target}: {} {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let seen: Vec<_> = world.one.requests().into_iter().chain(world.two.requests()).map(|r| r.target).collect();
    assert_eq!(seen, [""; 0]);
    // Raw, they are no targets at all.
    for target in ["/v2.0\\items", "/v1.0/..\\v2.0/items", "\\v2.0\\items"] {
        world.gateway.get(target, &[]).problem(400, "request_invalid");
    }
}
