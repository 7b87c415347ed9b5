use crate::support::{
    Gateway, TempDir, Then, Upstream, eventually, fill,
    gateway::vergate,
    tls_upstream::{Authority, Front, Greeting, TlsFront},
    tools::{Running, free_port, wait_listening},
};

/// One API on the servers `<url>` with the TLS settings `<tls>`.
const CONFIG: &str = r#"
upstreams: {main: {servers: ["<url>"], retries: {attempts: 0}, tls: <tls>}}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#;

fn config(url: &str, tls: &str) -> String {
    fill(CONFIG, &[("url", url), ("tls", tls)])
}

/// A folder with the authority's certificate as `ca.pem`.
fn folder(authority: &Authority) -> TempDir {
    let dir = TempDir::new();
    dir.write("ca.pem", &authority.pem());
    dir
}

#[track_caller]
fn unreachable(gateway: &Gateway, why: &str) {
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    eventually(&format!("the log says {why}"), || gateway.stderr().contains(why).then_some(()));
}

#[test]
fn an_https_server_is_asked_by_name_and_its_connection_is_used_again() {
    let authority = Authority::new();
    let upstream = Upstream::named("behind");
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("localhost"), "{ca: ca.pem}"), |_| {});
    let mut client = gateway.client();
    for _ in 0..3 {
        client.write("GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (200, "behind"));
    }
    // The host of the URL is asked for; the caller's Host goes on inside.
    assert_eq!(front.greetings(), [Greeting { server_name: Some("localhost".into()), alpn: None }]);
    assert_eq!(upstream.last().header("Host").as_deref(), Some("shop.example"));
    assert_eq!((upstream.connections(), upstream.last().nth), (1, 2));
    let counted = |name: &str| gateway.metrics().sum(name, &[("upstream", "main")]);
    assert_eq!(counted("vergate_upstream_tls_handshakes_total"), 1.0);
    assert_eq!(counted("vergate_upstream_tls_resumptions_total"), 0.0);
}

#[test]
fn http_1_1_is_what_is_offered() {
    let authority = Authority::new();
    let upstream = Upstream::named("behind");
    let front = Front { alpn: vec!["h2", "http/1.1"], ..Front::default() };
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), front);
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("localhost"), "{ca: ca.pem}"), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(front.greetings()[0].alpn.as_deref(), Some("http/1.1"));
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::named("behind");
    // Signed by somebody else, and signed for somebody else.
    let unknown = TlsFront::start(upstream.addr, &stranger.issue(&["localhost"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&unknown.url("localhost"), "{ca: ca.pem}"), |_| {});
    unreachable(&gateway, "UnknownIssuer");
    let other = TlsFront::start(upstream.addr, &authority.issue(&["other.example"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&other.url("localhost"), "{ca: ca.pem}"), |_| {});
    unreachable(&gateway, "certificate not valid for name");
    // The system's trust store does not know our authority.
    let gateway = Gateway::start_in(folder(&authority), &config(&other.url("localhost"), "{}"), |_| {});
    unreachable(&gateway, "UnknownIssuer");
    // Cleartext behind https:// is no TLS.
    let clear = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", clear.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in clear.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let gateway = Gateway::start_in(folder(&authority), &config(&url, "{ca: ca.pem}"), |_| {});
    unreachable(&gateway, "the TLS handshake failed");
    assert!(upstream.requests().is_empty());
}

#[test]
fn server_name_is_the_name_that_is_asked_for_and_checked() {
    let authority = Authority::new();
    let upstream = Upstream::named("behind");
    let front = TlsFront::start(upstream.addr, &authority.issue(&["internal.example"]), Front::default());
    let tls = "{ca: ca.pem, server_name: internal.example}";
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("127.0.0.1"), tls), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(front.greetings()[0].server_name.as_deref(), Some("internal.example"));
}

#[test]
fn an_address_is_checked_against_the_addresses_of_the_certificate() {
    let authority = Authority::new();
    let upstream = Upstream::named("behind");
    let front = TlsFront::start(upstream.addr, &authority.issue(&["127.0.0.1"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("127.0.0.1"), "{ca: ca.pem}"), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
}

#[test]
fn without_verification_anyone_is_trusted_and_check_warns_of_it() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::named("behind");
    let front = TlsFront::start(upstream.addr, &stranger.issue(&["x.example"]), Front::default());
    let config = config(&front.url("127.0.0.1"), "{verify: false}");
    let gateway = Gateway::start_in(folder(&authority), &config, |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
    let (code, out, _) = vergate(gateway.dir(), &["check", "-c", "gateway.yaml"]);
    assert_eq!(code, 0);
    assert!(out.contains("warning: `verify: false` trusts whoever answers"), "{out}");
}

#[test]
fn the_gateway_shows_its_own_certificate_where_it_has_one() {
    let (authority, callers) = (Authority::new(), Authority::new());
    let upstream = Upstream::named("behind");
    let front = Front { callers: Some(callers.pem()), ..Front::default() };
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), front);
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("localhost"), "{ca: ca.pem}"), |_| {});
    let refused = gateway.get("/items", &[]);
    assert_eq!(refused.status, 502, "{}", refused.text());
    let dir = folder(&authority);
    let own = callers.issue(&["gateway.example"]);
    dir.write("own.pem", &own.certificate);
    dir.write("own.key", &own.key);
    let tls = "{ca: ca.pem, client_certificate: own.pem, client_key: own.key}";
    let gateway = Gateway::start_in(dir, &config(&front.url("localhost"), tls), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
}

