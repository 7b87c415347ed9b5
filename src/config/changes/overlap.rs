//! Two ops of one list that create the same place, with nothing between them that takes it away: one of them would
//! undo the other, or lose what it made on the way back.

use super::reader::Reader;
use crate::{
    adaptation::{
        change::Direction,
        op::{Comeback, Edit, Group, Op, Rest},
        pointer::{Name, Pointer, Segment},
    },
    config::finding::{Finding, Place},
};

/// What an op does to places, in one direction.
#[derive(Default)]
struct Effects {
    /// Values that go elsewhere, with all below them.
    moves: Vec<(Pointer, Pointer)>,
    /// Places that are there afterwards, beside those that something moved to.
    creates: Vec<Pointer>,
    /// Places that are not.
    takes: Vec<Pointer>,
}

/// Reports each op of a list that creates a place a former one has created.
///
/// - `list`: in the order it is written, each edit with its place.
pub(super) fn refuse(list: &[(&Edit, &Place)], reader: &mut Reader<'_>) {
    let up: Vec<usize> = (0..list.len()).collect();
    let down: Vec<usize> = up.iter().rev().copied().collect();
    let mut told = Vec::new();
    for (direction, order) in [(Direction::Up, up), (Direction::Down, down)] {
        for (one, other, place) in overlaps(list, direction, &order) {
            let (first, later) = (one.min(other), one.max(other));
            // Most are there in both directions.
            if told.contains(&(first, later)) {
                continue;
            }
            told.push((first, later));
            let way = if direction == Direction::Up { "" } else { " on the way down" };
            let message = format!("creates \"{place}\"{way}, as {} at {} does", list[first].0.op.name(), list[first].1);
            let help =
                "take one of them out, name another place, or let an op between them take the first one's value away";
            let finding = Finding::error(list[later].1, "overlap", message, help);
            reader.push(finding.of_op(list[later].0.op.name()).at_pointer(&place.to_string()));
        }
    }
}

/// Pairs of ops that create the same place.
fn overlaps(list: &[(&Edit, &Place)], direction: Direction, order: &[usize]) -> Vec<(usize, usize, Pointer)> {
    let (mut found, mut created) = (Vec::new(), Vec::<(Pointer, usize)>::new());
    for &index in order {
        let edit = list[index].0;
        let Effects { moves, creates, takes } = effects(edit, direction);
        let carried = created.into_iter().filter_map(|(place, by)| {
            if let Some((from, to)) = moves.iter().find(|(from, _)| below(&place, from).is_some()) {
                // What stands at the very place is the op's own from here on.
                let rest = below(&place, from).filter(|rest| !rest.is_empty())?;
                return Some((to.join(&Pointer::of_segments(rest)), by));
            }
            takes.iter().all(|taken| below(&place, taken).is_none()).then_some((place, by))
        });
        created = carried.collect();
        for place in creates.into_iter().chain(moves.into_iter().map(|(_, to)| to)) {
            let same = created.iter().find(|(known, by)| *known == place && !exclude(list[*by].0, edit));
            found.extend(same.map(|(_, by)| (*by, index, place.clone())));
            created.push((place, index));
        }
    }
    found
}

/// What of `place` is below `top`; empty where it is the same.
fn below<'p>(place: &'p Pointer, top: &Pointer) -> Option<&'p [Segment]> {
    place.segments().strip_prefix(top.segments())
}

/// Whether no body lets both of them work: they are guarded by different values of one member.
fn exclude(one: &Edit, other: &Edit) -> bool {
    one.guards.iter().any(|guard| {
        other.guards.iter().any(|against| {
            let same = one.at.segments().get(..guard.depth) == other.at.segments().get(..against.depth)
                && guard.path == against.path;
            same && guard.values.iter().all(|value| !against.values.contains(value))
        })
    })
}

fn effects(edit: &Edit, direction: Direction) -> Effects {
    let at =
        |names: &[&Name]| names.iter().fold(edit.at.clone(), |place, name| place.then(Segment::Name((*name).clone())));
    let places = |names: &[Name]| at(&names.iter().collect::<Vec<_>>());
    let up = direction == Direction::Up;
    let turned = |from: Pointer, to: Pointer| if up { (from, to) } else { (to, from) };
    match &edit.op {
        Op::Rename(pairs) => Effects {
            moves: pairs.iter().map(|(old, new)| turned(at(&[old]), at(&[new]))).collect(),
            ..Effects::default()
        },
        Op::Move { from, to } => Effects { moves: vec![turned(places(from), places(to))], ..Effects::default() },
        Op::Nest(group) => grouped(group, up, &at),
        Op::Unnest(group) => grouped(group, !up, &at),
        Op::Add { path, .. } if up => creating(edit.at.join(path)),
        Op::Remove { path, down } if !up && *down != Comeback::Absent => creating(edit.at.join(path)),
        Op::Add { path, .. } | Op::Remove { path, .. } => {
            Effects { takes: vec![edit.at.join(path)], ..Effects::default() }
        }
        Op::Split(pieces) | Op::Merge(pieces) => {
            let whole = vec![at(&[&pieces.whole])];
            let parts = pieces.parts.iter().map(|part| at(&[part])).collect();
            let cuts = matches!(edit.op, Op::Split(_)) == up;
            let (takes, creates) = if cuts { (whole, parts) } else { (parts, whole) };
            Effects { takes, creates, ..Effects::default() }
        }
        Op::Convert { .. }
        | Op::Scale { .. }
        | Op::Map { .. }
        | Op::Wrap(_)
        | Op::Unwrap(_)
        | Op::ElemWrap { .. }
        | Op::Index { .. }
        | Op::DropElems { .. }
        | Op::Jq { .. } => Effects::default(),
    }
}

fn creating(place: Pointer) -> Effects {
    Effects { creates: vec![place], ..Effects::default() }
}

/// - `collects`: members go into the container; else out of it.
fn grouped(group: &Group, collects: bool, at: &dyn Fn(&[&Name]) -> Pointer) -> Effects {
    let container = at(&[&group.container]);
    let pairs = group.members.iter().map(|(inner, outer)| (at(&[outer]), at(&[&group.container, inner])));
    if !collects {
        let moves = pairs.map(|(outer, inner)| (inner, outer)).collect();
        return Effects { moves, takes: vec![container], ..Effects::default() };
    }
    // Merged into an object that is there already.
    let creates = if group.rest == Rest::Keep { Vec::new() } else { vec![container] };
    Effects { moves: pairs.collect(), creates, ..Effects::default() }
}
