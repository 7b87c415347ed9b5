//! Schema objects: keywords to branches.

use super::{Reader, Revision, operations::flag, said::is_silent, unions::listed, value};
use crate::{
    config::{finding::Place, tree::Node},
    contract::{
        intersect, render,
        schema::{
            Arrays, Booleans, Bound, Branch, Doubt, Field, Notes, Numbers, Objects, Rest, Schema, Strings, Values,
        },
        unite,
    },
};

/// Keywords that can forbid values in ways the model does not follow, each with the keywords beside it that decide
/// what it says; none: all of them.
const DOUBTFUL: [(&str, &[&str]); 16] = [
    ("not", &["not"]),
    ("if", &["if", "then", "else"]),
    ("patternProperties", &["patternProperties", "properties", "additionalProperties"]),
    ("propertyNames", &["propertyNames"]),
    ("dependentRequired", &["dependentRequired"]),
    ("dependentSchemas", &["dependentSchemas"]),
    ("dependencies", &["dependencies"]),
    ("unevaluatedProperties", &[]),
    ("unevaluatedItems", &[]),
    ("prefixItems", &["prefixItems", "items", "additionalItems"]),
    ("contains", &["contains", "minContains", "maxContains"]),
    ("additionalItems", &["prefixItems", "items", "additionalItems"]),
    ("contentSchema", &["contentSchema"]),
    ("$dynamicRef", &[]),
    ("$recursiveRef", &[]),
    ("$id", &["$id"]),
];
const OF_OBJECTS: [&str; 5] = ["properties", "required", "additionalProperties", "minProperties", "maxProperties"];
const OF_ARRAYS: [&str; 4] = ["items", "minItems", "maxItems", "uniqueItems"];
const KINDS: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

