use super::testing::{document, gateway, of_requests, of_responses, proof, shown};

const A: &str = "{type: object, required: [a], properties: {a: {type: string}}}";
const B: &str = "{type: object, required: [b], properties: {b: {type: string}}}";

#[track_caller]
fn requests(old: &str, new: &str, ops: &str, expected: &[&str]) {
    assert_eq!(of_requests(old, new, ops), expected, "{ops}");
}

#[track_caller]
fn responses(old: &str, new: &str, ops: &str, expected: &[&str]) {
    assert_eq!(of_responses(old, new, ops), expected, "{ops}");
}

/// An object with one member, which has to be there.
fn one(name: &str, schema: &str) -> String {
    format!("{{type: object, required: [{name}], properties: {{{name}: {schema}}}, additionalProperties: false}}")
}

#[test]
fn what_fits_is_proven_in_silence() {
    requests(A, B, "[{rename: {a: b}}]", &[]);
    responses(A, B, "[{rename: {a: b}}]", &[]);
    requests(
        &one("a", "{type: integer}"),
        &one("a", "{type: string}"),
        "[{convert: {path: /a, from: integer, to: string}}]",
        &[],
    );
    let nested = one("o", &one("x", "{type: string}"));
    requests(&one("a", "{type: string}"), &nested, "[{nest: {into: o, members: {x: a}}}]", &[]);
    responses(&one("a", "{type: string}"), &nested, "[{nest: {into: o, members: {x: a}}}]", &[]);
    requests(
        &one("a", "{type: string}"),
        &one("a", "{type: array, items: {type: string}}"),
        "[{wrap: {path: /a}}]",
        &[],
    );
    requests(
        &one("a", "{enum: [x, y]}"),
        &one("a", "{enum: [1, 2]}"),
        "[{map: {path: /a, pairs: [[x, 1], [y, 2]]}}]",
        &[],
    );
    responses(
        &one("a", "{enum: [x, y]}"),
        &one("a", "{enum: [1, 2]}"),
        "[{map: {path: /a, pairs: [[x, 1], [y, 2]]}}]",
        &[],
    );
    requests(
        &one("a", "{type: string}"),
        &one("b", &one("c", "{type: string}")),
        "[{move: {from: /a, to: /b/c}}]",
        &[],
    );
    responses(
        &one("a", "{type: string}"),
        &one("b", &one("c", "{type: string}")),
        "[{move: {from: /a, to: /b/c}}]",
        &[],
    );
}

#[test]
fn an_op_needs_what_it_names_to_be_there() {
    requests(A, B, "[{rename: {aa: b}}]", &["no-such-path /aa"]);
    requests(A, A, "[{at: /x, rename: {a: b}}]", &["no-such-path /x"]);
    requests(A, A, "[{convert: {path: /c, from: string, to: integer}}]", &["no-such-path /c"]);
    requests(A, A, "[{nest: {into: o, members: [q]}}]", &["no-such-path /q"]);
    responses(A, A, "[{add: {path: /b}}]", &["no-such-path /b"]);
    responses(A, A, "[{remove: {path: /x/b, down: {value: 1}}, lossy: {up: gone}}]", &["no-such-path /x"]);
}

#[test]
fn an_op_needs_its_place_in_one_alternative_only() {
    let union = |name: &str| {
        format!(
            "{{anyOf: [{{type: object, required: [{name}], properties: {{{name}: {{type: string}}}}, additionalProperties: false}}, {{type: object, required: [k], properties: {{k: {{type: string}}}}, additionalProperties: false}}]}}"
        )
    };
    requests(&union("a"), &union("b"), "[{rename: {a: b}}]", &[]);
    responses(&union("a"), &union("b"), "[{rename: {a: b}}]", &[]);
    requests(&union("a"), &union("a"), "[{rename: {x: b}}]", &["no-such-path /x"]);
    let inside = |name: &str| one("o", &union(name));
    requests(&inside("a"), &inside("b"), "[{at: /o, rename: {a: b}}]", &[]);
    requests(&inside("a"), &inside("a"), "[{at: /o, rename: {x: b}}]", &["no-such-path /o/x"]);
    requests(&union("a"), &union("a"), "[{nest: {into: o, members: [x]}}]", &["no-such-path /x"]);
}

