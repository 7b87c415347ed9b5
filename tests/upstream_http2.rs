use crate::support::{
    Client, Gateway, TempDir, eventually, fill,
    http2::{Call, Http2Upstream, call, read},
    tls_upstream::{Authority, Front, TlsFront},
    tools::{Running, free_port, wait_listening},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// One worker, one API on the server `<url>` that speaks `<protocol>`.
const CONFIG: &str = r#"
workers: 1
upstreams: {main: {servers: ["<url>"], protocol: <protocol>, tls: <tls>, timeouts: {response: 20s}}}
versioning: {resolve: [{header: X-API-Version}]}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#;

fn h2c(upstream: &Http2Upstream) -> Gateway {
    Gateway::start(&fill(CONFIG, &[("url", &upstream.url()), ("protocol", "h2c"), ("tls", "")]))
}

/// As `h2c`, for a server that does not answer.
fn impatient(upstream: &Http2Upstream) -> Gateway {
    let config = CONFIG.replace("response: 20s", "response: 2s");
    Gateway::start(&fill(&config, &[("url", &upstream.url()), ("protocol", "h2c"), ("tls", "")]))
}

fn echo() -> Http2Upstream {
    Http2Upstream::new(async |mut call: Call| {
        let body = call.body().await;
        call.reply(200, body);
    })
}

#[test]
fn requests_share_a_connection_and_get_their_own_answers() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        let path = call.request.uri().path().to_owned();
        // Later requests are answered first.
        tokio::time::sleep(Duration::from_millis(200 - 10 * (call.nth as u64).min(20))).await;
        call.reply(200, path);
    });
    let gateway = h2c(&upstream);
    assert_eq!(gateway.get("/first", &[]).text(), "/first");
    std::thread::scope(|scope| {
        for n in 0..20 {
            let gateway = &gateway;
            scope.spawn(move || assert_eq!(gateway.get(&format!("/items/{n}"), &[]).text(), format!("/items/{n}")));
        }
    });
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_burst_opens_one_connection() {
    let upstream = echo();
    let gateway = h2c(&upstream);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(gateway.get("/", &[]).status, 200));
        }
    });
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn the_backend_sees_one_host_and_what_the_gateway_says() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        let fields = call.request.headers();
        let told = ["via", "x-api-version", "x-forwarded-proto", "x-a", "te", "connection", "host", "upgrade"];
        let told = told
            .map(|name| fields.get(name).map_or("-".into(), |v| String::from_utf8_lossy(v.as_bytes()).into_owned()));
        let id = fields.get_all("x-request-id").iter().count();
        let target = call.request.uri().to_string();
        call.reply(200, format!("{target} {told:?} {id}"));
    });
    let gateway = h2c(&upstream);
    let fields = ["Host: shop.example", "X-A: b", "TE: trailers", "Connection: TE, upgrade", "Upgrade: websocket"];
    let answer = gateway.get("/items?x=1", &fields);
    let expected = r#"http://shop.example/items?x=1 ["1.1 vergate", "1.0", "http", "b", "trailers", "-", "-", "-"] 1"#;
    assert_eq!(answer.text(), expected);
}

