use crate::support::{
    Gateway, Upstream, eventually, fill,
    tools::free_port,
    upstream::{Gate, Refusing},
};
use serde_json::Value;
use std::net::SocketAddr;

/// One version on an upstream described by `upstream` (the value of its yaml key).
fn text(upstream: &str) -> String {
    fill(
        r#"
workers: 2
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <upstream>}
apis: {shop: {path: /, endpoints: [GET /items, POST /items], versions: {"1.0": {upstream: main}}}}
"#,
        &[("upstream", upstream)],
    )
}

fn start(upstream: &str) -> Gateway {
    Gateway::start(&text(upstream))
}

/// What the admin port says of the server at `addr`.
#[track_caller]
fn server(gateway: &Gateway, addr: SocketAddr) -> Value {
    let all = gateway.admin_get("/api/v1/upstreams").json();
    let servers = all["upstreams"][0]["servers"].as_array().unwrap().clone();
    let label = addr.to_string();
    servers.into_iter().find(|s| s["server"] == label.as_str()).unwrap_or_else(|| panic!("no {label} in {all}"))
}

#[track_caller]
fn order(gateway: &Gateway, addr: SocketAddr, verb: &str) -> Value {
    let answer = gateway.admin_call("POST", &format!("/api/v1/upstreams/main/servers/{addr}/{verb}"), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn answers(gateway: &Gateway) -> String {
    let answer = gateway.get("/items", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

#[test]
fn the_breaker_opens_after_five_refusals_in_a_row_and_closes_on_the_first_success() {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = start(&format!("{{servers: ['http://{addr}'], retries: {{attempts: 0}}}}"));
    for _ in 0..5 {
        gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    }
    let refused = gateway.call("POST", "/items", &[], "x");
    assert_eq!(refused.problem(503, "upstream_unavailable")["retry_after"], 1);
    assert_eq!(refused.header("Retry-After").as_deref(), Some("1"));
    let row = server(&gateway, addr);
    assert_eq!((&row["state"], &row["breaker"]), (&"breaker_open".into(), &"open".into()), "{row}");
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("vergate_upstream_healthy", &[("upstream", "main")]), 0.0);
    assert_eq!(metrics.sum("vergate_upstream_breaker_open", &[]), 1.0);
    let up = Upstream::at(addr, |a| a.reply(200, &[], "back"));
    eventually("a probe closes the breaker without a request", || {
        (server(&gateway, addr)["breaker"] == "closed").then_some(())
    });
    assert!(up.requests().is_empty(), "a probe sends nothing");
    assert_eq!(answers(&gateway), "back");
    assert_eq!(gateway.metrics().sum("vergate_upstream_healthy", &[]), 1.0);
}

#[test]
fn nothing_is_tried_on_a_server_whose_breaker_is_open() {
    let (dead, live) = (Refusing::new(), Upstream::named("live"));
    let servers = format!("servers: [{}, {}]", dead.url(), live.url());
    let gateway = start(&format!(
        "{{balance: round_robin, retries: {{budget: 100%}}, breaker: {{open_after: 2, probe: 1h}}, {servers}}}"
    ));
    (0..20).for_each(|_| assert_eq!(answers(&gateway), "live"));
    assert_eq!(server(&gateway, dead.addr())["breaker"], "open");
    assert_eq!(gateway.metrics().sum("vergate_upstream_retries_total", &[]), 2.0, "only until it opened");
}

#[test]
fn an_open_breaker_survives_a_reload_and_is_still_probed() {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let with = |extra: &str| {
        text(&format!(
            "{{servers: ['http://{addr}{extra}'], retries: {{attempts: 0}}, breaker: {{open_after: 1, probe: 50ms}}}}"
        ))
    };
    let gateway = Gateway::start(&with(""));
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    // Another base path needs other connections; the server is the same.
    gateway.reload(&with("/base"));
    gateway.get("/items", &[]).problem(503, "upstream_unavailable");
    let _up = Upstream::at(addr, |a| a.reply(200, &[], "back"));
    eventually("a probe closes the breaker", || (gateway.get("/items", &[]).status == 200).then_some(()));
}

#[test]
fn a_drained_server_finishes_what_it_has_and_gets_nothing_new() {
    let gate = Gate::default();
    let held = gate.clone();
    let a = Upstream::new(move |a| {
        if a.request.target == "/items?slow" {
            held.wait();
        }
        a.reply(200, &[], "a")
    });
    let b = Upstream::named("b");
    let both = format!("{{balance: round_robin, servers: [{}, {}]}}", a.url(), b.url());
    let gateway = start(&both);
    let mut slow: Vec<_> = (0..4).map(|_| gateway.client()).collect();
    for client in &mut slow {
        client.write("GET /items?slow HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("all four have arrived", || (a.requests().len() + b.requests().len() == 4).then_some(()));
    assert_eq!(order(&gateway, a.addr, "drain")["state"], "drained");
    let before = a.requests().len();
    (0..10).for_each(|_| assert_eq!(answers(&gateway), "b"));
    gateway.reload(&text(&both.replace("round_robin", "least_requests")));
    assert_eq!(answers(&gateway), "b", "a reload does not undo it");
    gate.open();
    for mut client in slow {
        assert_eq!(client.read().status, 200, "what was under way is answered");
    }
    assert_eq!(a.requests().len(), before);
    eventually("its connections are closed", || {
        let row = server(&gateway, a.addr);
        (row["connections"] == 0 && row["requests_in_flight"] == 0).then_some(())
    });
    order(&gateway, b.addr, "drain");
    gateway.get("/items", &[]).problem(503, "upstream_unavailable");
    assert_eq!(order(&gateway, a.addr, "undrain")["state"], "available");
    assert_eq!(answers(&gateway), "a");
}

#[test]
fn the_admin_port_counts_what_each_server_does() {
    let up = Upstream::named("a");
    let gateway = start(&up.url());
    let mut client = gateway.client();
    for _ in 0..3 {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.read().status, 200);
    }
    let row = server(&gateway, up.addr);
    assert_eq!((&row["requests"], &row["connections"], &row["connections_idle"]), (&3.into(), &1.into(), &1.into()));
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("vergate_upstream_requests_total", &[("server", &up.addr.to_string())]), 3.0);
    assert_eq!(metrics.sum("vergate_upstream_pool_hits_total", &[]), 2.0);
    assert_eq!(metrics.sum("vergate_upstream_pool_misses_total", &[]), 1.0);
}

#[test]
fn connections_of_a_server_that_is_not_named_any_more_are_closed() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let gateway = start(&a.url());
    assert_eq!(answers(&gateway), "a");
    gateway.reload(&text(&b.url()));
    assert_eq!(answers(&gateway), "b");
    let all = gateway.admin_get("/api/v1/upstreams").json();
    assert_eq!(all["upstreams"][0]["servers"].as_array().unwrap().len(), 1, "{all}");
    assert!(gateway.metrics().all("vergate_upstream_healthy").iter().all(|s| s.labels["server"] == b.addr.to_string()));
}
