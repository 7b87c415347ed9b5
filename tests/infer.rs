use crate::support::{TempDir, vergate};
use serde_json::Value;

/// Two versions whose difference is the file that `infer` wrote.
const GATEWAY: &str = r#"listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
upstreams: {new: http://127.0.0.1:1}
versioning: {resolve: [{header: X-API-Version}]}
apis:
  shop:
    path: /
    endpoints: [POST /parse]
    versions: {"1.0": {}, "2.0": {upstream: new}}
    changes: [proposed.yaml]
"#;

const OLD: &str =
    r#"{"query":"find me","debug":true,"items":[{"qty":"12","sku":"A1"},{"qty":"34","sku":"B2"}],"state":"open"}"#;
const NEW: &str = r#"{"input":{"text":"find me"},"items":[{"quantity":12,"sku":"A1"},{"quantity":34,"sku":"B2"}],"state":"OPEN","limit":20}"#;

fn infer(dir: &TempDir, more: &[&str]) -> (i32, String, String) {
    let line = ["infer", "--from", "a.json", "--to", "b.json", "--operation", "POST /parse"];
    vergate(dir, &[&line[..], &["--older", "1.0", "--newer", "2.0"], more].concat())
}

#[test]
fn a_proposal_passes_check_and_makes_the_newer_document_of_the_older() {
    let dir = TempDir::new();
    for (name, text) in [("a.json", OLD), ("b.json", NEW), ("gateway.yaml", GATEWAY)] {
        dir.write(name, text);
    }
    for response in [false, true] {
        let (code, yaml, err) = infer(&dir, if response { &["--response"] } else { &[] });
        assert_eq!((code, err.as_str()), (0, ""), "{yaml}");
        dir.write("proposed.yaml", &yaml);
        let (code, out, _) = vergate(&dir, &["check"]);
        assert_eq!(code, 0, "{out}\n{yaml}");
        if !response {
            let call = ["explain", "--json", "-H", "X-API-Version: 1.0", "/parse", "-d", "@a.json"];
            let (_, out, _) = vergate(&dir, &call);
            let told: Value = serde_json::from_str(&out).unwrap();
            let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
            assert_eq!(body, serde_json::from_str::<Value>(NEW).unwrap(), "{yaml}");
        }
    }
}

#[test]
fn doubts_are_comments_and_a_loss_waits_for_its_reason() {
    let dir = TempDir::new();
    dir.write("a.json", OLD);
    dir.write("b.json", NEW);
    let (_, yaml, _) = infer(&dir, &[]);
    for text in
        ["# unsure: one value was seen", "lossy: {up: \"FILL IN why /debug is discarded\"}", "at: \"/items/[]\""]
    {
        assert!(yaml.contains(text), "{text} in\n{yaml}");
    }
    let (code, out, _) = infer(&dir, &["--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["not_reached"], &report["yaml"]), (0, &serde_json::json!([]), &Value::from(yaml)));
}

#[test]
fn what_is_not_reached_is_said_and_exit_1() {
    let dir = TempDir::new();
    dir.write("a.json", r#"{"l":[1,2]}"#);
    dir.write("b.json", r#"{"l":[1,2,3]}"#);
    let (code, yaml, _) = infer(&dir, &[]);
    assert_eq!(code, 1);
    assert!(yaml.contains("# not reached: no op explains /l\n"), "{yaml}");
}

#[test]
fn unusable_arguments_and_documents_are_exit_2_and_name_what_is_wrong() {
    let dir = TempDir::new();
    dir.write("a.json", "{}");
    dir.write("b.json", "{");
    dir.write("c.json", r#"{"a":1,"a":2}"#);
    for (line, words) in [
        (&["--from", "a.json", "--to", "b.json"][..], "b.json: not JSON"),
        (&["--from", "c.json", "--to", "a.json"], "c.json: the name \"a\" occurs twice"),
        (&["--from", "a.json", "--to", "none.json"], "cannot read none.json"),
        (&["--from", "a.json", "--from", "a.json", "--to", "a.json"], "one --to for each --from"),
        (&["--from", "a.json", "--to", "a.json", "--operation", "parse"], "METHOD /path"),
        (&["--from", "a.json", "--to", "a.json", "--older", "x"], "--older x is no version"),
        (&["--from", "a.json", "--to", "a.json", "--older", "2.0", "--newer", "1.9"], "1.9 is not newer than 2.0"),
        (&["--from", "a.json"], "--to"),
    ] {
        let (code, out, err) = vergate(&dir, &[&["infer"][..], line].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}");
        assert!(err.contains(words), "{words} in {err}");
    }
}

#[test]
fn two_openapi_documents_give_a_change_for_every_operation() {
    let dir = TempDir::new();
    let document = |version: &str, request: &str, more: &str| {
        format!(
            "openapi: 3.1.0\ninfo: {{title: T, version: '{version}'}}\npaths:\n  /parse:\n    post:\n      requestBody: {{content: {{application/json: {{schema: {request}}}}}}}\n      responses: {{'200': {{description: Good., content: {{application/json: {{schema: {{type: object, properties: {{n: {{type: string}}}}}}}}}}}}}}\n{more}"
        )
    };
    let old = "{type: object, required: [query], properties: {query: {type: string}, userId: {type: string}, debug: {type: boolean}}}";
    let new = "{type: object, required: [input, limit], properties: {input: {type: object, required: [text], properties: {text: {type: string}}}, user_id: {type: integer}, limit: {type: integer, default: 20}, note: {type: array, items: {type: string}}}}";
    dir.write("old.yaml", &document("1.0", old, ""));
    dir.write("new.yaml", &document("2.0", new, "  /voice: {post: {responses: {'204': {description: Done.}}}}\n"));
    let (code, yaml, err) = vergate(&dir, &["infer", "--from", "old.yaml", "--to", "new.yaml"]);
    assert_eq!((code, err.as_str()), (0, ""), "{yaml}");
    for text in [
        "from: \"1.0\"\nto: \"2.0\"\n",
        "- rename: {userId: user_id}",
        "nest: {into: input, members: {text: query}}",
        "convert: {path: /user_id, from: string, to: integer}",
        "add: {path: /limit, value: 20}",
        "add: {path: /note}",
        "remove: {path: /debug}",
        "- match: \"POST /voice\"\n    since: \"2.0\"\n",
    ] {
        assert!(yaml.contains(text), "{text} in\n{yaml}");
    }
    dir.write("proposed.yaml", &yaml);
    dir.write("gateway.yaml", GATEWAY);
    let (code, out, _) = vergate(&dir, &["check"]);
    assert_eq!(code, 0, "{out}\n{yaml}");
}