#[test]
fn large_bodies_pass_both_ways_within_the_windows() {
    const LENGTH: usize = 3 << 20;
    let upstream = echo();
    let gateway = h2c(&upstream);
    let body: Vec<u8> = (0..LENGTH as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    for _ in 0..2 {
        assert!(gateway.call("POST", "/items", &[], &body).body == body);
    }
    // Without a length as well.
    let mut client = gateway.client();
    client.write("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write("3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.read().text(), "abc");
    let head = gateway.call("HEAD", "/items", &[], "");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn h2_is_agreed_on_in_tls_or_not_spoken() {
    let authority = Authority::new();
    let upstream = echo();
    let identity = authority.issue(&["localhost"]);
    let start = |front: &TlsFront| {
        let dir = TempDir::new();
        dir.write("ca.pem", &authority.pem());
        let url = front.url("localhost");
        Gateway::start_in(dir, &fill(CONFIG, &[("url", &url), ("protocol", "h2"), ("tls", "{ca: ca.pem}")]), |_| {})
    };
    let front = Front { alpn: vec!["http/1.1", "h2"], ..Front::default() };
    let front = TlsFront::start(upstream.addr, &identity, front);
    let gateway = start(&front);
    assert_eq!(gateway.call("POST", "/", &[], "over tls").text(), "over tls");
    assert_eq!(front.greetings()[0].alpn.as_deref(), Some("h2"));
    for alpn in [vec!["http/1.1"], vec![]] {
        let old = TlsFront::start(upstream.addr, &identity, Front { alpn, ..Front::default() });
        start(&old).get("/", &[]).problem(502, "upstream_unreachable");
    }
}

/// A request for a gRPC method.
fn grpc(fields: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::post("http://shop.example/Shop/Get").body(()).unwrap();
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")].iter().chain(fields) {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    request
}

fn status(code: &'static str) -> HeaderMap {
    [(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))].into_iter().collect()
}

#[test]
fn a_grpc_call_gets_its_trailers() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        assert_eq!(call.request.headers()["te"], "trailers");
        let body = call.body().await;
        let answer = http::Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut stream = call.respond.send_response(answer, false).unwrap();
        stream.send_data(body.into(), false).unwrap();
        stream.send_trailers(status("0")).unwrap();
    });
    let gateway = h2c(&upstream);
    call(gateway.addr(), async |mut sender| {
        let (response, mut stream) = sender.send_request(grpc(&[]), false).unwrap();
        stream.send_data(Bytes::from_static(b"\0\0\0\0\x02hi"), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"application/grpc".parse().unwrap())
        );
        let (body, trailers) = read(&mut response.into_body()).await;
        assert_eq!((&body[..], &trailers.unwrap()["grpc-status"]), (&b"\0\0\0\0\x02hi"[..], &"0".parse().unwrap()));
    });
}

#[test]
fn a_grpc_error_without_messages_is_passed_on() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        let answer = http::Response::builder().header("grpc-status", "5").header("grpc-message", "none").body(());
        call.respond.send_response(answer.unwrap(), true).unwrap();
    });
    let gateway = h2c(&upstream);
    call(gateway.addr(), async |mut sender| {
        let (response, mut stream) = sender.send_request(grpc(&[]), false).unwrap();
        stream.send_data(Bytes::new(), true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(
            (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
            (&"5".parse().unwrap(), &"none".parse().unwrap())
        );
    });
}

#[test]
fn a_grpc_stream_flows_both_ways_at_once_and_may_pause() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        let mut stream = call.respond.send_response(http::Response::new(()), false).unwrap();
        let body = call.request.body_mut();
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            stream.send_data(data, false).unwrap();
        }
        stream.send_trailers(status("0")).unwrap();
    });
    // Every pause below is longer than other requests may make.
    let config = fill(CONFIG, &[("url", &upstream.url()), ("protocol", "h2c"), ("tls", "")]);
    let gateway =
        Gateway::start(&format!("timeouts: {{request_body: 200ms, response_idle: 200ms, request: 500ms}}\n{config}"));
    call(gateway.addr(), async |mut sender| {
        let (response, mut stream) = sender.send_request(grpc(&[]), false).unwrap();
        let mut response = response.await.unwrap().into_body();
        for n in 0..3u8 {
            stream.send_data(Bytes::copy_from_slice(&[n]), false).unwrap();
            assert_eq!(response.data().await.unwrap().unwrap()[..], [n]);
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        stream.send_data(Bytes::new(), true).unwrap();
        let (rest, trailers) = read(&mut response).await;
        assert_eq!((rest.len(), &trailers.unwrap()["grpc-status"]), (0, &"0".parse().unwrap()));
    });
}

#[test]
fn a_grpc_timeout_is_how_long_the_call_may_take() {
    let upstream = Http2Upstream::new(async |_call: Call| std::future::pending().await);
    let gateway = h2c(&upstream);
    call(gateway.addr(), async |mut sender| {
        let begun = std::time::Instant::now();
        let (response, mut stream) = sender.send_request(grpc(&[("grpc-timeout", "300m")]), false).unwrap();
        stream.send_data(Bytes::new(), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 504);
        assert!(begun.elapsed() < Duration::from_secs(15), "the upstream's own timeout is 20s");
    });
}

