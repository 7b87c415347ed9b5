//! The admin port as its callers see it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

use super::{fixture::*, server::Patience};
use crate::{
    config::{Finding, finding::Place},
    domain::api::DefaultVersion,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn the_routes_answer_and_are_never_cached_or_sniffed() {
    let port = open(fake(None)).await;
    port.gateway.metrics.requests("query parser", "1.0", "POST /parse", 200).inc();
    for path in
        ["/healthz", "/readyz", "/metrics", "/api/v1/status", "/api/v1/apis", "/api/v1/apis/query%20parser/versions"]
    {
        let answer = port.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.field("x-request-id").map(str::len), Some(32), "{path}");
        let media_type = if path == "/metrics" { metrics_type() } else { "application/json" };
        assert_eq!(answer.field("content-type"), Some(media_type), "{path}");
        let head = port.ask("HEAD", path, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        // Metrics and uptime differ from one answer to the next.
        if path != "/metrics" {
            assert_eq!(head.field("content-length"), answer.field("content-length"), "{path}");
        }
    }
    assert!(port.get("/metrics").await.body.contains("api_requests_by_version_total{api=\"query parser\""));
}

fn metrics_type() -> &'static str {
    crate::telemetry::metrics::CONTENT_TYPE
}

#[tokio::test]
async fn what_is_not_there_is_404_and_a_wrong_method_405_with_allow() {
    let port = open(fake(None)).await;
    for path in
        ["/", "/healthz/", "/api", "/api/v1", "/api/v1/apis/none/versions", "/api/v1/apis//versions", "/api/v2/status"]
    {
        let answer = port.get(path).await;
        assert_eq!((answer.status, answer.field("content-type")), (404, Some("application/problem+json")), "{path}");
        assert_eq!((&answer.json()["code"], &answer.json()["instance"]), (&json!("not_found"), &json!(path)));
    }
    for (method, path, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/api/v1/apis", "GET, HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("HEAD", "/api/v1/reload", "POST"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
    ] {
        let answer = port.ask(method, path, &[]).await;
        assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{method} {path}");
    }
    assert_eq!(port.gateway.reloads.load(SeqCst), 0);
}

#[tokio::test]
async fn servers_are_listed_and_drained_by_name() {
    let port = open(fake(None)).await;
    let list = port.get("/api/v1/upstreams").await.json();
    let first = &list["upstreams"][1];
    assert_eq!((&first["name"], &first["balance"]), (&json!("query-parser-2.0"), &json!("least_requests")));
    assert_eq!(
        first["servers"][1],
        json!({"server": "10.0.0.1:9021", "name": null, "weight": 1, "state": "available", "requests": 0, "requests_in_flight": 0,
               "connections": 0, "connections_idle": 0, "waiting": 0, "connect_errors_in_a_row": 0, "breaker": "closed",
               "drained": false, "ejected": false, "ejections": 0, "last_check": null})
    );
    let path = |server: &str, verb: &str| format!("/api/v1/upstreams/query-parser-2.0/servers/{server}/{verb}");
    for (verb, state) in [("drain", "drained"), ("drain", "drained"), ("undrain", "available")] {
        let answer = port.ask("POST", &path("10.0.0.1%3A9021", verb), &[]).await;
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!(state)), "{verb}");
    }
    for path in
        [path("10.0.0.1:9015", "drain"), path("10.0.0.1:9021", "stop"), "/api/v1/upstreams/x/servers/y/drain".into()]
    {
        assert_eq!(port.ask("POST", &path, &[]).await.status, 404, "{path}");
    }
    let read = port.get(&path("10.0.0.1:9021", "drain")).await;
    assert_eq!((read.status, read.field("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn versions_are_listed_ascending_as_of_now() {
    let port = open(fake(None)).await;
    assert_eq!(
        port.get("/api/v1/apis/query%20parser/versions").await.json(),
        json!({"api": "query parser", "versions": [
            {"version": "1.0", "status": "deprecated", "phase": "warning", "default": false,
             "deprecated": "2026-06-01T00:00:00Z", "sunset": "2027-06-01T00:00:00Z",
             "upstream": "query-parser-1.5", "served_through": "1.5"},
            {"version": "1.5", "status": "stable", "phase": null, "default": true,
             "deprecated": null, "sunset": null, "upstream": "query-parser-1.5", "served_through": null},
            {"version": "2.0", "status": "beta", "phase": null, "default": false,
             "deprecated": null, "sunset": null, "upstream": "query-parser-2.0", "served_through": null},
        ]})
    );
    assert_eq!(
        port.get("/api/v1/apis").await.json(),
        json!({"apis": [{"name": "query parser", "hosts": [], "path": "/", "strip_path": false,
            "unlisted": "forward", "endpoints": ["POST /parse"], "default": "1.5", "versions": ["1.0", "1.5", "2.0"]}]})
    );
}

#[tokio::test]
async fn members_stand_in_the_order_of_the_contract() {
    let port = open(fake(None)).await;
    let listed = port.get("/api/v1/apis/query%20parser/versions").await.body;
    let places: Vec<_> =
        ["version", "status", "phase", "default", "deprecated", "sunset", "upstream", "served_through"]
            .iter()
            .map(|name| listed.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} is missing in {listed}")))
            .collect();
    assert!(places.is_sorted(), "{listed}");
}

#[tokio::test]
async fn the_default_is_the_one_an_unnamed_request_gets() {
    let fake = fake(None);
    let mut config = config(None);
    config.apis[0].versioning.default = DefaultVersion::Required;
    *fake.config.lock().expect("whole") = Arc::new(config);
    let port = open(fake).await;
    let listed = port.get("/api/v1/apis/query%20parser/versions").await.json();
    assert!(listed["versions"].as_array().expect("a list").iter().all(|version| version["default"] == json!(false)));
}

#[tokio::test]
async fn status_tells_what_runs() {
    let port = open(fake(None)).await;
    let status = port.get("/api/v1/status").await.json();
    assert_eq!(status["version"], json!(env!("CARGO_PKG_VERSION")));
    assert_eq!(status["uptime_seconds"], json!(24 * 3600));
    assert_eq!(status["config"], json!({"loaded_at": "2027-01-14T12:00:00Z", "files": ["gateway.yaml"]}));
    assert_eq!((&status["apis"], &status["versions"], &status["workers"]), (&json!(1), &json!(3), &json!(2)));
    assert_eq!((&status["ready"], &status["degraded"][0]["what"]), (&json!(true), &json!("config")));
    assert_eq!(status["admin"], json!(port.address.to_string()));
}

#[tokio::test]
async fn with_a_token_only_health_is_free_and_shows_no_detail() {
    let port = open(fake(Some(TOKEN))).await;
    for path in ["/metrics", "/api/v1/status", "/api/v1/apis", "/api/v1/nothing"] {
        for fields in [vec![], vec!["authorization: Bearer wrong"], vec!["authorization: Basic abc"]] {
            let answer = port.ask("GET", path, &fields).await;
            assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("unauthorized")), "{path} {fields:?}");
            assert!(answer.field("www-authenticate").is_some_and(|field| field.starts_with("Bearer")));
            assert!(!answer.body.contains(TOKEN) && !answer.body.contains("wrong"), "{answer:?}");
        }
    }
    assert_eq!(port.ask("POST", "/api/v1/reload", &[]).await.status, 401);
    assert_eq!(port.gateway.reloads.load(SeqCst), 0);
    let bearer = format!("authorization: Bearer {TOKEN}");
    assert_eq!(port.ask("GET", "/metrics", &[&bearer]).await.status, 200);
    assert_eq!(port.ask("GET", "/api/v1/nothing", &[&bearer]).await.status, 404);
    let status = port.ask("GET", "/api/v1/status", &[&bearer]).await;
    assert_eq!(status.status, 200);
    assert!(!status.body.contains(TOKEN));
    assert_eq!(port.get("/healthz").await.json(), json!({"status": "ok"}));
    assert_eq!(port.get("/readyz").await.json(), json!({"status": "degraded"}));
}

