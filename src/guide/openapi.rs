//! The OpenAPI document of an older version, derived from a newer one by running its schemas down the chain.

use serde_json::{Map, Value, json};

use crate::{
    adaptation::{
        change::{Change, Direction},
        fields::{HeaderOp, QueryOp},
    },
    config::origins::ChangeOrigins,
    contract::{
        Content, Operation, Parameter, Schema,
        directory::Directory,
        document::{Location, Response},
        render,
        schema::Reference,
    },
    domain::endpoint::{Endpoint, Segment},
    proof::course::{Course, Hop, Link, Run, Stashed},
};

/// Writes the document, as JSON of OpenAPI 3.1.
///
/// - `newer`: what the chain ends at.
/// - `chain`: from the older version to the newer one.
/// - `version`: the older version's name.
///
/// The schemas are upper bounds: they permit everything that the changes make of what the newer document permits.
pub fn older(newer: &Directory<'_>, chain: &[(&Change, &ChangeOrigins)], version: &str) -> Value {
    let mut paths = Map::new();
    let mut references = Vec::new();
    let downwards: Vec<Link<'_>> = chain.iter().rev().copied().collect();
    for (operation, written) in newer.iter() {
        let Some((endpoint, course)) = down(operation, written, &downwards) else { continue };
        let mut derived = Derived { references: &mut references };
        let value = derived.operation(operation, &endpoint, &course);
        let text = endpoint.to_string();
        let path = text.split_once(' ').map_or("/", |(_, path)| path).to_owned();
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[endpoint.method().to_ascii_lowercase()] = value;
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": newer.document.title, "version": version},
        "paths": paths,
    });
    if !newer.document.base.is_empty() {
        document["servers"] = json!([{"url": newer.document.base}]);
    }
    let schemas = named(references);
    if !schemas.is_empty() {
        document["components"] = json!({"schemas": schemas});
    }
    document
}

/// An operation's way down, and the endpoint as the older document writes it; none if the older version does not have
/// it.
fn down<'c>(operation: &Operation, written: &[Endpoint], chain: &[Link<'c>]) -> Option<(Endpoint, Course<'c>)> {
    let seen = written.first()?;
    let course = Course::of(seen, chain, Direction::Down);
    if course.hops.iter().any(|hop| hop.operation.since.is_some()) {
        return None;
    }
    // What the gateway knows the path by and the document does not write stays unwritten.
    let (known, plain) = (seen.template(), operation.endpoint.template());
    let added = known.strip_suffix(&plain).unwrap_or_default();
    // The way numbers its parameters; a document names them.
    let moved = course.hops.iter().rfind(|hop| hop.operation.to.is_some());
    let named = moved.map_or(seen, |hop| &hop.operation.endpoint);
    let end = named.template();
    let path = end.strip_prefix(added).filter(|path| path.starts_with('/')).unwrap_or(&end);
    let endpoint = Endpoint::parse(&format!("{} {path}", named.method())).ok()?;
    Some((endpoint, course))
}

/// One operation on its way down.
struct Derived<'d> {
    /// Named schemas that are used.
    references: &'d mut Vec<Reference>,
}