#[test]
fn an_op_needs_a_value_of_its_kind() {
    requests(A, A, "[{at: /a, rename: {x: y}}]", &["op-type /a"]);
    let number = one("a", "{type: number}");
    requests(
        &one("a", "{type: boolean}"),
        &number,
        "[{convert: {path: /a, from: string, to: number}}]",
        &["op-type /a"],
    );
    requests(&number, &number, "[{unwrap: {path: /a, empty: 'null'}}]", &["op-type /a"]);
    let list = one("a", "{type: array, items: {type: string}}");
    requests(&list, &list, "[{wrap: {path: /a}}]", &["op-type /a"]);
}

#[test]
fn an_index_needs_objects_and_names_to_go_by() {
    let index = "[{index: {path: /l, key: k}}]";
    let list = |items: &str| one("l", &format!("{{type: array, items: {items}}}"));
    let map = |values: &str| one("l", &format!("{{type: object, additionalProperties: {values}}}"));
    let keyed = |kind: &str| list(&format!("{{type: object, required: [k], properties: {{k: {{type: {kind}}}}}}}"));
    let empty = map("{type: object}");
    requests(&keyed("string"), &empty, index, &[]);
    requests(&keyed("integer"), &empty, index, &["op-type /l/[]/k"]);
    requests(&keyed("[integer, string]"), &empty, index, &[]);
    requests(&list("{type: string}"), &map("{}"), index, &["op-type /l/[]"]);
    requests(&list("{type: object, properties: {a: {}}}"), &empty, index, &["no-such-path /l/[]/k"]);
    responses(&list("{}"), &map("{type: integer}"), index, &["op-type /l/{}"]);
    responses(&keyed("string"), &empty, index, &[]);
}

#[test]
fn what_every_request_puts_aside_is_there_for_its_response() {
    let with = |required: &str| {
        format!(
            "{{type: object, required: [{required}], properties: {{a: {{}}, t: {{type: string}}}}, additionalProperties: false}}"
        )
    };
    let found = |old: &str, is_required: bool| {
        let ops = "[{remove: {path: /t, down: {stash: t}}, lossy: {up: kept}}]";
        let config = gateway(&format!("[{{match: POST /p, request: {ops}, response: {{2xx: {ops}}}}}]"));
        let request = format!("requestBody: {{required: {is_required}, ");
        let document =
            |request_body: &str, response: &str| document(request_body, response).replace("requestBody: {", &request);
        let (old, new) = (document(old, &with("a, t")), document(&one("a", "{}"), &one("a", "{}")));
        shown(&proof(&config, &[("1.yaml", &old), ("2.yaml", &new)]))
    };
    assert_eq!(found(&with("a, t"), true), [] as [&str; 0]);
    assert_eq!(found(&with("a"), true), ["missing-required /t"]);
    assert_eq!(found(&with("a, t"), false), ["missing-required /t"]);
}

#[test]
fn what_stands_where_an_op_writes_is_a_conflict() {
    let both = "{type: object, required: [a], properties: {a: {type: string}, b: {type: string}}}";
    requests(both, B, "[{rename: {a: b}}]", &["target-exists /b"]);
    requests(both, B, "[{rename: {a: b}, conflict: replace}]", &[]);
    requests(A, A, "[{add: {path: /a, value: x}}]", &["target-exists /a"]);
    let optional = "{type: object, properties: {a: {type: string}}}";
    requests(optional, A, "[{add: {path: /a, value: x}}]", &[]);
}

#[test]
fn the_result_has_to_be_what_the_other_version_promises() {
    requests(A, B, "[]", &["missing-required /b"]);
    responses(A, B, "[]", &["missing-required /a"]);
    requests(&one("a", "{type: string}"), &one("a", "{type: integer}"), "[]", &["type-flow /a"]);
    requests(&one("a", "{type: [string, 'null']}"), &one("a", "{type: string}"), "[]", &["null-flow /a"]);
    requests(&one("a", "{enum: [x, y]}"), &one("a", "{enum: [x]}"), "[]", &["enum-uncovered /a"]);
    requests(&one("a", "{type: string}"), &one("a", "{enum: [x]}"), "[]", &["enum-open /a"]);
    let two = "{type: object, required: [a], properties: {a: {type: string}, c: {type: string}}, additionalProperties: false}";
    requests(two, &one("a", "{type: string}"), "[]", &["closed-extra /c"]);
    requests(two, &one("a", "{type: string}"), "[{remove: {path: /c}, lossy: {up: gone}}]", &[]);
    let with = "{type: object, required: [a, n], properties: {a: {type: string}, n: {type: integer}}}";
    requests(A, with, "[{add: {path: /n, value: x}}]", &["bad-default /n", "type-flow /n"]);
    requests(A, with, "[{add: {path: /n, value: 1}}]", &[]);
    requests(&one("a", "{type: string}"), &one("a", "{type: string, maxLength: 3}"), "[]", &["range /a"]);
    requests(&one("a", "{type: string}"), &one("a", "{type: string, not: {const: x}}"), "[]", &["unknown /a"]);
    let union = "oneOf: [{type: object, required: [k, x], properties: {k: {const: 1}, x: {}}}, {type: object, required: [k, y], properties: {k: {const: 2}, y: {}}}]";
    requests(A, &format!("{{{union}}}"), "[]", &["union-ambiguous "]);
}

