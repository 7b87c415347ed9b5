use crate::support::{Gateway, Response, Then, Upstream, plain};
use std::time::{Duration, Instant};

fn start(settings: &str, url: &str) -> Gateway {
    Gateway::start(&format!("{settings}\n{}", plain(url)))
}

/// Sends a chunked POST to /items; `rest` is all that follows its head.
fn chunked(gateway: &Gateway, fields: &str, rest: &str) -> Response {
    let mut client = gateway.client();
    let _ = client
        .try_write(format!("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{fields}\r\n{rest}"));
    client.read()
}

#[test]
fn fields_that_decide_something_cannot_be_named_in_connection() {
    let up = Upstream::named("main");
    let gateway = start("", &up.url());
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Cookie",
        "Authorization",
        "X-API-Version",
        "X-API-Version-Used",
        "X-API-Key",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "Forwarded",
        "Via",
        "traceparent",
        "X-Request-Id",
    ] {
        for line in [name.to_owned(), format!("close, {}", name.to_lowercase()), format!("x-a,{}", name.to_uppercase())]
        {
            let answer = gateway.get("/items", &[&format!("Connection: {line}"), "X-A: 1"]);
            answer.problem(400, "request_invalid");
        }
    }
    assert!(up.requests().is_empty(), "nothing of it reached the upstream");
    // A source of its own is protected as well.
    let own = plain(&up.url()).replace("X-API-Version", "X-Shop-Version");
    let gateway = Gateway::start(&own);
    gateway.get("/items", &["Connection: X-Shop-Version", "X-Shop-Version: 1.0"]).problem(400, "request_invalid");
    assert_eq!(gateway.get("/items", &["Connection: X-Other", "X-Other: 1"]).status, 200);
    assert_eq!(up.last().header("X-Other"), None);
}

#[test]
fn an_upstream_may_name_fields_away_but_not_those_that_frame_its_answer() {
    let up = Upstream::new(|a| {
        a.reply(200, &["Connection: X-Internal, Content-Length", "X-Internal: secret", "X-Public: yes"], "hello")
    });
    let gateway = start("", &up.url());
    let answer = gateway.get("/items", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.header("X-Internal"), None);
    assert_eq!(answer.header("X-Public").as_deref(), Some("yes"));
}

#[test]
fn request_trailers_are_dropped_unless_they_are_allowed_by_name() {
    let up = Upstream::named("main");
    let trailers = "X-Sum: 42\r\nX-Other: 1\r\nX-API-Version: 9\r\nHost: evil\r\n";
    let body = format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    let declared = "Trailer: X-Sum, X-Other, Host\r\n";

    let gateway = start("", &up.url());
    assert_eq!(chunked(&gateway, declared, &body).status, 200);
    let seen = up.last();
    assert_eq!((seen.text().as_str(), seen.trailers.len(), seen.header("Trailer")), ("hello", 0, None));
    assert_eq!(seen.header("X-Sum"), None, "a trailer is never merged into the head");

    let gateway = start("limits: {request_trailers: [X-Sum]}", &up.url());
    assert_eq!(chunked(&gateway, declared, &body).status, 200);
    let seen = up.last();
    assert_eq!(seen.header("Trailer").as_deref(), Some("x-sum"));
    let [(name, value)] = &seen.trailers[..] else { panic!("{:?}", seen.trailers) };
    assert!(name.eq_ignore_ascii_case("x-sum") && value == "42", "{name}: {value}");
    assert_eq!(seen.header("X-API-Version").as_deref(), Some("1.0"));
}

#[test]
fn trailers_and_chunk_extensions_over_their_limits_are_400() {
    let up = Upstream::named("main");
    let gateway = start("limits: {trailer: 64, trailer_fields: 2, chunk_extensions: 8}", &up.url());
    for (body, status) in [
        ("1\r\na\r\n0\r\nA: 1\r\nB: 2\r\n\r\n".to_owned(), 200),
        ("1\r\na\r\n0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n".to_owned(), 400),
        (format!("1\r\na\r\n0\r\nA: {}\r\n\r\n", "x".repeat(59)), 200),
        (format!("1\r\na\r\n0\r\nA: {}\r\n\r\n", "x".repeat(60)), 400),
        ("1;2345678\r\na\r\n0\r\n\r\n".to_owned(), 200),
        ("1;2345678\r\na\r\n0;\r\n\r\n".to_owned(), 400),
    ] {
        let answer = chunked(&gateway, "", &body);
        assert_eq!(answer.status, status, "{body:?}: {}", answer.text());
        if status == 400 {
            answer.problem(400, "request_invalid");
        }
    }
    assert_eq!(up.requests().len(), 3, "what was refused never arrived whole");
}

