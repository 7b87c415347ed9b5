use crate::support::{
    Gateway, Then, Upstream, eventually, fill,
    http2::{Call, Http2Upstream, call},
    tools::free_port,
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering::SeqCst},
    },
};

/// One version on an upstream described by `upstream` (the value of its yaml key).
fn text(upstream: &str) -> String {
    fill(
        r#"
workers: 2
upstreams: {main: <upstream>}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#,
        &[("upstream", upstream)],
    )
}

/// Answers `/up` with a status that can be changed, and everything else with its name.
fn checked(name: &'static str) -> (Upstream, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let now = Arc::clone(&status);
    let up = Upstream::new(move |a| match a.request.target.as_str() {
        "/up" => a.reply(now.load(SeqCst), &[], ""),
        _ => a.reply(200, &[], name),
    });
    (up, status)
}

const QUICK: &str = "health: {path: /up, interval: 50ms, timeout: 10s, healthy_after: 2, unhealthy_after: 2}";

#[track_caller]
fn server(gateway: &Gateway, addr: SocketAddr) -> Value {
    let all = gateway.admin_get("/api/v1/upstreams").json();
    let servers = all["upstreams"][0]["servers"].as_array().unwrap().clone();
    servers.into_iter().find(|s| s["server"] == addr.to_string().as_str()).unwrap()
}

#[track_caller]
fn state(gateway: &Gateway, addr: SocketAddr, state: &str) {
    eventually(&format!("{addr} is {state}"), || (server(gateway, addr)["state"] == state).then_some(()));
}

#[track_caller]
fn answers(gateway: &Gateway, n: usize) -> Vec<String> {
    let answer = |_| {
        let answer = gateway.get("/items", &[]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let mut answers: Vec<_> = (0..n).map(answer).collect();
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn a_server_whose_checks_fail_gets_nothing_until_they_succeed_again() {
    let ((a, status), (b, _)) = (checked("a"), checked("b"));
    let gateway = Gateway::start(&text(&format!("{{servers: [{}, {}], {QUICK}}}", a.url(), b.url())));
    state(&gateway, a.addr, "available");
    assert_eq!(answers(&gateway, 40), ["a", "b"]);
    status.store(503, SeqCst);
    state(&gateway, a.addr, "unhealthy");
    assert_eq!(answers(&gateway, 40), ["b"]);
    // The verdict comes first, then what it was made of.
    eventually("the last check is told", || {
        let check = server(&gateway, a.addr)["last_check"].clone();
        (check["healthy"] == false && check["error"] == "status 503").then_some(())
    });
    let label = a.addr.to_string();
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("vergate_upstream_healthy", &[("server", &label)]), 0.0);
    eventually("both failures are counted", || {
        let failures = gateway.metrics().sum("vergate_upstream_health_check_failures_total", &[("server", &label)]);
        (failures >= 2.0).then_some(())
    });
    status.store(204, SeqCst);
    state(&gateway, a.addr, "available");
    assert_eq!(answers(&gateway, 40), ["a", "b"]);
}

#[test]
fn without_a_healthy_server_the_answer_is_503_at_once() {
    let (up, status) = checked("a");
    status.store(500, SeqCst);
    let gateway = Gateway::start(&text(&format!("{{servers: [{}], {QUICK}}}", up.url())));
    state(&gateway, up.addr, "unhealthy");
    let answer = gateway.get("/items", &[]);
    answer.problem(503, "upstream_unavailable");
    assert_eq!(answer.header("Retry-After").as_deref(), Some("1"));
    assert!(up.requests().iter().all(|request| request.target == "/up"));
    let ready = gateway.admin_get("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"degraded".into()), "{}", ready.text());
    assert_eq!(ready.json()["degraded"][0]["what"], "upstream main");
}

#[test]
fn a_check_without_a_path_only_connects() {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let health = "health: {interval: 50ms, healthy_after: 1, unhealthy_after: 1}";
    let gateway = Gateway::start(&text(&format!("{{servers: ['http://{addr}'], {health}}}")));
    state(&gateway, addr, "unhealthy");
    let up = Upstream::at(addr, |a| a.reply(200, &[], "up"));
    state(&gateway, addr, "available");
    assert!(up.requests().is_empty());
    assert_eq!(answers(&gateway, 1), ["up"]);
}

#[test]
fn a_check_names_its_host_and_closes_its_connection() {
    let (up, _) = checked("a");
    let health = "health: {path: '/up', interval: 50ms, expect_status: 200}";
    let gateway = Gateway::start(&text(&format!("{{servers: ['{}/base'], {health}}}", up.url())));
    up.wait(3);
    let seen = up.requests();
    assert!(seen.iter().all(|check| check.method == "GET" && check.target == "/up" && check.nth == 0));
    assert_eq!(seen[0].header("Host"), Some(up.addr.to_string()));
    drop(gateway);
}

#[test]
fn one_process_checks_each_server_once_and_not_in_step() {
    let (up, _) = checked("a");
    let health = "health: {path: /up, interval: 400ms}";
    let began = std::time::Instant::now();
    let gateway =
        Gateway::start(&text(&format!("{{servers: [{}], {health}}}", up.url())).replace("workers: 2", "workers: 4"));
    up.wait(4);
    let seconds = began.elapsed().as_secs_f64();
    // The first comes at once; three pauses of at least 320 ms follow.
    assert!(seconds >= 3.0 * 0.32, "four checks in {seconds} s: more than one worker asks");
    drop(gateway);
}

#[test]
fn a_server_is_checked_no_more_when_the_file_says_so() {
    let (up, status) = checked("a");
    let gateway = Gateway::start(&text(&format!("{{servers: [{}], {QUICK}}}", up.url())));
    status.store(500, SeqCst);
    state(&gateway, up.addr, "unhealthy");
    gateway.reload(&text(&format!("{{servers: [{}]}}", up.url())));
    state(&gateway, up.addr, "available");
    assert_eq!(answers(&gateway, 1), ["a"]);
    // The worker that checked it may have been within its last check.
    eventually("no check is told of", || server(&gateway, up.addr)["last_check"].is_null().then_some(()));
}

/// Fails with what it is told to, or answers with its name.
fn failing(
    name: &'static str,
    fail: impl Fn(&mut crate::support::upstream::Answer) -> Then + Send + Sync + 'static,
) -> (Upstream, Arc<AtomicBool>) {
    let bad = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&bad);
    let up = Upstream::new(move |a| if now.load(SeqCst) { fail(a) } else { a.reply(200, &[], name) });
    (up, bad)
}

#[test]
fn a_server_that_fails_too_often_in_a_row_is_kept_out_for_a_while() {
    let (a, bad) = failing("a", |a| a.reply(500, &[], "bad"));
    let b = Upstream::new(|a| a.reply(200, &[], "b"));
    let rules = "ejection: {after: 3, time: 2s}, balance: round_robin";
    let gateway = Gateway::start(
        &text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url())).replace("workers: 2", "workers: 1"),
    );
    let failed = (0..20).filter(|_| gateway.get("/items", &[]).status == 500).count();
    assert!((3..=6).contains(&failed), "{failed} of 20 failed");
    bad.store(false, SeqCst);
    eventually("it is let in again", || (answers(&gateway, 2) == ["a", "b"]).then_some(()));
    let row = server(&gateway, a.addr);
    assert!(row["ejections"].as_u64() >= Some(1), "{row}");
    assert!(gateway.metrics().sum("vergate_upstream_ejections_total", &[]) >= 1.0);
}

