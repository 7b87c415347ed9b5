//! Nest and unnest: members of an object go into an object of their own, and back.

use super::{
    Fault, Outcome,
    visit::{find, readable},
};
use crate::adaptation::{
    error::Reason,
    op::Rest,
    pointer::Name,
    tree::{Member, Node, Object},
};

/// How members are collected.
pub(super) struct Collect {
    /// `rest: keep`: an object that stands at the place already is merged into the new one.
    pub(super) merges: bool,
    /// Whether an empty object is made of nothing.
    pub(super) always: bool,
    /// `conflict: error`.
    pub(super) refuses: bool,
}

/// Collects the present `members` (inner and outer names) in document order; the new object takes
/// the place of the first of them.
pub(super) fn collect<'a>(
    object: &mut Object<'a>,
    into: &'a Name,
    members: &'a [(Name, Name)],
    rule: Collect,
) -> Result<Outcome, Fault> {
    let at_place = find(object, into)?;
    let mut found: Vec<(usize, &'a Name)> = Vec::new();
    for (inner, outer) in members {
        found.extend(find(object, outer)?.map(|index| (index, inner)));
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    let stray = at_place.filter(|index| found.iter().all(|(source, _)| source != index));
    if rule.merges
        && let Some(index) = stray
    {
        look_inside(&mut object.members[index].value, members).map_err(|fault| fault.under(into.as_str()))?;
    }
    let Some(&(first, _)) = found.first() else {
        if rule.always && at_place.is_none() {
            object.push(into, Node::Object(Object::default()));
            return Ok(Outcome::Changed);
        }
        return Ok(Outcome::Same);
    };

    let take = |object: &mut Object<'a>, index: usize| {
        std::mem::replace(&mut object.members[index].value, Node::Text(b"null"))
    };
    let mut inside: Vec<Member<'a>> =
        found.iter().map(|&(index, inner)| Member { key: inner.into(), value: take(object, index) }).collect();
    if let Some(index) = stray {
        match take(object, index).object() {
            Some(old) if rule.merges => {
                merge(&mut inside, old, &found, rule.refuses).map_err(|fault| fault.under(into.as_str()))?
            }
            _ if rule.refuses => return Err(Fault::of(Reason::Conflict, into)),
            _ => {}
        }
    }
    let value = Node::Object(Object { text: None, members: inside });
    object.members[first] = Member { key: into.into(), value };
    let mut index = 0;
    object.members.retain(|_| {
        let goes = Some(index) == stray || found[1..].iter().any(|(source, _)| *source == index);
        index += 1;
        !goes
    });
    object.text = None;
    Ok(Outcome::Changed)
}

/// The names that a merge compares may occur once each.
fn look_inside(node: &mut Node<'_>, members: &[(Name, Name)]) -> Result<(), Fault> {
    match node.object() {
        Some(object) => members.iter().try_for_each(|(inner, _)| find(object, inner).map(|_| ())),
        None => Ok(()),
    }
}

/// Adds the members of `old` that were not collected; a member of both comes from outside.
fn merge<'a>(
    inside: &mut Vec<Member<'a>>,
    old: &mut Object<'a>,
    found: &[(usize, &'a Name)],
    refuses: bool,
) -> Result<(), Fault> {
    for (_, inner) in found {
        if let Some(index) = find(old, inner)? {
            if refuses {
                return Err(Fault::of(Reason::Conflict, inner));
            }
            old.take(index);
        }
    }
    inside.append(&mut old.members);
    Ok(())
}

/// How an object is taken apart.
pub(super) struct Scatter {
    /// What becomes of members that have no place outside.
    pub(super) rest: Rest,
    /// Whether a value that is no object is refused; else it passes.
    pub(super) mismatch_is_error: bool,
    /// `conflict: error`.
    pub(super) refuses: bool,
}

/// Spreads the object at `from` where it stands, in its own order; a kept rest follows.
pub(super) fn scatter<'a>(
    object: &mut Object<'a>,
    from: &'a Name,
    members: &'a [(Name, Name)],
    rule: Scatter,
    narrowed: &mut bool,
) -> Result<Outcome, Fault> {
    for (_, outer) in members {
        find(object, outer)?;
    }
    let Some(index) = find(object, from)? else { return Ok(Outcome::Same) };
    let value = &mut object.members[index].value;
    if value.is_null() {
        object.take(index);
        return Ok(Outcome::Changed);
    }
    let Some(container) = value.object() else {
        return if rule.mismatch_is_error { Err(Fault::of(Reason::Shape, from)) } else { Ok(Outcome::Same) };
    };

    let mut names: Vec<(usize, &'a Name)> = Vec::new();
    for (inner, outer) in members {
        let found = find(container, inner).map_err(|fault| fault.under(from.as_str()))?;
        names.extend(found.map(|index| (index, outer)));
    }
    let outer = |index: usize| names.iter().find(|(inside, _)| *inside == index).map(|(_, outer)| *outer);
    if rule.rest == Rest::Error
        && let Some(extra) = (0..container.members.len()).find(|index| outer(*index).is_none())
    {
        let name = readable(container.members[extra].key.text);
        return Err(Fault::here(Reason::Rest).under(&name).under(from.as_str()));
    }
    let mut spread = Vec::with_capacity(container.members.len() + 1);
    let mut rest = Vec::new();
    for (index, member) in std::mem::take(&mut container.members).into_iter().enumerate() {
        match outer(index) {
            Some(name) => spread.push(Member { key: name.into(), value: member.value }),
            None => rest.push(member),
        }
    }
    if !rest.is_empty() {
        if rule.rest == Rest::Keep {
            let value = Node::Object(Object { text: None, members: rest });
            spread.push(Member { key: object.members[index].key, value });
        } else {
            *narrowed = true;
        }
    }

    let mut strays = Vec::new();
    for (_, outer) in &names {
        strays.extend(find(object, outer)?.filter(|stray| *stray != index));
        if rule.refuses && !strays.is_empty() {
            return Err(Fault::of(Reason::Conflict, outer));
        }
    }
    let old = std::mem::take(&mut object.members);
    for (place, member) in old.into_iter().enumerate() {
        if place == index {
            object.members.append(&mut spread);
        } else if !strays.contains(&place) {
            object.members.push(member);
        }
    }
    object.text = None;
    Ok(Outcome::Changed)
}
