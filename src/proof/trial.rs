//! Documents through the real program, judged by a validator that knows nothing of the flow: what "unknown" hides.

use bytes::Bytes;
use serde_json::Value;

use super::{course::Run, verdict::Journey};
use crate::{
    adaptation::{
        Mode, Program,
        change::Direction,
        op::{Comeback, Op},
        pointer::Pointer,
    },
    contract::{render, sample::Sampler, schema::Schema, walk},
};

/// A document that a change makes invalid.
#[derive(Debug)]
pub(crate) struct CounterExample {
    /// What is sent.
    pub(crate) document: Value,
    /// What comes out.
    pub(crate) result: Value,
    /// Where the result is wrong.
    pub(crate) pointer: Pointer,
    /// The keyword that says so, such as `required`.
    pub(crate) keyword: String,
    /// The validator's words.
    pub(crate) error: String,
}

/// Tries `count` documents of the source; the first that becomes invalid is returned.
///
/// - Returns none also where no document is sure to be valid: the source has keywords the model leaves out.
pub(crate) fn counter_example(
    source: &Schema,
    target: &Schema,
    journey: &Journey<'_>,
    patch: bool,
    count: usize,
) -> Option<CounterExample> {
    let stashed = |run: &Run<'_>| matches!(&run.edit.op, Op::Remove { down: Comeback::Stash(_), .. });
    // What comes back from a stash depends on a request that is not there.
    if journey.direction == Direction::Down && journey.runs.iter().any(stashed) || is_doubtful(source) {
        return None;
    }
    let lists =
        journey.runs.iter().map(|run| (run.change.name.as_str(), std::slice::from_ref(run.edit), journey.direction));
    let program = Program::fuse(lists)?;
    let validator = jsonschema::validator_for(&render::standalone(target)).ok()?;
    let mut sampler = Sampler::new(SEED, journey.side, false);
    for _ in 0..count {
        let Some(document) = sampler.document(source) else { continue };
        let mode = if patch { Mode::Patch } else { Mode::Whole };
        // A document that an op refuses becomes nothing.
        let Ok(adapted) = program.apply(&Bytes::from(document.to_string()), mode) else { continue };
        let Ok(result) = serde_json::from_slice::<Value>(&adapted.body) else { continue };
        let found = validator.validate(&result).err().map(|error| {
            let pointer = Pointer::parse(error.instance_path().as_str()).unwrap_or_default();
            let keyword = error.schema_path().as_str().rsplit('/').next().unwrap_or_default().to_owned();
            (pointer, keyword, error.to_string())
        });
        if let Some((pointer, keyword, error)) = found {
            return Some(CounterExample { document, result, pointer, keyword, error });
        }
    }
    None
}

/// The same documents every time: a finding that comes and goes helps nobody.
const SEED: u64 = 0x5eed;

impl CounterExample {
    /// The code of what is wrong.
    pub(crate) fn code(&self) -> &'static str {
        match self.keyword.as_str() {
            "required" => "missing-required",
            "additionalProperties" | "unevaluatedProperties" => "closed-extra",
            "type" if self.result.pointer(&self.pointer.to_string()).is_some_and(Value::is_null) => "null-flow",
            "type" => "type-flow",
            "enum" | "const" => "enum-uncovered",
            "anyOf" | "oneOf" => "union-ambiguous",
            _ => "range",
        }
    }
}

/// Whether the written schema may permit less than the model does, anywhere.
pub(super) fn is_doubtful(schema: &Schema) -> bool {
    let mut doubtful = false;
    walk::places(schema, &mut |_, schema, _| doubtful |= !schema.opened().doubts.is_empty());
    doubtful
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        config::{changes, tree},
        contract::{read::testing::schema, subtype::Side},
        domain::version::ApiVersion,
    };

    fn found(source: &str, target: &str, ops: &str) -> Option<CounterExample> {
        let text = format!("[{{change: c, from: '1', to: '2', operations: [{{match: POST /p, request: {ops}}}]}}]");
        let root = tree::parse(&text, Path::new("g.yaml")).expect("YAML");
        let changes = changes::read(&root, Path::new(""), &mut Vec::new(), &mut Vec::new());
        let (change, origins) = &changes[0];
        let operation = &change.operations[0];
        let place = origins.place.clone();
        let run = |edit| Run { change, operation, edit, origin: place.clone() };
        let version = |name| ApiVersion::parse(name).expect("a version");
        let journey = Journey {
            side: Side::Request,
            direction: Direction::Up,
            from: version("1"),
            to: version("2"),
            operation: "POST /p".to_owned(),
            listed: true,
            status: None,
            runs: operation.request.iter().map(run).collect(),
            place: place.clone(),
            change,
        };
        counter_example(&schema(source), &schema(target), &journey, false, 32)
    }

    #[test]
    fn a_document_that_becomes_invalid_is_shown() {
        let (old, new) = (
            "{type: object, required: [a], properties: {a: {type: string}}}",
            "{type: object, required: [b], properties: {b: {type: integer}}}",
        );
        let example = found(old, new, "[{rename: {a: b}}]").expect("strings are no integers");
        assert_eq!((example.code(), example.pointer.to_string().as_str()), ("type-flow", "/b"));
        assert_eq!(example.document["a"], example.result["b"]);
        assert_eq!(found(old, new, "[{rename: {a: c}}]").map(|example| example.code()), Some("missing-required"));
        assert!(found(old, &new.replace("integer", "string"), "[{rename: {a: b}}]").is_none());
    }

    #[test]
    fn nothing_is_tried_where_valid_documents_cannot_be_told() {
        let old = "{type: object, required: [a], properties: {a: {type: string, not: {const: x}}}}";
        assert!(found(old, "{type: object, required: [b]}", "[{rename: {a: c}}]").is_none());
    }
}
