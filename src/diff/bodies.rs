//! Schemas of bodies and parameters.

use super::{Difference, Part, Weight, fields, operations::difference};
use crate::contract::{
    Operation, Schema,
    subtype::{self, Misfit, Mismatch, Side},
};

/// What a caller of the older version meets: requests against the newer schema, answers against the older one.
pub(super) fn compare(
    operation: &Operation,
    part: Part,
    side: Side,
    old: &Schema,
    new: &Schema,
    differences: &mut Vec<Difference>,
) {
    let (source, target) = match side {
        Side::Request => (old, new),
        Side::Response => (new, old),
    };
    let mut found: Vec<Difference> = subtype::mismatches(source, target, side)
        .into_iter()
        .map(|mismatch| broken(operation, part, side, source, mismatch))
        .collect();
    for change in fields::changes(old, new, side) {
        // A closed object says it louder.
        if found.iter().any(|known| known.pointer.as_deref() == Some(&change.pointer)) {
            continue;
        }
        found.push(Difference {
            pointer: Some(change.pointer),
            old: Some(change.old),
            new: Some(change.new),
            ..difference(change.code, change.weight, operation, part, change.message.to_owned())
        });
    }
    // Alternatives of a union may break in the same way.
    let mut known: Vec<(&str, Option<String>)> = Vec::new();
    found.retain(|difference| {
        let key = (difference.code, difference.pointer.clone());
        let is_new = !known.contains(&key);
        known.push(key);
        is_new
    });
    differences.append(&mut found);
}

fn broken(operation: &Operation, part: Part, side: Side, source: &Schema, mismatch: Mismatch) -> Difference {
    let known = fields::at(source, &mismatch.pointer).is_some();
    let (code, message) = said(part, side, &mismatch, known);
    // What the model cannot tell is no proof of a break.
    let told = mismatch.certain && !matches!(mismatch.reason, Misfit::Doubt(_));
    let (old, new) = match side {
        Side::Request => (mismatch.source, mismatch.target),
        Side::Response => (mismatch.target, mismatch.source),
    };
    Difference {
        pointer: Some(mismatch.pointer.to_string()),
        old: Some(old),
        new: Some(new),
        ..difference(code, if told { Weight::Breaking } else { Weight::Risky }, operation, part, message)
    }
}

/// Code and words of a mismatch.
///
/// - `known`: the source names the member, if only as an optional one.
fn said(part: Part, side: Side, mismatch: &Mismatch, known: bool) -> (&'static str, String) {
    let is_request = side == Side::Request;
    let listed = |values: &[String]| values.join(", ");
    match &mismatch.reason {
        Misfit::Missing if is_request && known => {
            ("request-property-became-required", "the property is required now".to_owned())
        }
        Misfit::Missing if is_request => {
            ("new-required-request-property", "the property is new and required".to_owned())
        }
        Misfit::Missing if known => ("response-property-became-optional", "the property may be absent now".to_owned()),
        Misfit::Missing => ("response-required-property-removed", "the property is gone".to_owned()),
        Misfit::Extra(name) => {
            let name = name.as_deref().map_or("a member without a name in the schema".to_owned(), |n| format!("{n:?}"));
            if is_request {
                ("request-property-removed", format!("{name} is not accepted any more, and the object is closed"))
            } else {
                ("response-property-added-to-closed", format!("{name} may be there, and the object was closed"))
            }
        }
        Misfit::Null if is_request => (of(part, NOT_NULLABLE), "null is not accepted any more".to_owned()),
        Misfit::Null => ("response-property-became-nullable", "it may be null now".to_owned()),
        Misfit::Kind { found, permitted } => {
            let permitted = if permitted.is_empty() { "nothing at all".to_owned() } else { permitted.join(" or ") };
            let message = if is_request {
                format!("was {found}, has to be {permitted} now")
            } else {
                format!("may be {found} now, was {permitted}")
            };
            (if is_request { of(part, TYPE) } else { "response-property-type-changed" }, message)
        }
        Misfit::Unlisted(values) if is_request => {
            (of(part, ENUM_REMOVED), format!("{} is not accepted any more", listed(values)))
        }
        Misfit::Unlisted(values) => ("response-property-enum-value-added", format!("{} may come now", listed(values))),
        Misfit::Unbounded(values) if is_request => {
            (of(part, BECAME_ENUM), format!("only {} is accepted now", listed(values)))
        }
        Misfit::Unbounded(values) => {
            ("response-property-enum-dropped", format!("may be more than {} now", listed(values)))
        }
        Misfit::Bound(bound) if is_request => (of(part, TIGHTENED), format!("{bound} has to be kept now")),
        Misfit::Bound(bound) => ("response-property-constraint-relaxed", format!("{bound} is not kept any more")),
        Misfit::Ambiguous if is_request => {
            ("request-alternatives-changed", "fits none of the alternatives for sure".to_owned())
        }
        Misfit::Ambiguous => {
            ("response-alternatives-changed", "fits none of the known alternatives for sure".to_owned())
        }
        Misfit::Doubt(keyword) => ("unknown", format!("cannot be compared: {keyword} is not followed")),
    }
}

/// The code of a parameter, or that of a body.
fn of(part: Part, codes: [&'static str; 2]) -> &'static str {
    codes[usize::from(part != Part::Parameter)]
}

const NOT_NULLABLE: [&str; 2] = ["request-parameter-became-not-nullable", "request-property-became-not-nullable"];
const TYPE: [&str; 2] = ["request-parameter-type-changed", "request-property-type-changed"];
const ENUM_REMOVED: [&str; 2] = ["request-parameter-enum-value-removed", "request-property-enum-value-removed"];
const BECAME_ENUM: [&str; 2] = ["request-parameter-became-enum", "request-property-became-enum"];
const TIGHTENED: [&str; 2] = ["request-parameter-constraint-tightened", "request-property-constraint-tightened"];
