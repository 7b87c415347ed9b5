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
            1 => inner.prop_map(|schema| json!({"anyOf": [schema, {"type": "null"}]})),
        ]
    })
}

/// One op, as `gateway.yaml` has it. Declared losses are not the question here.
fn op() -> impl Strategy<Value = Value> {
    let lossy = json!({"up": "gone", "down": "gone"});
    let place = prop_oneof![
        4 => name().prop_map(|name| format!("/{name}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/{inner}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/[]/{inner}")),
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
    read::file(Path::new("d.yaml"), &|_| Ok(text.clone().into_bytes()), &mut findings)
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

/// Runs one case; whether the proof was silent, so that documents were run.
fn judge(source: &Value, target: &Target, ops: &[Value], direction: Direction) -> Result<bool, TestCaseError> {
    let list = Value::from(ops.to_vec());
    let (Some(edits), Some(from)) = (edits(&list), read_document(source)) else { return Ok(false) };
    let wanted = match target {
        Target::Derived => derived(request(&from), &edits, direction),
        Target::Other(schema) => schema.clone(),
    };
    let Some(to) = read_document(&wanted) else { return Ok(false) };
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
        return Ok(false);
    }
    let program = Program::fuse([("c", case.edits.as_slice(), direction)]);
    let validator = jsonschema::validator_for(&wanted).expect("a schema");
    let own = jsonschema::validator_for(source).expect("a schema");
    let mut sampler = Sampler::new(7, Side::Request, true);
    for _ in 0..12 {
        let Some(document) = sampler.document(request(&case.documents[0])) else { continue };
        prop_assert!(own.is_valid(&document), "the sampler's own fault: {document}");
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
        let verdict = validator.validate(&result).map_err(|error| error.to_string());
        prop_assert!(
            verdict.is_ok(),
            "{document} becomes {result}: {verdict:?}\nsource {source}\ntarget {wanted}\nops {list} {direction:?}"
        );
    }
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_change_set_without_findings_makes_valid_documents_of_valid_ones(
        source in schema(),
        ops in prop::collection::vec(op(), 0..4),
        other in prop::option::weighted(0.3, schema()),
        up in any::<bool>(),
    ) {
        let target = other.map_or(Target::Derived, Target::Other);
        judge(&source, &target, &ops, if up { Direction::Up } else { Direction::Down })?;
    }
}

#[test]
fn many_random_change_sets_are_without_findings() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let cases = (schema(), prop::collection::vec(op(), 1..3));
    let mut silent = 0;
    for _ in 0..400 {
        let (source, ops) = cases.new_tree(&mut runner).expect("a case").current();
        silent += usize::from(
            judge(&source, &Target::Derived, &ops, Direction::Up).unwrap_or_else(|error| panic!("{error}")),
        );
    }
    assert!(silent >= 25, "the claim is tested on {silent} of 400 change sets only");
}
