//! RFC 9113 sections 4 to 6, frame by frame: what a client may send, and what ends its stream or connection.

use crate::support::{
    Frames, Gate, Gateway, Upstream,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, block, frame, request,
    },
    plain,
};

const PUSH_PROMISE: u8 = 5;
const ACK: u8 = 1;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

fn world() -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    (Gateway::start(&format!("workers: 1\n{}", plain(&up.url()))), up)
}

/// Kind, flags, stream and payload.
type Sent<'f> = (u8, u8, u32, &'f [u8]);

/// A client whose request on stream 1 waits for its body.
fn posting(gateway: &Gateway) -> Frames {
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &request("POST", "/items", &[]));
    client
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[test]
fn a_frame_that_breaks_a_rule_of_the_connection_ends_it() {
    let (gateway, _up) = world();
    let open = request("POST", "/items", &[]);
    let padded_head = [&[200][..], &open].concat();
    let cases: [(&str, u32, Vec<Sent>); 30] = [
        ("6.1: DATA on stream 0", PROTOCOL_ERROR, vec![(DATA, 0, 0, b"x")]),
        ("6.1: padding as long as the payload", PROTOCOL_ERROR, vec![(DATA, PADDED, 1, &[3, 0, 0, 0][..3])]),
        ("6.1: padding without a length", FRAME_SIZE_ERROR, vec![(DATA, PADDED, 1, b"")]),
        ("6.2: HEADERS on stream 0", PROTOCOL_ERROR, vec![(HEADERS, END_HEADERS, 0, &open)]),
        ("6.2: padding over the block", PROTOCOL_ERROR, vec![(HEADERS, END_HEADERS | PADDED, 3, &padded_head)]),
        ("6.2: half a priority", FRAME_SIZE_ERROR, vec![(HEADERS, END_HEADERS | WITH_PRIORITY, 3, &[0; 4])]),
        ("6.3: PRIORITY on stream 0", PROTOCOL_ERROR, vec![(PRIORITY, 0, 0, &[0; 5])]),
        ("6.3: half a PRIORITY, no stream", FRAME_SIZE_ERROR, vec![(PRIORITY, 0, 9, &[0; 4])]),
        ("6.4: RST_STREAM on stream 0", PROTOCOL_ERROR, vec![(RST_STREAM, 0, 0, &[0; 4])]),
        ("6.4: half a RST_STREAM", FRAME_SIZE_ERROR, vec![(RST_STREAM, 0, 1, &[0; 3])]),
        ("6.5: SETTINGS on a stream", PROTOCOL_ERROR, vec![(SETTINGS, 0, 1, b"")]),
        ("6.5: an answer with content", FRAME_SIZE_ERROR, vec![(SETTINGS, ACK, 0, &[0; 6])]),
        ("6.5: half a setting", FRAME_SIZE_ERROR, vec![(SETTINGS, 0, 0, &[0; 5])]),
        ("6.5.2: ENABLE_PUSH is 2", PROTOCOL_ERROR, vec![(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])]),
        ("6.5.2: a window of 2^31", FLOW_CONTROL_ERROR, vec![(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])]),
        ("6.5.2: frames of 16,383 bytes", PROTOCOL_ERROR, vec![(SETTINGS, 0, 0, &[0, 5, 0, 0, 0x3f, 0xff])]),
        ("6.5.2: frames of 2^24 bytes", PROTOCOL_ERROR, vec![(SETTINGS, 0, 0, &[0, 5, 1, 0, 0, 0])]),
        ("6.6: PUSH_PROMISE", PROTOCOL_ERROR, vec![(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])]),
        ("6.7: PING on a stream", PROTOCOL_ERROR, vec![(PING, 0, 1, &[0; 8])]),
        ("6.7: PING of 7 bytes", FRAME_SIZE_ERROR, vec![(PING, 0, 0, &[0; 7])]),
        ("6.8: GOAWAY on a stream", PROTOCOL_ERROR, vec![(GOAWAY, 0, 1, &[0; 8])]),
        ("6.8: half a GOAWAY", FRAME_SIZE_ERROR, vec![(GOAWAY, 0, 0, &[0; 7])]),
        ("6.9: nothing more", PROTOCOL_ERROR, vec![(WINDOW_UPDATE, 0, 0, &[0; 4])]),
        ("6.9: half an update", FRAME_SIZE_ERROR, vec![(WINDOW_UPDATE, 0, 1, &[0; 3])]),
        ("6.9.1: more than 2^31-1", FLOW_CONTROL_ERROR, vec![(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])]),
        (
            "6.9.2: a setting that takes an open stream over 2^31-1",
            FLOW_CONTROL_ERROR,
            vec![
                (HEADERS, END_HEADERS, 3, &open),
                (WINDOW_UPDATE, 0, 3, &[0x7f, 0xff, 0, 0]),
                (SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 1]),
            ],
        ),
        ("6.10: CONTINUATION of nothing", PROTOCOL_ERROR, vec![(CONTINUATION, END_HEADERS, 1, b"")]),
        (
            "5.1.1: a stream below the last one",
            PROTOCOL_ERROR,
            vec![(HEADERS, END_HEADERS, 5, &open), (HEADERS, END_HEADERS, 3, &open)],
        ),
        ("5.1: a frame on an idle stream", PROTOCOL_ERROR, vec![(DATA, END_STREAM, 7, b"x")]),
        ("4.3: a block that is none", COMPRESSION_ERROR, vec![(HEADERS, END_HEADERS | END_STREAM, 3, &[0x80])]),
    ];
    for (rule, reason, frames) in cases {
        let mut client = posting(&gateway);
        for (kind, flags, stream, payload) in frames {
            client.send(kind, flags, stream, payload);
        }
        assert_eq!(client.goaway(), reason, "{rule}");
    }
    Frames::connect(gateway.addr()).still_serves(1);
}

