//! What is written about changes.

use std::path::Path;

use super::*;
use crate::{
    adaptation::op::Edit,
    config::{Config, load, origins::ApiOrigins},
    contract::{directory::Directory, read::testing, subtype::Side},
    domain::time::UtcTime,
    infer::Json,
};

/// An API of two versions whose only change has these operations.
fn config(operations: &str) -> (Config, ApiOrigins) {
    let yaml = format!(
        "upstreams: {{u: 'http://127.0.0.1:1'}}\napis:\n  a:\n    versions: {{\"1\": {{deprecated: 2026-01-01, sunset: 2030-01-01}}, \"2\": {{upstream: u}}}}\n    changes: [{{change: c, from: \"1\", to: \"2\", summary: A summary., operations: [{operations}]}}]\n"
    );
    let at = UtcTime::parse("2026-06-01").expect("a date");
    let mut outcome = load::read(&yaml, Path::new("g.yaml"), &|_| None, at);
    let config = outcome.config.unwrap_or_else(|| panic!("{:?}", outcome.findings));
    (config, outcome.origins.remove(0))
}

fn sentence(op: &str, side: Side) -> String {
    let (config, _) = config(&format!("{{match: POST /p, request: [{op}]}}"));
    let edit: &Edit = &config.changes[0][0].operations[0].request[0];
    words::edit(edit, side)
}

#[test]
fn every_op_is_a_sentence() {
    for (op, expected) in [
        ("{rename: {a: b, c: d}}", "`/a` is called `b` and `/c` is called `d`"),
        ("{at: '/items/[]', rename: {a: b}}", "`/items/[]/a` is called `b`"),
        ("{move: {from: /a/b, to: /c}}", "`/a/b` is at `/c`"),
        ("{nest: {into: n, members: {x: a, b: b}}}", "`a` (as `x`) and `b` moved into `/n`"),
        ("{unnest: {from: n, members: {x: a}}}", "`x` (as `a`) moved out of `/n`"),
        ("{add: {path: /a}}", "new and optional: `/a`"),
        ("{add: {path: /a, value: 20}}", "new: `/a`; where it is absent, older requests count as `20`"),
        ("{remove: {path: /a}, lossy: {up: r}}", "gone: `/a`"),
        ("{convert: {path: /a, from: string, to: integer}}", "`/a` is an integer, was a string"),
        ("{scale: {path: /a, pow10: 3}}", "`/a` counts in other units: multiply by 10<sup>3</sup>"),
        ("{map: {path: /a, pairs: [[x, y]]}}", "`/a` has other values: `\"x\"` is `\"y\"`"),
        ("{wrap: {path: /a}}", "`/a` is an array, was one value"),
        (
            "{unwrap: {path: /a, many: last}, lossy: {up: r}}",
            "`/a` is one value, was an array; of several the last counts",
        ),
        ("{split: {from: a, into: [b, c], sep: ':'}, lossy: {down: r}}", "`/a` is cut at `:` into `b` and `c`"),
        ("{elem_wrap: {path: /a, key: k}}", "every element of `/a` is an object, with what it was as `k`"),
        ("{when: {path: /k, in: [x]}, rename: {a: b}}", "where `/k` is `\"x\"`: `/a` is called `b`"),
    ] {
        assert_eq!(sentence(op, Side::Request), expected, "{op}");
    }
    let gone = sentence("{remove: {path: /a, down: {value: []}}, lossy: {up: r}}", Side::Response);
    assert_eq!(gone, "gone: `/a`; callers of the older version get `[]`");
}

#[test]
fn code_survives_whatever_it_holds() {
    for (text, span) in [("a", "`a`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a\nb", "`a b`")] {
        assert_eq!(words::code(text), span);
    }
}

