use crate::support::{Gateway, TempDir, Upstream, day, fill, plain, vergate};
use serde_json::Value;

/// A sound file that the faults below are planted in.
const SOUND: &str = r#"listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
versioning:
  resolve:
    - header: X-API-Version
    - path: '^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)'
  default: latest-stable
upstreams:
  old: http://127.0.0.1:1
  new: {servers: [http://127.0.0.1:2]}
apis:
  shop:
    hosts: [shop.example]
    path: /
    endpoints: [POST /parse, 'GET /items/{id}']
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2098-06-01}
      "1.5": {upstream: old}
      "2.0": {upstream: new}
    changes:
      - change: context
        from: "1.0"
        to: "1.5"
        operations:
          - {match: POST /parse, request: [{add: {path: /context, value: null}}], response: {2xx: [{add: {path: /intent}}]}}
      - {change: same, from: "1.5", to: "2.0", operations: []}
"#;

fn check(text: &str, args: &[&str]) -> (i32, String, String) {
    let dir = TempDir::new();
    dir.write("gateway.yaml", text);
    let mut all = vec!["check"];
    all.extend_from_slice(args);
    vergate(&dir, &all)
}

// ---- check --------------------------------------------------------------------------------------------------------

#[test]
fn a_sound_file_is_exit_0() {
    let (code, out, err) = check(SOUND, &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!out.contains("error:"), "{out}");
    let (code, out, _) = check(SOUND, &["--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()), (0, serde_json::json!([])));
}

#[test]
fn the_file_can_be_named_and_a_missing_one_is_exit_2() {
    let dir = TempDir::new();
    dir.write("other.yaml", SOUND);
    assert_eq!(vergate(&dir, &["check", "-c", "other.yaml"]).0, 0);
    assert_eq!(vergate(&dir, &["check", "-c", "none.yaml"]).0, 2);
    assert_eq!(vergate(&dir, &["check"]).0, 2, "no gateway.yaml here");
    assert_eq!(vergate(&dir, &["check", "--at", "someday", "-c", "other.yaml"]).0, 2);
    assert_eq!(vergate(&dir, &["check", "--nonsense"]).0, 2);
    assert_eq!(vergate(&dir, &["nonsense"]).0, 2);
    assert_eq!(vergate(&dir, &["run", "-c", "none.yaml"]).0, 1);
}

/// Replaces `from` by `to` in the sound file and wants an error on the line that holds `at`, with all of `words`.
#[track_caller]
fn fault(from: &str, to: &str, at: &str, words: &[&str]) {
    assert!(SOUND.contains(from), "{from:?} is not in the sound file");
    let text = SOUND.replacen(from, to, 1);
    fault_in(&text, at, words);
}

#[track_caller]
fn fault_in(text: &str, at: &str, words: &[&str]) {
    let (code, out, err) = check(text, &[]);
    assert_eq!(code, 1, "{text}\n{out}{err}");
    let errors: Vec<_> = out.lines().filter(|l| l.contains(": error: ")).collect();
    assert!(!errors.is_empty(), "{out}{err}");
    let line = text.lines().position(|l| l.contains(at)).unwrap_or_else(|| panic!("{at:?} in {text}")) + 1;
    let found = errors.iter().any(|e| {
        let place = e.split(": error: ").next().unwrap();
        let mut parts = place.rsplitn(3, ':');
        let (column, row) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let file = parts.next().unwrap_or_default();
        file.ends_with("gateway.yaml")
            && row == line.to_string()
            && column.parse::<usize>().is_ok_and(|c| c >= 1)
            && words.iter().all(|w| e.to_lowercase().contains(&w.to_lowercase()))
    });
    assert!(found, "wanted line {line} with {words:?}, got:\n{}", errors.join("\n"));
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    fault("upstreams:", "upstream:", "upstream:", &["upstreams"]);
    fault("  default: latest", "  defualt: latest", "defualt", &["default"]);
    fault("    endpoints:", "    endpoint:", "    endpoint:", &["endpoints"]);
    fault("path: /context", "paht: /context", "paht", &["path"]);
    fault("{add: {path: /context", "{ad: {path: /context", "{ad:", &["add"]);
    fault("listen: 127.0.0.1:0\n", "listen: 127.0.0.1:0\nzzz: 1\n", "zzz", &["zzz"]);
}

#[test]
fn an_empty_file_or_one_without_apis_is_an_error() {
    for text in ["", "# nothing\n", "---\n", "listen: 127.0.0.1:0\n"] {
        let (code, out, err) = check(text, &[]);
        assert_eq!(code, 1, "{text:?}: {out}{err}");
        assert!(out.contains("apis"), "{text:?}: {out}");
    }
}

#[test]
fn unquoted_versions_are_refused_with_the_remedy() {
    fault("\"1.5\": {upstream", "1.5: {upstream", "1.5: {upstream", &["quote"]);
    fault("from: \"1.0\"", "from: 1.0", "from: 1.0", &["quote"]);
    fault("default: latest-stable", "default: 2.0", "default: 2.0", &["quote"]);
}

#[test]
fn names_that_lead_nowhere_are_errors() {
    fault("\"2.0\": {upstream: new}", "\"2.0\": {upstream: nwe}", "nwe", &["nwe", "new"]);
    fault("default: latest-stable", "default: \"9.9\"", "9.9", &["9.9"]);
    fault("from: \"1.0\"", "from: \"0.1\"", "from: \"0.1\"", &["0.1"]);
    fault("{upstream: new}", "{upstream: new, speaks: \"9.9\"}", "9.9", &["9.9"]);
}

#[test]
fn a_version_without_an_upstream_and_without_an_unbroken_chain_is_an_error() {
    let text = &SOUND[..SOUND.find("    changes:").unwrap()];
    fault_in(text, "\"1.0\": {", &["1.0", "1.5"]);
    fault("\"2.0\": {upstream: new}", "\"2.0\": {}", "\"2.0\": {}", &["2.0", "upstream"]);
}

#[test]
fn lifecycle_dates_have_to_make_sense() {
    fault("sunset: 2098-06-01", "sunset: 2019-06-01", "2019-06-01", &["sunset", "deprec"]);
    fault("deprecated: 2020-06-01, ", "", "sunset: 2098-06-01", &["deprecated"]);
    fault("deprecated: 2020-06-01, sunset: 2098-06-01", "status: deprecated", "status: deprecated", &["date"]);
    fault("2098-06-01", "2098-06-31", "2098-06-31", &["2098-06-31"]);
    fault("2098-06-01", "soon", "soon", &["soon"]);
    fault("{upstream: old}", "{upstream: old, status: olden}", "olden", &["olden"]);
}

#[test]
fn versions_are_named_once_and_of_one_kind() {
    fault(
        "\"2.0\": {upstream: new}",
        "\"2\": {upstream: new}\n      \"2.0\": {upstream: new}",
        "\"2.0\": {upstream: new}",
        &["2"],
    );
    fault(
        "\"2.0\": {upstream: new}",
        "\"2.0\": {upstream: new}\n      \"2025-06-01\": {upstream: new}",
        "2025-06-01",
        &["date"],
    );
    fault(
        "\"2.0\": {upstream: new}",
        "\"2.0\": {upstream: new}\n      \"3.0-rc.1\": {upstream: new}",
        "3.0-rc.1",
        &["status"],
    );
    fault("\"2.0\": {upstream: new}", "\"2.0\": {upstream: new}\n      \"02.1\": {upstream: new}", "02.1", &["02.1"]);
}

#[test]
fn defaults_have_to_lead_somewhere() {
    let gone = SOUND.replace("2098-06-01", "2021-06-01").replace("latest-stable", "\"1.0\"");
    fault_in(&gone, "default: \"1.0\"", &["1.0"]);
    fault("default: latest-stable", "default: required\n  on_unknown: default", "on_unknown", &["required"]);
    let none = SOUND
        .replace("{upstream: old}", "{upstream: old, status: beta}")
        .replace("{upstream: new}", "{upstream: new, status: beta}");
    let (code, out, _) = check(&none, &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("stable"), "{out}");
}

#[test]
fn the_same_host_and_path_twice_is_an_error_at_the_later_place() {
    let second = "  store:\n    hosts: [shop.example]\n    path: /\n    versions: {\"1.0\": {upstream: old}}\n";
    let text = format!("{SOUND}{second}");
    let (code, out, _) = check(&text, &[]);
    assert_eq!(code, 1, "{out}");
    let later = text.lines().position(|l| l == "  store:").unwrap() + 1;
    let line = out.lines().find(|l| l.contains(": error: ")).unwrap();
    let row: usize = line.split(":").nth(1).unwrap().parse().unwrap();
    assert!((later..later + 4).contains(&row), "{line}");
    assert!(line.contains("shop"), "and names the other: {line}");
}

#[test]
fn expressions_urls_addresses_and_units_are_checked() {
    fault("{0,2})(?:/|$)'", "{0,2})(?:/|$'", "(?:/|$'", &[]);
    fault("'^/v([0-9]+(?:\\.[0-9]+){0,2})(?:/|$)'", "'^/v[0-9]+/'", "'^/v[0-9]+/'", &["captur"]);
    fault("old: http://127.0.0.1:1", "old: ftp://127.0.0.1:1", "ftp:", &["http"]);
    fault("old: http://127.0.0.1:1", "old: http://u:p@127.0.0.1:1", "u:p", &[]);
    fault("listen: 127.0.0.1:0\nadmin", "listen: nowhere\nadmin", "nowhere", &["nowhere"]);
    fault("versioning:", "timeouts: {connect: 5}\nversioning:", "connect: 5", &["5s"]);
    fault("versioning:", "timeouts: {connect: fast}\nversioning:", "fast", &["fast"]);
    fault("versioning:", "limits: {request_body: 5 bananas}\nversioning:", "bananas", &["bananas"]);
    fault("versioning:", "workers: none\nversioning:", "workers", &["none"]);
    fault("versioning:", "trusted_proxies: [10.0.0.0/99]\nversioning:", "10.0.0.0/99", &["10.0.0.0/99"]);
    fault("versioning:", "deprecation: {phases: {warning: 6m}}\nversioning:", "6m", &["month"]);
    fault("versioning:", "log: {format: xml}\nversioning:", "xml", &["json"]);
    fault("POST /parse, 'GET", "parse, 'GET", "endpoints", &["parse"]);
}

#[test]
fn units_are_understood_in_all_their_spellings() {
    let sound = |keys: &str| {
        let (code, out, _) = check(&SOUND.replace("versioning:", &format!("{keys}\nversioning:")), &[]);
        assert_eq!(code, 0, "{keys}: {out}");
    };
    sound("timeouts: {connect: 250ms, response: 5s, request: 1m, tunnel_idle: 24h, drain: 7 days}");
    sound("limits: {request_target: 8KiB, request_header: 32768, request_body: 10MiB, adapted_body: 1GiB}");
    sound("limits: {connections: auto, connections_per_client: unlimited, requests_in_flight: 100}");
    sound("workers: auto");
    sound("workers: '${VERGATE_TEST_UNSET:-2}'");
    sound("limits: {request_target: '${VERGATE_TEST_UNSET:-1KiB}'}");
    sound("deprecation: {phases: {warning: 6 months, enforcement: 30 days}}");
    sound("trusted_proxies: [10.0.0.0/8, 'fd00::/8', 192.0.2.1]");
}

#[test]
fn what_is_not_supported_yet_is_refused_not_ignored() {
    for (from, to, at) in [
        ("versioning:", "deprecation: {rate_limit: 5/m}\nversioning:", "rate_limit"),
        ("versioning:", "deprecation: {new_consumers: reject}\nversioning:", "new_consumers"),
        ("versioning:", "deprecation: {brownouts: []}\nversioning:", "brownouts"),
        ("versioning:", "consumers: {}\nversioning:", "consumers"),
    ] {
        fault(from, to, at, &["not supported yet"]);
    }
}

#[test]
fn all_errors_are_listed_at_once() {
    let text = SOUND
        .replace("default: latest-stable", "defualt: latest-stable")
        .replace("{upstream: new}", "{upstream: nwe}")
        .replace("2098-06-01", "2019-06-01")
        .replace("[0-9]+(?:", "[0-9+(?:");
    let (code, out, _) = check(&text, &[]);
    assert_eq!(code, 1);
    for word in ["defualt", "nwe", "sunset"] {
        assert!(out.contains(word), "{word} in {out}");
    }
    assert!(out.lines().filter(|l| l.contains(": error: ")).count() >= 4, "{out}");
    let (code, out, _) = check(&text, &["--json"]);
    assert_eq!(code, 1);
    let findings: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert!(findings.len() >= 4, "{out}");
    for finding in findings {
        assert!(finding.is_object(), "{finding}");
    }
}

#[test]
fn broken_yaml_is_an_error_with_its_place() {
    let (code, out, _) = check("apis:\n  shop: [\n", &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.starts_with("gateway.yaml:2:") || out.starts_with("gateway.yaml:3:"), "{out}");
    fault_in("apis: {}\napis: {}\n", "apis", &["apis"]);
    let (code, out, _) = check("\u{0}\u{1}", &[]);
    assert_eq!(code, 1, "{out}");
}

#[test]
fn warnings_do_not_fail_the_check() {
    let (code, out, _) = check(&SOUND.replace("deprecated: 2020-06-01", "status: stable, deprecated: 2020-06-01"), &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(": warning: "), "{out}");
    let (code, out, _) =
        check(&SOUND.replace("deprecated: 2020-06-01", "current_phase: enforcement, deprecated: 2020-06-01"), &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(": warning: "), "{out}");
    let (code, out, _) =
        check(&SOUND.replace("- header: X-API-Version", "- {header: X-API-Version, strip: false}"), &[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains(": warning: "), "{out}");
}

#[test]
fn expansion_errors_name_the_variable() {
    fault("http://127.0.0.1:1", "${VERGATE_TEST_UNSET}", "VERGATE_TEST_UNSET", &["VERGATE_TEST_UNSET"]);
    fault("http://127.0.0.1:1", "'${VERGATE_TEST_UNSET:?set the url}'", "VERGATE_TEST_UNSET", &["set the url"]);
    fault("http://127.0.0.1:1", "'${file:no-such-file}'", "no-such-file", &["no-such-file"]);
    let (code, out, _) =
        check(&SOUND.replace("http://127.0.0.1:1", "'${VERGATE_TEST_UNSET:-http://127.0.0.1:1}'"), &[]);
    assert_eq!(code, 0, "{out}");
    // Not inside changes, and `$${` is literal.
    let (code, out, _) = check(&SOUND.replace("value: null", "value: '${VERGATE_TEST_UNSET}'"), &[]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = check(&SOUND.replace("endpoints:", "endpoints: # $${\n     "), &[]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn at_shows_the_phases_of_a_day_and_only_warns_of_what_is_wrong_then() {
    let (code, out, _) = check(SOUND, &["--at", "2098-03-15"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("enforcement"), "{out}");
    let (code, out, _) = check(SOUND, &["--at", "2098-06-01"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("sunset"), "{out}");
    let (code, out, _) = check(SOUND, &["--at", "2098-06-01", "--json"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json["findings"].is_array() && !json["versions"].is_null(), "{json}");
    // The default is retired on that day: wrong only then, so a warning.
    let (code, out, _) = check(&SOUND.replace("latest-stable", "\"1.0\""), &["--at", "2099-01-01"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("warning"), "{out}");
}

#[test]
fn run_prints_the_same_errors_and_exits_1() {
    let dir = TempDir::new();
    dir.write("gateway.yaml", &SOUND.replace("{upstream: new}", "{upstream: nwe}"));
    let (code, out, err) = vergate(&dir, &["run"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("nwe") && err.contains("gateway.yaml:"), "{err}");
}

// ---- explain ------------------------------------------------------------------------------------------------------

fn explain(args: &[&str]) -> (i32, String) {
    let dir = TempDir::new();
    dir.write("gateway.yaml", SOUND);
    let mut all = vec!["explain"];
    all.extend_from_slice(args);
    let (code, out, err) = vergate(&dir, &all);
    (code, if out.is_empty() { err } else { out })
}

fn explained(args: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend_from_slice(args);
    let (code, out) = explain(&all);
    assert_eq!(code, 0, "{out}");
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

#[test]
fn explain_tells_the_whole_way_of_a_request() {
    let json = explained(&[
        "-X",
        "POST",
        "http://shop.example/v1.0/parse?x=1",
        "-H",
        "Content-Type: application/json",
        "-d",
        r#"{"query":"q"}"#,
    ]);
    assert_eq!(json["api"], "shop");
    assert_eq!(json["version"], "1.0");
    assert_eq!(json["source"], "path");
    assert_eq!(json["phase"], "announcement");
    assert_eq!(json["endpoint"], "POST /parse");
    assert_eq!(json["upstream"], "old");
    assert_eq!(json["upstream_path"], "/parse?x=1");
    assert_eq!(json["speaks"], "1.5");
    assert!(json["chain"].to_string().contains("context"), "{json}");
    assert!(json["steps"].as_array().is_some_and(|s| s.len() >= 2), "every resolver step: {json}");
    assert!(json["response_headers"].to_string().contains("Sunset"), "{json}");
    assert!(json["request_headers"].to_string().to_lowercase().contains("x-api-version"), "{json}");
    let body = json["body"].as_str().map_or_else(|| json["body"].clone(), |t| serde_json::from_str(t).unwrap());
    assert_eq!(body, serde_json::json!({"query": "q", "context": null}));
    for key in ["requested", "status", "code"] {
        assert!(json.get(key).is_some(), "{key} in {json}");
    }
}

#[test]
fn explain_is_exit_0_for_a_refused_request_too() {
    let json = explained(&["http://shop.example/v7.7/parse"]);
    assert_eq!(json["status"], 404);
    assert_eq!(json["code"], "version_unknown");
    let json = explained(&["http://elsewhere.example/parse"]);
    assert_eq!(json["code"], "route_unknown");
    let json = explained(&["http://shop.example/v1.0/parse", "--at", "2098-06-01"]);
    assert_eq!((json["status"].as_u64(), json["phase"].as_str()), (Some(410), Some("sunset")));
    let json = explained(&["http://shop.example/parse", "-H", "X-API-Version: 2.0"]);
    assert_eq!((json["version"].as_str(), json["source"].as_str()), (Some("2.0"), Some("header")));
    let json = explained(&["http://shop.example/parse"]);
    assert_eq!((json["version"].as_str(), json["source"].as_str()), (Some("2.0"), Some("default")));
}

#[test]
fn explain_reads_well_without_json() {
    let (code, out) = explain(&[
        "-X",
        "POST",
        "http://shop.example/v1.0/parse",
        "-d",
        r#"{"query":"q"}"#,
        "-H",
        "Content-Type: application/json",
    ]);
    assert_eq!(code, 0);
    for word in ["shop", "1.0", "path", "announcement", "POST /parse", "old", "context", "Sunset"] {
        assert!(out.contains(word), "{word} in:\n{out}");
    }
    assert_eq!(explain(&[]).0, 2, "no url");
    assert_eq!(explain(&["not a url"]).0, 2);
    assert_eq!(explain(&["http://shop.example/", "-H", "no colon"]).0, 2);
}

#[test]
fn explain_reads_bodies_from_files_and_shows_answers() {
    let dir = TempDir::new();
    dir.write("gateway.yaml", SOUND);
    dir.write("sent.json", "{\n  \"query\": \"q\"\n}\n");
    dir.write("answer.json", r#"{"sql":"s","intent":"i"}"#);
    let both = ["explain", "-X", "POST", "http://shop.example/v1.0/parse", "-d", "@sent.json", "-r", "@answer.json"];
    let (code, out, err) = vergate(&dir, &both);
    assert_eq!(code, 0, "{err}");
    for text in [
        "as the client sends it\n    {\n      \"query\": \"q\"",
        "sent on",
        "as the client gets it\n    {\"sql\":\"s\"}",
    ] {
        assert!(out.contains(text), "{text} in:\n{out}");
    }
    for wrong in [
        &["-d", "@none.json"][..],
        &["-d", "-", "-r", "-"],
        &["--status", "200"],
        &["-R", "A: b"],
        &["-r", "{}", "--status", "99"],
        &["-r", "{}", "-R", "no colon"],
    ] {
        let line = [&["explain", "http://shop.example/"][..], wrong].concat();
        assert_eq!(vergate(&dir, &line).0, 2, "{wrong:?}");
    }
}

#[test]
fn explain_agrees_with_the_running_gateway() {
    let up = Upstream::json("{}");
    let text = fill(
        &SOUND.replace("http://127.0.0.1:1", "<up>").replace("http://127.0.0.1:2", "<up>/base"),
        &[("up", &up.url())],
    );
    let gateway = Gateway::start(&text);
    let dir = TempDir::new();
    dir.write("gateway.yaml", &text);
    let cases: [(&str, &str, &[&str]); 21] = [
        ("GET", "/v1.0/parse", &[]),
        ("POST", "/v1.0/parse", &["Content-Type: text/plain"]),
        ("GET", "/parse?a=%20&b", &[]),
        ("GET", "/parse?a=1", &["X-API-Version: 1.5"]),
        ("GET", "/v2/items/7", &[]),
        ("GET", "/v2.0/items/7", &["X-API-Version: v1.0"]),
        ("GET", "/v7/parse", &[]),
        ("GET", "/v1.5.x/parse", &[]),
        ("GET", "/v1.5/x/../parse", &[]),
        ("GET", "//parse", &[]),
        ("GET", "/%761.5/parse", &[]),
        ("GET", "/v1.5%2fparse", &[]),
        ("GET", "/parse", &["X-API-Version: 1.0, 1.5"]),
        ("GET", "/parse", &["X-API-Version: x"]),
        ("GET", "/parse", &["X-API-Version: 1"]),
        ("DELETE", "/v1.5/parse", &[]),
        ("HEAD", "/v1.5/items/7", &[]),
        ("OPTIONS", "/parse", &["Origin: https://a", "Access-Control-Request-Method: POST"]),
        ("TRACE", "/parse", &[]),
        ("GET", "/v2.0", &[]),
        ("GET", "/v02.0/parse", &[]),
    ];
    for (method, target, fields) in cases {
        let mut sent = vec!["Host: shop.example"];
        sent.extend_from_slice(fields);
        let answer = gateway.call(method, target, &sent, "");
        let url = format!("http://shop.example{target}");
        let mut args = vec!["explain", "--json", "-X", method, &url];
        for field in fields {
            args.extend(["-H", field]);
        }
        let (code, out, err) = vergate(&dir, &args);
        assert_eq!(code, 0, "{method} {target}: {err}");
        let json: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        assert_eq!(json["version"].as_str().map(str::to_owned), answer.used(), "{method} {target} {fields:?}: {json}");
        if answer.status == 200 {
            let path = json["upstream_path"].as_str().unwrap().to_owned();
            let seen = up.last().target;
            assert!(seen == path, "{method} {target}: explained {path}, upstream saw {seen}");
            let speaks = json["speaks"].as_str().map(str::to_owned);
            assert_eq!(speaks, up.last().header("X-API-Version"), "{method} {target}");
        } else {
            assert_eq!(json["status"], answer.status, "{method} {target}: {json}");
            if method != "HEAD" {
                assert_eq!(json["code"], answer.json()["code"], "{method} {target}");
            }
        }
    }
}

// ---- the rest -----------------------------------------------------------------------------------------------------

#[test]
fn the_schema_is_json_schema_2020_12_and_accepts_the_sound_file() {
    let dir = TempDir::new();
    let (code, out, err) = vergate(&dir, &["schema"]);
    assert_eq!(code, 0, "{err}");
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let read = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
    let good = read(SOUND);
    let errors: Vec<_> = validator.iter_errors(&good).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!validator.is_valid(&read(&SOUND.replace("default:", "defualt:"))), "unknown keys are refused");
    assert!(!validator.is_valid(&read("listen: 127.0.0.1:0")), "apis is required");
}

#[test]
fn the_shipped_file_is_sound_and_validates_against_the_schema() {
    let dir = TempDir::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/gateway.yaml");
    let (code, out, err) = vergate(&dir, &["check", "-c", shipped]);
    assert_eq!(code, 0, "{out}{err}");
    let (_, out, _) = vergate(&dir, &["schema"]);
    let validator = jsonschema::validator_for(&serde_json::from_str(&out).unwrap()).unwrap();
    let file: Value = serde_yaml::from_str(&std::fs::read_to_string(shipped).unwrap()).unwrap();
    let errors: Vec<_> = validator.iter_errors(&file).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for api in ["query-parser", "ml-engine", "db-connector"] {
        assert!(file["apis"][api].is_object(), "{api}");
    }
    // Its answers stay true for years.
    let (code, out, _) = vergate(&dir, &["check", "-c", shipped, "--at", &day(3 * 365)]);
    assert_eq!(code, 0, "{out}");
    assert!(!out.contains("warning:"), "{out}");
}

#[test]
fn completions_man_help_and_version_are_printed() {
    let dir = TempDir::new();
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = vergate(&dir, &["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("vergate") && out.contains("explain"), "{shell}");
    }
    assert_eq!(vergate(&dir, &["completions", "nosuch"]).0, 2);
    let (code, out, _) = vergate(&dir, &["man"]);
    assert_eq!(code, 0);
    assert!(out.contains(".TH"), "{out}");
    let (code, out, _) = vergate(&dir, &["--help"]);
    assert_eq!(code, 0);
    for verb in ["run", "check", "explain", "diff", "docs", "infer", "demo", "schema", "completions", "man"] {
        assert!(out.contains(verb), "{verb}");
    }
    let (code, out, _) = vergate(&dir, &["--version"]);
    assert_eq!(code, 0);
    assert!(out.contains(env!("CARGO_PKG_VERSION")), "{out}");
}

#[test]
fn stdout_carries_access_log_lines_only() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&plain(&up.url()));
    gateway.get("/items", &[]);
    gateway.log_line(|l| l["status"] == 200);
    assert_eq!(gateway.stdout().len(), 1);
    // One line names the addresses bound.
    let lines = gateway.stderr();
    let naming = lines.lines().filter(|l| l.contains(&gateway.addr().to_string())).count();
    assert_eq!(naming, 1, "{lines}");
}
