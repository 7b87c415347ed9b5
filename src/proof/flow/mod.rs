//! Schemas through ops: what a body may be after each op, in either direction.
//!
//! The result is an upper bound, like the schemas themselves: every document that the ops make of a valid one is
//! among what the result permits. Ops that refuse a document make nothing of it.
//!
//! - `members`: rename, move, add, remove;
//! - `groups`: nest and unnest, split and merge;
//! - `scalars`: convert, scale, map;
//! - `lists`: wrap and unwrap, elem_wrap, index, drop_elems.

mod groups;
mod lists;
mod members;
mod place;
mod scalars;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    adaptation::{
        change::Direction,
        literal::Literal,
        op::{Edit, Op, Pieces},
        pointer::Pointer,
    },
    config::finding::{Place, Severity},
    contract::{
        schema::{Schema, Values},
        separator,
    },
};

/// What was found on the way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Remark {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    /// Where, in the terms of the side it comes from.
    pub(crate) pointer: Pointer,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// What a request puts aside for its response.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) schema: Schema,
    /// Whether every request has it.
    pub(crate) always: bool,
}

/// One body on its way through the ops of a list.
pub(crate) struct Flow<'f> {
    pub(crate) direction: Direction,
    /// Whether it speaks of a part of a resource only: then no op supplies a default.
    pub(crate) patch: bool,
    /// The version the body comes from, as `version 1.0`.
    pub(crate) source: &'f str,
    /// What requests put aside for their responses, by change and name.
    pub(crate) stash: &'f mut BTreeMap<(String, String), Kept>,
    pub(crate) change: &'f str,
    pub(crate) remarks: Vec<Remark>,
}

/// What became of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    /// Nothing is there afterwards.
    Gone,
    /// Perhaps nothing is there afterwards.
    Perhaps,
}

impl Flow<'_> {
    /// Runs one op over a schema.
    ///
    /// - `origin`: where the op is written; what it makes of nothing stands there.
    pub(crate) fn run(&mut self, schema: &mut Schema, edit: &Edit, origin: &Place) {
        let up = self.direction == Direction::Up;
        match &edit.op {
            Op::Rename(pairs) => {
                let pairs = oriented(pairs, up);
                self.on_objects(schema, edit, &Pointer::default(), |flow, objects, at| {
                    flow.rename(objects, &pairs, edit, at)
                });
            }
            Op::Move { from, to } => {
                let (from, to) = if up { (from, to) } else { (to, from) };
                self.on_objects(schema, edit, &Pointer::default(), |flow, objects, at| {
                    flow.relocate(objects, from, to, edit, at)
                });
            }
            Op::Nest(group) => self.group(schema, edit, group, up, origin),
            Op::Unnest(group) => self.group(schema, edit, group, !up, origin),
            Op::Add { path, value, replaces_null } => match (up, value) {
                (false, _) => self.delete(schema, edit, path),
                (true, Some(value)) => {
                    let value = of_literal(value, origin);
                    self.set(
                        schema,
                        edit,
                        path,
                        members::Default { value, only_absent: true, replaces_null: *replaces_null },
                    );
                }
                (true, None) => self.look(schema, edit, path),
            },
            Op::Remove { path, down } => self.remove(schema, edit, path, down, up, origin),
            Op::Convert { path, from, to, on_error } => {
                let (from, to) = if up { (*from, *to) } else { (*to, *from) };
                self.on_value(schema, edit, path, |flow, schema, at| {
                    flow.convert(schema, edit, from, to, on_error, at)
                });
            }
            Op::Scale { path, pow10 } => {
                let shift = if up { *pow10 } else { -pow10 };
                self.on_value(schema, edit, path, |flow, schema, at| flow.scale(schema, edit, shift, at));
            }
            Op::Map { path, pairs, up_else, down_else } => {
                let pairs = oriented(pairs, up);
                let otherwise = if up { up_else } else { down_else };
                self.on_value(schema, edit, path, |flow, schema, at| flow.map(schema, edit, &pairs, otherwise, at));
            }
            Op::Wrap(list) => self.wrapping(schema, edit, list, up),
            Op::Unwrap(list) => self.wrapping(schema, edit, list, !up),
            Op::Split(pieces) => self.pieces(schema, edit, pieces, up),
            Op::Merge(pieces) => self.pieces(schema, edit, pieces, !up),
            Op::ElemWrap { path, key } => {
                self.on_value(schema, edit, path, |flow, schema, at| flow.elements(schema, edit, key, up, at));
            }
            Op::Index { path, key } => {
                self.on_value(schema, edit, path, |flow, schema, at| flow.index(schema, edit, key, up, at));
            }
            Op::DropElems { path, by, keep } => {
                self.on_value(schema, edit, path, |flow, schema, at| {
                    flow.drop_elements(schema, edit, by, keep, up, at)
                });
            }
            Op::Jq { path, down, .. } => {
                if up || down.is_some() {
                    self.on_value(schema, edit, path, |flow, schema, at| flow.opaque(schema, edit, at));
                }
            }
        }
    }

    /// Nothing is known of what a program of its own language gives.
    fn opaque(&mut self, schema: &mut Schema, edit: &Edit, at: &Pointer) -> Fate {
        let message = format!("what {} gives at \"{at}\" is not known", edit.op.name());
        self.remark(
            Severity::Warning,
            "unknown",
            at,
            message,
            "its examples show what it does; add some for every case",
        );
        *schema = Schema { values: Values::Any, ..schema.clone() }.doubting(edit.op.name(), &schema.place.clone());
        Fate::Kept
    }

    fn remark(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: &Pointer,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let remark = Remark { severity, code, pointer: at.clone(), message: message.into(), help: help.into() };
        // A union has one remark for each of its branches to give; one is enough.
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    fn error(&mut self, code: &'static str, at: &Pointer, message: impl Into<String>, help: impl Into<String>) {
        self.remark(Severity::Error, code, at, message, help);
    }
}

/// Whether what `edit` joins can be cut at the same places again: of `pieces`, only the last part may hold the separator.
///
/// - `schema`: the body that comes to the op.
pub(crate) fn keeps_apart(schema: &Schema, edit: &Edit, pieces: &Pieces) -> bool {
    let mut stash = BTreeMap::new();
    let mut flow =
        Flow { direction: Direction::Up, patch: false, source: "", stash: &mut stash, change: "", remarks: Vec::new() };
    let mut clear = true;
    flow.on_objects(&mut schema.clone(), edit, &Pointer::default(), |_, objects, _| {
        let joined = &pieces.parts[..pieces.parts.len().saturating_sub(1)];
        let mut parts = joined.iter().filter_map(|part| objects.listed(part.as_str()));
        clear &= parts.all(|field| separator::is_clear(&field.schema, &pieces.separator));
        vec![objects.clone()]
    });
    // A remark says that the place is not there, or that nothing is known of it.
    clear && flow.remarks.is_empty()
}

fn oriented<T: Clone>(pairs: &[(T, T)], up: bool) -> Vec<(T, T)> {
    pairs.iter().map(|(old, new)| if up { (old.clone(), new.clone()) } else { (new.clone(), old.clone()) }).collect()
}

/// A literal of an op as a schema that permits nothing else.
fn of_literal(literal: &Literal, origin: &Place) -> Schema {
    let value = serde_json::from_slice(literal.as_bytes()).unwrap_or(Value::Null);
    Schema::of_value(&value, origin)
}
