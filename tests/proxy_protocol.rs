use crate::support::{
    Client, Gateway, TempDir, Upstream, eventually, plain,
    tls::{Authority, TlsClient, forgetful},
    tools::{Running, free_port, wait_listening},
};
use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

const HEADERS: &str = "vergate_proxy_protocol_headers_total";
const GET: &str = "GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// A gateway whose listener takes headers from `networks`.
fn start(networks: &str, rest: &str) -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    let listen = format!("listen: {{address: '127.0.0.1:0', proxy_protocol: {networks}}}\n{rest}\n");
    (Gateway::start(&(listen + &plain(&up.url()))), up)
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[command, family], &length, rest].concat()
}

fn v4(last: u8) -> Vec<u8> {
    v2(0x21, 0x11, &[203, 0, 113, last, 192, 0, 2, 2, 0x12, 0x67, 0, 80])
}

#[test]
fn the_address_in_the_header_is_the_client_everywhere() {
    let (gateway, up) = start("[127.0.0.0/8]", "");
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0x12, 0x67, 1, 0xbb]].concat();
    for (header, plain, node) in [
        (b"PROXY TCP4 203.0.113.5 192.0.2.1 4711 80\r\n".to_vec(), "203.0.113.5", "for=203.0.113.5"),
        (b"PROXY TCP6 2001:db8::5 ::1 4711 80\r\n".to_vec(), "2001:db8::5", "for=\"[2001:db8::5]\""),
        (v4(6), "203.0.113.6", "for=203.0.113.6"),
        (v2(0x21, 0x21, &v6), "2001:db8::7", "for=\"[2001:db8::7]\""),
        // The proxy speaks for itself, or does not know.
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", "for=127.0.0.1"),
        (v2(0x20, 0, b""), "127.0.0.1", "for=127.0.0.1"),
        (v2(0x21, 0, b""), "127.0.0.1", "for=127.0.0.1"),
    ] {
        let mut client = gateway.client();
        // Header and request in one segment: nothing of the request may be lost.
        client.write([header, GET.as_bytes().to_vec()].concat());
        assert_eq!(client.read().status, 200, "{plain}");
        // It speaks for the whole connection.
        client.write(GET);
        let answer = client.read();
        assert_eq!(answer.status, 200, "{plain}");
        let seen = up.last();
        assert_eq!(seen.header("X-Forwarded-For").as_deref(), Some(plain));
        assert_eq!(seen.header("Forwarded").unwrap(), format!("{node};host=shop.example;proto=http"));
        let id = answer.header("X-Request-Id").unwrap();
        let line = gateway.log_line(|line| line["request_id"] == id.as_str());
        assert_eq!(line["client"], plain, "{line}");
    }
    let counted = |outcome: &str| gateway.metrics().sum(HEADERS, &[("outcome", outcome)]);
    assert_eq!((counted("address"), counted("local")), (4.0, 3.0));
}

#[test]
fn a_header_may_come_in_pieces() {
    let (gateway, up) = start("[127.0.0.1/32]", "");
    for header in [b"PROXY TCP4 203.0.113.5 192.0.2.1 4711 80\r\n".to_vec(), v4(5)] {
        let mut client = gateway.client();
        for byte in header {
            client.write([byte]);
            std::thread::sleep(Duration::from_millis(2));
        }
        client.write(GET);
        assert_eq!(client.read().status, 200);
        assert_eq!(up.last().header("X-Forwarded-For").as_deref(), Some("203.0.113.5"));
    }
}

