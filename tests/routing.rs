use crate::support::{Gateway, Upstream, fill};

fn world(yaml: &str) -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    (Gateway::start(&fill(yaml, &[("up", &up.url())])), up)
}

/// Which API answered: its upstream base path says so.
#[track_caller]
fn reaches(gateway: &Gateway, up: &Upstream, host: &str, target: &str, forwarded: &str) {
    let answer = gateway.get(target, &[&format!("Host: {host}")]);
    assert_eq!(answer.status, 200, "{host} {target}: {}", answer.text());
    assert_eq!(up.last().target, forwarded, "{host} {target}");
}

const HOSTS: &str = r#"
versioning: {resolve: [{path: '^/v([0-9.]+)(?:/|$)'}]}
upstreams: {exact: <up>/exact, wild: <up>/wild, any: <up>/any, deep: <up>/deep, stripped: <up>/stripped}
apis:
  exact: {hosts: [api.example.com], path: /shop, versions: {"1.0": {upstream: exact}}}
  wild: {hosts: ['*.example.com'], path: /, versions: {"1.0": {upstream: wild}}}
  any: {path: /, versions: {"1.0": {upstream: any}}}
  deep: {path: /api/orders/, versions: {"1.0": {upstream: deep}}}
  stripped: {path: /cut, strip_path: true, versions: {"1.0": {upstream: stripped}}}
"#;

#[test]
fn a_named_host_wins_and_then_nothing_falls_through() {
    let (gateway, up) = world(HOSTS);
    reaches(&gateway, &up, "api.example.com", "/shop/1", "/exact/shop/1");
    reaches(&gateway, &up, "API.Example.COM", "/shop", "/exact/shop");
    reaches(&gateway, &up, "api.example.com:8080", "/shop", "/exact/shop");
    reaches(&gateway, &up, "www.example.com", "/x", "/wild/x");
    reaches(&gateway, &up, "localhost", "/x", "/any/x");
    // One label only, and a matched host does not fall through to the others.
    reaches(&gateway, &up, "a.b.example.com", "/x", "/any/x");
    reaches(&gateway, &up, "example.com", "/x", "/any/x");
    gateway.get("/other", &["Host: api.example.com"]).problem(404, "route_unknown");
}

#[test]
fn the_longest_prefix_of_whole_segments_owns_a_path() {
    let (gateway, up) = world(HOSTS);
    reaches(&gateway, &up, "h", "/api/orders", "/deep/api/orders");
    reaches(&gateway, &up, "h", "/api/orders/7?x=1", "/deep/api/orders/7?x=1");
    reaches(&gateway, &up, "h", "/api/ordersx", "/any/api/ordersx");
    reaches(&gateway, &up, "h", "/api", "/any/api");
    // After the version was taken off.
    reaches(&gateway, &up, "h", "/v1.0/api/orders/7", "/deep/api/orders/7");
}

#[test]
fn strip_path_takes_the_prefix_off_too() {
    let (gateway, up) = world(HOSTS);
    reaches(&gateway, &up, "h", "/cut/items?a=b", "/stripped/items?a=b");
    reaches(&gateway, &up, "h", "/v1.0/cut/items", "/stripped/items");
    let answer = gateway.get("/cut", &["Host: h"]);
    assert_eq!(answer.status, 200);
    assert!(["/stripped", "/stripped/"].contains(&up.last().target.as_str()), "{}", up.last().target);
}

