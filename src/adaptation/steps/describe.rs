//! One line per step, for people who ask what a program does.

use std::fmt;

use super::{Action, Step, pieces::Pieces};
use crate::adaptation::{
    op::Rest,
    pointer::{Name, escape},
};

/// `rename a to b at /items/[] (qp-2.0-multimodal)`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.action.fmt(f)?;
        if !self.at.segments().is_empty() {
            write!(f, " at {}", self.at)?;
        }
        for guard in &self.guards {
            write!(f, " where {} is one of {} values", path(&guard.path), guard.values.len())?;
        }
        write!(f, " ({})", self.change)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look => f.write_str("leave as it is"),
            Self::Rename(pairs) => {
                write!(f, "rename {}", list(pairs, |(from, to)| format!("{} to {}", name(from), name(to))))
            }
            Self::Move { from, to } => write!(f, "move {} to {}", path(from), path(to)),
            Self::Collect { into, members, .. } => {
                write!(f, "nest {} into {}", list(members, |(inner, outer)| both(outer, inner)), name(into))
            }
            Self::Scatter { from, members, rest, .. } => {
                write!(f, "take {} out of {}", list(members, |(inner, outer)| both(inner, outer)), name(from))?;
                f.write_str(match rest {
                    Rest::Drop => ", drop the rest",
                    Rest::Keep => ", keep the rest",
                    Rest::Error => ", refuse a rest",
                })
            }
            Self::Set { name: member, value, only_absent, .. } => {
                write!(f, "set {} to {value}", name(member))?;
                f.write_str(if *only_absent { " if absent" } else { "" })
            }
            Self::Delete { .. } => f.write_str("delete the member"),
            Self::Stash(stash) => write!(f, "delete the member and keep it as {stash:?}"),
            Self::Recall { name: member, stash } => write!(f, "set {} to what was kept as {stash:?}", name(member)),
            Self::Convert { from, to, .. } => write!(f, "convert {} to {}", from.as_str(), to.as_str()),
            Self::Scale { pow10 } => write!(f, "multiply by ten to the power of {pow10}"),
            Self::Map { pairs, .. } => write!(f, "map {} values", pairs.len()),
            Self::Wrap { .. } => f.write_str("make an array of the value"),
            Self::Unwrap { .. } => f.write_str("make a value of the array"),
            Self::Cut(pieces) => {
                write!(f, "cut {} at {} into {}", name(&pieces.whole), separator(pieces), list(&pieces.parts, name))
            }
            Self::Join(pieces) => {
                write!(f, "join {} with {} into {}", list(&pieces.parts, name), separator(pieces), name(&pieces.whole))
            }
            Self::WrapAll(key) => write!(f, "make an object with {} of each element", name(key)),
            Self::UnwrapAll(key) => write!(f, "make each element what its {} holds", name(key)),
            Self::Index(key) => write!(f, "make a map of the array by {}", name(key)),
            Self::List(key) => write!(f, "make an array of the map, names as {}", name(key)),
            Self::SortOut { by, keep, drops: true } => {
                write!(f, "drop elements whose {} is none of {} values", path(by), keep.len())
            }
            Self::Jq(filter) => write!(f, "run the jq program {:?}", filter.as_str()),
            Self::SortOut { by, .. } => write!(f, "look at {} of each element", path(by)),
        }
    }
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn both(from: &Name, to: &Name) -> String {
    if from == to { name(from) } else { format!("{} as {}", name(from), name(to)) }
}

fn separator(pieces: &Pieces) -> String {
    format!("\"{}\"", String::from_utf8_lossy(&pieces.escaped))
}

fn name(name: &Name) -> String {
    let text = name.as_str();
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    if plain { text.to_owned() } else { format!("{text:?}") }
}

fn path(names: &[Name]) -> String {
    names.iter().map(|name| format!("/{}", escape(name.as_str()))).collect()
}
