use crate::support::{
    Gateway, TempDir, Then, Upstream, eventually, plain,
    tls::{Authority, Pair, TlsClient, forgetful},
    tools,
};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

const NAME: &str = "api.example.org";
const HANDSHAKES: &str = "vergate_tls_handshakes_total";

/// A gateway with one TLS listener whose certificate is for [`NAME`].
struct Secure {
    gateway: Gateway,
    authority: Authority,
    up: Upstream,
}

impl Secure {
    /// `keys`: further keys of `tls`. `rest`: further lines of the file.
    fn start(keys: &str, rest: &str) -> Self {
        Self::start_in(TempDir::new(), Authority::new(), keys, rest)
    }

    fn start_in(dir: TempDir, authority: Authority, keys: &str, rest: &str) -> Self {
        let up = Upstream::named("main");
        authority.issue(&[NAME]).write(&dir, "server");
        let gateway = Gateway::start_in(dir, &yaml(&up, keys, rest), |_| {});
        Self { gateway, authority, up }
    }

    fn config(&self) -> Arc<ClientConfig> {
        forgetful(self.authority.client())
    }

    #[track_caller]
    fn connect(&self) -> TlsClient {
        TlsClient::connect(self.gateway.addr(), NAME, &self.config()).unwrap()
    }

    fn counted(&self, outcome: &str, version: &str) -> f64 {
        self.gateway.metrics().sum(HANDSHAKES, &[("outcome", outcome), ("version", version)])
    }
}

fn yaml(up: &Upstream, keys: &str, rest: &str) -> String {
    format!(
        "listen: {{address: '127.0.0.1:0', tls: {{cert: server.crt, key: server.key{keys}}}}}\n{rest}\n{}",
        plain(&up.url())
    )
}

const GET: &str = "GET /items HTTP/1.1\r\n";

#[test]
fn requests_over_tls_are_served_and_upstreams_are_told_the_scheme() {
    let secure = Secure::start("", "");
    let mut client = secure.connect();
    let answer = client.call(&format!("{GET}X-Forwarded-Proto: http\r\n"), b"").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "main"));
    let seen = secure.up.last();
    assert_eq!(seen.header("X-Forwarded-Proto").as_deref(), Some("https"));
    assert_eq!(seen.header("Forwarded").as_deref(), Some("for=127.0.0.1;host=shop.example;proto=https"));
    // The connection is kept, also after it has been parked.
    for pause in [0, 400, 0] {
        std::thread::sleep(Duration::from_millis(pause));
        assert_eq!(client.call(GET, b"").unwrap().status, 200);
    }
    assert_eq!(client.session().protocol_version(), Some(ProtocolVersion::TLSv1_3));
    client.call(&format!("{GET}Client-Cert: :MTIz:\r\n"), b"").unwrap();
    assert_eq!(secure.up.last().header("Client-Cert"), None);
    assert_eq!(secure.counted("full", "1.3"), 1.0);
}

#[test]
fn bodies_of_many_records_pass_both_ways() {
    let up = Upstream::new(|a| {
        let body = a.request.body.clone();
        a.reply(200, &[], body)
    });
    let (dir, authority) = (TempDir::new(), Authority::new());
    authority.issue(&[NAME]).write(&dir, "server");
    let gateway = Gateway::start_in(dir, &yaml(&up, "", ""), |_| {});
    let body: Vec<u8> = (0..3_000_001u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let config = forgetful(authority.client_with(None, versions));
        let mut client = TlsClient::connect(gateway.addr(), NAME, &config).unwrap();
        for size in [1, 16_384, 16_385, body.len()] {
            let answer = client.call("POST /items HTTP/1.1\r\n", &body[..size]).unwrap();
            assert!(answer.status == 200 && answer.body == body[..size], "{size}: {}", answer.status);
        }
    }
}

#[test]
fn a_connection_ends_with_a_goodbye() {
    // Without it a client cannot tell the end from a cut (RFC 8446 section 6.1).
    let secure = Secure::start("", "timeouts: {keep_alive: 500ms}");
    let mut client = secure.connect();
    assert_eq!(client.call(&format!("{GET}Connection: close\r\n"), b"").unwrap().status, 200);
    assert_eq!(client.read_to_close().unwrap(), b"");
    let mut idle = secure.connect();
    assert_eq!(idle.call(GET, b"").unwrap().status, 200);
    assert_eq!(idle.read_to_close().unwrap(), b"");
}

