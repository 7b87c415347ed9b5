//! `headers:` and `query:` of an operation.

use http::{HeaderName, HeaderValue};

use super::reader::Reader;
use crate::{
    adaptation::fields::{HeaderOp, QueryOp},
    config::tree::Node,
};

/// Fields that frame a message or speak of one connection (RFC 9110 section 7.6.1), name its coding,
/// or decide where it goes: the gateway owns them.
const FORBIDDEN: [&str; 13] = [
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];

/// Reads `{request: […], response: […]}`, or a bare list of request edits.
pub(super) fn headers(node: &Node, reader: &mut Reader<'_>) -> (Vec<HeaderOp>, Vec<HeaderOp>) {
    if node.list().is_some() {
        return (header_list(node, reader), Vec::new());
    }
    if reader.members(node, "headers", &["request", "response"]).is_none() {
        return (Vec::new(), Vec::new());
    }
    let mut side = |key| node.get(key).map(|list| header_list(list, reader)).unwrap_or_default();
    (side("request"), side("response"))
}

/// Reads a list of query edits.
pub(super) fn query(node: &Node, reader: &mut Reader<'_>) -> Vec<QueryOp> {
    let mut ops = Vec::new();
    for entry in reader.items(node, "query", "write each one as `- rename: {old: new}`").unwrap_or_default() {
        let Some((verb, value)) = verb(entry, &["rename", "add", "remove", "map"], reader) else { continue };
        let op = match verb {
            "rename" => pairs(value, reader).map(QueryOp::Rename),
            "add" => named(value, &["name", "value"], reader).and_then(|name| {
                let value = reader.required_text(value, "value", "what older requests get")?;
                Some(QueryOp::Add(name, value))
            }),
            "remove" => named(value, &["name", "down"], reader).map(|name| {
                let down = value.get("down").and_then(|down| reader.text(down, "down", "what newer requests get"));
                QueryOp::Remove(name, down)
            }),
            _ => named(value, &["name", "pairs"], reader)
                .and_then(|name| table(value, reader).map(|pairs| QueryOp::Map(name, pairs))),
        };
        ops.extend(op);
    }
    ops
}

fn header_list(node: &Node, reader: &mut Reader<'_>) -> Vec<HeaderOp> {
    let mut ops = Vec::new();
    for entry in reader.items(node, "headers", "write each one as `- rename: {X-Old: X-New}`").unwrap_or_default() {
        let Some((verb, value)) = verb(entry, &["rename", "add", "remove"], reader) else { continue };
        let op = match verb {
            "rename" => header_pairs(value, reader).map(HeaderOp::Rename),
            "add" => named(value, &["name", "value"], reader).and_then(|name| {
                let text = reader.required_text(value, "value", "what older messages get")?;
                let (name, text) = (header_name(&name, value, reader), header_value(&text, value, reader));
                Some(HeaderOp::Add(name?, text?))
            }),
            _ => named(value, &["name", "down"], reader).and_then(|name| {
                let down = value.get("down").and_then(|down| reader.text(down, "down", "what newer messages get"));
                let name = header_name(&name, value, reader);
                let down = match down {
                    Some(text) => Some(header_value(&text, value, reader)?),
                    None => None,
                };
                Some(HeaderOp::Remove(name?, down))
            }),
        };
        ops.extend(op);
    }
    ops
}

/// The one op of an entry.
fn verb<'n>(entry: &'n Node, known: &[&'static str], reader: &mut Reader<'_>) -> Option<(&'n str, &'n Node)> {
    let members = reader.members(entry, "an edit", known)?;
    let [(key, value)] = members else {
        reader.error(entry, "one-op", "an entry holds one edit", "write one an entry");
        return None;
    };
    key.text().filter(|text| known.contains(text)).map(|text| (text, value))
}

/// The `name` of an edit whose keys are `known`.
fn named(node: &Node, known: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    reader.members(node, "the edit", known)?;
    reader.required_text(node, "name", "which one").filter(|name| {
        if name.is_empty() {
            reader.error(node, "bad-value", "the name is empty", "name it");
        }
        !name.is_empty()
    })
}

fn pairs(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    let Some(members) = node.map().filter(|members| !members.is_empty()) else {
        reader.error(node, "wrong-type", "rename takes pairs of names", "write rename: {old: new}");
        return None;
    };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (old, new) in members {
        let from = reader.text(old, "an old name", "a name")?;
        let to = reader.text(new, "a new name", "a name")?;
        if pairs.iter().any(|(_, known)| *known == to) {
            let pointer = to.to_ascii_lowercase();
            let message = format!("two would become {to:?}");
            reader.error_about(new, &pointer, "overlap", message, "give each its own new name");
            return None;
        }
        pairs.push((from, to));
    }
    Some(pairs)
}

fn table(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(String, String)>> {
    let pairs = reader.required(node, "pairs", "[[old, new], ...]")?;
    let mut table = Vec::new();
    for pair in reader.items(pairs, "pairs", "write pairs: [[old, new], ...]")? {
        match pair.list() {
            Some([old, new]) if old.text().is_some() && new.text().is_some() => {
                table.push((old.text().unwrap_or_default().to_owned(), new.text().unwrap_or_default().to_owned()))
            }
            _ => reader.error(pair, "op-type", "a pair is two texts", "write [old, new]"),
        }
    }
    Some(table)
}

fn header_pairs(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(HeaderName, HeaderName)>> {
    let pairs = pairs(node, reader)?;
    let mut names = Vec::with_capacity(pairs.len());
    for (old, new) in &pairs {
        names.push((header_name(old, node, reader), header_name(new, node, reader)));
    }
    names.into_iter().map(|(old, new)| Some((old?, new?))).collect()
}

fn header_name(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        reader.error(node, "bad-value", format!("{text:?} is no header name"), "write a token such as X-Tenant");
        return None;
    };
    if FORBIDDEN.contains(&name.as_str()) {
        let message = format!("the gateway itself owns {name}");
        let help = "a change may not touch framing and hop-by-hop fields";
        reader.error_about(node, name.as_str(), "forbidden-header", message, help);
        return None;
    }
    Some(name)
}

fn header_value(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok();
    if value.is_none() {
        let message = format!("{text:?} cannot be a header value");
        reader.error(node, "bad-value", message, "write visible ASCII characters and spaces");
    }
    value
}