impl Derived<'_> {
    fn operation(&mut self, newer: &Operation, endpoint: &Endpoint, course: &Course<'_>) -> Value {
        let mut value = json!({});
        if let Some(id) = &newer.id {
            value["operationId"] = id.as_str().into();
        }
        if let Some(summary) = &newer.summary {
            value["summary"] = summary.as_str().into();
        }
        if newer.deprecated {
            value["deprecated"] = true.into();
        }
        let parameters = self.parameters(newer, endpoint, &course.hops);
        if !parameters.is_empty() {
            value["parameters"] = parameters.into();
        }
        if let Some(request) = &newer.request {
            value["requestBody"] = json!({
                "required": request.required,
                "content": self.content(request, &course.request()),
            });
        }
        let mut responses = Map::new();
        for response in &newer.responses {
            let (status, described) = self.response(response, course);
            // Of two newer statuses that are one older, the first stands for both.
            responses.entry(status).or_insert(described);
        }
        value["responses"] = responses.into();
        value
    }

    fn response(&mut self, newer: &Response, course: &Course<'_>) -> (String, Value) {
        // Answers of the newer version go the way of an older client's.
        let (runs, status) = course.back(&course.end).response(newer.status);
        let mut value = json!({"description": newer.description.as_deref().unwrap_or_default()});
        if !newer.content.media_types.is_empty() {
            value["content"] = self.content(&newer.content, &runs);
        }
        let headers = self.headers(newer, &course.hops);
        if !headers.is_empty() {
            value["headers"] = headers.into();
        }
        // OpenAPI writes classes in capitals.
        (super::status_name(status).replace("xx", "XX"), value)
    }

    /// Bodies by media type; the ops run over the JSON ones.
    fn content(&mut self, content: &Content, runs: &[Run<'_>]) -> Value {
        let mut types = Map::new();
        for (name, schema) in &content.media_types {
            let Some(schema) = schema else {
                types.insert(name.clone(), json!({}));
                continue;
            };
            let mut schema = schema.clone();
            if crate::contract::document::is_json(name) {
                let mut stash = Stashed::new();
                for run in runs {
                    run.over(&mut schema, Direction::Down, "", false, &mut stash);
                }
            }
            types.insert(name.clone(), json!({"schema": self.schema(&schema)}));
        }
        types.into()
    }

    fn schema(&mut self, schema: &Schema) -> Value {
        render::references(schema, &mut |reference| self.references.push(reference.clone()));
        render::inline(schema)
    }

    fn parameters(&mut self, newer: &Operation, endpoint: &Endpoint, hops: &[Hop<'_>]) -> Vec<Value> {
        let names: Vec<&str> = endpoint
            .segments()
            .iter()
            .filter_map(|segment| if let Segment::Param(name) = segment { Some(name.as_str()) } else { None })
            .collect();
        let in_path = newer.parameters.iter().filter(|parameter| parameter.location == Location::Path);
        let mut values: Vec<Value> = Vec::new();
        for (name, parameter) in names.iter().zip(in_path) {
            values.push(self.parameter(parameter, name, true));
        }
        for parameter in newer.parameters.iter().filter(|parameter| parameter.location != Location::Path) {
            let renamed = match parameter.location {
                Location::Query => hops.iter().try_fold(parameter.name.clone(), |name, Hop { operation, .. }| {
                    operation.query.iter().rev().try_fold(name, |name, op| query_before(op, name))
                }),
                Location::Header => hops.iter().try_fold(parameter.name.clone(), |name, Hop { operation, .. }| {
                    operation.request_headers.iter().rev().try_fold(name, |name, op| header_before(op, name))
                }),
                Location::Path | Location::Cookie => Some(parameter.name.clone()),
            };
            if let Some(name) = renamed {
                values.push(self.parameter(parameter, &name, parameter.required));
            }
        }
        // What went on the way up was there once; of its value nothing is known but that it is text.
        for Hop { operation, .. } in hops {
            let removed = operation.query.iter().filter_map(|op| match op {
                QueryOp::Remove(name, _) => Some(("query", name.clone())),
                _ => None,
            });
            let fields = operation.request_headers.iter().filter_map(|op| match op {
                HeaderOp::Remove(name, _) => Some(("header", name.as_str().to_owned())),
                _ => None,
            });
            let gone = removed.chain(fields);
            values.extend(gone.map(|(place, name)| json!({"name": name, "in": place, "schema": {"type": "string"}})));
        }
        values
    }

    fn parameter(&mut self, parameter: &Parameter, name: &str, required: bool) -> Value {
        let place = parameter.location.as_str();
        let mut value = json!({"name": name, "in": place, "schema": self.schema(&parameter.schema)});
        if required {
            value["required"] = true.into();
        }
        if parameter.deprecated {
            value["deprecated"] = true.into();
        }
        value
    }

    fn headers(&mut self, newer: &Response, hops: &[Hop<'_>]) -> Map<String, Value> {
        let mut headers = Map::new();
        for header in &newer.headers {
            let name = hops.iter().try_fold(header.name.clone(), |name, Hop { operation, .. }| {
                operation.response_headers.iter().rev().try_fold(name, |name, op| header_before(op, name))
            });
            if let Some(name) = name {
                let mut value = json!({"schema": self.schema(&header.schema)});
                if header.required {
                    value["required"] = true.into();
                }
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// The older name of a parameter; none where the older version has none.
fn query_before(op: &QueryOp, name: String) -> Option<String> {
    match op {
        QueryOp::Add(added, _) if *added == name => None,
        QueryOp::Rename(pairs) => Some(pairs.iter().find(|(_, new)| *new == name).map_or(name, |(old, _)| old.clone())),
        _ => Some(name),
    }
}

fn header_before(op: &HeaderOp, name: String) -> Option<String> {
    match op {
        HeaderOp::Add(added, _) if added.as_str() == name => None,
        HeaderOp::Rename(pairs) => {
            let pair = pairs.iter().find(|(_, new)| new.as_str() == name);
            Some(pair.map_or(name, |(old, _)| old.as_str().to_owned()))
        }
        _ => Some(name),
    }
}

/// The schemas that references lead to, directly or not.
fn named(mut references: Vec<Reference>) -> Map<String, Value> {
    let mut schemas = Map::new();
    while let Some(reference) = references.pop() {
        if schemas.contains_key(&reference.name) {
            continue;
        }
        let definition = reference.definition();
        let Some(schema) = definition.as_ref().and_then(|definition| definition.schema()) else { continue };
        schemas.insert(reference.name.clone(), render::inline(schema));
        render::references(schema, &mut |next| references.push(next.clone()));
    }
    schemas
}
