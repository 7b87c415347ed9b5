//! The claim, tested: a change set of which the proof says nothing never makes an invalid document of a valid one.
//!
//! Schemas and lists of ops are made at random, without an eye to whether they fit. Where the proof is silent, documents
//! of the source go through the real program, and an independent validator judges what comes out.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{document, gateway, proof};
use crate::{
    adaptation::{Mode, Program, change::Direction},
    config::{changes, tree},
    contract::{Document, read, render, sample::Sampler, schema::Schema, subtype::Side},
};

/// Names are few, so that ops hit members, targets and strays.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d"])
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": ["integer", "string"]})),
        Just(json!({"enum": ["x", "y"]})),
        Just(json!({"enum": ["1", "22"]})),
        Just(json!({"enum": [1, 2, null]})),
        Just(json!({"type": "integer", "minimum": 0, "maximum": 100})),
        Just(json!({"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"})),
        Just(json!({"type": "string", "minLength": 1, "maxLength": 3})),
        Just(json!({"enum": ["x-y", "z"]})),
        Just(json!({"type": "number", "multipleOf": 0.5, "exclusiveMinimum": -3})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => (prop::collection::btree_map(name(), (inner.clone(), any::<bool>()), 1..4), 0..4u8).prop_map(|(fields, rest)| {
                let required: Vec<&str> = fields.iter().filter(|(_, (_, required))| *required).map(|(name, _)| *name).collect();
                let properties: serde_json::Map<String, Value> =
                    fields.iter().map(|(name, (schema, _))| ((*name).to_owned(), schema.clone())).collect();
                let mut schema = json!({"type": "object", "required": required, "properties": properties});
                match rest {
                    0 => {}
                    1 => schema["additionalProperties"] = json!({"type": "string"}),
                    _ => schema["additionalProperties"] = json!(false),
                }
                schema
            }),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "minItems": 1})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "maxItems": 1})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "uniqueItems": true, "minItems": 2})),
            1 => inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            1 => inner.clone().prop_map(|schema| json!({"anyOf": [schema, {"type": "null"}]})),
            2 => (inner, any::<usize>()).prop_map(|(schema, which)| unfollowed(&schema, which)),
        ]
    })
}