#[tokio::test]
async fn without_a_token_readyz_names_what_is_degraded() {
    let port = open(fake(None)).await;
    assert_eq!(port.get("/readyz").await.json()["degraded"][0]["what"], json!("config"));
    port.gateway.readiness.lock().expect("whole").draining = true;
    let answer = port.get("/readyz").await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("not_ready")));
    assert_eq!(port.get("/healthz").await.status, 200, "a draining process lives");
}

#[tokio::test]
async fn no_web_page_can_drive_the_api() {
    let port = open(fake(None)).await;
    let own = format!("origin: http://{}", port.address);
    assert_eq!(port.ask("POST", "/api/v1/reload", &[&own]).await.status, 200);
    for field in ["origin: https://evil.example", "origin: null", "sec-fetch-site: cross-site"] {
        let answer = port.ask("POST", "/api/v1/reload", &[field]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("forbidden")), "{field}");
    }
    let rebound = b"GET /api/v1/status HTTP/1.1\r\nhost: evil.example:9901\r\nconnection: close\r\n\r\n";
    assert_eq!(port.raw(rebound).await.status, 403);
    let absolute = b"GET http://evil.example/api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(port.raw(absolute).await.status, 403, "the target beats Host");
    let health = b"GET /healthz HTTP/1.1\r\nhost: pod-7.internal\r\nconnection: close\r\n\r\n";
    assert_eq!(port.raw(health).await.status, 200, "probes use any name");
    assert_eq!(port.gateway.reloads.load(SeqCst), 1);
}

