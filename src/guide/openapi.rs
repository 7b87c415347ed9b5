//! The OpenAPI document of an older version, derived from a newer one by running its schemas down the chain.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    adaptation::{
        change::{Change, Direction, Operation as Changed, StatusKey},
        fields::{HeaderOp, QueryOp},
        op::Edit,
    },
    config::{
        finding::Place,
        origins::{ChangeOrigins, OperationOrigins},
    },
    contract::{
        Content, Document, Operation, Parameter, Schema,
        document::{Location, Response, same_path},
        render,
        schema::Reference,
    },
    domain::endpoint::{Endpoint, Segment},
    proof::flow::Flow,
};

/// What one change does to an operation.
type Hop<'c> = (&'c Change, &'c Changed, &'c OperationOrigins);

/// Writes the document, as JSON of OpenAPI 3.1.
///
/// - `newer`: what the chain ends at.
/// - `chain`: from the older version to the newer one.
/// - `version`: the older version's name.
///
/// The schemas are upper bounds: they permit everything that the changes make of what the newer document permits.
pub fn older(newer: &Document, chain: &[(&Change, &ChangeOrigins)], version: &str) -> Value {
    let mut paths = Map::new();
    let mut references = Vec::new();
    for operation in &newer.operations {
        let Some((endpoint, hops)) = down(&operation.endpoint, chain) else { continue };
        let mut derived = Derived { references: &mut references };
        let value = derived.operation(operation, &endpoint, &hops);
        let text = endpoint.to_string();
        let path = text.split_once(' ').map_or("/", |(_, path)| path).to_owned();
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[endpoint.method().to_ascii_lowercase()] = value;
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": newer.title, "version": version},
        "paths": paths,
    });
    if !newer.base.is_empty() {
        document["servers"] = json!([{"url": newer.base}]);
    }
    let schemas = named(references);
    if !schemas.is_empty() {
        document["components"] = json!({"schemas": schemas});
    }
    document
}

/// An endpoint in the older version's terms, with its hops as a request of the newer one would meet them; none if the
/// older version does not have it.
fn down<'c>(endpoint: &Endpoint, chain: &[(&'c Change, &'c ChangeOrigins)]) -> Option<(Endpoint, Vec<Hop<'c>>)> {
    let (mut at, mut hops) = (endpoint.clone(), Vec::new());
    for (change, origins) in chain.iter().rev() {
        let fits = |operation: &Changed| {
            let newer = operation.to.as_ref().unwrap_or(&operation.endpoint);
            newer.method() == at.method() && same_path(newer, &at)
        };
        let Some(index) = change.operations.iter().position(fits) else { continue };
        let (operation, origins) = (&change.operations[index], origins.operations.get(index)?);
        if operation.since.is_some() {
            return None;
        }
        if operation.to.is_some() {
            at = operation.endpoint.clone();
        }
        hops.push((*change, operation, origins));
    }
    Some((at, hops))
}

/// One operation on its way down.
struct Derived<'d> {
    /// Named schemas that are used.
    references: &'d mut Vec<Reference>,
}

impl Derived<'_> {
    fn operation(&mut self, newer: &Operation, endpoint: &Endpoint, hops: &[Hop<'_>]) -> Value {
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
        let parameters = self.parameters(newer, endpoint, hops);
        if !parameters.is_empty() {
            value["parameters"] = parameters.into();
        }
        if let Some(request) = &newer.request {
            let edits = hops.iter().flat_map(|(change, operation, origins)| {
                let edits = operation.request.iter().zip(&origins.request).rev();
                edits.map(move |(edit, place)| (&*change.name, edit, place))
            });
            value["requestBody"] = json!({
                "required": request.required,
                "content": self.content(request, edits.collect()),
            });
        }
        let mut responses = Map::new();
        for response in &newer.responses {
            let (status, described) = self.response(response, hops);
            // Of two newer statuses that are one older, the first stands for both.
            responses.entry(status).or_insert(described);
        }
        value["responses"] = responses.into();
        value
    }

    fn response(&mut self, newer: &Response, hops: &[Hop<'_>]) -> (String, Value) {
        let mut status = newer.status;
        let mut edits = Vec::new();
        for (change, operation, origins) in hops {
            // Lists are chosen by the newer status.
            if let Some(at) = list_of(operation, status) {
                let places = origins.responses.get(at).map(Vec::as_slice).unwrap_or_default();
                let list = operation.responses[at].1.iter().zip(places).rev();
                edits.extend(list.map(|(edit, place)| (&*change.name, edit, place)));
            }
            if let StatusKey::Exact(number) = status
                && let Some((older, _)) = operation.statuses.iter().find(|(_, newer)| *newer == number)
            {
                status = StatusKey::Exact(*older);
            }
        }
        let mut value = json!({"description": newer.description.as_deref().unwrap_or_default()});
        if !newer.content.media_types.is_empty() {
            value["content"] = self.content(&newer.content, edits);
        }
        let headers = self.headers(newer, hops);
        if !headers.is_empty() {
            value["headers"] = headers.into();
        }
        // OpenAPI writes classes in capitals.
        (super::status_name(status).replace("xx", "XX"), value)
    }

    /// Bodies by media type; the ops run over the JSON ones.
    fn content(&mut self, content: &Content, edits: Vec<(&str, &Edit, &Place)>) -> Value {
        let mut types = Map::new();
        for (name, schema) in &content.media_types {
            let Some(schema) = schema else {
                types.insert(name.clone(), json!({}));
                continue;
            };
            let mut schema = schema.clone();
            if crate::contract::document::is_json(name) {
                let mut stash = BTreeMap::new();
                for (change, edit, place) in &edits {
                    let mut flow = Flow {
                        direction: Direction::Down,
                        patch: false,
                        source: "",
                        stash: &mut stash,
                        change,
                        remarks: Vec::new(),
                    };
                    flow.run(&mut schema, edit, place);
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
                Location::Query => hops.iter().try_fold(parameter.name.clone(), |name, (_, operation, _)| {
                    operation.query.iter().rev().try_fold(name, |name, op| query_before(op, name))
                }),
                Location::Header => hops.iter().try_fold(parameter.name.clone(), |name, (_, operation, _)| {
                    operation.request_headers.iter().rev().try_fold(name, |name, op| header_before(op, name))
                }),
                Location::Path | Location::Cookie => Some(parameter.name.clone()),
            };
            if let Some(name) = renamed {
                values.push(self.parameter(parameter, &name, parameter.required));
            }
        }
        // What went on the way up was there once; of its value nothing is known but that it is text.
        for (_, operation, _) in hops {
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
            let name = hops.iter().try_fold(header.name.clone(), |name, (_, operation, _)| {
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

/// The most specific list of a change for a status.
fn list_of(operation: &Changed, status: StatusKey) -> Option<usize> {
    let class = match status {
        StatusKey::Exact(status) => StatusKey::Class(u8::try_from(status / 100).unwrap_or(0)),
        other => other,
    };
    [status, class, StatusKey::Default]
        .iter()
        .find_map(|key| operation.responses.iter().position(|(known, _)| known == key))
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