#[test]
fn answers_that_do_not_come_eject_too() {
    let (a, _bad) = failing("a", |_| Then::Reset);
    let b = Upstream::new(|a| a.reply(200, &[], "b"));
    let rules = "ejection: {after: 2, time: 1h}, balance: round_robin, retries: {attempts: 0}";
    let gateway = Gateway::start(&text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url())));
    eventually("it is ejected", || {
        gateway.get("/items", &[]);
        (server(&gateway, a.addr)["state"] == "ejected").then_some(())
    });
    assert_eq!(answers(&gateway, 10), ["b"]);
}

#[test]
fn a_fault_of_all_servers_ejects_at_most_its_share() {
    let ups: Vec<_> = (0..4).map(|_| Upstream::new(|a| a.reply(500, &[], "bad"))).collect();
    let urls: Vec<_> = ups.iter().map(Upstream::url).collect();
    let gateway = Gateway::start(&text(&format!(
        "{{servers: [{}], ejection: {{after: 1, time: 1h, share: 50%}}}}",
        urls.join(", ")
    )));
    (0..60).for_each(|_| assert_eq!(gateway.get("/items", &[]).status, 500));
    let ejected = ups.iter().filter(|up| server(&gateway, up.addr)["state"] == "ejected").count();
    assert_eq!(ejected, 2);
}

