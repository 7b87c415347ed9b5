use crate::{
    codings::coded,
    support::{
        Client, Gateway, Then, Upstream, eventually, fill,
        upstream::{Answer, Gate, Recorded},
    },
};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

// ---- the vectors --------------------------------------------------------------------------------------------------

/// The H vectors: every one there is.
const VECTORS: [&str; 13] = ["H01", "H03", "H05", "H07", "H09", "H11", "H13", "H15", "H17", "H19", "H21", "H23", "H25"];

fn vector(id: &str) -> Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/adaptation.yaml"))
        .expect("tests/vectors/adaptation.yaml");
    let all: Vec<Value> = serde_yaml::from_str(&text).unwrap();
    all.into_iter().find(|v| v["id"] == id).unwrap_or_else(|| panic!("no vector {id}"))
}

/// The operation of a vector; vectors leave out why data may be lost.
fn operation(of: &Value) -> String {
    let mut operation = of.clone();
    let declare = |list: &mut Value| {
        for op in list.as_array_mut().into_iter().flatten() {
            op["lossy"] = serde_json::json!({"up": "a test", "down": "a test"});
        }
    };
    operation.get_mut("request").map(declare);
    for (_, list) in operation.get_mut("response").and_then(Value::as_object_mut).into_iter().flatten() {
        declare(list);
    }
    operation.to_string()
}

/// Header names and expected values; `None` means absent.
fn fields(of: &Value) -> Vec<(String, Option<String>)> {
    let text = |v: &Value| match v {
        Value::Null => None,
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    };
    of.as_object().map(|m| m.iter().map(|(k, v)| (k.clone(), text(v))).collect()).unwrap_or_default()
}

#[track_caller]
fn same_fields(id: &str, side: &str, wanted: &Value, got: impl Fn(&str) -> Option<String>) {
    for (name, value) in fields(wanted) {
        let have = got(&name);
        match value {
            Some(pattern) if pattern.starts_with("re:") => {
                let whole = regex::Regex::new(&format!("^(?:{})$", &pattern[3..])).unwrap();
                assert!(have.as_deref().is_some_and(|h| whole.is_match(h)), "{id} {side}: {name} is {have:?}");
            }
            value => assert_eq!(have, value, "{id} {side}: {name}"),
        }
    }
}

#[track_caller]
fn same_body(id: &str, side: &str, wanted: &Value, got: &[u8]) {
    if let Some(raw) = wanted.get("raw").and_then(Value::as_str) {
        assert_eq!(String::from_utf8_lossy(got), raw, "{id} {side}");
    }
    match wanted.get("b") {
        None => {}
        Some(Value::Null) => assert!(got.is_empty(), "{id} {side}: {got:?}"),
        Some(text) => {
            let wanted: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
            let got: Value = serde_json::from_slice(got).unwrap_or_else(|e| panic!("{id} {side}: {e}: {got:?}"));
            assert_eq!(got, wanted, "{id} {side}");
        }
    }
}

fn check(id: &str) {
    let v = vector(id);
    let res = v["res"].clone();
    // Where a tag of ours is part of the request, a plain 200 first teaches the test the program's fingerprint.
    let learning = Arc::new(AtomicBool::new(false));
    let teach = learning.clone();
    let up = Upstream::new(move |a| {
        if teach.load(Ordering::SeqCst) {
            return a.reply(200, &["Content-Type: application/json", "ETag: \"v1\""], "{}");
        }
        let lines: Vec<String> = fields(&res["h"])
            .into_iter()
            .filter(|(n, _)| !n.eq_ignore_ascii_case("content-length"))
            .filter_map(|(n, v)| v.map(|v| format!("{n}: {v}")))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let status = res["s"].as_u64().unwrap_or(200) as u16;
        a.reply(status, &lines, res["b"].as_str().unwrap_or_default())
    });
    let mut yaml = String::new();
    if let Some(limit) = v.get("limit") {
        yaml.push_str(&format!("limits: {{adapted_body: {limit}}}\n"));
    }
    yaml.push_str(&fill(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /p, POST /p, GET /s]
    versions: {"1": {}, "2": {upstream: main}}
    changes: [{change: c, from: "1", to: "2", operations: [<op>]}]
"#,
        &[("up", &up.url()), ("op", &operation(&v["op"]))],
    ));
    let gateway = Gateway::start(&yaml);

    let (method, path) = (v["req"]["m"].as_str().unwrap(), v["req"]["path"].as_str().unwrap());
    let mut lines = vec!["X-API-Version: 1".to_owned()];
    let mut fingerprint = "deadbeef".to_owned();
    if v["req"].to_string().contains("deadbeef") {
        learning.store(true, Ordering::SeqCst);
        let tag = gateway.call(method, path, &["X-API-Version: 1"], "").header("ETag").unwrap();
        fingerprint = tag.trim_end_matches('"').rsplit('~').next().unwrap().to_owned();
        learning.store(false, Ordering::SeqCst);
    }
    for (name, value) in fields(&v["req"]["h"]) {
        if !name.eq_ignore_ascii_case("content-length") {
            lines.push(format!("{name}: {}", value.unwrap().replace("deadbeef", &fingerprint)));
        }
    }
    if v["req"].get("gz").is_some() {
        lines.push("Content-Encoding: gzip".to_owned());
    }
    let before = up.requests().len();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let body = match v["req"]["gz"].as_str() {
        Some(text) => coded("gzip", text.as_bytes()),
        None => v["req"]["b"].as_str().unwrap_or_default().into(),
    };
    let answer = gateway.call(method, path, &lines, body);

    match v.get("up") {
        Some(Value::Null) => assert_eq!(up.requests().len(), before, "{id}: the upstream was called"),
        Some(wanted) => {
            let seen = up.last();
            if let Some(method) = wanted["m"].as_str() {
                assert_eq!(seen.method, method, "{id}");
            }
            if let Some(path) = wanted["path"].as_str() {
                assert_eq!(seen.target, path, "{id}");
            }
            same_fields(id, "upstream", &wanted["h"], |n| seen.header(n));
            same_body(id, "upstream", wanted, &seen.body);
        }
        None => {}
    }
    let Some(out) = v.get("out") else { return };
    assert_eq!(Value::from(answer.status), out["s"], "{id}: {}{}", answer.head.raw, answer.text());
    same_fields(id, "client", &out["h"], |n| answer.header(n));
    same_body(id, "client", out, &answer.body);
}

