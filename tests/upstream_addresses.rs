use crate::support::{Gateway, Upstream, eventually, plain, tools::free_port};

#[track_caller]
fn not_connected(gateway: &Gateway, why: &str) {
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    eventually(&format!("the log says {why}"), || gateway.stderr().contains(why).then_some(()));
}

#[test]
fn the_address_that_answers_is_found_among_those_of_a_name() {
    // `localhost` is ::1 as well on most machines, where nothing listens.
    let upstream = Upstream::named("here");
    let gateway = Gateway::start(&plain(&format!("http://localhost:{}", upstream.addr.port())));
    for _ in 0..4 {
        assert_eq!(gateway.get("/items", &["Connection: close"]).text(), "here");
    }
}

#[test]
fn a_name_that_does_not_exist_is_502_and_the_gateway_starts_all_the_same() {
    let gateway = Gateway::start(&plain("http://no-such-name.invalid"));
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
}

#[test]
fn what_a_name_resolves_to_is_looked_at_for_each_connection() {
    // Resolvers read a bare number as an address: this is 169.254.169.254.
    not_connected(&Gateway::start(&plain("http://2852039166")), "is a link-local or metadata address");
    // And this is the gateway.
    let port = free_port();
    let config = format!("listen: 127.0.0.1:{port}\n{}", plain(&format!("http://127.1:{port}")));
    not_connected(&Gateway::start(&config), "is one of the gateway's own addresses");
}

#[test]
fn a_connection_is_left_before_the_server_closes_it() {
    let upstream = Upstream::new(|a| a.reply(200, &["Connection: keep-alive", "Keep-Alive: timeout=1"], "ok"));
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&upstream.url())));
    for _ in 0..3 {
        assert_eq!(gateway.call("POST", "/items", &[], "x").status, 200);
    }
    assert_eq!(upstream.connections(), 3, "a second's notice is none at all");
    let patient = Upstream::new(|a| a.reply(200, &["Connection: keep-alive", "Keep-Alive: timeout=60"], "ok"));
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&patient.url())));
    for _ in 0..3 {
        assert_eq!(gateway.call("POST", "/items", &[], "x").status, 200);
    }
    assert_eq!(patient.connections(), 1);
}
