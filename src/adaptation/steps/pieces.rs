//! Split and merge: a string is cut into members, and members are joined into a string.

use super::{Fault, Outcome, visit::find};
use crate::adaptation::{
    error::Reason,
    pointer::Name,
    scalar,
    tree::{Member, Node, Object},
};

/// A string and the members that hold its parts, in the direction a step runs.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) whole: Name,
    pub(super) parts: Vec<Name>,
    /// What the string says between the parts.
    pub(super) separator: Box<[u8]>,
    /// The same as it is written inside of quotes.
    pub(super) escaped: Box<[u8]>,
}

/// Cuts the string into its parts, which stand where it stood; the last one takes what is left.
pub(super) fn cut<'a>(
    object: &mut Object<'a>,
    pieces: &'a Pieces,
    refuses: bool,
    strict: bool,
) -> Result<Outcome, Fault> {
    let mut places = Vec::with_capacity(pieces.parts.len());
    for part in &pieces.parts {
        places.push(find(object, part)?);
    }
    let Some(index) = find(object, &pieces.whole)? else { return Ok(Outcome::Same) };
    let value = &object.members[index].value;
    let Some(cut) = value.text().and_then(|text| scalar::cut(text, &pieces.separator, pieces.parts.len())) else {
        let misfit = strict && !value.is_null();
        return if misfit { Err(Fault::of(Reason::Shape, &pieces.whole)) } else { Ok(Outcome::Same) };
    };
    let quoted = |piece: &[u8]| Node::Made([b"\"".as_slice(), piece, b"\""].concat());
    let made: Vec<Member<'a>> = cut
        .into_iter()
        .zip(&pieces.parts)
        .map(|(piece, part)| Member { key: part.into(), value: quoted(piece) })
        .collect();
    let strays: Vec<usize> = places[..made.len()].iter().flatten().copied().filter(|place| *place != index).collect();
    if let (true, Some(stray)) = (refuses, strays.first()) {
        let part = pieces.parts.iter().zip(&places).find(|(_, place)| **place == Some(*stray));
        return Err(part.map_or_else(|| Fault::here(Reason::Conflict), |(part, _)| Fault::of(Reason::Conflict, part)));
    }
    replace(object, index, made, &strays);
    Ok(Outcome::Changed)
}

/// Joins the parts that are strings; the string stands where the first of them stood.
pub(super) fn join<'a>(
    object: &mut Object<'a>,
    pieces: &'a Pieces,
    refuses: bool,
    strict: bool,
) -> Result<Outcome, Fault> {
    let whole = find(object, &pieces.whole)?;
    let mut joined = Vec::with_capacity(pieces.parts.len());
    let mut text = vec![b'"'];
    let mut misfit = None;
    for part in &pieces.parts {
        let Some(index) = find(object, part)? else { continue };
        let value = &object.members[index].value;
        match value.text().and_then(|text| text.strip_prefix(b"\"")?.strip_suffix(b"\"")) {
            Some(inner) => {
                if !joined.is_empty() {
                    text.extend_from_slice(&pieces.escaped);
                }
                text.extend_from_slice(inner);
                joined.push(index);
            }
            None if strict && !value.is_null() => misfit = misfit.or(Some(part)),
            None => {}
        }
    }
    if let Some(part) = misfit {
        return Err(Fault::of(Reason::Shape, part));
    }
    let Some(&first) = joined.iter().min() else { return Ok(Outcome::Same) };
    let stray = whole.filter(|index| !joined.contains(index));
    if refuses && stray.is_some() {
        return Err(Fault::of(Reason::Conflict, &pieces.whole));
    }
    text.push(b'"');
    joined.extend(stray);
    replace(object, first, vec![Member { key: (&pieces.whole).into(), value: Node::Made(text) }], &joined);
    Ok(Outcome::Changed)
}

/// Puts `made` where the member at `index` stands and takes the `others` out.
fn replace<'a>(object: &mut Object<'a>, index: usize, made: Vec<Member<'a>>, others: &[usize]) {
    let old = std::mem::take(&mut object.members);
    object.members.reserve(old.len() + made.len());
    let mut made = Some(made);
    for (place, member) in old.into_iter().enumerate() {
        if place == index {
            object.members.append(&mut made.take().unwrap_or_default());
        } else if !others.contains(&place) {
            object.members.push(member);
        }
    }
    object.text = None;
}
