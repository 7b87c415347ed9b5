//! `changes:` of an API: from nodes to checked changes.
//!
//! Everything that can be wrong with a change alone is found here, all at once, so that compiling
//! a chain cannot fail. `${…}` is not expanded: a change's literals are data.

mod edits;
mod elements;
mod fields;
mod guard;
mod literal;
mod loss;
mod ops;
mod overlap;
mod places;
mod reader;
mod responses;
mod scalars;
mod statuses;

use std::path::{Path, PathBuf};

use self::{edits::Shapes, reader::Reader};
use super::{
    builder::TEXT_BYTES_MAX,
    file,
    finding::{Finding, Place, Severity},
    origins::{ChangeOrigins, OperationOrigins},
    tree::{self, Node},
};
use crate::{
    adaptation::{
        change::{Change, Operation},
        loss::Side,
    },
    domain::{
        endpoint::{Endpoint, Segment},
        version::ApiVersion,
    },
};

#[cfg(test)]
pub(crate) use self::edits::read_list;
pub use self::loss::{List, Separated, separated};

/// Reads the list under `changes:`.
///
/// - `node`: a list; an entry is a change or the path of a file that holds one.
/// - `base`: the folder that file names are relative to.
/// - `files`: every file that was read, or should have been, is added.
/// - `findings`: gains everything that is wrong, with its place; a change with an error is left out.
pub fn read(
    node: &Node,
    base: &Path,
    files: &mut Vec<PathBuf>,
    findings: &mut Vec<Finding>,
) -> Vec<(Change, ChangeOrigins)> {
    let Some(entries) = node.list() else {
        let message = format!("changes is {}, not a list", node.kind());
        findings.push(Finding::error(&node.place, "wrong-type", message, "write each change as `- change: NAME`"));
        return Vec::new();
    };
    let mut known: Vec<(Change, ChangeOrigins)> = Vec::new();
    for entry in entries {
        let loaded = match entry.text().filter(|_| !entry.is_null()) {
            Some(name) => match load(name, entry, base, files, findings) {
                Some(node) => Some(node),
                None => continue,
            },
            None => None,
        };
        let node = loaded.as_ref().unwrap_or(entry);
        let before = findings.len();
        let Some((change, operations)) = read_change(node, findings) else { continue };
        let sound = findings[before..].iter().all(|finding| finding.severity != Severity::Error);
        refuse_a_second(&change, node, &known, findings);
        if sound {
            known.push((change, ChangeOrigins { place: node.place.clone(), operations }));
        }
    }
    known
}

/// Reads the file an entry names.
fn load(name: &str, entry: &Node, base: &Path, files: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) -> Option<Node> {
    let path = base.join(name);
    files.push(path.clone());
    let bytes = match file::read_regular(&path, TEXT_BYTES_MAX as u64) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read the change file {}: {error}", path.display());
            let help = "name an existing file, relative to this one's folder";
            findings.push(Finding::error(&entry.place, "unreadable-file", message, help));
            return None;
        }
    };
    match tree::decode(&bytes, &path).map_err(|finding| vec![finding]).and_then(|text| tree::parse(text, &path)) {
        Ok(node) => Some(node),
        Err(wrong) => {
            findings.extend(wrong);
            None
        }
    }
}

fn refuse_a_second(change: &Change, entry: &Node, known: &[(Change, ChangeOrigins)], findings: &mut Vec<Finding>) {
    if let Some((_, ChangeOrigins { place: first, .. })) = known.iter().find(|(other, _)| other.name == change.name) {
        let message = format!("a change named {:?} exists already at {first}", change.name);
        let finding = Finding::error(&entry.place, "duplicate-change", message, "give each change its own name");
        findings.push(finding.in_change(&change.name));
    } else if let Some((other, ChangeOrigins { place: first, .. })) =
        known.iter().find(|(other, _)| (&other.from, &other.to) == (&change.from, &change.to))
    {
        let message = format!("{:?} at {first} leads from {} to {} already", other.name, change.from, change.to);
        let finding = Finding::error(&entry.place, "duplicate-change", message, "put all operations into one change");
        findings.push(finding.in_change(&change.name));
    }
}

fn read_change(node: &Node, findings: &mut Vec<Finding>) -> Option<(Change, Vec<OperationOrigins>)> {
    let mut reader = Reader::new(findings);
    reader.members(node, "a change", &["change", "from", "to", "summary", "shapes", "operations"])?;
    let name = reader.required_text(node, "change", "a name, unique within the API");
    reader.change.clone_from(&name);
    let from = reader.required(node, "from", "the older version").and_then(|from| reader.version(from));
    let to = reader.required(node, "to", "the newer version").and_then(|to| reader.version(to));
    let summary = node.get("summary").and_then(|summary| reader.text(summary, "summary", "one sentence"));
    if let (Some(from), Some(to)) = (&from, &to)
        && from >= to
        && let Some(place) = node.get("to")
    {
        let message = format!("a change leads from an older to a newer version, and {to} is not newer than {from}");
        reader.error(place, "wrong-order", message, "swap from and to; ops are always written old to new");
    }
    let span = from.as_ref().zip(to.as_ref());
    let mut shapes = Shapes::read(node.get("shapes"), &mut reader);
    let mut operations: Vec<(Operation, Place)> = Vec::new();
    let mut origins = Vec::new();
    if let Some(list) = node.get("operations").filter(|list| !list.is_null()) {
        for entry in reader.items(list, "operations", "write each one as `- match: METHOD /path`").unwrap_or_default() {
            if let Some((operation, origin)) = read_operation(entry, span, &mut shapes, &mut reader) {
                refuse_a_second_operation(&operation, entry, &operations, &mut reader);
                operations.push((operation, entry.place.clone()));
                origins.push(origin);
            }
            reader.operation = None;
        }
    }
    let operations = operations.into_iter().map(|(operation, _)| operation).collect();
    Some((Change { name: name?, from: from?, to: to?, summary, operations }, origins))
}

