use crate::support::{Client, Gateway, Then, Upstream, eventually, fill, plain, upstream::Gate};

fn start(limits: &str, url: &str) -> Gateway {
    Gateway::start(&format!("limits: {{{limits}}}\n{}", plain(url)))
}

#[test]
fn a_target_over_its_limit_is_414_and_one_at_it_passes() {
    let up = Upstream::named("main");
    // A bare integer is bytes.
    let gateway = start("request_target: 1024", &up.url());
    let at = format!("/items?{}", "x".repeat(1024 - 7));
    assert_eq!(gateway.get(&at, &[]).status, 200);
    gateway.get(&format!("{at}x"), &[]).problem(414, "target_too_long");
    assert_eq!(up.requests().len(), 1);
}

#[test]
fn the_default_target_limit_is_8_kib() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 32KiB", &up.url());
    assert_eq!(gateway.get(&format!("/items?{}", "x".repeat(8 * 1024 - 7)), &[]).status, 200);
    gateway.get(&format!("/items?{}", "x".repeat(8 * 1024 - 6)), &[]).problem(414, "target_too_long");
}

#[test]
fn a_head_over_its_limit_is_431() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 4KiB", &up.url());
    assert_eq!(gateway.get("/items", &[&format!("X-Big: {}", "x".repeat(3000))]).status, 200);
    gateway.get("/items", &[&format!("X-Big: {}", "x".repeat(5000))]).problem(431, "header_too_large");
    // Also as many small lines, and when the head never ends.
    let many =
        "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(60);
    gateway.get("/items", &[many.trim_end()]).problem(431, "header_too_large");
    let mut client = gateway.client();
    client.write(format!("GET /items HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(8000)));
    client.read().problem(431, "header_too_large");
}

#[test]
fn too_many_fields_are_431() {
    let up = Upstream::named("main");
    let gateway = start("request_header_fields: 20", &up.url());
    let fields = |n: usize| (0..n).map(|i| format!("X-{i}: y")).collect::<Vec<_>>();
    let get = |n: usize| {
        // Host is a field too.
        let fields = fields(n - 1);
        gateway.get("/items", &fields.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(get(20).status, 200);
    get(21).problem(431, "header_too_large");
}

#[test]
fn a_body_over_its_limit_is_413() {
    let up = Upstream::named("main");
    let gateway = start("request_body: 1KiB", &up.url());
    assert_eq!(gateway.call("POST", "/items", &[], "x".repeat(1024)).status, 200);
    gateway.call("POST", "/items", &[], "x".repeat(1025)).problem(413, "body_too_large");
    assert_eq!(up.requests().len(), 1, "a declared length is refused before anything is sent on");
    // Without a declared length it shows on the way.
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..4 {
        let _ = client.try_write(format!("200\r\n{}\r\n", "x".repeat(512)));
    }
    let _ = client.try_write("0\r\n\r\n");
    client.read().problem(413, "body_too_large");
    assert_eq!(up.requests().len(), 1, "the upstream never saw it whole");
}

const ADAPTED: &str = r#"
limits: {adapted_body: 1KiB}
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p, GET /p]
    versions: {"1.0": {}, "2.0": {upstream: main}}
    changes:
      - change: c
        from: "1.0"
        to: "2.0"
        operations:
          - {match: POST /p, request: [{rename: {a: b}}]}
          - {match: GET /p, response: {2xx: [{rename: {a: b}}]}}
"#;

#[test]
fn an_adapted_request_body_over_its_limit_is_413_and_is_not_forwarded() {
    let up = Upstream::json("{}");
    let gateway = Gateway::start(&fill(ADAPTED, &[("up", &up.url())]));
    let body = |n: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(n - 8));
    assert_eq!(gateway.post_json("/p", &["X-API-Version: 1.0"], &body(1024)).status, 200);
    gateway.post_json("/p", &["X-API-Version: 1.0"], &body(1025)).problem(413, "body_too_large");
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    let _ = client.try_write(format!("800\r\n{}\r\n0\r\n\r\n", "x".repeat(2048)));
    client.read().problem(413, "body_too_large");
    assert_eq!(up.requests().len(), 1);
    // A version that needs no adapting has no such limit.
    assert_eq!(gateway.post_json("/p", &["X-API-Version: 2.0"], &body(100_000)).status, 200);
}

#[test]
fn an_adapted_answer_over_the_limit_is_502() {
    let up = Upstream::new(|a| {
        a.reply(200, &["Content-Type: application/json"], format!("{{\"b\":\"{}\"}}", "x".repeat(2000)))
    });
    let gateway = Gateway::start(&fill(ADAPTED, &[("up", &up.url())]));
    gateway.get("/p", &["X-API-Version: 1.0"]).problem(502, "adaptation_response_failed");
    assert_eq!(gateway.get("/p", &["X-API-Version: 2.0"]).status, 200);
}

#[test]
fn an_answers_head_over_its_limit_is_502() {
    let up = Upstream::new(|a| {
        let n = if a.request.target == "/items/small" { 2000 } else { 6000 };
        a.reply(200, &[&format!("X-Big: {}", "x".repeat(n))], "")
    });
    let gateway = start("response_header: 4KiB", &up.url());
    assert_eq!(gateway.get("/items/small", &[]).status, 200);
    gateway.get("/items/big", &[]).problem(502, "upstream_invalid_response");
}

#[test]
fn connections_over_the_limit_are_not_served() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\nlimits: {{connections: 2}}\n{}", plain(&up.url())));
    let ask = |client: &mut Client| {
        client.try_write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n").and_then(|()| client.try_read(false))
    };
    let mut held: Vec<_> = (0..2).map(|_| gateway.client()).collect();
    for client in &mut held {
        assert_eq!(ask(client).unwrap().unwrap().status, 200);
    }
    let mut third = gateway.client();
    third.stream().set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    if let Ok(Some(answer)) = ask(&mut third) {
        answer.problem(503, "overloaded");
    }
    drop(third);
    held.pop();
    // Room again.
    eventually("a new connection is served", || {
        let mut client = gateway.client();
        client.stream().set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        matches!(ask(&mut client), Ok(Some(answer)) if answer.status == 200).then_some(())
    });
    assert_eq!(ask(&mut held[0]).unwrap().unwrap().status, 200);
}

#[test]
fn connections_per_client_over_the_limit_are_not_served() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\nlimits: {{connections_per_client: 1}}\n{}", plain(&up.url())));
    let mut first = gateway.client();
    first.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(first.read().status, 200);
    let mut second = gateway.client();
    second.stream().set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let got = second.try_write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n").and_then(|()| second.try_read(false));
    if let Ok(Some(answer)) = got {
        answer.problem(503, "overloaded");
    }
    first.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(first.read().status, 200);
    assert_eq!(up.requests().len(), 2);
}

#[test]
fn requests_in_flight_count_until_the_answer_is_out() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1");
        held.wait();
        a.raw("2");
        Then::Keep
    });
    let gateway = Gateway::start(&format!("workers: 1\nlimits: {{requests_in_flight: 1}}\n{}", plain(&up.url())));
    let mut first = gateway.client();
    first.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    first.read_head().unwrap().unwrap();
    gateway.get("/items", &[]).problem(503, "overloaded");
    assert_eq!(gateway.metrics().sum("vergate_requests_in_flight", &[]), 1.0);
    gate.open();
    assert_eq!(first.read_bytes(2), b"12");
    eventually("room again", || (gateway.get("/items", &[]).status == 200).then_some(()));
}
