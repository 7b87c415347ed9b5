use crate::support::{Client, Gate, Gateway, Upstream, eventually, fill};
use serde_json::Value;

/// One version on an upstream described by `upstream` (the value of its yaml key).
fn start(workers: usize, upstream: &str) -> Gateway {
    Gateway::start(&fill(
        r#"
workers: <workers>
upstreams: {main: <upstream>}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#,
        &[("workers", &workers.to_string()), ("upstream", upstream)],
    ))
}

/// Answers when the gate is open.
fn gated() -> (Upstream, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "ok")
    });
    (up, gate)
}

fn ask(gateway: &Gateway) -> Client {
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    client
}

fn first(gateway: &Gateway) -> Value {
    gateway.admin_get("/api/v1/upstreams").json()["upstreams"][0]["servers"][0].clone()
}

#[test]
fn no_more_connections_are_opened_than_allowed_and_requests_wait_in_turn() {
    let (up, gate) = gated();
    let gateway = start(2, &format!("{{servers: [{}], max_connections: 2, queue: {{timeout: 10s}}}}", up.url()));
    let mut clients: Vec<_> = (0..8).map(|_| ask(&gateway)).collect();
    eventually("six wait", || (first(&gateway)["waiting"] == 6).then_some(()));
    // Two have a place; their connections may still be on the way.
    eventually("two connections are open", || (first(&gateway)["connections"] == 2).then_some(()));
    eventually("six are counted", || {
        (gateway.metrics().sum("vergate_upstream_queue_length", &[("upstream", "main")]) == 6.0).then_some(())
    });
    gate.open();
    for client in &mut clients {
        assert_eq!(client.read().status, 200);
    }
    assert_eq!(up.requests().len(), 8);
    assert!(first(&gateway)["connections"].as_u64() <= Some(2));
    assert_eq!(gateway.metrics().sum("vergate_upstream_queue_wait_seconds_count", &[]), 8.0);
}

#[test]
fn a_full_queue_is_503_at_once_and_a_long_wait_after_its_time() {
    let (up, gate) = gated();
    let gateway =
        start(1, &format!("{{servers: [{}], max_connections: 1, queue: {{size: 1, timeout: 3s}}}}", up.url()));
    let mut busy = ask(&gateway);
    up.wait(1);
    let began = std::time::Instant::now();
    let mut waiting = ask(&gateway);
    eventually("one waits", || (first(&gateway)["waiting"] == 1).then_some(()));
    let refused = gateway.get("/items", &[]);
    refused.problem(503, "upstream_overloaded");
    assert_eq!(refused.header("Retry-After").as_deref(), Some("1"));
    assert_eq!(first(&gateway)["waiting"], 1, "refused while the other one still waits");
    waiting.read().problem(503, "upstream_overloaded");
    assert!(began.elapsed().as_millis() >= 2900, "{:?}", began.elapsed());
    gate.open();
    assert_eq!(busy.read().status, 200);
    assert_eq!(gateway.get("/items", &[]).status, 200, "it recovers by itself");
    assert_eq!(gateway.metrics().sum("vergate_upstream_queue_refused_total", &[]), 2.0);
}

#[test]
fn a_client_that_leaves_gives_its_place_in_the_queue_up() {
    let (up, gate) = gated();
    let gateway =
        start(1, &format!("{{servers: [{}], max_connections: 1, queue: {{size: 1, timeout: 20s}}}}", up.url()));
    let mut busy = ask(&gateway);
    up.wait(1);
    let gone = ask(&gateway);
    eventually("one waits", || (first(&gateway)["waiting"] == 1).then_some(()));
    drop(gone);
    eventually("nobody waits", || (first(&gateway)["waiting"] == 0).then_some(()));
    let mut next = ask(&gateway);
    eventually("the next one waits", || (first(&gateway)["waiting"] == 1).then_some(()));
    gate.open();
    assert_eq!((busy.read().status, next.read().status), (200, 200));
    assert_eq!(up.requests().len(), 2);
}

#[test]
fn a_connection_that_idles_in_one_worker_is_given_up_to_another() {
    let up = Upstream::new(|a| a.reply(200, &[], "ok"));
    let gateway = start(4, &format!("{{servers: [{}], max_connections: 1, queue: {{timeout: 10s}}}}", up.url()));
    // Each on a connection of its own, so that all workers are met.
    for _ in 0..40 {
        let answer = gateway.get("/items", &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(first(&gateway)["connections"].as_u64() <= Some(1));
    }
}

#[test]
fn a_server_with_a_connection_to_spare_is_preferred() {
    let ((a, gate), b) = (gated(), Upstream::new(|a| a.reply(200, &[], "b")));
    let settings = "balance: round_robin, max_connections: 1, queue: {size: 0}";
    let gateway = start(1, &format!("{{servers: [{}, {}], {settings}}}", a.url(), b.url()));
    let mut clients = [ask(&gateway), ask(&gateway)];
    eventually("one has arrived at each", || (a.requests().len() + b.requests().len() == 2).then_some(()));
    eventually("the other one is answered", || (gateway.get("/items", &[]).status == 200).then_some(()));
    for _ in 0..6 {
        assert_eq!(gateway.get("/items", &[]).text(), "b");
    }
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.read().status, 200));
}
