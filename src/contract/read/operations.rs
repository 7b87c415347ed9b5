//! `paths:` — operations, parameters, bodies.

use super::Reader;
use crate::{
    adaptation::change::StatusKey,
    config::{finding::Place, tree::Node},
    contract::{
        document::{Content, Document, Location, Operation, Parameter, Requirement, Response},
        schema::Schema,
    },
    domain::endpoint::Endpoint,
};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

impl Reader<'_> {
    pub(super) fn document(&mut self, root: &Node) -> Document {
        let info = |key| root.get("info").and_then(|info| text(info, key)).unwrap_or_default();
        let mut document = Document {
            file: self.root.clone(),
            files: Vec::new(),
            title: info("title"),
            version: info("version"),
            base: base(root),
            operations: Vec::new(),
            definitions: Vec::new(),
        };
        let Some(paths) = root.get("paths") else {
            if root.get("webhooks").is_none() && root.get("components").is_none() {
                self.error(
                    &root.place,
                    "missing-key",
                    "the OpenAPI document has no `paths`",
                    "list its operations there",
                );
            }
            return document;
        };
        let everywhere = requirements(root).unwrap_or_default();
        for (path, item) in self.members(paths, "paths") {
            let text = path.text().unwrap_or_default();
            if text.starts_with("x-") {
                continue;
            }
            let Some(item) = self.resolved(item) else { continue };
            let shared = self.parameters(item.get("parameters"));
            for (method, operation) in self.members(&item, "a path") {
                let word = method.text().unwrap_or_default();
                if !METHODS.contains(&word) {
                    continue;
                }
                match Endpoint::parse(&format!("{} {text}", word.to_ascii_uppercase())) {
                    Ok(endpoint) => {
                        let read = self.operation(endpoint, &method.place, operation, &shared);
                        let security = requirements(operation).unwrap_or_else(|| everywhere.clone());
                        document.operations.push(Operation { security, ..read });
                    }
                    Err(error) => {
                        let message = format!("the path {text:?} is left out: {error}");
                        let help = "a parameter has to be a whole segment for the gateway to know the operation";
                        self.warning(&path.place, "unknown", message, help);
                    }
                }
            }
        }
        document
    }

    fn operation(&mut self, endpoint: Endpoint, place: &Place, node: &Node, shared: &[Parameter]) -> Operation {
        let own = self.parameters(node.get("parameters"));
        let replaced = |known: &&Parameter| !own.iter().any(|p| (p.location, &p.name) == (known.location, &known.name));
        let mut parameters: Vec<Parameter> = shared.iter().filter(replaced).cloned().collect();
        parameters.extend(own.iter().cloned());
        let request = node.get("requestBody").and_then(|body| self.resolved(body)).map(|body| {
            let required = flag(&body, "required");
            Content { place: body.place.clone(), required, media_types: self.media_types(body.get("content")) }
        });
        let mut responses = Vec::new();
        for (key, response) in node.get("responses").map(|node| self.members(node, "responses")).unwrap_or_default() {
            responses.extend(self.response(key, response));
        }
        Operation {
            endpoint,
            place: place.clone(),
            id: text(node, "operationId"),
            summary: text(node, "summary"),
            deprecated: flag(node, "deprecated"),
            parameters,
            request,
            responses,
            security: Vec::new(),
        }
    }

    fn response(&mut self, key: &Node, node: &Node) -> Option<Response> {
        let said = key.text().unwrap_or_default();
        if said.starts_with("x-") {
            return None;
        }
        let Some(status) = StatusKey::parse(&said.to_ascii_lowercase()) else {
            let message = format!("{said:?} is no status");
            self.error(&key.place, "bad-status", message, "write a status ('200'), a class (2XX) or default");
            return None;
        };
        let node = self.resolved(node)?;
        let media_types = self.media_types(node.get("content"));
        let mut headers = Vec::new();
        for (name, header) in node.get("headers").map(|node| self.members(node, "headers")).unwrap_or_default() {
            let Some(header) = self.resolved(header) else { continue };
            let name = name.text().unwrap_or_default().to_ascii_lowercase();
            headers.push(self.parameter_of(&header, Location::Header, name));
        }
        let content = Content { place: node.place.clone(), required: true, media_types };
        Some(Response { status, description: text(&node, "description"), content, headers })
    }

    fn media_types(&mut self, content: Option<&Node>) -> Vec<(String, Option<Schema>)> {
        let members = content.map(|content| self.members(content, "content")).unwrap_or_default();
        let media_type = |(name, media): &(Node, Node)| {
            let name = name.text().unwrap_or_default();
            let plain = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            (plain, media.get("schema").map(|schema| self.schema(schema)))
        };
        members.iter().map(media_type).collect()
    }

    fn parameters(&mut self, list: Option<&Node>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for node in list.and_then(Node::list).unwrap_or_default() {
            let Some(node) = self.resolved(node) else { continue };
            let location = match node.get("in").and_then(Node::text) {
                Some("path") => Location::Path,
                Some("query") => Location::Query,
                Some("header") => Location::Header,
                Some("cookie") => Location::Cookie,
                _ => {
                    let message = "the parameter does not say where it is";
                    self.error(&node.place, "missing-key", message, "add in: path, query, header or cookie");
                    continue;
                }
            };
            let Some(name) = text(&node, "name") else {
                self.error(&node.place, "missing-key", "the parameter has no name", "add name:");
                continue;
            };
            let name = if location == Location::Header { name.to_ascii_lowercase() } else { name };
            parameters.push(self.parameter_of(&node, location, name));
        }
        parameters
    }

    fn parameter_of(&mut self, node: &Node, location: Location, name: String) -> Parameter {
        let content = node.get("content").and_then(Node::map).and_then(|members| members.first());
        let schema = node.get("schema").or_else(|| content.and_then(|(_, media)| media.get("schema")));
        Parameter {
            place: node.place.clone(),
            location,
            name,
            required: location == Location::Path || flag(node, "required"),
            deprecated: flag(node, "deprecated"),
            schema: schema.map_or_else(|| Schema::any(&node.place), |schema| self.schema(schema)),
        }
    }

    /// The members of a mapping; none, and a finding, of anything else.
    fn members<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Node, Node)] {
        if node.is_null() {
            return &[];
        }
        match node.map() {
            Some(members) => members,
            None => {
                let message = format!("{what} is {}, not a mapping", node.kind());
                self.error(&node.place, "wrong-type", message, "write `name: {…}` for each");
                &[]
            }
        }
    }
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).filter(|value| !value.is_null()).and_then(Node::text).map(str::to_owned)
}

pub(super) fn flag(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::text) == Some("true")
}

/// `security`; none where nothing is said.
fn requirements(node: &Node) -> Option<Vec<Requirement>> {
    let scheme = |(name, scopes): &(Node, Node)| {
        let scopes = scopes.list().unwrap_or_default().iter().filter_map(Node::text).map(str::to_owned);
        (name.text().unwrap_or_default().to_owned(), scopes.collect())
    };
    let requirement =
        |node: &Node| Requirement { schemes: node.map().unwrap_or_default().iter().map(scheme).collect() };
    Some(node.get("security")?.list().unwrap_or_default().iter().map(requirement).collect())
}

/// The path of the first server's URL; parts with variables do not count.
fn base(root: &Node) -> String {
    let servers = root.get("servers").and_then(Node::list).unwrap_or_default();
    let url = servers.first().and_then(|server| server.get("url")).and_then(Node::text).unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = path.trim_end_matches('/');
    if path.contains(['{', '?', '#']) || !path.starts_with('/') { String::new() } else { path.to_owned() }
}
