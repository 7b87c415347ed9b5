use crate::support::{
    Frames, Gate, Gateway, Then, Upstream, eventually,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, block, frame, request,
    },
    plain, tools,
};

const PROTOCOL_ERROR: u32 = 1;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

fn world() -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    (gateway, up)
}

/// What the client sends ends its connection for this reason, and only its own.
#[track_caller]
fn ends(gateway: &Gateway, reason: u32, what: impl FnOnce(&mut Frames)) {
    let mut bystander = Frames::connect(gateway.addr());
    bystander.still_serves(1);
    let mut client = Frames::connect(gateway.addr());
    what(&mut client);
    assert_eq!(client.goaway(), reason);
    bystander.still_serves(3);
}

/// How often floods of a kind were counted.
fn floods(gateway: &Gateway, kind: &str) -> f64 {
    gateway.metrics().sum("vergate_http2_floods_total", &[("kind", kind)])
}

/// A gateway with these settings in front of a scripted upstream.
fn gateway(settings: &str, up: &Upstream) -> Gateway {
    Gateway::start(&format!("workers: 1\n{settings}\n{}", plain(&up.url())))
}

fn odd() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

/// A request and the reset that takes it back.
fn taken_back(stream: u32) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[]));
    [head, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
}

#[test]
fn requests_taken_back_at_once_end_the_connection() {
    let (gateway, _up) = world();
    // A client that never waits for an answer may do it a hundred times, one that does twice as often.
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        client.raw(&odd().take(101).flat_map(taken_back).collect::<Vec<_>>());
    });
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        client.still_serves(1);
        client.raw(&odd().skip(1).take(150).flat_map(taken_back).collect::<Vec<_>>());
        client.still_serves(999);
        client.raw(&odd().skip(1000).take(51).flat_map(taken_back).collect::<Vec<_>>());
    });
    assert_eq!(floods(&gateway, "client_resets"), 2.0);
}

#[test]
fn requests_made_to_be_reset_end_the_connection() {
    let (gateway, _up) = world();
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        for stream in odd().take(101) {
            // A connection-specific field makes a request malformed (RFC 9113 section 8.2.2).
            let head = request("GET", "/items", &[("connection", "close")]);
            client.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        }
    });
    assert_eq!(floods(&gateway, "own_resets"), 1.0);
}

#[test]
fn a_header_block_in_endless_pieces_ends_the_connection() {
    let (gateway, _up) = world();
    let block = request("GET", "/items", &[]);
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        client.send(HEADERS, END_STREAM, 1, &block);
        (0..17).for_each(|_| _ = client.send(CONTINUATION, 0, 1, b""));
    });
    assert_eq!(floods(&gateway, "continuation"), 1.0);
    // A few pieces are an honest client's.
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_STREAM, 1, &block[..5]);
    client.send(CONTINUATION, 0, 1, &block[5..9]).send(CONTINUATION, END_HEADERS, 1, &block[9..]);
    assert_eq!(client.status(1), 200);
}

#[test]
fn floods_of_frames_without_content_end_the_connection() {
    let (gateway, _up) = world();
    let floods_of: [(&str, u8, u32, &[u8]); 4] = [
        ("PING", PING, 0, &[0; 8]),
        ("SETTINGS", SETTINGS, 0, b""),
        ("PRIORITY", PRIORITY, 9, &[0, 0, 0, 3, 0]),
        ("unknown", 0xfa, 0, b"x"),
    ];
    for (name, kind, stream, payload) in floods_of {
        let mut client = Frames::connect(gateway.addr());
        client.still_serves(1);
        let flood: Vec<u8> = (0..1001).flat_map(|_| frame(kind, 0, stream, payload)).collect();
        client.raw(&flood);
        assert_eq!(client.goaway(), ENHANCE_YOUR_CALM, "{name}");
    }
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        client.send(HEADERS, END_HEADERS, 1, &request("POST", "/items", &[]));
        client.raw(&(0..1001).flat_map(|_| frame(DATA, 0, 1, b"")).collect::<Vec<_>>());
    });
    assert!(floods(&gateway, "control") >= 4.0, "the library may notice one of them first");
    let mut honest = Frames::connect(gateway.addr());
    honest.raw(&(0..900).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect::<Vec<_>>());
    honest.still_serves(1);
}

