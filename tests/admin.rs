use crate::support::{Gateway, TempDir, Upstream, fill, gateway, plain, vergate};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn open() -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    (Gateway::start(&plain(&up.url())), up)
}

fn guarded(more: &str) -> (Gateway, Upstream) {
    let up = Upstream::named("main");
    (Gateway::start(&format!("admin: {{listen: 127.0.0.1:0, token: {TOKEN}{more}}}\n{}", plain(&up.url()))), up)
}

#[test]
fn health_and_readiness_answer_200_while_serving() {
    let (gateway, _up) = open();
    for path in ["/healthz", "/readyz"] {
        let answer = gateway.admin_get(path);
        assert_eq!(answer.status, 200, "{path}");
    }
    // They are admin's, not the data port's.
    assert_eq!(gateway.admin_get("/nothing").status, 404);
    assert_eq!(gateway.get("/healthz", &[]).text(), "main", "the data port forwards it");
}

#[test]
fn readiness_names_what_is_degraded() {
    let (gateway, _up) = open();
    gateway.rewrite("nonsense: true");
    assert_eq!(gateway.admin_call("POST", "/api/v1/reload", &[]).status, 422);
    let answer = gateway.admin_get("/readyz");
    assert_eq!(answer.status, 200, "the old file still serves");
    assert!(
        answer.text().to_ascii_lowercase().contains("reload") || answer.text().contains("config"),
        "{}",
        answer.text()
    );
}

#[test]
fn status_and_apis_are_json() {
    let (gateway, _up) = open();
    for path in ["/api/v1/status", "/api/v1/apis"] {
        let answer = gateway.admin_get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("Content-Type").unwrap().starts_with("application/json"));
        answer.json();
    }
    assert!(gateway.admin_get("/api/v1/apis").text().contains("shop"));
}

#[test]
fn versions_are_listed_ascending_with_their_lifecycle() {
    let up = Upstream::named("main");
    let yaml = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {new: <up>}
apis:
  shop:
    path: /
    versions:
      "2.10": {upstream: new}
      "2.9": {upstream: new}
      "1.0": {deprecated: 2020-06-01, sunset: 2098-06-01}
      "3.0": {status: beta, upstream: new}
      "0.9": {deprecated: 2020-06-01, sunset: 2021-06-01, upstream: new}
    changes: [{change: none, from: "1.0", to: "2.9", operations: []}]
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    let answer = gateway.admin_get("/api/v1/apis/shop/versions").json();
    let list = answer.as_array().or_else(|| answer["versions"].as_array()).expect("a list").clone();
    let names: Vec<_> = list.iter().map(|v| v["version"].as_str().unwrap()).collect();
    assert_eq!(names, ["0.9", "1.0", "2.9", "2.10", "3.0"]);
    let of = |name: &str| list.iter().find(|v| v["version"] == name).unwrap();
    assert_eq!(of("1.0")["status"], "deprecated");
    assert_eq!(of("1.0")["phase"], "announcement");
    assert!(of("1.0")["deprecated"].as_str().unwrap().starts_with("2020-06-01"));
    assert!(of("1.0")["sunset"].as_str().unwrap().starts_with("2098-06-01"));
    assert_eq!(of("1.0")["served_through"], "2.9");
    assert_eq!(of("0.9")["status"], "sunset");
    assert_eq!(of("0.9")["phase"], "sunset");
    assert_eq!(of("2.10")["default"], true);
    assert_eq!(of("2.9")["default"], false);
    assert_eq!(of("2.10")["upstream"], "new");
    assert_eq!(of("2.10")["status"], "stable");
    assert!(of("2.10")["sunset"].is_null());
    assert_eq!(of("3.0")["status"], "beta");
    assert_eq!(gateway.admin_get("/api/v1/apis/nope/versions").status, 404);
}

#[test]
fn a_reload_of_a_bad_file_is_422_with_the_list_of_check() {
    let (gateway, up) = open();
    gateway.rewrite(&plain(&up.url()).replace("upstream: main", "upstream: elsewhere"));
    let answer = gateway.admin_call("POST", "/api/v1/reload", &[]);
    let problem = answer.problem(422, "config_invalid");
    assert!(problem.to_string().contains("elsewhere"), "{problem}");
    assert_eq!(gateway.admin_call("GET", "/api/v1/reload", &[]).status, 405);
}