#[tokio::test]
async fn a_request_without_one_host_is_invalid() {
    let port = open(fake(None)).await;
    for head in [
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nhost: a@localhost\r\n",
    ] {
        let answer = port.raw(format!("{head}connection: close\r\n\r\n").as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("request_invalid")), "{head:?}");
    }
    assert_eq!(port.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
    assert_eq!(port.raw(b"GET /api/v1/status HTTP/1.0\r\n\r\n").await.status, 403);
}

#[tokio::test]
async fn a_bad_file_is_422_with_the_findings_and_changes_nothing() {
    let port = open(fake(None)).await;
    let place = Place { file: Arc::from(Path::new("gateway.yaml")), line: 7, col: 3 };
    let finding = Finding::error(&place, "unknown-key", "there is no key \"verzions\"", "did you mean \"versions\"?");
    *port.gateway.outcome.lock().expect("whole") = Err(vec![finding.clone()]);
    let answer = port.ask("POST", "/api/v1/reload", &[]).await;
    assert_eq!((answer.status, answer.field("content-type")), (422, Some("application/problem+json")));
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("config_invalid"), &json!(422)));
    assert_eq!(problem["findings"], json!([finding]));
    assert_eq!(problem["request_id"].as_str(), answer.field("x-request-id"));
}

#[tokio::test]
async fn a_good_file_is_reloaded_and_its_warnings_shown() {
    let port = open(fake(None)).await;
    let answer = port.ask("POST", "/api/v1/reload", &["content-length: 0"]).await;
    assert_eq!(answer.json(), json!({"reloaded": true, "at": "2027-01-15T00:00:00Z", "warnings": []}));
    assert_eq!(port.gateway.reloads.load(SeqCst), 1);
}

