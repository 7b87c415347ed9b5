use crate::support::{
    Frames, Gateway, TempDir, Then, Upstream, eventually, fill,
    frames::request,
    gateway::exchange,
    plain,
    tools::{free_port, wait_listening},
};
use serde_json::Value;
use std::process::Stdio;

#[test]
fn a_stderr_that_takes_nothing_costs_nothing() {
    // As where the disk is full, or whoever read the other end of a pipe has left.
    let up = Upstream::new(|a| {
        a.raw("no HTTP\r\n\r\n");
        Then::Close
    });
    let [data, admin] = [free_port(), free_port()];
    let dir = TempDir::new();
    let text = format!("listen: 127.0.0.1:{data}\nadmin: {{listen: 127.0.0.1:{admin}}}\n{}", plain(&up.url()));
    let file = dir.write("gateway.yaml", &text);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut gateway = std::process::Command::new(env!("CARGO_BIN_EXE_vergate"))
        .args(["run", "-c"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    wait_listening(data);
    let failed = exchange(at(data), "GET /items HTTP/1.1\r\n", b"");
    let reloaded = exchange(at(admin), "POST /api/v1/reload HTTP/1.1\r\n", b"");
    rustix::process::kill_process(rustix::process::Pid::from_child(&gateway), rustix::process::Signal::TERM).unwrap();
    let ended = eventually("it exits", || gateway.try_wait().unwrap());
    failed.problem(502, "upstream_invalid_response");
    assert!((200..300).contains(&reloaded.status), "{}", reloaded.text());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn one_json_line_per_request_with_every_field() {
    let up = Upstream::named("main");
    let yaml = fill(
        r#"
versioning: {resolve: [{header: X-API-Version}, {query: version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: ['GET /items/{id}']
    versions: {"1.0": {deprecated: 2020-06-01, sunset: 2098-06-01, current_phase: warning, upstream: main}, "2.0": {upstream: main}}
"#,
        &[("up", &up.url())],
    );
    let gateway = Gateway::start(&yaml);
    gateway.get(
        "/items/7?secret=1&version=1.0",
        &["X-Request-Id: one", "Authorization: Bearer token-secret", "X-API-Key: key-secret", "Cookie: cookie-secret"],
    );
    let line = gateway.log_line(|l| l["request_id"] == "one");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/items/7");
    assert_eq!(line["api"], "shop");
    assert_eq!(line["version"], "1.0");
    assert_eq!(line["version_source"], "query");
    assert_eq!(line["phase"], "warning");
    assert_eq!(line["endpoint"], "GET /items/{id}");
    assert_eq!(line["upstream"], "main");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], 4);
    assert!(line["duration_ms"].as_f64().is_some_and(|ms| (0.0..10_000.0).contains(&ms)), "{line}");
    assert!(line["upstream_ms"].as_f64().is_some(), "{line}");
    assert!(line["time"].as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()), "{line}");
    for field in ["consumer", "code"] {
        assert!(line.get(field).is_none_or(|v| v.is_null() || v == "" || v == "anonymous"), "{line}");
    }
    let all = gateway.stdout().join("\n");
    assert!(!all.contains("secret"), "{all}");
    assert_eq!(gateway.stdout().len(), 1);
}

#[test]
fn refusals_are_logged_with_their_code() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &["X-API-Version: 9", "X-Request-Id: two"]);
    let line = gateway.log_line(|l| l["request_id"] == "two");
    assert_eq!(line["status"], 400);
    assert_eq!(line["code"], "version_unknown");
    assert_eq!(line["api"], "shop");
    assert_eq!(line["version_source"], "header");
    gateway.get("/items", &["X-Request-Id: three"]);
    let line = gateway.log_line(|l| l["request_id"] == "three");
    assert_eq!(line["version"], "1.0");
    assert_eq!(line["version_source"], "default");
}

#[test]
fn hostile_text_cannot_forge_a_line() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items/%0a%7B%22status%22:999%7D\"\\\u{1b}", &["X-Request-Id: evil\"id\\"]);
    gateway.get("/items", &["X-Request-Id: last"]);
    gateway.log_line(|l| l["request_id"] == "last");
    for line in gateway.stdout() {
        let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_ne!(parsed["status"], 999);
        assert!(!line.bytes().any(|b| b < 0x20), "{line:?}");
    }
}

