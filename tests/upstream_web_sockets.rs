use crate::support::{
    Client, Frames, Gateway, eventually, fill,
    frames::{DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, block},
    http2::{Call, Http2Upstream},
};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, ext::Protocol};
use std::{
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tungstenite::handshake::derive_accept_key;

const CONFIG: &str = r#"
workers: 1
upstreams: {main: {servers: ["<url>"], protocol: h2c}}
versioning: {resolve: [{header: X-API-Version}]}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn upgrade(more: &str) -> String {
    format!(
        "GET /items?a=b HTTP/1.1\r\nHost: gateway.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn connect(more: &[(&str, &str)]) -> Vec<u8> {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/items?a=b"),
        (":authority", "gateway.test"),
        ("sec-websocket-version", "13"),
    ];
    block(&[&fields, more].concat())
}

/// The two ends of a stream that has become a tunnel.
struct Tunnel {
    sending: SendStream<Bytes>,
    receiving: RecvStream,
}

impl Tunnel {
    fn open(mut call: Call) -> Self {
        let answer = http::Response::builder().status(200).header("sec-websocket-protocol", "chat").body(()).unwrap();
        let sending = call.respond.send_response(answer, false).unwrap();
        Self { sending, receiving: call.request.into_body() }
    }

    async fn read(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = self.receiving.data().await?;
        Some(data.inspect(|data| self.receiving.flow_control().release_capacity(data.len()).unwrap()))
    }

    async fn write(&mut self, mut data: Bytes) {
        while !data.is_empty() {
            self.sending.reserve_capacity(data.len());
            let Some(Ok(room)) = std::future::poll_fn(|cx| self.sending.poll_capacity(cx)).await else { return };
            let _ = self.sending.send_data(data.split_to(room), false);
        }
    }

    /// Sends back in capitals what comes, until the end.
    async fn echo(mut self) {
        self.write("early".into()).await;
        while let Some(Ok(data)) = self.read().await {
            self.write(data.to_ascii_uppercase().into()).await;
        }
        let _ = self.sending.send_data(Bytes::new(), true);
    }
}

/// A gateway in front of a server that makes tunnels of streams.
fn world<F: Future<Output = ()> + Send + 'static>(
    script: impl Fn(Call) -> F + Send + Sync + 'static,
) -> (Gateway, Http2Upstream) {
    let mut settings = h2::server::Builder::new();
    settings.enable_connect_protocol();
    let up = Http2Upstream::with(settings, script);
    (Gateway::start(&fill(CONFIG, &[("url", &up.url())])), up)
}

/// What a request says of itself.
fn seen(call: &Call) -> String {
    let request = &call.request;
    let field = |name: &str| request.headers().get(name).map_or("-", |value| value.to_str().unwrap());
    let protocol = request.extensions().get::<Protocol>().map_or("-", Protocol::as_str);
    let names = ["sec-websocket-version", "sec-websocket-key", "upgrade", "connection", "x-api-version", "origin"];
    let fields = names.map(field).join(" ");
    format!("{} {protocol} {} {fields}", request.method(), request.uri())
}

#[test]
fn a_websocket_is_a_tunnel_to_a_server_of_http_2_whatever_its_client_speaks() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let told = heads.clone();
    let (gateway, up) = world(move |call| {
        told.lock().unwrap().push(seen(&call));
        Tunnel::open(call).echo()
    });
    // The first request on its connection: what the server allows has to be waited for.
    let mut client = gateway.client();
    client.write(upgrade("Origin: http://o\r\n"));
    let answer = client.read_head().unwrap().unwrap();
    assert_eq!(answer.status, 101, "{}", answer.head.raw);
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "upgrade"),
        ("Sec-WebSocket-Accept", &*derive_accept_key(KEY.as_bytes())),
        ("Sec-WebSocket-Protocol", "chat"),
        ("X-API-Version-Used", "1.0"),
    ] {
        assert_eq!(answer.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((answer.header("Content-Length"), answer.header("Transfer-Encoding")), (None, None));
    assert_eq!(client.read_bytes(5), b"early");
    for word in ["one", "two"] {
        client.write(word);
        assert_eq!(client.read_bytes(3), word.to_ascii_uppercase().as_bytes());
    }
    client.finish();
    assert!(client.read_to_close().is_empty(), "a close is END_STREAM, and the other way round");

    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect(&[("origin", "http://o")]));
    let head = client.until("an answer", |frame| frame.kind == HEADERS);
    assert_eq!((head.status(), head.ends_stream()), (200, false));
    assert!(!head.payload.windows(20).any(|window| window == b"sec-websocket-accept"));
    client.send(DATA, END_STREAM, 1, b"one");
    assert_eq!(client.body(1), b"earlyONE");

    let asked = "CONNECT websocket http://gateway.test/items?a=b 13 - - - 1.0 http://o";
    assert_eq!(heads.lock().unwrap()[..2], [asked, asked]);
    assert_eq!(up.connections(), 1);
}

