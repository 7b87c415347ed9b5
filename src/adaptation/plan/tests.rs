//! Lookups, paths, statuses and fingerprints of compiled chains.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderValue;

use super::*;
use crate::{
    adaptation::program::Mode,
    config::{changes, tree},
};

fn read(yaml: &str) -> Vec<Change> {
    let root = tree::parse(yaml, Path::new("changes.yaml")).unwrap_or_else(|findings| panic!("{findings:?}"));
    let (mut files, mut findings) = (Vec::<PathBuf>::new(), Vec::new());
    let changes = changes::read(&root, Path::new("."), &mut files, &mut findings);
    let changes: Vec<_> = changes.into_iter().map(|(change, _)| change).collect();
    assert!(findings.is_empty(), "{findings:?}");
    changes
}

fn up(changes: &[Change]) -> Vec<(&Change, Direction)> {
    changes.iter().map(|change| (change, Direction::Up)).collect()
}

fn down(changes: &[Change]) -> Vec<(&Change, Direction)> {
    changes.iter().rev().map(|change| (change, Direction::Down)).collect()
}

fn version(text: &str) -> ApiVersion {
    ApiVersion::parse(text).expect("a version")
}

fn one(operations: &str) -> Vec<Change> {
    read(&format!("[{{change: c, from: '1.0', to: '2.0', operations: [{operations}]}}]"))
}

fn plan(operations: &str) -> Plan {
    Plan::compile(&up(&one(operations)), &version("1.0"))
}

fn found<'p>(plan: &'p Plan, method: &str, path: &str) -> &'p OperationPlan {
    match plan.operation(method, path) {
        Lookup::Operation(operation) => operation,
        other => panic!("{method} {path}: {other:?}"),
    }
}

fn adapted(program: Option<&Program>, body: &str) -> String {
    let program = program.expect("a program");
    let adapted = program.apply(&Bytes::copy_from_slice(body.as_bytes()), Mode::Whole).expect("adaptable");
    String::from_utf8(adapted.body.to_vec()).expect("UTF-8")
}

#[test]
fn changes_that_do_nothing_leave_nothing_to_look_up() {
    let changes = read("[{change: a, from: '1.0', to: '1.1'}, {change: b, from: '1.1', to: '2.0', operations: []}]");
    assert!(Plan::compile(&up(&changes), &version("1.0")).is_empty());
    assert!(plan("{match: GET /p}, {match: GET /q, request: [], response: {2xx: []}}").is_empty());
}

#[test]
fn only_the_operations_a_change_names_are_touched() {
    let plan = plan("{match: 'POST /models/{id}', request: [{rename: {a: b}}]}");
    assert!(found(&plan, "POST", "/models/7").request().is_some());
    assert!(found(&plan, "POST", "/models/7/").request().is_some());
    for (method, path) in [("POST", "/models"), ("POST", "/models/7/x"), ("PUT", "/models/7"), ("POST", "/models//")] {
        assert!(matches!(plan.operation(method, path), Lookup::Untouched), "{method} {path}");
    }
}

#[test]
fn head_counts_as_get() {
    let plan = plan("{match: GET /p, response: {2xx: [{rename: {a: b}}]}}");
    assert!(found(&plan, "HEAD", "/p").adapts_responses());
}

#[test]
fn a_literal_segment_wins_over_a_parameter_also_behind_an_earlier_change() {
    let changes = read(
        "- {change: a, from: '1', to: '2', operations: [{match: 'GET /m/{id}', to: 'GET /models/{id}'}]}
- {change: b, from: '2', to: '3', operations: [{match: GET /models/latest, query: [{add: {name: l, value: '1'}}]}]}",
    );
    let plan = Plan::compile(&up(&changes), &version("1"));
    assert_eq!(found(&plan, "GET", "/m/latest").query(""), "l=1");
    assert_eq!(found(&plan, "GET", "/m/7").query(""), "");
    assert_eq!(found(&plan, "GET", "/m/latest").target("/m/latest").expect("moved").1, "/models/latest");
}