#[test]
fn with_too_few_left_ejected_servers_are_used_again() {
    let (a, _bad) = failing("a", |a| a.reply(500, &[], "a"));
    let b = Upstream::new(|a| a.reply(200, &[], "b"));
    let rules = "ejection: {after: 1, time: 1h}, balance: round_robin";
    let gateway = Gateway::start(&text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url())));
    eventually("one is ejected", || {
        gateway.get("/items", &[]);
        (server(&gateway, a.addr)["state"] == "ejected").then_some(())
    });
    let drain = gateway.admin_call("POST", &format!("/api/v1/upstreams/main/servers/{}/drain", b.addr), &[]);
    assert_eq!(drain.status, 200);
    assert_eq!(gateway.get("/items", &[]).text(), "a", "better one that failed before than none");
}

/// Asks for a body of which the client never sends all, in pieces, until it is told to stop.
fn upload_slowly(gateway: &Gateway) -> u16 {
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n");
    let mut sender = client.stream().try_clone().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                std::thread::sleep(std::time::Duration::from_millis(100));
                if stop.load(SeqCst) || std::io::Write::write_all(&mut sender, b"ab").is_err() {
                    return;
                }
            }
        });
        let answer = client.try_read(false);
        stop.store(true, SeqCst);
        let answer = answer.unwrap().expect("an answer");
        answer.problem(408, "request_timeout");
        answer.status
    })
}

#[test]
fn callers_that_are_slow_eject_no_server() {
    let quick = || {
        Upstream::streaming(|a| match a.request.method.as_str() {
            "POST" => {
                a.until_closed();
                Then::Close
            }
            _ => a.reply(200, &[], "fine"),
        })
    };
    let (a, b) = (quick(), quick());
    let rules = "ejection: {after: 1, time: 1h, share: 100%, panic: 0%}, retries: {attempts: 0}";
    let upstream = text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url()));
    // The time of the whole request runs out, not that of a pause.
    let gateway = Gateway::start(&format!(
        "timeouts: {{request: 2s, request_body: 20s}}\nlimits: {{request_body_rate: 0}}\n{upstream}"
    ));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(upload_slowly(&gateway), 408));
        }
    });
    for server_of in [&a, &b] {
        assert_eq!(server(&gateway, server_of.addr)["state"], "available");
    }
    assert_eq!(answers(&gateway, 4), ["fine"]);
    let late = gateway.log_line(|line| line["method"] == "POST");
    assert_eq!((&late["status"], &late["code"]), (&408.into(), &"request_timeout".into()));
}

#[test]
fn a_server_that_has_the_whole_request_and_says_nothing_is_ejected() {
    let (a, _bad) = failing("a", |a| {
        a.until_closed();
        Then::Close
    });
    let b = Upstream::new(|a| a.reply(200, &[], "b"));
    let rules = "ejection: {after: 1, time: 1h}, balance: round_robin, retries: {attempts: 0}";
    let upstream = text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url()));
    let gateway = Gateway::start(&format!("timeouts: {{request: 400ms}}\n{upstream}"));
    eventually("it is ejected", || {
        gateway.call("POST", "/items", &[], "whole");
        (server(&gateway, a.addr)["state"] == "ejected").then_some(())
    });
}

#[test]
fn deadlines_that_callers_choose_eject_no_server() {
    let backend = || {
        Http2Upstream::new(async |mut call: Call| {
            // Much longer than any of the deadlines: a gateway that stands still for a second still meets them first.
            if call.request.uri().path() != "/items" {
                tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
            }
            call.reply(200, "");
        })
    };
    let (a, b) = (backend(), backend());
    let rules = "protocol: h2c, ejection: {after: 1, time: 1h, share: 100%, panic: 0%}, retries: {attempts: 0}";
    let upstream =
        text(&format!("{{servers: [{}, {}], {rules}}}", a.url(), b.url())).replace("workers: 2", "workers: 1");
    let gateway = Gateway::start(&upstream);
    eventually("both are connected to", || {
        assert_eq!(gateway.get("/items", &[]).status, 200);
        ((a.connections(), b.connections()) == (1, 1)).then_some(())
    });
    for timeout in ["1m", "50m", "100m", "1n", "0S", "20m"] {
        call(gateway.addr(), async |mut sender| {
            let request = http::Request::post("http://h/svc/Method")
                .header("content-type", "application/grpc")
                .header("grpc-timeout", timeout)
                .body(())
                .unwrap();
            let (response, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data("\0\0\0\0\0".into(), true).unwrap();
            assert_eq!(response.await.unwrap().status(), 504);
        });
    }
    for addr in [a.addr, b.addr] {
        assert_eq!(server(&gateway, addr)["state"], "available");
    }
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!((a.connections(), b.connections()), (1, 1), "no connection is given up for it");
}
