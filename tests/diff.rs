use crate::support::{TempDir, vergate};
use serde_json::{Value, json};

const OLD: &str = "openapi: 3.1.0
info: {title: T, version: '1'}
paths:
  /parse:
    post:
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Request'}}}}
      responses: {'204': {description: Done.}}
components:
  schemas:
    Request: {type: object, required: [query], properties: {query: {type: string}}}
";

const GATEWAY: &str = r#"listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0}
upstreams: {new: http://127.0.0.1:1}
versioning: {resolve: [{header: X-API-Version}]}
apis:
  shop:
    path: /
    versions: {"1.0": {openapi: old.yaml}, "2.0": {upstream: new, openapi: new.yaml}}
    changes:
      - change: words
        from: "1.0"
        to: "2.0"
        operations:
          - {match: POST /parse, request: [{rename: {query: text}}]}
"#;

fn folder(gateway: &str) -> TempDir {
    let dir = TempDir::new();
    dir.write("old.yaml", OLD);
    dir.write("new.yaml", &OLD.replace("query", "text").replace("version: '1'", "version: '2'"));
    dir.write("gateway.yaml", gateway);
    dir
}

#[test]
fn two_documents_alone_differ_by_what_breaks() {
    let dir = folder("");
    let (code, out, err) = vergate(&dir, &["diff", "old.yaml", "new.yaml"]);
    assert_eq!((code, err.as_str()), (1, "1 breaking\n"), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let error = "new.yaml:10:66: error: POST /parse: request: /text: the property is new and required [new-required-request-property]";
    assert_eq!(lines[0], error, "{out}");
    assert!(lines[1].contains(": warning: ") && lines[1].contains("[request-property-removed]"), "{out}");
    let (code, out, _) = vergate(&dir, &["diff", "old.yaml", "old.yaml", "--json"]);
    assert_eq!((code, out.as_str()), (0, "[]\n"));
}

#[test]
fn two_versions_differ_by_what_their_changes_do_not_heal() {
    let dir = folder(GATEWAY);
    for line in [&["diff", "1.0", "2.0"][..], &["diff", "old.yaml", "new.yaml", "-c", "gateway.yaml"]] {
        let (code, out, err) = vergate(&dir, line);
        assert_eq!((code, err.as_str()), (0, "1 breaking, 1 of them healed by changes\n"), "{out}");
        assert!(out.lines().all(|line| line.ends_with("; healed by change words, op rename")), "{out}");
    }
    let (_, out, _) = vergate(&dir, &["diff", "1.0", "2.0", "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found[0]["healed"], json!({"change": "words", "op": "rename"}));
    for (key, value) in [("severity", json!("error")), ("pointer", json!("/text")), ("operation", json!("POST /parse"))]
    {
        assert_eq!(found[0][key], value);
    }
    assert_eq!(found[0]["new"], json!({"file": "new.yaml", "line": 10, "col": 66}));
    let dir = folder(&GATEWAY.replace("rename: {query: text}", "add: {path: /more, value: 1}"));
    let (code, out, _) = vergate(&dir, &["diff", "1.0", "2.0"]);
    assert_eq!(code, 1);
    assert!(out.lines().next().is_some_and(|line| line.ends_with("; not covered by the changes")), "{out}");
}

#[test]
fn the_prefix_of_an_api_is_known_wherever_the_documents_write_it() {
    let gateway = GATEWAY.replace("path: /\n", "path: /shop\n").replace("POST /parse", "POST /shop/parse");
    let dir = folder(&gateway);
    let healed = |old: &str| {
        dir.write("old.yaml", old);
        vergate(&dir, &["diff", "1.0", "2.0"])
    };
    for old in [
        OLD.to_owned(),
        OLD.replace("/parse:", "/shop/parse:"),
        OLD.replace("paths:", "servers: [{url: 'https://api.example.com/shop/v1'}]\npaths:"),
    ] {
        let (code, out, err) = healed(&old);
        assert_eq!((code, err.as_str()), (0, "1 breaking, 1 of them healed by changes\n"), "{out}");
    }
    let (code, out, _) = healed(&OLD.replace("/parse:", "/stock/parse:"));
    assert_eq!(code, 1);
    assert!(out.contains("[path-removed]"), "{out}");
}

#[test]
fn what_cannot_be_compared_is_exit_2_with_the_reason() {
    let dir = folder(GATEWAY);
    for (line, words) in [
        (&["none.yaml", "new.yaml"][..], "neither a version nor the document of one"),
        (&["1.0", "3.0"], "\"3.0\" is neither a version"),
        (&["2.0", "1.0"], "1.0 is not newer than 2.0"),
        (&["1.0", "2.0", "--api", "none"], "there is no API \"none\"; the file has shop"),
        (&["old.yaml", "gateway.yaml"], "no OpenAPI document"),
        (&["1.0", "2.0", "-c", "none.yaml"], "none.yaml"),
    ] {
        let (code, out, err) = vergate(&dir, &[&["diff"][..], line].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{line:?}: {err}");
        assert!(err.contains(words), "{words} in {err}");
    }
}