#[test]
fn a_sample_keeps_the_schema_and_prefers_what_is_written() {
    for (schema, expected) in [
        ("{type: string}", r#""text""#),
        ("{type: string, enum: [b, a]}", r#""b""#),
        ("{type: string, minLength: 6}", r#""textxx""#),
        ("{type: string, format: date}", r#""2027-06-01""#),
        ("{type: integer, minimum: 5}", "5"),
        ("{type: number, maximum: 0.5}", "0.5"),
        ("{type: [string, 'null']}", r#""text""#),
        ("{type: array, items: {type: integer}}", "[1]"),
        (
            "{type: object, properties: {b: {type: boolean}, a: {type: string, example: said}}}",
            r#"{"b":true,"a":"said"}"#,
        ),
        (
            "{type: object, properties: {id: {type: string, readOnly: true}, n: {type: integer, default: 3}}}",
            r#"{"n":3}"#,
        ),
        ("{}", "null"),
    ] {
        let schema = testing::schema(schema);
        assert_eq!(sample::of(&schema, Side::Request).text(), expected);
    }
}

#[test]
fn a_guide_has_examples_that_were_run_and_leaves_out_what_comes_to_nothing() {
    let (config, _) = config(
        "{match: 'GET /p/{id}', to: 'GET /q/{id}', query: [{rename: {s: search}}], headers: {request: [{add: {name: X-Secret, value: hidden}}]}, status: [[400, 422]], response: {200: [{add: {path: /x}}, {rename: {a: b}}, {remove: {path: /x}}]}}, {match: POST /new, since: \"2\"}",
    );
    let document = testing::document(
        "openapi: 3.1.0\npaths: {'/q/{id}': {get: {responses: {'200': {description: '', content: {application/json: {schema: {type: object, properties: {b: {type: integer, example: 7}}}}}}}}}}\n",
    );
    let chain: Vec<&Change> = config.changes[0].iter().collect();
    let journey = Journey { api: &config.apis[0], from: 0, to: 1, chain: &chain, documents: [None, Some(&document)] };
    let expected = r#"# a: from 1 to 2

<!-- Written by `vergate docs` from the changes and the OpenAPI documents; edit those instead. -->

Version 1 is deprecated since 2026-01-01 and ends on 2030-01-01.

- 2: A summary.

## `GET /p/{id}`

Call `GET /q/{id}` instead.

### Requests

- Query parameter `s` is called `search`.
- New header `X-Secret`.

### Responses, 200

- `/a` is called `b`.

A response of 1:

```json
{
  "a": 7
}
```

The same in 2:

```json
{
  "b": 7
}
```

### Responses, beside their bodies

- Status 400 is 422.

## New endpoints

- `POST /new` (since 2)
"#;
    assert_eq!(migration(&journey), expected);
    let log = changelog(&config.apis[0], &config.changes[0]);
    assert!(log.contains("## 2\n\nA summary.\n\n### Added\n\n"), "{log}");
    assert!(log.contains("- `GET /p/{id}` is `GET /q/{id}` now\n"), "{log}");
}

#[test]
fn an_older_document_has_what_the_changes_make_of_the_newer() {
    let (config, origins) = config(
        "{match: 'POST /p/{id}', to: 'POST /q/{id}', query: [{rename: {s: search}}, {add: {name: page, value: 1}}], request: [{rename: {a: b}}, {add: {path: /c, value: 1}}], response: {2xx: [{nest: {into: n, members: [m]}}]}}, {match: POST /new, since: \"2\"}",
    );
    let newer = testing::document(
        "openapi: 3.1.0
info: {title: T, version: '9'}
servers: [{url: /base}]
paths:
  /q/{id}:
    post:
      operationId: put
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}, {name: search, in: query, schema: {type: string}}, {name: page, in: query, schema: {type: integer}}]
      requestBody: {required: true, content: {application/json: {schema: {type: object, required: [b], properties: {b: {$ref: '#/components/schemas/B'}, c: {type: integer}}}}}}
      responses: {2XX: {description: Good., content: {application/json: {schema: {type: object, required: [n], properties: {n: {type: object, required: [m], properties: {m: {type: string}}}}}}}}}
  /new: {post: {responses: {'204': {description: ''}}}}
components: {schemas: {B: {type: string}, Unused: {type: string}}}
",
    );
    let chain = [(&config.changes[0][0], &origins.changes[0])];
    let older = older(&Directory::new(&newer, ""), &chain, "1");
    let operation = &older["paths"]["/p/{id}"]["post"];
    assert_eq!(older["paths"].as_object().map(serde_json::Map::len), Some(1), "{older:#}");
    assert_eq!((&older["info"]["version"], &older["servers"][0]["url"]), (&"1".into(), &"/base".into()));
    let names: Vec<_> =
        operation["parameters"].as_array().expect("parameters").iter().map(|p| p["name"].clone()).collect();
    assert_eq!(names, ["id", "s"]);
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], serde_json::json!(["a"]), "{body:#}");
    assert_eq!(body["properties"], serde_json::json!({"a": {"$ref": "#/components/schemas/B"}}));
    let answer = &operation["responses"]["2XX"]["content"]["application/json"]["schema"];
    assert_eq!(
        (&answer["required"], &answer["properties"]["m"]["type"]),
        (&serde_json::json!(["m"]), &"string".into())
    );
    assert_eq!(
        older["components"]["schemas"].as_object().map(|all| all.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["B".to_owned()])
    );
    // It can be read, and says of its own samples that they are valid.
    let read = testing::document(&older.to_string());
    let request = read.operations[0].request.as_ref().and_then(|request| request.json()).expect("a schema");
    assert_eq!(sample::of(request, Side::Request).text(), Json::read(r#"{"a":"a"}"#).expect("JSON").text());
}

#[test]
fn events_are_told_by_their_type() {
    let (config, _) = config(
        "{match: GET /p, response: {events: {x: [{add: {path: /c}}, {map: {path: /d, pairs: [[e, f], [g, f]]}, lossy: {up: merged}}]}}}",
    );
    let log = changelog(&config.apis[0], &config.changes[0]);
    for line in ["- `GET /p`, event `x`: new and optional: `/c`\n", "- `GET /p`, event `x`: merged\n"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    let chain: Vec<&Change> = config.changes[0].iter().collect();
    let guide = migration(&Journey { api: &config.apis[0], from: 0, to: 1, chain: &chain, documents: [None, None] });
    for part in ["### Events of type `x`\n\n- New and optional: `/c`.\n", "## What is lost\n\n- `GET /p`: merged"] {
        assert!(guide.contains(part), "{part}: {guide}");
    }
}
