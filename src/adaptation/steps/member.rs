//! Members of one object: rename and set.

use super::{Fault, Outcome, visit::find};
use crate::adaptation::{
    error::Reason,
    op::Conflict,
    pointer::Name,
    tree::{Node, Object},
};

/// Renames all at once: members keep place and value; what stands at the name of a present one goes.
pub(super) fn rename<'a>(object: &mut Object<'a>, pairs: &'a [(Name, Name)], refuses: bool) -> Result<Outcome, Fault> {
    if let [(from, to)] = pairs {
        return rename_one(object, from, to, refuses);
    }
    let mut renamed: Vec<(usize, &'a Name)> = Vec::new();
    let mut targets: Vec<(usize, &Name)> = Vec::new();
    for (from, to) in pairs {
        let source = find(object, from)?;
        let target = find(object, to)?;
        if let Some(index) = source {
            renamed.push((index, to));
            targets.extend(target.map(|index| (index, to)));
        }
    }
    if renamed.is_empty() {
        return Ok(Outcome::Same);
    }
    targets.retain(|(index, _)| !renamed.iter().any(|(source, _)| source == index));
    if let (true, Some((_, name))) = (refuses, targets.first()) {
        return Err(Fault::of(Reason::Conflict, name));
    }
    for (index, to) in renamed {
        object.members[index].key = to.into();
    }
    targets.sort_unstable_by_key(|(index, _)| *index);
    for (index, _) in targets.into_iter().rev() {
        object.take(index);
    }
    object.text = None;
    Ok(Outcome::Changed)
}

/// The same for the one pair that most ops have, without a list.
fn rename_one<'a>(object: &mut Object<'a>, from: &Name, to: &'a Name, refuses: bool) -> Result<Outcome, Fault> {
    let source = find(object, from)?;
    let target = find(object, to)?;
    let Some(source) = source else { return Ok(Outcome::Same) };
    let stray = target.filter(|target| *target != source);
    if refuses && stray.is_some() {
        return Err(Fault::of(Reason::Conflict, to));
    }
    object.members[source].key = to.into();
    object.text = None;
    if let Some(stray) = stray {
        object.take(stray);
    }
    Ok(Outcome::Changed)
}

/// How a member is written.
pub(super) struct Set {
    pub(super) only_absent: bool,
    pub(super) replaces_null: bool,
    pub(super) conflict: Option<Conflict>,
}

/// Writes a member that the other version has and this one lacks; without a value it only looks.
pub(super) fn set<'a>(
    object: &mut Object<'a>,
    name: &'a Name,
    value: Option<Node<'a>>,
    rule: Set,
) -> Result<Outcome, Fault> {
    let present = find(object, name)?;
    let Some(value) = value else { return Ok(Outcome::Same) };
    if let Some(index) = present {
        if rule.replaces_null && object.members[index].value.is_null() {
            object.members[index].value = value;
            object.text = None;
            return Ok(Outcome::Changed);
        }
        match rule.conflict {
            Some(Conflict::Error) => return Err(Fault::of(Reason::Conflict, name)),
            None if rule.only_absent => return Ok(Outcome::Same),
            None | Some(Conflict::Replace) => drop(object.take(index)),
        }
    }
    object.push(name, value);
    Ok(Outcome::Changed)
}
