//! Elements of an array: objects of one member, maps by a member, and kinds that go.

use super::{
    Fault, Outcome,
    visit::{self, find, is_one_of, readable, refuse_repeated, repeated},
};
use crate::adaptation::{
    error::Reason,
    pointer::Name,
    scalar::Key,
    tree::{self, Array, Member, Node, Object},
};

/// Makes an object of one member of each element.
pub(super) fn wrap_all<'a>(node: &mut Node<'a>, key: &'a Name, strict: bool) -> Result<Outcome, Fault> {
    let Some(array) = open(node, strict)? else { return Ok(Outcome::Same) };
    if array.items.is_empty() {
        return Ok(Outcome::Same);
    }
    for item in &mut array.items {
        let value = std::mem::replace(item, Node::Text(b"null"));
        *item = Node::Object(Object { text: None, members: vec![Member { key: key.into(), value }] });
    }
    array.text = None;
    Ok(Outcome::Changed)
}

/// Makes each element that is an object what its member holds; one without the member goes.
pub(super) fn unwrap_all<'a>(
    node: &mut Node<'a>,
    key: &Name,
    strict: bool,
    narrowed: &mut bool,
) -> Result<Outcome, Fault> {
    let Some(array) = open(node, strict)? else { return Ok(Outcome::Same) };
    let mut kept = Vec::with_capacity(array.items.len());
    let mut changed = false;
    for (index, item) in array.items.iter_mut().enumerate() {
        let misfit = strict && !item.is_null();
        let Some(object) = item.object() else {
            if misfit {
                return Err(Fault::here(Reason::Shape).under(&index.to_string()));
            }
            kept.push(std::mem::replace(item, Node::Text(b"null")));
            continue;
        };
        changed = true;
        match find(object, key).map_err(|fault| fault.under(&index.to_string()))? {
            Some(place) => {
                *narrowed |= object.members.len() > 1;
                kept.push(object.take(place));
            }
            None => *narrowed = true,
        }
    }
    array.items = kept;
    Ok(settled(array, changed))
}

/// Makes a map of an array of objects: the member `key` of each becomes its name.
pub(super) fn index<'a>(node: &mut Node<'a>, key: &Name, strict: bool) -> Result<Outcome, Fault> {
    let Some(array) = open(node, strict)? else { return Ok(Outcome::Same) };
    let mut members = Vec::with_capacity(array.items.len());
    for (index, item) in array.items.iter_mut().enumerate() {
        members.push(named(item, key).map_err(|fault| fault.under(&index.to_string()))?);
    }
    let object = Object { text: None, members };
    if let Err(index) = repeated(&object) {
        return Err(Fault::of(Reason::IndexDuplicate, key).under(&index.to_string()));
    }
    *node = Node::Object(object);
    Ok(Outcome::Changed)
}

/// An element as a member of a map.
fn named<'a>(item: &mut Node<'a>, key: &Name) -> Result<Member<'a>, Fault> {
    let Some(object) = item.object() else { return Err(Fault::here(Reason::IndexKey)) };
    let Some(place) = find(object, key)? else { return Err(Fault::here(Reason::IndexKey)) };
    // A program begins a new pass where text that a step made could become a name.
    match object.take(place) {
        Node::Text(name @ [b'"', ..]) => {
            Ok(Member { key: tree::Key::new(name), value: std::mem::replace(item, Node::Text(b"null")) })
        }
        _ => Err(Fault::of(Reason::IndexKey, key)),
    }
}

/// Makes an array of a map: each name becomes the first member of its element.
pub(super) fn list<'a>(node: &mut Node<'a>, key: &'a Name, refuses: bool, strict: bool) -> Result<Outcome, Fault> {
    let Some(object) = visit::open(node, strict)? else { return Ok(Outcome::Same) };
    refuse_repeated(object)?;
    let mut items = Vec::with_capacity(object.members.len());
    for Member { key: name, value } in &mut object.members {
        let under = |fault: Fault| fault.under(&readable(name.text));
        let Some(element) = value.object() else { return Err(under(Fault::here(Reason::Shape))) };
        if let Some(stray) = find(element, key).map_err(under)? {
            if refuses {
                return Err(under(Fault::of(Reason::Conflict, key)));
            }
            element.take(stray);
        }
        element.members.insert(0, Member { key: key.into(), value: Node::Text(name.text) });
        element.text = None;
        items.push(std::mem::replace(value, Node::Text(b"null")));
    }
    *node = Node::Array(Array { text: None, items });
    Ok(Outcome::Changed)
}

/// Looks at the kind of each element, and takes those out that are not listed where the step `drops`.
pub(super) fn sort_out(
    node: &mut Node<'_>,
    by: &[Name],
    keep: &[Key],
    drops: bool,
    strict: bool,
    narrowed: &mut bool,
) -> Result<Outcome, Fault> {
    let Some(array) = open(node, strict)? else { return Ok(Outcome::Same) };
    let mut goes = Vec::with_capacity(array.items.len());
    for (index, item) in array.items.iter_mut().enumerate() {
        let listed = is_one_of(item, by, keep).map_err(|fault| fault.under(&index.to_string()))?;
        goes.push(drops && !listed);
    }
    let changed = goes.contains(&true);
    if changed {
        *narrowed = true;
        let mut goes = goes.into_iter();
        array.items.retain(|_| !goes.next().unwrap_or(false));
    }
    Ok(settled(array, changed))
}

fn open<'n, 'a>(node: &'n mut Node<'a>, strict: bool) -> Result<Option<&'n mut Array<'a>>, Fault> {
    let misfit = strict && !node.is_null();
    match node.array() {
        None if misfit => Err(Fault::here(Reason::Shape)),
        array => Ok(array),
    }
}

fn settled(array: &mut Array<'_>, changed: bool) -> Outcome {
    if changed {
        array.text = None;
        Outcome::Changed
    } else {
        Outcome::Same
    }
}
