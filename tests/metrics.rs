use crate::support::{
    Gateway, Upstream, day, eventually, fill, frames::Frames, metrics::Metrics, plain, upstream::Refusing,
};

const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /shop
    endpoints: [POST /shop/parse, 'GET /shop/items/{id}']
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2098-06-01, upstream: main}
      "2.0": {upstream: main}
      "0.9": {deprecated: 2020-06-01, sunset: 2021-06-01, upstream: main}
"#;

fn world() -> (Gateway, Upstream) {
    let up = Upstream::new(|a| {
        let status = a.request.header("X-Status").and_then(|s| s.parse().ok()).unwrap_or(200);
        a.reply(status, &[], "hello")
    });
    (Gateway::start(&fill(YAML, &[("up", &up.url())])), up)
}

/// Counters are summed when they are read; the last request may still be on its way into them.
#[track_caller]
fn counted(gateway: &Gateway, name: &str, labels: &[(&str, &str)], wanted: f64) {
    eventually(&format!("{name}{labels:?} is {wanted}"), || {
        (gateway.metrics().sum(name, labels) == wanted).then_some(())
    });
}

const REQUESTS: &str = "api_requests_by_version_total";

#[test]
fn every_answer_is_counted_once_by_api_version_endpoint_and_status() {
    let (gateway, _up) = world();
    for _ in 0..3 {
        gateway.call("POST", "/shop/parse", &["X-API-Version: 1.0"], "x");
    }
    gateway.get("/shop/items/7", &["X-API-Version: 2.0"]);
    gateway.get("/shop/items/8", &["X-API-Version: 2.0", "X-Status: 503"]);
    gateway.get("/shop/elsewhere", &[]);
    gateway.get("/shop/parse", &["X-API-Version: 0.9"]);
    gateway.get("/shop/parse", &["X-API-Version: 7"]);
    gateway.get("/nowhere", &[]);
    let row = |version, endpoint, status| {
        [("api", "shop"), ("version", version), ("endpoint", endpoint), ("status_code", status)]
    };
    counted(&gateway, REQUESTS, &row("1.0", "POST /shop/parse", "200"), 3.0);
    counted(&gateway, REQUESTS, &row("2.0", "GET /shop/items/{id}", "200"), 1.0);
    counted(&gateway, REQUESTS, &row("2.0", "GET /shop/items/{id}", "503"), 1.0);
    counted(&gateway, REQUESTS, &row("2.0", "other", "200"), 1.0);
    counted(&gateway, REQUESTS, &[("version", "0.9"), ("status_code", "410")], 1.0);
    counted(&gateway, REQUESTS, &[("api", "shop"), ("version", "none"), ("status_code", "400")], 1.0);
    counted(
        &gateway,
        REQUESTS,
        &[("api", "none"), ("version", "none"), ("endpoint", "other"), ("status_code", "404")],
        1.0,
    );
    counted(&gateway, REQUESTS, &[], 9.0);
    let metrics = gateway.metrics();
    for sample in metrics.all(REQUESTS) {
        let names: Vec<_> = sample.labels.keys().map(String::as_str).collect();
        assert_eq!(names, ["api", "endpoint", "status_code", "version"]);
    }
}

#[test]
fn deprecated_use_and_adoption_are_counted() {
    let (gateway, _up) = world();
    gateway.call("POST", "/shop/parse", &["X-API-Version: 1.0", "X-API-Key: top-secret"], "x");
    for _ in 0..3 {
        gateway.call("POST", "/shop/parse", &["X-API-Version: 2.0"], "x");
    }
    counted(
        &gateway,
        "deprecated_api_usage_total",
        &[("api", "shop"), ("version", "1.0"), ("api_key", "anonymous"), ("endpoint", "POST /shop/parse")],
        1.0,
    );
    counted(&gateway, "deprecated_api_usage_total", &[("version", "2.0")], 0.0);
    eventually("the shares of the versions add up", || {
        let metrics = gateway.metrics();
        let samples = metrics.all("version_adoption_percentage");
        let period = samples.first()?.labels.get("time_period")?.clone();
        let share = |v| {
            metrics.sum("version_adoption_percentage", &[("api", "shop"), ("version", v), ("time_period", &period)])
        };
        ((share("1.0") - 25.0).abs() < 0.1 && (share("2.0") - 75.0).abs() < 0.1).then_some(())
    });
    let text = gateway.admin_get("/metrics").text();
    assert!(!text.contains("top-secret"));
}

