//! The claim, tested: a change set of which the proof says nothing never makes an invalid document of a valid one.
//!
//! Schemas and lists of ops are made at random, without an eye to whether they fit. Where the proof is silent, documents
//! of the source go through the real program, and an independent validator judges what comes out.

mod random;

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::random::{altered, op, schema, tightened, tighter, unfollowed};
use super::testing::{document, gateway, proof};
use crate::{
    adaptation::{Mode, Program, change::Direction},
    config::{changes, tree},
    contract::{Document, read, render, sample::Sampler, schema::Schema, subtype::Side},
};

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
