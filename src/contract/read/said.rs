//! What a keyword says, with everything it refers to written out: two that say the same need no proof.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Reader, value};
use crate::config::tree::{self, Node};

/// Nodes that are written out; what says more is never taken to say the same.
const NODES_MAX: usize = 5000;
/// Keywords whose members bear names of their own.
const OF_NAMES: [&str; 5] = ["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];
/// Keywords whose content is a value, not a schema.
const OF_VALUES: [&str; 2] = ["const", "enum"];

/// Where a reference led, from the outermost to the innermost.
type Trail = Vec<(PathBuf, String)>;

impl Reader<'_> {
    /// What the members of a schema with these keys say; without keys: what all of them do.
    ///
    /// - Returns none where something it refers to cannot be read, or it is too much.
    pub(super) fn said(&mut self, node: &Node, keys: &[&str]) -> Option<Value> {
        // What is wrong with a reference is said where the schema itself is read.
        let known = self.findings.len();
        let said = self.schema_says(node, keys, &mut Trail::new(), &mut NODES_MAX.clone());
        self.findings.truncate(known);
        said
    }

    fn schema_says(&mut self, node: &Node, keys: &[&str], trail: &mut Trail, left: &mut usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        if let Some(items) = node.list() {
            return items.iter().map(|item| self.schema_says(item, &[], trail, left)).collect();
        }
        let Some(members) = node.map() else { return Some(value(node)) };
        let mut said = Map::new();
        for (key, content) in members {
            let word = key.text().unwrap_or_default();
            if is_silent(word) || !(keys.is_empty() || keys.contains(&word)) {
                continue;
            }
            let spelled = match word {
                "$ref" => self.target_says(content, trail, left)?,
                word if OF_VALUES.contains(&word) => {
                    *left = left.checked_sub(size(content))?;
                    value(content)
                }
                word if OF_NAMES.contains(&word) => self.names_say(content, trail, left)?,
                _ => self.schema_says(content, &[], trail, left)?,
            };
            said.insert(word.to_owned(), spelled);
        }
        Some(Value::Object(said))
    }

    fn names_say(&mut self, node: &Node, trail: &mut Trail, left: &mut usize) -> Option<Value> {
        let Some(members) = node.map() else { return Some(value(node)) };
        let mut said = Map::new();
        for (name, schema) in members {
            said.insert(name.text().unwrap_or_default().to_owned(), self.schema_says(schema, &[], trail, left)?);
        }
        Some(Value::Object(said))
    }

    /// What a reference leads to; inside of itself it is named by how far out it was met.
    fn target_says(&mut self, target: &Node, trail: &mut Trail, left: &mut usize) -> Option<Value> {
        let target = self.locate(target.text()?, &target.place)?;
        if let Some(out) = trail.iter().rev().position(|known| *known == target.key) {
            return Some(json!(out));
        }
        trail.push(target.key.clone());
        let said = self.schema_says(target.node(), &[], trail, left);
        trail.pop();
        said
    }
}

/// Whether a keyword permits and forbids nothing.
pub(super) fn is_silent(keyword: &str) -> bool {
    let silent = [
        "title",
        "description",
        "summary",
        "default",
        "example",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "externalDocs",
        "xml",
        "$comment",
    ];
    silent.contains(&keyword) || keyword.starts_with("x-")
}

fn size(node: &Node) -> usize {
    match &node.value {
        tree::Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        tree::Value::Map(members) => 1 + members.iter().map(|(_, value)| size(value)).sum::<usize>(),
        tree::Value::Scalar(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use crate::contract::{
        read::testing::schema,
        subtype::{Side, mismatches},
    };

    /// How many reasons there are why a value of the one may be invalid under the other.
    fn between(source: &str, target: &str) -> usize {
        mismatches(&schema(source), &schema(target), Side::Request).len()
    }

    #[test]
    fn the_same_words_are_the_same_only_with_the_neighbours_they_hang_on() {
        for (one, other) in [
            (
                "{type: object, if: {required: [a]}, then: {required: [b]}}",
                "{type: object, if: {required: [a]}, then: {required: [c]}}",
            ),
            (
                "{type: array, contains: {type: integer}, minContains: 1}",
                "{type: array, contains: {type: integer}, minContains: 3}",
            ),
            (
                "{type: array, prefixItems: [{type: string}], items: false}",
                "{type: array, prefixItems: [{type: string}]}",
            ),
            (
                "{type: object, patternProperties: {'^x': {type: string}}}",
                "{type: object, patternProperties: {'^x': {type: string}}, additionalProperties: false}",
            ),
            (
                "{type: object, properties: {a: {}}, patternProperties: {'^x': {}}, additionalProperties: false}",
                "{type: object, patternProperties: {'^x': {}}, additionalProperties: false}",
            ),
            (
                "{type: object, properties: {a: {}, b: {}}, unevaluatedProperties: false}",
                "{type: object, properties: {a: {}}, unevaluatedProperties: false}",
            ),
            (
                "{allOf: [{type: object, properties: {a: {}, b: {}}}], unevaluatedProperties: false}",
                "{allOf: [{type: object, properties: {a: {}}}], unevaluatedProperties: false}",
            ),
            ("{type: object, $dynamicRef: '#a'}", "{type: object, $dynamicRef: '#a'}"),
            // What one alternative says does not hold for the others' values.
            (
                "{anyOf: [{type: object, properties: {a: {type: string}}}, {type: object, not: {required: [b]}}]}",
                "{anyOf: [{type: object, properties: {a: {type: integer}}}, {type: object, not: {required: [b]}}]}",
            ),
            ("{anyOf: [{type: string}, {not: {}}]}", "{anyOf: [{type: integer}, {not: {}}]}"),
        ] {
            assert!(between(one, other) > 0, "{one} under {other}");
            assert_eq!(between(one, one), usize::from(one.contains("dynamicRef")), "{one}");
        }
    }

    #[test]
    fn the_first_elements_are_elements_too() {
        assert!(
            between(
                "{type: array, prefixItems: [{type: string}], items: {type: integer}}",
                "{type: array, items: {type: integer}}"
            ) > 0
        );
        assert_eq!(
            between(
                "{type: array, prefixItems: [{type: integer}], items: {type: integer}}",
                "{type: array, items: {type: integer}}"
            ),
            0
        );
    }

    #[test]
    fn null_is_listed_where_it_is_nullable_and_a_constant_is_among_those_listed() {
        let text = "{type: string, enum: [a]}";
        assert_eq!(between("{type: string, nullable: true, enum: [a, null]}", text), 1);
        assert_eq!(between("{type: string, nullable: true, enum: [a]}", text), 0);
        assert_eq!(between(text, "{const: a, enum: [b]}"), 1);
        assert_eq!(between(text, "{const: a, enum: [a, b]}"), 0);
    }
}