#[test]
fn a_client_that_left_first_is_499() {
    let gate = crate::support::Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "")
    });
    let gateway = Gateway::start(&fill(YAML, &[("up", &up.url())]));
    let mut client = gateway.client();
    client.write("GET /shop/items/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    up.wait(1);
    assert_eq!(gateway.metrics().sum("vergate_requests_in_flight", &[]), 1.0);
    drop(client);
    counted(
        &gateway,
        REQUESTS,
        &[("version", "2.0"), ("endpoint", "GET /shop/items/{id}"), ("status_code", "499")],
        1.0,
    );
    counted(&gateway, "vergate_requests_in_flight", &[], 0.0);
    gate.open();
}

#[test]
fn label_values_never_come_from_the_request() {
    let (gateway, _up) = world();
    for n in 0..200 {
        gateway.get(
            &format!("/shop/items/{n}"),
            &["X-API-Version: 2.0", &format!("User-Agent: ua{n}"), &format!("X-Status: {}", 200 + n % 50)],
        );
        gateway.get(&format!("/shop/raw{n}"), &[&format!("X-API-Version: 9.{n}")]);
        gateway.call(&format!("M{n}"), "/shop/items/1", &[], "");
        gateway.get(&format!("/x{n}"), &[&format!("Host: h{n}")]);
    }
    let metrics = gateway.metrics();
    let total: usize = metrics.all(REQUESTS).len();
    assert!(total < 200, "{total} series");
    for sample in metrics.all(REQUESTS) {
        let endpoint = &sample.labels["endpoint"];
        assert!(["POST /shop/parse", "GET /shop/items/{id}", "other"].contains(&endpoint.as_str()), "{endpoint}");
        assert!(["1.0", "2.0", "0.9", "none"].contains(&sample.labels["version"].as_str()));
    }
}

