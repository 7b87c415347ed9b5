//! Ops on one value at a time: convert, scale, map, wrap and unwrap.

use super::{literal, places::path, reader::Reader};
use crate::{
    adaptation::{
        literal::Literal,
        op::{List, Many, Op, Otherwise, POW10_MAX, ScalarType},
    },
    config::tree::Node,
};

pub(super) fn convert(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
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

pub(super) fn scale(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
    reader.members(node, "scale", &["path", "pow10"])?;
    let path = path(node, reader);
    let shift = reader.required(node, "pow10", "by how many digits, such as 3 for seconds to milliseconds")?;
    let text = reader.text(shift, "pow10", "a whole number such as 3")?;
    let pow10 =
        text.parse::<i32>().ok().filter(|pow10| *pow10 != 0 && pow10.unsigned_abs() <= POW10_MAX.unsigned_abs());
    if pow10.is_none() {
        let message = format!("pow10 cannot be {text:?}");
        let help = format!("write a whole number from -{POW10_MAX} to {POW10_MAX}, but not 0");
        reader.error(shift, "bad-value", message, help);
    }
    Some(Op::Scale { path: path?, pow10: pow10? })
}

pub(super) fn map(node: &Node, reader: &mut Reader<'_>) -> Option<Op> {
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

pub(super) fn list(node: &Node, verb: &str, reader: &mut Reader<'_>) -> Option<List> {
    reader.members(node, verb, &["path", "many", "empty", "if_null"])?;
    let many = reader.word(node, "many", &[("error", Many::Error), ("first", Many::First), ("last", Many::Last)]);
    let empty_is_null = reader.word(node, "empty", &[("absent", false), ("null", true)]);
    let null_is_empty = reader.word(node, "if_null", &[("empty", true)]).unwrap_or(false);
    // Where null becomes an empty array, an empty array is null unless said otherwise.
    let empty_is_null = empty_is_null.unwrap_or(null_is_empty);
    Some(List { path: path(node, reader)?, many: many.unwrap_or_default(), empty_is_null, null_is_empty })
}
