//! What stands inside each op.

use super::{literal, reader::Reader};
use crate::{
    adaptation::{
        literal::Literal,
        op::{Group, List, Many, Op, Otherwise, Rest, ScalarType},
        pointer::{Name, Pointer, Segment},
    },
    config::tree::Node,
};

/// The ops that can be read.
pub(super) const KNOWN: [&str; 10] =
    ["rename", "move", "nest", "unnest", "add", "remove", "convert", "map", "wrap", "unwrap"];

/// Reads the op `verb`, one of [`KNOWN`].
pub(super) fn read(verb: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    match verb {
        "rename" => rename(node, reader),
        "move" => relocation(node, reader),
        "nest" => group(node, "nest", "into", reader).map(Op::Nest),
        "unnest" => group(node, "unnest", "from", reader).map(Op::Unnest),
        "add" => add(node, reader),
        "remove" => remove(node, reader),
        "convert" => convert(node, reader),
        "map" => map(node, reader),
        "wrap" => list(node, "wrap", reader).map(Op::Wrap),
        "unwrap" => list(node, "unwrap", reader).map(Op::Unwrap),
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
            reader.error(new, "overlap", message, "give each its own new name");
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
        reader.error(node, "overlap", "from and to are the same place", "take the op out or name another place");
        return None;
    }
    Some(Op::Move { from, to })
}

