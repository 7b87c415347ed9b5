use crate::support::{
    Gateway, Then, Upstream, plain,
    upstream::{Deaf, Gate},
};
use std::{
    io::{BufRead as _, ErrorKind, Write as _},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A deadline is met when the answer comes after it and well before the next longer one. Lower bounds
/// leave room: the gateway's clock is coarse.
#[track_caller]
fn within(started: Instant, at_least_ms: u64, below_ms: u64) {
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(at_least_ms), "too early: {took:?}");
    assert!(took < Duration::from_millis(below_ms), "too late: {took:?}");
}

fn start(timeouts: &str, url: &str) -> Gateway {
    Gateway::start(&format!("timeouts: {{{timeouts}}}\n{}", plain(url)))
}

#[test]
fn response_is_the_time_to_the_first_byte() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |_| {
        held.wait();
        Then::Close
    });
    let gateway = start("response: 400ms", &up.url());
    let started = Instant::now();
    let answer = gateway.get("/items", &[]);
    answer.problem(504, "upstream_timeout");
    assert_eq!(answer.used().as_deref(), Some("1.0"));
    within(started, 200, 15_000);
    up.wait(1);
    assert_eq!(up.requests().len(), 1, "a timeout is not retried");
    gate.open();
}

#[test]
fn interim_answers_do_not_reset_the_response_deadline() {
    let up = Upstream::new(|a| {
        while a.raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") {
            std::thread::sleep(Duration::from_millis(100));
        }
        Then::Close
    });
    let gateway = start("response: 500ms", &up.url());
    let started = Instant::now();
    let answer = gateway.get("/items", &[]);
    // A flood of them may also be refused as nonsense.
    assert!(matches!(answer.status, 504 | 502), "{}", answer.text());
    within(started, 100, 15_000);
}

#[test]
fn an_upstreams_own_timeouts_override() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |_| {
        held.wait();
        Then::Close
    });
    let yaml = plain(&up.url()).replace("servers:", "timeouts: {response: 300ms}, servers:");
    let gateway = Gateway::start(&format!("timeouts: {{response: 30s}}\n{yaml}"));
    let started = Instant::now();
    gateway.get("/items", &[]).problem(504, "upstream_timeout");
    within(started, 150, 15_000);
    gate.open();
}

#[test]
fn response_idle_ends_an_answer_that_stalls() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        held.wait();
        Then::Close
    });
    let gateway = start("response_idle: 400ms", &up.url());
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    if let Ok(Some(answer)) = client.try_read(false) {
        assert_eq!(answer.status, 504, "a stalled answer is not a whole one: {answer:?}");
    }
    within(started, 200, 15_000);
    gate.open();
}

#[test]
fn an_answer_that_trickles_outlives_response_idle() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(400));
            a.raw("x");
        }
        Then::Keep
    });
    let gateway = start("response_idle: 2500ms, response: 2500ms", &up.url());
    let answer = gateway.get("/items", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "xxxxxxxx"));
}

#[test]
fn request_bounds_the_whole_exchange() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while a.raw("1\r\nx\r\n") {
            std::thread::sleep(Duration::from_millis(50));
        }
        Then::Close
    });
    let gateway = start("request: 700ms", &up.url());
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!matches!(client.try_read(false), Ok(Some(_))), "the answer never ended and is passed off as whole");
    within(started, 350, 15_000);
}

#[test]
fn request_before_an_answer_is_504() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |_| {
        held.wait();
        Then::Close
    });
    let gateway = start("request: 500ms, response: 30s", &up.url());
    let started = Instant::now();
    gateway.get("/items", &[]).problem(504, "upstream_timeout");
    within(started, 250, 15_000);
    gate.open();
}

#[test]
fn event_streams_outlive_request() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(300));
            a.raw("7\r\ndata:1\n\r\n");
        }
        a.raw("0\r\n\r\n");
        Then::Keep
    });
    let gateway = start("request: 2s", &up.url());
    let answer = gateway.get("/items", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), "data:1\n".repeat(10));
}

#[test]
fn a_connect_that_times_out_is_504() {
    let deaf = Deaf::new();
    let gateway = start("connect: 400ms, response: 30s", &deaf.url());
    let started = Instant::now();
    gateway.get("/items", &[]).problem(504, "upstream_timeout");
    within(started, 200, 15_000);
}

#[test]
fn a_head_that_does_not_come_is_408() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 2s", &up.url());
    let started = Instant::now();
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\nX-Slow:");
    let answer = client.read();
    answer.problem(408, "request_timeout");
    // Ten seconds are the default.
    within(started, 1000, 9000);
    assert_eq!(client.read_to_close(), b"", "and the connection is closed");
}

