//! Schemas and ops made at random, and schemas a little different from others.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Names are few, so that ops hit members, targets and strays.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "d"])
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "number"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!({"type": ["integer", "string"]})),
        Just(json!({"enum": ["x", "y"]})),
        Just(json!({"enum": ["1", "22"]})),
        Just(json!({"enum": [1, 2, null]})),
        Just(json!({"type": "integer", "minimum": 0, "maximum": 100})),
        Just(json!({"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"})),
        Just(json!({"type": "string", "minLength": 1, "maxLength": 3})),
        Just(json!({"enum": ["x-y", "z"]})),
        Just(json!({"type": "number", "multipleOf": 0.5, "exclusiveMinimum": -3})),
    ]
}

pub(super) fn schema() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => (prop::collection::btree_map(name(), (inner.clone(), any::<bool>()), 1..4), 0..4u8).prop_map(|(fields, rest)| {
                let required: Vec<&str> = fields.iter().filter(|(_, (_, required))| *required).map(|(name, _)| *name).collect();
                let properties: serde_json::Map<String, Value> =
                    fields.iter().map(|(name, (schema, _))| ((*name).to_owned(), schema.clone())).collect();
                let mut schema = json!({"type": "object", "required": required, "properties": properties});
                match rest {
                    0 => {}
                    1 => schema["additionalProperties"] = json!({"type": "string"}),
                    _ => schema["additionalProperties"] = json!(false),
                }
                schema
            }),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "minItems": 1})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "maxItems": 1})),
            1 => inner.clone().prop_map(|items| json!({"type": "array", "items": items, "uniqueItems": true, "minItems": 2})),
            1 => inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            1 => inner.clone().prop_map(|schema| json!({"anyOf": [schema, {"type": "null"}]})),
            2 => (inner, any::<usize>()).prop_map(|(schema, which)| unfollowed(&schema, which)),
        ]
    })
}

