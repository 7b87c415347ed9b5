use crate::support::{
    Gateway, TempDir, Upstream, day, eventually, fill, gateway,
    tools::{Running, free_port, run, wait_listening},
};
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every file below a folder whose name ends in `extension`.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(ROOT).join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn promtool(args: &[&str]) {
    let output = run("promtool", args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}:\n{said}");
}

#[test]
fn promtool_finds_the_shipped_configuration_and_rules_sound() {
    promtool(&["check", "config", &format!("{ROOT}/deploy/prometheus/prometheus.yml")]);
    let (mut rules, mut tests) = (0, 0);
    for path in files("deploy/prometheus", ".yml").into_iter().chain(files("deploy/prometheus", ".yaml")) {
        let content = yaml(&path);
        let path = path.to_str().unwrap();
        if content.get("groups").is_some() {
            promtool(&["check", "rules", path]);
            rules += 1;
        }
        if content.get("tests").is_some() {
            promtool(&["test", "rules", path]);
            tests += 1;
        }
    }
    assert!(rules > 0 && tests > 0, "{rules} rule files, {tests} test files");
}

/// A world in which every panel has something to show.
const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}, {query: version}]}
upstreams: {main: <up>}
apis:
  query-parser:
    path: /
    endpoints: [POST /parse]
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: <sunset>}
      "1.5": {upstream: main}
      "2.0": {upstream: main}
    changes:
      - {change: c, from: "1.0", to: "1.5", operations: [{match: POST /parse, request: [{rename: {a: b}}], response: {2xx: [{rename: {a: b}}]}}]}
"#;

fn traffic(gateway: &Gateway) {
    for version in ["1.0", "1.5", "2.0"] {
        gateway.post_json("/parse", &[&format!("X-API-Version: {version}")], "{}");
        gateway.post_json("/parse?fail", &[&format!("X-API-Version: {version}")], "{}");
        gateway.post_json("/parse?version=1.5", &[&format!("X-API-Version: {version}")], "{}");
    }
    gateway.post_json("/parse", &["X-API-Version: 1.0"], "{");
    gateway.get("/parse", &["X-API-Version: 9"]);
}

/// `query` answered by Prometheus: the number of series.
fn ask(prometheus: SocketAddr, query: &str) -> Result<usize, String> {
    let encoded: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
    let answer = gateway::exchange(prometheus, &format!("GET /api/v1/query?query={encoded} HTTP/1.1\r\n"), b"");
    let json = answer.json();
    if json["status"] != "success" {
        return Err(json["error"].to_string());
    }
    let result = &json["data"]["result"];
    Ok(if json["data"]["resultType"] == "vector" {
        result.as_array().map_or(0, |series| series.iter().filter(|s| s["value"][1] != "NaN").count())
    } else {
        1
    })
}

/// Every query of every panel, rows and their nested panels included.
fn queries(of: &Value, found: &mut Vec<(String, String)>) {
    for panel in of["panels"].as_array().into_iter().flatten() {
        let title = panel["title"].as_str().unwrap_or("untitled").to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            if let Some(text) = target["expr"].as_str() {
                found.push((title.clone(), text.to_owned()));
            }
        }
        queries(panel, found);
    }
}

/// Grafana's variables as they stand when a dashboard is opened: everything selected, the shortest range.
fn filled(query: &str, dashboard: &Value) -> String {
    let mut text = query.to_owned();
    let fixed = [
        ("__rate_interval", "10s"),
        ("__interval", "10s"),
        ("__range", "1m"),
        ("__range_s", "60"),
        ("__interval_ms", "10000"),
    ];
    let named = dashboard["templating"]["list"].as_array().into_iter().flatten().filter_map(|v| v["name"].as_str());
    let mut all: Vec<(&str, &str)> = fixed.to_vec();
    all.extend(named.map(|name| (name, ".*")));
    all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in all {
        for form in [format!("${{{name}:regex}}"), format!("${{{name}}}"), format!("${name}")] {
            text = text.replace(&form, value);
        }
    }
    text
}

#[test]
fn every_query_of_the_dashboards_has_data_from_a_running_gateway() {
    let up = Upstream::new(|a| {
        let status = if a.request.target.contains("fail") { 500 } else { 200 };
        a.reply(status, &["Content-Type: application/json"], "{\"b\":1}")
    });
    let gateway = Gateway::start(&fill(YAML, &[("up", &up.url()), ("sunset", &day(45))]));
    traffic(&gateway);

    // The shipped scrape configuration, pointed here and made quick.
    let mut config = yaml(&Path::new(ROOT).join("deploy/prometheus/prometheus.yml"));
    config["global"]["scrape_interval"] = "1s".into();
    config["global"]["evaluation_interval"] = "1s".into();
    config["global"].as_object_mut().unwrap().remove("scrape_timeout");
    for job in config["scrape_configs"].as_array_mut().unwrap() {
        for key in ["scrape_interval", "scrape_timeout", "authorization"] {
            job.as_object_mut().unwrap().remove(key);
        }
        job["static_configs"] = serde_json::json!([{"targets": [gateway.admin.to_string()]}]);
    }
    if let Some(rules) = config.get_mut("rule_files").and_then(Value::as_array_mut) {
        for rule in rules {
            let path = rule.as_str().unwrap().to_owned();
            let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
            *rule = format!("{ROOT}/deploy/prometheus/{name}").into();
        }
    }
    if let Some(object) = config.as_object_mut() {
        object.remove("alerting");
    }
    let dir = TempDir::new();
    let file = dir.write("prometheus.yml", &config.to_string());
    let port = free_port();
    let _prometheus = Running::start(
        "prometheus",
        &[
            &format!("--config.file={}", file.display()),
            &format!("--storage.tsdb.path={}", dir.path("data").display()),
            &format!("--web.listen-address=127.0.0.1:{port}"),
        ],
    );
    wait_listening(port);
    let prometheus = SocketAddr::from(([127, 0, 0, 1], port));
    eventually("Prometheus is ready", || {
        (gateway::exchange(prometheus, "GET /-/ready HTTP/1.1\r\n", b"").status == 200).then_some(())
    });

    let mut open = Vec::new();
    for path in files("deploy/grafana", ".json") {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        queries(&dashboard, &mut found);
        assert!(!found.is_empty(), "{} has no queries", path.display());
        open.extend(found.into_iter().map(|(title, text)| (title, filled(&text, &dashboard))));
    }
    assert!(!open.is_empty(), "no dashboards below deploy/grafana");

    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    while !open.is_empty() {
        traffic(&gateway);
        let mut missing = Vec::new();
        for (title, query) in open {
            match ask(prometheus, &query) {
                Ok(n) if n > 0 => {}
                Ok(_) => missing.push((title, query)),
                Err(e) => panic!("{title}: {query}\n{e}"),
            }
        }
        open = missing;
        assert!(std::time::Instant::now() < deadline, "no data for {open:#?}");
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    // And the target is up, seen from the other side.
    eventually("the target is up", || (ask(prometheus, "up == 1") == Ok(1)).then_some(()));
}