impl Reader<'_> {
    /// Reads a schema where a value's whole description stands.
    pub(super) fn schema(&mut self, node: &Node) -> Schema {
        self.part(node, true)
    }

    /// - `whole`: nothing around it describes the same value, so that a missing `type` deserves a word.
    pub(super) fn part(&mut self, node: &Node, whole: bool) -> Schema {
        if let Some(word @ ("true" | "false")) = node.text() {
            let values = if word == "true" { Values::Any } else { Values::Branches(Vec::new()) };
            return Schema::new(&node.place, values);
        }
        let Some(members) = node.map() else {
            let message = format!("a schema is a mapping, not {}", node.kind());
            self.error(&node.place, "wrong-type", message, "write {type: string}, {$ref: …} or the like");
            return Schema::any(&node.place).doubting("schema", &node.place);
        };
        let notes = notes(node);
        if let Some(target) = node.get("$ref") {
            let schema = self.referred(target, &node.place, notes.clone());
            let beside = members.iter().any(|(key, _)| says_something(key.text().unwrap_or_default()));
            // OpenAPI 3.0 ignores what stands beside $ref.
            if self.revision == Revision::V3_0 || !beside {
                return schema;
            }
            let own = Schema { notes, ..self.keywords(node, members, false) };
            let merged = self.merged(&own, &schema);
            return self.evaluated(node, merged);
        }
        let schema = Schema { notes, ..self.keywords(node, members, whole) };
        self.evaluated(node, schema)
    }

    fn referred(&mut self, target: &Node, place: &Place, notes: Notes) -> Schema {
        let text = target.text().unwrap_or_default().to_owned();
        match self.schema_reference(&text, &target.place) {
            Some(reference) => Schema { notes, ..Schema::new(place, Values::Ref(reference)) },
            None => Schema::any(place).doubting("$ref", &target.place),
        }
    }

    fn keywords(&mut self, node: &Node, members: &[(Node, Node)], whole: bool) -> Schema {
        let place = &node.place;
        let parts = |key: &str| node.get(key).and_then(Node::list).unwrap_or_default();
        let whole = whole && !["allOf", "anyOf", "oneOf"].iter().any(|key| parts(key).iter().any(says_kinds));
        let mut schema = Schema::new(place, self.own_kinds(node, whole));
        for (key, _) in members {
            self.doubt(node, key, &mut schema);
        }
        if let Some(listed) = listed(node, place) {
            schema = intersect::schemas(&schema, &listed);
        }
        for part in parts("allOf") {
            let part = self.part(part, whole && matches!(schema.values, Values::Any));
            schema = self.merged(&schema, &part);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(list) = node.get(key) {
                schema = self.union(node, key, list, &schema);
            }
        }
        if flag(node, "nullable") && self.is_ready(&schema) && !schema.is_nullable() {
            schema = nullable(schema, node.get("enum").is_some());
        }
        schema
    }

    /// Remembers a keyword that the model does not follow, and what it says.
    fn doubt(&mut self, node: &Node, key: &Node, schema: &mut Schema) {
        let keyword = key.text().unwrap_or_default();
        let Some((_, beside)) = DOUBTFUL.iter().find(|(known, _)| *known == keyword) else { return };
        let said = match keyword {
            // Followed where it is plain what it leaves.
            "unevaluatedProperties" if self.plain_names(node).is_some() => return,
            // What these lead to depends on who refers to them.
            "$dynamicRef" | "$recursiveRef" => None,
            // Other members are as the model has them, unless they are forbidden.
            "patternProperties"
                if matches!(node.get("additionalProperties").map(Node::text), None | Some(Some("true"))) =>
            {
                self.said(node, &[keyword])
            }
            _ => self.said(node, beside),
        };
        schema.doubts.push(Doubt { keyword: keyword.to_owned(), place: key.place.clone(), said });
    }

    /// What `type` and the keywords of each kind permit.
    fn own_kinds(&mut self, node: &Node, whole: bool) -> Values {
        let has = |keys: &[&str]| keys.iter().any(|key| node.get(key).is_some());
        let written: Vec<Node> = match node.get("type") {
            Some(list) if list.list().is_some() => list.list().unwrap_or_default().to_vec(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let mut kinds: Vec<&str> = Vec::new();
        for kind in &written {
            // A plain null is the word null here.
            let word = if kind.is_null() { "null" } else { kind.text().unwrap_or_default() };
            match KINDS.iter().find(|known| **known == word) {
                Some(known) => kinds.push(known),
                None => {
                    let message = format!("there is no type {word:?}");
                    let help = format!("types are {}", KINDS.join(", "));
                    self.error(&kind.place, "bad-value", message, help);
                }
            }
        }
        if written.is_empty() {
            let implied = match (has(&OF_OBJECTS), has(&OF_ARRAYS)) {
                (true, false) => "object",
                (false, true) => "array",
                _ => return self.untyped(node),
            };
            if whole {
                let message = format!("the schema has keywords of an {implied} and no type; it is taken as one");
                self.warning(&node.place, "implied-type", message, format!("add type: {implied}"));
            }
            kinds.push(implied);
        }
        if flag(node, "nullable") && !kinds.contains(&"null") {
            kinds.push("null");
        }
        // Every integer is a number.
        if kinds.contains(&"number") {
            kinds.retain(|kind| *kind != "integer");
        }
        let branches = kinds.into_iter().filter_map(|kind| self.kind(kind, node)).collect();
        Values::Branches(branches)
    }

    /// Without a type, bounds hold for the values they are about and let others pass.
    fn untyped(&mut self, node: &Node) -> Values {
        let bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
        let lengths = ["minLength", "maxLength", "pattern"];
        if bounds.iter().chain(&lengths).chain(&OF_OBJECTS).chain(&OF_ARRAYS).all(|key| node.get(key).is_none()) {
            return Values::Any;
        }
        let kinds = ["null", "boolean", "number", "string", "array", "object"];
        Values::Branches(kinds.into_iter().filter_map(|kind| self.kind(kind, node)).collect())
    }

    fn kind(&mut self, kind: &str, node: &Node) -> Option<Branch> {
        Some(match kind {
            "null" => Branch::Null,
            "boolean" => Branch::Boolean(Booleans::default()),
            "integer" | "number" => Branch::Number(self.numbers(node, kind == "integer")?),
            "string" => Branch::String(self.strings(node)?),
            "array" => Branch::Array(self.arrays(node)),
            _ => Branch::Object(self.objects(node)),
        })
    }

    fn numbers(&mut self, node: &Node, integer: bool) -> Option<Numbers> {
        let mut end = |inclusive: &str, exclusive: &str, lower: bool| {
            let value = self.number(node, inclusive);
            // OpenAPI 3.0 writes a flag here, 3.1 a number.
            let flagged = node.get(exclusive).and_then(Node::text);
            match (value, flagged) {
                (Some(value), Some("true")) => Some(Bound { value, exclusive: true }),
                (value, Some("true" | "false") | None) => value.map(|value| Bound { value, exclusive: false }),
                (value, Some(_)) => {
                    let out = self.number(node, exclusive).map(|value| Bound { value, exclusive: true });
                    match (value, out) {
                        (Some(value), Some(out)) if (value > out.value) == lower && value != out.value => {
                            Some(Bound { value, exclusive: false })
                        }
                        (value, out) => out.or(value.map(|value| Bound { value, exclusive: false })),
                    }
                }
            }
        };
        let (min, max) = (end("minimum", "exclusiveMinimum", true), end("maximum", "exclusiveMaximum", false));
        let multiple_of = self.number(node, "multipleOf").filter(|step| *step > 0.0);
        Numbers { integer, min, max, multiple_of, format: format(node), only: None }.settled()
    }

    fn strings(&mut self, node: &Node) -> Option<Strings> {
        Strings {
            min_length: self.count(node, "minLength").unwrap_or(0),
            max_length: self.count(node, "maxLength"),
            patterns: node.get("pattern").and_then(Node::text).map(str::to_owned).into_iter().collect(),
            format: format(node),
            only: None,
        }
        .settled()
    }

    fn arrays(&mut self, node: &Node) -> Arrays {
        let items = self.items(node);
        Arrays {
            items: Box::new(items),
            min_items: self.count(node, "minItems").unwrap_or(0),
            max_items: self.count(node, "maxItems"),
            unique: flag(node, "uniqueItems"),
        }
    }

    /// What any element may be: the first ones may have schemas of their own.
    fn items(&mut self, node: &Node) -> Schema {
        let rest = node.get("items").map_or_else(|| Schema::any(&node.place), |items| self.schema(items));
        let Some(first) = node.get("prefixItems").and_then(Node::list) else { return rest };
        let first: Vec<Schema> = first.iter().map(|part| self.schema(part)).collect();
        if !first.iter().chain([&rest]).all(|part| self.is_ready(part)) {
            return Schema::any(&node.place);
        }
        first.iter().fold(rest, unite::schemas)
    }

    fn objects(&mut self, node: &Node) -> Objects {
        let required: Vec<&str> =
            node.get("required").and_then(Node::list).unwrap_or_default().iter().filter_map(Node::text).collect();
        let mut fields: Vec<Field> = Vec::new();
        for (key, schema) in node.get("properties").and_then(Node::map).unwrap_or_default() {
            let name = key.text().unwrap_or_default();
            fields.push(Field {
                name: name.to_owned(),
                schema: self.schema(schema),
                required: required.contains(&name),
            });
        }
        let rest = match node.get("additionalProperties") {
            None => Rest::Open,
            Some(rest) => match rest.text() {
                Some("true") => Rest::Open,
                // Names that match a pattern are permitted all the same.
                Some("false") if node.get("patternProperties").is_some() => Rest::Open,
                Some("false") => Rest::Closed,
                _ => {
                    let schema = self.schema(rest);
                    let open = matches!(schema.values, Values::Any) || node.get("patternProperties").is_some();
                    if open { Rest::Open } else { Rest::Each(Box::new(schema)) }
                }
            },
        };
        for name in required {
            if !fields.iter().any(|field| field.name == name) {
                let schema = match &rest {
                    Rest::Each(schema) => (**schema).clone(),
                    Rest::Open => Schema::any(&node.place),
                    // It has to be there and cannot be: no object is valid.
                    Rest::Closed => Schema::new(&node.place, Values::Branches(Vec::new())),
                };
                fields.push(Field { name: name.to_owned(), schema, required: true });
            }
        }
        Objects {
            fields,
            rest,
            min_members: self.count(node, "minProperties").unwrap_or(0),
            max_members: self.count(node, "maxProperties"),
        }
    }

    /// What both permit, once both are read.
    pub(super) fn merged(&mut self, a: &Schema, b: &Schema) -> Schema {
        // One side that permits everything leaves the other a reference, which may be read later.
        let trivial = matches!(a.values, Values::Any) || matches!(b.values, Values::Any);
        if trivial || (self.is_ready(a) && self.is_ready(b)) {
            return intersect::schemas(a, b);
        }
        let known = if matches!(a.values, Values::Ref(_)) { b } else { a };
        known.clone().doubting("allOf", &a.place)
    }

    /// Reads what a schema refers to, and what its fields do; whether the schema itself could be read.
    pub(super) fn is_ready(&mut self, schema: &Schema) -> bool {
        if let Values::Ref(reference) = &schema.values
            && !self.read_now(&reference.clone())
        {
            return false;
        }
        let mut inner = Vec::new();
        render::references(&schema.opened(), &mut |reference| inner.push(reference.clone()));
        for reference in &inner {
            self.read_now(reference);
        }
        true
    }

    fn number(&mut self, node: &Node, key: &str) -> Option<f64> {
        let value = node.get(key)?;
        let number = value.text().and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite());
        if number.is_none() {
            self.error(&value.place, "bad-value", format!("{key} is no number"), "write a number");
        }
        number
    }

    fn count(&mut self, node: &Node, key: &str) -> Option<u64> {
        let value = node.get(key)?;
        let count = value.text().and_then(|text| text.parse::<u64>().ok());
        if count.is_none() {
            self.error(&value.place, "bad-value", format!("{key} is no count"), "write 0, 1, 2, …");
        }
        count
    }
}

