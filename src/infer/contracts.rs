//! A change from two OpenAPI documents: their schemas stand in for examples.
//!
//! A schema says less than an example, for all strings look alike: names decide, and doubts are more. What a schema says
//! more is used too: whether a member has to be there, and its default.

use super::{
    json::Json,
    lines::{Line, Lone, Side},
    relocate::Evidence,
    yaml,
};
use crate::{
    adaptation::{
        change::StatusKey,
        pointer::{Pointer, Segment},
    },
    contract::{
        Branch, Content, Document, Schema, Values,
        schema::{Field, Rest},
        subtype::{self, is_seen},
    },
};

/// Levels that are compared; recursive schemas would have no end.
const DEPTH_MAX: usize = 6;

/// What a change does to one operation.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) operation: String,
    pub(super) is_new: bool,
    pub(super) request: Vec<Line>,
    pub(super) responses: Vec<(StatusKey, Vec<Line>)>,
}

impl Entry {
    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.request.iter().chain(self.responses.iter().flat_map(|(_, lines)| lines))
    }
}

/// Compares operations that both documents have, and names those that only one has.
pub(super) fn entries(old: &Document, new: &Document) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut missing) = (Vec::new(), Vec::new());
    for operation in &old.operations {
        let name = operation.endpoint.to_string();
        let Some(now) = new.operation(&operation.endpoint) else {
            missing.push(format!("{name}, which the newer document lacks; if it has another path, write `to:`"));
            continue;
        };
        let mut entry = Entry { operation: name, is_new: false, request: Vec::new(), responses: Vec::new() };
        let mut left = Vec::new();
        let schemas =
            operation.request.as_ref().and_then(Content::json).zip(now.request.as_ref().and_then(Content::json));
        if let Some((was, is)) = schemas {
            entry.request = body(was, is, Side::Request, &mut left);
        }
        for response in &operation.responses {
            let now = now.responses.iter().find(|other| other.status == response.status);
            let schemas = response.content.json().zip(now.and_then(|now| now.content.json()));
            let lines = schemas.map(|(was, is)| body(was, is, Side::Response, &mut left)).unwrap_or_default();
            if !lines.is_empty() {
                entry.responses.push((response.status, lines));
            }
        }
        missing.extend(left.iter().map(|place| format!("{}: {place}", entry.operation)));
        if !entry.request.is_empty() || !entry.responses.is_empty() {
            entries.push(entry);
        }
    }
    for operation in new.operations.iter().filter(|operation| old.operation(&operation.endpoint).is_none()) {
        let operation = operation.endpoint.to_string();
        entries.push(Entry { operation, is_new: true, request: Vec::new(), responses: Vec::new() });
    }
    (entries, missing)
}

/// As an item of `operations`.
pub(super) fn write(entry: &Entry, since: &str, out: &mut String) {
    out.push_str(&format!("  - match: {}\n", yaml::text(&entry.operation)));
    if entry.is_new {
        out.push_str(&format!("    since: {}\n", serde_json::Value::from(since)));
    }
    if !entry.request.is_empty() {
        out.push_str("    request:\n");
        entry.request.iter().for_each(|line| line.write("      ", out));
    }
    if !entry.responses.is_empty() {
        out.push_str("    response:\n");
    }
    for (status, lines) in &entry.responses {
        let status = match status {
            StatusKey::Exact(status) => status.to_string(),
            StatusKey::Class(class) => format!("{class}xx"),
            StatusKey::Default => "default".to_owned(),
        };
        out.push_str(&format!("      {status}:\n"));
        lines.iter().for_each(|line| line.write("        ", out));
    }
}

/// The ops that lead from one schema to the other.
fn body(old: &Schema, new: &Schema, side: Side, missing: &mut Vec<String>) -> Vec<Line> {
    let seen = match side {
        Side::Request => subtype::Side::Request,
        Side::Response => subtype::Side::Response,
    };
    let pairs = [(skeleton(old, seen, DEPTH_MAX), skeleton(new, seen, DEPTH_MAX))];
    let mut proposal = super::search(&pairs, side, Evidence::Kinds);
    missing.append(&mut proposal.missing);
    for line in &mut proposal.lines {
        refine(line, old, new);
    }
    proposal.lines
}