#[test]
fn half_a_record_is_no_request() {
    // It wakes a parked connection, whose time as an idle one goes on.
    let secure = Secure::start("", "timeouts: {request_header: 600ms, keep_alive: 10s}");
    let mut client = secure.connect();
    assert_eq!(client.call(GET, b"").unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(400));
    client.reader.get_mut().sock.write_all(b"\x17\x03\x03\x00\x40").unwrap();
    std::thread::sleep(Duration::from_millis(1_200));
    let sock = &client.reader.get_ref().sock;
    sock.set_nonblocking(true).unwrap();
    let still = sock.peek(&mut [0]).map_err(|error| error.kind());
    assert_eq!(still, Err(std::io::ErrorKind::WouldBlock), "the connection was closed");
}

#[test]
fn an_upgrade_over_tls_becomes_a_tunnel() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nearly");
        let mut word = [0; 3];
        while a.stream().read_exact(&mut word).is_ok() {
            if !a.raw(word.to_ascii_uppercase()) {
                break;
            }
        }
        Then::Close
    });
    let (dir, authority) = (TempDir::new(), Authority::new());
    authority.issue(&[NAME]).write(&dir, "server");
    let gateway = Gateway::start_in(dir, &yaml(&up, "", ""), |_| {});
    let mut client = TlsClient::connect(gateway.addr(), NAME, &forgetful(authority.client())).unwrap();
    client.write("GET /items HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").unwrap();
    assert_eq!(client.read().unwrap().status, 101);
    let mut early = [0; 5];
    client.reader.read_exact(&mut early).unwrap();
    assert_eq!(&early, b"early");
    for word in ["one", "two"] {
        client.write(word).unwrap();
        let mut back = [0; 3];
        client.reader.read_exact(&mut back).unwrap();
        assert_eq!(back, word.to_ascii_uppercase().as_bytes());
    }
}

#[test]
fn alpn_decides_between_http_2_and_http_1() {
    let secure = Secure::start("", "");
    let agreed = |offers: &[&str]| {
        let mut config = secure.authority.client();
        config.alpn_protocols = offers.iter().map(|offer| offer.as_bytes().to_vec()).collect();
        let client = TlsClient::connect(secure.gateway.addr(), NAME, &forgetful(config));
        client.map(|client| client.session().alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()))
    };
    assert_eq!(agreed(&["h2", "http/1.1"]).unwrap().as_deref(), Some("h2"));
    assert_eq!(agreed(&["http/1.1", "h2"]).unwrap().as_deref(), Some("h2"), "the gateway's order decides");
    assert_eq!(agreed(&["http/1.1"]).unwrap().as_deref(), Some("http/1.1"));
    assert_eq!(agreed(&[]).unwrap(), None);
    // RFC 7301 section 3.2: nothing in common is an error.
    assert!(agreed(&["imap"]).is_err());
    eventually("it is counted", || (secure.counted("incompatible", "none") == 1.0).then_some(()));
    // What was agreed on is what is spoken.
    let mut config = secure.authority.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = TlsClient::connect(secure.gateway.addr(), NAME, &forgetful(config)).unwrap();
    assert!(client.call(GET, b"").is_err());
    let mut client = secure.connect();
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let _ = client.read_to_close();
    assert!(secure.up.requests().is_empty());
}

