//! Move: a value goes from one place below an object to another.

use super::{
    Fault, Outcome,
    visit::{find, open},
};
use crate::adaptation::{
    error::Reason,
    pointer::Name,
    tree::{Member, Node, Object},
};

/// Takes the value at `from`, with the parents that this empties, and stores it at `to`.
pub(super) fn relocate<'a>(
    node: &mut Node<'a>,
    from: &'a [Name],
    to: &'a [Name],
    refuses: bool,
    strict: bool,
) -> Result<Outcome, Fault> {
    look(node, to)?;
    match take(node, from, strict)? {
        Some(value) => store(node, to, value, refuses).map(|()| Outcome::Changed),
        None => Ok(Outcome::Same),
    }
}

/// Refuses names on `path` that occur twice.
fn look(node: &mut Node<'_>, path: &[Name]) -> Result<(), Fault> {
    let (Some((name, rest)), Some(object)) = (path.split_first(), node.object()) else { return Ok(()) };
    match find(object, name)? {
        Some(index) if !rest.is_empty() => {
            look(&mut object.members[index].value, rest).map_err(|fault| fault.under(name.as_str()))
        }
        _ => Ok(()),
    }
}

/// Recurses over the path.
fn take<'a>(node: &mut Node<'a>, path: &[Name], strict: bool) -> Result<Option<Node<'a>>, Fault> {
    let (Some((name, rest)), Some(object)) = (path.split_first(), open(node, strict)?) else { return Ok(None) };
    let Some(index) = find(object, name)? else { return Ok(None) };
    if rest.is_empty() {
        return Ok(Some(object.take(index)));
    }
    let parent = &mut object.members[index].value;
    let value = take(parent, rest, strict).map_err(|fault| fault.under(name.as_str()))?;
    if value.is_some() {
        object.text = None;
        if parent.object().is_some_and(|parent| parent.members.is_empty()) {
            object.take(index);
        }
    }
    Ok(value)
}

/// Recurses over the path; missing parents are made, a null one counts as missing.
fn store<'a>(node: &mut Node<'a>, path: &'a [Name], value: Node<'a>, refuses: bool) -> Result<(), Fault> {
    if node.is_null() {
        *node = Node::Object(Object::default());
    }
    let Some(object) = node.object() else { return Err(Fault::here(Reason::Shape)) };
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    match find(object, name)? {
        Some(index) if rest.is_empty() => {
            if refuses {
                return Err(Fault::of(Reason::Conflict, name));
            }
            object.take(index);
            object.push(name, value);
        }
        Some(index) => {
            object.text = None;
            store(&mut object.members[index].value, rest, value, refuses)
                .map_err(|fault| fault.under(name.as_str()))?;
        }
        None => {
            let value = rest.iter().rev().fold(value, |value, name| {
                Node::Object(Object { text: None, members: vec![Member { key: name.into(), value }] })
            });
            object.push(name, value);
        }
    }
    Ok(())
}
