//! Keywords that the model does not follow, and what they say: two sides that say the same need no proof.

use serde_json::{Map, Value};

use super::{schemas::says_something, value};
use crate::{config::tree::Node, contract::schema::Doubt};

/// Keywords that can forbid values in ways the model does not follow.
const DOUBTFUL: [&str; 16] = [
    "not",
    "if",
    "patternProperties",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "contains",
    "additionalItems",
    "contentSchema",
    "$dynamicRef",
    "$recursiveRef",
    "$id",
];

/// The keywords among `members` of a schema that can forbid what the model permits.
pub(super) fn of(members: &[(Node, Node)], node: &Node) -> Vec<Doubt> {
    let keywords = members.iter().map(|(key, _)| (key, key.text().unwrap_or_default()));
    let doubtful = keywords.filter(|(_, keyword)| DOUBTFUL.contains(keyword));
    let doubt = |(key, keyword): (&Node, &str)| Doubt {
        keyword: keyword.to_owned(),
        place: key.place.clone(),
        said: said(node, keyword),
    };
    doubtful.map(doubt).collect()
}

/// What a keyword says, with the neighbours whose meaning it shares; none where the same words may mean something else.
fn said(node: &Node, keyword: &str) -> Option<Value> {
    let all = || {
        let members = node.map().unwrap_or_default().iter();
        let names = members.map(|(key, _)| key.text().unwrap_or_default());
        names.filter(|name| says_something(name)).collect::<Vec<_>>()
    };
    let names = match keyword {
        "if" => vec!["if", "then", "else"],
        "contains" => vec!["contains", "minContains", "maxContains"],
        "prefixItems" | "additionalItems" => vec!["prefixItems", "items", "additionalItems"],
        "patternProperties" => vec!["patternProperties", "additionalProperties"],
        // They hang on every other keyword.
        "unevaluatedProperties" | "unevaluatedItems" => all(),
        "$id" | "$dynamicRef" | "$recursiveRef" => return None,
        keyword => vec![keyword],
    };
    let mut said: Map<String, Value> =
        names.into_iter().filter_map(|name| Some((name.to_owned(), value(node.get(name)?)))).collect();
    if keyword == "patternProperties" {
        let named = node.get("properties").and_then(Node::map).unwrap_or_default();
        said.insert("properties".to_owned(), named.iter().map(|(key, _)| key.text().unwrap_or_default()).collect());
    }
    Some(Value::Object(said)).filter(holds_elsewhere)
}

/// Whether the same words mean the same in another document.
pub(super) fn holds_elsewhere(said: &Value) -> bool {
    let text = said.to_string();
    !["$ref", "$dynamicRef", "$recursiveRef"].iter().any(|key| text.contains(&format!("\"{key}\":")))
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
