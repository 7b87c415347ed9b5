use crate::support::{Gateway, Upstream, eventually, plain, upstream::Gate};
use rustix::process::Signal;
use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

/// A gateway whose upstream holds every answer until the gate opens.
fn held(more: &str) -> (Gateway, Upstream, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "late")
    });
    let gateway = Gateway::start(&format!("{more}{}", plain(&up.url())));
    (gateway, up, gate)
}

const GET: &str = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut gateway, up, gate) = held("");
        let mut client = gateway.client();
        client.write(GET);
        up.wait(1);
        gateway.signal(signal);
        eventually("it is not ready any more", || {
            std::net::TcpStream::connect(gateway.admin).is_err().then_some(()).or_else(|| {
                let mut client = crate::support::Client::connect(gateway.admin);
                client.try_write(GET.replace("/items", "/readyz")).ok()?;
                matches!(client.try_read(false), Ok(Some(answer)) if answer.status == 503).then_some(())
            })
        });
        assert!(!gateway.has_exited(), "a request is still in flight");
        gate.open();
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (200, "late"));
        assert_eq!(gateway.wait().code(), Some(0));
    }
}

#[test]
fn while_draining_no_new_connections_are_served_and_idle_ones_are_closed() {
    let (mut gateway, up, gate) = held("timeouts: {drain_idle: 500ms}\n");
    let addr = gateway.addr();
    let mut idle = gateway.client();
    let mut busy = gateway.client();
    busy.write(GET);
    up.wait(1);
    gateway.signal(Signal::TERM);
    eventually("new connections are refused", || match std::net::TcpStream::connect(addr) {
        Err(_) => Some(()),
        Ok(mut stream) => {
            // Before the signal has arrived it is taken and waits for the upstream.
            stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).ok()?;
            stream.write_all(GET.as_bytes()).ok()?;
            let mut start = [0; 12];
            matches!(stream.read(&mut start), Ok(n) if start[..n] == *b"HTTP/1.1 503").then_some(())
        }
    });
    assert_eq!(idle.read_to_close(), b"");
    gate.open();
    let answer = busy.read();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Connection").map(|v| v.to_ascii_lowercase()).as_deref(), Some("close"));
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut gateway, up, _gate) = held("timeouts: {drain: 60s}\n");
    let mut client = gateway.client();
    client.write(GET);
    up.wait(1);
    gateway.signal(Signal::TERM);
    eventually("it drains", || gateway.stderr().to_ascii_lowercase().contains("drain").then_some(()));
    assert!(!gateway.has_exited());
    gateway.signal(Signal::TERM);
    let started = std::time::Instant::now();
    gateway.wait();
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn the_drain_is_bounded_by_its_timeout() {
    let (mut gateway, up, gate) = held("timeouts: {drain: 700ms}\n");
    let mut client = gateway.client();
    client.write(GET);
    up.wait(1);
    let started = std::time::Instant::now();
    gateway.signal(Signal::TERM);
    gateway.wait();
    let took = started.elapsed();
    assert!(took.as_millis() >= 600 && took.as_secs() < 20, "{took:?}");
    gate.open();
}

#[test]
fn with_nothing_in_flight_the_end_is_quick() {
    let (mut gateway, _up, _gate) = held("timeouts: {drain_idle: 0s}\n");
    let _idle = gateway.client();
    let started = std::time::Instant::now();
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().code(), Some(0));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn an_idle_client_is_told_with_its_next_answer_that_the_connection_ends() {
    let up = Upstream::named("main");
    let mut gateway = Gateway::start(&format!("timeouts: {{drain_idle: 20s}}\n{}", plain(&up.url())));
    let mut used = gateway.client();
    used.write(GET);
    assert_eq!(used.read().header("Connection"), None);
    let mut fresh = gateway.client();
    gateway.signal(Signal::TERM);
    eventually("it drains", || gateway.stderr().contains("draining").then_some(()));
    // Long enough to be parked, or to be closed by a gateway that does not wait.
    std::thread::sleep(std::time::Duration::from_millis(800));
    for client in [&mut used, &mut fresh] {
        client.write(GET);
        let answer = client.read();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Connection").as_deref(), Some("close"));
        assert_eq!(client.read_to_close(), b"");
    }
    let started = std::time::Instant::now();
    assert_eq!(gateway.wait().code(), Some(0));
    assert!(started.elapsed().as_secs() < 12, "nobody is left to wait for");
}