#[test]
fn a_server_that_says_goaway_loses_no_request() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        if call.nth % 3 == 2 {
            call.leave.notify_one();
        }
        let body = call.body().await;
        call.reply(200, body);
    });
    let gateway = h2c(&upstream);
    for n in 0..12 {
        let body = format!("post {n}");
        assert_eq!(gateway.call("POST", "/items", &[], &body).text(), body);
    }
    assert!(upstream.connections() >= 4, "{}", upstream.connections());
}

#[test]
fn a_refused_stream_is_sent_again_even_a_post() {
    let upstream = Http2Upstream::new(async |mut call: Call| match call.nth {
        1 => call.respond.send_reset(h2::Reason::REFUSED_STREAM),
        _ => call.reply(200, "taken"),
    });
    let gateway = h2c(&upstream);
    assert_eq!(gateway.get("/", &[]).text(), "taken");
    assert_eq!(gateway.call("POST", "/items", &[], "").text(), "taken");
    // Any other reset may have had an effect.
    let broken = Http2Upstream::new(async |mut call: Call| call.respond.send_reset(h2::Reason::INTERNAL_ERROR));
    let gateway = h2c(&broken);
    gateway.call("POST", "/items", &[], "").problem(502, "upstream_reset");
    assert_eq!(gateway.metrics().sum("vergate_upstream_http2_resets_total", &[]), 1.0);
}

#[test]
fn an_answer_cut_short_is_not_passed_off_as_complete() {
    for reason in [h2::Reason::CANCEL, h2::Reason::INTERNAL_ERROR, h2::Reason::NO_ERROR] {
        let upstream = Http2Upstream::new(move |mut call: Call| async move {
            let mut stream = call.respond.send_response(http::Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"half of it"), false).unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            stream.send_reset(reason);
        });
        let gateway = h2c(&upstream);
        let mut client = gateway.client();
        client.write("GET /items HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        let bytes = client.read_to_close();
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "{reason:?}: {}", String::from_utf8_lossy(&bytes));
        assert_eq!(gateway.metrics().sum("vergate_upstream_http2_resets_total", &[]), 1.0, "{reason:?}");
    }
}

#[test]
fn an_early_answer_is_whole_though_the_request_was_not_read() {
    let upstream = Http2Upstream::new(async |mut call: Call| {
        call.reply(413, "too much");
        // A reset overtakes what has not left yet.
        tokio::time::sleep(Duration::from_millis(100)).await;
        call.respond.send_reset(h2::Reason::NO_ERROR);
    });
    let gateway = h2c(&upstream);
    let answer = gateway.call("POST", "/items", &[], vec![b'x'; 200_000]);
    assert_eq!((answer.status, answer.text().as_str()), (413, "too much"));
}

#[test]
fn interim_answers_are_counted_and_do_not_put_the_answer_off() {
    let interims = |count: usize, answer: bool| {
        Http2Upstream::new(move |mut call: Call| async move {
            for _ in 0..count {
                let hints = http::Response::builder().status(103).header("link", "</a.css>").body(()).unwrap();
                call.respond.send_informational(hints).unwrap();
            }
            if answer {
                call.reply(200, "final");
            } else {
                std::future::pending().await
            }
        })
    };
    assert_eq!(h2c(&interims(5, true)).get("/", &[]).text(), "final");
    h2c(&interims(33, true)).get("/", &[]).problem(502, "upstream_invalid_response");
    impatient(&interims(3, false)).get("/", &[]).problem(504, "upstream_timeout");
}

