use crate::support::{Gateway, Upstream, eventually, plain, upstream::Gate};
use rustix::process::Signal;

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
    let (mut gateway, up, gate) = held("");
    let addr = gateway.addr();
    let mut idle = gateway.client();
    let mut busy = gateway.client();
    busy.write(GET);
    up.wait(1);
    gateway.signal(Signal::TERM);
    eventually("new connections are refused", || match std::net::TcpStream::connect(addr) {
        Err(_) => Some(()),
        Ok(_) => {
            // Before the signal has arrived it is taken and waits for the upstream.
            let mut client = crate::support::Client::connect(addr);
            client.stream().set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
            client.try_write(GET).ok()?;
            matches!(client.try_read(false), Ok(Some(answer)) if answer.status == 503).then_some(())
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
    assert!(started.elapsed().as_secs() < 5);
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
    assert!(took.as_millis() >= 600 && took.as_secs() < 8, "{took:?}");
    gate.open();
}

#[test]
fn with_nothing_in_flight_the_end_is_quick() {
    let (mut gateway, _up, _gate) = held("");
    let _idle = gateway.client();
    let started = std::time::Instant::now();
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().code(), Some(0));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
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