#[test]
fn a_string_that_is_read_is_partial_unless_its_schema_says_enough() {
    let (text, number) = (one("a", "{type: string}"), one("a", "{type: integer}"));
    let convert = "[{convert: {path: /a, from: string, to: integer}}]";
    requests(&text, &number, convert, &["partial /a"]);
    requests(&one("a", "{enum: ['1', '22']}"), &number, convert, &[]);
    for pattern in ["^[1-9][0-9]*$", "^[0-9]$", "^(0|-[1-9])$"] {
        requests(&one("a", &format!("{{type: string, pattern: '{pattern}'}}")), &number, convert, &[]);
    }
    requests(&one("a", "{type: string, pattern: '^[0-9]+$'}"), &number, convert, &["partial /a"]);
    requests(&one("a", "{enum: ['1', 'x']}"), &number, convert, &["partial /a"]);
    responses(&text, &number, convert, &[]);
}

#[test]
fn an_optional_source_below_an_open_schema_may_be_a_stray() {
    let optional = "{type: object, properties: {a: {type: string}}}";
    requests(optional, "{type: object, properties: {b: {type: string}}}", "[{rename: {a: b}}]", &["capture /b"]);
    requests(
        "{type: object, properties: {a: {type: string}}, additionalProperties: false}",
        "{type: object, properties: {b: {type: string}}}",
        "[{rename: {a: b}}]",
        &[],
    );
}

#[test]
fn guards_and_maps_follow_the_values() {
    let tagged = "{type: object, required: [t, v], properties: {t: {enum: [n, s]}, v: {type: [integer, string]}}}";
    let cents = one("list", "{type: array, items: {type: object, additionalProperties: {type: integer}}}");
    let text = one("list", "{type: array, items: {type: object, additionalProperties: {type: string}}}");
    requests(&cents, &text, "[{convert: {path: '/list/[]/{}', from: integer, to: string}}]", &[]);
    requests(&cents, &text, "[]", &["type-flow /list/[]/{}"]);
    requests(tagged, tagged, "[{map: {path: /t, pairs: [[n, s]]}, lossy: {up: merged}}]", &[]);
}

#[test]
fn wide_numbers_towards_clients_deserve_a_word() {
    let (wide, text) =
        (one("a", "{type: integer, format: int64}"), one("a", "{type: string, pattern: '^-?(0|[1-9][0-9]*)$'}"));
    responses(&wide, &text, "[{convert: {path: /a, from: integer, to: string}}]", &["number-precision /a"]);
    responses(&wide.replace("int64", "int32"), &text, "[{convert: {path: /a, from: integer, to: string}}]", &[]);
    requests(&wide, &text, "[{convert: {path: /a, from: integer, to: string}}]", &[]);
}

