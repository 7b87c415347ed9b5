//! Ops on the elements of an array, and jq.

use super::{
    literal,
    places::{name, path, place},
    reader::Reader,
};
use crate::{
    adaptation::{
        jq::{self, Filter},
        literal::Literal,
        op::Op,
        pointer::{Name, Pointer},
    },
    config::tree::Node,
};

pub(super) fn elem_wrap(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    let (path, key) = keyed(node, "elem_wrap", "the member that holds the element", reader)?;
    Some(Op::ElemWrap { path, key })
}

pub(super) fn index(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    let (path, key) = keyed(node, "index", "the member that names the element", reader)?;
    Some(Op::Index { path, key })
}

fn keyed(node: &Node, verb: &str, meaning: &str, reader: &mut Reader<'_>) -> Option<(Pointer, Name)> {
    reader.members(node, verb, &["path", "key"])?;
    let path = path(node, reader);
    let key = reader.required(node, "key", meaning).and_then(|key| name(key, "key", reader));
    Some((path?, key?))
}

pub(super) fn drop_elems(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "drop_elems", &["path", "by", "keep"])?;
    let path = path(node, reader);
    let by = reader.required(node, "by", "where an element's kind stands, such as /type");
    let by = by.and_then(|by| place(by, "by", reader));
    let keep = reader.required(node, "keep", "the kinds the older version knows")?;
    let keep = scalars(keep, "keep", reader);
    Some(Op::DropElems { path: path?, by: by?, keep: keep? })
}

pub(super) fn opaque(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "jq", &["at", "up", "down", "examples"])?;
    let path = node.get("at").map_or(Some(Pointer::default()), |at| reader.pointer(at, "at"));
    let up = filter(node, "up", "a jq program, from older to newer", reader);
    let is_one_way = node.get("down").and_then(Node::text) == Some("none");
    let down = if is_one_way {
        Some(None)
    } else {
        filter(node, "down", "a jq program, from newer to older, or none", reader).map(Some)
    };
    let list = node.get("examples").filter(|list| list.list().is_none_or(|items| !items.is_empty()));
    let Some(list) = list else {
        let message = "nothing is known about a jq program but what its examples show";
        let pointer = reader.at.join(&path.unwrap_or_default()).to_string();
        let help = "add examples: JSON texts of older values, quoted";
        reader.error_about(node, &pointer, "opaque-without-examples", message, help);
        return None;
    };
    let mut examples = Vec::new();
    for example in reader.items(list, "examples", "write examples: ['{\"a\":1}']")? {
        let text = reader.text(example, "an example", "a JSON text in quotes")?;
        match Literal::json(&text) {
            Some(json) => examples.push((json, example)),
            None => {
                let message = format!("the example {text:?} is not valid JSON");
                reader.error(example, "bad-value", message, "write the JSON text of an older value, in quotes");
            }
        }
    }
    let (path, up, down) = (path?, up?, down?);
    for (example, place) in &examples {
        if let Err(error) = jq::check(&up, down.as_ref(), example) {
            let message = format!("the example {example} does not hold: {error}");
            reader.error(place, "not-invertible", message, "correct the example or the programs, or write down: none");
        }
    }
    Some(Op::Jq { path, up, down, examples: examples.into_iter().map(|(example, _)| example).collect() })
}

fn filter(node: &Node, key: &str, meaning: &str, reader: &mut Reader<'_>) -> Option<Filter> {
    let text = reader.required_text(node, key, meaning)?;
    Filter::new(&text)
        .map_err(|error| {
            let help = "write a program that ends and looks at its input alone";
            reader.error(node.get(key).unwrap_or(node), "bad-filter", format!("{key} {error}"), help);
        })
        .ok()
}

/// A list of scalars with at least one.
pub(super) fn scalars(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<Literal>> {
    let items = reader.items(node, key, &format!("write {key}: [a, b]"))?;
    if items.is_empty() {
        reader.error(node, "op-type", format!("{key} lists no value"), format!("write {key}: [a, b]"));
        return None;
    }
    if let Some(other) = items.iter().find(|item| item.text().is_none()) {
        reader.error(other, "op-type", format!("{key} lists scalars, and this is {}", other.kind()), "write scalars");
        return None;
    }
    Some(items.iter().map(literal::read).collect())
}