#[test]
fn no_request_on_a_reused_connection_is_cut_by_sigterm() {
    let up = Upstream::named("main");
    let mut gateway = Gateway::start(&plain(&up.url()));
    let begun = Arc::new(AtomicUsize::new(0));
    // Callers with pauses of 0 to 60 ms between two requests, until they are told to leave.
    let callers: Vec<_> = (0..24u64)
        .map(|n| {
            let (mut client, begun) = (gateway.client(), begun.clone());
            std::thread::spawn(move || {
                for answered in 0.. {
                    client.try_write(GET).unwrap_or_else(|e| panic!("cut after {answered}: {e}"));
                    let answer = client.try_read(false).unwrap_or_else(|e| panic!("cut after {answered}: {e}"));
                    let answer = answer.unwrap_or_else(|| panic!("closed without an answer after {answered}"));
                    assert_eq!(answer.status, 200);
                    if answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) {
                        return answered;
                    }
                    if answered == 0 {
                        begun.fetch_add(1, SeqCst);
                    }
                    std::thread::sleep(std::time::Duration::from_micros(n * 2500));
                }
                unreachable!("callers go on until they are told to leave")
            })
        })
        .collect();
    eventually("each was answered", || (begun.load(SeqCst) == 24).then_some(()));
    up.wait(200);
    gateway.signal(Signal::TERM);
    assert!(callers.into_iter().map(|caller| caller.join().unwrap()).all(|answered| answered > 0));
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn http_2_is_told_by_goaway_and_finishes_its_streams() {
    // RFC 9113 section 4.1: length, type, flags, stream.
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream], payload].concat()
    };
    let (mut gateway, up, gate) = held("");
    let mut client = gateway.client();
    let settings = [frame(4, 0, 0, b""), frame(4, 1, 0, b"")].concat();
    // GET http://h/ in the static table of HPACK.
    let request = frame(1, 5, 1, b"\x82\x86\x84\x41\x01h");
    client.write([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &request].concat());
    up.wait(1);
    gateway.signal(Signal::TERM);
    let mut next = || loop {
        let head = client.read_bytes(9);
        let payload = client.read_bytes(usize::from(head[1]) << 8 | usize::from(head[2]));
        match (head[3], head[4]) {
            // A PING says how far the client has read.
            (6, 0) => drop(client.write(frame(6, 1, 0, &payload))),
            (kind @ (0 | 1 | 3 | 7), flags) => return (kind, flags, payload),
            _ => {}
        }
    };
    let (kind, _, payload) = next();
    assert_eq!((kind, &payload[4..8]), (7, &[0; 4][..]), "GOAWAY without an error, while the request is served");
    assert!(!gateway.has_exited());
    gate.open();
    let mut body = Vec::new();
    loop {
        match next() {
            (7, ..) | (1, 4, _) => {}
            (0, flags, payload) => {
                body.extend_from_slice(&payload);
                if flags & 1 == 1 {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(body, b"late");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_tunnel_lives_on_until_the_drain_ends() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut byte = [0];
        while std::io::Read::read_exact(a.stream(), &mut byte).is_ok() {
            a.raw(byte);
        }
        crate::support::Then::Close
    });
    let yaml = format!("timeouts: {{drain: 4s, drain_idle: 100ms}}\n{}", plain(&up.url()));
    let mut gateway = Gateway::start(&yaml);
    let open = |gateway: &Gateway| {
        let mut client = gateway.client();
        client.write("GET /items HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let head = client.read_head().unwrap().unwrap();
        assert_eq!(head.status, 101);
        client
    };
    let mut tunnel = open(&gateway);
    gateway.signal(Signal::TERM);
    eventually("it drains", || gateway.stderr().contains("draining").then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(700));
    tunnel.write("x");
    assert_eq!(tunnel.read_bytes(1), b"x");
    assert_eq!(tunnel.read_to_close(), b"");
    assert_eq!(gateway.wait().code(), Some(0));
    eventually("it says so", || gateway.stderr().contains("closing what is left").then_some(()));
}

#[test]
fn a_streaming_answer_is_finished_too() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        held.wait();
        a.raw("secon");
        crate::support::Then::Keep
    });
    let mut gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write(GET);
    client.read_head().unwrap().unwrap();
    assert_eq!(client.read_bytes(5), b"first");
    gateway.signal(Signal::TERM);
    eventually("it drains", || gateway.stderr().to_ascii_lowercase().contains("drain").then_some(()));
    gate.open();
    assert_eq!(client.read_bytes(5), b"secon");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn an_address_in_use_is_exit_1_and_says_which() {
    let up = Upstream::named("main");
    let first = Gateway::start(&plain(&up.url()));
    let (dir, _) = crate::support::gateway::file(&format!(
        "listen: {}\nadmin: {{listen: 127.0.0.1:0}}\n{}",
        first.addr(),
        plain(&up.url())
    ));
    let (code, out, err) = crate::support::vergate(&dir, &["run"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains(&first.addr().port().to_string()), "{err}");
    assert_eq!(out, "", "stdout carries access-log lines only");
}