#[test]
fn limits_of_http_2_are_those_of_the_file() {
    let up = Upstream::named("main");
    let limits = "http2_control_frames: 3, http2_continuations: 1, http2_resets: 2, http2_resets_unanswered: 1";
    let gateway = Gateway::start(&format!("workers: 1\nlimits: {{{limits}}}\n{}", plain(&up.url())));
    ends(&gateway, ENHANCE_YOUR_CALM, |client| (0..4).for_each(|_| _ = client.send(PING, 0, 0, &[0; 8])));
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        client.send(HEADERS, END_STREAM, 1, &request("GET", "/items", &[]));
        client.send(CONTINUATION, 0, 1, b"").send(CONTINUATION, END_HEADERS, 1, b"");
    });
    // In one piece: whoever is answered in between may do it more often.
    ends(&gateway, ENHANCE_YOUR_CALM, |client| _ = client.raw(&[1, 3].map(taken_back).concat()));
}

#[test]
fn frames_on_streams_that_were_never_opened_end_the_connection() {
    let (gateway, _up) = world();
    let frames: [(u8, &[u8]); 3] = [(DATA, b"x"), (RST_STREAM, &[0, 0, 0, 8]), (WINDOW_UPDATE, &[0, 0, 0, 1])];
    for (kind, payload) in frames {
        ends(&gateway, PROTOCOL_ERROR, |client| _ = client.send(kind, 0, 5, payload));
    }
    ends(&gateway, PROTOCOL_ERROR, |client| {
        client.send(HEADERS, END_HEADERS | END_STREAM, 2, &request("GET", "/items", &[]));
    });
}

#[test]
fn a_frame_larger_than_announced_ends_the_connection() {
    let (gateway, _up) = world();
    ends(&gateway, FRAME_SIZE_ERROR, |client| {
        client.send(HEADERS, END_HEADERS, 1, &request("POST", "/items", &[]));
        client.send(DATA, 0, 1, &[0; 16 * 1024 + 1]);
    });
}

#[test]
fn a_malformed_request_ends_its_stream_and_no_other() {
    let (gateway, up) = world();
    let mut client = Frames::connect(gateway.addr());
    for (stream, field) in odd().zip([("connection", "close"), ("te", "gzip"), ("transfer-encoding", "chunked")]) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[field]));
        assert_eq!(client.reset(stream), PROTOCOL_ERROR, "{field:?}");
    }
    assert!(up.requests().is_empty());
    client.get(99, "/items");
    assert_eq!(client.status(99), 200);
    assert_eq!(client.body(99), b"main");
}

#[test]
fn a_request_that_would_read_otherwise_in_http_1_is_refused() {
    let (gateway, up) = world();
    let mut client = Frames::connect(gateway.addr());
    let long = "x".repeat(9000);
    let heads: [(&[(&str, &str)], u16); 9] = [
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/items"), (":authority", "u@h")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/items"), (":authority", "h"), ("host", "i")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/items"), ("host", "h"), ("host", "h")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/items"), ("host", "h/x")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/items")], 400),
        (&[(":method", "GET"), (":scheme", "ftp"), (":path", "/items"), (":authority", "h")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "*"), (":authority", "h")], 400),
        (&[(":method", "GET"), (":scheme", "http"), (":path", &format!("/{long}")), (":authority", "h")], 414),
        (&[(":method", "GET"), (":scheme", "http"), (":path", "/it\\ems"), (":authority", "h")], 400),
    ];
    for (stream, (fields, status)) in odd().zip(heads) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields));
        assert_eq!(client.status(stream), status, "{fields:.100?}");
    }
    assert!(up.requests().is_empty());
    client.still_serves(99);
    assert_eq!(up.last().head.lines("Host"), ["gateway.test"]);
}

#[test]
fn a_head_the_protocol_calls_malformed_resets_its_stream() {
    let (gateway, up) = world();
    let mut client = Frames::connect(gateway.addr());
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/items"), (":authority", "h")];
    let with = |more: &[(&'static str, &'static str)]| block(&[&pseudo, more].concat());
    for (stream, head) in odd().zip([
        with(&[(":path", "/other")]),
        with(&[("x", "y"), (":path", "/other")]),
        with(&[(":status", "200")]),
        with(&[("content-length", "1")]),
        with(&[("proxy-connection", "x")]),
        block(&pseudo[..1]),
        block(&pseudo[1..]),
        block(&[(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "h")]),
    ]) {
        client.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
        assert_eq!(client.reset(stream), PROTOCOL_ERROR, "stream {stream}");
    }
    assert!(up.requests().is_empty());
    client.still_serves(99);
}

