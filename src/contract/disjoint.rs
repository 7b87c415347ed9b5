//! Whether two kinds of values have none in common: what tells the parts of a union apart.

use super::{
    intersect,
    schema::{Branch, Objects, Schema, Values},
};
use crate::config::finding::Place;

impl Branch {
    /// Whether no value belongs to both; false where that is not plain to see.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => matches!((a.only, b.only), (Some(a), Some(b)) if a != b),
            (Self::Number(_), Self::Number(_)) | (Self::String(_), Self::String(_)) => {
                let (a, b) = (alone(self), alone(other));
                matches!(intersect::schemas(&a, &b).values, Values::Branches(branches) if branches.is_empty())
            }
            (Self::Object(a), Self::Object(b)) => objects_differ(a, b) || objects_differ(b, a),
            (a, b) => !a.is_alike(b),
        }
    }
}

/// Whether a field that has to be there on one side cannot be what the other side says. Looks one level deep.
fn objects_differ(a: &Objects, b: &Objects) -> bool {
    let differ = |one: &Branch, other: &Branch| {
        !matches!(one, Branch::Object(_)) && one.is_disjoint(other)
            || matches!(one, Branch::Object(_)) && !one.is_alike(other)
    };
    a.fields.iter().filter(|field| field.required).any(|field| {
        let Some(other) = b.member(&field.name, &field.schema.place) else { return true };
        let others = other.branches();
        field.schema.branches().iter().all(|one| others.iter().all(|other| differ(one, other)))
    })
}

fn alone(branch: &Branch) -> Schema {
    let place = Place { file: std::path::Path::new("").into(), line: 0, col: 0 };
    Schema::new(&place, Values::Branches(vec![branch.clone()]))
}
