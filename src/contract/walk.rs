//! Every place of a value that a schema speaks of, by JSON pointer.

use super::schema::{Branch, Rest, Schema, Values};
use crate::adaptation::pointer::{Name, Pointer, Segment};

/// Levels that are visited; recursive schemas would have no end.
pub const DEPTH_MAX: usize = 8;

/// Visits a schema, its fields, elements and map values, the outer ones first.
///
/// - `visit`: is given the place (`/items/[]/id`, `/by_name/{}`), the schema there as it is written, and whether the
///   value has to be there whenever its parent is. Branches of a union are visited one after the other.
pub fn places(schema: &Schema, visit: &mut dyn FnMut(&Pointer, &Schema, bool)) {
    descend(schema, &Pointer::default(), true, DEPTH_MAX, visit);
}

fn descend(
    schema: &Schema,
    at: &Pointer,
    required: bool,
    depth: usize,
    visit: &mut dyn FnMut(&Pointer, &Schema, bool),
) {
    visit(at, schema, required);
    let opened = schema.opened();
    let Values::Branches(branches) = &opened.values else { return };
    if depth == 0 {
        return;
    }
    for branch in branches {
        match branch {
            Branch::Array(arrays) => {
                descend(&arrays.items, &at.then(Segment::Each), arrays.min_items > 0, depth - 1, visit)
            }
            Branch::Object(objects) => {
                for field in &objects.fields {
                    let at = at.then(Segment::Name(Name::new(&field.name)));
                    descend(&field.schema, &at, field.required, depth - 1, visit);
                }
                if let Rest::Each(schema) = &objects.rest {
                    descend(schema, &at.then(Segment::Values), false, depth - 1, visit);
                }
            }
            Branch::Null | Branch::Boolean(_) | Branch::Number(_) | Branch::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::contract::read::testing::schema;

    #[test]
    fn every_place_is_visited_with_its_pointer() {
        let schema = schema(
            "{type: object, required: [a], properties: {a: {type: array, items: {type: object, properties: {'x/y': {}}}}},
              additionalProperties: {type: string}}",
        );
        let mut seen = Vec::new();
        super::places(&schema, &mut |at, _, required| seen.push((at.to_string(), required)));
        let expected = [("", true), ("/a", true), ("/a/[]", false), ("/a/[]/x~1y", false), ("/{}", false)];
        assert_eq!(seen, expected.map(|(at, required)| (at.to_owned(), required)));
    }
}