#[test]
fn compression_that_breaks_ends_the_connection() {
    let (gateway, _up) = world();
    let blocks: [(&str, &[u8]); 8] = [
        ("field 0", &[0x80]),
        ("a field in no table", &[0xbe]),
        ("a name in no table", &[0x7f, 0x00, 0x01, b'x']),
        ("a number without end", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("half a text", &[0x00, 0x05, b'a']),
        ("the end of a text within it", &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("a table larger than allowed", &[0x3f, 0xe2, 0x1f]),
        ("a table that changes behind a field", &[0x82, 0x20]),
    ];
    for (name, block) in blocks {
        let mut client = Frames::connect(gateway.addr());
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, block);
        assert_eq!(client.goaway(), COMPRESSION_ERROR, "{name}");
    }
}

#[test]
fn a_frame_that_breaks_a_rule_of_its_stream_ends_it_alone() {
    let (gateway, up) = world();
    let again = request("POST", "/items", &[]);
    let pseudo = block(&[(":path", "/other")]);
    let cases: [(&str, u32, Sent); 7] = [
        ("6.9: nothing more", PROTOCOL_ERROR, (WINDOW_UPDATE, 0, 1, &[0; 4])),
        ("6.9.1: more than 2^31-1", FLOW_CONTROL_ERROR, (WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])),
        ("6.3: half a PRIORITY", FRAME_SIZE_ERROR, (PRIORITY, 0, 1, &[0; 4])),
        ("8.1: trailers that do not end", PROTOCOL_ERROR, (HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))),
        ("8.1: a second request", PROTOCOL_ERROR, (HEADERS, END_HEADERS | END_STREAM, 1, &again)),
        ("8.1: a pseudo-field in trailers", PROTOCOL_ERROR, (HEADERS, END_HEADERS | END_STREAM, 1, &pseudo)),
        (
            "8.2.1: upper case in trailers",
            PROTOCOL_ERROR,
            (HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("X", "y")])),
        ),
    ];
    for (rule, reason, (kind, flags, stream, payload)) in cases {
        let mut client = posting(&gateway);
        client.send(kind, flags, stream, payload);
        assert_eq!(client.reset(1), reason, "{rule}");
        // What comes late of a stream the gateway has reset is ignored.
        client.send(DATA, END_STREAM, 1, b"late").send(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
        client.still_serves(3);
    }
    assert!(up.requests().iter().all(|request| request.method == "GET"), "no POST was whole");
}

#[test]
fn what_comes_behind_the_end_of_a_stream_is_refused() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "late")
    });
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    let trailers = block(&[("x", "y")]);
    for (kind, flags, payload) in [(DATA, 0, &b"x"[..]), (HEADERS, END_HEADERS | END_STREAM, &trailers)] {
        // The answer is still waited for: the stream is half closed (section 5.1).
        let mut client = Frames::connect(gateway.addr());
        client.get(1, "/items").send(kind, flags, 1, payload);
        assert_eq!(client.reset(1), STREAM_CLOSED);
    }
    gate.open();
    for (kind, flags, payload) in [(DATA, 0, &b"x"[..]), (HEADERS, END_HEADERS | END_STREAM, &trailers)] {
        // It has been answered: the stream is closed, and its client knows.
        let mut client = Frames::connect(gateway.addr());
        client.get(1, "/items");
        client.body(1);
        client.send(kind, flags, 1, payload);
        assert_eq!(client.goaway(), STREAM_CLOSED);
    }
}

#[test]
fn frames_a_client_may_send_do_no_harm() {
    let (gateway, _up) = world();
    let mut client = posting(&gateway);
    client.send(0xfa, 0xff, 1, b"nobody knows this kind");
    client.send(SETTINGS, 0, 0, &[setting(0xfafa, 7), setting(1, 0), setting(2, 0), setting(6, 10)].concat());
    client.send(PRIORITY, 0, 99, &[0x80, 0, 0, 1, 255]);
    client.send(PING, 0xf0, 0, b"anything");
    assert_eq!(client.until("PING", |frame| frame.kind == PING).payload, b"anything");
    // The reserved bit of a stream and of a window.
    client.send(WINDOW_UPDATE, 0, 0x8000_0001, &[0x80, 0, 0, 1]);
    client.send(DATA, END_STREAM | PADDED, 1, &[2, b'o', b'k', 0, 0]);
    assert_eq!(client.status(1), 200);
    assert_eq!(client.body(1), b"main");
    // Late words on a stream that has ended.
    client.send(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]).send(RST_STREAM, 0, 1, &[0; 4]).send(PRIORITY, 0, 1, &[0; 5]);
    // A head with padding and priority, in pieces.
    let head = request("GET", "/items", &[]);
    let padded = [&[3][..], &[0, 0, 0, 1, 16], &head[..7], &[0; 3]].concat();
    client.send(HEADERS, END_STREAM | PADDED | WITH_PRIORITY, 3, &padded);
    client.send(CONTINUATION, END_HEADERS, 3, &head[7..]);
    assert_eq!(client.status(3), 200);
}

