//! The migration guide from one version to a newer one, in Markdown.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{Journey, NOTICE, Route, routes, sample, settled, status_name, words};
use crate::{
    adaptation::{
        Direction, Mode, Program,
        change::{Change, Operation, StatusKey},
        op::Edit,
    },
    contract::{self, Content, Document, directory::Directory, subtype::Side},
    domain::{endpoint::Endpoint, time::UtcTime, version::ApiVersion},
    infer::Json,
};

/// Writes the guide.
pub fn migration(journey: &Journey<'_>) -> String {
    let [old, new] = [journey.from, journey.to].map(|index| &journey.api.versions[index]);
    let mut out = format!("# {}: from {} to {}\n\n<!-- {NOTICE} -->\n", journey.api.name, old.name, new.name);
    let day = |day: Option<UtcTime>| day.map(UtcTime::date);
    match (day(old.lifecycle.deprecation()), day(old.lifecycle.sunset())) {
        (Some(told), Some(end)) => {
            let _ = write!(out, "\nVersion {} is deprecated since {told} and ends on {end}.\n", old.name);
        }
        (Some(told), None) => {
            let _ = write!(out, "\nVersion {} is deprecated since {told}.\n", old.name);
        }
        (None, _) => {}
    }
    let told: Vec<_> = journey.chain.iter().filter_map(|change| Some((&change.to, change.summary.as_ref()?))).collect();
    if !told.is_empty() {
        out.push('\n');
    }
    for (version, summary) in told {
        let _ = writeln!(out, "- {version}: {summary}");
    }
    let (routes, added) = routes(journey.chain);
    let touched: Vec<&Route<'_>> = routes.iter().filter(|route| says_something(route)).collect();
    if touched.is_empty() && added.is_empty() {
        out.push_str("\nNothing has to be changed: requests and responses are the same.\n");
    }
    for route in touched {
        section(journey, route, &mut out);
    }
    if !added.is_empty() {
        out.push_str("\n## New endpoints\n\n");
        for (change, operation) in &added {
            let _ = writeln!(out, "- {} (since {})", words::code(&operation.endpoint.to_string()), change.to);
        }
    }
    losses(&routes, &mut out);
    out
}

fn says_something(route: &Route<'_>) -> bool {
    route.old.to_string() != route.new.to_string()
        || route.hops.iter().any(|(_, operation)| {
            !operation.request.is_empty()
                || operation.response_lists().any(|edits| !edits.is_empty())
                || !operation.query.is_empty()
                || !operation.request_headers.is_empty()
                || !operation.response_headers.is_empty()
                || !operation.statuses.is_empty()
        })
}

fn section(journey: &Journey<'_>, route: &Route<'_>, out: &mut String) {
    let _ = write!(out, "\n## {}\n", words::code(&route.old.to_string()));
    if route.old.to_string() != route.new.to_string() {
        let _ = write!(out, "\nCall {} instead.\n", words::code(&route.new.to_string()));
    }
    let mut requests = Vec::new();
    for (change, operation) in &route.hops {
        let lines = operation.query.iter().map(words::query);
        let lines = lines.chain(operation.request_headers.iter().map(words::header));
        requests.extend(lines.map(|line| (line, &change.to)));
    }
    let edits = request_edits(route).into_iter();
    requests.extend(edits.map(|(edit, version)| (words::edit(edit, Side::Request), version)));
    if !requests.is_empty() {
        out.push_str("\n### Requests\n\n");
        bullets(journey, &requests, out);
        if let Some((before, after)) = request_example(journey, route) {
            example(journey, "A request", &before, &after, out);
        }
    }
    for status in statuses(route) {
        let edits = response_edits(route, status).into_iter();
        let lines: Vec<_> = edits.map(|(edit, version)| (words::edit(edit, Side::Response), version)).collect();
        if lines.is_empty() {
            continue;
        }
        let _ = write!(out, "\n### Responses, {}\n\n", status_name(status));
        bullets(journey, &lines, out);
        if let Some((before, after)) = response_example(journey, route, status) {
            example(journey, "A response", &before, &after, out);
        }
    }
    for kind in kinds(route) {
        let lines: Vec<_> = event_edits(route, kind)
            .into_iter()
            .map(|(edit, version)| (words::edit(edit, Side::Response), version))
            .collect();
        if !lines.is_empty() {
            let _ = write!(out, "\n### Events of type {}\n\n", words::code(kind));
            bullets(journey, &lines, out);
        }
    }
    let mut others = Vec::new();
    for (change, operation) in &route.hops {
        let headers = operation.response_headers.iter().map(words::header);
        let statuses = operation.statuses.iter().map(|(old, new)| format!("status {old} is {new}"));
        others.extend(headers.chain(statuses).map(|line| (line, &change.to)));
    }
    if !others.is_empty() {
        out.push_str("\n### Responses, beside their bodies\n\n");
        bullets(journey, &others, out);
    }
}