#[test]
fn much_passes_both_ways_at_once() {
    const LENGTH: usize = 3_000_000;
    let (gateway, _up) = world(|call| Tunnel::open(call).echo());
    let mut client = gateway.client();
    client.write(upgrade(""));
    assert_eq!(client.read_head().unwrap().unwrap().status, 101);
    assert_eq!(client.read_bytes(5), b"early");
    let text: Vec<u8> = (0..LENGTH).map(|n| b'a' + (n % 23) as u8).collect();
    let (mut writer, wanted) = (client.stream().try_clone().unwrap(), text.to_ascii_uppercase());
    let sent = std::thread::spawn(move || {
        writer.write_all(&text).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert!(client.read_to_close() == wanted);
    sent.join().unwrap();
}

#[test]
fn what_breaks_on_one_side_ends_on_the_other() {
    let (cut, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (cut.clone(), closed.clone());
    let (gateway, _up) = world(move |call| {
        let (cut, closed) = counts.clone();
        async move {
            let breaks = call.request.headers().contains_key("x-break");
            let mut tunnel = Tunnel::open(call);
            while let Some(read) = tunnel.read().await {
                match read {
                    Ok(_) if !breaks => {}
                    Ok(_) => {
                        tunnel.sending.send_reset(Reason::INTERNAL_ERROR);
                        break;
                    }
                    Err(error) => {
                        assert_eq!(error.reason(), Some(Reason::CANCEL));
                        cut.fetch_add(1, SeqCst);
                        break;
                    }
                }
            }
            closed.fetch_add(1, SeqCst);
        }
    });
    // The server breaks off.
    let mut client = gateway.client();
    client.write(upgrade("X-Break: 1\r\n"));
    assert_eq!(client.read_head().unwrap().unwrap().status, 101);
    client.write("x");
    assert!(client.read_while_it_comes().1, "closed");
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect(&[("x-break", "1")]));
    assert_eq!(client.status(1), 200);
    client.send(DATA, 0, 1, b"x");
    assert_eq!(client.reset(1), u32::from(Reason::CANCEL));
    eventually("both are gone", || (closed.load(SeqCst) == 2).then_some(()));
    assert_eq!(cut.load(SeqCst), 0);
    // The client does.
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect(&[]));
    assert_eq!(client.status(1), 200);
    client.send(RST_STREAM, 0, 1, &u32::from(Reason::CANCEL).to_be_bytes());
    eventually("the server is told", || (closed.load(SeqCst) == 3).then_some(()));
    assert_eq!(cut.load(SeqCst), 1);
}

#[test]
fn a_server_may_refuse_and_its_client_is_in_step() {
    let (gateway, _up) = world(|mut call| async move {
        match call.request.method() == http::Method::CONNECT {
            true => call.reply(403, "no"),
            false => call.reply(200, "hello"),
        }
    });
    let mut client = gateway.client();
    client.write(upgrade(""));
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().text(), "hello");
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect(&[]));
    assert_eq!(client.status(1), 403);
    client.still_serves(3);
}

#[test]
fn a_server_that_makes_no_tunnels_is_not_asked_for_one() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let told = heads.clone();
    let up = Http2Upstream::new(move |mut call| {
        told.lock().unwrap().push(seen(&call));
        async move { call.reply(200, "hello") }
    });
    let gateway = Gateway::start(&fill(CONFIG, &[("url", &up.url())]));
    let mut client = gateway.client();
    client.write(upgrade(""));
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"), "an upgrade may be ignored");
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS, 1, &connect(&[]));
    assert_eq!(client.status(1), 502, "a success would say that the tunnel stands");
    let heads = heads.lock().unwrap();
    assert!(heads.iter().all(|head| head.starts_with("GET - ")), "{heads:?}");
}

#[test]
fn what_is_no_handshake_of_a_websocket_is_not_made_one() {
    let (gateway, _up) = world(|mut call| async move {
        let method = call.request.method().to_string();
        call.reply(200, method);
    });
    for head in [
        upgrade("").replace(KEY, "short"),
        upgrade("").replace(&format!("Sec-WebSocket-Key: {KEY}\r\n"), ""),
        upgrade("").replace("Upgrade: websocket", "Upgrade: foo"),
        upgrade("").replace("GET ", "POST "),
        upgrade("Content-Length: 1\r\n") + "x",
    ] {
        let mut client = Client::connect(gateway.addr());
        client.write(&head);
        let answer = client.read();
        assert_eq!(answer.status, 200, "{head}");
        assert!(head.starts_with(&answer.text()), "{head}");
    }
}