#[test]
fn a_token_is_asked_for_and_compared_whole() {
    let (gateway, _up) = guarded("");
    for path in ["/api/v1/status", "/api/v1/apis", "/metrics"] {
        for fields in [
            &[][..],
            &["Authorization: Bearer wrong"],
            &["Authorization: Bearer 0123456789abcdef0123456789abcdeF"],
            &["Authorization: Bearer 0123456789abcdef0123456789abcde"],
            &["Authorization: Bearer 0123456789abcdef0123456789abcdef0"],
            &["Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="],
            &["Authorization: 0123456789abcdef0123456789abcdef"],
        ] {
            gateway.admin_call("GET", path, fields).problem(401, "unauthorized");
        }
        let bearer = format!("Authorization: Bearer {TOKEN}");
        assert_eq!(gateway.admin_call("GET", path, &[&bearer]).status, 200, "{path}");
        assert_eq!(gateway.admin_call("GET", &format!("{path}?token={TOKEN}"), &[]).status, 401, "{path}");
    }
    gateway.admin_call("POST", "/api/v1/reload", &[]).problem(401, "unauthorized");
}

#[test]
fn after_five_wrong_tokens_a_source_has_to_wait() {
    let (gateway, _up) = guarded("");
    let right = format!("Authorization: Bearer {TOKEN}");
    for n in 0..5 {
        gateway.admin_call("GET", "/metrics", &[&format!("Authorization: Bearer {n}")]).problem(401, "unauthorized");
    }
    for field in ["Authorization: Bearer 5", &right] {
        let answer = gateway.admin_call("GET", "/api/v1/status", &[field]);
        answer.problem(429, "rate_limited");
        let wait: u64 = answer.header("Retry-After").expect("Retry-After").parse().expect("seconds");
        assert!((1..=12).contains(&wait), "{wait}");
    }
    assert_eq!(gateway.admin_get("/healthz").status, 200, "health needs no token");
    // A request without a token is no try.
    let (gateway, _up) = guarded(", failed_logins_per_minute: 1");
    for _ in 0..10 {
        gateway.admin_get("/metrics").problem(401, "unauthorized");
    }
    assert_eq!(gateway.admin_call("GET", "/metrics", &[&right]).status, 200);
}

#[test]
fn a_source_that_asks_too_often_is_429_and_health_is_not_counted() {
    let up = Upstream::named("main");
    let settings = "admin: {listen: 127.0.0.1:0, requests_per_second: 5}";
    let gateway = Gateway::start(&format!("{settings}\n{}", plain(&up.url())));
    let answers: Vec<_> = (0..200).map(|_| gateway.admin_get("/api/v1/status")).collect();
    assert!(answers[..15].iter().all(|answer| answer.status == 200), "three seconds' worth at once");
    let refused = answers.iter().find(|answer| answer.status != 200).expect("200 at once are too many");
    refused.problem(429, "rate_limited");
    assert_eq!(refused.header("Retry-After").as_deref(), Some("1"));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(gateway.admin_get(path).status, 200, "{path}");
    }
}

#[test]
fn a_body_over_1_mib_is_413() {
    let (gateway, _up) = open();
    let ask = |length: usize, body: &[u8]| {
        let head = format!("POST /api/v1/reload HTTP/1.1\r\nContent-Length: {length}\r\n");
        gateway::exchange(gateway.admin, &head, body)
    };
    assert_eq!(ask(1 << 20, &vec![b'x'; 1 << 20]).status, 200);
    // Refused by its announced length, before any of it is sent.
    ask((1 << 20) + 1, b"").problem(413, "body_too_large");
}

#[test]
fn the_health_paths_stay_free_of_the_token_and_show_no_detail() {
    let (gateway, _up) = guarded("");
    gateway.rewrite("nonsense: true");
    gateway.admin_call("POST", "/api/v1/reload", &[&format!("Authorization: Bearer {TOKEN}")]);
    for path in ["/healthz", "/readyz"] {
        let answer = gateway.admin_get(path);
        assert_eq!(answer.status, 200, "{path}");
        for word in ["nonsense", "gateway.yaml", "main", "shop"] {
            assert!(!answer.text().contains(word), "{path} shows {word}: {}", answer.text());
        }
    }
}