#[test]
fn bytes_that_would_end_a_line_of_http_1_never_pass() {
    let (gateway, up) = world();
    let fields =
        [("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\0b"), ("X-Upper", "a"), ("x y", "a"), ("x:", "a"), ("", "a")];
    for field in fields {
        let mut client = Frames::connect(gateway.addr());
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/items", &[field]));
        let end = client.until("an end", |frame| matches!(frame.kind, RST_STREAM | GOAWAY));
        assert_ne!(end.reason(), NO_ERROR, "{field:?}");
    }
    assert!(up.requests().is_empty());
}

#[test]
fn a_body_is_as_long_as_its_head_says() {
    let (gateway, up) = world();
    let mut client = Frames::connect(gateway.addr());
    for (stream, body) in odd().zip(["1234", "123456"]) {
        client.send(HEADERS, END_HEADERS, stream, &request("POST", "/items", &[("content-length", "5")]));
        client.send(DATA, END_STREAM, stream, body.as_bytes());
        assert_eq!(client.reset(stream), PROTOCOL_ERROR, "{body}");
    }
    client.send(HEADERS, END_HEADERS, 99, &request("POST", "/items", &[("content-length", "5")]));
    client.send(DATA, END_STREAM, 99, b"12345");
    assert_eq!(client.status(99), 200);
    let whole: Vec<_> = up.requests().into_iter().filter(|request| !request.body.is_empty()).collect();
    assert_eq!(whole.iter().map(|request| request.text()).collect::<Vec<_>>(), ["12345"]);
}

#[test]
fn a_head_over_the_announced_list_is_431() {
    let (gateway, _up) = world();
    let mut client = Frames::connect(gateway.addr());
    let settings = client.until("settings", |frame| frame.kind == SETTINGS);
    let announced = settings.payload.chunks(6).find(|setting| setting[..2] == [0, 6]).expect("a list size");
    assert_eq!(announced[2..], (32u32 * 1024).to_be_bytes());
    let long = "x".repeat(12_000);
    let head = request("GET", "/items", &[("a", &long), ("b", &long), ("c", &long)]);
    client.send(HEADERS, END_STREAM, 1, &head[..16_000]);
    client.send(CONTINUATION, 0, 1, &head[16_000..32_000]).send(CONTINUATION, END_HEADERS, 1, &head[32_000..]);
    assert_eq!(client.status(1), 431);
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "late")
    });
    let gateway = gateway("limits: {http2_streams: 3}", &up);
    let mut client = Frames::connect(gateway.addr());
    // The limit holds once the client has acknowledged it.
    client.until("settings", |frame| frame.kind == SETTINGS);
    client.send(SETTINGS, 1, 0, b"");
    odd().take(4).for_each(|stream| _ = client.get(stream, "/items"));
    assert_eq!(client.reset(7), REFUSED_STREAM);
    gate.open();
    assert_eq!(client.status(5), 200);
}

#[test]
fn a_stream_whose_client_takes_nothing_ends_alone() {
    let up = Upstream::named("main");
    let gateway = gateway("timeouts: {write: 500ms}", &up);
    let mut client = Frames::connect(gateway.addr());
    // New streams have a window of 0 from here on.
    client.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).get(1, "/items");
    assert_eq!(client.status(1), 200);
    assert_eq!(client.reset(1), CANCEL);
    // In one piece: the next stream waits for nothing.
    let next = frame(HEADERS, END_HEADERS | END_STREAM, 3, &request("GET", "/items", &[]));
    client.raw(&[next, frame(WINDOW_UPDATE, 0, 3, &100u32.to_be_bytes())].concat());
    assert_eq!(client.status(3), 200);
    assert_eq!(client.body(3), b"main");
    assert_eq!(gateway.metrics().sum("vergate_http2_resets_total", &[("side", "gateway")]), 1.0);
    let open = || gateway.metrics().sum("vergate_http2_streams", &[]);
    eventually("no stream is open", || (open() == 0.0).then_some(()));
}