/// A name, or a pointer of names.
fn place(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<Name>> {
    let text = reader.text(node, key, "a member's name or a pointer")?;
    if !text.starts_with('/') {
        return Some(vec![Name::new(&text)]);
    }
    let names = reader.pointer(node, key)?.names();
    if names.is_none() {
        let message = format!("{key} cannot hold [] or {{}}");
        reader.error(node, "bad-pointer", message, "write them into at: beside the op");
    }
    names
}

/// A name, possibly spelled as a pointer.
fn name(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Name> {
    let mut names = place(node, key, reader)?;
    if names.len() != 1 {
        reader.unsupported(node, "a deeper place than a member's name here");
        return None;
    }
    names.pop()
}

fn group(node: &Node, verb: &str, container: &str, reader: &mut Reader<'_>) -> Option<Group> {
    reader.members(node, verb, &[container, "members", "rest", "always", "mismatch"])?;
    let into = reader.required(node, container, "the object's name");
    let members = reader.required(node, "members", "the names inside and outside of the object");
    let rest = reader.word(node, "rest", &[("drop", Rest::Drop), ("keep", Rest::Keep), ("error", Rest::Error)]);
    let always = reader.flag(node, "always");
    let mismatch = reader.word(node, "mismatch", &[("pass", false), ("error", true)]);
    let container = name(into?, container, reader)?;
    let members = pairs_of_names(members?, reader)?;
    let rest = rest.unwrap_or_default();
    if rest == Rest::Keep && members.iter().any(|(_, outer)| *outer == container) {
        let message =
            format!("{:?} cannot be both the object that keeps the rest and a member beside it", container.as_str());
        reader.error(node, "overlap", message, "use rest: drop or another name");
        return None;
    }
    Some(Group { container, members, rest, always, mismatch_is_error: mismatch.unwrap_or(false) })
}

/// `{inner: outer}`, or a list of names that are the same inside and outside.
fn pairs_of_names(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(Name, Name)>> {
    let mut pairs: Vec<(Name, Name)> = Vec::new();
    let written: Vec<(&Node, &Node)> = match (node.map(), node.list()) {
        (Some(members), _) => members.iter().map(|(inner, outer)| (inner, outer)).collect(),
        (_, Some(items)) => items.iter().map(|item| (item, item)).collect(),
        _ => Vec::new(),
    };
    if written.is_empty() {
        reader.error(node, "wrong-type", "members names no member", "write {inner: outer}, or a list of names");
        return None;
    }
    for (inner, outer) in written {
        let (inside, outside) = (name(inner, "members", reader)?, name(outer, "members", reader)?);
        if pairs.iter().any(|(known, other)| *known == inside || *other == outside) {
            let message = format!("the member {:?} is named twice", outside.as_str());
            reader.error(outer, "overlap", message, "name each member once");
            return None;
        }
        pairs.push((inside, outside));
    }
    Some(pairs)
}

/// A pointer that ends in a member's name.
fn member(node: &Node, verb: &str, reader: &mut Reader<'_>) -> Option<Pointer> {
    let place = reader.required(node, "path", "where, such as /context")?;
    let path = reader.pointer(place, "path")?;
    if let Some(Segment::Name(_)) = path.segments().last() {
        return Some(path);
    }
    let message = format!("{verb} works on a member of an object, and \"{path}\" is none");
    reader.error(place, "deletes-element", message, "let the pointer end in a name");
    None
}

fn path(node: &Node, reader: &mut Reader<'_>) -> Option<Pointer> {
    let place = reader.required(node, "path", "where, such as /items/[]/id")?;
    reader.pointer(place, "path")
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
        None => None,
        Some(down) => {
            reader.members(down, "down", &["value", "stash"])?;
            if let Some(stash) = down.get("stash") {
                reader.unsupported(stash, "stash");
                return None;
            }
            Some(literal::read(reader.required(down, "value", "what comes back on the way down")?))
        }
    };
    Some(Op::Remove { path: member(node, "remove", reader)?, down })
}

fn convert(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    use ScalarType::{Boolean, Integer, Number, String};
    let types = [("string", String), ("integer", Integer), ("number", Number), ("boolean", Boolean)];
    reader.members(node, "convert", &["path", "from", "to", "on_error"])?;
    let path = path(node, reader);
    reader.required(node, "from", "the older type")?;
    reader.required(node, "to", "the newer type")?;
    let (from, to) = (reader.word(node, "from", &types), reader.word(node, "to", &types));
    let on_error = otherwise(node, "on_error", reader);
    let (from, to) = (from?, to?);
    if from == to {
        reader.error(node, "op-type", "from and to are the same type", "take the op out or name another type");
        return None;
    }
    Some(Op::Convert { path: path?, from, to, on_error: on_error? })
}

fn map(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "map", &["path", "pairs", "up_else", "down_else"])?;
    let path = path(node, reader);
    let (up_else, down_else) = (otherwise(node, "up_else", reader), otherwise(node, "down_else", reader));
    let pairs = reader.required(node, "pairs", "[[old, new], ...]")?;
    let mut table = Vec::new();
    for pair in reader.items(pairs, "pairs", "write pairs: [[old, new], ...]")? {
        match pair.list() {
            Some([old, new]) if old.text().is_some() && new.text().is_some() => {
                table.push((literal::read(old), literal::read(new)));
            }
            _ => reader.error(pair, "op-type", "a pair is two scalars", "write [old, new]"),
        }
    }
    Some(Op::Map { path: path?, pairs: table, up_else: up_else?, down_else: down_else? })
}

/// `pass`, `error`, null or `{value: …}`; absent is pass.
fn otherwise(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Otherwise> {
    #[derive(Clone, Copy)]
    enum Word {
        Pass,
        Error,
        Null,
    }
    if let Some(value) = node.get(key).filter(|value| value.map().is_some()) {
        reader.members(value, key, &["value"])?;
        return reader.required(value, "value", "what takes its place").map(|v| Otherwise::Value(literal::read(v)));
    }
    if node.get(key).is_none() {
        return Some(Otherwise::Pass);
    }
    Some(match reader.word(node, key, &[("pass", Word::Pass), ("error", Word::Error), ("null", Word::Null)])? {
        Word::Pass => Otherwise::Pass,
        Word::Error => Otherwise::Error,
        Word::Null => Otherwise::Value(Literal::null()),
    })
}

fn list(node: &Node, verb: &str, reader: &mut Reader<'_>) -> Option<List> {
    reader.members(node, verb, &["path", "many", "empty", "if_null"])?;
    let many = reader.word(node, "many", &[("error", Many::Error), ("first", Many::First), ("last", Many::Last)]);
    let empty_is_null = reader.word(node, "empty", &[("absent", false), ("null", true)]);
    let null_is_empty = reader.word(node, "if_null", &[("empty", true)]).unwrap_or(false);
    // Where null becomes an empty array, an empty array is null unless said otherwise.
    let empty_is_null = empty_is_null.unwrap_or(null_is_empty);
    Some(List { path: path(node, reader)?, many: many.unwrap_or_default(), empty_is_null, null_is_empty })
}
