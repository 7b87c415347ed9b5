use crate::proof::testing::{gateway, proof, shown};

/// A document whose `POST /p` has these parameters and these fields in its answer.
fn document(parameters: &str, fields: &str) -> String {
    format!(
        "openapi: 3.1.0
paths:
  /p:
    post:
      parameters: [{parameters}]
      responses: {{'200': {{headers: {{{fields}}}}}}}
"
    )
}

fn query(name: &str, required: bool, schema: &str) -> String {
    format!("{{name: {name}, in: query, required: {required}, schema: {schema}}}")
}

fn header(name: &str, required: bool, schema: &str) -> String {
    query(name, required, schema).replace("in: query", "in: header")
}

#[track_caller]
fn found(old: &str, new: &str, keys: &str, expected: &[&str]) {
    let config = gateway(&format!("[{{match: POST /p{keys}}}]"));
    let files = [document(old, ""), document(new, "")];
    let findings = proof(&config, &[("1.yaml", &files[0]), ("2.yaml", &files[1])]);
    assert_eq!(shown(&findings), expected, "{old}\n{new}\n{keys}\n{findings:#?}");
}

const TEXT: &str = "{type: string}";

#[test]
fn a_parameter_that_is_new_and_required_needs_a_value() {
    let limit = query("limit", true, "{type: integer}");
    found("", &limit, "", &["missing-required limit"]);
    found("", &limit, ", query: [{add: {name: limit, value: '20'}}]", &[]);
    found("", &limit, ", query: [{add: {name: limit, value: many}}]", &["bad-default limit"]);
    found("", &query("limit", false, "{type: integer}"), "", &[]);
    found(&query("limit", false, "{type: integer}"), &limit, "", &["missing-required limit"]);
    found("", &header("X-Tenant", true, TEXT), "", &["missing-required x-tenant"]);
    found("", &header("X-Tenant", true, TEXT), ", headers: [{add: {name: X-Tenant, value: a}}]", &[]);
    found("", &query("c", true, TEXT).replace("in: query", "in: cookie"), "", &["missing-required c"]);
}

#[test]
fn a_parameter_that_is_gone_is_worth_a_word() {
    let debug = query("debug", false, TEXT);
    found(&debug, "", "", &["closed-extra debug"]);
    found(&debug, "", ", query: [{remove: {name: debug}}]", &[]);
    found(&debug, &query("verbose", false, TEXT), ", query: [{rename: {debug: verbose}}]", &[]);
    found(&query("q", true, TEXT), &query("search", true, TEXT), "", &["missing-required search", "closed-extra q"]);
    found(&query("q", true, TEXT), &query("search", true, TEXT), ", query: [{rename: {q: search}}]", &[]);
    found(
        &query("q", false, TEXT),
        &query("search", true, TEXT),
        ", query: [{rename: {q: search}}]",
        &["missing-required search"],
    );
    found(&header("X-A", true, TEXT), &header("X-B", true, TEXT), ", headers: [{rename: {X-A: X-B}}]", &[]);
}

#[test]
fn an_edit_of_the_query_needs_what_it_names_and_room_for_what_it_writes() {
    let (q, s) = (query("q", false, TEXT), query("s", false, TEXT));
    found(&q, &s, ", query: [{rename: {p: s}}]", &["no-such-path p", "closed-extra q"]);
    let both = format!("{q}, {s}");
    found(&both, &s, ", query: [{rename: {q: s}}]", &["target-exists s"]);
    found(&both, &both, ", query: [{rename: {q: s, s: q}}]", &[]);
    found(&q, &q, ", query: [{remove: {name: debug}}]", &["no-such-path debug"]);
    found(&q, &q, ", query: [{map: {name: sort, pairs: [[a, b]]}}]", &["no-such-path sort"]);
    found(&query("q", true, TEXT), &q, ", query: [{add: {name: q, value: x}}]", &["target-exists q"]);
    found(&q, &query("q", true, TEXT), ", query: [{add: {name: q, value: x}}]", &[]);
    // Nothing is known of a query that no document describes, nor is the version's own parameter described.
    found("", "", ", query: [{rename: {q: s}}]", &[]);
    found(&q, &q, ", query: [{remove: {name: version}}]", &[]);
}

