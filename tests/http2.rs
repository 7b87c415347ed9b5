use crate::support::{
    Frames, Gateway, Upstream,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        frame, request,
    },
    plain,
};

const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
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

fn odd() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

#[test]
fn requests_taken_back_at_once_end_the_connection() {
    let (gateway, _up) = world();
    let taken_back = |stream: u32| {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/items", &[]));
        [head, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    };
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
    assert!(floods(&gateway, "control") >= 4.0);
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
    ends(&gateway, ENHANCE_YOUR_CALM, |client| {
        for stream in [1, 3] {
            client.get(stream, "/items").send(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        }
    });
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
