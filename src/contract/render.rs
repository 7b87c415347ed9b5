//! A schema back as JSON Schema (2020-12, as OpenAPI 3.1 has it).

use serde_json::{Map, Value, json};

use super::schema::{Arrays, Booleans, Branch, Notes, Numbers, Objects, Rest, Schema, Strings, Values};

/// As it is written: named schemas as `{"$ref": "#/components/schemas/NAME"}`.
pub fn inline(schema: &Schema) -> Value {
    let value = match &schema.values {
        Values::Any => Value::Bool(true),
        Values::Ref(reference) => json!({"$ref": format!("#/components/schemas/{}", reference.name)}),
        Values::Branches(branches) => match branches.as_slice() {
            [] => Value::Bool(false),
            [one] => branch(one),
            several => json!({"anyOf": several.iter().map(branch).collect::<Vec<_>>()}),
        },
    };
    with_notes(value, &schema.notes)
}

/// Alone: with the named schemas it needs under `$defs`.
pub fn standalone(schema: &Schema) -> Value {
    let mut value = relocated(inline(schema));
    let mut named = Map::new();
    let mut open: Vec<Schema> = vec![schema.clone()];
    while let Some(next) = open.pop() {
        references(&next, &mut |reference| {
            if let Some(schema) = reference.definition().as_ref().and_then(|definition| definition.schema())
                && !named.contains_key(&reference.name)
            {
                named.insert(reference.name.clone(), relocated(inline(schema)));
                open.push(schema.clone());
            }
        });
    }
    if named.is_empty() {
        return value;
    }
    // `true` and `false` refer to nothing.
    if let Value::Object(members) = &mut value {
        members.insert("$defs".into(), Value::Object(named));
    }
    value
}

/// The references a schema holds itself, in order.
pub fn references(schema: &Schema, found: &mut dyn FnMut(&super::schema::Reference)) {
    match &schema.values {
        Values::Any => {}
        Values::Ref(reference) => found(reference),
        Values::Branches(branches) => {
            for branch in branches {
                match branch {
                    Branch::Array(arrays) => references(&arrays.items, found),
                    Branch::Object(objects) => {
                        objects.fields.iter().for_each(|field| references(&field.schema, found));
                        if let Rest::Each(schema) = &objects.rest {
                            references(schema, found);
                        }
                    }
                    Branch::Null | Branch::Boolean(_) | Branch::Number(_) | Branch::String(_) => {}
                }
            }
        }
    }
}

/// References into `$defs` instead of a document's components.
fn relocated(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get_mut("$ref") {
                *target = target.replacen("#/components/schemas/", "#/$defs/", 1);
            }
            members.values_mut().for_each(|member| *member = relocated(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = relocated(item.take())),
        _ => {}
    }
    value
}

fn branch(branch: &Branch) -> Value {
    let mut out = Map::new();
    out.insert("type".into(), branch.kind().into());
    match branch {
        Branch::Null => {}
        Branch::Boolean(booleans) => boolean(booleans, &mut out),
        Branch::Number(numbers) => number(numbers, &mut out),
        Branch::String(strings) => string(strings, &mut out),
        Branch::Array(arrays) => array(arrays, &mut out),
        Branch::Object(objects) => object(objects, &mut out),
    }
    Value::Object(out)
}

fn boolean(booleans: &Booleans, out: &mut Map<String, Value>) {
    if let Some(only) = booleans.only {
        out.insert("const".into(), only.into());
    }
}

fn number(numbers: &Numbers, out: &mut Map<String, Value>) {
    let written =
        |value: f64| if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) };
    if let Some(format) = &numbers.format {
        out.insert("format".into(), format.as_str().into());
    }
    if let Some(only) = &numbers.only {
        out.insert("enum".into(), only.iter().cloned().map(Value::Number).collect());
    }
    for (bound, inclusive, exclusive) in
        [(numbers.min, "minimum", "exclusiveMinimum"), (numbers.max, "maximum", "exclusiveMaximum")]
    {
        if let Some(bound) = bound {
            out.insert(if bound.exclusive { exclusive } else { inclusive }.into(), written(bound.value));
        }
    }
    if let Some(step) = numbers.multiple_of {
        out.insert("multipleOf".into(), written(step));
    }
}

