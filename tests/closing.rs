//! What the end of a connection may not cost: answers that the client has not taken yet. A reset destroys what is on
//! its way, and a socket that is closed with bytes of the client unread, or gets some afterwards, is reset.

use crate::{
    support::{
        Client, Frames, Gateway, Then, Upstream, eventually,
        frames::{DATA, END_HEADERS, GOAWAY, HEADERS, PING, PREFACE, SETTINGS, WINDOW_UPDATE, request},
        plain,
    },
    systemd::activate,
};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

/// More than a client's buffer holds: the rest waits on the gateway's side until the client reads.
const LARGE: usize = 300_000;
const GET: &str = "GET /items/large HTTP/1.1\r\nHost: h\r\n\r\n";

/// `large` gets an answer of that size, `short` and `chunks` less than was announced.
fn backend() -> Upstream {
    Upstream::new(|a| {
        if a.request.target.ends_with("large") || a.request.method == "POST" {
            return a.reply(200, &[], "x".repeat(LARGE));
        }
        a.raw(match a.request.target.ends_with("chunks") {
            true => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        });
        Then::Close
    })
}

/// A client whose buffer is small, so that large answers are not delivered before it reads them.
fn client(to: SocketAddr) -> Client {
    Client::on(small(to))
}

fn small(to: SocketAddr) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// Waits until the gateway has nothing more to do about `n` requests.
fn served(gateway: &Gateway, n: f64) {
    eventually("the requests are served", || {
        let metrics = gateway.metrics();
        let all = metrics.sum("api_requests_by_version_total", &[]) == n;
        (all && metrics.sum("vergate_requests_in_flight", &[]) == 0.0).then_some(())
    });
    // What follows the count: the last bytes and the close.
    std::thread::sleep(Duration::from_millis(50));
}

#[test]
fn an_answer_that_breaks_off_costs_no_earlier_answer() {
    let up = backend();
    let gateway = Gateway::start(&plain(&up.url()));
    for broken in ["short", "chunks"] {
        let before = gateway.metrics().sum("api_requests_by_version_total", &[]);
        let mut client = client(gateway.addr());
        client.write(format!("{GET}GET /items/{broken} HTTP/1.1\r\nHost: h\r\n\r\n"));
        served(&gateway, before + 2.0);
        assert_eq!(client.read().body.len(), LARGE, "{broken}");
        let answer = client.try_read(false);
        assert!(answer.is_err(), "half an answer is none: {answer:?}");
    }
}

#[test]
fn half_an_answer_to_a_slow_client_is_followed_by_nothing() {
    let up = Upstream::new(|a| {
        let Some(chunks) = a.request.target.rsplit('/').next().and_then(|n| n.parse::<usize>().ok()) else {
            return a.reply(200, &[], "next");
        };
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
        a.raw(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(chunks)));
        Then::Close
    });
    // The kernel takes little, so that some of these break off when it takes nothing more for now.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&socket).set_send_buffer_size(16 * 1024).unwrap();
    let yaml = format!("listen: {}\n{}", socket.local_addr().unwrap(), plain(&up.url()));
    let gateway = activate(&yaml, &[("", &socket)]);
    let asked: Vec<_> = (1..=60)
        .map(|chunks| {
            let mut client = client(gateway.addr());
            client.write(format!("GET /items/{chunks} HTTP/1.1\r\nHost: h\r\n\r\n{GET}"));
            client
        })
        .collect();
    eventually("all are asked", || (up.requests().len() >= asked.len()).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    for (n, mut client) in asked.into_iter().enumerate() {
        let said = client.read_to_close();
        let heads = String::from_utf8_lossy(&said).matches("HTTP/1.1 ").count();
        assert_eq!(heads, 1, "after {} chunks", n + 1);
    }
}