/// A schema with a keyword that the model follows in part or not at all, and a schema inside.
fn unfollowed(inner: &Value, which: usize) -> Value {
    let a = json!({"type": "object", "required": ["a"], "properties": {"a": inner}});
    let b = json!({"type": "object", "properties": {"b": inner}});
    let ways = [
        json!({"type": "array", "items": {"type": "string"}, "prefixItems": [inner]}),
        json!({"type": "array", "prefixItems": [inner], "items": false}),
        json!({"type": "array", "contains": inner, "maxContains": 2}),
        json!({"type": "object", "properties": {"a": inner}, "patternProperties": {"^x": true}, "additionalProperties": false}),
        json!({"allOf": [a, b], "unevaluatedProperties": false}),
        json!({"type": "object", "anyOf": [a, b], "unevaluatedProperties": false}),
        json!({"oneOf": [a, {"type": ["string", "integer"]}]}),
        json!({"oneOf": [a, b]}),
        json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": inner, "b": {}}}),
        json!({"anyOf": [a, {"type": "object", "properties": {"c": inner}, "dependentRequired": {"c": ["d"]}}]}),
        json!({"anyOf": [{"type": "string", "not": {"const": "x"}}, inner]}),
        json!({"type": "object", "properties": {"a": inner, "b": {}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
        json!({"type": "object", "properties": {"a": inner}, "propertyNames": {"maxLength": 10}}),
        json!({"allOf": [inner], "not": {"enum": ["x", 1, null]}}),
        json!({"const": "x", "enum": ["x", "y"]}),
    ];
    ways[which % ways.len()].clone()
}

/// One op, as `gateway.yaml` has it. Declared losses are not the question here.
fn op() -> impl Strategy<Value = Value> {
    let lossy = json!({"up": "gone", "down": "gone"});
    let place = prop_oneof![
        4 => name().prop_map(|name| format!("/{name}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/{inner}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/[]/{inner}")),
        1 => name().prop_map(|outer| format!("/{outer}/[]")),
        1 => name().prop_map(|outer| format!("/{outer}/{{}}")),
        1 => Just("/{}".to_owned()),
    ];
    let value = prop::sample::select(vec![json!(1), json!("x"), json!(null), json!([]), json!({"a": 1}), json!(true)]);
    let types = prop::sample::select(vec!["string", "integer", "number", "boolean"]);
    let action = prop_oneof![
        4 => (name(), name()).prop_map(|(from, to)| json!({"rename": {from: to}})),
        3 => (place.clone(), value.clone()).prop_map(|(path, value)| json!({"add": {"path": path, "value": value}})),
        1 => (place.clone(), value.clone()).prop_map(|(path, value)| json!({"add": {"path": path, "value": value, "if_null": "replace"}})),
        2 => place.clone().prop_map(|path| json!({"add": {"path": path}})),
        2 => place.clone().prop_map(|path| json!({"remove": {"path": path}})),
        2 => (place.clone(), value).prop_map(|(path, value)| json!({"remove": {"path": path, "down": {"value": value}}})),
        2 => (name(), name(), name()).prop_map(|(from, to, inner)| json!({"move": {"from": from, "to": format!("/{to}/{inner}")}})),
        2 => (name(), name(), name()).prop_map(|(into, a, b)| json!({"nest": {"into": into, "members": if a == b { json!([a]) } else { json!([a, b]) }}})),
        2 => (name(), name(), prop::sample::select(vec!["drop", "keep", "error"])).prop_map(|(from, a, rest)| json!({"unnest": {"from": from, "members": [a], "rest": rest}})),
        3 => (place.clone(), types.clone(), types).prop_map(|(path, from, to)| json!({"convert": {"path": path, "from": from, "to": to}})),
        2 => place.clone().prop_map(|path| json!({"map": {"path": path, "pairs": [["x", 1], ["y", 2]]}})),
        1 => place.clone().prop_map(|path| json!({"map": {"path": path, "pairs": [["x", "1"], [null, "22"]], "up_else": "error", "down_else": {"value": "x"}}})),
        2 => place.clone().prop_map(|path| json!({"wrap": {"path": path, "many": "first"}})),
        1 => place.clone().prop_map(|path| json!({"unwrap": {"path": path, "many": "last", "if_null": "empty"}})),
        1 => place.clone().prop_map(|path| json!({"scale": {"path": path, "pow10": 2}})),
        1 => (name(), name(), name()).prop_map(|(whole, a, b)| json!({"split": {"from": whole, "into": [a, b], "sep": "-"}})),
        1 => (name(), name(), name()).prop_map(|(whole, a, b)| json!({"merge": {"from": [a, b], "into": whole, "sep": "-"}})),
        1 => (place.clone(), name()).prop_map(|(path, key)| json!({"elem_wrap": {"path": path, "key": key}})),
        1 => (place.clone(), name()).prop_map(|(path, key)| json!({"index": {"path": path, "key": key}})),
        1 => (place, name()).prop_map(|(path, by)| json!({"drop_elems": {"path": path, "by": by, "keep": ["x", 1]}})),
    ];
    let guard = prop::option::weighted(0.15, name().prop_map(|path| json!({"path": path, "in": ["x", 1]})));
    (
        action,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.2, prop::sample::select(vec!["error", "replace"])),
        guard,
    )
        .prop_map(move |(mut op, strict, conflict, guard)| {
            op["lossy"] = lossy.clone();
            if strict {
                op["strict"] = json!(true);
            }
            if let Some(conflict) = conflict {
                op["conflict"] = json!(conflict);
            }
            if let Some(guard) = guard {
                op["when"] = guard;
            }
            op
        })
}

/// A source, what the ops make of it according to the flow itself (so that many cases fit), or anything else.
#[derive(Clone, Debug)]
enum Target {
    Derived,
    /// What the flow says, with one thing less permitted: which, by number.
    Tightened(usize),
    /// The source, with one thing written otherwise: which, by number. What the model does not follow stays there.
    Altered(usize),
    Other(Value),
}

struct Case {
    documents: [Document; 2],
    edits: Vec<crate::adaptation::op::Edit>,
}

fn request(document: &Document) -> &Schema {
    document.operations[0].request.as_ref().and_then(|request| request.json()).expect("a request")
}

fn read_document(schema: &Value) -> Option<Document> {
    let text = document(&schema.to_string(), "true");
    let mut findings = Vec::new();
    let document = read::file(Path::new("d.yaml"), &|_| Ok(text.clone().into_bytes()), &mut findings);
    document.filter(|_| findings.is_empty())
}

/// The edits of a list, if it is one that a configuration may hold.
fn edits(ops: &Value) -> Option<Vec<crate::adaptation::op::Edit>> {
    let text = format!("[{{change: c, from: '1', to: '2', operations: [{{match: POST /p, request: {ops}}}]}}]");
    let root = tree::parse(&text, Path::new("g.yaml")).ok()?;
    let mut findings = Vec::new();
    let changes = changes::read(&root, Path::new(""), &mut Vec::new(), &mut findings);
    Some(changes.into_iter().next()?.0.operations.into_iter().next()?.request)
}

/// What the flow says the result is, as a schema of the other version.
fn derived(source: &Schema, edits: &[crate::adaptation::op::Edit], direction: Direction) -> Value {
    let mut schema = source.clone();
    let mut stash = std::collections::BTreeMap::new();
    let mut flow =
        super::flow::Flow { direction, patch: false, source: "", stash: &mut stash, change: "c", remarks: Vec::new() };
    let place = source.place.clone();
    let ordered: Vec<_> =
        if direction == Direction::Up { edits.iter().collect() } else { edits.iter().rev().collect() };
    ordered.into_iter().for_each(|edit| flow.run(&mut schema, edit, &place));
    render::inline(&schema)
}

/// A schema that permits a little less at one of its places.
fn tightened(schema: &Value, which: usize) -> Value {
    let ways = tighter(schema);
    if ways.is_empty() { schema.clone() } else { ways[which % ways.len()].clone() }
}

/// Every way to permit less at one place, where that is easy to write.
fn tighter(schema: &Value) -> Vec<Value> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let with = |keyword: &str, value: Value| {
        let mut keywords = keywords.clone();
        keywords.insert(keyword.to_owned(), value);
        Value::Object(keywords)
    };
    let mut ways = Vec::new();
    match keywords.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = keywords.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            let required = keywords.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for name in properties.keys().filter(|name| !required.contains(&json!(name))) {
                ways.push(with("required", required.iter().cloned().chain([json!(name)]).collect()));
            }
            for name in properties.keys() {
                let mut less = properties.clone();
                less.remove(name);
                ways.push(with("properties", less.into()));
            }
            for (name, inner) in &properties {
                for inner in tighter(inner) {
                    let mut changed = properties.clone();
                    changed.insert(name.clone(), inner);
                    ways.push(with("properties", changed.into()));
                }
            }
            match keywords.get("additionalProperties") {
                None => ways.push(with("additionalProperties", json!(false))),
                Some(rest) => ways.extend(tighter(rest).into_iter().map(|rest| with("additionalProperties", rest))),
            }
        }
        Some("array") => {
            let fewest = keywords.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            ways.push(with("minItems", json!(fewest + 1)));
            ways.push(with("maxItems", json!(fewest.max(1))));
            ways.extend(keywords.get("items").into_iter().flat_map(tighter).map(|items| with("items", items)));
        }
        Some("string") => ways.push(with("maxLength", json!(1))),
        Some("number") => ways.extend([with("type", json!("integer")), with("maximum", json!(6))]),
        Some("integer") => ways.extend([with("minimum", json!(1)), with("maximum", json!(6))]),
        _ => {}
    }
    for listed in ["enum", "anyOf"] {
        let values = keywords.get(listed).and_then(Value::as_array).cloned().unwrap_or_default();
        for index in (0..values.len()).filter(|_| values.len() > 1) {
            let mut less = values.clone();
            less.remove(index);
            ways.push(with(listed, less.into()));
        }
        for (index, value) in values.iter().enumerate().filter(|_| listed == "anyOf") {
            for inner in tighter(value) {
                let mut changed = values.clone();
                changed[index] = inner;
                ways.push(with(listed, changed.into()));
            }
        }
    }
    ways
}