#[test]
fn series_are_bounded_and_the_rest_is_counted_as_other() {
    // 1,200 endpoints in one API: a thousand series per metric, the rest in `other`.
    let up = Upstream::named("main");
    let endpoints: Vec<_> = (0..1200).map(|n| format!("GET /e{n}")).collect();
    let yaml = fill(
        r#"
upstreams: {main: <up>}
apis: {shop: {path: /, endpoints: [<endpoints>], versions: {"1.0": {upstream: main}}}}
"#,
        &[("up", &up.url()), ("endpoints", &endpoints.join(", "))],
    );
    let gateway = Gateway::start(&yaml);
    let mut client = gateway.client();
    for n in 0..1200 {
        client.write(format!("GET /e{n} HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert_eq!(client.read().status, 200);
    }
    counted(&gateway, REQUESTS, &[], 1200.0);
    let metrics = gateway.metrics();
    assert!(metrics.all(REQUESTS).len() <= 1001, "{} series", metrics.all(REQUESTS).len());
    assert!(metrics.sum(REQUESTS, &[("endpoint", "other")]) > 0.0);
    assert!(metrics.sum("vergate_label_overflow_total", &[]) > 0.0);
}

#[test]
fn the_gateways_own_metrics_have_their_names() {
    let (gateway, _up) = world();
    gateway.get("/shop/items/7", &["X-API-Version: 1.0"]);
    counted(&gateway, REQUESTS, &[], 1.0);
    // The time is taken down right behind the count.
    counted(&gateway, "vergate_request_duration_seconds_count", &[], 1.0);
    let metrics = gateway.metrics();
    for name in [
        "vergate_request_duration_seconds_count",
        "vergate_request_duration_seconds_sum",
        "vergate_request_duration_seconds_bucket",
        "vergate_upstream_duration_seconds_count",
        "vergate_requests_in_flight",
        "vergate_upstream_healthy",
        "vergate_config_last_reload_successful",
        "vergate_config_last_reload_success_timestamp_seconds",
        "vergate_version_sunset_timestamp_seconds",
        "vergate_build_info",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        assert!(!metrics.all(name).is_empty(), "{name} is missing");
    }
    assert_eq!(metrics.sum("vergate_config_last_reload_successful", &[]), 1.0);
    assert!(metrics.sum("vergate_config_last_reload_success_timestamp_seconds", &[]) > 1.7e9);
    assert_eq!(
        metrics.sum("vergate_version_sunset_timestamp_seconds", &[("api", "shop"), ("version", "1.0")]),
        4_052_419_200.0
    );
    assert_eq!(metrics.sum("vergate_build_info", &[]), 1.0);
    assert_eq!(metrics.sum("vergate_request_duration_seconds_count", &[]), 1.0);
    assert_eq!(metrics.sum("vergate_request_duration_seconds_bucket", &[("le", "+Inf")]), 1.0);
}

#[test]
fn open_connections_are_shown_by_what_they_speak() {
    let (gateway, _up) = world();
    let speaking = |protocol: &str, wanted: f64| {
        counted(&gateway, "vergate_connections", &[("protocol", protocol)], wanted);
    };
    let silent = gateway.client();
    speaking("none", 1.0);
    let mut http1 = gateway.client();
    http1.write("GET /shop/items/7 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(http1.read().status, 200);
    let mut http2 = Frames::connect(gateway.addr());
    http2.get(1, "/shop/items/7");
    assert_eq!(http2.status(1), 200);
    for protocol in ["none", "http/1", "h2"] {
        speaking(protocol, 1.0);
    }
    drop((silent, http1, http2));
    for protocol in ["none", "http/1", "h2"] {
        speaking(protocol, 0.0);
    }
    assert_eq!(gateway.metrics().sum("vergate_connections_total", &[]), 3.0);
}

#[test]
fn connections_to_upstreams_are_counted_new_used_again_and_failed() {
    let (gateway, up) = world();
    for _ in 0..3 {
        assert_eq!(gateway.get("/shop/items/7", &[]).status, 200);
    }
    let metrics = gateway.metrics();
    let server = up.addr.to_string();
    for (name, wanted) in [
        ("vergate_upstream_pool_misses_total", up.connections() as f64),
        ("vergate_upstream_pool_hits_total", 3.0 - up.connections() as f64),
        ("vergate_upstream_connect_failures_total", 0.0),
    ] {
        assert_eq!(metrics.sum(name, &[("upstream", "main"), ("server", &server)]), wanted, "{name}");
    }
    let nobody = Refusing::new();
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&nobody.url())));
    gateway.get("/items", &[]).problem(502, "upstream_unreachable");
    assert!(gateway.metrics().sum("vergate_upstream_connect_failures_total", &[]) >= 1.0);
}

#[test]
fn the_text_format_is_what_promtool_accepts() {
    let (gateway, _up) = world();
    gateway.get("/shop/items/7", &["X-API-Version: 1.0"]);
    let answer = gateway.admin_get("/metrics");
    assert!(answer.header("Content-Type").unwrap().starts_with("text/plain"));
    let text = answer.text();
    for sample in Metrics::parse(&text).all(REQUESTS) {
        assert!(sample.value >= 0.0);
    }
    let mut child = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool is missing; scripts/test installs it");
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    // The public names of the first metrics are given; what promtool says of the others is an error.
    let ours: Vec<_> = said.lines().filter(|l| l.contains("vergate_") || l.contains("error")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn a_sunset_shows_as_a_timestamp_alerts_can_count_down_to() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&fill(&YAML.replace("2098-06-01", &day(30)), &[("up", &up.url())]));
    let at = gateway.metrics().sum("vergate_version_sunset_timestamp_seconds", &[("version", "1.0")]);
    let days = (at - jiff::Timestamp::now().as_second() as f64) / 86400.0;
    assert!((28.0..31.0).contains(&days), "{days}");
}