#[test]
fn the_certificate_follows_the_name_that_is_asked_for() {
    let (dir, authority) = (TempDir::new(), Authority::new());
    for (name, names) in [("wild", &["*.example.net"][..]), ("exact", &["www.example.net"])] {
        authority.issue(names).write(&dir, name);
    }
    let more = ", certificates: [{cert: wild.crt, key: wild.key}, {cert: exact.crt, key: exact.key}]";
    let secure = Secure::start_in(dir, authority, more, "");
    // The client verifies the certificate against the name: the wrong one would be an error.
    for name in [NAME, "www.example.net", "any.example.net"] {
        let connected = TlsClient::connect(secure.gateway.addr(), name, &secure.config());
        assert_eq!(connected.unwrap().call(GET, b"").unwrap().status, 200, "{name}");
    }
    // An unknown name, or none, is shown the first one; the client decides.
    for name in ["a.b.example.net", "127.0.0.1"] {
        let refused = TlsClient::connect(secure.gateway.addr(), name, &secure.config()).err().expect("refused");
        assert!(refused.to_string().contains("not valid for name"), "{name}: {refused}");
    }
}

#[test]
fn new_certificates_are_used_without_a_restart_and_open_connections_go_on() {
    let secure = Secure::start("", "");
    let mut old = secure.connect();
    assert_eq!(old.call(GET, b"").unwrap().status, 200);
    let before = old.shown();
    for _ in 0..2 {
        let shown = secure.connect().shown();
        secure.authority.issue(&[NAME]).write(secure.gateway.dir(), "server");
        eventually("the new certificate is shown", || (secure.connect().shown() != shown).then_some(()));
    }
    assert_ne!(secure.connect().shown(), before);
    assert_eq!(old.call(GET, b"").unwrap().status, 200);
}

#[test]
fn the_end_of_a_certificate_is_a_metric() {
    let secure = Secure::start("", "");
    let ends = secure.gateway.metrics();
    let ends = ends.all("vergate_tls_certificate_not_after_timestamp_seconds");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0].labels["certificate"], "server.crt");
    // Without a date of their own, certificates of the tests end on 4096-01-01.
    assert_eq!(ends[0].value, 67_090_118_400.0);
}

#[test]
fn a_broken_new_certificate_keeps_the_old_one_and_says_so() {
    let secure = Secure::start("", "");
    let before = secure.connect().shown();
    let good = secure.authority.issue(&[NAME]);
    let successful = || secure.gateway.metrics().sum("vergate_config_last_reload_successful", &[]);
    // The key that lies there already, below another certificate: at no moment do the two files belong together.
    let mismatched = Pair { cert: secure.authority.issue(&[NAME]).cert, key: good.key.clone() };
    for (broken, reason) in [
        (Pair { cert: "not PEM".to_owned(), key: good.key.clone() }, "it holds no certificate in PEM form"),
        (mismatched, "the private key does not belong to the certificate"),
    ] {
        broken.write(secure.gateway.dir(), "server");
        eventually("/readyz tells it, with its place", || {
            let ready = secure.gateway.admin_get("/readyz").json();
            let why = ready["degraded"][0]["why"].as_str()?;
            (why.contains("gateway.yaml:2:") && why.contains(reason)).then_some(())
        });
        assert_eq!(successful(), 0.0);
        assert_eq!(secure.connect().shown(), before);
        eventually("the log tells it", || secure.gateway.stderr().contains(reason).then_some(()));
    }
    good.write(secure.gateway.dir(), "server");
    eventually("the good one is used", || (secure.connect().shown() != before).then_some(()));
    eventually("all is well", || (secure.gateway.admin_get("/readyz").json()["status"] == "ready").then_some(()));
    assert_eq!(successful(), 1.0);
}