fn read_operation(
    node: &Node,
    span: Option<(&ApiVersion, &ApiVersion)>,
    shapes: &mut Shapes<'_>,
    reader: &mut Reader<'_>,
) -> Option<(Operation, OperationOrigins)> {
    let keys = ["match", "to", "since", "request", "response", "query", "headers", "status"];
    reader.members(node, "an operation", &keys)?;
    let endpoint = reader
        .required_text(node, "match", "the operation, such as POST /parse")
        .and_then(|text| read_endpoint(&text, node.get("match")?, reader));
    reader.operation = endpoint.as_ref().map(ToString::to_string);
    let to = node.get("to").and_then(|to| {
        let text = reader.text(to, "to", "a method and path, such as GET /v2/models/{id}")?;
        read_endpoint(&text, to, reader).map(|endpoint| (endpoint, to))
    });
    if let (Some(endpoint), Some((to, place))) = (&endpoint, &to) {
        check_parameters(endpoint, to, place, reader);
    }
    let since = node.get("since").and_then(|since| {
        let version = reader.version(since)?;
        check_since(&version, span, since, reader);
        Some(version)
    });
    let statuses = node.get("status").map(|pairs| statuses::read(pairs, reader)).unwrap_or_default();
    let (request, request_places) =
        node.get("request").map(|list| shapes.list(list, "request", Side::Request, reader)).unwrap_or_default();
    let responses::Lists { by_status, places, by_event, event_places } =
        node.get("response").map(|lists| responses::read(lists, shapes, reader)).unwrap_or_default();
    if let (Some(since), Some(list)) = (node.get("since"), node.get("request").or(node.get("response"))) {
        let message =
            format!("nobody below {} reaches this operation, so its lists never run", since.text().unwrap_or(""));
        reader.warning(list, "unreachable-list", message, "take the lists away");
    }
    let query = node.get("query").map(|list| fields::query(list, reader)).unwrap_or_default();
    let (request_headers, response_headers) =
        node.get("headers").map(|headers| fields::headers(headers, reader)).unwrap_or_default();
    let origins = OperationOrigins {
        place: node.get("match").unwrap_or(node).place.clone(),
        request: request_places,
        responses: places,
        events: event_places,
    };
    let operation = Operation {
        endpoint: endpoint?,
        to: to.map(|(to, _)| to),
        since,
        request,
        responses: by_status,
        events: by_event,
        statuses,
        query,
        request_headers,
        response_headers,
    };
    Some((operation, origins))
}

fn read_endpoint(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Endpoint> {
    Endpoint::parse(text)
        .map_err(|error| {
            reader.error(node, "bad-endpoint", error.to_string(), "write METHOD /path without the version")
        })
        .ok()
}

/// Every parameter of `to` has to be bound by `match`; one of `match` that `to` lacks cannot be
/// bound on the way back.
fn check_parameters(endpoint: &Endpoint, to: &Endpoint, place: &Node, reader: &mut Reader<'_>) {
    let names = |endpoint: &Endpoint| -> Vec<String> {
        let name = |segment: &Segment| if let Segment::Param(name) = segment { Some(name.clone()) } else { None };
        endpoint.segments().iter().filter_map(name).collect()
    };
    let (bound, used) = (names(endpoint), names(to));
    for name in used.iter().filter(|name| !bound.contains(name)) {
        let message = format!("match binds no parameter {{{name}}}");
        reader.error_about(place, name, "unbound-param", message, format!("name a segment of match {{{name}}}"));
    }
    for name in bound.iter().filter(|name| !used.contains(name)) {
        let message = format!("to has no parameter {{{name}}}, so newer paths cannot be turned back into older ones");
        reader.warning(
            place,
            "not-invertible",
            message,
            format!("let to carry {{{name}}} if newer clients meet older upstreams"),
        );
    }
}

fn check_since(since: &ApiVersion, span: Option<(&ApiVersion, &ApiVersion)>, place: &Node, reader: &mut Reader<'_>) {
    if let Some((from, to)) = span
        && (since <= from || since > to)
    {
        let message = format!("an operation of this change came after {from} and no later than {to}, not with {since}");
        reader.error(place, "bad-since", message, format!("write since: \"{to}\""));
    }
}

fn refuse_a_second_operation(
    operation: &Operation,
    entry: &Node,
    known: &[(Operation, Place)],
    reader: &mut Reader<'_>,
) {
    for (other, first) in known {
        let same = anonymous(&operation.endpoint) == anonymous(&other.endpoint);
        // Two older operations that become one newer cannot be told apart on the way back.
        if same || (newer_form(operation) == newer_form(other) && (operation.to.is_some() || other.to.is_some())) {
            let what = if same { "match" } else { "to" };
            let message = format!("the operation at {first} has the same {what} already");
            reader.error(entry, "duplicate-operation", message, "put everything about one operation into one entry");
            return;
        }
    }
}

fn newer_form(operation: &Operation) -> (&str, Vec<Option<&str>>) {
    anonymous(operation.to.as_ref().unwrap_or(&operation.endpoint))
}

/// Method and segments; parameters without their names.
fn anonymous(endpoint: &Endpoint) -> (&str, Vec<Option<&str>>) {
    (endpoint.method(), endpoint.segments().iter().map(literal_text).collect())
}

fn literal_text(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Literal(text) => Some(text),
        Segment::Param(_) => None,
    }
}

#[cfg(test)]
mod tests;