/// Every way to write one thing of a schema otherwise, of which some are no schemas any more.
fn altered(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let mut ways = Vec::new();
            for (name, inner) in members {
                let mut less = members.clone();
                less.remove(name);
                ways.push(less.clone().into());
                for inner in altered(inner) {
                    less.insert(name.clone(), inner);
                    ways.push(less.clone().into());
                }
            }
            ways
        }
        Value::Array(items) => {
            let mut ways = Vec::new();
            for (index, inner) in items.iter().enumerate() {
                let mut less = items.clone();
                less.remove(index);
                ways.push(less.into());
                for inner in altered(inner) {
                    let mut changed = items.clone();
                    changed[index] = inner;
                    ways.push(changed.into());
                }
            }
            ways
        }
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) => number.as_i64().map(|number| json!(number + 1)).into_iter().collect(),
        Value::String(text) => {
            let others = ["string", "integer", "a", "b", "x"].into_iter().filter(|other| other != text);
            others.map(|other| json!(other)).collect()
        }
        Value::Null => Vec::new(),
    }
}

/// What came of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is no such list, or the proof has found something.
    Refused,
    /// The proof was silent, and no document became another one.
    Idle,
    /// The proof was silent, and right about documents that were changed.
    Proven,
}

/// Runs one case.
fn judge(source: &Value, target: &Target, ops: &[Value], direction: Direction) -> Result<Outcome, TestCaseError> {
    let list = Value::from(ops.to_vec());
    let (Some(edits), Some(from)) = (edits(&list), read_document(source)) else { return Ok(Outcome::Refused) };
    let wanted = match target {
        Target::Derived => derived(request(&from), &edits, direction),
        Target::Tightened(which) => tightened(&derived(request(&from), &edits, direction), *which),
        Target::Altered(which) => {
            let ways = altered(source);
            if ways.is_empty() { source.clone() } else { ways[which % ways.len()].clone() }
        }
        Target::Other(schema) => schema.clone(),
    };
    let Some(to) = read_document(&wanted) else { return Ok(Outcome::Refused) };
    let (Ok(validator), Ok(own)) = (jsonschema::validator_for(&wanted), jsonschema::validator_for(source)) else {
        return Ok(Outcome::Refused);
    };
    let is_doubtful = super::trial::is_doubtful(request(&from));
    let case = Case { documents: [from, to], edits };
    // Requests go up from version 1; in the rollback they come down from version 2.
    let (older, newer) = if direction == Direction::Up { (source, &wanted) } else { (&wanted, source) };
    let mut config = gateway(&format!("[{{match: POST /p, request: {list}}}]"));
    if direction == Direction::Down {
        config = config
            .replace("\"1\": {openapi: 1.yaml}", "\"1\": {upstream: u, openapi: 1.yaml}")
            .replace("\"2\": {upstream: u,", "\"2\": {upstream: u, speaks: \"1\",");
    }
    let files = [("1.yaml", document(&older.to_string(), "true")), ("2.yaml", document(&newer.to_string(), "true"))];
    let found = proof(&config, &[(files[0].0, &files[0].1), (files[1].0, &files[1].1)]);
    if !found.is_empty() {
        return Ok(Outcome::Refused);
    }
    let mut outcome = Outcome::Idle;
    let program = Program::fuse([("c", case.edits.as_slice(), direction)]);
    let mut sampler = Sampler::new(7, Side::Request, true);
    for _ in 0..12 {
        let Some(document) = sampler.document(request(&case.documents[0])) else { continue };
        if is_doubtful && !own.is_valid(&document) {
            continue;
        }
        prop_assert!(own.is_valid(&document), "the sampler's own fault: {document} of {source}");
        let body = Bytes::from(document.to_string());
        let adapted = match &program {
            Some(program) => match program.apply(&body, Mode::Whole) {
                Ok(adapted) => adapted.body,
                // A refused document is no invalid one.
                Err(_) => continue,
            },
            None => body,
        };
        let result: Value = serde_json::from_slice(&adapted).expect("JSON");
        if result != document {
            outcome = Outcome::Proven;
        }
        let verdict = validator.validate(&result).map_err(|error| error.to_string());
        prop_assert!(
            verdict.is_ok(),
            "{document} becomes {result}: {verdict:?}\nsource {source}\ntarget {wanted}\nops {list} {direction:?}"
        );
    }
    Ok(outcome)
}