#[test]
fn the_http_vectors_hold_through_the_running_gateway() {
    for id in VECTORS {
        check(id);
    }
}

// ---- the worked example -------------------------------------------------------------------------------------------

const QUERY_PARSER: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  query-parser:
    path: /
    endpoints: [POST /parse, POST /parse/batch, POST /parse/voice]
    versions:
      "1.0": <v1.0>
      "1.5": <v1.5>
      "2.0": <v2.0>
      "2.1": <v2.1>
    changes:
      - change: qp-1.5-context
        from: "1.0"
        to: "1.5"
        shapes:
          ParseRequest:
            - add: {path: /context, value: {user_id: null, database_schema: null}}
          ParseResponse:
            - add: {path: /intent}
            - add: {path: /entities, value: []}
        operations:
          - {match: POST /parse, request: [{use: ParseRequest}], response: {2xx: [{use: ParseResponse}]}}
          - {match: POST /parse/batch, since: "1.5"}
      - change: qp-2.0-multimodal
        from: "1.5"
        to: "2.0"
        shapes:
          ParseRequest:
            - nest: {into: input, members: {text: query, context: context}}
            - add: {path: /input/voice}
          ParseResponse:
            - remove: {path: /intent}
              lossy: {down: "2.0 no longer computes intent"}
            - remove: {path: /entities, down: {value: []}}
              lossy: {down: "2.0 no longer extracts entities"}
            - nest: {into: query, members: [sql, confidence], rest: drop}
            - add: {path: /query/alternatives, value: []}
            - add: {path: /metadata, value: {}}
        operations:
          - {match: POST /parse, request: [{use: ParseRequest}], response: {2xx: [{use: ParseResponse}]}}
          - {match: POST /parse/batch, request: [{at: '/items/[]', use: ParseRequest}], response: {2xx: [{at: '/results/[]', use: ParseResponse}]}}
          - {match: POST /parse/voice, since: "2.0"}
      - {change: qp-2.1-compatible, from: "2.0", to: "2.1", operations: []}
"#;

/// All versions on one backend that speaks `speaks` and answers `answer`.
fn backend(speaks: &str, answer: &'static str) -> (Gateway, Upstream) {
    let up = Upstream::json(answer);
    let version = |v: &str| {
        if v == speaks { "{upstream: main}".to_owned() } else { format!("{{upstream: main, speaks: \"{speaks}\"}}") }
    };
    let yaml = fill(
        QUERY_PARSER,
        &[
            ("up", &up.url()),
            ("v1.0", &version("1.0")),
            ("v1.5", &version("1.5")),
            ("v2.0", &version("2.0")),
            ("v2.1", &version("2.1")),
        ],
    );
    (Gateway::start(&yaml), up)
}

#[track_caller]
fn flow(speaks: &str, client: &str, request: &str, seen: &str, answer: &'static str, got: &str) {
    let (gateway, up) = backend(speaks, answer);
    let response = gateway.post_json("/parse", &[&format!("X-API-Version: {client}")], request);
    assert_eq!(response.status, 200, "{client} on {speaks}: {}", response.text());
    assert_eq!(response.used().as_deref(), Some(client));
    assert_eq!(up.last().text(), seen, "{client} on {speaks}: what the backend saw");
    assert_eq!(up.last().header("Content-Length"), Some(seen.len().to_string()));
    assert_eq!(up.last().header("X-API-Version").as_deref(), Some(speaks));
    assert_eq!(response.text(), got, "{client} on {speaks}: what the client got");
    assert_eq!(response.header("Content-Length"), Some(got.len().to_string()));
}

