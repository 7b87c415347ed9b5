//! `when:` beside an op: reading it, and keeping guarded ops off what it looks at.

use super::{elements::scalars, places::place, reader::Reader};
use crate::{
    adaptation::{
        literal::Literal,
        op::{Edit, Op},
        pointer::{Name, Pointer, Segment},
    },
    config::{
        finding::{Finding, Place},
        tree::Node,
    },
};

/// Reads `{path, in}`.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<(Vec<Name>, Vec<Literal>)> {
    reader.members(node, "when", &["path", "in"])?;
    let path = reader.required(node, "path", "the member that decides, such as /type");
    let path = path.and_then(|path| place(path, "path", reader));
    let values = reader.required(node, "in", "the values with which the op works, such as [card]");
    let values = values.and_then(|values| scalars(values, "in", reader));
    Some((path?, values?))
}

/// A guard has to say the same before and after the op, or the way back would go wrong.
pub(super) fn refuse_changed(edit: &Edit, place: &Place, reader: &mut Reader<'_>) {
    let written = written(&edit.op);
    for guard in &edit.guards {
        let Some(inside) = edit.at.segments().get(guard.depth..) else { continue };
        for target in &written {
            let target = inside.iter().chain(target.segments());
            if target.zip(&guard.path).all(|(segment, name)| may_be(segment, name)) {
                let path = Pointer::of_names(&guard.path);
                let message = format!("the op may alter \"{path}\", which decides whether it works");
                let help = "guard by a member that the op leaves alone, or put the op outside of when:";
                let whole = edit.at.segments().get(..guard.depth).map(Pointer::of_segments).unwrap_or_default();
                let pointer = whole.join(&path).to_string();
                reader.push(Finding::error(place, "guard-changed", message, help).at_pointer(&pointer));
                return;
            }
        }
    }
}

fn may_be(segment: &Segment, name: &Name) -> bool {
    match segment {
        Segment::Name(known) => known == name,
        Segment::Values => true,
        Segment::Each => false,
    }
}

/// Every place an op may alter, in either direction.
fn written(op: &Op) -> Vec<Pointer> {
    let names = |names: &[Name]| -> Vec<Pointer> {
        names.iter().map(|name| Pointer::of_names(std::slice::from_ref(name))).collect()
    };
    match op {
        Op::Rename(pairs) => pairs.iter().flat_map(|(old, new)| names(&[old.clone(), new.clone()])).collect(),
        Op::Move { from, to } => vec![Pointer::of_names(from), Pointer::of_names(to)],
        Op::Nest(group) | Op::Unnest(group) => {
            let outer: Vec<Name> = group.members.iter().map(|(_, outer)| outer.clone()).collect();
            [names(&outer), names(std::slice::from_ref(&group.container))].concat()
        }
        Op::Split(pieces) | Op::Merge(pieces) => {
            [names(&pieces.parts), names(std::slice::from_ref(&pieces.whole))].concat()
        }
        op => op.path().cloned().into_iter().collect(),
    }
}
