//! `unevaluatedProperties`: what members may be that nothing beside it, and nothing it is combined with, names.

use std::collections::BTreeSet;

use super::Reader;
use crate::{
    config::tree::Node,
    contract::{
        intersect,
        schema::{Branch, Rest, Schema, Values},
    },
};

/// References and parts of parts that are followed.
const DEPTH_MAX: usize = 16;
/// Keywords that look at members in ways that are not followed here.
const OTHERS: [&str; 10] = [
    "additionalProperties",
    "patternProperties",
    "unevaluatedProperties",
    "anyOf",
    "oneOf",
    "if",
    "dependentSchemas",
    "dependencies",
    "$dynamicRef",
    "$recursiveRef",
];

impl Reader<'_> {
    /// The members that a schema with `unevaluatedProperties` names, itself and in what it is combined with; none where
    /// that depends on the value.
    pub(super) fn plain_names(&mut self, node: &Node) -> Option<BTreeSet<String>> {
        node.get("unevaluatedProperties")?;
        let known = self.findings.len();
        let mut names = BTreeSet::new();
        let is_plain = self.names(node, true, DEPTH_MAX, &mut names);
        self.findings.truncate(known);
        is_plain.then_some(names)
    }

    fn names(&mut self, node: &Node, whole: bool, depth: usize, names: &mut BTreeSet<String>) -> bool {
        let is_other = |key: &&&str| !(whole && **key == "unevaluatedProperties");
        if depth == 0 || OTHERS.iter().filter(is_other).any(|key| node.get(key).is_some()) {
            return false;
        }
        let own = node.get("properties").and_then(Node::map).unwrap_or_default();
        names.extend(own.iter().filter_map(|(name, _)| name.text().map(str::to_owned)));
        if let Some(target) = node.get("$ref") {
            let Some(target) = target.text().and_then(|text| self.locate(text, &target.place)) else { return false };
            if !self.names(target.node(), false, depth - 1, names) {
                return false;
            }
        }
        let parts = node.get("allOf").and_then(Node::list).unwrap_or_default();
        parts.iter().all(|part| self.names(part, false, depth - 1, names))
    }

    /// `schema` with other members as the keyword of its node has them, where that is plain.
    pub(super) fn evaluated(&mut self, node: &Node, schema: Schema) -> Schema {
        let Some(names) = self.plain_names(node) else { return schema };
        let Some(others) = node.get("unevaluatedProperties") else { return schema };
        let others = self.schema(others);
        if !self.is_ready(&schema) {
            return schema.doubting("unevaluatedProperties", &node.place);
        }
        let mut schema = schema.opened().into_owned();
        let Values::Branches(branches) = &mut schema.values else {
            return schema.doubting("unevaluatedProperties", &node.place);
        };
        for branch in branches {
            let Branch::Object(objects) = branch else { continue };
            for field in objects.fields.iter_mut().filter(|field| !names.contains(&field.name)) {
                field.schema = intersect::schemas(&field.schema, &others);
            }
            objects.rest = match &others.values {
                Values::Any => Rest::Open,
                Values::Branches(none) if none.is_empty() => Rest::Closed,
                _ => Rest::Each(Box::new(others.clone())),
            };
        }
        schema
    }
}