fn request_edits<'g>(route: &Route<'g>) -> Vec<(&'g Edit, &'g ApiVersion)> {
    let of = |(change, operation): &(&'g Change, &'g Operation)| {
        let (change, operation) = (*change, *operation);
        operation.request.iter().map(move |edit| (edit, &change.to))
    };
    settled(route.hops.iter().flat_map(of).collect())
}

fn response_edits<'g>(route: &Route<'g>, status: StatusKey) -> Vec<(&'g Edit, &'g ApiVersion)> {
    let of = |(change, operation): &(&'g Change, &'g Operation)| {
        let (change, operation) = (*change, *operation);
        chosen(operation, status).iter().map(move |edit| (edit, &change.to))
    };
    settled(route.hops.iter().flat_map(of).collect())
}

/// What the lists of an event type say; where it has none, events follow the list of their status.
fn event_edits<'g>(route: &Route<'g>, kind: &str) -> Vec<(&'g Edit, &'g ApiVersion)> {
    let of = |(change, operation): &(&'g Change, &'g Operation)| {
        let (change, operation) = (*change, *operation);
        let own = operation.events.iter().filter(move |(known, _)| **known == *kind);
        own.flat_map(|(_, edits)| edits).map(move |edit| (edit, &change.to))
    };
    settled(route.hops.iter().flat_map(of).collect())
}

/// The event types that some hop has a list for, in the order they are met.
fn kinds<'g>(route: &Route<'g>) -> Vec<&'g str> {
    let mut kinds = Vec::new();
    for (kind, _) in route.hops.iter().flat_map(|(_, operation)| &operation.events) {
        if !kinds.contains(&&**kind) {
            kinds.push(&**kind);
        }
    }
    kinds
}

/// One line each; with the version it came with, where there are several.
fn bullets<V: std::fmt::Display>(journey: &Journey<'_>, lines: &[(String, V)], out: &mut String) {
    for (line, version) in lines {
        let mut letters = line.chars();
        let line: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        let since = if journey.chain.len() > 1 { format!(" ({version})") } else { String::new() };
        let _ = writeln!(out, "- {line}.{since}");
    }
}

fn example(journey: &Journey<'_>, what: &str, before: &Json, after: &Json, out: &mut String) {
    let [old, new] = [journey.from, journey.to].map(|index| &journey.api.versions[index].name);
    let _ = write!(out, "\n{what} of {old}:\n\n```json\n{}\n```\n", before.pretty());
    let _ = write!(out, "\nThe same in {new}:\n\n```json\n{}\n```\n", after.pretty());
}

