use crate::support::{
    Gateway, Then, Upstream, eventually, fill,
    upstream::{Gate, Refusing},
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

/// One version on an upstream described by `upstream` (the value of its yaml key).
fn start(upstream: &str) -> Gateway {
    Gateway::start(&fill(
        r#"
workers: 1
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <upstream>}
apis: {shop: {path: /, endpoints: [GET /items, POST /items], versions: {"1.0": {upstream: main}}}}
"#,
        &[("upstream", upstream)],
    ))
}

fn spread(gateway: &Gateway, n: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..n {
        let answer = gateway.get("/items", &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        *seen.entry(answer.header("X-Backend").unwrap()).or_default() += 1;
    }
    seen
}

#[test]
fn round_robin_takes_turns_by_weight() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let gateway = start(&format!("{{balance: round_robin, servers: [{}, {{url: {}, weight: 2}}]}}", a.url(), b.url()));
    let seen = spread(&gateway, 30);
    assert_eq!((seen["a"], seen["b"]), (10, 20));
}

#[test]
fn least_requests_spreads_and_heeds_weights() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let gateway = start(&format!("{{servers: [{}, {}]}}", a.url(), b.url()));
    let seen = spread(&gateway, 100);
    assert!(seen["a"] >= 15 && seen["b"] >= 15, "{seen:?}");
}

#[test]
fn least_requests_avoids_the_busy_server() {
    let gate = Gate::default();
    let held = gate.clone();
    let busy = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &["X-Backend: busy"], "")
    });
    let idle = Upstream::named("idle");
    let gateway = start(&format!("{{servers: [{}, {}]}}", busy.url(), idle.url()));
    // One after the other: whoever meets the busy server stays there, and from then on the other is less loaded.
    let mut held = Vec::new();
    for n in 0..12 {
        let mut client = gateway.client();
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        let arrived = || (busy.requests().len(), idle.requests().len());
        eventually("it arrives", || (arrived().0 + arrived().1 > n).then_some(()));
        if arrived().0 > held.len() {
            held.push(client);
        } else {
            assert_eq!(client.read().status, 200);
        }
    }
    assert!(held.len() <= 5, "{} of 12 went to the busy server", held.len());
    gate.open();
}

#[test]
fn a_refused_connection_is_retried_on_another_server_for_every_method() {
    let (dead, live) = (Refusing::new(), Upstream::named("live"));
    let gateway = start(&format!("{{balance: round_robin, servers: [{}, {}]}}", dead.url(), live.url()));
    for n in 0..10 {
        let method = if n % 2 == 0 { "GET" } else { "POST" };
        let answer = gateway.call(method, "/items", &[], if n % 2 == 0 { "" } else { "body" });
        assert_eq!(answer.status, 200, "{method} {n}: {}", answer.text());
    }
    assert!(live.requests().iter().filter(|r| r.method == "POST").all(|r| r.text() == "body"));
    assert!(gateway.metrics().sum("vergate_upstream_retries_total", &[]) >= 1.0);
}

#[test]
fn without_attempts_nothing_is_retried() {
    let (dead, live) = (Refusing::new(), Upstream::named("live"));
    let gateway = start(&format!(
        "{{balance: round_robin, retries: {{attempts: 0}}, servers: [{}, {}]}}",
        dead.url(),
        live.url()
    ));
    let statuses: Vec<_> = (0..4).map(|_| gateway.get("/items", &[]).status).collect();
    assert!(statuses.contains(&502), "{statuses:?}");
}

/// Answers once per connection and then closes it silently, as a backend with a short keep-alive does.
fn closing() -> Upstream {
    Upstream::new(|a| {
        a.reply(200, &[], "ok");
        Then::Close
    })
}

