use crate::support::{
    Client, Gateway, TempDir, Then, Upstream, plain,
    tools::{Running, free_port, wait_listening},
    upstream::Answer,
};
use std::net::SocketAddr;

const LARGE: usize = 3_000_000;

/// A backend that says what it was asked, and a few answers that are harder to pass on.
fn backend() -> Upstream {
    Upstream::new(|a: &mut Answer| match a.request.target.as_str() {
        "/items/large" => a.reply(200, &[], large()),
        "/items/chunked" => {
            a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;a=b\r\n!\r\n0\r\n\r\n");
            Then::Keep
        }
        "/items/none" => a.reply(204, &[], ""),
        "/items/cut" => {
            a.raw("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n");
            a.raw(&large()[..100_000]);
            Then::Close
        }
        "/items/cut-chunk" => {
            a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
            a.raw(&large()[..100_000]);
            a.raw("\r\n");
            Then::Reset
        }
        target => {
            let body = format!("{} {target} {}", a.request.method, a.request.text());
            a.reply(200, &["X-Api-Version-Used: 7"], body)
        }
    })
}

fn large() -> Vec<u8> {
    (0..LARGE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn ask(client: &mut Client, head: &str, body: &str) {
    client.write(format!("{head}\r\nHost: shop.example\r\n\r\n{body}"));
}

/// What a caller has to get through this address, whoever stands between.
#[track_caller]
fn callers_are_served(to: SocketAddr) {
    // One connection for all that ends where it says.
    let mut client = Client::connect(to);
    for n in 0..30 {
        ask(&mut client, &format!("GET /items/{n} HTTP/1.1"), "");
        assert_eq!(client.read().text(), format!("GET /items/{n} "));
    }
    ask(&mut client, "POST /items HTTP/1.1\r\nContent-Length: 5", "hello");
    assert_eq!(client.read().text(), "POST /items hello");
    ask(&mut client, "POST /items HTTP/1.1\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
    assert_eq!(client.read().text(), "POST /items hello!");
    ask(&mut client, "GET /items/chunked HTTP/1.1", "");
    assert_eq!(client.read().text(), "hello!");
    ask(&mut client, "GET /items/none HTTP/1.1", "");
    assert_eq!(client.read().status, 204);
    ask(&mut client, "HEAD /items/7 HTTP/1.1", "");
    assert_eq!(client.read_of_head().header("Content-Length").as_deref(), Some("14"));
    ask(&mut client, "GET /items/large HTTP/1.1", "");
    assert!(client.read().body == large(), "three megabytes arrive as they were sent");
    let long = "x".repeat(400_000);
    ask(&mut client, &format!("POST /items HTTP/1.1\r\nContent-Length: {}", long.len()), &long);
    assert_eq!(client.read().text(), format!("POST /items {long}"));
    ask(&mut client, "GET /items HTTP/1.1\r\nX-API-Version: 9", "");
    let refused = client.read();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("version_unknown")));
    ask(&mut client, "GET /items HTTP/1.1", "");
    let answer = client.read();
    assert_eq!(answer.used().as_deref(), Some("1.0"), "the gateway's word, not the backend's");
    // What broke off behind two proxies is still seen to be broken here.
    for target in ["/items/cut", "/items/cut-chunk"] {
        let mut client = Client::connect(to);
        ask(&mut client, &format!("GET {target} HTTP/1.1"), "");
        if let Ok(Some(answer)) = client.try_read(false) {
            assert!(answer.status >= 500, "{target}: a clean {}", answer.status);
        }
    }
    ask(&mut client, "GET /items/last HTTP/1.1", "");
    assert_eq!(client.read().text(), "GET /items/last ");
}

fn nginx(dir: &TempDir, servers: &str) -> Running {
    let root = dir.path("").display().to_string();
    let conf = dir.write(
        "nginx.conf",
        &format!(
            "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log off; client_max_body_size 0; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;\n\
               fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;\n{servers}\n}}\n"
        ),
    );
    Running::start("nginx", &["-c", conf.to_str().unwrap(), "-p", &root])
}

pub(crate) fn haproxy(dir: &TempDir, sections: &str) -> Running {
    let conf = dir.write(
        "haproxy.cfg",
        &format!(
            "global\n  maxconn 500\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n{sections}\n"
        ),
    );
    Running::start("haproxy", &["-db", "-f", conf.to_str().unwrap()])
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn nginx_in_front_passes_everything_on() {
    let up = backend();
    let gateway = Gateway::start(&format!("trusted_proxies: [127.0.0.0/8]\n{}", plain(&up.url())));
    let (dir, kept, plain_port) = (TempDir::new(), free_port(), free_port());
    let to = gateway.addr();
    let _nginx = nginx(
        &dir,
        &format!(
            "upstream vergate {{ server {to}; keepalive 8; }}\n\
             proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
             proxy_set_header X-Forwarded-Proto https;\n\
             server {{ listen 127.0.0.1:{kept}; location / {{ proxy_pass http://vergate; proxy_http_version 1.1;\n\
               proxy_set_header Connection \"\"; proxy_set_header Host $host; proxy_buffering off; proxy_request_buffering off;\n\
               proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto https; }} }}\n\
             server {{ listen 127.0.0.1:{plain_port}; location / {{ proxy_pass http://{to}; proxy_http_version 1.0; }} }}"
        ),
    );
    [kept, plain_port].into_iter().for_each(wait_listening);
    callers_are_served(local(kept));
    // What it says of the caller is kept and added to.
    let mut client = Client::connect(local(kept));
    ask(&mut client, "GET /items HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7", "");
    assert_eq!(client.read().status, 200);
    let seen = up.last();
    assert_eq!(seen.header("X-Forwarded-For").as_deref(), Some("203.0.113.7, 127.0.0.1, 127.0.0.1"));
    assert!(seen.header("X-Forwarded-Proto").unwrap().starts_with("https"));
    assert_eq!(seen.head.lines("Host"), ["shop.example"]);
    // Its default: HTTP/1.0 and a connection for each request.
    callers_are_served(local(plain_port));
    assert_eq!(up.last().header("Via").as_deref(), Some("1.0 vergate"));
}

#[test]
fn haproxy_in_front_passes_everything_on_over_both_protocols() {
    let up = backend();
    let gateway = Gateway::start(&plain(&up.url()));
    let (dir, one, two) = (TempDir::new(), free_port(), free_port());
    let to = gateway.addr();
    let _haproxy = haproxy(
        &dir,
        &format!(
            "listen one\n  bind 127.0.0.1:{one}\n  server vergate {to}\n\
             listen two\n  bind 127.0.0.1:{two}\n  server vergate {to} proto h2"
        ),
    );
    [one, two].into_iter().for_each(wait_listening);
    callers_are_served(local(one));
    assert_eq!(up.last().header("Via").as_deref(), Some("1.1 vergate"));
    callers_are_served(local(two));
    assert_eq!(up.last().header("Via").as_deref(), Some("2 vergate"));
}

#[test]
fn haproxy_and_nginx_behind_pass_everything_back() {
    let up = backend();
    let (one, two) = (TempDir::new(), TempDir::new());
    let (haproxy_port, nginx_port) = (free_port(), free_port());
    let to = up.addr;
    let _haproxy = haproxy(&one, &format!("listen back\n  bind 127.0.0.1:{haproxy_port}\n  server back {to}"));
    let _nginx = nginx(
        &two,
        &format!(
            "server {{ listen 127.0.0.1:{nginx_port}; location / {{ proxy_pass http://{to}; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_buffering off; proxy_request_buffering off; }} }}"
        ),
    );
    for port in [haproxy_port, nginx_port] {
        wait_listening(port);
        let gateway = Gateway::start(&plain(&format!("http://{}", local(port))));
        callers_are_served(gateway.addr());
    }
}