/// A schema with a keyword that the model follows in part or not at all, and a schema inside.
pub(super) fn unfollowed(inner: &Value, which: usize) -> Value {
    let a = json!({"type": "object", "required": ["a"], "properties": {"a": inner}});
    let b = json!({"type": "object", "properties": {"b": inner}});
    let ways = [
        json!({"type": "array", "items": {"type": "string"}, "prefixItems": [inner]}),
        json!({"type": "array", "prefixItems": [inner], "items": false}),
        json!({"type": "array", "contains": inner, "maxContains": 2}),
        json!({"type": "object", "properties": {"a": inner}, "patternProperties": {"^x": true}, "additionalProperties": false}),
        json!({"allOf": [a, b], "unevaluatedProperties": false}),
        json!({"type": "object", "anyOf": [a, b], "unevaluatedProperties": false}),
        json!({"oneOf": [a, {"type": ["string", "integer"]}]}),
        json!({"oneOf": [a, b]}),
        json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": inner, "b": {}}}),
        json!({"anyOf": [a, {"type": "object", "properties": {"c": inner}, "dependentRequired": {"c": ["d"]}}]}),
        json!({"anyOf": [{"type": "string", "not": {"const": "x"}}, inner]}),
        json!({"type": "object", "properties": {"a": inner, "b": {}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}),
        json!({"type": "object", "properties": {"a": inner}, "propertyNames": {"maxLength": 10}}),
        json!({"allOf": [inner], "not": {"enum": ["x", 1, null]}}),
        json!({"const": "x", "enum": ["x", "y"]}),
    ];
    ways[which % ways.len()].clone()
}

/// One op, as `gateway.yaml` has it. Declared losses are not the question here.
pub(super) fn op() -> impl Strategy<Value = Value> {
    let lossy = json!({"up": "gone", "down": "gone"});
    let place = prop_oneof![
        4 => name().prop_map(|name| format!("/{name}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/{inner}")),
        1 => (name(), name()).prop_map(|(outer, inner)| format!("/{outer}/[]/{inner}")),
        1 => name().prop_map(|outer| format!("/{outer}/[]")),
        1 => name().prop_map(|outer| format!("/{outer}/{{}}")),
        1 => Just("/{}".to_owned()),
    ];
    let value = prop::sample::select(vec![json!(1), json!("x"), json!(null), json!([]), json!({"a": 1}), json!(true)]);
    let types = prop::sample::select(vec!["string", "integer", "number", "boolean"]);
    let action = prop_oneof![
        4 => (name(), name()).prop_map(|(from, to)| json!({"rename": {from: to}})),
        3 => (place.clone(), value.clone()).prop_map(|(path, value)| json!({"add": {"path": path, "value": value}})),
        1 => (place.clone(), value.clone()).prop_map(|(path, value)| json!({"add": {"path": path, "value": value, "if_null": "replace"}})),
        2 => place.clone().prop_map(|path| json!({"add": {"path": path}})),
        2 => place.clone().prop_map(|path| json!({"remove": {"path": path}})),
        2 => (place.clone(), value).prop_map(|(path, value)| json!({"remove": {"path": path, "down": {"value": value}}})),
        2 => (name(), name(), name()).prop_map(|(from, to, inner)| json!({"move": {"from": from, "to": format!("/{to}/{inner}")}})),
        2 => (name(), name(), name()).prop_map(|(into, a, b)| json!({"nest": {"into": into, "members": if a == b { json!([a]) } else { json!([a, b]) }}})),
        2 => (name(), name(), prop::sample::select(vec!["drop", "keep", "error"])).prop_map(|(from, a, rest)| json!({"unnest": {"from": from, "members": [a], "rest": rest}})),
        3 => (place.clone(), types.clone(), types).prop_map(|(path, from, to)| json!({"convert": {"path": path, "from": from, "to": to}})),
        2 => place.clone().prop_map(|path| json!({"map": {"path": path, "pairs": [["x", 1], ["y", 2]]}})),
        1 => place.clone().prop_map(|path| json!({"map": {"path": path, "pairs": [["x", "1"], [null, "22"]], "up_else": "error", "down_else": {"value": "x"}}})),
        2 => place.clone().prop_map(|path| json!({"wrap": {"path": path, "many": "first"}})),
        1 => place.clone().prop_map(|path| json!({"unwrap": {"path": path, "many": "last", "if_null": "empty"}})),
        1 => place.clone().prop_map(|path| json!({"scale": {"path": path, "pow10": 2}})),
        1 => (name(), name(), name()).prop_map(|(whole, a, b)| json!({"split": {"from": whole, "into": [a, b], "sep": "-"}})),
        1 => (name(), name(), name()).prop_map(|(whole, a, b)| json!({"merge": {"from": [a, b], "into": whole, "sep": "-"}})),
        1 => (place.clone(), name()).prop_map(|(path, key)| json!({"elem_wrap": {"path": path, "key": key}})),
        1 => (place.clone(), name()).prop_map(|(path, key)| json!({"index": {"path": path, "key": key}})),
        1 => (place, name()).prop_map(|(path, by)| json!({"drop_elems": {"path": path, "by": by, "keep": ["x", 1]}})),
    ];
    let guard = prop::option::weighted(0.15, name().prop_map(|path| json!({"path": path, "in": ["x", 1]})));
    (
        action,
        prop::bool::weighted(0.1),
        prop::option::weighted(0.2, prop::sample::select(vec!["error", "replace"])),
        guard,
    )
        .prop_map(move |(mut op, strict, conflict, guard)| {
            op["lossy"] = lossy.clone();
            if strict {
                op["strict"] = json!(true);
            }
            if let Some(conflict) = conflict {
                op["conflict"] = json!(conflict);
            }
            if let Some(guard) = guard {
                op["when"] = guard;
            }
            op
        })
}

/// A schema that permits a little less at one of its places.
pub(super) fn tightened(schema: &Value, which: usize) -> Value {
    let ways = tighter(schema);
    if ways.is_empty() { schema.clone() } else { ways[which % ways.len()].clone() }
}

/// Every way to permit less at one place, where that is easy to write.
pub(super) fn tighter(schema: &Value) -> Vec<Value> {
    let Value::Object(keywords) = schema else { return Vec::new() };
    let with = |keyword: &str, value: Value| {
        let mut keywords = keywords.clone();
        keywords.insert(keyword.to_owned(), value);
        Value::Object(keywords)
    };
    let mut ways = Vec::new();
    match keywords.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = keywords.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
            let required = keywords.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            for name in properties.keys().filter(|name| !required.contains(&json!(name))) {
                ways.push(with("required", required.iter().cloned().chain([json!(name)]).collect()));
            }
            for name in properties.keys() {
                let mut less = properties.clone();
                less.remove(name);
                ways.push(with("properties", less.into()));
            }
            for (name, inner) in &properties {
                for inner in tighter(inner) {
                    let mut changed = properties.clone();
                    changed.insert(name.clone(), inner);
                    ways.push(with("properties", changed.into()));
                }
            }
            match keywords.get("additionalProperties") {
                None => ways.push(with("additionalProperties", json!(false))),
                Some(rest) => ways.extend(tighter(rest).into_iter().map(|rest| with("additionalProperties", rest))),
            }
        }
        Some("array") => {
            let fewest = keywords.get("minItems").and_then(Value::as_u64).unwrap_or(0);
            ways.push(with("minItems", json!(fewest + 1)));
            ways.push(with("maxItems", json!(fewest.max(1))));
            ways.extend(keywords.get("items").into_iter().flat_map(tighter).map(|items| with("items", items)));
        }
        Some("string") => ways.push(with("maxLength", json!(1))),
        Some("number") => ways.extend([with("type", json!("integer")), with("maximum", json!(6))]),
        Some("integer") => ways.extend([with("minimum", json!(1)), with("maximum", json!(6))]),
        _ => {}
    }
    for listed in ["enum", "anyOf"] {
        let values = keywords.get(listed).and_then(Value::as_array).cloned().unwrap_or_default();
        for index in (0..values.len()).filter(|_| values.len() > 1) {
            let mut less = values.clone();
            less.remove(index);
            ways.push(with(listed, less.into()));
        }
        for (index, value) in values.iter().enumerate().filter(|_| listed == "anyOf") {
            for inner in tighter(value) {
                let mut changed = values.clone();
                changed[index] = inner;
                ways.push(with(listed, changed.into()));
            }
        }
    }
    ways
}

/// Every way to write one thing of a schema otherwise, of which some are no schemas any more.
pub(super) fn altered(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let mut ways = Vec::new();
            for (name, inner) in members {
                let mut less = members.clone();
                less.remove(name);
                ways.push(less.clone().into());
                for inner in altered(inner) {
                    less.insert(name.clone(), inner);
                    ways.push(less.clone().into());
                }
            }
            ways
        }
        Value::Array(items) => {
            let mut ways = Vec::new();
            for (index, inner) in items.iter().enumerate() {
                let mut less = items.clone();
                less.remove(index);
                ways.push(less.into());
                for inner in altered(inner) {
                    let mut changed = items.clone();
                    changed[index] = inner;
                    ways.push(changed.into());
                }
            }
            ways
        }
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) => number.as_i64().map(|number| json!(number + 1)).into_iter().collect(),
        Value::String(text) => {
            let others = ["string", "integer", "a", "b", "x"].into_iter().filter(|other| other != text);
            others.map(|other| json!(other)).collect()
        }
        Value::Null => Vec::new(),
    }
}