const ANSWER_1_5: &str = r#"{"sql":"SELECT 1","confidence":0.90,"intent":"select","entities":["a"]}"#;
const ANSWER_2_0: &str = r#"{"query":{"sql":"SELECT 1","confidence":0.90,"alternatives":[{"sql":"S2"}]},"metadata":{"processing_time":12.5}}"#;

#[test]
fn a_1_0_client_is_served_by_a_1_5_backend() {
    flow(
        "1.5",
        "1.0",
        r#"{"query":"top customers"}"#,
        r#"{"query":"top customers","context":{"user_id":null,"database_schema":null}}"#,
        ANSWER_1_5,
        r#"{"sql":"SELECT 1","confidence":0.90}"#,
    );
}

#[test]
fn a_1_0_client_is_served_by_a_2_0_backend() {
    flow(
        "2.0",
        "1.0",
        r#"{"query":"top customers"}"#,
        r#"{"input":{"text":"top customers","context":{"user_id":null,"database_schema":null}}}"#,
        ANSWER_2_0,
        r#"{"sql":"SELECT 1","confidence":0.90}"#,
    );
}

#[test]
fn a_1_5_client_is_served_by_a_2_0_backend() {
    flow(
        "2.0",
        "1.5",
        r#"{"query":"q","context":{"user_id":"u","database_schema":null},"lang":"en"}"#,
        r#"{"input":{"text":"q","context":{"user_id":"u","database_schema":null}},"lang":"en"}"#,
        ANSWER_2_0,
        r#"{"sql":"SELECT 1","confidence":0.90,"entities":[]}"#,
    );
}

#[test]
fn a_2_0_client_is_served_by_a_1_5_backend() {
    flow(
        "1.5",
        "2.0",
        r#"{"input":{"text":"q","context":{"user_id":"u"}}}"#,
        r#"{"query":"q","context":{"user_id":"u"}}"#,
        ANSWER_1_5,
        r#"{"query":{"sql":"SELECT 1","confidence":0.90,"alternatives":[]},"metadata":{}}"#,
    );
}

#[test]
fn a_2_0_client_is_served_by_a_1_0_backend() {
    flow(
        "1.0",
        "2.0",
        r#"{"input":{"text":"q","context":{"user_id":"u"}}}"#,
        r#"{"query":"q"}"#,
        r#"{"sql":"S","confidence":1}"#,
        r#"{"query":{"sql":"S","confidence":1,"alternatives":[]},"metadata":{}}"#,
    );
}

#[test]
fn versions_that_do_not_differ_pass_byte_for_byte() {
    let odd = "{ \"input\" : {\"text\":\"\\u00e9\"} ,\"n\":1E5, \"n\":2 }\n";
    flow("2.0", "2.1", odd, odd, ANSWER_2_0, ANSWER_2_0);
}

