//! What stands inside each op.

use super::{
    elements, literal,
    places::{self, member, name, place},
    reader::Reader,
    scalars,
};
use crate::{
    adaptation::{
        op::{Comeback, Group, Op, Pieces, Rest},
        pointer::{Name, Pointer},
    },
    config::tree::Node,
};

/// The ops that can be read.
pub(super) const KNOWN: [&str; 17] = [
    "rename",
    "move",
    "nest",
    "unnest",
    "add",
    "remove",
    "convert",
    "scale",
    "map",
    "wrap",
    "unwrap",
    "split",
    "merge",
    "elem_wrap",
    "index",
    "drop_elems",
    "jq",
];

/// Reads the op `verb`, one of [`KNOWN`], with the object it works in: its members may be written
/// as pointers, too.
pub(super) fn read(verb: &str, node: &Node, reader: &mut Reader<'_>) -> Option<(Pointer, Op)> {
    let here = |op: Op| (Pointer::default(), op);
    match verb {
        "rename" => rename(node, reader).map(here),
        "move" => relocation(node, reader).map(here),
        "nest" => group(node, "nest", "into", reader).map(|(at, group)| (at, Op::Nest(group))),
        "unnest" => group(node, "unnest", "from", reader).map(|(at, group)| (at, Op::Unnest(group))),
        "add" => add(node, reader).map(here),
        "remove" => remove(node, reader).map(here),
        "convert" => scalars::convert(node, reader).map(here),
        "scale" => scalars::scale(node, reader).map(here),
        "map" => scalars::map(node, reader).map(here),
        "wrap" => scalars::list(node, "wrap", reader).map(Op::Wrap).map(here),
        "unwrap" => scalars::list(node, "unwrap", reader).map(Op::Unwrap).map(here),
        "split" => split(node, reader).map(|(at, pieces)| (at, Op::Split(pieces))),
        "merge" => merge(node, reader).map(|(at, pieces)| (at, Op::Merge(pieces))),
        "elem_wrap" => elements::elem_wrap(node, reader).map(here),
        "index" => elements::index(node, reader).map(here),
        "drop_elems" => elements::drop_elems(node, reader).map(here),
        "jq" => elements::opaque(node, reader).map(here),
        _ => None,
    }
}

fn rename(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    let Some(members) = node.map().filter(|members| !members.is_empty()) else {
        reader.error(node, "wrong-type", "rename takes pairs of names", "write rename: {old: new}");
        return None;
    };
    let mut pairs: Vec<(Name, Name)> = Vec::with_capacity(members.len());
    for (old, new) in members {
        let from = reader.text(old, "an old name", "a member's name")?;
        let to = reader.text(new, "a new name", "a member's name")?;
        if from.starts_with('/') || to.starts_with('/') {
            let message = "these are members' names, and one begins with a slash";
            reader.warning(old, "name-with-slash", message, "for a deeper place write at: beside rename, or move");
        }
        if let Some((other, _)) = pairs.iter().find(|(_, known)| known.as_str() == to) {
            let message = format!("{:?} and {from:?} would both become {to:?}", other.as_str());
            let pointer = reader.member(&to);
            reader.error_about(new, &pointer, "overlap", message, "give each its own new name");
            return None;
        }
        pairs.push((Name::new(&from), Name::new(&to)));
    }
    Some(Op::Rename(pairs))
}

fn relocation(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "move", &["from", "to"])?;
    let from = reader.required(node, "from", "where the older version has it");
    let to = reader.required(node, "to", "where the newer version has it");
    let (from, to) = (place(from?, "from", reader)?, place(to?, "to", reader)?);
    if from == to {
        let pointer = reader.at.join(&Pointer::of_names(&to)).to_string();
        let help = "take the op out or name another place";
        reader.error_about(node, &pointer, "overlap", "from and to are the same place", help);
        return None;
    }
    Some(Op::Move { from, to })
}