/// The older request, and what its way up makes of it.
fn request_example(journey: &Journey<'_>, route: &Route<'_>) -> Option<(Json, Json)> {
    let lists = |direction: Direction| {
        let hops =
            route.hops.iter().map(move |(change, operation)| (&*change.name, operation.request.as_slice(), direction));
        hops.collect::<Vec<_>>()
    };
    let schema = |document: Option<&Document>, endpoint: &Endpoint| {
        operation(journey, document?, endpoint)?.request.as_ref().and_then(Content::json).cloned()
    };
    if let Some(schema) = schema(journey.documents[0], &route.old) {
        let before = sample::of(&schema, Side::Request);
        let after = run(lists(Direction::Up), &before)?;
        return Some((before, after));
    }
    let after = sample::of(&schema(journey.documents[1], &route.new)?, Side::Request);
    let before = run(lists(Direction::Down).into_iter().rev().collect(), &after)?;
    Some((before, after))
}

/// What the newer version answers, and what its way down makes of it.
fn response_example(journey: &Journey<'_>, route: &Route<'_>, status: StatusKey) -> Option<(Json, Json)> {
    let number = match status {
        StatusKey::Exact(status) => status,
        StatusKey::Class(class) => u16::from(class) * 100,
        StatusKey::Default => return None,
    };
    let schema = |document: Option<&Document>, endpoint: &Endpoint| {
        let operation = operation(journey, document?, endpoint)?;
        let exact = operation.response(number);
        // A class stands for the first status of it that is described.
        let of_class = || operation.responses.iter().find(|response| in_class(response.status, status));
        exact.or_else(of_class)?.content.json().cloned()
    };
    let lists = |direction: Direction| {
        let hops = route.hops.iter();
        hops.map(|(change, operation)| (&*change.name, chosen(operation, status), direction)).collect::<Vec<_>>()
    };
    if let Some(schema) = schema(journey.documents[1], &route.new) {
        let after = sample::of(&schema, Side::Response);
        let before = run(lists(Direction::Down).into_iter().rev().collect(), &after)?;
        return Some((before, after));
    }
    let before = sample::of(&schema(journey.documents[0], &route.old)?, Side::Response);
    let after = run(lists(Direction::Up), &before)?;
    Some((before, after))
}

/// What a document says of an operation, wherever it writes the API's prefix.
fn operation<'d>(
    journey: &Journey<'_>,
    document: &'d Document,
    endpoint: &Endpoint,
) -> Option<&'d contract::Operation> {
    Directory::new(document, &journey.api.path).find(endpoint)
}

fn in_class(status: StatusKey, class: StatusKey) -> bool {
    matches!((status, class), (StatusKey::Exact(status), StatusKey::Class(class)) if status / 100 == u16::from(class))
}

/// Runs what the gateway would run; none where it would refuse, or change nothing.
fn run(lists: Vec<(&str, &[Edit], Direction)>, body: &Json) -> Option<Json> {
    let program = Program::fuse(lists)?;
    let adapted = program.apply(&Bytes::from(body.text()), Mode::Whole).ok()?;
    Json::read(std::str::from_utf8(&adapted.body).ok()?).ok()
}

/// The statuses that some hop has a list for, in the order they are met.
fn statuses(route: &Route<'_>) -> Vec<StatusKey> {
    let mut statuses = Vec::new();
    for (status, _) in route.hops.iter().flat_map(|(_, operation)| &operation.responses) {
        if !statuses.contains(status) {
            statuses.push(*status);
        }
    }
    statuses
}

/// The most specific list for a status.
fn chosen(operation: &Operation, status: StatusKey) -> &[Edit] {
    operation.list_for(status).map_or(&[], |index| &operation.responses[index].1)
}

fn losses(routes: &[Route<'_>], out: &mut String) {
    let mut lines: Vec<String> = Vec::new();
    for route in routes {
        let responses = statuses(route).into_iter().flat_map(|status| response_edits(route, status));
        let events = kinds(route).into_iter().flat_map(|kind| event_edits(route, kind));
        for (edit, version) in request_edits(route).into_iter().chain(responses).chain(events) {
            for reason in edit.lossy.up.iter().chain(&edit.lossy.down) {
                let line = format!("- {}: {reason} ({version})", words::code(&route.old.to_string()));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    }
    if !lines.is_empty() {
        let _ = write!(out, "\n## What is lost\n\n{}\n", lines.join("\n"));
    }
}
