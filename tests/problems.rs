use crate::support::{
    Client, Gateway, Upstream, fill, plain,
    upstream::{Gate, Refusing},
};

// Codes with a file of their own: negotiation.rs (version_*, path_invalid), lifecycle.rs (version_sunset), limits.rs,
// timeouts.rs, adaptation.rs, drain.rs (draining), admin.rs. Here is what every problem shares, and the rest.

#[test]
fn a_problem_names_the_path_without_its_query_and_the_request() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    let answer = gateway.get("/items/7?token=secret", &["X-API-Version: 9", "X-Request-Id: my-id-1"]);
    let problem = answer.problem(400, "version_unknown");
    assert_eq!(problem["instance"], "/items/7");
    assert_eq!(problem["request_id"], "my-id-1");
    assert!(!answer.text().contains("secret"));
    // A URI reference, whatever browsers leave as it is.
    let odd = gateway.get("/items/{7}|^?a=b", &["X-API-Version: 9"]);
    assert_eq!(odd.problem(400, "version_unknown")["instance"], "/items/%7B7%7D%7C%5E");
}

#[test]
fn a_problem_to_a_head_request_has_headers_only() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("HEAD /items HTTP/1.1\r\nHost: h\r\nX-API-Version: 9\r\n\r\n");
    let answer = client.read_of_head();
    assert_eq!(answer.status, 400);
    assert!(answer.header("Content-Type").unwrap().starts_with("application/problem+json"));
    // The connection is still in step: no body followed.
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().status, 200);
}

#[test]
fn hostile_text_in_a_request_cannot_break_the_problem_body() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    let answer = gateway.get("/a%22b%0d%0aX-Evil:1/%3Cscript%3E", &["X-API-Version: \"9\"\\<script>"]);
    answer.problem(400, "version_malformed");
    assert_eq!(answer.header("X-Evil"), None);
}

#[test]
fn request_ids_are_kept_when_fit_to_print_and_made_otherwise() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    let id = |fields: &[&str]| {
        let answer = gateway.get("/items", fields);
        let id = answer.header("X-Request-Id").expect("every response carries one");
        assert_eq!(up.last().header("X-Request-Id").as_deref(), Some(id.as_str()), "the upstream sees the same");
        id
    };
    assert_eq!(id(&["X-Request-Id: abc-123!~"]), "abc-123!~");
    let longest = "x".repeat(128);
    assert_eq!(id(&[&format!("X-Request-Id: {longest}")]), longest);
    for bad in ["x".repeat(129), "two words".into(), "\u{e9}".into(), String::new()] {
        let made = id(&[&format!("X-Request-Id: {bad}")]);
        assert!(made != bad && !made.is_empty() && made.len() <= 128, "{bad:?} became {made:?}");
    }
    assert_ne!(id(&[]), id(&[]));
}

#[test]
fn a_dead_upstream_is_502_unreachable() {
    let refusing = Refusing::new();
    let gateway = Gateway::start(&plain(&refusing.url()));
    let answer = gateway.get("/items", &[]);
    answer.problem(502, "upstream_unreachable");
    assert_eq!(answer.used().as_deref(), Some("1.0"));
    gateway.call("POST", "/items", &[], "x").problem(502, "upstream_unreachable");
}

#[test]
fn an_upstream_that_resets_is_502_reset() {
    let up = Upstream::new(|_| crate::support::Then::Reset);
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &[]).problem(502, "upstream_reset");
    gateway.call("POST", "/items", &[], "x").problem(502, "upstream_reset");
    assert_eq!(up.requests().iter().filter(|r| r.method == "POST").count(), 1, "a POST is never sent twice");
}

#[test]
fn an_upstream_that_closes_without_an_answer_is_502_reset() {
    let up = Upstream::new(|_| crate::support::Then::Close);
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &[]).problem(502, "upstream_reset");
    gateway.call("POST", "/items", &[], "x").problem(502, "upstream_reset");
}

#[test]
fn an_upstream_that_speaks_nonsense_is_502_invalid() {
    for answer in [
        "garbage\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nBad Field: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    ] {
        let up = Upstream::new(move |a| {
            a.raw(answer);
            crate::support::Then::Close
        });
        let gateway = Gateway::start(&plain(&up.url()));
        let mut client = gateway.client();
        client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        match client.try_read(false) {
            Ok(Some(got)) => {
                assert_eq!(got.status, 502, "{answer:?}: {}", got.head.raw);
                got.problem(502, "upstream_invalid_response");
            }
            // A head that was fine has been passed on: what follows it ends the connection.
            Ok(None) | Err(_) => assert!(answer.ends_with("zz\r\n"), "{answer:?}"),
        }
    }
}

#[test]
fn an_unasked_101_is_not_relayed() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
        crate::support::Then::Close
    });
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &[]).problem(502, "upstream_invalid_response");
}

#[test]
fn an_answer_cut_short_is_never_passed_off_as_complete() {
    let up = Upstream::new(|a| {
        match a.request.target.as_str() {
            "/items/length" => a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"),
            _ => a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
        };
        crate::support::Then::Close
    });
    let gateway = Gateway::start(&plain(&up.url()));
    for target in ["/items/length", "/items/chunked"] {
        let mut client = gateway.client();
        client.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        if let Ok(Some(answer)) = client.try_read(false) {
            assert_eq!(answer.status, 502, "{target}: {answer:?}");
        }
    }
}

#[test]
fn trace_and_connect_are_501() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.call("TRACE", "/items", &[], "").problem(501, "method_unsupported");
    let mut client = gateway.client();
    client.write("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    assert_eq!(client.read().status, 501);
    // What follows may be meant for the tunnel.
    assert!(client.read_to_close().is_empty());
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn the_gateways_own_limits_answer_503_with_retry_after() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "")
    });
    let gateway = Gateway::start(&format!("limits: {{requests_in_flight: 1}}\nworkers: 1\n{}", plain(&up.url())));
    let mut first = Client::connect(gateway.addr());
    first.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    up.wait(1);
    let answer = gateway.get("/items", &[]);
    let problem = answer.problem(503, "overloaded");
    let seconds: u64 = answer.header("Retry-After").expect("Retry-After").parse().unwrap();
    assert_eq!(problem["retry_after"], seconds);
    gate.open();
    assert_eq!(first.read().status, 200);
    assert_eq!(gateway.get("/items", &[]).status, 200, "room again");
}

#[test]
fn an_unsupported_content_coding_on_an_adapted_route_is_415_and_says_what_is_accepted() {
    let up = Upstream::json("{}");
    let yaml = fill(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1.0": {}, "2.0": {upstream: main}}
    changes:
      - {change: c, from: "1.0", to: "2.0", operations: [{match: POST /p, request: [{rename: {a: b}}]}]}
"#,
        &[("up", &up.url())],
    );
    let gateway = Gateway::start(&yaml);
    let answer = gateway.post_json("/p", &["X-API-Version: 1.0", "Content-Encoding: compress"], "xxxx");
    answer.problem(415, "content_coding_unsupported");
    assert_eq!(answer.header("Accept-Encoding").as_deref(), Some("br, gzip, zstd, deflate"));
    assert_eq!(up.requests().len(), 0);
    // An untouched version takes any coding.
    assert_eq!(gateway.post_json("/p", &["X-API-Version: 2.0", "Content-Encoding: compress"], "xxxx").status, 200);
}