#[test]
fn the_default_limits_around_chunks_are_16_kib_8_kib_and_16_fields() {
    let up = Upstream::named("main");
    let gateway = start("", &up.url());
    let extension = |n: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(n - 1));
    let trailer = |n: usize| format!("1\r\na\r\n0\r\nA: {}\r\n\r\n", "x".repeat(n - 5));
    let fields = |n: usize| format!("1\r\na\r\n0\r\n{}\r\n", "A: 1\r\n".repeat(n));
    for (body, status) in [
        (extension(16 << 10), 200),
        (extension((16 << 10) + 1), 400),
        (trailer(8 << 10), 200),
        (trailer((8 << 10) + 1), 400),
        (fields(16), 200),
        (fields(17), 400),
    ] {
        assert_eq!(chunked(&gateway, "", &body).status, status, "{:.40}", body);
    }
}

#[test]
fn the_last_request_a_connection_may_carry_closes_it() {
    let up = Upstream::named("main");
    let gateway = start("limits: {requests_per_connection: 3}", &up.url());
    let mut client = gateway.client();
    for nth in 1..=3 {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = client.read();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Connection").as_deref(), (nth == 3).then_some("close"), "request {nth}");
    }
    assert!(client.read_to_close().is_empty());
}

#[test]
fn a_body_that_trickles_is_408_and_one_that_is_only_waited_for_is_not() {
    let up = Upstream::named("main");
    let gateway =
        start("limits: {request_body_rate: 1000}\ntimeouts: {request_body_grace: 600ms, request_body: 10s}", &up.url());
    let mut client = gateway.client();
    let started = Instant::now();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    client.stream().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    // Never a pause that is long, until the first byte of the answer is there.
    while !client.stream().peek(&mut [0]).is_ok_and(|n| n > 0) {
        assert!(started.elapsed() < Duration::from_secs(8), "it is still being read");
        let _ = client.try_write("x");
    }
    client.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.read().problem(408, "request_timeout");
    assert!(started.elapsed() >= Duration::from_millis(600), "too early: {:?}", started.elapsed());

    // An upstream that reads late is not the client's fault.
    let slow = Upstream::streaming(|a| {
        std::thread::sleep(Duration::from_millis(1500));
        let mut body = vec![0; 8 << 20];
        std::io::Read::read_exact(a.stream(), &mut body).unwrap();
        a.reply(200, &[], "")
    });
    let gateway = start(
        "limits: {request_body_rate: 1000}\ntimeouts: {request_body_grace: 600ms, request_body: 10s}",
        &slow.url(),
    );
    assert_eq!(gateway.call("POST", "/items", &[], vec![b'x'; 8 << 20]).status, 200);
}

#[test]
fn fields_and_interim_answers_of_an_upstream_are_counted() {
    let up = Upstream::new(|a| {
        let n: usize = a.request.target.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        match a.request.header("X-Kind").as_deref() {
            Some("fields") => {
                // Content-Length is one more.
                let fields: Vec<_> = (1..n).map(|i| format!("X-{i}: y")).collect();
                a.reply(200, &fields.iter().map(String::as_str).collect::<Vec<_>>(), "")
            }
            _ => {
                a.raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(n));
                a.reply(200, &[], "")
            }
        }
    });
    for (settings, fields, interims) in
        [("", 200, 32), ("limits: {response_header_fields: 250, interim_responses: 1}", 250, 1)]
    {
        let gateway = start(settings, &up.url());
        let ask = |kind: &str, n: usize| gateway.get(&format!("/items/{n}"), &[&format!("X-Kind: {kind}")]);
        assert_eq!(ask("fields", fields).status, 200);
        ask("fields", fields + 1).problem(502, "upstream_invalid_response");
        assert_eq!(ask("interims", interims).status, 200);
        ask("interims", interims + 1).problem(502, "upstream_invalid_response");
    }
}