#[test]
fn a_client_that_says_goaway_gets_its_answers_first() {
    let (gateway, _up) = world();
    let mut client = Frames::connect(gateway.addr());
    client.get(1, "/items").send(GOAWAY, 0, 0, &[0; 8]);
    assert_eq!(client.status(1), 200);
    assert_eq!(client.body(1), b"main");
    let mut kinds = Vec::new();
    while let Some(frame) = client.next() {
        kinds.push((frame.kind, frame.stream));
    }
    assert!(kinds.iter().all(|(kind, _)| *kind != HEADERS), "{kinds:?}");
}

#[test]
fn frames_are_understood_wherever_the_bytes_are_cut() {
    let (gateway, up) = world();
    let head = request("POST", "/items", &[("x-cut", "yes")]);
    let wire = [
        frame(SETTINGS, 0, 0, &setting(4, 100_000)),
        frame(HEADERS, 0, 1, &head[..20]),
        frame(CONTINUATION, END_HEADERS, 1, &head[20..]),
        frame(PING, 0, 0, &[7; 8]),
        frame(DATA, PADDED, 1, &[4, b'a', b'b', b'c', 0, 0, 0, 0]),
        frame(DATA, 0, 1, b""),
        frame(DATA, END_STREAM, 1, b"def"),
    ]
    .concat();
    for size in [1, 2, 3, 5, 9, 10, 17, 50] {
        let mut client = Frames::connect(gateway.addr());
        wire.chunks(size).for_each(|piece| {
            client.raw(piece);
            std::thread::yield_now();
        });
        assert_eq!(client.status(1), 200, "in pieces of {size}");
        assert_eq!(client.body(1), b"main");
        assert_eq!(up.last().text(), "abcdef");
    }
}

#[test]
fn a_client_sets_the_window_of_streams_that_are_open() {
    let up = Upstream::new(|a| a.reply(200, &[], "x".repeat(100)));
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    let mut client = Frames::connect(gateway.addr());
    client.send(SETTINGS, 0, 0, &setting(4, 10)).get(1, "/items");
    let first = client.until("data", |frame| frame.kind == DATA);
    assert_eq!((first.payload.len(), first.ends_stream()), (10, false));
    // Below zero first, then up to 5 (section 6.9.2).
    client.send(SETTINGS, 0, 0, &setting(4, 0)).send(SETTINGS, 0, 0, &setting(4, 15));
    assert_eq!(client.until("data", |frame| frame.kind == DATA).payload.len(), 5);
    client.send(WINDOW_UPDATE, 0, 1, &85u32.to_be_bytes());
    let last = client.until("the end", |frame| frame.ends_stream());
    assert_eq!(last.payload.len(), 85);
}

#[test]
fn a_client_is_let_send_more_as_its_body_is_taken() {
    let up = Upstream::new(|a| {
        let length = a.request.body.len();
        a.reply(200, &[], length.to_string())
    });
    let settings = "limits: {http2_stream_window: 16KiB, http2_connection_window: 32KiB}";
    let gateway = Gateway::start(&format!("workers: 1\n{settings}\n{}", plain(&up.url())));
    let mut client = Frames::connect(gateway.addr());
    client.until("settings", |frame| frame.kind == SETTINGS);
    client.send(SETTINGS, ACK, 0, b"");
    client.send(HEADERS, END_HEADERS, 1, &request("POST", "/items", &[]));
    let (mut sent, mut stream_room, mut room) = (0usize, 16 * 1024usize, 65_535usize);
    let body = vec![b'x'; 16 * 1024];
    while sent < 200_000 {
        let piece = body.len().min(stream_room).min(room).min(200_000 - sent);
        if piece > 0 {
            let flags = if sent + piece == 200_000 { END_STREAM } else { 0 };
            client.send(DATA, flags, 1, &body[..piece]);
            (sent, stream_room, room) = (sent + piece, stream_room - piece, room - piece);
            continue;
        }
        let update = client.until("room", |frame| frame.kind == WINDOW_UPDATE);
        let by = u32::from_be_bytes(update.payload.try_into().unwrap()) as usize;
        match update.stream {
            0 => room += by,
            _ => stream_room += by,
        }
        assert!(stream_room <= 16 * 1024 && (sent < 65_535 || room <= 32 * 1024), "{stream_room} {room}");
    }
    assert_eq!(client.status(1), 200);
    assert_eq!(client.body(1), b"200000");
}
