use crate::support::{Gate, Gateway, Then, Upstream, eventually, fill, plain};
use serde_json::Value;
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(300);
/// The same as the log says it.
const PAUSE_MS: f64 = 300.0;

fn ms(line: &Value, name: &str) -> f64 {
    line[name].as_f64().unwrap_or_else(|| panic!("{name} in {line}"))
}

/// What holds of every line: the parts are within the whole.
#[track_caller]
fn adds_up(line: &Value) {
    assert!(ms(line, "gateway_ms") <= ms(line, "first_byte_ms"), "{line}");
    assert!(ms(line, "first_byte_ms") <= ms(line, "duration_ms"), "{line}");
}

fn line(gateway: &Gateway, id: &str) -> Value {
    gateway.log_line(|line| line["request_id"] == id)
}

#[test]
fn a_slow_upstream_is_not_the_gateways_own_time() {
    let up = Upstream::new(|a| {
        std::thread::sleep(PAUSE);
        a.reply(200, &[], "ok")
    });
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    for (id, is_new) in [("new", true), ("reused", false)] {
        gateway.get("/items", &[&format!("X-Request-Id: {id}")]);
        let line = line(&gateway, id);
        adds_up(&line);
        assert!(ms(&line, "upstream_ms") >= PAUSE_MS, "{line}");
        assert!(ms(&line, "gateway_ms") <= ms(&line, "first_byte_ms") - PAUSE_MS, "{line}");
        assert_eq!(line["connect_ms"].is_number(), is_new, "{line}");
        assert_eq!(line["queue_ms"], Value::Null, "it may have any number of connections: {line}");
    }
    assert_eq!(up.connections(), 1);
}

#[test]
fn a_refusal_is_the_gateways_own_time() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &["X-API-Version: 9", "X-Request-Id: refused"]);
    let line = line(&gateway, "refused");
    adds_up(&line);
    assert_eq!(line["gateway_ms"], line["first_byte_ms"]);
    for name in ["upstream_ms", "queue_ms", "connect_ms"] {
        assert_eq!(line[name], Value::Null, "{name}");
    }
}

#[test]
fn a_wait_in_the_queue_is_told_apart() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "ok")
    });
    let upstream = format!("{{servers: [{}], max_connections: 1, queue: {{timeout: 20s}}}}", up.url());
    let yaml =
        "workers: 1\nupstreams: {main: <upstream>}\napis: {shop: {path: /, versions: {'1.0': {upstream: main}}}}";
    let gateway = Gateway::start(&fill(yaml, &[("upstream", &upstream)]));
    let ask = |id: &str| {
        let mut client = gateway.client();
        client.write(format!("GET /items HTTP/1.1\r\nHost: h\r\nX-Request-Id: {id}\r\n\r\n"));
        client
    };
    let mut first = ask("first");
    up.wait(1);
    let mut second = ask("second");
    let waiting = || (gateway.metrics().sum("vergate_upstream_queue_length", &[]) == 1.0).then_some(());
    eventually("one waits", waiting);
    let began = Instant::now();
    std::thread::sleep(PAUSE);
    let waited = began.elapsed().as_secs_f64() * 1e3;
    gate.open();
    assert_eq!((first.read().status, second.read().status), (200, 200));
    let (first, second) = (line(&gateway, "first"), line(&gateway, "second"));
    assert!(ms(&second, "queue_ms") >= waited, "{second}");
    assert!(ms(&first, "queue_ms") < ms(&second, "queue_ms"), "{first} {second}");
    assert!(ms(&second, "gateway_ms") <= ms(&second, "first_byte_ms") - waited, "{second}");
    adds_up(&first);
    adds_up(&second);
}

#[test]
fn a_handshake_that_takes_long_is_time_to_connect() {
    // Connections are taken by the kernel, and nobody says a word on them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let yaml = "upstreams: {main: {servers: [<url>], retries: {attempts: 0}, timeouts: {connect: 300ms}}}\n\
                apis: {shop: {path: /, versions: {'1.0': {upstream: main}}}}";
    let gateway = Gateway::start(&fill(yaml, &[("url", &url)]));
    gateway.get("/items", &["X-Request-Id: late"]).problem(504, "upstream_timeout");
    let line = line(&gateway, "late");
    adds_up(&line);
    assert!(ms(&line, "connect_ms") >= PAUSE_MS, "{line}");
    assert!(ms(&line, "gateway_ms") <= ms(&line, "first_byte_ms") - PAUSE_MS, "{line}");
}

#[test]
fn bodies_that_come_slowly_are_not_the_gateways_own_time_where_they_are_read_whole() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        let body = r#"{"b": 1}"#;
        a.raw(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len()));
        held.wait();
        a.raw(body);
        Then::Keep
    });
    let yaml = r#"
upstreams: {main: <up>}
versioning: {resolve: [{header: X-API-Version}]}
apis:
  shop:
    path: /
    versions: {"1": {}, "2": {upstream: main}}
    changes:
      - change: renamed
        from: "1"
        to: "2"
        operations:
          - match: POST /items
            request: [{rename: {a: b}}]
            response: {2xx: [{rename: {a: b}}]}
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    let mut client = gateway.client();
    client.write(
        "POST /items HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nX-Request-Id: slow\r\n\
         Content-Type: application/json\r\nContent-Length: 8\r\n\r\n",
    );
    // The wait begins when the gateway has the head, which is before it can say that it serves somebody.
    let serving = || (gateway.metrics().sum("vergate_requests_in_flight", &[]) == 1.0).then_some(());
    eventually("the head is there", serving);
    std::thread::sleep(PAUSE);
    client.write(r#"{"a": 1}"#);
    let answered = || (gateway.metrics().sum("vergate_upstream_duration_seconds_count", &[]) == 1.0).then_some(());
    eventually("the head of the answer is there", answered);
    std::thread::sleep(PAUSE);
    gate.open();
    assert_eq!(client.read().json()["a"], 1);
    let line = line(&gateway, "slow");
    adds_up(&line);
    assert!(ms(&line, "first_byte_ms") >= 2.0 * PAUSE_MS, "{line}");
    assert!(ms(&line, "gateway_ms") <= ms(&line, "first_byte_ms") - 1.5 * PAUSE_MS, "{line}");
    assert!(ms(&line, "upstream_ms") < ms(&line, "first_byte_ms") - 1.5 * PAUSE_MS, "until the head only: {line}");
}