#[test]
fn the_head_deadline_is_total_not_idle() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 700ms", &up.url());
    let mut client = gateway.client();
    let mut writer = client.stream().try_clone().unwrap();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n");
    let stop = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        // A byte now and then does not buy more time.
        scope.spawn(|| {
            while !stop.load(Relaxed) && writer.write_all(b"X: y\r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        client.stream().set_read_timeout(Some(Duration::from_secs(9))).unwrap();
        let said = client.reader().fill_buf().map(<[u8]>::to_vec);
        stop.store(true, Relaxed);
        said
    });
    let said = match &said {
        Ok(said) => String::from_utf8_lossy(said),
        Err(e) if e.kind() == ErrorKind::ConnectionReset => "".into(),
        Err(e) => panic!("more time was bought: {e}"),
    };
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn a_connection_on_which_nothing_was_asked_is_closed_without_an_answer() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 500ms, keep_alive: 500ms", &up.url());
    let mut client = gateway.client();
    assert_eq!(client.read_to_close(), b"");
}

#[test]
fn keep_alive_bounds_the_idle_time_between_requests_and_the_head_deadline_does_not() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 1s, keep_alive: 4s", &up.url());
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().status, 200);
    std::thread::sleep(Duration::from_millis(1500));
    let started = Instant::now();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().status, 200, "the head deadline does not run while idle");
    assert_eq!(client.read_to_close(), b"");
    within(started, 2000, 18_000);
}

/// Idle connections give their buffers up; what comes afterwards is read from the beginning, with a time of its own.
#[test]
fn a_client_that_comes_back_after_a_pause_may_send_its_head_in_pieces_but_not_for_ever() {
    let up = Upstream::named("main");
    let gateway = start("request_header: 1500ms, keep_alive: 20s", &up.url());
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().status, 200);
    std::thread::sleep(Duration::from_millis(1700));
    for piece in ["G", "ET /it", "ems HTTP/1.1\r\nHos", "t: h\r\n\r", "\n"] {
        client.write(piece);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.read().status, 200);
    std::thread::sleep(Duration::from_millis(1700));
    let started = Instant::now();
    client.write("GET /items HTTP/1.1\r\nHos");
    client.read().problem(408, "request_timeout");
    within(started, 700, 9000);
}

#[test]
fn a_body_that_stalls_is_408() {
    let up = Upstream::streaming(|a| {
        a.until_closed();
        Then::Close
    });
    let gateway = start("request_body: 500ms", &up.url());
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123");
    let answer = client.read();
    answer.problem(408, "request_timeout");
    // A quarter of a minute is the default.
    within(started, 250, 14_000);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_dropped() {
    let ended = Gate::default();
    let seen = ended.clone();
    let up = Upstream::new(move |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        let block = vec![7; 1 << 20];
        while a.raw(&block) {}
        seen.open();
        Then::Close
    });
    let gateway = start("write: 700ms", &up.url());
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    client.read_head().unwrap().unwrap();
    ended.wait();
    within(started, 300, 14_000);
}

#[test]
fn a_tunnel_ends_after_its_idle_time_and_not_before() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut byte = [0];
        while std::io::Read::read_exact(a.stream(), &mut byte).is_ok() {
            a.raw(byte);
        }
        Then::Close
    });
    // `request` does not bind tunnels.
    let gateway = start("tunnel_idle: 2500ms, request: 2s, keep_alive: 2s, response_idle: 2s", &up.url());
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.read_head().unwrap().unwrap().status, 101);
    let mut started = Instant::now();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(800));
        started = Instant::now();
        client.write("x");
        assert_eq!(client.read_bytes(1), b"x");
    }
    assert_eq!(client.read_to_close(), b"");
    // Later than anything else would have ended it.
    within(started, 2200, 18_000);
}

#[test]
fn a_body_that_stalls_while_it_is_buffered_is_408_too() {
    let up = Upstream::json("{}");
    let yaml = crate::support::fill(
        r#"
timeouts: {request_body: 500ms}
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1.0": {}, "2.0": {upstream: main}}
    changes: [{change: c, from: "1.0", to: "2.0", operations: [{match: POST /p, request: [{rename: {a: b}}]}]}]
"#,
        &[("up", &up.url())],
    );
    let gateway = Gateway::start(&yaml);
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
    client.read().problem(408, "request_timeout");
    assert_eq!(up.requests().len(), 0);
    // One that keeps coming is bound by the time of the whole request.
    gateway.reload(&yaml.replace("request_body: 500ms", "request_body: 9s, request: 500ms"));
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{");
    client.read().problem(408, "request_timeout");
    // The time of a pause is 9 s.
    within(started, 250, 8500);
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn time_in_which_the_gateway_was_not_let_run_is_nobodys() {
    let up = Upstream::new(|a| {
        std::thread::sleep(Duration::from_millis(300));
        a.reply(200, &[], "ok")
    });
    let gateway = start("response: 1500ms", &up.url());
    let mut client = gateway.client();
    for _ in 0..3 {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.read().status, 200);
    }
    gateway.stop();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    std::thread::sleep(Duration::from_secs(3));
    gateway.signal(rustix::process::Signal::CONT);
    assert_eq!(client.read().status, 200, "its time begins when the gateway reads it");
}
