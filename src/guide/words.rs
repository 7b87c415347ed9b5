//! Each op as a sentence for people who move from the older to the newer version.

use crate::{
    adaptation::{
        fields::{HeaderOp, QueryOp},
        literal::Literal,
        op::{Comeback, Edit, Group, Guard, Many, Op, Otherwise, Pieces},
        pointer::{Name, Pointer, Segment},
    },
    contract::subtype::Side,
};

/// What an op means for a body of this side.
pub(super) fn edit(edit: &Edit, side: Side) -> String {
    let at = |pointer: &Pointer| place(&edit.at.join(pointer));
    let below = |names: &[Name]| {
        at(&Pointer::default()
            .join(&names.iter().fold(Pointer::default(), |path, name| path.then(Segment::Name(name.clone())))))
    };
    let text = match &edit.op {
        Op::Rename(pairs) => {
            let pair = |(old, new): &(Name, Name)| {
                format!("{} is called {}", below(std::slice::from_ref(old)), code(new.as_str()))
            };
            join(pairs.iter().map(pair))
        }
        Op::Move { from, to } => format!("{} is at {}", below(from), below(to)),
        Op::Nest(group) => grouped(group, &below, true),
        Op::Unnest(group) => grouped(group, &below, false),
        Op::Add { path, value: None, .. } => format!("new and optional: {}", at(path)),
        Op::Add { path, value: Some(value), replaces_null } => {
            let null = if *replaces_null { " or null" } else { "" };
            match side {
                Side::Request => {
                    format!(
                        "new: {}; where it is absent{null}, older requests count as {}",
                        at(path),
                        code(&value.to_string())
                    )
                }
                Side::Response => format!("new: {}", at(path)),
            }
        }
        Op::Remove { path, down } => {
            let back = match (side, down) {
                (Side::Response, Comeback::Value(value)) => {
                    format!("; callers of the older version get {}", code(&value.to_string()))
                }
                (Side::Response, Comeback::Stash(_)) => "; callers of the older version get what they sent".to_owned(),
                (Side::Response, Comeback::Absent) => "; callers of the older version find it absent".to_owned(),
                (Side::Request, _) => String::new(),
            };
            format!("gone: {}{back}", at(path))
        }
        Op::Convert { path, from, to, .. } => {
            format!("{} is {}, was {}", at(path), article(to.as_str()), article(from.as_str()))
        }
        Op::Scale { path, pow10 } => {
            let factor = format!("10<sup>{pow10}</sup>");
            format!("{} counts in other units: multiply by {factor}", at(path))
        }
        Op::Map { path, pairs, up_else, .. } => {
            let pair =
                |(old, new): &(Literal, Literal)| format!("{} is {}", code(&old.to_string()), code(&new.to_string()));
            let rest = match up_else {
                Otherwise::Pass => String::new(),
                Otherwise::Error => "; other values are refused".to_owned(),
                Otherwise::Value(value) => format!("; every other value is {}", code(&value.to_string())),
            };
            format!("{} has other values: {}{rest}", at(path), join(pairs.iter().map(pair)))
        }
        Op::Wrap(list) => format!("{} is an array, was one value", at(&list.path)),
        Op::Unwrap(list) => {
            let many = match list.many {
                Many::Error => "",
                Many::First => "; of several the first counts",
                Many::Last => "; of several the last counts",
            };
            format!("{} is one value, was an array{many}", at(&list.path))
        }
        Op::Split(pieces) => {
            let (whole, parts) = halves(pieces, &below);
            format!("{whole} is cut at {} into {parts}", code(&pieces.separator))
        }
        Op::Merge(pieces) => {
            let (whole, parts) = halves(pieces, &below);
            format!("{parts} are joined with {} to {whole}", code(&pieces.separator))
        }
        Op::ElemWrap { path, key } => {
            format!("every element of {} is an object, with what it was as {}", at(path), code(key.as_str()))
        }
        Op::Index { path, key } => {
            format!("{} is an object, was an array; the elements' {} became their names", at(path), code(key.as_str()))
        }
        Op::DropElems { path, by, keep } => {
            let by: String = by.iter().map(|name| format!("/{}", name.as_str())).collect();
            let kinds = join(keep.iter().map(|value| code(&value.to_string())));
            format!(
                "{} may have elements of new kinds ({} other than {kinds}), which older callers do not see",
                at(path),
                code(&by)
            )
        }
        Op::Jq { path, .. } => format!("{} is rewritten by a program", at(path)),
    };
    let guards = edit.guards.iter().map(|guard| guarded(edit, guard)).collect::<String>();
    format!("{guards}{text}")
}

/// What a query op means.
pub(super) fn query(op: &QueryOp) -> String {
    match op {
        QueryOp::Rename(pairs) => {
            join(pairs.iter().map(|(old, new)| format!("query parameter {} is called {}", code(old), code(new))))
        }
        QueryOp::Add(name, value) => {
            format!("new query parameter {}; without it older requests count as {}", code(name), code(value))
        }
        QueryOp::Remove(name, _) => format!("query parameter {} is gone", code(name)),
        QueryOp::Map(name, pairs) => {
            let pairs = pairs.iter().map(|(old, new)| format!("{} is {}", code(old), code(new)));
            format!("query parameter {} has other values: {}", code(name), join(pairs))
        }
    }
}

/// What a header op means.
pub(super) fn header(op: &HeaderOp) -> String {
    let spelled = |name| code(&crate::headers::spelled(name));
    match op {
        HeaderOp::Rename(pairs) => {
            join(pairs.iter().map(|(old, new)| format!("header {} is called {}", spelled(old), spelled(new))))
        }
        // A value may be a secret between the gateway and an upstream.
        HeaderOp::Add(name, _) => format!("new header {}", spelled(name)),
        HeaderOp::Remove(name, _) => format!("header {} is gone", spelled(name)),
    }
}

fn grouped(group: &Group, below: &dyn Fn(&[Name]) -> String, nests: bool) -> String {
    let members = join(group.members.iter().map(|(inner, outer)| {
        let (old, new) = if nests { (outer, inner) } else { (inner, outer) };
        if old == new { code(old.as_str()) } else { format!("{} (as {})", code(old.as_str()), code(new.as_str())) }
    }));
    let container = below(std::slice::from_ref(&group.container));
    if nests { format!("{members} moved into {container}") } else { format!("{members} moved out of {container}") }
}

fn halves(pieces: &Pieces, below: &dyn Fn(&[Name]) -> String) -> (String, String) {
    let whole = below(std::slice::from_ref(&pieces.whole));
    (whole, join(pieces.parts.iter().map(|part| code(part.as_str()))))
}

fn guarded(edit: &Edit, guard: &Guard) -> String {
    let above = edit.at.segments()[..guard.depth.min(edit.at.segments().len())].iter().cloned();
    let names = guard.path.iter().cloned().map(Segment::Name);
    let path = above.chain(names).fold(Pointer::default(), |path, segment| path.then(segment));
    format!("where {} is {}: ", place(&path), join(guard.values.iter().map(|value| code(&value.to_string()))))
}

fn place(pointer: &Pointer) -> String {
    let text = pointer.to_string();
    if text.is_empty() { "the whole body".to_owned() } else { code(&text) }
}

fn article(kind: &str) -> String {
    format!("{} {kind}", if kind == "integer" { "an" } else { "a" })
}

/// `a, b and c`.
fn join(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// A code span of Markdown, whatever backticks the text has (CommonMark section 6.1).
pub(super) fn code(text: &str) -> String {
    let runs = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(runs + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace(['\n', '\r'], " "))
}
