//! Query parameters and header fields through the edits of a change: which there are afterwards, and what they hold.
//!
//! On the way everything is text; the types that documents give it are what its reader makes of it.

use serde_json::Value;

use crate::{
    adaptation::{change::Direction, fields::FieldEdit},
    config::finding::Place,
    contract::{
        Parameter,
        schema::{Arrays, Booleans, Branch, Schema, Strings, Values},
        unite,
    },
};

/// How integers and other numbers are written.
const NUMBERS: [&str; 2] = [r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$", "^-?(0|[1-9][0-9]*)$"];

/// Names with their values, as they are sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) fields: Vec<Field>,
}

/// One name.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) schema: Schema,
    /// Whether it is always there.
    pub(crate) required: bool,
    /// The hop that named it or gave it its value; none: as the sender's document has it.
    pub(crate) by: Option<usize>,
    /// The value that a change supplies.
    pub(crate) supplied: Option<Schema>,
}

/// One edit of either kind, with names and values as text.
pub(crate) type Step = FieldEdit<String, String>;

/// The edits of one list, in the order its direction runs them.
pub(crate) fn steps<O>(list: &[O], direction: Direction, toward: impl Fn(&O, Direction) -> Option<Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = list.iter().filter_map(|op| toward(op, direction)).collect();
    if direction == Direction::Down {
        steps.reverse();
    }
    steps
}

/// An edit of header fields as text.
pub(crate) fn of_headers(edit: FieldEdit<http::HeaderName, http::HeaderValue>) -> Step {
    let name = |name: http::HeaderName| name.as_str().to_owned();
    let text = |value: http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    match edit {
        FieldEdit::Rename(pairs) => FieldEdit::Rename(pairs.into_iter().map(|(a, b)| (name(a), name(b))).collect()),
        FieldEdit::Default(field, value) => FieldEdit::Default(name(field), text(value)),
        FieldEdit::Set(field, value) => FieldEdit::Set(name(field), text(value)),
        FieldEdit::Delete(field) => FieldEdit::Delete(name(field)),
        FieldEdit::Map(field, pairs) => {
            FieldEdit::Map(name(field), pairs.into_iter().map(|(a, b)| (text(a), text(b))).collect())
        }
    }
}

impl Sent {
    /// What a document says is sent.
    pub(crate) fn of<'d>(parameters: impl Iterator<Item = &'d Parameter>) -> Self {
        let field = |parameter: &Parameter| Field {
            name: parameter.name.clone(),
            schema: parameter.schema.clone(),
            required: parameter.required,
            by: None,
            supplied: None,
        };
        Self { fields: parameters.map(field).collect() }
    }

    /// What is sent under a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Runs one edit of the hop with this number.
    pub(crate) fn run(&mut self, step: &Step, hop: usize, origin: &Place) {
        match step {
            FieldEdit::Rename(pairs) => self.rename(pairs, hop),
            FieldEdit::Delete(name) => self.fields.retain(|field| field.name != *name),
            FieldEdit::Default(name, value) => self.supply(name, value, true, hop, origin),
            FieldEdit::Set(name, value) => self.supply(name, value, false, hop, origin),
            FieldEdit::Map(name, pairs) => {
                for field in self.fields.iter_mut().filter(|field| field.name == *name) {
                    field.schema = mapped(&field.schema, pairs);
                    field.by = Some(hop);
                    field.supplied = field.supplied.take().map(|value| mapped(&value, pairs));
                }
            }
        }
    }

    /// All at once: a name that is there wins over what stands at its target.
    fn rename(&mut self, pairs: &[(String, String)], hop: usize) {
        let before = self.fields.clone();
        self.fields.retain(|field| !pairs.iter().any(|(from, _)| *from == field.name));
        for (from, to) in pairs {
            let Some(moved) = before.iter().find(|field| field.name == *from) else { continue };
            let stray = self.get(to).cloned();
            self.fields.retain(|field| field.name != *to);
            let moved = Field { name: to.clone(), by: Some(hop), ..moved.clone() };
            self.fields.push(match stray {
                Some(stray) if !moved.required => {
                    Field { schema: unite::schemas(moved.schema, &stray.schema), required: stray.required, ..moved }
                }
                _ => moved,
            });
        }
    }

    fn supply(&mut self, name: &str, value: &str, only_absent: bool, hop: usize, origin: &Place) {
        let supplied = texts(origin, vec![value.to_owned()]);
        let known = self.get(name).cloned().filter(|_| only_absent);
        self.fields.retain(|field| field.name != name);
        let field = Field {
            name: name.to_owned(),
            schema: supplied.clone(),
            required: true,
            by: Some(hop),
            supplied: Some(supplied.clone()),
        };
        self.fields.push(match known {
            Some(known) if known.required => known,
            Some(known) => Field { schema: unite::schemas(supplied, &known.schema), ..field },
            None => field,
        });
    }
}