#[test]
fn every_element_of_a_batch_is_adapted() {
    let (gateway, up) =
        backend("2.0", r#"{"results":[{"query":{"sql":"A","confidence":1},"metadata":{}},{"query":null}]}"#);
    let answer =
        gateway.post_json("/parse/batch", &["X-API-Version: 1.5"], r#"{"items":[{"query":"a"},{"query":"b"}]}"#);
    assert_eq!(up.last().text(), r#"{"items":[{"input":{"text":"a"}},{"input":{"text":"b"}}]}"#);
    assert_eq!(
        answer.json(),
        serde_json::json!({"results": [{"sql": "A", "confidence": 1, "entities": []}, {"entities": []}]})
    );
}

#[test]
fn an_operation_is_unknown_to_versions_before_it() {
    let (gateway, up) = backend("2.0", ANSWER_2_0);
    gateway.post_json("/parse/batch", &["X-API-Version: 1.0"], "{}").problem(404, "endpoint_unknown");
    gateway.post_json("/parse/voice", &["X-API-Version: 1.5"], "{}").problem(404, "endpoint_unknown");
    assert_eq!(up.requests().len(), 0);
    assert_eq!(gateway.post_json("/parse/voice", &["X-API-Version: 2.0"], "{}").status, 200);
}

// ---- one change, one operation ------------------------------------------------------------------------------------

/// Version 1 served by a backend that speaks 2, one operation between them.
pub(crate) fn one(op: &str, script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> (Gateway, Upstream) {
    let up = Upstream::new(script);
    let yaml = fill(
        r#"
versioning: {resolve: [{header: X-API-Version}, {query: version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /p, POST /p, PATCH /p, 'GET /models/{id}']
    versions: {"1": {}, "2": {upstream: main, endpoints: [GET /p, POST /p, PATCH /p, 'GET /v2/models/{id}/info']}}
    changes: [{change: the-change, from: "1", to: "2", operations: [<op>]}]
"#,
        &[("up", &up.url()), ("op", op)],
    );
    (Gateway::start(&yaml), up)
}

pub(crate) const OLD: &str = "X-API-Version: 1";
pub(crate) const BOTH: &str =
    "{match: POST /p, request: [{rename: {a: b}}], response: {2xx: [{rename: {a: b}}], 4xx: [{rename: {e: error}}]}}";

fn says(body: &'static str) -> impl Fn(&mut Answer) -> Then + Send + Sync {
    move |a| a.reply(200, &["Content-Type: application/json"], body)
}

#[test]
fn a_body_that_cannot_be_adapted_is_400_and_names_what_failed() {
    let (gateway, up) = one(
        "{match: POST /p, request: [{convert: {path: /n, from: string, to: integer, on_error: error}}]}",
        says("{}"),
    );
    let problem = gateway.post_json("/p", &[OLD], r#"{"n":"secret-value"}"#).problem(400, "adaptation_request_failed");
    let text = problem.to_string();
    assert!(text.contains("the-change") && text.contains("convert") && text.contains("/n"), "{text}");
    assert!(!text.contains("secret-value"), "{text}");
    for body in ["", "{", "{\"n\":01}", "{\"n\":1,}", "[1] x", "{\"n\":\"\x01\"}", "\u{feff}\u{feff}{}"] {
        gateway
            .post_json("/p", &[OLD, "Content-Length: 0"][..usize::from(body.is_empty()) + 1], body)
            .problem(400, "adaptation_request_failed");
    }
    assert_eq!(up.requests().len(), 0, "nothing malformed was sent on");
}

#[test]
fn nested_bodies_are_taken_to_depth_128_and_no_deeper() {
    let (gateway, up) = one("{match: POST /p, request: [{rename: {a: b}}]}", says("{}"));
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(gateway.post_json("/p", &[OLD], &nested(128)).status, 200);
    for depth in [129, 100_000] {
        gateway.post_json("/p", &[OLD], &nested(depth)).problem(400, "adaptation_request_failed");
    }
    assert_eq!(up.requests().len(), 1);
}

#[test]
fn a_touched_name_that_occurs_twice_is_refused() {
    let (gateway, up) = one(BOTH, says(r#"{"b":1,"b":2}"#));
    gateway.post_json("/p", &[OLD], r#"{"a":1,"a":2}"#).problem(400, "adaptation_request_failed");
    gateway.post_json("/p", &[OLD], r#"{"a":1,"\u0061":2}"#).problem(400, "adaptation_request_failed");
    assert_eq!(up.requests().len(), 0);
    gateway.post_json("/p", &[OLD], r#"{"a":1}"#).problem(502, "adaptation_response_failed");
}

#[test]
fn untouched_bytes_travel_unchanged() {
    let body = "{ \"z\" : 1.0, \"u\":\"\\u00e9\\/\", \"n\":[1E5,-0,1e400,18446744073709551616], \"d\":1,\"d\":2, \"a\":\"\\ud800\" }";
    let (gateway, up) = one(BOTH, says("{}"));
    assert_eq!(gateway.post_json("/p", &[OLD], body).status, 200);
    let seen = up.last().text();
    for part in ["1.0", "\"\\u00e9\\/\"", "[1E5,-0,1e400,18446744073709551616]", "\"\\ud800\"", "\"b\""] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    assert_eq!(seen.matches("\"d\"").count(), 2, "{seen}");
    assert!(seen.find("\"z\"") < seen.find("\"u\"") && seen.find("\"d\"") < seen.find("\"b\""), "{seen}");
}

#[test]
fn an_answer_that_cannot_be_adapted_is_502_never_half_of_it() {
    for body in ["{\"b\":", "not json", "{}x"] {
        let (gateway, _up) = one(BOTH, says(body));
        gateway.post_json("/p", &[OLD], "{}").problem(502, "adaptation_response_failed");
    }
    // Cut short by the upstream: nothing of it leaves.
    let (gateway, _up) = one(BOTH, |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"b\":1}");
        Then::Close
    });
    assert_eq!(gateway.post_json("/p", &[OLD], "{}").status, 502);
}

#[test]
fn an_upstreams_error_keeps_its_status_and_runs_its_own_list() {
    let (gateway, _up) =
        one(BOTH, |a| a.reply(422, &["Content-Type: application/problem+json"], r#"{"error":1,"b":2}"#));
    let answer = gateway.post_json("/p", &[OLD], "{}");
    assert_eq!((answer.status, answer.text().as_str()), (422, r#"{"e":1,"b":2}"#));
    // 5xx has no list here: it passes as it is.
    let (gateway, _up) = one(BOTH, |a| a.reply(500, &["Content-Type: application/json"], r#"{"error":1,"b":2}"#));
    let answer = gateway.post_json("/p", &[OLD], "{}");
    assert_eq!((answer.status, answer.text().as_str()), (500, r#"{"error":1,"b":2}"#));
}

#[test]
fn other_media_types_pass_with_all_their_headers() {
    let (gateway, up) = one(BOTH, |a| {
        a.reply(
            200,
            &["Content-Type: text/html", "ETag: \"x\"", "Accept-Ranges: bytes", "Content-Encoding: gzip"],
            "<b>",
        )
    });
    let answer = gateway.call("POST", "/p", &[OLD, "Content-Type: text/plain", "Content-Digest: sha-256=:x:"], "a=1");
    assert_eq!(answer.text(), "<b>");
    assert_eq!(answer.header("ETag").as_deref(), Some("\"x\""));
    assert_eq!(answer.header("Content-Encoding").as_deref(), Some("gzip"));
    assert_eq!(answer.header("Accept-Ranges").as_deref(), Some("bytes"));
    let seen = up.last();
    assert_eq!(seen.text(), "a=1");
    assert_eq!(seen.header("Content-Digest").as_deref(), Some("sha-256=:x:"));
}

#[test]
fn a_body_without_a_media_type_is_not_adapted() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], r#"{"b":1}"#));
    let answer = gateway.call("POST", "/p", &[OLD], r#"{"a":1}"#);
    assert_eq!(up.last().text(), r#"{"a":1}"#);
    assert_eq!(answer.text(), r#"{"b":1}"#);
}

#[test]
fn chunked_bodies_are_adapted_and_get_an_exact_length() {
    let (gateway, up) = one(BOTH, |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"b\r\n4\r\n\":1}\r\n0\r\n\r\n");
        Then::Keep
    });
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n");
    let answer = client.read();
    assert_eq!(answer.text(), r#"{"a":1}"#);
    assert_eq!(answer.header("Content-Length").as_deref(), Some("7"));
    assert_eq!(answer.header("Transfer-Encoding"), None);
    let seen: Recorded = up.last();
    assert_eq!(seen.text(), r#"{"b":1}"#);
    assert_eq!(seen.header("Content-Length").as_deref(), Some("7"));
    assert_eq!(seen.header("Transfer-Encoding"), None);
}

#[test]
fn expect_is_answered_by_the_gateway_where_it_buffers_the_body() {
    let (gateway, up) = one(BOTH, says("{}"));
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nContent-Type: application/json\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.read_head().unwrap().unwrap().status, 100);
    assert_eq!(up.requests().len(), 0, "the upstream has not been asked yet");
    client.write("{\"a\":1}");
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().header("Expect"), None);
}

#[test]
fn head_204_and_304_have_nothing_to_adapt() {
    let (gateway, _up) = one("{match: GET /p, response: {2xx: [{rename: {a: b}}]}}", |a| {
        let status = if a.request.header("X-Want").as_deref() == Some("204") { 204 } else { 200 };
        a.reply(status, &["Content-Type: application/json", "ETag: \"v1\""], r#"{"b":1}"#)
    });
    let head = gateway.call("HEAD", "/p", &[OLD], "");
    assert_eq!(head.status, 200);
    assert!(head.header("ETag").unwrap().starts_with("\"v1~"), "the same validator as for GET");
    assert_ne!(head.header("Content-Length").as_deref(), Some("0"), "a length, if any, is GET's");
    assert_eq!(gateway.get("/p", &[OLD, "X-Want: 204"]).status, 204);
}

#[test]
fn validators_and_ranges_of_an_adapted_route() {
    let (gateway, up) = one("{match: GET /p, response: {2xx: [{rename: {a: b}}]}}", |a| {
        a.reply(
            200,
            &["Content-Type: application/json", "ETag: W/\"v1\"", "Last-Modified: Mon, 01 Jun 2026 00:00:00 GMT"],
            r#"{"b":1}"#,
        )
    });
    let answer = gateway.get("/p", &[OLD, "Range: bytes=0-3", "If-Range: \"v1\""]);
    let tag = answer.header("ETag").unwrap();
    assert!(tag.starts_with("W/\"v1~") && tag.len() == "W/\"v1~01234567\"".len(), "{tag}");
    assert!(answer.header("Last-Modified").is_some());
    assert_eq!((up.last().header("Range"), up.last().header("If-Range")), (None, None));
    let suffix = &tag[5..14];
    // If-Match guards state: the suffix is taken off, the rest is kept, nothing is dropped.
    gateway.get("/p", &[OLD, &format!("If-Match: \"v1{suffix}\", \"v2\"")]);
    assert_eq!(up.last().header("If-Match").as_deref(), Some("\"v1\", \"v2\""));
    // If-None-Match: other tags are for other representations.
    gateway.get("/p", &[OLD, &format!("If-None-Match: W/\"v1{suffix}\", \"v2\"")]);
    assert_eq!(up.last().header("If-None-Match").as_deref(), Some("W/\"v1\""));
    gateway.get("/p", &[OLD, "If-None-Match: \"v2\""]);
    assert_eq!(up.last().header("If-None-Match"), None);
    gateway.get("/p", &[OLD, "If-None-Match: *"]);
    assert_eq!(up.last().header("If-None-Match").as_deref(), Some("*"));
    // A version that is not adapted keeps all of them.
    gateway.get("/p", &["X-API-Version: 2", "Range: bytes=0-3", "If-None-Match: \"v2\""]);
    assert_eq!(up.last().header("Range").as_deref(), Some("bytes=0-3"));
    assert_eq!(up.last().header("If-None-Match").as_deref(), Some("\"v2\""));
}

#[test]
fn path_method_and_query_are_mapped() {
    let (gateway, up) = one("{match: 'GET /models/{id}', to: 'GET /v2/models/{id}/info'}", says("{}"));
    assert_eq!(gateway.get("/models/m%207?x=%20", &[OLD]).status, 200);
    assert_eq!(up.last().target, "/v2/models/m%207/info?x=%20");
    // What a parameter stands for is none of the gateway's business.
    for id in ["%61bc", "%7e1", "%c3%a9", "100%", "x;y=1"] {
        assert_eq!(gateway.get(&format!("/m%6fdels/{id}"), &[OLD]).status, 200);
        assert_eq!(up.last().target, format!("/v2/models/{id}/info"));
    }
    let op = "{match: GET /p, to: POST /p, query: [{rename: {q: search}}, {add: {name: page_size, value: 20}}, \
              {remove: {name: debug}}, {map: {name: sort, pairs: [[asc, '+name']]}}]}";
    let (gateway, up) = one(op, says("{}"));
    assert_eq!(gateway.get("/p?q=a%20b&debug=1&keep=%7e&sort=asc&version=1", &[]).status, 200);
    let seen = up.last();
    assert_eq!(seen.method, "POST");
    let (path, query) = seen.target.split_once('?').unwrap();
    assert_eq!(path, "/p");
    let pairs: Vec<_> = query.split('&').collect();
    assert_eq!(&pairs[..2], ["search=a%20b", "keep=%7e"], "{query}");
    assert!(pairs.contains(&"page_size=20"), "{query}");
    assert!(pairs.contains(&"sort=%2Bname"), "a plus in a value is written so that it stays one: {query}");
}

#[test]
fn a_status_is_mapped_and_its_own_words_go() {
    let op = "{match: GET /p, status: [[400, 422], [400, 409]], response: {'409': [{rename: {a: conflict}}], 4xx: [{rename: {a: b}}]}}";
    let (gateway, _up) = one(op, |a| {
        let status = a.request.header("X-Want").and_then(|status| status.parse().ok()).unwrap_or(200);
        a.reply(status, &["Content-Type: application/json"], r#"{"b":1,"conflict":2}"#)
    });
    for (upstream, status, body) in [
        (422, 400, r#"{"a":1,"conflict":2}"#),
        (409, 400, r#"{"b":1,"a":2}"#),
        (400, 400, r#"{"a":1,"conflict":2}"#),
        (404, 404, r#"{"a":1,"conflict":2}"#),
        (500, 500, r#"{"b":1,"conflict":2}"#),
    ] {
        let answer = gateway.get("/p", &[OLD, &format!("X-Want: {upstream}")]);
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{upstream}");
        if upstream != status {
            assert!(answer.head.raw.starts_with("HTTP/1.1 400 Bad Request"), "{}", answer.head.raw);
        }
        let head = gateway.call("HEAD", "/p", &[OLD, &format!("X-Want: {upstream}")], "");
        assert_eq!(head.status, status, "HEAD {upstream}");
    }
}

#[test]
fn a_jq_program_runs_aside_and_is_turned_off_when_it_is_slow() {
    let op = "{match: POST /p, \
               request: [{jq: {at: /n, up: 'if type == \"array\" then reduce (.[] as $a | .[] as $b | .[] as $c | .[] as $d | 1) as $x (0; . + $x) else . + 1 end', \
                               down: . - 1, examples: ['1']}}], \
               response: {2xx: [{jq: {up: '{v: .}', down: .v, examples: ['1']}}]}}";
    let (gateway, up) = one(op, says(r#"{"v":[1.50]}"#));
    let answer = gateway.post_json("/p", &[OLD], r#"{"n":41,"x":1.50}"#);
    assert_eq!((answer.status, answer.text().as_str()), (200, "[1.50]"));
    assert_eq!(up.last().text(), r#"{"n":42,"x":1.50}"#);
    // What it has no answer for is the caller's fault.
    let refused = gateway.post_json("/p", &[OLD], r#"{"n":"x"}"#).problem(400, "adaptation_request_failed");
    assert_eq!((&refused["op"], &refused["reason"], &refused["pointer"]), (&"jq".into(), &"jq".into(), &"/n".into()));
    // Others are served while it is busy, and after three times it is not tried any more.
    let slow = format!("{{\"n\":[{}1]}}", "1,".repeat(59));
    for _ in 0..3 {
        let refused = gateway.post_json("/p", &[OLD], &slow).problem(400, "adaptation_request_failed");
        assert_eq!((&refused["change"], &refused["reason"]), (&"the-change".into(), &"jq".into()));
        assert_eq!(gateway.get("/p", &["X-API-Version: 2"]).status, 200);
    }
    gateway.post_json("/p", &[OLD], r#"{"n":41}"#).problem(400, "adaptation_request_failed");
}

#[test]
fn what_is_refused_is_named_as_the_caller_sent_it_or_would_have_got_it() {
    let request = "[{nest: {into: input, members: {text: query}}}, {at: /input, rename: {text: words}}, \
                   {convert: {path: /input/words, from: string, to: integer, on_error: error}}]";
    let response = "[{rename: {a: b}}, {move: {from: /list, to: /page/list}}, \
                    {map: {path: '/page/list/[]', pairs: [[1, 2]], down_else: error}}, {rename: {page: part}}]";
    let operation = format!("{{match: POST /p, request: {request}, response: {{2xx: {response}}}}}");
    let (gateway, up) = one(&operation, says(r#"{"part":{"list":[2,3]}}"#));
    let refused = gateway.post_json("/p", &[OLD], r#"{"query":"x"}"#).problem(400, "adaptation_request_failed");
    assert_eq!((&refused["op"], &refused["pointer"]), (&"convert".into(), &"/query".into()));
    assert!(refused["detail"].as_str().unwrap().contains("(at /query)"), "{refused}");
    assert!(up.requests().is_empty());
    let failed = gateway.post_json("/p", &[OLD], r#"{"query":"7"}"#).problem(502, "adaptation_response_failed");
    assert_eq!((&failed["op"], &failed["pointer"]), (&"map".into(), &"/list/1".into()));
    assert_eq!(up.last().text(), r#"{"input":{"words":7}}"#);
    // Records are named in the same terms.
    let lines = gateway.call("POST", "/p", &[OLD, "Content-Type: application/x-ndjson"], "{\"query\":\"x\"}\n");
    assert_eq!(lines.problem(400, "adaptation_request_failed")["pointer"], "/query");
}

#[test]
fn a_place_within_a_map_or_a_part_is_named_where_the_caller_has_it() {
    let convert = |path: &str| format!("{{convert: {{path: '{path}', from: string, to: integer, on_error: error}}}}");
    let refused = |ops: &str, body: &str| {
        let (gateway, _up) = one(&format!("{{match: POST /p, request: [{ops}]}}"), says("{}"));
        let problem = gateway.post_json("/p", &[OLD], body).problem(400, "adaptation_request_failed");
        problem["pointer"].as_str().unwrap().to_owned()
    };
    let index = format!("{{index: {{path: /m, key: id}}}}, {}, {{rename: {{m: k}}}}", convert("/m/{}/n"));
    assert_eq!(refused(&index, r#"{"m":[{"id":"a","n":"1"},{"id":"b/c","n":"q"}]}"#), "/m/1/n");
    let moved =
        format!("{{rename: {{l: m}}}}, {{index: {{path: /m, key: id}}}}, {{rename: {{m: k}}}}, {}", convert("/k/{}/n"));
    assert_eq!(refused(&moved, r#"{"l":[{"id":"a","n":"1"},{"id":"b","n":"q"}]}"#), "/l/1/n");
    let inner = format!("{{index: {{path: '/g/[]/m', key: id}}}}, {}", convert("/g/[]/m/{}/n"));
    assert_eq!(refused(&inner, r#"{"g":[{"m":[]},{"m":[{"id":"0","n":"1"},{"id":"1","n":"q"}]}]}"#), "/g/1/m/1/n");
    let split = format!("{{split: {{from: n, into: [f, l], sep: ' '}}, lossy: {{up: x, down: x}}}}, {}", convert("/l"));
    assert_eq!(refused(&split, r#"{"n":"a b"}"#), "/n");
}

#[test]
fn a_jq_program_that_makes_too_much_is_refused() {
    let (gateway, up) = one(
        "{match: POST /p, request: [{jq: {up: '{n: (\"x\" * .n | length)}', down: ., examples: ['{\"n\":1}']}}]}",
        says("{}"),
    );
    assert_eq!(gateway.post_json("/p", &[OLD], r#"{"n":1000}"#).status, 200);
    assert_eq!(up.last().text(), r#"{"n":1000}"#);
    let refused = gateway.post_json("/p", &[OLD], r#"{"n":1000000000000}"#).problem(400, "adaptation_request_failed");
    assert_eq!(refused["reason"], "jq");
    // That costs the program nothing: it was in time.
    for _ in 0..3 {
        gateway.post_json("/p", &[OLD], r#"{"n":1e99}"#).problem(400, "adaptation_request_failed");
    }
    assert_eq!(gateway.post_json("/p", &[OLD], r#"{"n":7}"#).status, 200);
}

#[test]
fn what_a_request_lost_comes_back_only_in_its_own_answer() {
    let list = "[{remove: {path: /tag, down: {stash: tag}}, lossy: {up: kept by the gateway}}]";
    let (gateway, up) =
        one(&format!("{{match: POST /p, request: {list}, response: {{2xx: {list}}}}}"), says(r#"{"r":2}"#));
    let send = |body: &str| gateway.post_json("/p", &[OLD], body).text();
    assert_eq!(send(r#"{"tag":{"n": 1.50},"q":1}"#), r#"{"r":2,"tag":{"n": 1.50}}"#);
    assert_eq!(up.last().text(), r#"{"q":1}"#);
    assert_eq!(send(r#"{"q":1}"#), r#"{"r":2}"#, "nothing was taken out of this one");
}

#[test]
fn defaults_are_never_added_to_a_patch() {
    let (gateway, up) =
        one("{match: PATCH /p, request: [{add: {path: /limit, value: 10}}, {rename: {a: b}}]}", says("{}"));
    let answer = gateway.call("PATCH", "/p", &[OLD, "Content-Type: application/merge-patch+json"], r#"{"a":null}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(up.last().text(), r#"{"b":null}"#);
}

// ---- what is not adapted is not touched ---------------------------------------------------------------------------

#[test]
fn routes_without_a_program_are_streamed_not_buffered() {
    let gate = Gate::default();
    let held = gate.clone();
    let (gateway, _up) = one(BOTH, move |a| {
        a.raw(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"x\"\r\nContent-Length: 14\r\n\r\n{\"first\"",
        );
        held.wait();
        a.raw(":  1 }");
        Then::Keep
    });
    // Another version on the same route, and the same version on another route.
    for (method, version) in [("POST", "2"), ("GET", "1")] {
        let mut client: Client = gateway.client();
        client.write(format!(
            "{method} /p HTTP/1.1\r\nHost: h\r\nX-API-Version: {version}\r\nAccept-Encoding: gzip\r\n\r\n"
        ));
        let head = client.read_head().unwrap().unwrap();
        assert_eq!(head.header("ETag").as_deref(), Some("\"x\""));
        assert_eq!(client.read_bytes(8), b"{\"first\"", "the first half arrives before the second is written");
        gate.open();
        assert_eq!(client.read_bytes(6), b":  1 }");
    }
}

#[test]
fn adaptations_are_counted_by_outcome() {
    let (gateway, _up) = one(BOTH, says("{\"b\":1}"));
    gateway.post_json("/p", &[OLD], "{}");
    gateway.post_json("/p", &[OLD], "{");
    let metrics = gateway.metrics();
    let samples = metrics.all("vergate_adaptations_total");
    let outcomes: std::collections::BTreeSet<_> =
        samples.iter().filter(|s| s.value > 0.0).filter_map(|s| s.labels.get("outcome")).collect();
    assert!(outcomes.len() >= 2, "one that worked and one that failed: {samples:?}");
}

#[test]
fn what_cannot_be_adapted_is_counted_by_change_and_op() {
    const FAILURES: &str = "vergate_adaptation_failures_total";
    let convert = "{convert: {path: /n, from: string, to: integer, on_error: error}}";
    let op =
        format!("{{match: POST /p, request: [{convert}], response: {{2xx: [{{rename: {{a: b}}, conflict: error}}]}}}}");
    let (gateway, _up) = one(&op, says(r#"{"a":1,"b":2}"#));
    gateway.post_json("/p", &[OLD], r#"{"n":"x"}"#).problem(400, "adaptation_request_failed");
    gateway.post_json("/p", &[OLD], r#"{"n":"y"}"#).problem(400, "adaptation_request_failed");
    gateway.post_json("/p", &[OLD], "{").problem(400, "adaptation_request_failed");
    gateway.post_json("/p", &[OLD], "{}").problem(502, "adaptation_response_failed");
    let lines = "Content-Type: application/x-ndjson";
    gateway.call("POST", "/p", &[OLD, lines], "{\"n\":\"z\"}\n").problem(400, "adaptation_request_failed");
    let counted = |direction, change, op, reason| {
        let labels = [("api", "shop"), ("direction", direction), ("change", change), ("op", op), ("reason", reason)];
        gateway.metrics().sum(FAILURES, &labels)
    };
    // Records are counted when their stream is done with, which may be after the answer.
    eventually("all are counted", || (gateway.metrics().sum(FAILURES, &[]) == 5.0).then_some(()));
    assert_eq!(counted("request", "the-change", "convert", "value"), 3.0);
    assert_eq!(counted("request", "none", "none", "malformed"), 1.0);
    assert_eq!(counted("response", "the-change", "rename", "conflict"), 1.0);
}