#[test]
fn a_foreign_host_is_refused_on_api_paths() {
    let (gateway, _up) = guarded(", hosts: [admin.example]");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let port = gateway.admin.port();
    let status = |host: &str| gateway.admin_call("GET", "/api/v1/status", &[&format!("Host: {host}"), &bearer]).status;
    for host in [
        &format!("127.0.0.1:{port}"),
        &format!("localhost:{port}"),
        "localhost",
        "127.0.0.1",
        "[::1]",
        "admin.example",
        &format!("admin.example:{port}"),
    ] {
        assert_eq!(status(host), 200, "{host}");
    }
    for host in
        ["evil.example", "evil.example:9901", "localhost.evil.example", "127.0.0.1.evil.example", "x.admin.example"]
    {
        gateway.admin_call("GET", "/api/v1/status", &[&format!("Host: {host}"), &bearer]).problem(403, "forbidden");
        gateway.admin_call("POST", "/api/v1/reload", &[&format!("Host: {host}"), &bearer]).problem(403, "forbidden");
    }
}

#[test]
fn a_foreign_origin_is_refused_so_that_no_web_page_can_drive_it() {
    let (gateway, _up) = open();
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let field = format!("Origin: {origin}");
        gateway.admin_call("POST", "/api/v1/reload", &[&field]).problem(403, "forbidden");
        gateway.admin_call("GET", "/api/v1/status", &[&field]).problem(403, "forbidden");
    }
    let own = format!("Origin: http://{}", gateway.admin);
    assert_eq!(gateway.admin_call("GET", "/api/v1/status", &[&own]).status, 200);
}

#[test]
fn tokens_are_never_printed() {
    let (gateway, _up) = guarded("");
    gateway.admin_call("GET", "/api/v1/status", &[&format!("Authorization: Bearer {TOKEN}")]);
    let status = gateway.admin_call("GET", "/api/v1/status", &[&format!("Authorization: Bearer {TOKEN}")]);
    assert!(!status.text().contains(TOKEN));
    assert!(!gateway.stderr().contains(TOKEN) && !gateway.stdout().join("").contains(TOKEN));
    let dir = TempDir::new();
    dir.write(
        "gateway.yaml",
        &gateway::with_ports(&format!(
            "admin: {{listen: 127.0.0.1:0, token: {TOKEN}, nope: 1}}\n{}",
            plain("http://127.0.0.1:1")
        )),
    );
    let (code, out, err) = vergate(&dir, &["check"]);
    assert_eq!(code, 1);
    assert!(!out.contains(TOKEN) && !err.contains(TOKEN), "{out}{err}");
}

#[test]
fn another_address_than_loopback_needs_a_token() {
    let dir = TempDir::new();
    let file = |admin: &str| format!("listen: 127.0.0.1:0\nadmin: {admin}\n{}", plain("http://127.0.0.1:1"));
    dir.write("gateway.yaml", &file("{listen: 0.0.0.0:0}"));
    let (code, out, _) = vergate(&dir, &["check"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("token"), "{out}");
    let (code, _, err) = vergate(&dir, &["run"]);
    assert_eq!(code, 1, "{err}");
    dir.write("gateway.yaml", &file(&format!("{{listen: 0.0.0.0:0, token: {TOKEN}}}")));
    assert_eq!(vergate(&dir, &["check"]).0, 0);
    dir.write("gateway.yaml", &file("{listen: 0.0.0.0:0, token: too-short}"));
    let (code, out, _) = vergate(&dir, &["check"]);
    assert!(code == 1 && out.contains("less than 32"), "{out}");
    dir.write("gateway.yaml", &file("{listen: 0.0.0.0:0, token: '${NO_SUCH_TOKEN_IS_SET:-}'}"));
    assert_eq!(vergate(&dir, &["check"]).0, 1, "an empty token is none");
}

#[test]
fn hostile_bytes_do_not_take_the_admin_port_down() {
    let (gateway, _up) = open();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0",
        b"POST /api/v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let mut client = crate::support::Client::connect(gateway.admin);
        let _ = client.try_write(bytes);
    }
    assert_eq!(gateway.admin_get("/healthz").status, 200);
}
