//! From an op as written to the step of one direction.

use std::sync::Arc;

use super::{Action, Step, pieces::Pieces, visit::Guard};
use crate::adaptation::{
    change::Direction,
    literal::{Literal, quote},
    op::{self, Comeback, Edit, Group, List, Op},
    pointer::{Name, Pointer},
    scalar::Key,
};

impl Step {
    /// What `edit` does in `direction`. Every op gives a step both ways, if only one that looks at
    /// the names on its path: a touched name may occur once, whether or not the op does something.
    pub(in crate::adaptation) fn of(edit: &Edit, change: &Arc<str>, direction: Direction) -> Self {
        let (inner, action) = match &edit.op {
            Op::Rename(pairs) => (Pointer::default(), Action::Rename(oriented(pairs, direction))),
            Op::Move { from, to } => (Pointer::default(), relocation(from, to, direction)),
            Op::Nest(group) => (Pointer::default(), grouping(group, direction)),
            Op::Unnest(group) => (Pointer::default(), grouping(group, direction.reverse())),
            Op::Add { path, value, replaces_null } => match direction {
                Direction::Up => setting(path, value.as_ref(), true, *replaces_null),
                Direction::Down => (path.clone(), Action::Delete { narrows: true }),
            },
            Op::Remove { path, down } => match direction {
                Direction::Up => match down {
                    Comeback::Stash(name) => (path.clone(), Action::Stash(name.clone())),
                    Comeback::Absent | Comeback::Value(_) => (path.clone(), Action::Delete { narrows: false }),
                },
                Direction::Down => match (down, path.split_name()) {
                    (Comeback::Stash(stash), Some((parent, name))) => {
                        (parent, Action::Recall { name: name.clone(), stash: stash.clone() })
                    }
                    (Comeback::Value(value), _) => setting(path, Some(value), false, false),
                    _ => (path.clone(), Action::Look),
                },
            },
            Op::Convert { path, from, to, on_error } => {
                let (from, to) = if direction == Direction::Up { (*from, *to) } else { (*to, *from) };
                (path.clone(), Action::Convert { from, to, otherwise: on_error.clone() })
            }
            Op::Map { path, pairs, up_else, down_else } => {
                let otherwise = if direction == Direction::Up { up_else } else { down_else }.clone();
                let pairs = oriented(pairs, direction).into_iter().map(|(old, new)| (Key::of(&old), new)).collect();
                (path.clone(), Action::Map { pairs, otherwise })
            }
            Op::Wrap(list) => (list.path.clone(), wrapping(list, direction)),
            Op::Unwrap(list) => (list.path.clone(), wrapping(list, direction.reverse())),
            Op::Scale { path, pow10 } => {
                let pow10 = if direction == Direction::Up { *pow10 } else { -*pow10 };
                (path.clone(), Action::Scale { pow10 })
            }
            Op::Split(pieces) => (Pointer::default(), cutting(pieces, direction)),
            Op::Merge(pieces) => (Pointer::default(), cutting(pieces, direction.reverse())),
            Op::ElemWrap { path, key } => match direction {
                Direction::Up => (path.clone(), Action::WrapAll(key.clone())),
                Direction::Down => (path.clone(), Action::UnwrapAll(key.clone())),
            },
            Op::Index { path, key } => match direction {
                Direction::Up => (path.clone(), Action::Index(key.clone())),
                Direction::Down => (path.clone(), Action::List(key.clone())),
            },
            Op::DropElems { path, by, keep } => {
                let drops = direction == Direction::Down;
                (path.clone(), Action::SortOut { by: by.clone(), keep: keep.iter().map(Key::of).collect(), drops })
            }
            Op::Jq { path, up, down, .. } => {
                let filter = if direction == Direction::Up { Some(up) } else { down.as_ref() };
                (path.clone(), filter.map_or(Action::Look, |filter| Action::Jq(filter.clone())))
            }
        };
        Self {
            change: change.clone(),
            op: edit.op.name(),
            strict: edit.strict,
            conflict: edit.conflict,
            at: edit.at.join(&inner),
            guards: edit.guards.iter().map(guard).collect(),
            action,
        }
    }
}

fn guard(guard: &op::Guard) -> Guard {
    let values = guard.values.iter().map(Key::of).collect();
    Guard { depth: guard.depth, path: guard.path.clone(), values }
}

fn cutting(pieces: &op::Pieces, direction: Direction) -> Action {
    let op::Pieces { whole, parts, separator } = pieces.clone();
    let quoted = quote(&separator);
    let escaped = quoted[1..quoted.len() - 1].into();
    let pieces = Pieces { whole, parts, separator: separator.into_bytes().into(), escaped };
    if direction == Direction::Up { Action::Cut(pieces) } else { Action::Join(pieces) }
}

fn oriented<T: Clone>(pairs: &[(T, T)], direction: Direction) -> Vec<(T, T)> {
    let turn = |(old, new): &(T, T)| match direction {
        Direction::Up => (old.clone(), new.clone()),
        Direction::Down => (new.clone(), old.clone()),
    };
    pairs.iter().map(turn).collect()
}

fn relocation(from: &[Name], to: &[Name], direction: Direction) -> Action {
    let (from, to) = if direction == Direction::Up { (from, to) } else { (to, from) };
    Action::Move { from: from.to_vec(), to: to.to_vec() }
}

fn grouping(group: &Group, direction: Direction) -> Action {
    let Group { container, members, rest, always, mismatch_is_error } = group.clone();
    match direction {
        Direction::Up => {
            Action::Collect { into: container, members, merges: rest == crate::adaptation::op::Rest::Keep, always }
        }
        Direction::Down => Action::Scatter { from: container, members, rest, mismatch_is_error },
    }
}

fn setting(path: &Pointer, value: Option<&Literal>, only_absent: bool, replaces_null: bool) -> (Pointer, Action) {
    match (path.split_name(), value) {
        (Some((parent, name)), Some(value)) => {
            (parent, Action::Set { name: name.clone(), value: value.clone(), only_absent, replaces_null })
        }
        _ => (path.clone(), Action::Look),
    }
}

fn wrapping(list: &List, direction: Direction) -> Action {
    match direction {
        Direction::Up => Action::Wrap { null_is_empty: list.null_is_empty },
        Direction::Down => Action::Unwrap { many: list.many, empty_is_null: list.empty_is_null },
    }
}