#[test]
fn values_are_text_and_mean_what_their_reader_expects() {
    let pair = |old: &str, new: &str| (query("a", true, old), query("a", true, new));
    for (old, new, expected) in [
        ("{type: integer}", "{type: string}", &[][..]),
        ("{type: integer}", "{type: number}", &[]),
        ("{type: boolean}", "{type: string, enum: ['true', 'false']}", &[]),
        ("{enum: ['1', '2']}", "{type: integer, maximum: 2}", &[]),
        ("{type: string}", "{type: array, items: {type: string}}", &[]),
        ("{type: array, items: {type: integer}}", "{type: array, items: {type: string}}", &[]),
        ("{type: string}", "{type: integer}", &["type-flow a"]),
        ("{type: string, pattern: '^[0-9]+$'}", "{type: integer}", &["unknown a"]),
        ("{enum: ['1', x]}", "{type: integer}", &["type-flow a"]),
        ("{enum: [asc, desc]}", "{enum: [asc]}", &["enum-uncovered a"]),
        ("{type: string}", "{enum: [asc]}", &["enum-open a"]),
        ("{type: string}", "{type: string, maxLength: 3}", &["range a"]),
    ] {
        let (old, new) = pair(old, new);
        found(&old, &new, "", expected);
    }
    let (old, new) = pair("{enum: [asc, desc]}", "{enum: ['+n', '-n']}");
    found(&old, &new, ", query: [{map: {name: a, pairs: [[asc, '+n'], [desc, '-n']]}}]", &[]);
    found(&old, &new, ", query: [{map: {name: a, pairs: [[asc, '+n']]}}]", &["enum-uncovered a"]);
}

#[test]
fn what_names_the_version_and_what_bodies_are_is_no_parameter() {
    let headers = ["X-API-Version", "Accept", "Content-Type", "Authorization"];
    let all: Vec<String> = headers.iter().map(|name| header(name, true, TEXT)).collect();
    found("", &all.join(", "), "", &[]);
    found(&query("version", false, TEXT), "", "", &[]);
}

#[test]
fn parameters_of_the_path_are_bound_by_place() {
    let document = |path: &str, names: [&str; 2], kinds: [&str; 2]| {
        let all: Vec<String> = names
            .iter()
            .zip(kinds)
            .map(|(name, kind)| format!("{{name: {name}, in: path, required: true, schema: {{type: {kind}}}}}"))
            .collect();
        format!("openapi: 3.1.0\npaths: {{'{path}': {{get: {{parameters: [{}], responses: {{}}}}}}}}\n", all.join(", "))
    };
    let found = |operation: &str, old: &str, new: &str| {
        shown(&proof(&gateway(&format!("[{operation}]")), &[("1.yaml", old), ("2.yaml", new)]))
    };
    let old = document("/p/{a}/{b}", ["a", "b"], ["string", "integer"]);
    let same = document("/p/{x}/{y}", ["x", "y"], ["string", "string"]);
    assert_eq!(found("{match: 'GET /p/{a}/{b}'}", &old, &same), [] as [&str; 0]);
    let narrower = document("/p/{x}/{y}", ["x", "y"], ["integer", "integer"]);
    assert_eq!(found("{match: 'GET /p/{a}/{b}'}", &old, &narrower), ["type-flow x"]);
    let turned = "{match: 'GET /p/{1st}/{2nd}', to: 'GET /q/{2nd}/{1st}'}";
    assert_eq!(found(turned, &old, &document("/q/{m}/{n}", ["m", "n"], ["integer", "string"])), [] as [&str; 0]);
    assert_eq!(found(turned, &old, &document("/q/{m}/{n}", ["m", "n"], ["string", "integer"])), ["type-flow n"]);
}

#[test]
fn answers_keep_the_fields_that_clients_count_on() {
    let field = |name: &str, required: bool| format!("{name}: {{required: {required}, schema: {{type: integer}}}}");
    let answer = |old: &str, new: &str, keys: &str| {
        let config = gateway(&format!("[{{match: POST /p{keys}}}]"));
        let files = [document("", old), document("", new)];
        shown(&proof(&config, &[("1.yaml", &files[0]), ("2.yaml", &files[1])]))
    };
    let (old, new) = (field("X-Quota", true), field("X-Limit", true));
    assert_eq!(answer(&old, "", ""), ["missing-required x-quota"]);
    assert_eq!(answer(&old, "", ", headers: {response: [{remove: {name: X-Quota, down: '100'}}]}"), [] as [&str; 0]);
    assert_eq!(answer(&old, &new, ", headers: {response: [{rename: {X-Quota: X-Limit}}]}"), [] as [&str; 0]);
    assert_eq!(answer("", &new, ""), [] as [&str; 0]);
    assert_eq!(answer(&old, &field("X-Quota", false), ""), ["missing-required x-quota"]);
}

#[test]
fn a_finding_says_what_to_write() {
    let config = gateway("[{match: POST /p}]");
    let files = [document(&query("q", true, TEXT), ""), document(&query("search", true, TEXT), "")];
    let findings = proof(&config, &[("1.yaml", &files[0]), ("2.yaml", &files[1])]);
    assert_eq!(
        findings[0].to_string(),
        "gateway.yaml:9:30: error: requests of version 1 would not be valid in 2: the query parameter \"search\" may be absent and is required (2.yaml:5:20); if it is what \"q\" is elsewhere, write `query: [{rename: {q: search}}]`; else give it a value: `query: [{add: {name: search, value: …}}]`"
    );
    assert_eq!((findings[0].change.as_deref(), findings[0].operation.as_deref()), (Some("c"), Some("POST /p")));
}