#[test]
fn a_header_block_that_does_not_end_is_not_waited_for() {
    let up = Upstream::named("main");
    let gateway = gateway("timeouts: {request_header: 500ms}", &up);
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_STREAM, 1, &request("GET", "/items", &[]));
    while client.next().is_some() {}
    let mut half = Frames::connect(gateway.addr());
    half.raw(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/items", &[]))[..20]);
    while half.next().is_some() {}
}

#[test]
fn an_idle_connection_is_told_to_go_and_closed() {
    let up = Upstream::named("main");
    let gateway = gateway("timeouts: {keep_alive: 2s}", &up);
    let mut client = Frames::connect(gateway.addr());
    client.still_serves(1);
    assert_eq!(client.until("GOAWAY", |frame| frame.kind == GOAWAY).reason(), NO_ERROR);
    // It does not answer the PING that follows, and is not waited for.
    while client.next().is_some() {}
}

#[test]
fn a_connection_serves_so_many_requests_and_says_so() {
    let up = Upstream::named("main");
    let gateway = gateway("limits: {requests_per_connection: 2}", &up);
    let mut client = Frames::connect(gateway.addr());
    client.still_serves(1);
    client.get(3, "/items");
    let mut seen = Vec::new();
    while let Some(frame) = client.next() {
        seen.push((frame.kind, frame.stream));
    }
    assert!(seen.contains(&(GOAWAY, 0)) && seen.contains(&(HEADERS, 3)), "{seen:?}");
}

#[test]
fn an_answer_that_breaks_off_resets_its_stream() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        Then::Reset
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.get(1, "/items");
    assert_eq!(client.reset(1), INTERNAL_ERROR);
}

#[test]
fn trailers_end_a_stream_as_grpc_needs_it() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n");
        a.raw("2\r\nhi\r\n0\r\ngrpc-status: 0\r\n\r\n");
        Then::Keep
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    let head = request("POST", "/items", &[("te", "trailers"), ("content-type", "application/grpc")]);
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    assert_eq!(client.status(1), 200);
    client.until("data", |frame| frame.kind == DATA && frame.payload == b"hi");
    let last = client.until("trailers", |frame| frame.kind == HEADERS);
    assert!(last.ends_stream());
}

#[test]
fn what_an_upstream_sends_now_and_then_is_not_held_back() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        held.wait();
        a.raw("data: 2\n\n");
        Then::Close
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.get(1, "/items");
    client.until("the first event", |frame| frame.kind == DATA && frame.payload == b"data: 1\n\n");
    gate.open();
    client.until("the second event", |frame| frame.kind == DATA && frame.payload == b"data: 2\n\n");
}

#[test]
fn a_request_taken_back_is_not_waited_for() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "late")
    });
    let gateway = gateway("", &up);
    let mut client = Frames::connect(gateway.addr());
    client.get(1, "/items");
    up.wait(1);
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    let line = gateway.log_line(|line| line["status"] == 499);
    assert_eq!(line["path"], "/items");
    gate.open();
}

#[test]
fn real_clients_are_served() {
    let (gateway, _up) = world();
    let url = format!("http://{}/items", gateway.addr());
    let said = tools::run("curl", &["-sS", "-m", "30", "--http2-prior-knowledge", "-w", " %{http_version}", &url]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "main 2");
    let said = tools::run("h2load", &["-n", "500", "-c", "4", "-m", "16", &url]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("500 succeeded, 0 failed, 0 errored"), "{said}");
}

#[test]
fn a_large_upload_and_download_pass_within_the_windows() {
    let up = Upstream::new(|a| {
        let body = a.request.body.clone();
        a.reply(200, &[], body)
    });
    let gateway = gateway("", &up);
    let file = gateway.dir().path("body");
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let url = format!("http://{}/items", gateway.addr());
    let data = format!("@{}", file.display());
    let said = tools::run("curl", &["-sS", "-m", "30", "--http2-prior-knowledge", "--data-binary", &data, &url]);
    assert!(said.stdout == bytes, "{} bytes came back: {}", said.stdout.len(), String::from_utf8_lossy(&said.stderr));
}