#[test]
fn the_last_answer_of_a_connection_is_not_lost_to_what_is_sent_after_it() {
    let up = backend();
    let gateway = Gateway::start(&format!("limits: {{requests_per_connection: 1}}\n{}", plain(&up.url())));
    let mut client = client(gateway.addr());
    client.write(GET);
    served(&gateway, 1.0);
    client.write(GET);
    let answer = client.read();
    assert_eq!((answer.header("Connection").as_deref(), answer.body.len()), (Some("close"), LARGE));
    assert!(client.read_to_close().is_empty());
    assert_eq!(up.requests().len(), 1);
}

#[test]
fn answers_are_not_lost_to_a_large_body_that_nobody_reads() {
    let up = backend();
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = client(gateway.addr());
    client
        .write(format!("{GET}POST /items HTTP/1.1\r\nHost: h\r\nX-API-Version: 9\r\nContent-Length: 4000000\r\n\r\n"));
    served(&gateway, 2.0);
    let writer = client.stream().try_clone().unwrap();
    let sent = std::thread::spawn(move || std::io::Write::write_all(&mut &writer, &vec![b'x'; 4_000_000]));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(client.read().body.len(), LARGE);
    assert_eq!(client.read().status, 400, "no such version");
    drop(client);
    let _ = sent.join();
}

#[test]
fn an_answer_says_whether_its_connection_closes() {
    // RFC 9112 section 9.6.
    let up = Upstream::streaming(|a| {
        if a.request.method == "GET" {
            return a.reply(200, &[], "next");
        }
        a.reply(200, &[], "early");
        a.until_closed();
        Then::Close
    });
    let gateway = Gateway::start(&format!("limits: {{request_body: 1000}}\n{}", plain(&up.url())));
    let chunk = format!("7d0\r\n{}\r\n", "a".repeat(2000));
    for (case, request) in [
        ("unread", "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\nstart".to_owned()),
        ("unread chunks", "POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n".to_owned()),
        (
            "waited for",
            "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n".to_owned(),
        ),
        ("too large", "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n".to_owned()),
        ("too many chunks", format!("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}")),
        (
            "all chunks",
            format!("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"),
        ),
    ] {
        let mut client = gateway.client();
        client.write(request);
        let answer = client.read();
        assert_eq!(answer.status, if case.starts_with(['u', 'w']) { 200 } else { 413 }, "{case}");
        if answer.header("Connection").as_deref() == Some("close") {
            assert!(client.read_to_close().is_empty(), "{case}");
        } else {
            client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_eq!(client.read().text(), "next", "{case}");
        }
    }
}

#[test]
fn the_last_answer_over_http_2_is_not_lost_to_a_client_that_is_still_sending() {
    // More than the client's buffer holds, and little enough for the gateway to be rid of it at once.
    const LENGTH: usize = 60_000;
    let up = Upstream::streaming(|a| {
        a.reply(200, &[], "x".repeat(LENGTH));
        // Closed unread, it would reset its connection, which is not what this is about.
        std::thread::sleep(Duration::from_secs(15));
        Then::Close
    });
    let limits = "limits: {requests_per_connection: 1, http2_stream_window: 900KiB}";
    let gateway = Gateway::start(&format!("workers: 1\n{limits}\n{}", plain(&up.url())));
    let mut client = Frames::on(small(gateway.addr()));
    client.raw(PREFACE).send(SETTINGS, 0, 0, &[0, 4, 0, 0x10, 0, 0]);
    client.send(WINDOW_UPDATE, 0, 0, &1_000_000u32.to_be_bytes());
    client.send(HEADERS, END_HEADERS, 1, &request("POST", "/items", &[]));
    client.until("a first word of goodbye", |frame| frame.kind == GOAWAY);
    let ping = client.until("a ping", |frame| frame.kind == PING && frame.flags == 0);
    client.send(PING, 1, 0, &ping.payload);
    // The gateway has said everything, and the client knows nothing of it.
    std::thread::sleep(Duration::from_millis(400));
    for _ in 0..12 {
        client.send(DATA, 0, 1, &[b'y'; 16_384]);
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(client.body(1).len(), LENGTH);
}
