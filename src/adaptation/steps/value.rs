//! One value at a time: convert, scale, map, wrap and unwrap.

use std::borrow::Cow;

use super::{Fault, Outcome};
use crate::adaptation::{
    decimal,
    error::Reason,
    jq::{Failure, Filter},
    literal::Literal,
    op::{Many, Otherwise, ScalarType},
    scalar::{self, Key},
    tree::{Array, Node},
};

/// Changes a scalar's type; null passes.
pub(super) fn convert<'a>(
    node: &mut Node<'a>,
    from: ScalarType,
    to: ScalarType,
    otherwise: &'a Otherwise,
    strict: bool,
) -> Result<Outcome, Fault> {
    if node.is_null() {
        return Ok(Outcome::Same);
    }
    let converted = match node {
        Node::Text(text) => scalar::convert(text, from, to).map(|new| match new {
            Cow::Borrowed(new) => Node::Text(new),
            Cow::Owned(new) => Node::Made(new),
        }),
        Node::Made(text) => scalar::convert(text, from, to).map(|new| Node::Made(new.into_owned())),
        Node::Object(_) | Node::Array(_) => None,
    };
    match converted {
        Some(new) if new.text() == node.text() => Ok(Outcome::Same),
        Some(new) => {
            *node = new;
            Ok(Outcome::Changed)
        }
        None => fall_back(node, otherwise, strict),
    }
}

/// Shifts a number by digits; null passes.
pub(super) fn scale(node: &mut Node<'_>, pow10: i32, strict: bool) -> Result<Outcome, Fault> {
    let number = node.text().filter(|text| matches!(text.first(), Some(b'-' | b'0'..=b'9')));
    let reason = if number.is_some() { Reason::Value } else { Reason::Shape };
    match number.and_then(|text| decimal::scaled(text, pow10)) {
        Some(new) if node.text() == Some(new.as_slice()) => Ok(Outcome::Same),
        Some(new) => {
            *node = Node::Made(new);
            Ok(Outcome::Changed)
        }
        None if strict && !node.is_null() => Err(Fault::here(reason)),
        None => Ok(Outcome::Same),
    }
}

/// Changes a scalar's value by table; a null that is not listed passes.
pub(super) fn map<'a>(
    node: &mut Node<'a>,
    pairs: &'a [(Key, Literal)],
    otherwise: &'a Otherwise,
    strict: bool,
) -> Result<Outcome, Fault> {
    let listed = node.text().and_then(|text| pairs.iter().find(|(key, _)| key.fits(text)));
    match listed {
        Some((_, new)) => {
            *node = Node::Text(new.as_bytes());
            Ok(Outcome::Changed)
        }
        None if node.is_null() => Ok(Outcome::Same),
        None => fall_back(node, otherwise, strict),
    }
}

fn fall_back<'a>(node: &mut Node<'a>, otherwise: &'a Otherwise, strict: bool) -> Result<Outcome, Fault> {
    match otherwise {
        Otherwise::Pass if !strict => Ok(Outcome::Same),
        Otherwise::Pass | Otherwise::Error => Err(Fault::here(Reason::Value)),
        Otherwise::Value(value) => {
            *node = Node::Text(value.as_bytes());
            Ok(Outcome::Changed)
        }
    }
}

/// Makes an array of the value; arrays pass, and null unless it stands for an empty one.
pub(super) fn wrap(node: &mut Node<'_>, null_is_empty: bool) -> Outcome {
    let items = if node.is_array() {
        return Outcome::Same;
    } else if !node.is_null() {
        vec![std::mem::replace(node, Node::Text(b"null"))]
    } else if null_is_empty {
        Vec::new()
    } else {
        return Outcome::Same;
    };
    *node = Node::Array(Array { text: None, items });
    Outcome::Changed
}

/// Makes a value of the array; null passes, and other values that are no array.
pub(super) fn unwrap(node: &mut Node<'_>, many: Many, empty_is_null: bool, strict: bool) -> Result<Outcome, Fault> {
    let misfit = strict && !node.is_null();
    let Some(array) = node.array() else {
        return if misfit { Err(Fault::here(Reason::Shape)) } else { Ok(Outcome::Same) };
    };
    let mut items = std::mem::take(&mut array.items);
    let value = match (items.len(), many) {
        (0, _) if empty_is_null => Node::Text(b"null"),
        (0, _) => return Ok(Outcome::Remove),
        (1, _) | (_, Many::First) => items.swap_remove(0),
        (last, Many::Last) => items.swap_remove(last - 1),
        (_, Many::Error) => return Err(Fault::here(Reason::Many)),
    };
    *node = value;
    Ok(Outcome::Changed)
}

/// Gives the value to a program in the jq language, as text.
pub(super) fn filter(node: &mut Node<'_>, filter: &Filter) -> Result<Outcome, Fault> {
    let mut text = Vec::new();
    node.write(&mut text);
    let made = filter.run(&text).map_err(|failure| match failure {
        Failure::Duplicate => Fault::here(Reason::DuplicateMember),
        Failure::Filter => Fault::here(Reason::Jq),
    })?;
    if made == text {
        return Ok(Outcome::Same);
    }
    *node = Node::Made(made);
    Ok(Outcome::Changed)
}
