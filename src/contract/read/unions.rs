//! Unions: `anyOf`, `oneOf`, `discriminator`, `enum` and `const`.

use serde_json::Value;

use super::{Reader, value};
use crate::{
    config::{finding::Place, tree::Node},
    contract::{
        intersect,
        schema::{Branch, Doubt, Field, Objects, Schema, Strings, Values, same_number},
    },
};

impl Reader<'_> {
    /// `anyOf` or `oneOf`, by `key`, and what stands beside it.
    ///
    /// - `beside`: what the other keywords permit.
    pub(super) fn union(&mut self, node: &Node, key: &str, list: &Node, beside: &Schema) -> Schema {
        let discriminator = Discriminator::of(node);
        let beside = &if self.is_ready(beside) { beside.opened().into_owned() } else { beside.clone() };
        let mut union = Schema { values: Values::Branches(Vec::new()), ..beside.clone() };
        let mut alternatives: Vec<Vec<Branch>> = Vec::new();
        let mut doubtful: Vec<String> = Vec::new();
        for part in list.list().unwrap_or_default() {
            // Without a kind on either side a part is taken as what its keywords are about.
            let mut schema = self.part(part, matches!(beside.values, Values::Any));
            if !self.is_ready(&schema) {
                schema = schema.doubting("$ref", &part.place);
            }
            if let Some(discriminator) = &discriminator {
                schema = discriminator.narrow(&schema, part);
            }
            let merged = self.merged(beside, &schema);
            let opened = merged.opened();
            let more = opened.doubts.iter().filter(|doubt| !beside.doubts.contains(doubt));
            doubtful.extend(more.map(|doubt| doubt.keyword.clone()));
            match &opened.values {
                Values::Branches(branches) => alternatives.push(branches.clone()),
                Values::Any | Values::Ref(_) => alternatives.push(Branch::all(&part.place)),
            }
        }
        let overlaps = |(index, one): (usize, &Vec<Branch>)| {
            alternatives[index + 1..].iter().any(|other| one.iter().any(|a| other.iter().any(|b| !a.is_disjoint(b))))
        };
        // A value that fits two of them is not valid.
        if key == "oneOf" && alternatives.iter().enumerate().any(overlaps) {
            doubtful.push(key.to_owned());
        }
        if !doubtful.is_empty() {
            // What one part leaves out, another one may permit: only the whole union can say the same elsewhere.
            let said = self.said(node, &[key, "discriminator"]);
            doubtful.sort_unstable();
            doubtful.dedup();
            let doubt = |keyword| Doubt { keyword, place: list.place.clone(), said: said.clone() };
            union.doubts.extend(doubtful.into_iter().map(doubt));
        }
        let mut branches: Vec<Branch> = Vec::new();
        for branch in alternatives.into_iter().flatten() {
            if !branches.contains(&branch) {
                branches.push(branch);
            }
        }
        union.values = Values::Branches(branches);
        union
    }
}

/// `discriminator`: which value of a member belongs to which part of a union.
struct Discriminator {
    property: String,
    /// Value and target.
    mapping: Vec<(String, String)>,
}

impl Discriminator {
    fn of(node: &Node) -> Option<Self> {
        let written = node.get("discriminator")?;
        let property = written.get("propertyName").and_then(Node::text)?.to_owned();
        let mapping = written.get("mapping").and_then(Node::map).unwrap_or_default();
        let pair = |(value, target): &(Node, Node)| {
            (value.text().unwrap_or_default().to_owned(), target.text().unwrap_or_default().to_owned())
        };
        Some(Self { property, mapping: mapping.iter().map(pair).collect() })
    }

    /// `schema` with the values of the discriminating member that belong to it; as it is if it names them itself.
    fn narrow(&self, schema: &Schema, part: &Node) -> Schema {
        let Some(target) = part.get("$ref").and_then(Node::text) else { return schema.clone() };
        let name = target.rsplit('/').next().unwrap_or_default();
        let mut values: Vec<String> = self
            .mapping
            .iter()
            .filter(|(_, mapped)| mapped == target || mapped == name)
            .map(|(value, _)| value.clone())
            .collect();
        if values.is_empty() {
            values.push(name.to_owned());
        }
        let only = Strings { only: Some(values), ..Strings::default() };
        let field = Field {
            name: self.property.clone(),
            schema: Schema::new(&part.place, Values::Branches(vec![Branch::String(only)])),
            required: true,
        };
        let named = Branch::Object(Objects { fields: vec![field], ..Objects::any() });
        let mut kinds = Branch::all(&part.place);
        kinds.retain(|kind| !matches!(kind, Branch::Object(_)));
        kinds.push(named);
        intersect::schemas(schema, &Schema::new(&part.place, Values::Branches(kinds)))
    }
}

/// `enum` and `const` as a schema.
pub(super) fn listed(node: &Node, place: &Place) -> Option<Schema> {
    let values: Vec<Value> = match (node.get("const").map(value), node.get("enum").and_then(Node::list)) {
        (Some(one), None) => vec![one],
        // Both have to permit it.
        (Some(one), Some(items)) => items.iter().map(value).filter(|item| is_equal(item, &one)).collect(),
        (None, Some(items)) => items.iter().map(value).collect(),
        (None, None) => return None,
    };
    let mut union = Schema::new(place, Values::Branches(Vec::new()));
    let mut branches: Vec<Branch> = Vec::new();
    for value in &values {
        let one = Schema::of_value(value, place);
        union.doubts.extend(one.doubts.clone());
        for branch in one.branches() {
            add_listed(&mut branches, branch);
        }
    }
    union.values = Values::Branches(branches);
    Some(union)
}

/// Whether two values are equal; numbers are, however they are spelled.
fn is_equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_equal(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Strings and numbers of one list stay one branch.
fn add_listed(branches: &mut Vec<Branch>, branch: Branch) {
    for known in branches.iter_mut() {
        match (known, &branch) {
            (Branch::String(known), Branch::String(more)) => {
                known.only.get_or_insert_default().extend(more.only.iter().flatten().cloned());
                return;
            }
            (Branch::Number(known), Branch::Number(more)) => {
                known.only.get_or_insert_default().extend(more.only.iter().flatten().cloned());
                known.integer &= more.integer;
                return;
            }
            (Branch::Boolean(known), Branch::Boolean(more)) if known.only != more.only => {
                known.only = None;
                return;
            }
            (known, more) if known == more => return,
            _ => {}
        }
    }
    branches.push(branch);
}