fn string(strings: &Strings, out: &mut Map<String, Value>) {
    if let Some(format) = &strings.format {
        out.insert("format".into(), format.as_str().into());
    }
    if let Some(only) = &strings.only {
        out.insert("enum".into(), only.iter().map(String::as_str).collect());
    }
    if strings.min_length > 0 {
        out.insert("minLength".into(), strings.min_length.into());
    }
    if let Some(max) = strings.max_length {
        out.insert("maxLength".into(), max.into());
    }
    match strings.patterns.as_slice() {
        [] => {}
        [one] => drop(out.insert("pattern".into(), one.as_str().into())),
        several => {
            let all: Vec<Value> = several.iter().map(|pattern| json!({"pattern": pattern})).collect();
            out.insert("allOf".into(), all.into());
        }
    }
}

fn array(arrays: &Arrays, out: &mut Map<String, Value>) {
    if !matches!(arrays.items.values, Values::Any) {
        out.insert("items".into(), inline(&arrays.items));
    }
    if arrays.min_items > 0 {
        out.insert("minItems".into(), arrays.min_items.into());
    }
    if let Some(max) = arrays.max_items {
        out.insert("maxItems".into(), max.into());
    }
    if arrays.unique {
        out.insert("uniqueItems".into(), true.into());
    }
}

fn object(objects: &Objects, out: &mut Map<String, Value>) {
    let required: Vec<&str> =
        objects.fields.iter().filter(|field| field.required).map(|field| field.name.as_str()).collect();
    if !required.is_empty() {
        out.insert("required".into(), required.into());
    }
    if !objects.fields.is_empty() {
        let fields = objects.fields.iter().map(|field| (field.name.clone(), inline(&field.schema)));
        out.insert("properties".into(), Value::Object(fields.collect()));
    }
    match &objects.rest {
        Rest::Open => {}
        Rest::Closed => drop(out.insert("additionalProperties".into(), false.into())),
        Rest::Each(schema) => drop(out.insert("additionalProperties".into(), inline(schema))),
    }
    if objects.min_members > 0 {
        out.insert("minProperties".into(), objects.min_members.into());
    }
    if let Some(max) = objects.max_members {
        out.insert("maxProperties".into(), max.into());
    }
}

fn with_notes(value: Value, notes: &Notes) -> Value {
    let mut out = Map::new();
    if let Some(title) = &notes.title {
        out.insert("title".into(), title.as_str().into());
    }
    if let Some(description) = &notes.description {
        out.insert("description".into(), description.as_str().into());
    }
    if let Some(default) = &notes.default {
        out.insert("default".into(), default.clone());
    }
    if let Some(example) = &notes.example {
        out.insert("examples".into(), json!([example]));
    }
    for (flag, name) in
        [(notes.deprecated, "deprecated"), (notes.read_only, "readOnly"), (notes.write_only, "writeOnly")]
    {
        if flag {
            out.insert(name.into(), true.into());
        }
    }
    match value {
        value if out.is_empty() => value,
        Value::Object(members) => {
            let mut all = members;
            all.extend(out);
            Value::Object(all)
        }
        Value::Bool(true) => Value::Object(out),
        // Nothing is valid: `{"not": {}}` can carry notes.
        _ => {
            out.insert("not".into(), json!({}));
            Value::Object(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::standalone;
    use crate::contract::read::testing::document;

    #[test]
    fn a_schema_alone_brings_the_named_ones_it_needs() {
        let document = document(
            "openapi: 3.1.0
paths:
  /a:
    post:
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Tree'}}}}
      responses: {}
components:
  schemas:
    Tree: {type: object, properties: {children: {type: array, items: {$ref: '#/components/schemas/Tree'}}, id: {$ref: '#/components/schemas/Id'}}}
    Id: {type: string, description: who}
",
        );
        let schema = document.operations[0].request.as_ref().and_then(|request| request.json()).expect("a schema");
        assert_eq!(
            standalone(schema),
            json!({"$ref": "#/$defs/Tree", "$defs": {
                "Tree": {"type": "object", "properties": {
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                    "id": {"$ref": "#/$defs/Id"},
                }},
                "Id": {"type": "string", "description": "who"},
            }})
        );
    }
}