/// What a reader that expects `target` makes of the text.
pub(crate) fn read_as(source: &Schema, target: &Schema) -> Schema {
    let (opened, wanted) = (source.opened(), target.opened());
    let (Values::Branches(branches), Values::Branches(targets)) = (&opened.values, &wanted.values) else {
        return source.clone();
    };
    let mut read = Schema { values: Values::Branches(Vec::new()), ..opened.clone() };
    let mut made: Vec<Branch> = Vec::new();
    for branch in branches {
        // One value stands for a list of one.
        let lists: Vec<&Arrays> =
            targets.iter().filter_map(|one| if let Branch::Array(list) = one { Some(list) } else { None }).collect();
        if let ([list], 1, false) = (lists.as_slice(), targets.len(), matches!(branch, Branch::Array(_))) {
            let one = Schema { values: Values::Branches(vec![branch.clone()]), ..opened.clone() };
            let items = Box::new(read_as(&one, &list.items));
            made.push(Branch::Array(Arrays { items, min_items: 1, max_items: Some(1), unique: true }));
            continue;
        }
        if let (Branch::Array(own), [list]) = (branch, lists.as_slice()) {
            made.push(Branch::Array(Arrays { items: Box::new(read_as(&own.items, &list.items)), ..own.clone() }));
            continue;
        }
        let (pieces, sure) = one_read(branch, targets);
        pieces.into_iter().for_each(|piece| unite::add(&mut made, piece));
        if !sure {
            read = read.doubting("text", &source.place);
        }
    }
    Schema { values: Values::Branches(made), ..read }
}

/// One kind of text as the kinds that the reader knows, and whether that is all that can be said.
fn one_read(branch: &Branch, targets: &[Branch]) -> (Vec<Branch>, bool) {
    let wants = |kind: fn(&Branch) -> bool| targets.iter().any(kind);
    let (text, number, flag) = (
        wants(|one| matches!(one, Branch::String(_))),
        wants(|one| matches!(one, Branch::Number(_))),
        wants(|one| matches!(one, Branch::Boolean(_))),
    );
    match branch {
        Branch::String(strings) if !text => match &strings.only {
            Some(only) => {
                let typed = |text: &String| match serde_json::from_str::<Value>(text) {
                    Ok(value @ Value::Number(_)) if number => value,
                    Ok(value @ Value::Bool(_)) if flag => value,
                    _ => text.as_str().into(),
                };
                let place = Place { file: std::path::Path::new("").into(), line: 0, col: 0 };
                (only.iter().flat_map(|text| Schema::of_value(&typed(text), &place).branches()).collect(), true)
            }
            // A pattern or a format may say that it reads as one; that is not followed.
            None => (vec![branch.clone()], strings.patterns.is_empty() && strings.format.is_none()),
        },
        Branch::Number(numbers) if !number && text => {
            let strings = match &numbers.only {
                Some(only) => {
                    Strings { only: Some(only.iter().map(ToString::to_string).collect()), ..Strings::default() }
                }
                None => {
                    let pattern = NUMBERS[usize::from(numbers.integer)].to_owned();
                    Strings { patterns: vec![pattern], ..Strings::default() }
                }
            };
            (vec![Branch::String(strings)], true)
        }
        Branch::Boolean(Booleans { only }) if !flag && text => {
            let words = only.map_or(vec![true, false], |only| vec![only]).iter().map(ToString::to_string).collect();
            (vec![Branch::String(Strings { only: Some(words), ..Strings::default() })], true)
        }
        other => (vec![other.clone()], true),
    }
}

/// A schema of these texts alone.
fn texts(place: &Place, only: Vec<String>) -> Schema {
    Schema::new(place, Values::Branches(vec![Branch::String(Strings { only: Some(only), ..Strings::default() })]))
}

/// Values by table; others pass.
fn mapped(schema: &Schema, pairs: &[(String, String)]) -> Schema {
    let after = |text: String| pairs.iter().find(|(old, _)| *old == text).map_or(text, |(_, new)| new.clone());
    let strings = |only: Vec<String>| Branch::String(Strings { only: Some(only), ..Strings::default() });
    let mut made = Vec::new();
    for branch in schema.branches() {
        let listed: Option<Vec<String>> = match &branch {
            Branch::String(strings) => strings.only.clone(),
            Branch::Number(numbers) => numbers.only.as_ref().map(|only| only.iter().map(ToString::to_string).collect()),
            Branch::Boolean(Booleans { only }) => {
                Some(only.map_or(vec![true, false], |only| vec![only]).iter().map(ToString::to_string).collect())
            }
            Branch::Array(arrays) => {
                let items = Box::new(mapped(&arrays.items, pairs));
                made.push(Branch::Array(Arrays { items, ..arrays.clone() }));
                continue;
            }
            Branch::Null | Branch::Object(_) => None,
        };
        match listed {
            Some(listed) => unite::add(&mut made, strings(listed.into_iter().map(after).collect())),
            None => {
                unite::add(&mut made, branch);
                unite::add(&mut made, strings(pairs.iter().map(|(_, new)| new.clone()).collect()));
            }
        }
    }
    Schema { values: Values::Branches(made), ..schema.opened().into_owned() }
}