#[tokio::test]
async fn a_body_beyond_a_mebibyte_is_refused_before_the_reload() {
    let port = open(fake(None)).await;
    let head = format!("POST /api/v1/reload HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", port.address);
    let declared = port.raw(format!("{head}content-length: 1048577\r\n\r\n").as_bytes()).await;
    assert_eq!((declared.status, &declared.json()["code"]), (413, &json!("body_too_large")));
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n100001\r\n").into_bytes();
    chunked.resize(chunked.len() + 0x10_0001, b'x');
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(port.raw(&chunked).await.status, 413);
    assert_eq!(port.gateway.reloads.load(SeqCst), 0);
    let mut fitting = format!("{head}content-length: 1048576\r\n\r\n").into_bytes();
    fitting.resize(fitting.len() + 0x10_0000, b'x');
    assert_eq!(port.raw(&fitting).await.status, 200);
}

/// Waits until `count` has become 1.
async fn one(count: &AtomicUsize) {
    let until = Instant::now() + Duration::from_secs(30);
    while count.load(SeqCst) == 0 {
        assert!(Instant::now() < until, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reload_goes_on_when_its_caller_hangs_up() {
    let port = open(Fake { may_end: Semaphore::new(0), ..fake(None) }).await;
    let mut stream = TcpStream::connect(port.address).await.expect("open");
    let head = format!("POST /api/v1/reload HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", port.address);
    stream.write_all(head.as_bytes()).await.expect("sent");
    one(&port.gateway.begun).await;
    drop(stream);
    // Time to notice; where it takes longer, the reload was not dropped either.
    tokio::time::sleep(Duration::from_millis(50)).await;
    port.gateway.may_end.add_permits(1);
    one(&port.gateway.reloads).await;
}

#[tokio::test]
async fn shutting_down_finishes_the_answer_under_way_and_opens_no_connection() {
    let mut port = open(Fake { may_end: Semaphore::new(0), ..fake(None) }).await;
    let mut idle = TcpStream::connect(port.address).await.expect("open");
    let head = format!("POST /api/v1/reload HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", port.address);
    let mut busy = TcpStream::connect(port.address).await.expect("open");
    busy.write_all(head.as_bytes()).await.expect("sent");
    one(&port.gateway.begun).await;
    port.stop.take().expect("not stopped yet").send(()).expect("serving");
    // It has heard of it once those without a request are closed.
    assert_eq!(idle.read(&mut [0; 1]).await.expect("closed"), 0);
    port.gateway.may_end.add_permits(1);
    let mut text = String::new();
    busy.read_to_string(&mut text).await.expect("answered and closed");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\r\nconnection: close\r\n"), "{text}");
    port.served.await.expect("ended");
    assert!(TcpStream::connect(port.address).await.is_err());
}

#[tokio::test]
async fn a_head_that_does_not_arrive_and_a_connection_that_is_too_old_end() {
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(60));
    for (patience, sent) in [
        (Patience { head: short, age: long, grace: long }, "GET /healthz HTTP/1.1\r\nhost: local"),
        (Patience { head: short, age: long, grace: long }, ""),
        (Patience { head: long, age: short, grace: short }, "GET /healthz HTTP/1.1\r\nhost: local"),
    ] {
        let port = open_with(patience, fake(None)).await;
        let mut stream = TcpStream::connect(port.address).await.expect("open");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        let mut text = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut text)).await;
        assert!(ended.is_ok(), "{patience:?} {sent:?}");
    }
}

#[tokio::test]
async fn the_clients_request_id_is_kept_if_it_is_visible_ascii() {
    let port = open(fake(None)).await;
    let long = format!("x-request-id: {}", "a".repeat(129));
    for (field, kept) in [("x-request-id: abc-1", Some("abc-1")), ("x-request-id: a b", None), (long.as_str(), None)] {
        let answer = port.ask("GET", "/nothing", &[field]).await;
        let id = answer.field("x-request-id").expect("always there").to_owned();
        assert_eq!(kept.unwrap_or(&id), id, "{field}");
        assert_eq!(kept.is_none(), id.len() == 32, "{field}");
        assert_eq!(answer.json()["request_id"], json!(id));
    }
}
