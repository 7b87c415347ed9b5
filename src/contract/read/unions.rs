//! Unions: `anyOf`, `oneOf`, `discriminator`, `enum` and `const`.

use super::{Reader, doubts::holds_elsewhere, value};
use crate::{
    config::{finding::Place, tree::Node},
    contract::{
        intersect,
        schema::{Branch, Doubt, Field, Objects, Schema, Strings, Values},
    },
};

impl Reader<'_> {
    /// `anyOf` and `oneOf`.
    pub(super) fn union(&mut self, node: &Node, list: &Node, exactly_one: bool) -> Schema {
        let discriminator = Discriminator::of(node);
        // What a part says holds for its own values only; the whole list says the same of all.
        let said = Some(value(list)).filter(holds_elsewhere);
        let mut union = Schema::new(&list.place, Values::Branches(Vec::new()));
        let mut alternatives: Vec<Vec<Branch>> = Vec::new();
        for part in list.list().unwrap_or_default() {
            let mut schema = self.part(part, false);
            if !self.is_ready(&schema) {
                schema = schema.doubting("$ref", &part.place);
            }
            if let Some(discriminator) = &discriminator {
                schema = discriminator.narrow(&schema, part);
            }
            let opened = schema.opened();
            for doubt in &opened.doubts {
                let doubt = Doubt { said: said.clone(), ..doubt.clone() };
                if !union.doubts.contains(&doubt) {
                    union.doubts.push(doubt);
                }
            }
            match &opened.values {
                Values::Branches(branches) => alternatives.push(branches.clone()),
                Values::Any | Values::Ref(_) => alternatives.push(Branch::all(&part.place)),
            }
        }
        let overlaps = |(index, one): (usize, &Vec<Branch>)| {
            alternatives[index + 1..].iter().any(|other| one.iter().any(|a| other.iter().any(|b| !a.is_disjoint(b))))
        };
        // A value that fits two of them is not valid.
        if exactly_one && alternatives.iter().enumerate().any(overlaps) {
            union.doubts.push(Doubt { keyword: "oneOf".to_owned(), place: list.place.clone(), said });
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
    let items = node.get("enum").and_then(Node::list).map(|items| items.iter().map(value).collect::<Vec<_>>());
    let values = match (node.get("const").map(value), items) {
        (Some(one), Some(items)) => items.into_iter().filter(|item| *item == one).collect(),
        (Some(one), None) => vec![one],
        (None, Some(items)) => items,
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