#[test]
fn errors_only_off_and_text() {
    let up = Upstream::named("main");
    let start = |log: &str| Gateway::start(&format!("log: {log}\n{}", plain(&up.url())));
    let ask = |gateway: &Gateway| {
        gateway.get("/items", &["X-Request-Id: fine"]);
        gateway.get("/items", &["X-API-Version: 9", "X-Request-Id: refused"]);
    };
    let errors = start("{requests: errors}");
    ask(&errors);
    errors.log_line(|l| l["request_id"] == "refused");
    assert!(!errors.stdout().join("").contains("fine"));

    let text = start("{format: text}");
    ask(&text);
    eventually("two lines of text", || (text.stdout().len() == 2).then_some(()));
    let lines = text.stdout();
    assert!(lines.iter().all(|line| serde_json::from_str::<Value>(line).is_err()), "{lines:?}");
    // Each connection may have a worker of its own: the lines come in any order.
    let served = |line: &String| line.contains("GET") && line.contains("/items") && line.contains(" 200 ");
    assert_eq!(lines.iter().filter(|line| served(line)).count(), 1, "{lines:?}");

    let off = start("{requests: off}");
    ask(&off);
    drop(text);
    // What would have been written is written by the time a drained process has gone.
    let mut off = off;
    off.signal(rustix::process::Signal::TERM);
    off.wait();
    assert_eq!(off.stdout(), [""; 0]);
}

#[test]
fn a_client_that_left_is_logged_as_499() {
    let gate = crate::support::Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "")
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\nX-Request-Id: left\r\n\r\n");
    up.wait(1);
    drop(client);
    let line = gateway.log_line(|l| l["request_id"] == "left");
    assert_eq!(line["status"], 499);
    gate.open();
}

#[test]
fn a_client_that_left_within_its_answer_is_logged_as_499() {
    let gate = crate::support::Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        let (kind, rest) = match a.request.target.as_str() {
            "/items/events" => ("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", "5\r\nid: 1\r\n"),
            "/items/chunks" => ("Transfer-Encoding: chunked", "2\r\nab\r\n"),
            _ => ("Content-Length: 10", "ab"),
        };
        a.raw(format!("HTTP/1.1 200 OK\r\n{kind}\r\n\r\n{rest}"));
        held.wait();
        Then::Close
    });
    let gateway = Gateway::start(&format!("log: {{requests: errors}}\n{}", plain(&up.url())));
    for target in ["/items/events", "/items/chunks", "/items/length"] {
        let mut client = gateway.client();
        client.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.read_head().unwrap().unwrap().status, 200);
        client.read_bytes(2);
        drop(client);
        if target != "/items/events" {
            let line = gateway.log_line(|line| line["path"] == target);
            assert_eq!((&line["status"], &line["code"]), (&499.into(), &Value::Null), "{line}");
        }
    }
    let mut frames = Frames::connect(gateway.addr());
    frames.get(1, "/items/over-2").until("a piece", |frame| frame.kind == 0 && frame.stream == 1);
    drop(frames);
    assert_eq!(gateway.log_line(|line| line["path"] == "/items/over-2")["status"], 499);
    let mut frames = Frames::connect(gateway.addr());
    frames.get(1, "/items/reset").until("a piece", |frame| frame.kind == 0 && frame.stream == 1);
    frames.send(3, 0, 1, &[0, 0, 0, 8]);
    assert_eq!(gateway.log_line(|line| line["path"] == "/items/reset")["status"], 499);
    // Whoever listens to events leaves some time: that is how such an answer ends.
    let counted = |status| gateway.metrics().sum("api_requests_by_version_total", &[("status_code", status)]);
    eventually("all are counted", || (counted("499") == 4.0 && counted("200") == 1.0).then_some(()));
    assert_eq!(gateway.stdout().len(), 4);
    gate.open();
}

#[test]
fn answers_that_left_whole_are_not_taken_for_broken_off() {
    let up = Upstream::new(|a| match a.request.target.as_str() {
        "/items/chunks" => {
            a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n");
            Then::Keep
        }
        _ => a.reply(200, &[], "ab"),
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut asked = 0.0;
    for target in ["/items/chunks", "/items/length"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(gateway.call(method, target, &[], "").status, 200);
            let mut frames = Frames::connect(gateway.addr());
            frames.send(1, 5, 1, &request(method, target, &[]));
            assert_eq!(frames.status(1), 200);
            if method == "GET" {
                assert_eq!(frames.body(1), b"ab");
            }
            asked += 2.0;
        }
    }
    eventually("all are counted", || {
        (gateway.metrics().sum("api_requests_by_version_total", &[]) == asked).then_some(())
    });
    assert_eq!(gateway.metrics().sum("api_requests_by_version_total", &[("status_code", "200")]), asked);
}

#[test]
fn the_last_lines_are_written_before_the_process_ends() {
    let up = Upstream::named("main");
    let mut gateway = Gateway::start(&plain(&up.url()));
    for _ in 0..50 {
        gateway.get("/items", &[]);
    }
    gateway.signal(rustix::process::Signal::TERM);
    assert!(gateway.wait().success());
    eventually("fifty lines", || (gateway.stdout().len() == 50).then_some(()));
}