/// `nullable: true` adds null; where values are listed, only if null is among them, which it then is already.
fn nullable(schema: Schema, listed: bool) -> Schema {
    if listed {
        return schema;
    }
    let opened = schema.opened().into_owned();
    match opened.values {
        Values::Branches(mut branches) => {
            branches.push(Branch::Null);
            Schema { values: Values::Branches(branches), ..opened }
        }
        Values::Any | Values::Ref(_) => schema,
    }
}

fn format(node: &Node) -> Option<String> {
    node.get("format").and_then(Node::text).map(str::to_owned)
}

fn notes(node: &Node) -> Notes {
    let text = |key: &str| node.get(key).filter(|node| !node.is_null()).and_then(Node::text).map(str::to_owned);
    let first = node.get("examples").and_then(Node::list).and_then(|examples| examples.first());
    Notes {
        title: text("title"),
        description: text("description"),
        default: node.get("default").map(value),
        example: node.get("example").or(first).map(value),
        deprecated: flag(node, "deprecated"),
        read_only: flag(node, "readOnly"),
        write_only: flag(node, "writeOnly"),
        discriminator: node
            .get("discriminator")
            .and_then(|node| node.get("propertyName"))
            .and_then(Node::text)
            .map(str::to_owned),
    }
}

/// Whether a keyword beside `$ref` permits or forbids anything.
fn says_something(keyword: &str) -> bool {
    keyword != "$ref" && !is_silent(keyword)
}

/// Whether a part of a combination says, itself or somewhere else, of which kinds values are.
fn says_kinds(part: &Node) -> bool {
    ["type", "$ref", "const", "enum", "allOf", "anyOf", "oneOf"].iter().any(|key| part.get(key).is_some())
}
