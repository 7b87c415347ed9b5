//! Which places an op writes, in the terms of the side it leads to.

use crate::adaptation::{
    change::Direction,
    op::{Edit, Group, Op, Pieces},
    pointer::{Name, Pointer, Segment},
};

/// The places that an op makes, or changes the value of.
pub(crate) fn pointers(edit: &Edit, direction: Direction) -> Vec<Pointer> {
    let up = direction == Direction::Up;
    let member = |name: &Name| edit.at.then(Segment::Name(name.clone()));
    match &edit.op {
        Op::Rename(pairs) => pairs.iter().map(|(old, new)| member(if up { new } else { old })).collect(),
        Op::Move { from, to } => vec![edit.at.join(&Pointer::of_names(if up { to } else { from }))],
        Op::Nest(group) => grouped(group, up, &member),
        Op::Unnest(group) => grouped(group, !up, &member),
        Op::Split(pieces) => parts(pieces, up, &member),
        Op::Merge(pieces) => parts(pieces, !up, &member),
        op => op.path().map(|path| edit.at.join(path)).into_iter().collect(),
    }
}

/// Whether `place` is what `inner` stands at, or in.
pub(crate) fn holds(place: &Pointer, inner: &Pointer) -> bool {
    let (place, inner) = (place.segments(), inner.segments());
    place.len() <= inner.len() && place.iter().zip(inner).all(|(a, b)| a == b)
}

fn grouped(group: &Group, collects: bool, member: &dyn Fn(&Name) -> Pointer) -> Vec<Pointer> {
    if collects {
        vec![member(&group.container)]
    } else {
        group.members.iter().map(|(_, outer)| member(outer)).collect()
    }
}

fn parts(pieces: &Pieces, cuts: bool, member: &dyn Fn(&Name) -> Pointer) -> Vec<Pointer> {
    if cuts { pieces.parts.iter().map(member).collect() } else { vec![member(&pieces.whole)] }
}
