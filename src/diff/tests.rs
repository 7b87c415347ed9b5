//! Differences by their codes, and which of them changes heal.

use std::path::Path;

use super::*;
use crate::{
    config::load,
    contract::{Document, directory::Directory, read::testing},
    domain::time::UtcTime,
};

/// A document with one operation whose parts are given in flow style.
fn document(operation: &str) -> Document {
    testing::document(&format!("openapi: 3.1.0\npaths:\n  /p/{{id}}:\n    post: {operation}\n"))
}

fn responses(schema: &str) -> String {
    format!("{{responses: {{'200': {{description: '', content: {{application/json: {{schema: {schema}}}}}}}}}}}")
}

fn request(schema: &str) -> String {
    format!(
        "{{requestBody: {{required: true, content: {{application/json: {{schema: {schema}}}}}}}, responses: {{'204': {{description: ''}}}}}}"
    )
}

/// Two documents of which nothing else is known.
fn compared(old: &Document, new: &Document) -> Vec<Difference> {
    compare(&Directory::new(old, ""), &Directory::new(new, ""), &Clone::clone)
}

/// Weight, code and pointer of every difference.
#[track_caller]
fn found(old: &str, new: &str, expected: &[&str]) {
    let differences = compared(&document(old), &document(new));
    let shown: Vec<String> = differences
        .iter()
        .map(|d| {
            format!(
                "{} {}{}",
                d.weight.as_str(),
                d.code,
                d.pointer.as_ref().map(|p| format!(" {p}")).unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(shown, expected, "{old}\n{new}\n{differences:#?}");
}

fn properties(required: &str, properties: &str) -> String {
    format!("{{type: object, required: [{required}], properties: {{{properties}}}}}")
}

#[test]
fn the_same_document_does_not_differ() {
    let all = request(&properties("a", "a: {type: string}"));
    found(&all, &all, &[]);
}

#[test]
fn what_requests_must_do_from_here_on_breaks_them() {
    let old = properties("a", "a: {type: string}, b: {type: integer}");
    for (new, expected) in [
        (properties("a, b", "a: {type: string}, b: {type: integer}"), "error request-property-became-required /b"),
        (properties("a, c", "a: {type: string}, b: {type: integer}, c: {}"), "error new-required-request-property /c"),
        (properties("a", "a: {type: string}, b: {type: boolean}"), "error request-property-type-changed /b"),
        (properties("a", "a: {type: string, enum: [x]}, b: {type: integer}"), "error request-property-became-enum /a"),
        (
            properties("a", "a: {type: string, maxLength: 3}, b: {type: integer}"),
            "error request-property-constraint-tightened /a",
        ),
        (properties("a", "a: {type: string}"), "warning request-property-removed /b"),
        (properties("", "a: {type: string}, b: {type: integer}, c: {}"), "info new-optional-request-property /c"),
    ] {
        found(&request(&old), &request(&new), &[expected]);
    }
    let listed = |values: &str| request(&properties("", &format!("a: {{type: string, enum: [{values}]}}")));
    found(&listed("x, y"), &listed("x"), &["error request-property-enum-value-removed /a"]);
    found(&listed("x"), &listed("x, y"), &[]);
    let nullable = request(&properties("", "a: {type: [string, 'null']}"));
    found(
        &nullable,
        &request(&properties("", "a: {type: string}")),
        &["error request-property-became-not-nullable /a"],
    );
}

#[test]
fn what_answers_may_do_from_here_on_breaks_their_readers() {
    let old = properties("a", "a: {type: string}, b: {type: integer}");
    for (new, expected) in [
        (properties("", "a: {type: string}, b: {type: integer}"), "error response-property-became-optional /a"),
        (properties("", "b: {type: integer}"), "error response-required-property-removed /a"),
        (
            properties("a", "a: {type: [string, 'null']}, b: {type: integer}"),
            "error response-property-became-nullable /a",
        ),
        (properties("a", "a: {type: string}, b: {type: number}"), "error response-property-type-changed /b"),
        (properties("a", "a: {type: string}"), "warning response-optional-property-removed /b"),
        (properties("a", "a: {type: string}, b: {type: integer}, c: {}"), "info response-property-added /c"),
    ] {
        found(&responses(&old), &responses(&new), &[expected]);
    }
    let listed = |values: &str| responses(&properties("", &format!("a: {{type: string, enum: [{values}]}}")));
    found(&listed("x"), &listed("x, y"), &["error response-property-enum-value-added /a"]);
    found(&listed("x, y"), &listed("x"), &[]);
    let items = |inner: &str| responses(&format!("{{type: array, items: {}}}", properties("", inner)));
    found(
        &items("a: {}"),
        &items("b: {}"),
        &["warning response-optional-property-removed /[]/a", "info response-property-added /[]/b"],
    );
}

#[test]
fn parameters_go_by_place_and_name_and_those_of_the_path_by_their_order() {
    let with = |parameters: &str| format!("{{parameters: [{parameters}], responses: {{'204': {{description: ''}}}}}}");
    let id = "{name: id, in: path, required: true, schema: {type: string}}";
    let q =
        |required: bool, kind: &str| format!("{{name: q, in: query, required: {required}, schema: {{type: {kind}}}}}");
    let both = |q: &str| with(&format!("{id}, {q}"));
    found(&both(&q(false, "string")), &both(&q(true, "string")), &["error request-parameter-became-required q"]);
    found(&both(&q(false, "string")), &both(&q(false, "integer")), &["error request-parameter-type-changed q"]);
    found(&both(&q(false, "string")), &with(id), &["warning request-parameter-removed q"]);
    found(&with(id), &both(&q(true, "string")), &["error new-required-request-parameter q"]);
    found(&with(id), &both(&q(false, "string")), &["info new-optional-request-parameter q"]);
    let renamed = testing::document(
        "openapi: 3.1.0\npaths: {'/p/{key}': {post: {parameters: [{name: key, in: path, required: true, schema: {type: string}}], responses: {'204': {description: ''}}}}}\n",
    );
    assert_eq!(compared(&document(&with(id)), &renamed), []);
}

#[test]
fn endpoints_statuses_and_media_types_come_and_go() {
    let empty = "{responses: {'204': {description: ''}}}";
    let other =
        testing::document(&format!("openapi: 3.1.0\npaths: {{'/p/{{id}}': {{get: {empty}}}, /q: {{get: {empty}}}}}\n"));
    let codes =
        |old: &Document, new: &Document| compared(old, new).iter().map(|d| (d.code, d.weight)).collect::<Vec<_>>();
    let none = testing::document("openapi: 3.1.0\npaths: {}\n");
    assert_eq!(codes(&document(empty), &none), [("path-removed", Weight::Breaking)]);
    let gone = "{deprecated: true, responses: {'204': {description: ''}}}";
    assert_eq!(codes(&document(gone), &none), [("path-removed", Weight::Risky)], "callers were told");
    let expected = [
        ("method-removed", Weight::Breaking),
        ("endpoint-added", Weight::Harmless),
        ("endpoint-added", Weight::Harmless),
    ];
    assert_eq!(codes(&document(empty), &other), expected);
    let statuses = |all: &str| format!("{{responses: {{{all}}}}}");
    let (ok, created, bad) = ("'200': {description: ''}", "'201': {description: ''}", "'400': {description: ''}");
    let both = |a: &str, b: &str| statuses(&format!("{a}, {b}"));
    found(
        &both(ok, bad),
        &both(created, "default: {description: ''}"),
        &[
            "error response-success-status-removed",
            "warning response-success-status-added",
            "info response-error-status-added",
        ],
    );
    let typed = |name: &str| format!("{{responses: {{'200': {{description: '', content: {{{name}: {{}}}}}}}}}}");
    found(&typed("text/csv"), &typed("application/json"), &["error response-media-type-removed"]);
    found(&typed("text/csv"), &typed("text/*"), &[]);
    let body = |required: bool, name: &str| {
        format!(
            "{{requestBody: {{required: {required}, content: {{{name}: {{}}}}}}, responses: {{'204': {{description: ''}}}}}}"
        )
    };
    found(&body(false, "a/b"), &body(true, "a/b"), &["error request-body-became-required"]);
    found(&body(true, "a/b"), &body(true, "a/c"), &["error request-media-type-removed"]);
    found(empty, &body(true, "a/b"), &["error new-required-request-body"]);
    found(&body(true, "a/b"), empty, &["warning request-body-removed"]);
}

#[test]
fn where_a_path_begins_is_no_difference() {
    let text = |servers: &str, path: &str| {
        testing::document(&format!(
            "openapi: 3.1.0\n{servers}paths: {{'{path}': {{get: {{responses: {{'204': {{description: ''}}}}}}}}}}\n"
        ))
    };
    let served = |url: &str| format!("servers: [{{url: {url}}}]\n");
    let plain = text("", "/orders/{id}");
    for other in
        [text(&served("https://api.example.com/v2"), "/orders/{id}"), text(&served("/shop"), "/orders/{order}")]
    {
        assert_eq!(compared(&plain, &other), []);
        assert_eq!(compared(&other, &plain), []);
    }
    assert_eq!(compared(&text(&served("/shop/v1"), "/orders"), &text("", "/shop/orders")), []);
    let apart = compared(&text(&served("/shop/v1"), "/orders"), &text("", "/stock/orders"));
    assert_eq!(apart.iter().map(|d| d.code).collect::<Vec<_>>(), ["path-removed", "endpoint-added"]);
}

// ---- healing ------------------------------------------------------------------------------------------------------

/// Compares two documents of an API whose only change has this operation.
fn healed(old: &str, new: &str, operation: &str) -> Vec<String> {
    let yaml = format!(
        "upstreams: {{u: 'http://127.0.0.1:1'}}\napis:\n  a:\n    versions: {{\"1\": {{}}, \"2\": {{upstream: u}}}}\n    changes: [{{change: c, from: \"1\", to: \"2\", operations: [{{match: 'POST /p/{{id}}', {operation}}}]}}]\n"
    );
    let at = UtcTime::parse("2026-06-01").expect("a date");
    let outcome = load::read(&yaml, Path::new("g.yaml"), &|_| None, at);
    let config = outcome.config.unwrap_or_else(|| panic!("{:?}", outcome.findings));
    let chain = Chain::new(vec![(&config.changes[0][0], &outcome.origins[0].changes[0])]);
    let (old, new) = (document(old), document(new));
    let differences = heal(&Directory::new(&old, ""), &Directory::new(&new, ""), &chain);
    let shown = |d: &Difference| {
        let healing = match &d.healing {
            Healing::By { change, op } => format!("healed by {change} {op}"),
            Healing::NotCovered => "not covered".to_owned(),
            Healing::Unknown => "unknown".to_owned(),
        };
        format!("{} {}: {healing}", d.code, d.pointer.as_deref().unwrap_or_default())
    };
    differences.iter().filter(|d| d.weight != Weight::Harmless).map(shown).collect()
}

#[test]
fn an_op_heals_what_is_gone_after_it() {
    let old = request(&properties("query", "query: {type: string}, n: {type: string}"));
    let new = request(&properties(
        "text, limit, kind",
        "text: {type: string}, n: {type: integer}, limit: {type: integer}, kind: {type: string}",
    ));
    let ops = "request: [{rename: {query: text}}, {add: {path: /limit, value: 20}}]";
    assert_eq!(
        healed(&old, &new, ops),
        [
            "new-required-request-property /text: healed by c rename",
            "request-property-type-changed /n: not covered",
            "new-required-request-property /limit: healed by c add",
            "new-required-request-property /kind: not covered",
            "request-property-removed /query: healed by c rename",
        ]
    );
}

#[test]
fn answers_are_healed_on_their_way_down() {
    let old = responses(&properties("sql, score", "sql: {type: string}, score: {type: number}"));
    let new =
        responses(&properties("query", "query: {type: object, required: [sql], properties: {sql: {type: string}}}"));
    let ops = "response: {2xx: [{nest: {into: query, members: [sql]}}]}";
    assert_eq!(
        healed(&old, &new, ops),
        [
            "response-required-property-removed /sql: healed by c nest",
            "response-required-property-removed /score: not covered",
        ]
    );
}

#[test]
fn paths_parameters_and_statuses_are_healed_by_the_keys_of_an_operation() {
    let with = |name: &str, status: &str| {
        format!(
            "{{parameters: [{{name: {name}, in: query, required: true, schema: {{type: string}}}}], responses: {{'{status}': {{description: ''}}}}}}"
        )
    };
    let keys = "query: [{rename: {q: search}}], status: [[400, 422]]";
    assert_eq!(
        healed(&with("q", "400"), &with("search", "422"), keys),
        ["request-parameter-removed q: healed by c query", "new-required-request-parameter search: healed by c query",]
    );
}

#[test]
fn what_callers_have_to_show_is_compared_by_alternatives() {
    let of = |security: &str| format!("{{{security}responses: {{'204': {{description: ''}}}}}}");
    let (key, read) = ("security: [{key: []}], ", "security: [{oauth: [read]}], ");
    let (added, relaxed) = ("error security-requirement-added", "info security-requirement-relaxed");
    for (old, new, expected) in [
        ("", "", &[][..]),
        ("", "security: [], ", &[]),
        ("", key, &[added]),
        ("security: [{}], ", key, &[added]),
        (key, "", &[relaxed]),
        (key, "security: [{}, {key: []}], ", &[relaxed]),
        ("security: [{}, {key: []}], ", key, &[added]),
        (key, read, &[added, relaxed]),
        (key, "security: [{key: []}, {oauth: [read]}], ", &[relaxed]),
        (read, "security: [{oauth: [read, write]}], ", &[added]),
        ("security: [{oauth: [read, write]}], ", read, &[relaxed]),
        (key, "security: [{key: [], other: []}], ", &[added]),
    ] {
        found(&of(old), &of(new), expected);
    }
    let whole = |security: &str, own: &str| {
        testing::document(&format!("openapi: 3.1.0\n{security}paths: {{/p: {{get: {{{own}responses: {{}}}}}}}}\n"))
    };
    let everywhere = whole("security: [{key: []}]\n", "");
    assert_eq!(compared(&whole("", ""), &everywhere).len(), 1, "what holds for the document holds for each operation");
    assert_eq!(compared(&whole("", ""), &whole("security: [{key: []}]\n", "security: [], ")), []);
}
