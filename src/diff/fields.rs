//! Members that came and went, which breaks nothing where objects are open.

use super::Weight;
use crate::{
    adaptation::pointer::{Name, Pointer, Segment},
    config::finding::Place,
    contract::{
        Branch, Schema,
        schema::{Objects, Rest},
        subtype::{Side, is_seen},
    },
};

/// A member that one schema names and the other does not.
pub(super) struct FieldChange {
    pub(super) code: &'static str,
    pub(super) weight: Weight,
    pub(super) pointer: String,
    pub(super) old: Place,
    pub(super) new: Place,
    pub(super) message: &'static str,
}

/// Levels that are looked at; recursive schemas would have no end.
const DEPTH_MAX: usize = 8;

/// Members that came and went, the outer ones first.
pub(super) fn changes(old: &Schema, new: &Schema, side: Side) -> Vec<FieldChange> {
    let mut found = Vec::new();
    descend(old, new, side, &Pointer::default(), DEPTH_MAX, &mut found);
    found
}

fn descend(old: &Schema, new: &Schema, side: Side, at: &Pointer, depth: usize, found: &mut Vec<FieldChange>) {
    if depth == 0 {
        return;
    }
    if let (Some(was), Some(is)) = (items(old), items(new)) {
        descend(&was, &is, side, &at.then(Segment::Each), depth - 1, found);
    }
    let (Some(was), Some(is)) = (old.object(), new.object()) else { return };
    if let (Rest::Each(was), Rest::Each(is)) = (&was.rest, &is.rest) {
        descend(was, is, side, &at.then(Segment::Values), depth - 1, found);
    }
    let seen = |schema: &Schema| is_seen(&schema.opened().notes, side);
    let member = |name: &str| at.then(Segment::Name(Name::new(name)));
    for field in was.fields.iter().filter(|field| seen(&field.schema)) {
        match is.field(&field.name).filter(|now| seen(&now.schema)) {
            Some(now) => descend(&field.schema, &now.schema, side, &member(&field.name), depth - 1, found),
            None => {
                let (code, message) = match side {
                    Side::Request => ("request-property-removed", "the property is gone; what is sent is ignored"),
                    Side::Response => ("response-optional-property-removed", "the property is gone"),
                };
                found.push(FieldChange {
                    code,
                    weight: Weight::Risky,
                    pointer: member(&field.name).to_string(),
                    old: field.schema.place.clone(),
                    new: new.place.clone(),
                    message,
                });
            }
        }
    }
    for field in
        is.fields.iter().filter(|field| seen(&field.schema) && !was.field(&field.name).is_some_and(|f| seen(&f.schema)))
    {
        let (code, message) = match side {
            Side::Request => ("new-optional-request-property", "the property is new"),
            Side::Response => ("response-property-added", "the property is new"),
        };
        found.push(FieldChange {
            code,
            weight: Weight::Harmless,
            pointer: member(&field.name).to_string(),
            old: old.place.clone(),
            new: field.schema.place.clone(),
            message,
        });
    }
}

/// Of the elements, if the schema is one of arrays.
fn items(schema: &Schema) -> Option<Schema> {
    let opened = schema.opened();
    opened.branches().into_iter().find_map(|branch| match branch {
        Branch::Array(arrays) => Some(*arrays.items),
        _ => None,
    })
}

/// What a schema says of a place; none where it does not name it.
pub(super) fn at(schema: &Schema, pointer: &Pointer) -> Option<Schema> {
    pointer.segments().iter().try_fold(schema.opened().into_owned(), |schema, segment| {
        let inner = match segment {
            Segment::Name(name) => member(&schema.object()?, name.as_str())?,
            Segment::Each => items(&schema)?,
            Segment::Values => match schema.object()?.rest {
                Rest::Each(schema) => *schema,
                Rest::Closed | Rest::Open => return None,
            },
        };
        Some(inner.opened().into_owned())
    })
}

fn member(objects: &Objects, name: &str) -> Option<Schema> {
    objects.field(name).map(|field| field.schema.clone())
}
