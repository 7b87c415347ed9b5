use crate::support::{
    Answer, Frames, Gateway, Then, Upstream, eventually,
    frames::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, block},
    plain,
};
use std::{
    io::{ErrorKind, Read as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tungstenite::handshake::derive_accept_key;

const PROTOCOL_ERROR: u32 = 1;
const CANCEL: u32 = 8;

/// A gateway in front of a backend that switches protocols, and then does as `then` says.
fn world(settings: &str, then: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> (Gateway, Upstream) {
    let up = Upstream::new(move |a| {
        if a.request.header("Upgrade").is_none() {
            return a.reply(200, &[], "no socket");
        }
        let accept = derive_accept_key(a.request.header("Sec-WebSocket-Key").unwrap_or_default().as_bytes());
        a.raw(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nearly"
        ));
        then(a)
    });
    let gateway = Gateway::start(&format!("workers: 1\n{settings}\n{}", plain(&up.url())));
    (gateway, up)
}

/// Sends back in capitals what comes, until the end.
fn echo(a: &mut Answer) -> Then {
    let mut buffer = [0; 4096];
    loop {
        match a.stream().read(&mut buffer) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return Then::Close,
            Ok(n) => {
                let back = buffer[..n].to_ascii_uppercase();
                if !a.raw(back) {
                    return Then::Close;
                }
            }
        }
    }
}

fn connect(protocol: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", "CONNECT"),
        (":protocol", protocol),
        (":scheme", "http"),
        (":path", "/items"),
        (":authority", "gateway.test"),
    ];
    block(&[&pseudo, fields].concat())
}

/// A stream that has become a tunnel, and the head that says so.
#[track_caller]
fn open(client: &mut Frames, stream: u32) -> Frame {
    client.send(HEADERS, END_HEADERS, stream, &connect("websocket", &[("sec-websocket-version", "13")]));
    let head = client.until("an answer", |frame| frame.kind == HEADERS && frame.stream == stream);
    assert_eq!((head.status(), head.ends_stream()), (200, false));
    head
}

/// The next `length` bytes of a stream.
#[track_caller]
fn bytes(client: &mut Frames, stream: u32, length: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < length {
        got.extend(client.until("bytes", |frame| frame.kind == DATA && frame.stream == stream).payload);
    }
    assert_eq!(got.len(), length, "{}", got.escape_ascii());
    got
}

fn contains(block: &[u8], text: &str) -> bool {
    block.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_websocket_over_http_2_is_a_tunnel_to_an_upgrade_over_http_1() {
    let (gateway, up) = world("", echo);
    let mut client = Frames::connect(gateway.addr());
    let settings = client.until("settings", |frame| frame.kind == SETTINGS);
    assert!(settings.payload.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]), "ENABLE_CONNECT_PROTOCOL");
    let head = open(&mut client, 1).payload;
    assert!(contains(&head, "chat") && contains(&head, "x-api-version-used"));
    for gone in ["upgrade", "sec-websocket-accept", "content-length"] {
        assert!(!contains(&head, gone), "{gone}");
    }
    assert_eq!(bytes(&mut client, 1, 5), b"early");
    for word in ["one", "two", "three"] {
        client.send(DATA, 0, 1, word.as_bytes());
        assert_eq!(bytes(&mut client, 1, word.len()), word.to_ascii_uppercase().as_bytes());
    }
    // Others are served beside it.
    client.still_serves(3);
    let seen = &up.requests()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/items"));
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Host", "gateway.test"),
        ("Sec-WebSocket-Version", "13"),
        ("X-API-Version", "1.0"),
        ("Via", "2 vergate"),
    ] {
        assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((seen.header("Content-Length"), seen.header("Transfer-Encoding")), (None, None));
}

#[test]
fn the_end_of_either_side_reaches_the_other() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let (gateway, _up) = world("", move |a| {
        let mut rest = Vec::new();
        let _ = a.stream().read_to_end(&mut rest);
        if rest == b"bye" {
            // The other direction is open still.
            a.raw("bye to you");
        }
        count.fetch_add(1, SeqCst);
        Then::Close
    });
    let mut client = Frames::connect(gateway.addr());
    open(&mut client, 1);
    assert_eq!(bytes(&mut client, 1, 5), b"early");
    client.send(DATA, END_STREAM, 1, b"bye");
    assert_eq!(client.body(1), b"bye to you", "END_STREAM is a close, and a close is END_STREAM");
    open(&mut client, 3);
    assert_eq!(bytes(&mut client, 3, 5), b"early");
    client.send(RST_STREAM, 0, 3, &CANCEL.to_be_bytes());
    eventually("the backend sees the reset as an end", || (closed.load(SeqCst) == 2).then_some(()));
    client.still_serves(5);
}