#[test]
fn chunks_of_an_answer_are_bounded_as_well() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
        a.raw(match a.request.target.as_str() {
            "/items/extension" => format!("1;{}\r\nb\r\n0\r\n\r\n", "x".repeat(100)),
            "/items/trailer" => format!("1\r\nb\r\n0\r\nA: {}\r\n\r\n", "x".repeat(100)),
            _ => "1\r\nb\r\n0\r\nA: 1\r\n\r\n".to_owned(),
        });
        Then::Close
    });
    let gateway = start("limits: {trailer: 64, chunk_extensions: 64}", &up.url());
    assert_eq!(gateway.get("/items/fine", &["TE: trailers"]).text(), "ab");
    for target in ["/items/extension", "/items/trailer"] {
        let mut client = gateway.client();
        client.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        if let Ok(Some(answer)) = client.try_read(false) {
            assert_eq!(answer.status, 502, "{target}: passed off as whole");
        }
    }
}

#[test]
fn the_gateways_own_errors_are_not_kept_by_caches() {
    let up = Upstream::named("main");
    let gateway = start("limits: {request_target: 64}", &up.url());
    let long = format!("/items?{}", "x".repeat(100));
    for (target, fields, status) in [
        ("/items", &["X-API-Version: 9"][..], 400),
        ("/items", &["Connection: Host"], 400),
        ("/items", &["Content-Length: x"], 400),
        (long.as_str(), &[], 414),
    ] {
        let answer = gateway.get(target, fields);
        assert_eq!(answer.status, status, "{target} {fields:?}");
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"), "{target} {fields:?}");
    }
    drop(up);
    let dead = Gateway::start(&plain("http://127.0.0.1:9"));
    assert_eq!(dead.get("/items", &[]).header("Cache-Control").as_deref(), Some("no-store"));
}

#[test]
fn a_version_behind_a_semicolon_of_the_query_is_refused() {
    let up = Upstream::named("main");
    let yaml = plain(&up.url()).replace("{header: X-API-Version}", "{header: X-API-Version}, {query: version}");
    let gateway = Gateway::start(&yaml);
    gateway.get("/items?a=1;version=2", &[]).problem(400, "version_ambiguous");
    assert!(up.requests().is_empty());
    assert_eq!(gateway.get("/items?a=1;b=2&version=1.0", &[]).status, 200);
    assert_eq!(up.last().target, "/items?a=1;b=2");
}

#[test]
fn claims_about_the_caller_are_removed_in_every_spelling() {
    let up = Upstream::named("main");
    let gateway = start("", &up.url());
    let fields = ["X_Forwarded_For: 6.6.6.6", "X-Forwarded_Proto: https", "Forwarded: for=6.6.6.6"];
    assert_eq!(gateway.get("/items", &fields).status, 200);
    let seen = up.last();
    assert!(!seen.head.raw.contains("6.6.6.6") && seen.header("X-Forwarded_Proto").is_none(), "{}", seen.head.raw);
    assert_eq!(seen.header("X-Forwarded-For").as_deref(), Some("127.0.0.1"));
}

#[test]
fn names_that_backends_take_for_the_gateways_own_do_not_pass() {
    const NAMES: [&str; 10] = [
        "client_cert",
        "Client-Cert_Chain",
        "client_cert-chain",
        "X_Request_Id",
        "x-request_id",
        "Content_Length",
        "Transfer_Encoding",
        "Proxy_Authorization",
        "Proxy_Connection",
        "X_Forwarded_For",
    ];
    let up = Upstream::named("main");
    // Trusted proxies take the names themselves off what strangers send, and pass on what only looks like them.
    for settings in ["", "trusted_proxies: [127.0.0.0/8]"] {
        let gateway = start(settings, &up.url());
        let fields: Vec<String> = NAMES.iter().map(|name| format!("{name}: 6")).collect();
        let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        fields.extend(["X-Request-Id: mine", "User_Id: kept"]);
        assert_eq!(gateway.get("/items", &fields).status, 200);
        let seen = up.last();
        for name in NAMES {
            assert_eq!(seen.header(name), None, "{settings} {name}");
        }
        assert_eq!(seen.head.lines("X-Request-Id"), ["mine"]);
        assert_eq!(seen.header("User_Id").as_deref(), Some("kept"));
    }
}

#[test]
fn fields_that_name_another_path_do_not_reach_the_upstream() {
    let up = Upstream::named("main");
    let gateway = start("", &up.url());
    let fields = ["X-Original-URL: /admin", "X-Rewrite-URL: /v9/items", "X_Original_URL: /admin", "X-Original: kept"];
    assert_eq!(gateway.get("/items", &fields).status, 200);
    let seen = up.last();
    assert_eq!(seen.target, "/items");
    for name in ["X-Original-URL", "X-Rewrite-URL", "X_Original_URL"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("X-Original").as_deref(), Some("kept"));
}