#[test]
fn client_certificates_are_verified() {
    let (theirs, strangers) = (Authority::new(), Authority::new());
    let (known, unknown) = (theirs.issue(&["caller"]), strangers.issue(&["caller"]));
    for (mode, without) in [("required", false), ("optional", true)] {
        let dir = TempDir::new();
        dir.write("clients.pem", &theirs.pem());
        let keys = format!(", client_ca: clients.pem, client_certificates: {mode}");
        let secure = Secure::start_in(dir, Authority::new(), &keys, "");
        let served = |own: Option<&Pair>, version| {
            let config = forgetful(secure.authority.client_with(own, &[version]));
            let client = TlsClient::connect(secure.gateway.addr(), NAME, &config);
            // TLS 1.3: the client learns of its refusal when it reads.
            client.and_then(|mut client| client.call(GET, b"")).is_ok_and(|answer| answer.status == 200)
        };
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            assert!(served(Some(&known), version), "{mode} {version:?}");
            assert!(!served(Some(&unknown), version), "{mode} {version:?}");
            assert_eq!(served(None, version), without, "{mode} {version:?}");
        }
        eventually("they are counted", || (secure.counted("client_certificate_invalid", "none") == 2.0).then_some(()));
        // Upstreams learn who it was, and from nobody else (RFC 9440).
        let mut client = TlsClient::connect(
            secure.gateway.addr(),
            NAME,
            &forgetful(secure.authority.client_with(Some(&known), rustls::ALL_VERSIONS)),
        )
        .unwrap();
        let claims = ["Client-Cert", "Client-Cert-Chain", "client_cert", "Client-Cert_Chain", "client_cert-chain"];
        let claims = claims.map(|name| format!("{name}: :MTIz:\r\n")).concat();
        client.call(&format!("{GET}{claims}"), b"").unwrap();
        assert!(!secure.up.last().head.raw.contains(":MTIz:"), "{}", secure.up.last().head.raw);
        let told = secure.up.last().header("Client-Cert").expect("Client-Cert");
        let der: String = known.cert.lines().filter(|line| !line.starts_with('-')).collect();
        assert_eq!((told, secure.up.last().header("Client-Cert-Chain")), (format!(":{der}:"), None));
        // A client may hear of its refusal before it is counted.
        let missing = if without { 0.0 } else { 2.0 };
        eventually("those without are counted", || {
            (secure.counted("client_certificate_missing", "none") == missing).then_some(())
        });
    }
}