/// Says of a member that only one version has what its schema says.
fn refine(line: &mut Line, old: &Schema, new: &Schema) {
    let Some(Lone { is_new, pointer, path }) = line.lone.clone() else { return };
    let Some(Field { schema, required, .. }) = field(if is_new { new } else { old }, &pointer) else { return };
    let notes = schema.opened().notes.clone();
    let default = notes.default.and_then(|value| Json::read(&value.to_string()).ok());
    line.unsure.clear();
    if required && default.is_none() {
        line.unsure.push("it has to be there and its schema names no default: put a value that makes sense".to_owned());
    }
    let path = yaml::text(&path);
    let value = default.or_else(|| required.then(|| plain(&schema))).as_ref().map(yaml::value);
    line.op = match (is_new, value) {
        (true, None) => format!("add: {{path: {path}}}"),
        (true, Some(value)) => format!("add: {{path: {path}, value: {value}}}"),
        (false, None) => format!("remove: {{path: {path}}}"),
        (false, Some(value)) => format!("remove: {{path: {path}, down: {{value: {value}}}}}"),
    };
}

/// The least that a schema permits, as far as that is easy to tell.
fn plain(schema: &Schema) -> Json {
    let opened = schema.opened();
    let Values::Branches(branches) = &opened.values else { return Json::Null };
    match branches.first() {
        Some(Branch::Boolean(booleans)) => Json::Boolean(booleans.only.unwrap_or(false)),
        Some(Branch::Number(numbers)) => {
            let first = numbers.only.as_ref().and_then(|only| only.first());
            Json::Number(first.map_or("0".to_owned(), ToString::to_string))
        }
        Some(Branch::String(strings)) => {
            Json::Text(strings.only.as_ref().and_then(|only| only.first()).cloned().unwrap_or_default())
        }
        Some(Branch::Array(_)) => Json::Array(Vec::new()),
        Some(Branch::Object(objects)) => {
            let required = objects.fields.iter().filter(|field| field.required);
            Json::Object(required.map(|field| (field.name.clone(), plain(&field.schema))).collect())
        }
        Some(Branch::Null) | None => Json::Null,
    }
}

/// What a schema says of a member; none where it says nothing of it.
fn field(schema: &Schema, pointer: &str) -> Option<Field> {
    let pointer = Pointer::parse(pointer).ok()?;
    let (parent, name) = pointer.split_name()?;
    let mut at = schema.opened().into_owned();
    for segment in parent.segments() {
        let inner = match segment {
            Segment::Name(name) => objects(&at)?.into_iter().find(|field| field.name == name.as_str())?.schema,
            Segment::Each => items(&at)?,
            Segment::Values => return None,
        };
        at = inner.opened().into_owned();
    }
    objects(&at)?.into_iter().find(|field| field.name == name.as_str())
}

fn objects(schema: &Schema) -> Option<Vec<Field>> {
    schema.object().map(|objects| objects.fields)
}

fn items(schema: &Schema) -> Option<Schema> {
    schema.branches().into_iter().find_map(|branch| match branch {
        Branch::Array(arrays) => Some(*arrays.items),
        _ => None,
    })
}

/// A document with a value of the right kind at every place, and nothing that would tell two strings apart.
fn skeleton(schema: &Schema, side: subtype::Side, depth: usize) -> Json {
    let opened = schema.opened();
    let Values::Branches(branches) = &opened.values else { return Json::Null };
    let Some(branch) = branches.iter().find(|branch| **branch != Branch::Null) else { return Json::Null };
    match branch {
        Branch::Null => Json::Null,
        Branch::Boolean(_) => Json::Boolean(false),
        // The same digits, so that a string that became a number is told.
        Branch::Number(_) => Json::Number("0".to_owned()),
        Branch::String(_) => Json::Text("0".to_owned()),
        _ if depth == 0 => Json::Null,
        Branch::Array(arrays) => Json::Array(vec![skeleton(&arrays.items, side, depth - 1)]),
        Branch::Object(objects) if objects.fields.is_empty() && matches!(objects.rest, Rest::Each(_)) => {
            Json::Object(Vec::new())
        }
        Branch::Object(objects) => {
            let seen = objects.fields.iter().filter(|field| is_seen(&field.schema.opened().notes, side));
            let seen = seen.filter(|field| !subtype::is_impossible(&field.schema));
            Json::Object(seen.map(|field| (field.name.clone(), skeleton(&field.schema, side, depth - 1))).collect())
        }
    }
}