proptest! {
    // More with PROPTEST_CASES.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(1024),
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_change_set_without_findings_makes_valid_documents_of_valid_ones(
        source in schema(),
        ops in prop::collection::vec(op(), 0..4),
        target in prop_oneof![
            2 => Just(Target::Derived),
            4 => any::<usize>().prop_map(Target::Tightened),
            4 => any::<usize>().prop_map(Target::Altered),
            2 => schema().prop_map(Target::Other),
        ],
        up in any::<bool>(),
    ) {
        judge(&source, &target, &ops, if up { Direction::Up } else { Direction::Down })?;
    }
}

#[test]
fn what_is_not_followed_is_never_silently_something_else() {
    let inner = [json!({"type": "string"}), json!({"type": "integer", "minimum": 1}), json!({"enum": ["x", "y"]})];
    let mut silent = 0;
    for (inner, which) in inner.iter().flat_map(|inner| (0..15).map(move |which| (inner, which))) {
        let source = of(json!({"v": unfollowed(inner, which)}));
        for (index, _) in altered(&source).iter().enumerate() {
            let outcome = judge(&source, &Target::Altered(index), &[], Direction::Up);
            silent += usize::from(outcome.unwrap_or_else(|error| panic!("{error}")) != Outcome::Refused);
        }
        let same = judge(&source, &Target::Other(source.clone()), &[], Direction::Up);
        assert_ne!(same.unwrap_or_else(|error| panic!("{error}")), Outcome::Refused, "what stays the same: {source}");
    }
    assert!(silent >= 50, "the claim is tested on {silent} pairs only");
}