#[test]
fn what_a_middle_version_lacks_is_lost_on_the_way() {
    let gateway = "upstreams: {u: http://h}
apis:
  a:
    versions: {\"1\": {openapi: 1.yaml}, \"2\": {}, \"3\": {upstream: u, openapi: 1.yaml}}
    changes:
      - {change: c, from: \"1\", to: \"2\", operations: [{match: POST /p, request: [{remove: {path: /a}, lossy: {up: gone}}]}]}
      - {change: d, from: \"2\", to: \"3\", operations: [{match: POST /p, request: [{add: {path: /a, value: x}}]}]}
";
    let found = proof(gateway, &[("1.yaml", &document(A, "true"))]);
    assert_eq!(shown(&found), ["chain-bottleneck /a"]);
    assert!(
        found[0]
            .to_string()
            .starts_with("gateway.yaml:7:9: warning: both 1 and 3 know \"/a\", and 2 between them does not")
    );
}

#[test]
fn operations_have_counterparts() {
    let (one_way, other) = (document(A, A), document(A, A).replace("/p:", "/q:"));
    let found = proof(&gateway("[]"), &[("1.yaml", &one_way), ("2.yaml", &other)]);
    assert_eq!(shown(&found), ["unknown-operation -"]);
    assert_eq!((found[0].line, found[0].operation.as_deref()), (6, Some("POST /p")));
    let moved = gateway("[{match: POST /p, to: POST /q}]");
    assert_eq!(shown(&proof(&moved, &[("1.yaml", &one_way), ("2.yaml", &other)])), [] as [&str; 0]);
    let found = proof(&gateway("[{match: POST /pp}]"), &[("1.yaml", &one_way), ("2.yaml", &one_way)]);
    assert_eq!(
        found[0].to_string(),
        "gateway.yaml:9:30: error: version 1 has no POST /pp: 1.yaml does not list it; did you mean POST /p?"
    );
}

#[test]
fn a_finding_says_where_whose_and_what_to_write() {
    let gateway = gateway("[{match: POST /p, response: {2xx: [{convert: {path: /a, from: string, to: integer}}]}}]");
    let found = proof(
        &gateway,
        &[
            ("1.yaml", &document(A, &one("a", "{type: string}"))),
            ("2.yaml", &document(A, &one("a", "{type: boolean}"))),
        ],
    );
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "gateway.yaml:9:57: error: convert: in version 2 the value at \"/a\" is boolean (200 responses); write the types the two documents have as from and to, or take the op out",
        ]
    );
    let json = serde_json::to_value(&found[0]).expect("JSON");
    assert_eq!(json["change"], "c");
    assert_eq!((&json["api"], &json["operation"], &json["pointer"]), (&"a".into(), &"POST /p".into(), &"/a".into()));
    assert_eq!(json["op"], "convert");
    let found = proof(
        &super::testing::gateway("[{match: POST /p}]"),
        &[("1.yaml", &document(A, "true")), ("2.yaml", &document(B, "true"))],
    );
    assert_eq!(
        found[0].to_string(),
        "gateway.yaml:9:30: error: requests of version 1 would not be valid in 2: \"/b\" may be absent and is required (2.yaml:5:104); if it is what \"a\" was, write `- rename: {a: b}`; else give it a value: `- add: {path: /b, value: …}`"
    );
}

#[test]
fn the_rollback_direction_is_proven_where_an_upstream_speaks_an_older_version() {
    let gateway = gateway("[{match: POST /p, request: [{rename: {a: b}}], response: {2xx: [{rename: {a: b}}]}}]")
        .replace(
            "versions: {\"1\": {openapi: 1.yaml}, \"2\": {upstream: u,",
            "versions: {\"1\": {upstream: u, openapi: 1.yaml}, \"2\": {upstream: u, speaks: \"1\",",
        );
    assert_eq!(shown(&proof(&gateway, &[("1.yaml", &document(A, A)), ("2.yaml", &document(B, B))])), [] as [&str; 0]);
    let wrong = B.replace("string", "integer");
    let found = proof(&gateway, &[("1.yaml", &document(A, A)), ("2.yaml", &document(&wrong, B))]);
    assert_eq!(shown(&found), ["type-flow /a"]);
}

#[test]
fn the_examples_of_the_check_give_their_codes() {
    let file = include_str!("../../tests/vectors/adaptation.yaml");
    let vectors: Vec<serde_json::Value> = serde_yaml::from_str(file).expect("a list of vectors");
    let mut tried = 0;
    for vector in vectors.iter().filter(|vector| vector["id"].as_str().is_some_and(|id| id.starts_with('C'))) {
        let (mut lists, mut bodies) =
            (Vec::new(), [["true".to_owned(), "true".to_owned()], ["true".to_owned(), "true".to_owned()]]);
        for (side, key, words) in [(0, "request", "request: "), (1, "response", "response: {2xx: ")] {
            let Some(ops) = vector.get(key) else { continue };
            lists.push(format!("{words}{ops}{}", if side == 1 { "}" } else { "" }));
            for (version, schema) in [&vector["old"], &vector["new"]].into_iter().enumerate() {
                bodies[version][side] = schema.to_string();
            }
        }
        let config = gateway(&format!("[{{match: POST /p, {}}}]", lists.join(", ")));
        let [old, new] = bodies.map(|[request, response]| document(&request, &response));
        let mut found = shown(&proof(&config, &[("1.yaml", &old), ("2.yaml", &new)]));
        let mut expected: Vec<&str> =
            vector["codes"].as_array().expect("codes").iter().filter_map(|code| code.as_str()).collect();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", vector["id"]);
        tried += 1;
    }
    assert!(tried >= 10, "only {tried} vectors were tried");
}