#[test]
fn large_bodies_pass_through_tls_both_ways() {
    const LENGTH: usize = 5 << 20;
    let authority = Authority::new();
    let upstream = Upstream::new(|a| {
        let body = a.request.body.clone();
        a.reply(200, &[], body)
    });
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("localhost"), "{ca: ca.pem}"), |_| {});
    let body: Vec<u8> = (0..LENGTH as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    for _ in 0..2 {
        assert!(gateway.call("POST", "/items", &[], &body).body == body);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole_only_if_tls_says_so() {
    let authority = Authority::new();
    let upstream = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\n\r\nall of it");
        Then::Close
    });
    let identity = authority.issue(&["localhost"]);
    let polite = TlsFront::start(upstream.addr, &identity, Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&polite.url("localhost"), "{ca: ca.pem}"), |_| {});
    assert_eq!(gateway.get("/items", &[]).text(), "all of it");
    let rude = TlsFront::start(upstream.addr, &identity, Front { rude: true, ..Front::default() });
    let gateway = Gateway::start_in(folder(&authority), &config(&rude.url("localhost"), "{ca: ca.pem}"), |_| {});
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let bytes = client.read_to_close();
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "passed off as complete: {}", String::from_utf8_lossy(&bytes));
}

#[test]
fn an_upgrade_becomes_a_tunnel_through_tls() {
    let authority = Authority::new();
    let upstream = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut byte = [0];
        while std::io::Read::read(a.stream(), &mut byte).is_ok_and(|n| n > 0) {
            a.raw(byte);
        }
        Then::Close
    });
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), Front::default());
    let gateway = Gateway::start_in(folder(&authority), &config(&front.url("localhost"), "{ca: ca.pem}"), |_| {});
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: shop.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.read_head().unwrap().expect("an answer").status, 101);
    client.write("through");
    assert_eq!(client.read_bytes(7), b"through");
}

#[test]
fn connections_survive_a_reload_unless_what_they_were_checked_with_changed() {
    let authority = Authority::new();
    let upstream = Upstream::named("behind");
    let front = TlsFront::start(upstream.addr, &authority.issue(&["localhost"]), Front::default());
    let config = config(&front.url("localhost"), "{ca: ca.pem}");
    let gateway = Gateway::start_in(folder(&authority), &format!("workers: 1\n{config}"), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
    gateway.reload(&format!("workers: 1\n# the same\n{config}"));
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(upstream.connections(), 1);
    let other = Authority::new();
    gateway.dir().write("ca.pem", &other.pem());
    gateway.reload(&format!("workers: 1\n# another authority\n{config}"));
    unreachable(&gateway, "UnknownIssuer");
}

#[test]
fn nginx_is_reached_over_tls() {
    let authority = Authority::new();
    let dir = folder(&authority);
    let identity = authority.issue(&["localhost"]);
    let (certificate, key) = (dir.write("s.pem", &identity.certificate), dir.write("s.key", &identity.key));
    dir.write("f1", "from nginx");
    let (port, root) = (free_port(), dir.path("").display().to_string());
    let conf = fill(
        "daemon off; master_process off; pid <root>/nginx.pid; error_log <root>/error.log;\n\
         events { worker_connections 256; }\n\
         http { access_log off; client_body_temp_path <root>/t1; proxy_temp_path <root>/t2; fastcgi_temp_path <root>/t3;\n\
           uwsgi_temp_path <root>/t4; scgi_temp_path <root>/t5;\n\
           server { listen 127.0.0.1:<port> ssl; root <root>; ssl_certificate <certificate>; ssl_certificate_key <key>; } }\n",
        &[
            ("root", &root),
            ("port", &port.to_string()),
            ("certificate", &certificate.display().to_string()),
            ("key", &key.display().to_string()),
        ],
    );
    let conf = dir.write("nginx.conf", &conf);
    let _nginx = Running::start("nginx", &["-c", conf.to_str().unwrap(), "-p", &root]);
    wait_listening(port);
    let gateway = Gateway::start_in(dir, &config(&format!("https://localhost:{port}"), "{ca: ca.pem}"), |_| {});
    let mut client = gateway.client();
    for _ in 0..3 {
        client.write("GET /f1 HTTP/1.1\r\nHost: files.example\r\n\r\n");
        assert_eq!(client.read().text(), "from nginx");
    }
}