#[test]
fn a_pooled_connection_that_was_closed_is_not_an_error() {
    let up = closing();
    let gateway = start(&up.url());
    for n in 0..10 {
        let (method, body) = if n % 2 == 0 { ("GET", "") } else { ("POST", "x") };
        let answer = gateway.call(method, "/items", &[], body);
        assert_eq!(answer.status, 200, "request {n}: {}", answer.text());
        // The close has to arrive before the next request is sent: a POST that crosses it is lost for good.
        eventually("the backend has closed", || (up.closed() > n).then_some(()));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(up.requests().len(), 10);
}

/// Serves the first request of a connection and resets on the second, before any answer.
fn stale() -> Upstream {
    let refused = AtomicUsize::new(0);
    Upstream::new(move |a| {
        if a.request.nth == 1 && refused.fetch_add(1, Ordering::SeqCst) == 0 {
            return Then::Reset;
        }
        a.reply(200, &[], "ok")
    })
}

#[test]
fn a_reset_on_a_reused_connection_is_retried_for_get() {
    let up = stale();
    let gateway = start(&up.url());
    assert_eq!(gateway.get("/items", &[]).status, 200);
    let answer = gateway.get("/items", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(up.requests().len(), 3, "sent again on a fresh connection");
}

#[test]
fn a_request_without_a_host_names_one_however_often_it_is_sent() {
    let up = stale();
    let gateway = start(&up.url());
    assert_eq!(gateway.get("/items", &[]).status, 200);
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.0\r\n\r\n");
    assert_eq!(client.read().status, 200);
    let own = up.url().replace("http://", "");
    let sent = up.requests();
    let hosts: Vec<_> = sent[1..].iter().map(|request| request.head.lines("Host")).collect();
    assert_eq!(hosts, [[own.as_str()], [own.as_str()]], "sent again on a fresh connection");
}

#[test]
fn what_is_sent_again_does_not_meet_a_second_connection_that_has_gone_stale() {
    // Two connections are kept, and neither serves a second request.
    let both = Gate::default();
    let open = both.clone();
    let up = Upstream::new(move |a| {
        if a.request.nth == 1 {
            return Then::Reset;
        }
        if a.request.connection < 2 {
            open.wait();
        }
        a.reply(200, &[], "ok")
    });
    let gateway = start(&up.url());
    let mut clients = [gateway.client(), gateway.client()];
    for client in &mut clients {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("both are asked", || (up.requests().len() == 2).then_some(()));
    both.open();
    for client in &mut clients {
        assert_eq!(client.read().status, 200);
    }
    assert_eq!(gateway.get("/items", &[]).status, 200);
    let connections: Vec<_> = up.requests().iter().map(|r| r.connection).collect();
    assert_eq!(connections[3], 2, "sent again on a connection of its own");
}

#[test]
fn a_reset_on_a_reused_connection_is_not_retried_for_post() {
    let up = stale();
    let gateway = start(&up.url());
    assert_eq!(gateway.call("POST", "/items", &[], "x").status, 200);
    gateway.call("POST", "/items", &[], "x").problem(502, "upstream_reset");
    assert_eq!(up.requests().len(), 2, "a POST is never sent twice");
}

#[test]
fn a_post_without_a_body_is_not_retried_either() {
    // Nothing would have to be kept to send it again: what forbids it is the method.
    let up = stale();
    let gateway = start(&up.url());
    let empty = ["Content-Length: 0"];
    assert_eq!(gateway.call("POST", "/items", &empty, "").status, 200);
    gateway.call("POST", "/items", &empty, "").problem(502, "upstream_reset");
    assert_eq!(up.requests().len(), 2);
}

#[test]
fn nothing_is_retried_once_an_answer_has_begun() {
    let up = Upstream::new(|a| {
        if a.request.nth == 1 {
            a.raw("HTTP/1.1 200 OK\r\nContent-");
            return Then::Close;
        }
        a.reply(200, &[], "ok")
    });
    let gateway = start(&up.url());
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(gateway.get("/items", &[]).status, 502);
    assert_eq!(up.requests().len(), 2);
}

#[test]
fn an_idle_connection_is_not_kept_beyond_pool_idle() {
    let closed = Gate::default();
    let seen = closed.clone();
    let up = Upstream::new(move |a| {
        a.reply(200, &[], "ok");
        a.until_closed();
        seen.open();
        Then::Close
    });
    let gateway = start(&format!("{{servers: [{}], timeouts: {{pool_idle: 500ms}}}}", up.url()));
    let started = std::time::Instant::now();
    assert_eq!(gateway.get("/items", &[]).status, 200);
    closed.wait();
    let took = started.elapsed();
    // Half a minute is what it would be kept otherwise.
    assert!(took.as_millis() > 300 && took.as_secs() < 20, "{took:?}");
}

#[test]
fn a_connection_with_unread_bytes_is_not_reused() {
    // Bytes after a complete answer would be taken for the next caller's answer.
    let up = Upstream::new(|a| {
        if a.request.nth == 0 && a.request.connection == 0 {
            a.raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
            return Then::Keep;
        }
        a.reply(200, &[], "clean")
    });
    let gateway = start(&up.url());
    let first = gateway.get("/items", &[]);
    assert!(matches!(first.text().as_str(), "ok") || first.status == 502, "{first:?}");
    for _ in 0..3 {
        assert_eq!(gateway.get("/items", &[]).text(), "clean");
    }
}

#[test]
fn a_body_is_never_sent_twice_when_the_upstream_dies_in_the_middle() {
    let up = Upstream::new(|_| Then::Reset);
    let gateway = start(&up.url());
    for method in ["POST", "PATCH"] {
        gateway.call(method, "/items", &[], "x").problem(502, "upstream_reset");
    }
    assert_eq!(up.requests().len(), 2);
}

#[test]
fn upstream_names_resolve() {
    let up = Upstream::named("main");
    let gateway = start(&format!("http://localhost:{}", up.addr.port()));
    assert_eq!(gateway.get("/items", &[]).status, 200);
    drop(gateway);
    let gateway = start("http://does-not-exist.invalid:80");
    assert_eq!(gateway.get("/items", &[]).status, 502);
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let port = crate::support::tools::free_port();
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let gateway = start(&format!("http://{addr}"));
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    let _up = Upstream::at(addr, |a| a.reply(200, &[], "back"));
    eventually("it is used again", || (gateway.get("/items", &[]).status == 200).then_some(()));
}

#[test]
fn retries_stay_within_their_budget() {
    let (dead, live) = (Refusing::new(), Upstream::named("live"));
    let gateway = start(&format!(
        "{{balance: round_robin, retries: {{attempts: 1, budget: 10%}}, breaker: {{open_after: 1000}}, servers: [{}, {}]}}",
        dead.url(),
        live.url()
    ));
    let started = std::time::Instant::now();
    let statuses: Vec<_> = (0..200).map(|_| gateway.get("/items", &[]).status).collect();
    let seconds = started.elapsed().as_secs_f64();
    // Half of them meet the dead server. A tenth of all may be tried again, and three in each second.
    let retries = gateway.metrics().sum("vergate_upstream_retries_total", &[]);
    assert!(retries >= 3.0 && retries <= 200.0 * 0.1 + 3.0 * (seconds + 2.0), "{retries} retries in {seconds} s");
    assert!(statuses.contains(&502), "what the budget does not cover fails at once");
}

#[test]
fn a_hash_sends_the_same_key_to_the_same_server() {
    let ups = [Upstream::named("a"), Upstream::named("b"), Upstream::named("c")];
    let urls: Vec<_> = ups.iter().map(Upstream::url).collect();
    let backend = |gateway: &Gateway, field: &str| {
        let answer = gateway.get("/items", &[field]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("X-Backend").unwrap()
    };
    for (key, field) in [("{header: X-User-Id}", "X-User-Id: user"), ("{cookie: sid}", "Cookie: other=1; sid=user")] {
        let gateway = start(&format!("{{balance: {{hash: {key}}}, servers: [{}]}}", urls.join(", ")));
        let mut homes = BTreeMap::new();
        // So many that each server gets some, wherever its port puts it.
        for n in 0..60 {
            let field = format!("{field}{n}");
            let home = backend(&gateway, &field);
            assert!((0..3).all(|_| backend(&gateway, &field) == home), "{field} moved");
            *homes.entry(home).or_insert(0) += 1;
        }
        assert_eq!(homes.len(), 3, "{homes:?}");
    }
    let gateway = start(&format!("{{balance: {{hash: client_address}}, servers: [{}]}}", urls.join(", ")));
    let home = backend(&gateway, "X-User-Id: one");
    assert!((0..10).all(|n| backend(&gateway, &format!("X-User-Id: {n}")) == home));
}
