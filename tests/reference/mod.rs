//! Every op of the change language a second time, as plainly as it can be said: a tree, recursion
//! and copies. Written from the language's description, not from the engine; where the two
//! differ, one of them is wrong.

#![allow(dead_code, reason = "the fuzz target and the tests use different parts")]

pub mod compare;
pub mod generate;
pub mod json;
mod ops;
mod scalars;

use json::{Json, is};
use vergate::adaptation::{
    change::Direction,
    op::{Comeback, Conflict, Edit, Op, Otherwise},
    pointer::{Pointer, Segment},
};

/// The `reason` of a refusal.
pub type Refused = &'static str;

/// What goes along from step to step.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub patch: bool,
    pub narrowed: bool,
    /// What `stash` keeps, by name: there is one change only.
    pub stash: Vec<(String, Json)>,
}

/// What becomes of the value an op was given.
pub(crate) enum Fate {
    Stays,
    Goes,
}

/// Runs a list in one direction.
pub fn run(edits: &[Edit], direction: Direction, body: &mut Json, context: &mut Context) -> Result<(), Refused> {
    let ordered: Vec<&Edit> =
        if direction == Direction::Up { edits.iter().collect() } else { edits.iter().rev().collect() };
    for edit in ordered {
        let step = Step { edit, up: direction == Direction::Up };
        step.visit(body, &edit.at, 0, context)?;
    }
    Ok(())
}

/// One op in the direction it runs.
pub(crate) struct Step<'e> {
    pub(crate) edit: &'e Edit,
    pub(crate) up: bool,
}

impl Step<'_> {
    /// Goes from the value at `depth` segments of `at` to everything it names.
    fn visit(&self, node: &mut Json, at: &Pointer, depth: usize, context: &mut Context) -> Result<(), Refused> {
        for guard in self.edit.guards.iter().filter(|guard| guard.depth == depth) {
            let mut here = &*node;
            for name in &guard.path {
                let Some(index) = find(here, name.as_str())? else { return Ok(()) };
                here = member(here, index);
            }
            if !guard.values.iter().any(|value| scalars::equals(here, value)) {
                return Ok(());
            }
        }
        if depth < at.segments().len() {
            return self.each_below(node, &at.segments()[depth], &mut |value| {
                self.visit(value, at, depth + 1, context).map(|()| Fate::Stays)
            });
        }
        let path = self.path();
        self.descend(node, path.segments(), context).map(|_| ())
    }

    /// Goes on to the op's own `path`.
    fn descend(&self, node: &mut Json, path: &[Segment], context: &mut Context) -> Result<Fate, Refused> {
        match path.split_first() {
            None => ops::act(self, node, context),
            Some((segment, rest)) => {
                self.each_below(node, segment, &mut |value| self.descend(value, rest, context))?;
                Ok(Fate::Stays)
            }
        }
    }

    /// Where the op works, below `at`: a member that is written has to be looked at from its object.
    fn path(&self) -> Pointer {
        match &self.edit.op {
            Op::Add { path, .. } if self.up => parent(path),
            Op::Remove { path, down } if !self.up && *down != Comeback::Absent => parent(path),
            Op::Add { path, .. }
            | Op::Remove { path, .. }
            | Op::Convert { path, .. }
            | Op::Scale { path, .. }
            | Op::Map { path, .. }
            | Op::ElemWrap { path, .. }
            | Op::Index { path, .. }
            | Op::DropElems { path, .. }
            | Op::Jq { path, .. } => path.clone(),
            Op::Wrap(list) | Op::Unwrap(list) => list.path.clone(),
            Op::Rename(_) | Op::Move { .. } | Op::Nest(_) | Op::Unnest(_) | Op::Split(_) | Op::Merge(_) => {
                Pointer::default()
            }
        }
    }

    /// Does something to every value that one segment names.
    fn each_below(
        &self,
        node: &mut Json,
        segment: &Segment,
        act: &mut dyn FnMut(&mut Json) -> Result<Fate, Refused>,
    ) -> Result<(), Refused> {
        match (segment, &mut *node) {
            (Segment::Each, Json::Array(items)) => {
                for item in items {
                    assert!(matches!(act(item)?, Fate::Stays), "elements are never taken out one by one");
                }
                Ok(())
            }
            (Segment::Values, Json::Object(members)) => {
                for (index, (name, _)) in members.iter().enumerate() {
                    if members[..index].iter().any(|(other, _)| same_name(other, name)) {
                        return Err("duplicate_member");
                    }
                }
                let mut kept = Vec::new();
                for (name, mut value) in std::mem::take(members) {
                    if let Fate::Stays = act(&mut value)? {
                        kept.push((name, value));
                    }
                }
                *members = kept;
                Ok(())
            }
            (Segment::Name(name), Json::Object(_)) => {
                let Some(index) = find(node, name.as_str())? else { return Ok(()) };
                let Json::Object(members) = node else { return Ok(()) };
                if let Fate::Goes = act(&mut members[index].1)? {
                    members.remove(index);
                }
                Ok(())
            }
            _ => self.misfit(node, "shape"),
        }
    }

    /// A value the op does not fit: null passes, another one only where nothing is strict.
    pub(crate) fn misfit(&self, node: &Json, reason: Refused) -> Result<(), Refused> {
        if self.edit.strict && !node.is_null() { Err(reason) } else { Ok(()) }
    }

    pub(crate) fn refuses_strays(&self) -> bool {
        self.edit.conflict == Some(Conflict::Error)
    }

    pub(crate) fn otherwise(&self, node: &mut Json, otherwise: &Otherwise) -> Result<(), Refused> {
        match otherwise {
            Otherwise::Error => Err("value"),
            Otherwise::Pass if self.edit.strict => Err("value"),
            Otherwise::Pass => Ok(()),
            Otherwise::Value(value) => {
                *node = Json::read(&value.to_string());
                Ok(())
            }
        }
    }
}

fn parent(path: &Pointer) -> Pointer {
    path.split_name().expect("it ends in a name").0
}

fn same_name(one: &str, other: &str) -> bool {
    json::said(&one[1..one.len() - 1]) == json::said(&other[1..other.len() - 1])
}

/// Where a member stands; none in what is no object.
pub(crate) fn find(node: &Json, name: &str) -> Result<Option<usize>, Refused> {
    let Json::Object(members) = node else { return Ok(None) };
    let mut places = members.iter().enumerate().filter(|(_, (raw, _))| is(raw, name)).map(|(index, _)| index);
    let first = places.next();
    if places.next().is_some() { Err("duplicate_member") } else { Ok(first) }
}

fn member(node: &Json, index: usize) -> &Json {
    match node {
        Json::Object(members) => &members[index].1,
        _ => unreachable!("it was found in an object"),
    }
}
