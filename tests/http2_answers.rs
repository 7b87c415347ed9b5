//! What clients get over HTTP/2.

use crate::support::{
    Frames, Gateway, Then, Upstream, eventually,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        frame, request,
    },
    plain, tools,
};

fn gateway(settings: &str, up: &Upstream) -> Gateway {
    Gateway::start(&format!("workers: 1\n{settings}\n{}", plain(&up.url())))
}

fn odd() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

#[test]
fn interim_answers_come_on_their_stream_in_front_of_the_answer() {
    let up = Upstream::new(|a| {
        let hint = a.request.header("x-hint").unwrap_or_default();
        a.raw(format!("HTTP/1.1 103 Early Hints\r\nLink: </{hint}>\r\nConnection: x\r\nX: y\r\n\r\n"));
        a.reply(200, &[], hint)
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    for (stream, hint) in odd().zip(["one", "two", "three"]) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[("x-hint", hint)]));
    }
    for (stream, hint) in odd().zip(["one", "two", "three"]) {
        // Frames of other streams may lie between: each is asked for on its own connection's terms.
        let mut alone = Frames::connect(gateway.addr());
        alone.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[("x-hint", hint)]));
        let early = alone.until("hints", |frame| frame.kind == HEADERS);
        assert_eq!((early.status(), early.ends_stream()), (103, false));
        let text = String::from_utf8_lossy(&early.payload).into_owned();
        assert!(text.contains(&format!("</{hint}>")) && !text.contains('y'), "{text:?}");
        assert_eq!(alone.status(stream), 200);
        assert_eq!(alone.body(stream), hint.as_bytes());
    }
    let mut statuses = Vec::new();
    while statuses.len() < 6 {
        let head = client.until("heads", |frame| frame.kind == HEADERS);
        statuses.push((head.stream, head.status()));
    }
    for stream in [1, 3, 5] {
        let own: Vec<u16> = statuses.iter().filter(|(id, _)| *id == stream).map(|(_, status)| *status).collect();
        assert_eq!(own, [103, 200], "stream {stream}");
    }
}

#[test]
fn trailers_decide_nothing() {
    const DECIDING: [&str; 8] = [
        "x-api-version-used",
        "deprecation",
        "sunset",
        "set-cookie",
        "content-type",
        "vary",
        "location",
        "x-request-id",
    ];
    let up = Upstream::new(|a| {
        let trailers: String = DECIDING.iter().map(|name| format!("{name}: forged\r\n")).collect();
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n");
        a.raw(format!("0\r\n{trailers}X-Sum: 42\r\nGrpc-Status: 0\r\n\r\n"));
        Then::Keep
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.get(1, "/items");
    assert_eq!(client.status(1), 200);
    let trailers = client.until("trailers", |frame| frame.kind == HEADERS && frame.ends_stream());
    let text = String::from_utf8_lossy(&trailers.payload).into_owned();
    assert!(text.contains("x-sum") && text.contains("grpc-status") && !text.contains("forged"), "{text:?}");
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked_once() {
    let up = Upstream::new(|a| {
        let body = a.request.body.clone();
        a.reply(200, &[], body)
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    let head = request("POST", "/items", &[("expect", "100-continue"), ("content-length", "2")]);
    client.send(HEADERS, END_HEADERS, 1, &head);
    assert_eq!(client.status(1), 100);
    client.send(DATA, END_STREAM, 1, b"ok");
    assert_eq!(client.status(1), 200);
    assert_eq!(client.body(1), b"ok");
    // Who does not wait is not told.
    client.send(HEADERS, END_HEADERS, 3, &head).send(DATA, END_STREAM, 3, b"ok");
    assert!(matches!(client.status(3), 100 | 200));
}

#[test]
fn a_head_that_is_too_large_gets_a_problem_body() {
    let up = Upstream::named("main");
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    let long = "x".repeat(12_000);
    let head = request("GET", "/items", &[("a", &long), ("b", &long), ("c", &long)]);
    client.send(HEADERS, END_STREAM, 1, &head[..16_000]);
    client.send(CONTINUATION, 0, 1, &head[16_000..32_000]).send(CONTINUATION, END_HEADERS, 1, &head[32_000..]);
    let answer = client.until("an answer", |frame| frame.kind == HEADERS);
    assert_eq!(answer.status(), 431);
    assert!(String::from_utf8_lossy(&answer.payload).contains("application/problem+json"));
    let body = String::from_utf8(client.body(1)).unwrap();
    assert!(body.contains("headers_too_large") || body.contains("431"), "{body}");
    let line = gateway.log_line(|line| line["status"] == 431);
    assert_eq!((&line["path"], &line["method"]), (&"/items".into(), &"GET".into()));
    // Fields, not bytes.
    let many: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    client.send(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/items", &many));
    assert_eq!(client.status(3), 431);
    client.still_serves(5);
    assert_eq!(up.requests().len(), 1);
}

#[test]
fn answers_that_are_ready_together_leave_together() {
    let up = Upstream::named("main");
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.send(SETTINGS, 1, 0, b"").still_serves(1);
    client.send(PING, 0, 0, &[0; 8]).until("PING", |frame| frame.kind == PING);
    // The gateway answers these itself, all in one turn.
    let asked: Vec<u8> = odd()
        .skip(1)
        .take(16)
        .flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("TRACE", "/items", &[])))
        .collect();
    client.raw(&asked);
    let read = client.read_once();
    let mut heads = Vec::new();
    let mut rest = &read[..];
    while let [_, a, b, kind, _, _, _, _, stream, ..] = *rest {
        if kind == HEADERS {
            heads.push(u32::from(stream));
        }
        rest = &rest[9 + (usize::from(a) << 8 | usize::from(b))..];
    }
    assert_eq!(heads, odd().skip(1).take(16).collect::<Vec<_>>(), "in one read of {} bytes", read.len());
}

#[test]
fn what_upstreams_break_off_is_not_the_clients_doing() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        Then::Reset
    });
    let gateway = gateway("limits: {http2_resets: 2, http2_resets_unanswered: 1}", &up);
    let mut client = Frames::connect(gateway.addr());
    for stream in odd().take(10) {
        client.get(stream, "/items");
        client.until("a reset", |frame| frame.kind == RST_STREAM && frame.stream == stream);
    }
    client.send(PING, 0, 0, &[1; 8]).until("PING", |frame| frame.kind == PING && frame.payload == [1; 8]);
    assert_eq!(gateway.metrics().sum("vergate_http2_floods_total", &[]), 0.0);
}

#[test]
fn an_answer_to_half_a_request_is_whole_and_its_stream_ends() {
    let up = Upstream::named("main");
    let gateway = gateway("limits: {request_body: 10B, http2_resets: 2}", &up);
    let mut client = Frames::connect(gateway.addr());
    for stream in odd().take(5) {
        let head = request("POST", "/items", &[("content-length", "100")]);
        client.send(HEADERS, END_HEADERS, stream, &head);
        assert_eq!(client.status(stream), 413);
        assert!(!client.body(stream).is_empty());
        assert_eq!(client.reset(stream), 0, "NO_ERROR: the answer is whole (section 8.1)");
        client.send(DATA, END_STREAM, stream, &[b'x'; 100]);
    }
    client.still_serves(99);
}

#[test]
fn a_head_request_has_a_length_and_no_body() {
    let up = Upstream::named("main");
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("HEAD", "/items", &[]));
    let head = client.until("an answer", |frame| frame.kind == HEADERS);
    assert_eq!((head.status(), head.ends_stream()), (200, true));
    assert!(String::from_utf8_lossy(&head.payload).contains('4'), "content-length: 4");
}