#[test]
fn a_path_nobody_owns_is_route_unknown() {
    let (gateway, up) = world(
        r#"
upstreams: {main: <up>}
apis: {shop: {path: /shop, versions: {"1.0": {upstream: main}}}}
"#,
    );
    let problem = gateway.get("/elsewhere?secret=1", &[]).problem(404, "route_unknown");
    assert_eq!(problem["instance"], "/elsewhere", "without the query");
    gateway.get("/", &[]).problem(404, "route_unknown");
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn unlisted_endpoints_are_forwarded_or_refused_as_configured() {
    const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /shop
    endpoints: [GET /shop/items, 'GET /shop/items/{id}/', POST /shop/items]
    unlisted: reject
    versions:
      "1.0": {upstream: main, endpoints: [GET /shop/items]}
      "2.0": {upstream: main}
"#;
    let (gateway, up) = world(YAML);
    for (method, target, status) in [
        ("GET", "/shop/items", 200),
        ("HEAD", "/shop/items", 200),
        ("POST", "/shop/items", 200),
        ("OPTIONS", "/shop/items", 200),
        ("GET", "/shop/items/7", 200),
        ("GET", "/shop/items/7/", 200),
        // Listed path, another method; an empty segment; a longer path.
        ("DELETE", "/shop/items", 404),
        ("POST", "/shop/items/7", 404),
        ("GET", "/shop/items/7/parts", 404),
        ("GET", "/shop/other", 404),
        ("OPTIONS", "/shop/other", 404),
    ] {
        let answer = gateway.call(method, target, &["X-API-Version: 2.0"], "");
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.text());
    }
    gateway.call("DELETE", "/shop/items", &[], "").problem(404, "endpoint_unknown");
    // A version's own list replaces the API's.
    let old = gateway.call("POST", "/shop/items", &["X-API-Version: 1.0"], "");
    old.problem(404, "endpoint_unknown");
    assert_eq!(old.used().as_deref(), Some("1.0"));
    drop(gateway);
    let gateway = Gateway::start(&fill(&YAML.replace("unlisted: reject", "unlisted: forward"), &[("up", &up.url())]));
    assert_eq!(gateway.call("DELETE", "/shop/items", &[], "").status, 200);
    assert_eq!(gateway.get("/shop/other", &[]).status, 200);
}

#[test]
fn an_upstream_base_path_is_put_in_front() {
    let (gateway, up) = world(
        r#"
versioning: {resolve: [{path: '^/v([0-9.]+)(?:/|$)'}]}
upstreams: {main: <up>/v1}
apis: {shop: {path: /, versions: {"2.0": {upstream: main}}}}
"#,
    );
    reaches(&gateway, &up, "h", "/v2.0/query?x=%20", "/v1/query?x=%20");
    reaches(&gateway, &up, "h", "/", "/v1/");
}

#[test]
fn several_listeners_serve_the_same_gateway() {
    let up = Upstream::named("main");
    let yaml = r#"
listen: [127.0.0.1:0, {address: 127.0.0.1:0}]
upstreams: {main: <up>}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    assert_eq!(gateway.listeners.len(), 2);
    for listener in &gateway.listeners {
        let answer = crate::support::gateway::exchange(*listener, "GET / HTTP/1.1\r\n", b"");
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn a_version_without_an_upstream_is_served_by_the_nearest_newer_one() {
    let (gateway, up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {two: <up>/two, three: <up>/three}
apis:
  shop:
    path: /
    versions: {"1.0": {}, "1.5": {}, "2.0": {upstream: two}, "3.0": {upstream: three}}
    changes:
      - {change: a, from: "1.0", to: "1.5", operations: []}
      - {change: b, from: "1.5", to: "2.0", operations: []}
"#,
    );
    let answer = gateway.get("/x", &["X-API-Version: 1.0"]);
    assert_eq!((answer.status, answer.used().as_deref()), (200, Some("1.0")));
    assert_eq!(up.last().target, "/two/x");
    assert_eq!(up.last().header("X-API-Version").as_deref(), Some("2.0"), "the version it speaks");
}

#[test]
fn an_absolute_target_chooses_the_api_by_its_own_authority() {
    let (gateway, up) = world(HOSTS);
    let mut client = gateway.client();
    client.write("GET http://api.example.com/shop/1 HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().target, "/exact/shop/1");
    // HTTP/1.0 without a host belongs to the APIs that name none.
    let mut client = gateway.client();
    client.write("GET /shop/1 HTTP/1.0\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().target, "/any/shop/1");
}

#[test]
fn values_are_expanded_and_an_optional_one_that_expands_to_nothing_is_absent() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {upstream: main, deprecated: 2020-06-01, migration_guide: '/docs/$${x}'}
      "1.1": {upstream: main, deprecated: 2020-06-01, migration_guide: '${VERGATE_TEST_UNSET:-}'}
      "2.0": {upstream: main}
"#,
    );
    let guide =
        |version: &str| gateway.get("/", &[&format!("X-API-Version: {version}")]).header("X-API-Migration-Guide");
    assert_eq!(guide("1.0").as_deref(), Some("/docs/$%7Bx%7D"));
    assert_eq!(guide("1.1"), None);
}
