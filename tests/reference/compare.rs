//! The engine beside the reference.

use bytes::Bytes;
use vergate::adaptation::{AdaptationError, Mode, Program, Reason, Stash, change::Direction, op::Edit};

use super::{Context, json::Json};

/// Whether all of it came out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Adapted,
    Refused,
}

/// Runs a chain of lists over a body in three ways: fused, one op after the other, and by the
/// reference. Panics where they differ.
pub fn compare(chain: &[(Vec<Edit>, Direction)], body: &str, patch: bool) -> Outcome {
    let mode = if patch { Mode::Patch } else { Mode::Whole };
    let original = Bytes::copy_from_slice(body.as_bytes());
    let lists = chain.iter().map(|(edits, direction)| ("c", edits.as_slice(), *direction));
    let fused = Program::fuse(lists).expect("a chain has an op");
    let mut stash = Stash::default();
    let seen = fused.apply_with(&original, mode, &mut stash);

    let mut stash = Stash::default();
    let mut alone = Ok((original.clone(), false));
    for (edits, direction) in chain {
        let ordered: Vec<&Edit> =
            if *direction == Direction::Up { edits.iter().collect() } else { edits.iter().rev().collect() };
        for edit in ordered {
            let single = Program::fuse([("c", std::slice::from_ref(edit), *direction)]).expect("an op");
            alone = alone.and_then(|(body, narrowed)| {
                let adapted = single.apply_with(&body, mode, &mut stash)?;
                Ok((adapted.body, narrowed || adapted.narrowed))
            });
        }
    }
    let fused_all = seen.as_ref().map(|adapted| (adapted.body.clone(), adapted.narrowed)).map_err(told);
    let alone = alone.as_ref().map_err(told);
    assert_eq!(fused_all.as_ref().map_err(|told| *told), alone, "fused and one by one: {body} by {chain:#?}");

    let mut tree = Json::read(body);
    let mut context = Context { patch, ..Context::default() };
    let expected =
        chain.iter().try_for_each(|(edits, direction)| super::run(edits, *direction, &mut tree, &mut context));
    match (seen, expected) {
        (Ok(adapted), Ok(())) => {
            let text = std::str::from_utf8(&adapted.body).expect("UTF-8");
            assert_eq!(squeezed(text), tree.write(), "{body} by {chain:#?}");
            assert_eq!(adapted.narrowed, context.narrowed, "narrowed: {body} by {chain:#?}");
            Outcome::Adapted
        }
        (Err(error), Err(reason)) => {
            // Which of several faults is found first is not said for whole programs, nor for maps.
            let in_order = !format!("{chain:?}").contains("Values");
            if fused.describe().len() == 1 && in_order && !has_repeats(&Json::read(body)) {
                assert_eq!(error.reason.as_str(), reason, "{body} by {chain:#?}");
            }
            assert!(error.op.is_some() && error.pointer.is_some() && error.change.is_some(), "{error:?}");
            Outcome::Refused
        }
        (seen, expected) => {
            panic!("the engine: {seen:?}, the reference: {expected:?} {} of {body} by {chain:#?}", tree.write())
        }
    }
}

/// What an error says of the op; which step of a program that is depends on the program.
fn told(error: &AdaptationError) -> (Option<&str>, Option<&'static str>, Option<&str>, Reason) {
    (error.change.as_deref(), error.op, error.pointer.as_deref(), error.reason)
}

/// The text without insignificant whitespace.
pub fn squeezed(json: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::new(), false, false);
    for character in json.chars() {
        if inside || !matches!(character, ' ' | '\n' | '\t' | '\r') {
            out.push(character);
        }
        if character == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && character == '\\' && !escaped;
    }
    out
}

fn has_repeats(value: &Json) -> bool {
    match value {
        Json::Scalar(_) => false,
        Json::Array(items) => items.iter().any(has_repeats),
        Json::Object(members) => members.iter().enumerate().any(|(index, (name, value))| {
            has_repeats(value) || members[..index].iter().any(|(other, _)| super::same_name(other, name))
        }),
    }
}