#[test]
fn a_backend_that_breaks_off_resets_the_stream() {
    let (gateway, _up) = world("", |a| {
        // Closed with bytes unread: a reset.
        let mut byte = [0];
        let _ = a.stream().read_exact(&mut byte);
        std::thread::sleep(Duration::from_millis(100));
        let socket = socket2::SockRef::from(a.stream().get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        Then::Close
    });
    let mut client = Frames::connect(gateway.addr());
    open(&mut client, 1);
    client.send(DATA, 0, 1, b"some bytes");
    assert_eq!(client.reset(1), CANCEL);
    client.still_serves(3);
}

#[test]
fn bytes_wait_for_the_windows_of_both_sides() {
    const LENGTH: usize = 300_000;
    let (gateway, up) = world("", |a| {
        std::thread::sleep(Duration::from_millis(300));
        echo(a)
    });
    let mut client = Frames::connect(gateway.addr());
    open(&mut client, 1);
    assert_eq!(bytes(&mut client, 1, 5), b"early");
    let text: Vec<u8> = (0..LENGTH).map(|n| b'a' + (n % 23) as u8).collect();
    // The window of the connection is larger, and was granted in the beginning.
    let (mut sent, mut mine) = (0, 65_535usize);
    let mut got = Vec::new();
    while got.len() < LENGTH {
        while sent < LENGTH && mine > 0 {
            let length = (LENGTH - sent).min(mine).min(16_384);
            client.send(DATA, 0, 1, &text[sent..sent + length]);
            (sent, mine) = (sent + length, mine - length);
        }
        match client.next().expect("a frame") {
            Frame { kind: DATA, stream: 1, payload, .. } => {
                got.extend_from_slice(&payload);
                for stream in [0, 1] {
                    client.send(WINDOW_UPDATE, 0, stream, &(payload.len() as u32).to_be_bytes());
                }
            }
            Frame { kind: WINDOW_UPDATE, stream: 1, payload, .. } => {
                mine += u32::from_be_bytes(payload.try_into().unwrap()) as usize;
            }
            Frame { kind: RST_STREAM, .. } => panic!("reset"),
            _ => {}
        }
    }
    assert_eq!(got, text.to_ascii_uppercase());
    assert_eq!(up.connections(), 1);
}

#[test]
fn a_client_that_makes_no_room_stops_its_backend_and_not_its_neighbours() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let (gateway, _up) = world("", move |a| {
        let piece = vec![b'x'; 64 * 1024];
        for _ in 0..400 {
            if !a.raw(&piece) {
                break;
            }
            count.fetch_add(piece.len(), SeqCst);
        }
        Then::Close
    });
    let mut client = Frames::connect(gateway.addr());
    client.send(WINDOW_UPDATE, 0, 0, &1_000_000u32.to_be_bytes());
    open(&mut client, 1);
    let mut before = usize::MAX;
    eventually("the backend waits", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = written.load(SeqCst);
        (std::mem::replace(&mut before, now) == now && now > 0).then_some(())
    });
    assert!(before < 20 << 20, "{before} bytes were taken for a window of 65,535");
    client.still_serves(3);
}

#[test]
fn a_tunnel_over_http_2_ends_after_its_idle_time() {
    let (gateway, _up) = world("timeouts: {tunnel_idle: 2500ms, request: 1500ms, keep_alive: 1500ms}", echo);
    let mut client = Frames::connect(gateway.addr());
    open(&mut client, 1);
    assert_eq!(bytes(&mut client, 1, 5), b"early");
    // Longer than any of these times, all in all.
    let mut last = Instant::now();
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(800));
        last = Instant::now();
        client.send(DATA, 0, 1, b"x");
        assert_eq!(bytes(&mut client, 1, 1), b"X");
    }
    assert_eq!(client.body(1), b"");
    let took = last.elapsed();
    assert!(took >= Duration::from_millis(2_300) && took < Duration::from_secs(12), "{took:?}");
}

#[test]
fn a_backend_that_does_not_switch_is_never_taken_for_a_tunnel() {
    let up = Upstream::new(|a| match a.request.target.as_str() {
        "/items/refused" => a.reply(403, &[], "no"),
        "/items/wrong" => {
            a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n");
            echo(a)
        }
        _ => a.reply(200, &[], "hello"),
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = Frames::connect(gateway.addr());
    for (stream, path, status) in [(1, "/items/refused", 403), (3, "/items/wrong", 502), (5, "/items", 502)] {
        let mut head = connect("websocket", &[]);
        let at = head.windows(6).position(|window| window == b"/items").unwrap();
        head.splice(at - 1..at + 6, [&[path.len() as u8], path.as_bytes()].concat());
        client.send(HEADERS, END_HEADERS, stream, &head).send(DATA, 0, stream, b"too early");
        assert_eq!(client.status(stream), status, "{path}");
    }
    client.still_serves(7);
    assert!(up.requests().iter().all(|seen| seen.body.is_empty()), "what was meant for a tunnel is no body");
}

#[test]
fn other_protocols_and_halves_of_a_connect_are_refused() {
    let (gateway, up) = world("", echo);
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect("connect-udp", &[]));
    assert_eq!(client.status(1), 501);
    let unknown = connect("websocket", &[("x-api-version", "9")]);
    client.send(HEADERS, END_HEADERS, 3, &unknown);
    assert_eq!(client.status(3), 400, "versions are resolved as ever");
    for (stream, head) in [
        (5, connect("websocket", &[("content-length", "3")])),
        (7, connect("websocket", &[("upgrade", "websocket")])),
        (
            9,
            block(&[
                (":method", "GET"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "h"),
            ]),
        ),
        (11, block(&[(":method", "CONNECT"), (":protocol", "websocket"), (":authority", "h")])),
    ] {
        client.send(HEADERS, END_HEADERS, stream, &head);
        assert_eq!(client.reset(stream), PROTOCOL_ERROR, "{stream}");
    }
    client.still_serves(13);
    assert_eq!(up.requests().len(), 1);
}