#[test]
fn a_connection_that_does_not_answer_gets_no_further_requests() {
    let upstream = Http2Upstream::new(async |mut call: Call| match call.nth {
        0 => std::future::pending().await,
        _ => call.reply(200, "fine"),
    });
    let gateway = impatient(&upstream);
    gateway.call("POST", "/", &[], "").problem(504, "upstream_timeout");
    assert_eq!(gateway.get("/", &[]).text(), "fine");
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_server_is_asked_for_its_health_over_http_2() {
    let well = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&well);
    let upstream = Http2Upstream::new(move |mut call: Call| {
        let status = if call.request.uri().path() == "/up" && !now.load(SeqCst) { 503 } else { 200 };
        async move { call.reply(status, "here") }
    });
    let health = "health: {path: '/up?deep=1', interval: 50ms, timeout: 10s, healthy_after: 1, unhealthy_after: 2}";
    let yaml = CONFIG.replace("protocol: <protocol>", &format!("protocol: h2c, {health}"));
    let gateway = Gateway::start(&fill(&yaml, &[("url", &upstream.url()), ("tls", "")]));
    let healthy = |wanted: f64| {
        eventually(&format!("healthy is {wanted}"), || {
            (gateway.metrics().sum("vergate_upstream_healthy", &[]) == wanted).then_some(())
        });
    };
    let checked = |n: f64| {
        let before = gateway.metrics().sum("vergate_upstream_health_checks_total", &[]);
        eventually("more checks", || {
            (gateway.metrics().sum("vergate_upstream_health_checks_total", &[]) >= before + n).then_some(())
        });
    };
    checked(3.0);
    assert_eq!(gateway.metrics().sum("vergate_upstream_health_check_failures_total", &[]), 0.0);
    assert_eq!(gateway.get("/items", &[]).text(), "here");
    well.store(false, SeqCst);
    healthy(0.0);
    gateway.get("/items", &[]).problem(503, "upstream_unavailable");
    well.store(true, SeqCst);
    healthy(1.0);
    assert_eq!(gateway.get("/items", &[]).text(), "here");
}

#[test]
fn connections_are_bounded_and_what_they_cannot_carry_waits() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let upstream = Http2Upstream::new(move |mut call: Call| {
        let gate = Arc::clone(&gate);
        async move {
            while !gate.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            call.reply(200, "ok");
        }
    });
    let yaml = CONFIG.replace("protocol: <protocol>", "protocol: h2c, max_connections: 1, queue: {timeout: 20s}");
    let gateway = Gateway::start(&fill(&yaml, &[("url", &upstream.url()), ("tls", "")]));
    let mut clients: Vec<_> = (0..105).map(|_| gateway.client()).collect();
    for client in &mut clients {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    eventually("five wait", || (gateway.metrics().sum("vergate_upstream_queue_length", &[]) == 5.0).then_some(()));
    open.store(true, SeqCst);
    for client in &mut clients {
        assert_eq!(client.read().status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_server_that_does_not_speak_http_2_is_502() {
    let old = crate::support::Upstream::named("old");
    let config = fill(CONFIG, &[("url", &old.url()), ("protocol", "h2c"), ("tls", "")]);
    let answer = Gateway::start(&config).get("/", &[]);
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn nginx_serves_files_over_http_2() {
    let dir = TempDir::new();
    let block: Vec<u8> = (0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for size in [0, 1, 65_535, 65_537, 1 << 20] {
        std::fs::write(dir.path(&format!("f{size}")), &block[..size]).unwrap();
    }
    let (port, root) = (free_port(), dir.path("").display().to_string());
    let conf = fill(
        "daemon off; master_process off; pid <root>/nginx.pid; error_log <root>/error.log;\n\
         events { worker_connections 256; }\n\
         http { access_log off; client_body_temp_path <root>/t1; proxy_temp_path <root>/t2; fastcgi_temp_path <root>/t3;\n\
           uwsgi_temp_path <root>/t4; scgi_temp_path <root>/t5; http2_max_requests 4;\n\
           server { listen 127.0.0.1:<port> http2; root <root>; } }\n",
        &[("root", &root), ("port", &port.to_string())],
    );
    let conf = dir.write("nginx.conf", &conf);
    let _nginx = Running::start("nginx", &["-c", conf.to_str().unwrap(), "-p", &root]);
    wait_listening(port);
    let url = format!("http://127.0.0.1:{port}");
    let gateway = Gateway::start(&fill(CONFIG, &[("url", &url), ("protocol", "h2c"), ("tls", "")]));
    let mut client: Client = gateway.client();
    // nginx ends each connection after four requests: none is lost over it.
    for _ in 0..3 {
        for size in [0, 1, 65_535, 65_537, 1 << 20] {
            client.write(format!("GET /f{size} HTTP/1.1\r\nHost: files.example\r\n\r\n"));
            let answer = client.read();
            assert!(answer.status == 200 && answer.body == block[..size], "{size}: {}", answer.status);
        }
    }
    assert_eq!(gateway.get("/missing", &[]).status, 404);
}