#[test]
fn without_a_header_a_proxy_is_not_served() {
    let (gateway, up) = start("[127.0.0.1/32]", "timeouts: {request_header: 4s}");
    for bytes in [
        GET.as_bytes().to_vec(),
        b"PROXY TCP4 203.0.113.5\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.05 192.0.2.1 4711 80\r\n".to_vec(),
        [v2(0x22, 0x11, &[0; 12]), GET.as_bytes().to_vec()].concat(),
        b"\x16\x03\x01\x02\x00".to_vec(),
    ] {
        let mut client = gateway.client();
        let began = Instant::now();
        client.write(&bytes);
        assert_eq!(client.read_to_close(), b"", "{}", bytes.escape_ascii());
        assert!(began.elapsed() < Duration::from_millis(3_500), "{}", bytes.escape_ascii());
    }
    // Nothing, or half of it, is waited for as long as for a head.
    let began = Instant::now();
    let waiting = [&b""[..], b"PROXY TCP4 203.0.113.5 ", b"\r\n\r\n\0\r\nQUIT\n\x21"].map(|bytes| {
        let mut client = gateway.client();
        client.write(bytes);
        (bytes, client)
    });
    for (bytes, mut client) in waiting {
        assert_eq!(client.read_to_close(), b"", "{}", bytes.escape_ascii());
        let took = began.elapsed().as_millis();
        assert!((3_800..9_500).contains(&took), "{took} ms, {}", bytes.escape_ascii());
    }
    assert_eq!(up.requests().len(), 0);
    let counted = |outcome: &str| gateway.metrics().sum(HEADERS, &[("outcome", outcome)]);
    assert_eq!((counted("malformed"), counted("timeout")), (5.0, 3.0));
}

#[test]
fn a_stranger_cannot_say_who_he_is() {
    let (gateway, up) = start("true", "trusted_proxies: [192.0.2.0/24]");
    let mut client = gateway.client();
    client.write([b"PROXY TCP4 203.0.113.5 192.0.2.1 4711 80\r\n", GET.as_bytes()].concat());
    assert_eq!(client.read().status, 400);
    assert_eq!(up.requests().len(), 0);
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(up.last().header("X-Forwarded-For").as_deref(), Some("127.0.0.1"));
}

#[test]
fn limits_by_client_go_by_the_address_in_the_header() {
    let (gateway, _up) = start("[127.0.0.1/32]", "limits: {connections_per_client: 1}");
    let open = |last: u8| {
        let mut client = gateway.client();
        client.write([v4(last), GET.as_bytes().to_vec()].concat());
        let status = client.read().status;
        (client, status)
    };
    let (first, status) = open(1);
    assert_eq!(status, 200);
    assert_eq!(open(2).1, 200, "another client behind the same proxy");
    assert_eq!(open(1).1, 503, "the same client again");
    drop(first);
    eventually("the place is free again", || (open(1).1 == 200).then_some(()));
}

#[test]
fn the_header_goes_before_the_handshake() {
    let up = Upstream::named("main");
    let (dir, authority) = (TempDir::new(), Authority::new());
    authority.issue(&["api.example.org"]).write(&dir, "server");
    let listen =
        "listen: {address: '127.0.0.1:0', proxy_protocol: [127.0.0.1/32], tls: {cert: server.crt, key: server.key}}\n";
    let gateway = Gateway::start_in(dir, &format!("{listen}{}", plain(&up.url())), |_| {});
    let mut stream = TcpStream::connect(gateway.addr()).unwrap();
    stream.write_all(&v4(9)).unwrap();
    let mut client = TlsClient::over(stream, "api.example.org", &forgetful(authority.client())).unwrap();
    assert_eq!(client.call("GET /items HTTP/1.1\r\n", b"").unwrap().status, 200);
    assert_eq!(up.last().header("Forwarded").unwrap(), "for=203.0.113.9;host=shop.example;proto=https");
}

#[test]
fn haproxy_tells_the_clients_address_in_both_versions() {
    let (gateway, up) = start("[127.0.0.1/32]", "");
    for version in ["send-proxy", "send-proxy-v2"] {
        let (dir, port) = (TempDir::new(), free_port());
        let file = dir.write(
            "haproxy.cfg",
            &format!(
                "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n\
                 listen front\n  bind 127.0.0.1:{port}\n  server gateway {} source 127.0.0.1 {version}\n",
                gateway.addr()
            ),
        );
        let _haproxy = Running::start("haproxy", &["-f", file.to_str().unwrap(), "-db"]);
        wait_listening(port);
        // From an address of its own, so that the proxy's cannot be taken for it.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 77], 0)).into()).unwrap();
        socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.write_all(GET.as_bytes()).unwrap();
        let mut client = Client::on(stream);
        assert_eq!(client.read().status, 200, "{version}");
        assert_eq!(up.last().header("X-Forwarded-For").as_deref(), Some("127.0.0.77"), "{version}");
    }
}