#[test]
fn tickets_resume_sessions_and_outlive_reloads_that_do_not_concern_them() {
    let secure = Secure::start("", "");
    for (versions, name) in [(&[&rustls::version::TLS12], "1.2"), (&[&rustls::version::TLS13], "1.3")] {
        let config = Arc::new(secure.authority.client_with(None, versions));
        let kind = || {
            let mut client = TlsClient::connect(secure.gateway.addr(), NAME, &config).unwrap();
            assert_eq!(client.call(GET, b"").unwrap().status, 200);
            client.session().handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        secure.gateway.reload(&yaml(&secure.up, "", "timeouts: {keep_alive: 20s}"));
        assert_eq!(kind(), Some(HandshakeKind::Resumed), "{name}: the listener has not changed");
        assert_eq!(secure.counted("resumed", name), 2.0);
        // Whoever is asked for a certificate from now on cannot come in with a ticket of before.
        secure.gateway.dir().write("clients.pem", &Authority::new().pem());
        secure.gateway.reload(&yaml(&secure.up, ", client_ca: clients.pem", ""));
        let refused = TlsClient::connect(secure.gateway.addr(), NAME, &config).and_then(|mut c| c.call(GET, b""));
        assert!(refused.is_err(), "{name}");
        secure.gateway.reload(&yaml(&secure.up, "", ""));
    }
}

#[test]
fn old_versions_are_refused() {
    let secure = Secure::start("", "");
    let to = secure.gateway.addr().to_string();
    let s_client = |option: &str| {
        let line = format!("openssl s_client -connect {to} -cipher ALL:@SECLEVEL=0 {option} </dev/null 2>&1");
        String::from_utf8_lossy(&tools::shell(&line).stdout).into_owned()
    };
    assert!(s_client("-tls1_2").contains("Protocol  : TLSv1.2"), "{}", s_client("-tls1_2"));
    for old in ["-tls1", "-tls1_1"] {
        let said = s_client(old);
        assert!(said.contains("Cipher is (NONE)"), "{said}");
    }
    let secure = Secure::start(", min_version: \"1.3\"", "");
    let connect = |version| {
        let config = forgetful(secure.authority.client_with(None, &[version]));
        TlsClient::connect(secure.gateway.addr(), NAME, &config)
    };
    assert!(connect(&rustls::version::TLS12).is_err());
    assert_eq!(connect(&rustls::version::TLS13).unwrap().call(GET, b"").unwrap().status, 200);
}

#[test]
fn a_handshake_that_does_not_come_is_closed_in_time_and_delays_nobody() {
    let secure = Secure::start("", "timeouts: {request_header: 6s}");
    let silent: Vec<TcpStream> = (0..40)
        .map(|n| {
            let mut stream = TcpStream::connect(secure.gateway.addr()).unwrap();
            // Half of them begin a record and leave it at that.
            if n % 2 == 0 {
                stream.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
            }
            stream
        })
        .collect();
    assert_eq!(secure.connect().call(GET, b"").unwrap().status, 200);
    // The handshake and the first head share the time of one head.
    let connected = Instant::now();
    let late = TcpStream::connect(secure.gateway.addr()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let mut late = TlsClient::over(late, NAME, &secure.config()).unwrap();
    assert_eq!(late.read_to_close().unwrap(), b"");
    let took = connected.elapsed();
    assert!((5_800..8_800).contains(&took.as_millis()), "{took:?}");
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
    }
    eventually("they are counted", || (secure.counted("timeout", "none") == 40.0).then_some(()));
}

#[test]
fn bytes_that_are_no_tls_end_the_connection_and_nothing_else() {
    let secure = Secure::start("", "");
    for bytes in
        [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", b"\0\0\0\0\0\0"]
    {
        let mut stream = TcpStream::connect(secure.gateway.addr()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP"), "{}", rest.escape_ascii());
    }
    eventually("they are counted", || (secure.counted("malformed", "none") == 3.0).then_some(()));
    assert_eq!(secure.connect().call(GET, b"").unwrap().status, 200);
    assert_eq!(secure.up.requests().len(), 1);
}

#[test]
fn a_drain_waits_for_no_handshake() {
    let mut secure = Secure::start("", "timeouts: {request_header: 20s, drain: 20s, drain_idle: 200ms}");
    let mut idle = secure.connect();
    assert_eq!(idle.call(GET, b"").unwrap().status, 200);
    let _silent = TcpStream::connect(secure.gateway.addr()).unwrap();
    // Accepted, not only queued: whoever connected later has been served.
    assert_eq!(secure.connect().call(GET, b"").unwrap().status, 200);
    let began = Instant::now();
    secure.gateway.signal(rustix::process::Signal::TERM);
    assert_eq!(idle.read_to_close().unwrap(), b"");
    assert!(secure.gateway.wait().success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn listeners_with_and_without_tls_stand_side_by_side() {
    let up = Upstream::named("main");
    let (dir, authority) = (TempDir::new(), Authority::new());
    authority.issue(&[NAME]).write(&dir, "server");
    let listeners =
        "listen: ['127.0.0.1:0', {address: '127.0.0.1:0', tls: {cert: server.crt, key: server.key}}]\n".to_owned();
    let gateway = Gateway::start_in(dir, &(listeners + &plain(&up.url())), |_| {});
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(up.last().header("X-Forwarded-Proto").as_deref(), Some("http"));
    let mut client = TlsClient::connect(gateway.listeners[1], NAME, &forgetful(authority.client())).unwrap();
    assert_eq!(client.call(GET, b"").unwrap().status, 200);
    assert_eq!(up.last().header("X-Forwarded-Proto").as_deref(), Some("https"));
}

#[test]
fn curl_and_h2load_speak_http_2_over_tls() {
    let secure = Secure::start("", "");
    let ca = secure.gateway.dir().write("ca.pem", &secure.authority.pem());
    let (ca, port) = (ca.display(), secure.gateway.addr().port());
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let line = format!(
            "curl -sS {option} --cacert {ca} --resolve {NAME}:{port}:127.0.0.1 -w ' %{{http_version}}' https://{NAME}:{port}/items"
        );
        let said = tools::shell(&line);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(text, format!("main {version}"), "{}", String::from_utf8_lossy(&said.stderr));
    }
    assert_eq!(secure.up.last().header("X-Forwarded-Proto").as_deref(), Some("https"));
    let load = tools::run("h2load", &["-n", "400", "-c", "4", "-m", "10", &format!("https://127.0.0.1:{port}/items")]);
    let said = String::from_utf8_lossy(&load.stdout).into_owned();
    assert!(said.contains("Application protocol: h2"), "{said}");
    assert!(said.contains("400 succeeded, 0 failed"), "{said}");
}