#[test]
fn many_random_change_sets_are_without_findings() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let cases = (schema(), prop::collection::vec(op(), 1..3), any::<bool>());
    let mut silent = [0, 0];
    for _ in 0..1500 {
        let (source, ops, up) = cases.new_tree(&mut runner).expect("a case").current();
        let direction = if up { Direction::Up } else { Direction::Down };
        let outcome = judge(&source, &Target::Derived, &ops, direction).unwrap_or_else(|error| panic!("{error}"));
        silent[usize::from(up)] += usize::from(outcome == Outcome::Proven);
    }
    assert!(silent.iter().all(|count| *count >= 10), "the claim is tested on {silent:?} of 1500 change sets only");
}

/// An object of these members, all of which have to be there.
fn of(members: Value) -> Value {
    let names: Vec<&String> = members.as_object().expect("members").keys().collect();
    json!({"type": "object", "required": names, "properties": members, "additionalProperties": false})
}

#[test]
fn every_op_is_proven_and_tried_in_both_directions() {
    let (text, integer, number) = (json!({"type": "string"}), json!({"type": "integer"}), json!({"type": "number"}));
    let digits = json!({"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"});
    let clear = json!({"enum": ["x", "y"]});
    let list = |items: &Value| json!({"type": "array", "items": items});
    let map = |values: &Value| json!({"type": "object", "additionalProperties": values});
    let tagged = |tags: Value| list(&of(json!({"t": {"enum": tags}})));
    let keyed = of(json!({"k": text, "v": integer}));
    for (op, old, new) in [
        (json!({"rename": {"a": "b"}}), of(json!({"a": text})), of(json!({"b": text}))),
        (
            json!({"move": {"from": "/a", "to": "/o/b"}}),
            of(json!({"a": text})),
            of(json!({"o": of(json!({"b": text}))})),
        ),
        (
            json!({"nest": {"into": "o", "members": {"x": "a"}}}),
            of(json!({"a": text})),
            of(json!({"o": of(json!({"x": text}))})),
        ),
        (
            json!({"unnest": {"from": "o", "members": {"x": "a"}}}),
            of(json!({"o": of(json!({"x": text}))})),
            of(json!({"a": text})),
        ),
        (json!({"add": {"path": "/b", "value": 7}}), of(json!({"a": text})), of(json!({"a": text, "b": integer}))),
        (
            json!({"remove": {"path": "/b", "down": {"value": 7}}}),
            of(json!({"a": text, "b": integer})),
            of(json!({"a": text})),
        ),
        (
            json!({"convert": {"path": "/a", "from": "integer", "to": "string"}}),
            of(json!({"a": integer})),
            of(json!({"a": digits})),
        ),
        (
            json!({"convert": {"path": "/l/[]", "from": "string", "to": "integer"}}),
            of(json!({"l": list(&digits)})),
            of(json!({"l": list(&integer)})),
        ),
        (
            json!({"convert": {"path": "/m/{}", "from": "integer", "to": "string"}}),
            of(json!({"m": map(&integer)})),
            of(json!({"m": map(&digits)})),
        ),
        (
            json!({"scale": {"path": "/a", "pow10": 3}}),
            of(json!({"a": {"type": "number", "maximum": 9}})),
            of(json!({"a": {"type": "number", "maximum": 9000}})),
        ),
        (
            json!({"map": {"path": "/a", "pairs": [["x", 1], ["y", null]]}}),
            of(json!({"a": clear})),
            of(json!({"a": {"enum": [1, null]}})),
        ),
        (
            json!({"wrap": {"path": "/a", "many": "first"}}),
            of(json!({"a": number})),
            of(json!({"a": {"type": "array", "items": number, "minItems": 1}})),
        ),
        (
            json!({"unwrap": {"path": "/a", "many": "last"}}),
            of(json!({"a": {"type": "array", "items": number, "minItems": 1}})),
            of(json!({"a": number})),
        ),
        (
            json!({"split": {"from": "a", "into": ["b", "c"], "sep": "-"}}),
            of(json!({"a": {"enum": ["x-1", "x-2", "y-1", "y-2"]}})),
            of(json!({"b": clear, "c": {"enum": ["1", "2"]}})),
        ),
        (
            json!({"merge": {"from": ["b", "c"], "into": "a", "sep": "-"}}),
            of(json!({"b": clear, "c": {"enum": ["1", "2"]}})),
            of(json!({"a": {"enum": ["x-1", "x-2", "y-1", "y-2"]}})),
        ),
        (
            json!({"elem_wrap": {"path": "/l", "key": "k"}}),
            of(json!({"l": list(&text)})),
            of(json!({"l": list(&of(json!({"k": text})))})),
        ),
        (
            json!({"index": {"path": "/l", "key": "k"}}),
            of(json!({"l": list(&keyed)})),
            of(json!({"l": map(&of(json!({"v": integer})))})),
        ),
        (
            json!({"drop_elems": {"path": "/l", "by": "t", "keep": ["x"]}}),
            of(json!({"l": tagged(json!(["x"]))})),
            of(json!({"l": {"minItems": 1, "type": "array", "items": tagged(json!(["x", "y"]))["items"]}})),
        ),
        (
            json!({"convert": {"path": "/a", "from": "integer", "to": "string"}, "when": {"path": "/t", "in": ["x"]}}),
            of(json!({"a": integer, "t": clear})),
            json!({"anyOf": [
                of(json!({"a": digits, "t": {"const": "x"}})),
                of(json!({"a": integer, "t": {"const": "y"}})),
            ]}),
        ),
    ] {
        for (direction, source, target) in [(Direction::Up, &old, &new), (Direction::Down, &new, &old)] {
            let mut op = op.clone();
            op["lossy"] = json!({"up": "gone", "down": "gone"});
            let outcome = judge(source, &Target::Other(target.clone()), &[op.clone()], direction);
            let outcome = outcome.unwrap_or_else(|error| panic!("{op} {direction:?}: {error}"));
            // Whatever the target permits less, the proof says so or is right.
            for target in tighter(target) {
                judge(source, &Target::Other(target.clone()), &[op.clone()], direction)
                    .unwrap_or_else(|error| panic!("{op} {direction:?} {target}: {error}"));
            }
            // On the way up there is nothing to drop, nor a way to promise that an element is there.
            if op.get("drop_elems").is_some() && direction == Direction::Up {
                assert_eq!(outcome, Outcome::Refused, "{op}");
            } else {
                assert_eq!(outcome, Outcome::Proven, "{op} {direction:?}");
            }
        }
    }
}