#[test]
fn many_streams_share_a_connection_that_lets_little_through() {
    let up = Upstream::new(|a| {
        let n: u8 = a.request.header("x-n").unwrap().parse().unwrap();
        a.reply(200, &[], vec![n; 50_000])
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    let names: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    for (stream, n) in odd().zip(&names) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[("x-n", n)]));
    }
    // The windows are the first ones: 65,535 bytes for all, so that every stream waits for every other.
    let mut bodies = vec![Vec::new(); 20];
    let mut ended = 0;
    while ended < 20 {
        let data = client.until("data", |frame| frame.kind == DATA);
        let n = (data.stream as usize - 1) / 2;
        bodies[n].extend_from_slice(&data.payload);
        ended += usize::from(data.ends_stream());
        if !data.payload.is_empty() {
            client.send(8, 0, 0, &(data.payload.len() as u32).to_be_bytes());
        }
    }
    for (n, body) in bodies.iter().enumerate() {
        assert!(body.len() == 50_000 && body.iter().all(|byte| usize::from(*byte) == n), "stream {n}");
    }
}

#[test]
fn a_real_client_sees_every_kind_of_answer() {
    let up = Upstream::new(|a| {
        let path = a.request.target.clone();
        if path.contains("trailers") {
            a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n");
            return Then::Keep;
        }
        a.reply(200, &[], "x".repeat(100_000))
    });
    let gateway = gateway("", &up);
    let url = |path: &str| format!("http://{}{path}", gateway.addr());
    let said = tools::run("nghttp", &["-v", &url("/items?trailers")]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(":status: 200") && said.contains("x-sum: 1"), "{said}");
    let said = tools::run("nghttp", &["-n", "-s", "-m", "20", &url("/items")]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.matches(" 200 ").count(), 20, "{said}");
    let said = tools::run("h2load", &["-n", "300", "-c", "3", "-m", "30", "-w", "14", "-W", "14", &url("/items")]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("300 succeeded, 0 failed, 0 errored"), "{said}");
}

#[test]
fn sixty_four_answers_of_a_mebibyte_that_nobody_takes_cost_little_memory() {
    const MIB: usize = 1 << 20;
    let up = Upstream::new(|a| a.reply(200, &[], vec![b'x'; MIB]));
    for window in [0u32, 2 << 20] {
        let gateway = gateway("", &up);
        // Streams were served before: what is measured are the answers.
        Frames::connect(gateway.addr()).still_serves(1);
        let (before, wanted) = (gateway.resident(), up.requests().len() + 64);
        let mut client = Frames::silent(gateway.addr());
        client.raw(PREFACE).send(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat());
        client.send(WINDOW_UPDATE, 0, 0, &(100u32 << 20).to_be_bytes());
        for stream in odd().take(64) {
            client.get(stream, "/items");
        }
        eventually("all are under way", || (up.requests().len() >= wanted).then_some(()));
        // With no window the client stops each stream, with a large one by not reading: the gateway has to wait.
        let peak = (0..20).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            gateway.resident()
        });
        let grown = peak.max().unwrap().saturating_sub(before);
        assert!(grown < 16 << 20, "window {window}: {} KiB for 64 MiB of answers", grown >> 10);
        println!("window {window}: {} KiB for 64 MiB of answers", grown >> 10);
        let mut left = 64 * MIB;
        if window == 0 {
            client.send(SETTINGS, 0, 0, &[0, 4, 0, 0x20, 0, 0]);
        }
        while left > 0 {
            left -= client.until("bytes", |frame| frame.kind == DATA).payload.len();
        }
    }
}
