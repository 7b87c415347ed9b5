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
