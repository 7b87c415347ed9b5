//! How a step finds its places: over the path only, whatever the body nests.

use std::collections::HashSet;

use super::{Fault, Outcome};
use crate::adaptation::{
    error::Reason,
    pointer::{Name, Segment},
    scalar::{self, Key},
    tree::{Node, Object},
};

/// What has to hold for a step to go on below the value at `depth` segments of its path.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) depth: usize,
    pub(super) path: Vec<Name>,
    pub(super) values: Vec<Key>,
}

/// The way of a step through a body.
#[derive(Clone, Copy)]
pub(super) struct Way<'s> {
    pub(super) path: &'s [Segment],
    pub(super) guards: &'s [Guard],
    pub(super) strict: bool,
}

/// Runs `act` at every place that `way` leads to, from `node` at `depth` segments of it. Recurses
/// over the path only.
pub(super) fn visit<'a>(
    node: &mut Node<'a>,
    way: Way<'_>,
    depth: usize,
    act: &mut dyn FnMut(&mut Node<'a>) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    for guard in way.guards.iter().filter(|guard| guard.depth == depth) {
        if !is_one_of(node, &guard.path, &guard.values)? {
            return Ok(Outcome::Same);
        }
    }
    let Some(segment) = way.path.get(depth) else { return act(node) };
    match segment {
        Segment::Name(name) => {
            let Some(object) = open(node, way.strict)? else { return Ok(Outcome::Same) };
            let Some(index) = find(object, name)? else { return Ok(Outcome::Same) };
            let outcome = visit(&mut object.members[index].value, way, depth + 1, act)
                .map_err(|fault| fault.under(name.as_str()))?;
            Ok(settle(object, index, outcome))
        }
        Segment::Values => {
            let Some(object) = open(node, way.strict)? else { return Ok(Outcome::Same) };
            refuse_repeated(object)?;
            let mut changed = false;
            // Backwards, so that taking one out does not move those still to come.
            for index in (0..object.members.len()).rev() {
                let member = &mut object.members[index];
                let key = member.key.text;
                let outcome =
                    visit(&mut member.value, way, depth + 1, act).map_err(|fault| fault.under(&readable(key)))?;
                changed |= settle(object, index, outcome) == Outcome::Changed;
            }
            Ok(if changed { Outcome::Changed } else { Outcome::Same })
        }
        Segment::Each => each(node, way, depth + 1, act),
    }
}

fn each<'a>(
    node: &mut Node<'a>,
    way: Way<'_>,
    depth: usize,
    act: &mut dyn FnMut(&mut Node<'a>) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    let misfit = way.strict && !node.is_null();
    let Some(array) = node.array() else {
        return if misfit { Err(Fault::here(Reason::Shape)) } else { Ok(Outcome::Same) };
    };
    let mut changed = false;
    for (index, item) in array.items.iter_mut().enumerate() {
        // No op deletes the elements it visits: such ones are refused when changes are read.
        let outcome = visit(item, way, depth, act).map_err(|fault| fault.under(&index.to_string()))?;
        changed |= outcome == Outcome::Changed;
    }
    if changed {
        array.text = None;
    }
    Ok(if changed { Outcome::Changed } else { Outcome::Same })
}

/// Whether the value at `path` below `node` is one of `values`; a missing one is none of them.
pub(super) fn is_one_of(node: &mut Node<'_>, path: &[Name], values: &[Key]) -> Result<bool, Fault> {
    let mut at = node;
    for (depth, name) in path.iter().enumerate() {
        let above = |fault: Fault| path[..depth].iter().rev().fold(fault, |fault, name| fault.under(name.as_str()));
        let Some(object) = at.object() else { return Ok(false) };
        let Some(index) = find(object, name).map_err(above)? else { return Ok(false) };
        at = &mut object.members[index].value;
    }
    Ok(at.text().is_some_and(|text| values.iter().any(|value| value.fits(text))))
}

/// Lets an object know what became of one of its members.
fn settle(object: &mut Object<'_>, index: usize, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Same => return Outcome::Same,
        Outcome::Changed => object.text = None,
        Outcome::Remove => drop(object.take(index)),
    }
    Outcome::Changed
}

/// Opens an object. Null counts as absent; another value is passed by, or refused where `strict`.
pub(super) fn open<'n, 'a>(node: &'n mut Node<'a>, strict: bool) -> Result<Option<&'n mut Object<'a>>, Fault> {
    let misfit = strict && !node.is_null();
    match node.object() {
        None if misfit => Err(Fault::here(Reason::Shape)),
        object => Ok(object),
    }
}

pub(super) fn find(object: &Object<'_>, name: &Name) -> Result<Option<usize>, Fault> {
    object.find(name).map_err(|_| Fault::of(Reason::DuplicateMember, name))
}

/// Every key of a map counts as touched.
pub(super) fn refuse_repeated(object: &Object<'_>) -> Result<(), Fault> {
    repeated(object)
        .map_err(|index| Fault::here(Reason::DuplicateMember).under(&readable(object.members[index].key.text)))
}

/// The first member whose name another one before it has.
pub(super) fn repeated(object: &Object<'_>) -> Result<(), usize> {
    let mut keys = HashSet::with_capacity(object.members.len());
    for (index, member) in object.members.iter().enumerate() {
        if !keys.insert(scalar::unquote(member.key.text).unwrap_or_default()) {
            return Err(index);
        }
    }
    Ok(())
}

pub(super) fn readable(key: &[u8]) -> String {
    String::from_utf8_lossy(&scalar::unquote(key).unwrap_or_default()).into_owned()
}
