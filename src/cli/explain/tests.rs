//! `vergate explain` on the shipped example.

use std::{path::Path, sync::Arc};

use clap::Parser as _;
use serde_json::{Value, json};

use super::{account::Account, page::Page, request::Request};
use crate::{
    cli::{Cli, ExplainArgs, Verb},
    config,
    domain::time::UtcTime,
    pipeline::snapshot::Snapshot,
};

fn arguments(line: &[&str]) -> ExplainArgs {
    let cli = Cli::try_parse_from(["vergate", "explain"].iter().chain(line)).expect("arguments");
    match cli.verb {
        Verb::Explain(args) => args,
        _ => panic!("not explain"),
    }
}

fn account(line: &[&str]) -> Account {
    let args = arguments(line);
    let at = args.at.unwrap_or(UtcTime::parse("2026-06-01").expect("a date"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.yaml");
    let loaded = config::load(&example, at).expect("the shipped example is sound");
    let request = Request::read(&args).expect("a request");
    Account::of(&Snapshot::compile(Arc::new(loaded.config), at), &request, at, args.verbose)
}

fn json(line: &[&str]) -> Value {
    serde_json::to_value(account(line)).expect("an account can be written")
}

fn page(line: &[&str], colour: bool) -> String {
    let mut out = Vec::new();
    Page { colour }.write(&account(line), &mut out).expect("a page");
    String::from_utf8(out).expect("text")
}

const OLD_CALL: [&str; 6] = ["-X", "POST", "/v1.0/parse?a=%20&version=1.0", "-d", r#"{"query": "q"}"#, "-v"];

#[test]
fn an_old_call_is_told_from_its_head_to_the_adapted_body() {
    let told = json(&OLD_CALL);
    for (key, value) in [
        ("api", json!("query-parser")),
        ("version", json!("1.0")),
        ("source", json!("path")),
        ("requested", json!("1.0")),
        ("status", Value::Null),
        ("code", Value::Null),
        ("phase", json!("announcement")),
        ("endpoint", json!("POST /parse")),
        ("upstream", json!("query-parser-1.5")),
        ("upstream_path", json!("/parse?a=%20")),
        ("speaks", json!("1.5")),
        ("body", json!(r#"{"query":"q","context":{"user_id":null,"database_schema":null}}"#)),
    ] {
        assert_eq!(told[key], value, "{key}");
    }
    assert_eq!(told["chain"][0]["change"], "qp-1.5-context");
    assert_eq!(told["chain"][0]["direction"], "up");
    assert_eq!(told["request_headers"]["X-API-Version"], "1.5");
    assert_eq!(told["request_headers"]["Accept-Encoding"], "identity");
    assert_eq!(told["response_headers"]["X-API-Version-Used"], "1.0");
    assert_eq!(told["response_headers"]["Sunset"], "Fri, 01 Jun 2035 00:00:00 GMT");
    assert_eq!(told["response_headers"]["Vary"], "X-API-Version, Accept");
    let steps: Vec<_> = told["steps"].as_array().expect("steps").iter().map(|step| step["step"].clone()).collect();
    assert_eq!(steps, ["host", "api", "header X-API-Version", "path", "query version", "accept"]);
}

#[test]
fn a_refused_request_is_told_with_its_status_and_reason() {
    for (line, status, code) in [
        (&["/v9/parse"][..], 404, "version_unknown"),
        (&["/parse", "-H", "X-API-Version: 1.0, 1.5"], 400, "version_ambiguous"),
        (&["/x/../v1.0/parse"], 400, "path_invalid"),
        (&["-X", "TRACE", "/parse"], 501, "method_unsupported"),
        (&["-X", "POST", "/v1.0/parse/batch"], 404, "endpoint_unknown"),
        (&["/v1.0/parse", "--at", "2035-06-01"], 410, "version_sunset"),
        (&["/v1.0/parse", "-d", "{"], 400, "adaptation_request_failed"),
    ] {
        let told = json(line);
        assert_eq!((told["status"].as_u64(), told["code"].as_str()), (Some(status), Some(code)), "{line:?}");
        assert_eq!(told["response_headers"]["Cache-Control"], "no-store", "{line:?}");
        let last = told["steps"].as_array().and_then(|steps| steps.last().cloned()).expect("a last step");
        assert_eq!(last["step"], "refused");
    }
    assert_eq!(json(&["/v1.0/parse", "--at", "2035-05-31T23:59:59Z"])["status"], Value::Null);
}

#[test]
fn an_answer_comes_back_in_the_shape_of_the_callers_version() {
    let answer = r#"{"query": {"sql": "s", "confidence": 0.50, "alternatives": [1]}, "metadata": {}}"#;
    let told = json(&["-X", "POST", "/v2.0/parse", "-r", answer]);
    assert_eq!((&told["response_body"], told.get("response_steps")), (&json!(answer), None));
    let old = r#"{"sql": "s","confidence": 0.50,"intent":"i"}"#;
    let line = ["-X", "POST", "/v1.0/parse", "-r", old, "-v"];
    let told = json(&line);
    assert_eq!(told["response_body"], r#"{"sql":"s","confidence":0.50}"#);
    assert_eq!(told["response_steps"][1]["step"], "delete the member at /intent (qp-1.5-context)");
    assert_eq!(told["body"], Value::Null);
    let plain = page(&line, false);
    for text in ["The answer's body, adapted", "as the upstream sends it\n    {\"sql\": \"s\"", "as the client gets it"]
    {
        assert!(plain.contains(text), "{text} in\n{plain}");
    }
}

#[test]
fn a_list_of_another_status_or_media_type_leaves_the_answer_alone() {
    let body = r#"{"intent": "i"}"#;
    for more in [&["--status", "404"][..], &["-R", "Content-Type: text/plain"]] {
        let line = [&["-X", "POST", "/v1.0/parse", "-r", body][..], more].concat();
        assert_eq!(json(&line)["response_body"], body, "{more:?}");
    }
}

#[test]
fn the_place_of_an_error_is_told_in_the_callers_terms() {
    let change = |ops: &str, side: &str| {
        format!(
            "upstreams: {{u: 'http://127.0.0.1:1'}}
versioning: {{resolve: [{{header: V}}]}}
apis: {{a: {{path: /, endpoints: [POST /p], versions: {{\"1\": {{}}, \"2\": {{upstream: u}}}},
  changes: [{{change: c, from: \"1\", to: \"2\", operations: [{{match: POST /p, {side}: {ops}}}]}}]}}}}
"
        )
    };
    let treat = |yaml: &str, line: &[&str]| {
        let at = UtcTime::parse("2026-06-01").expect("a date");
        let outcome = config::load::read(yaml, Path::new("g.yaml"), &|_| None, at);
        let config = outcome.config.unwrap_or_else(|| panic!("{:?}", outcome.findings));
        let args = arguments(&[&["-X", "POST", "/p", "-H", "V: 1", "-v"][..], line].concat());
        let request = Request::read(&args).expect("a request");
        let account = Account::of(&Snapshot::compile(Arc::new(config), at), &request, at, true);
        serde_json::to_value(&account).expect("an account can be written")
    };
    let up = "[{nest: {into: in, members: {t: a}}}, {at: '/in', ops: [{rename: {t: u}}]}, {convert: {path: /in/u, from: string, to: number, on_error: error}}]";
    let told = treat(&change(up, "request"), &["-d", r#"{"a":"x"}"#]);
    let problem = &told["problem"];
    for (key, value) in
        [("change", "c"), ("op", "convert"), ("reason", "value"), ("pointer", "/a"), ("op_pointer", "/in/u")]
    {
        assert_eq!(problem[key], value, "{key} of {problem}");
    }
    assert_eq!((told["status"].as_u64(), told["body_steps"].as_array().map(Vec::len)), (Some(400), Some(2)));
    // The same backwards: what the upstream sent is named as the caller would have got it.
    let down = "{2xx: [{rename: {a: b}}, {at: '/l/[]', ops: [{move: {from: /x, to: /y/z}}, {map: {path: /y/z, pairs: [[1, 2]], down_else: error}}]}, {rename: {l: m}}]}";
    let told = treat(&change(down, "response"), &["-r", r#"{"m":[{"y":{"z":2}},{"y":{"z":3}}]}"#]);
    let problem = &told["problem"];
    assert_eq!((&problem["pointer"], &problem["op_pointer"]), (&json!("/l/1/x"), &json!("/l/1/y/z")), "{told}");
    assert_eq!((&told["status"], &told["code"]), (&json!(502), &json!("adaptation_response_failed")));
}

#[test]
fn secrets_are_not_shown() {
    let yaml = "upstreams: {u: 'http://127.0.0.1:1'}
versioning: {resolve: [{header: V}]}
apis: {a: {path: /, endpoints: [GET /p], versions: {\"1\": {}, \"2\": {upstream: u}},
  changes: [{change: c, from: \"1\", to: \"2\", operations: [{match: GET /p,
    headers: {request: [{rename: {X-Key: X-Api-Key}}, {add: {name: Authorization, value: Basic c2VjcmV0}}]}}]}]}}
";
    let at = UtcTime::parse("2026-06-01").expect("a date");
    let config = config::load::read(yaml, Path::new("g.yaml"), &|_| None, at).config.expect("sound");
    let request = Request::read(&arguments(&["/p", "-H", "V: 1", "-H", "X-Key: c2VjcmV0"])).expect("a request");
    let account = Account::of(&Snapshot::compile(Arc::new(config), at), &request, at, true);
    let told = serde_json::to_value(&account).expect("an account can be written");
    assert_eq!(told["request_headers"]["X-API-Key"], "(not shown)", "{told}");
    assert!(!told.to_string().contains("c2VjcmV0"), "{told}");
}

#[test]
fn the_default_a_stripped_prefix_and_a_newer_client_are_told() {
    let told = json(&["http://localhost/ml/models/7"]);
    assert_eq!((&told["version"], &told["source"]), (&json!("1.2"), &json!("default")));
    assert_eq!((&told["upstream_path"], &told["requested"]), (&json!("/models/7"), &Value::Null));
    let told = json(&["/ml/models/7", "-H", "X-API-Version: 1.3"]);
    assert_eq!((&told["speaks"], &told["chain"][0]["direction"]), (&json!("1.2"), &json!("down")));
}

#[test]
fn a_page_names_everything_and_is_coloured_only_where_asked() {
    let plain = page(&OLD_CALL, false);
    for text in [
        "POST /v1.0/parse?a=%20&version=1.0",
        "path                  names 1.0; decides",
        "query version         names 1.0; a source above decides",
        "version   1.0, named by the path",
        "deprecated since 2025-06-01, gone on 2035-06-01",
        "changes   1.0 → 1.5  qp-1.5-context",
        "sent as   POST /parse?a=%20",
        "X-API-Version:",
        r#"{"query":"q","context""#,
    ] {
        assert!(plain.contains(text), "{text} in\n{plain}");
    }
    assert!(!plain.contains('\u{1b}'));
    assert!(page(&OLD_CALL, true).contains('\u{1b}'));
}

#[test]
fn fields_the_upstream_does_not_see_are_told() {
    let told = account(&["/v1.5/parse", "-H", "X-API-Version-Used: 9", "-H", "X_API_Version: 2.0"]).told;
    assert_eq!(told.removed, ["X-API-Version-Used", "X_api_version"]);
}

#[test]
fn an_answer_is_told_as_the_client_gets_it_head_and_all() {
    let yaml = "upstreams: {u: 'http://127.0.0.1:1'}
versioning: {resolve: [{path: '^/v([0-9]+)(?:/|$)'}]}
apis: {a: {path: /, endpoints: ['GET /p/{id}'], versions: {\"1\": {}, \"2\": {upstream: u}},
  changes: [{change: c, from: \"1\", to: \"2\", operations: [{match: 'GET /p/{id}', to: 'GET /q/{id}', status: [[400, 422]],
    headers: {response: [{rename: {X-Cost: X-Credits}}]}, response: {4xx: [{rename: {err: error}}]}}]}]}}
";
    let at = UtcTime::parse("2026-06-01").expect("a date");
    let config = config::load::read(yaml, Path::new("g.yaml"), &|_| None, at).config.expect("sound");
    let snapshot = Snapshot::compile(Arc::new(config), at);
    let treat = |line: &[&str]| {
        let args = arguments(&[&["http://h/v1/p/7"][..], line].concat());
        let account = Account::of(&snapshot, &Request::read(&args).expect("a request"), at, false);
        let mut page = Vec::new();
        Page { colour: false }.write(&account, &mut page).expect("a page");
        (serde_json::to_value(&account).expect("an account"), String::from_utf8(page).expect("text"))
    };
    let fields = ["ETag: \"v\"", "Location: /q/8", "X-Credits: 5", "Content-Digest: sha-256=:x:", "X-Other: 1"];
    let fields = fields.into_iter().flat_map(|field| ["-R", field]);
    let line: Vec<&str> = ["-r", r#"{"error":1}"#, "--status", "422"].into_iter().chain(fields).collect();
    let (told, page) = treat(&line);
    assert_eq!((&told["response_status"], &told["status"]), (&json!(400), &Value::Null));
    assert_eq!(told["response_body"], r#"{"err":1}"#);
    let gained = &told["response_headers"];
    assert_eq!(
        (&gained["Location"], &gained["X-Cost"], &gained["Content-Length"]),
        (&json!("/v1/p/8"), &json!("5"), &json!("9"))
    );
    assert!(gained["Etag"].as_str().or(gained["ETag"].as_str()).is_some_and(|tag| tag.starts_with("\"v~")), "{gained}");
    assert_eq!((gained.get("X-Other"), gained.get("X-API-Version-Used")), (None, Some(&json!("1"))));
    assert!(page.contains("answered with  400"), "{page}");
    assert!(page.contains("without ") && page.contains("X-Credits") && page.contains("Content-Digest"), "{page}");
    // Nothing was said of its type.
    assert_eq!(told["assumed_json"], json!(["response"]));
    assert!(page.contains("taken as application/json"), "{page}");
    let (told, page) = treat(&["-r", "{}", "-R", "Content-Type: application/json"]);
    assert_eq!(told.get("assumed_json"), None);
    assert!(!page.contains("taken as"), "{page}");
}