#[test]
fn an_operation_is_unknown_to_versions_before_it() {
    let changes = read(
        "- {change: a, from: '1.0', to: '1.5', operations: [{match: POST /batch, since: '1.5'}]}
- {change: b, from: '1.5', to: '2.0', operations: [{match: POST /batch, request: [{rename: {a: b}}]}]}",
    );
    let unknown = |plan: &Plan| matches!(plan.operation("POST", "/batch"), Lookup::Unknown);
    assert!(unknown(&Plan::compile(&up(&changes), &version("1.0"))));
    assert!(!unknown(&Plan::compile(&up(&changes[1..]), &version("1.5"))));
    assert!(!unknown(&Plan::compile(&down(&changes), &version("2.0"))), "a newer client knows it");
    let alone = Plan::compile(&up(&changes[..1]), &version("1.0"));
    assert!(unknown(&alone) && !alone.is_empty());
}

#[test]
fn of_the_lists_of_one_change_the_more_specific_wins() {
    let plan = plan(
        "{match: GET /p, response: {'200': [{rename: {a: b}}], 2xx: [{rename: {a: c}}], '404': [], default: [{rename: {a: d}}]}}",
    );
    let operation = found(&plan, "GET", "/p");
    let body = r#"{"b":1,"c":2,"d":3}"#;
    assert_eq!(adapted(operation.response(200), body), r#"{"a":1,"c":2,"d":3}"#);
    assert_eq!(adapted(operation.response(201), body), r#"{"b":1,"a":2,"d":3}"#);
    assert_eq!(adapted(operation.response(500), body), r#"{"b":1,"c":2,"a":3}"#);
    assert!(operation.response(404).is_none(), "an empty list is no program");
    for status in [0, 99, 600, 999] {
        assert!(operation.response(status).is_none(), "{status}");
    }
}

#[test]
fn each_change_of_a_chain_chooses_its_own_list() {
    let changes = read(
        "- {change: a, from: '1', to: '2', operations: [{match: GET /p, response: {2xx: [{rename: {a: b}}]}}]}
- {change: b, from: '2', to: '3', operations: [{match: GET /p, response: {'200': [{rename: {b: c}}], default: [{rename: {b: d}}]}}]}",
    );
    let plan = Plan::compile(&up(&changes), &version("1"));
    let operation = found(&plan, "GET", "/p");
    assert_eq!(adapted(operation.response(200), r#"{"c":1}"#), r#"{"a":1}"#);
    assert_eq!(adapted(operation.response(201), r#"{"d":1}"#), r#"{"a":1}"#);
    assert_eq!(adapted(operation.response(404), r#"{"d":1}"#), r#"{"b":1}"#);
    assert!(operation.request().is_none());
}

#[test]
fn statuses_go_through_the_chain_and_the_newer_one_chooses_the_list() {
    let changes = read(
        "- {change: a, from: '1', to: '2', operations: [{match: GET /p, status: [[400, 409], [404, 409], [400, 422]], response: {'409': [{rename: {a: b}}]}}]}
- {change: b, from: '2', to: '3', operations: [{match: GET /p, status: [[409, 412]], response: {'412': [{rename: {b: c}}], default: [{rename: {b: d}}]}}]}",
    );
    let status = |plan: &Plan, upstream: u16| {
        let upstream = StatusCode::from_u16(upstream).expect("a status");
        found(plan, "GET", "/p").status(upstream).unwrap_or(upstream).as_u16()
    };
    let old_client = Plan::compile(&up(&changes), &version("1"));
    for (upstream, client) in [(412, 400), (409, 400), (422, 400), (404, 404), (400, 400), (200, 200)] {
        assert_eq!(status(&old_client, upstream), client, "{upstream}");
    }
    let operation = found(&old_client, "GET", "/p");
    assert_eq!(adapted(operation.response(412), r#"{"c":1,"d":2}"#), r#"{"a":1,"d":2}"#);
    assert_eq!(adapted(operation.response(409), r#"{"c":1,"d":2}"#), r#"{"c":1,"a":2}"#);
    assert_eq!(adapted(operation.response(422), r#"{"d":2}"#), r#"{"b":2}"#);
    let new_client = Plan::compile(&down(&changes), &version("3"));
    for (upstream, client) in [(400, 412), (404, 412), (409, 412), (422, 422), (412, 412)] {
        assert_eq!(status(&new_client, upstream), client, "{upstream}");
    }
    let operation = found(&new_client, "GET", "/p");
    assert_eq!(adapted(operation.response(400), r#"{"a":1}"#), r#"{"c":1}"#);
    assert_eq!(adapted(operation.response(404), r#"{"a":1}"#), r#"{"c":1}"#);
    assert_eq!(adapted(operation.response(422), r#"{"a":1,"b":2}"#), r#"{"a":1,"d":2}"#);
}

#[test]
fn statuses_alone_are_something_to_do() {
    let plan = plan("{match: GET /p, status: [[400, 422]]}");
    let operation = found(&plan, "GET", "/p");
    assert_eq!(operation.status(StatusCode::UNPROCESSABLE_ENTITY), Some(StatusCode::BAD_REQUEST));
    assert!(!operation.adapts_responses() && operation.response(422).is_none());
    assert_eq!(operation.describe(), ["status: 422 to 400"]);
}

#[test]
fn an_event_type_may_have_a_list_of_its_own() {
    let plan = plan(
        "{match: GET /p, response: {2xx: [{rename: {a: all}}], events: {x: [{rename: {a: own}}], none: [], message: [{rename: {a: said}}]}}}",
    );
    let operation = found(&plan, "GET", "/p");
    let event = |status, kind: &str| operation.event(status, kind.as_bytes());
    assert_eq!(adapted(event(200, "x"), r#"{"own":1,"all":2}"#), r#"{"a":1,"all":2}"#);
    assert_eq!(adapted(event(200, "other"), r#"{"own":1,"all":2}"#), r#"{"own":1,"a":2}"#);
    assert_eq!(adapted(event(200, "X"), r#"{"all":2}"#), r#"{"a":2}"#, "types are compared as they are");
    assert_eq!(adapted(operation.response(200), r#"{"own":1,"all":2}"#), r#"{"own":1,"a":2}"#);
    // An empty list says that nothing differs.
    assert!(event(200, "none").is_none());
    // What names no type is a message (HTML 9.2.6).
    for kind in ["", "message"] {
        assert_eq!(adapted(event(200, kind), r#"{"said":1}"#), r#"{"a":1}"#, "{kind:?}");
    }
    // The list of a type stands for every status, those of the statuses only for theirs.
    assert_eq!(adapted(event(404, "x"), r#"{"own":1}"#), r#"{"a":1}"#);
    assert!(event(404, "other").is_none() && operation.response(404).is_none());
    assert!(operation.adapts_events(200) && operation.adapts_events(404) && operation.adapts_responses());
}

#[test]
fn each_change_chooses_the_list_of_an_event_by_itself() {
    let changes = read(
        "- {change: a, from: '1', to: '2', operations: [{match: GET /p, response: {2xx: [{rename: {a: b}}], events: {x: [{rename: {a: c}}]}}}]}
- {change: b, from: '2', to: '3', operations: [{match: GET /p, response: {2xx: [{rename: {b: d, c: e}}], events: {y: [{rename: {b: f}}]}}}]}",
    );
    let plan = Plan::compile(&up(&changes), &version("1"));
    let operation = found(&plan, "GET", "/p");
    for (kind, newest) in [("x", "e"), ("y", "f"), ("z", "d")] {
        let body = format!("{{\"{newest}\":1}}");
        assert_eq!(adapted(operation.event(200, kind.as_bytes()), &body), r#"{"a":1}"#, "{kind}");
    }
}

#[test]
fn lists_of_events_alone_are_something_to_do() {
    let plan = plan("{match: GET /p, response: {events: {x: [{rename: {a: b}}]}}}");
    let operation = found(&plan, "GET", "/p");
    assert!(operation.adapts_responses() && operation.adapts_events(200) && operation.fingerprint() != 0);
    assert!(operation.response(200).is_none() && operation.event(200, b"y").is_none());
    assert!(self::plan("{match: GET /p, response: {events: {x: []}}}").is_empty());
}

#[test]
fn a_path_moves_with_its_parameters_as_raw_text() {
    let operations = "{match: 'GET /models/{a}/x/{b}', to: 'POST /v2/{b}/models/{a}'}";
    let up = plan(operations);
    let target = |plan: &Plan, method: &str, path: &str| {
        let (method, path) = found(plan, method, path).target(path).expect("moved");
        (method.map(ToString::to_string), path)
    };
    assert_eq!(
        target(&up, "GET", "/models/1%2F2/x/%C3%A9"),
        (Some("POST".to_owned()), "/v2/%C3%A9/models/1%2F2".to_owned())
    );
    assert_eq!(target(&up, "GET", "/models/1/x/2/").1, "/v2/2/models/1/");
    assert_eq!(target(&up, "GET", "/%6dodels/1/x/2").1, "/v2/2/models/1");
    assert_eq!(up.path("GET", "/models/1/x/2").as_deref(), Some("/v2/2/models/1"));
    assert_eq!(up.path("GET", "/other"), None);
    let changes = one(operations);
    let down = Plan::compile(&down(&changes), &version("2.0"));
    assert_eq!(target(&down, "POST", "/v2/2/models/1"), (Some("GET".to_owned()), "/models/1/x/2".to_owned()));
}

#[test]
fn paths_move_through_several_changes() {
    let changes = read(
        "- {change: a, from: '1', to: '2', operations: [{match: 'GET /a/{id}', to: 'GET /b/{id}'}]}
- {change: b, from: '2', to: '3', operations: [{match: 'GET /b/{x}', to: 'GET /c/{x}/d', response: {2xx: [{rename: {o: n}}]}}]}",
    );
    let plan = Plan::compile(&up(&changes), &version("1"));
    assert_eq!(plan.path("GET", "/a/7").as_deref(), Some("/c/7/d"));
    assert_eq!(adapted(found(&plan, "GET", "/a/7").response(200), r#"{"n":1}"#), r#"{"o":1}"#);
    let back = Plan::compile(&down(&changes), &version("3"));
    assert_eq!(back.path("GET", "/c/7/d").as_deref(), Some("/a/7"));
}

#[test]
fn the_fingerprint_changes_with_the_response_lists_and_only_then() {
    let print = |operation: &str| found(&plan(operation), "GET", "/p").fingerprint();
    let base = print("{match: GET /p, response: {2xx: [{rename: {a: b}}]}}");
    for same in [
        "{match: GET /p, response: {2xx: [{rename: {a: b}, lossy: {up: why}}]}, request: [{rename: {x: y}}]}",
        "{match: GET /p, to: GET /q, response: {2xx: [{rename: {a: b}}]}, query: [{rename: {x: y}}]}",
    ] {
        assert_eq!(print(same), base, "{same}");
    }
    for other in [
        "{match: GET /p, response: {2xx: [{rename: {a: c}}]}}",
        "{match: GET /p, response: {'200': [{rename: {a: b}}]}}",
        "{match: GET /p, response: {2xx: [{rename: {a: b}, strict: true}]}}",
        "{match: GET /p, response: {2xx: [{rename: {a: b}, at: /x}]}}",
        "{match: GET /p, response: {2xx: [{rename: {a: b}}], 4xx: [{rename: {a: b}}]}}",
        "{match: GET /p, response: {2xx: [{rename: {a: b}}], events: {x: []}}}",
        "{match: GET /p, response: {2xx: [{rename: {a: b}, conflict: error}]}}",
    ] {
        assert_ne!(print(other), base, "{other}");
    }
}

#[test]
fn headers_go_up_with_the_request_and_down_with_the_response() {
    // Vector H17 of the adaptation examples.
    let plan = plan(
        "{match: GET /p, headers: {request: [{rename: {X-User: X-Subject}}, {add: {name: X-Tenant, value: t0}}], response: [{rename: {X-Cost: X-Credits}}, {remove: {name: X-Quota, down: '100'}}]}}",
    );
    let operation = found(&plan, "GET", "/p");
    assert!(!operation.adapts_responses() && operation.request().is_none());
    let mut request = HeaderMap::new();
    request.insert("x-user", HeaderValue::from_static("a, b"));
    operation.request_headers(&mut request);
    assert_eq!(
        (request.get("x-subject"), request.get("x-tenant")),
        (Some(&"a, b".parse().expect("a value")), Some(&"t0".parse().expect("a value")))
    );
    assert!(!request.contains_key("x-user"));
    let mut response = HeaderMap::new();
    response.insert("x-credits", HeaderValue::from_static("5"));
    operation.response_headers(&mut response);
    assert_eq!((response["x-cost"].as_bytes(), response["x-quota"].as_bytes()), (&b"5"[..], &b"100"[..]));
    assert!(!response.contains_key("x-credits"));
}

#[test]
fn an_error_names_change_op_and_place() {
    let plan = plan(
        "{match: POST /p, request: [{at: '/items/[]', ops: [{convert: {path: /n~1m, from: string, to: integer, on_error: error}}]}]}",
    );
    let program = found(&plan, "POST", "/p").request().expect("a program");
    let error =
        program.apply(&Bytes::from_static(br#"{"items":[{},{"n/m":"x"}]}"#), Mode::Whole).expect_err("no integer");
    assert_eq!(error.change.as_deref(), Some("c"));
    assert_eq!(error.op, Some("convert"));
    assert_eq!(error.pointer.as_deref(), Some("/items/1/n~1m"));
    assert_eq!(error.reason.as_str(), "value");
    let error = program.apply(&Bytes::from_static(b"{"), Mode::Whole).expect_err("malformed");
    assert_eq!((error.change, error.op, error.pointer, error.reason.as_str()), (None, None, None, "malformed"));
}

#[test]
fn a_program_tells_what_it_does_step_by_step() {
    let plan = plan("{match: POST /p, request: [{rename: {a: b}}, {at: '/x', ops: [{add: {path: /c, value: 1.50}}]}]}");
    let program = found(&plan, "POST", "/p").request().expect("a program");
    assert_eq!(program.describe(), ["rename a to b (c)", "set c to 1.50 if absent at /x (c)"]);
    let trace = program.trace(&Bytes::from_static(br#"{"a":1,"x":{}}"#), Mode::Whole).expect("adaptable");
    let bodies: Vec<&[u8]> = trace.iter().map(|(_, body)| &body[..]).collect();
    assert_eq!(bodies, [&br#"{"b":1,"x":{}}"#[..], br#"{"b":1,"x":{"c":1.50}}"#]);
}

#[test]
fn an_operation_tells_what_happens_outside_of_bodies() {
    let plan = plan(
        "{match: 'GET /m/{id}', to: 'POST /{id}', query: [{rename: {q: search}}, {add: {name: n, value: 1}}], headers: {request: [{add: {name: X-T, value: t}}], response: [{add: {name: X-N, value: n}}]}}",
    );
    assert_eq!(
        found(&plan, "GET", "/m/7").describe(),
        [
            "path: GET /m/{1} to POST /{1}",
            "query: rename \"q\" to \"search\"",
            "query: set \"n\" to \"1\" if absent",
            "request header: set \"x-t\" to \"t\" if absent",
            "response header: delete \"x-n\"",
        ]
    );
}