fn group(node: &Node, verb: &str, container: &str, reader: &mut Reader<'_>) -> Option<(Pointer, Group)> {
    reader.members(node, verb, &[container, "members", "rest", "always", "mismatch"])?;
    let into = reader.required(node, container, "the object's name");
    let members = reader.required(node, "members", "the names inside and outside of the object");
    let rest = reader.word(node, "rest", &[("drop", Rest::Drop), ("keep", Rest::Keep), ("error", Rest::Error)]);
    let always = reader.flag(node, "always");
    let mismatch = reader.word(node, "mismatch", &[("pass", false), ("error", true)]);
    let (into, members) = (into?, members?);
    let (inner, outer): (Vec<&Node>, Vec<&Node>) = match (members.map(), members.list()) {
        (Some(members), _) => members.iter().map(|(inner, outer)| (inner, outer)).unzip(),
        (_, Some(items)) => items.iter().map(|item| (item, item)).unzip(),
        _ => (Vec::new(), Vec::new()),
    };
    if inner.is_empty() {
        reader.error(members, "wrong-type", "members names no member", "write {inner: outer}, or a list of names");
        return None;
    }
    let outside: Vec<(&Node, &str)> =
        [(into, container)].into_iter().chain(outer.iter().map(|node| (*node, "members"))).collect();
    let (at, mut names) = places::siblings(&outside, reader)?;
    let container = names.remove(0);
    let is_list = members.list().is_some();
    let mut pairs: Vec<(Name, Name)> = Vec::with_capacity(names.len());
    for ((inside, written), outside) in inner.into_iter().zip(outer).zip(names) {
        // A list of pointers names the members inside by their last segments.
        let inside = if is_list { outside.clone() } else { name(inside, "members", reader)? };
        if pairs.iter().any(|(known, other)| *known == inside || *other == outside) {
            let message = format!("the member {:?} is named twice", outside.as_str());
            let pointer = reader.at.join(&at).join(&Pointer::member(outside.as_str())).to_string();
            reader.error_about(written, &pointer, "overlap", message, "name each member once");
            return None;
        }
        pairs.push((inside, outside));
    }
    let rest = rest.unwrap_or_default();
    if rest == Rest::Keep && pairs.iter().any(|(_, outer)| *outer == container) {
        let message =
            format!("{:?} cannot be both the object that keeps the rest and a member beside it", container.as_str());
        let pointer = reader.at.join(&at).join(&Pointer::member(container.as_str())).to_string();
        reader.error_about(node, &pointer, "overlap", message, "use rest: drop or another name");
        return None;
    }
    let mismatch_is_error = mismatch.unwrap_or(false);
    Some((at, Group { container, members: pairs, rest, always, mismatch_is_error }))
}

fn split(node: &Node, reader: &mut Reader<'_>) -> Option<(Pointer, Pieces)> {
    reader.members(node, "split", &["from", "into", "sep"])?;
    let whole = reader.required(node, "from", "the member that is cut");
    let parts = reader.required(node, "into", "the members it is cut into, such as [first, last]");
    pieces(node, (whole, "from"), (parts, "into"), reader)
}

fn merge(node: &Node, reader: &mut Reader<'_>) -> Option<(Pointer, Pieces)> {
    reader.members(node, "merge", &["from", "into", "sep"])?;
    let parts = reader.required(node, "from", "the members that are joined, such as [host, port]");
    let whole = reader.required(node, "into", "the member they become");
    pieces(node, (whole, "into"), (parts, "from"), reader)
}

fn pieces(
    node: &Node,
    whole: (Option<&Node>, &str),
    parts: (Option<&Node>, &str),
    reader: &mut Reader<'_>,
) -> Option<(Pointer, Pieces)> {
    let separator = reader.required_text(node, "sep", "what stands between the parts");
    if separator.as_deref() == Some("") {
        reader.error(node, "bad-value", "sep is empty", "write what stands between the parts");
        return None;
    }
    let ((whole, whole_key), (parts, key)) = ((whole.0?, whole.1), (parts.0?, parts.1));
    let items = reader.items(parts, key, &format!("write {key}: [a, b]"))?;
    if items.len() < 2 {
        let message = format!("{key} names fewer than two members");
        reader.error(parts, "op-type", message, "name two at least, or use rename");
        return None;
    }
    let written: Vec<(&Node, &str)> =
        [(whole, whole_key)].into_iter().chain(items.iter().map(|item| (item, key))).collect();
    let (at, mut parts) = places::siblings(&written, reader)?;
    let whole = parts.remove(0);
    if let Some(index) = (1..parts.len()).find(|index| parts[..*index].contains(&parts[*index])) {
        let message = format!("the member {:?} is named twice", parts[index].as_str());
        let pointer = reader.at.join(&at).join(&Pointer::member(parts[index].as_str())).to_string();
        reader.error_about(&items[index], &pointer, "overlap", message, "name each member once");
        return None;
    }
    Some((at, Pieces { whole, parts, separator: separator? }))
}

fn add(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "add", &["path", "value", "if_null"])?;
    let replaces_null = reader.word(node, "if_null", &[("replace", true)]).unwrap_or(false);
    let value = node.get("value").map(literal::read);
    if replaces_null && value.is_none() {
        reader.error(node, "missing-key", "if_null: replace needs a value", "add value: what null becomes");
    }
    Some(Op::Add { path: member(node, "add", reader)?, value, replaces_null })
}

fn remove(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "remove", &["path", "down"])?;
    let down = match node.get("down") {
        None => Comeback::Absent,
        Some(down) => {
            reader.members(down, "down", &["value", "stash"])?;
            match (down.get("value"), down.get("stash")) {
                (Some(value), None) => Comeback::Value(literal::read(value)),
                (None, Some(stash)) => Comeback::Stash(
                    reader.text(stash, "stash", "the name under which the exchange keeps the value")?.into(),
                ),
                _ => {
                    let message = "down says either a value or a stash";
                    reader.error(down, "missing-key", message, "write down: {value: ...} or down: {stash: name}");
                    return None;
                }
            }
        }
    };
    Some(Op::Remove { path: member(node, "remove", reader)?, down })
}
