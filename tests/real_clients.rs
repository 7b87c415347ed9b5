use crate::{
    real_proxies::haproxy,
    support::{
        Gateway, TempDir, Then, Upstream, eventually, plain,
        tools::{free_port, run, shell, wait_listening},
    },
};
use std::net::{SocketAddr, TcpListener, TcpStream};
use tungstenite::{Message, WebSocket};

fn world() -> (Gateway, Upstream) {
    let up = Upstream::new(|a| match a.request.target.as_str() {
        "/items/cut" => {
            a.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            Then::Close
        }
        target => {
            let body = format!("{} {target} {}", a.request.method, a.request.body.len());
            a.reply(200, &[], body)
        }
    });
    let gateway = Gateway::start(&plain(&up.url()));
    (gateway, up)
}

#[test]
fn curl_is_served_over_every_protocol_it_speaks() {
    let (gateway, up) = world();
    let dir = TempDir::new();
    let file = dir.write("body", &"x".repeat(2_000_000));
    let (to, file) = (gateway.addr(), file.display().to_string());
    for (options, says, via) in [
        ("", "GET /items/1 0", "1.1 vergate"),
        ("--http1.0", "GET /items/1 0", "1.0 vergate"),
        ("--http2-prior-knowledge", "GET /items/1 0", "2 vergate"),
        ("-d abc", "POST /items/1 3", "1.1 vergate"),
        ("-d abc -H 'Transfer-Encoding: chunked'", "POST /items/1 3", "1.1 vergate"),
        ("--http2-prior-knowledge -d abc", "POST /items/1 3", "2 vergate"),
        // More than a megabyte: it waits for 100 first.
        (&format!("-X POST -T {file}"), "POST /items/1 2000000", "1.1 vergate"),
        (&format!("-X POST -T - < {file}"), "POST /items/1 2000000", "1.1 vergate"),
        (&format!("--http2-prior-knowledge -X POST -T {file}"), "POST /items/1 2000000", "2 vergate"),
        ("-X DELETE", "DELETE /items/1 0", "1.1 vergate"),
    ] {
        let out = shell(&format!("curl -sS --max-time 15 http://{to}/items/1 {options}"));
        assert_eq!(String::from_utf8_lossy(&out.stdout), says, "{options}: {out:?}");
        assert_eq!(up.last().header("Via").as_deref(), Some(via), "{options}");
    }
    // Several on one connection.
    let out = shell(&format!("curl -sS --max-time 15 -w '\\n%{{num_connects}}\\n' 'http://{to}/items/[1-5]'"));
    assert_eq!(
        String::from_utf8_lossy(&out.stdout),
        "GET /items/1 0\n1\nGET /items/2 0\n0\nGET /items/3 0\n0\nGET /items/4 0\n0\nGET /items/5 0\n0\n"
    );
    // It notices what broke off: 18 is a partial file, 92 a stream that was reset.
    for (options, codes) in [("", &[18, 52, 56][..]), ("--http2-prior-knowledge", &[92, 18, 56])] {
        let out = shell(&format!("curl -sS --max-time 15 http://{to}/items/cut {options}"));
        assert!(out.status.code().is_some_and(|code| codes.contains(&code)), "{options}: {out:?}");
    }
}

#[test]
fn h2load_finds_nothing_failed() {
    let (gateway, _up) = world();
    let url = format!("http://{}/items/1", gateway.addr());
    for options in [&["-m", "20"][..], &["--h1", "-m", "4"], &["--h1", "-m", "1"]] {
        let mut args = vec!["-n", "1000", "-c", "4", "-T", "60"];
        args.extend_from_slice(options);
        args.push(&url);
        let out = run("h2load", &args);
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(text.contains("1000 succeeded, 0 failed, 0 errored, 0 timeout"), "{options:?}: {text}");
        assert!(text.contains("status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{options:?}: {text}");
    }
}

/// A server that echoes until its callers close.
fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

fn open(to: SocketAddr) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let (socket, answer) = tungstenite::client(format!("ws://{to}/items"), stream).unwrap();
    assert_eq!(answer.headers()["x-api-version-used"], "1.0");
    socket
}

fn text(of: impl Into<String>) -> Message {
    Message::text(of.into())
}

/// Messages of every size, and a close that both sides agree on.
#[track_caller]
fn messages_come_back(mut socket: WebSocket<TcpStream>) {
    for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        socket.send(text("x".repeat(size))).unwrap();
        assert_eq!(socket.read().unwrap().len(), size);
        socket.send(Message::binary(vec![7; size])).unwrap();
        assert_eq!(socket.read().unwrap().into_data(), vec![7; size]);
    }
    for n in 0..200 {
        socket.send(text(format!("message {n}"))).unwrap();
    }
    for n in 0..200 {
        assert_eq!(socket.read().unwrap(), text(format!("message {n}")));
    }
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("are you there".into()));
    socket.close(None).unwrap();
    eventually("the closing handshake ends", || match socket.read() {
        Ok(Message::Close(_)) => None,
        Ok(other) => panic!("{other:?} after the close"),
        Err(tungstenite::Error::ConnectionClosed) => Some(()),
        Err(e) => panic!("{e}"),
    });
}

#[test]
fn websocket_messages_of_every_size_come_back() {
    let gateway = Gateway::start(&plain(&format!("http://{}", echo())));
    messages_come_back(open(gateway.addr()));
}

#[test]
fn websocket_messages_come_back_over_http_2() {
    let gateway = Gateway::start(&plain(&format!("http://{}", echo())));
    let (dir, port, to) = (TempDir::new(), free_port(), gateway.addr());
    // It asks with an extended CONNECT where its own caller asks for an upgrade.
    let _haproxy = haproxy(&dir, &format!("listen one\n  bind 127.0.0.1:{port}\n  server vergate {to} proto h2 ws h2"));
    wait_listening(port);
    let socket = open(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(gateway.metrics().sum("vergate_connections", &[("protocol", "h2")]), 1.0);
    messages_come_back(socket);
}

#[test]
fn websockets_survive_a_reload() {
    let to = echo();
    let gateway = Gateway::start(&plain(&format!("http://{to}")));
    let mut socket = open(gateway.addr());
    for n in 0..5 {
        gateway
            .reload(&plain(&format!("http://{to}")).replace("\"1.0\"", if n % 2 == 0 { "\"2.0\"" } else { "\"1.0\"" }));
        socket.send(text(format!("after {n}"))).unwrap();
        assert_eq!(socket.read().unwrap(), text(format!("after {n}")));
    }
}
