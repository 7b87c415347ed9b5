//! Where an op works: names, and pointers of names.

use super::reader::Reader;
use crate::{
    adaptation::pointer::{Name, Pointer, Segment},
    config::tree::Node,
};

/// A name, or a pointer of names.
pub(super) fn place(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Vec<Name>> {
    let text = reader.text(node, key, "a member's name or a pointer")?;
    if !text.starts_with('/') {
        return Some(vec![Name::new(&text)]);
    }
    let names = reader.pointer(node, key)?.names();
    if names.is_none() {
        let message = format!("{key} cannot hold [] or {{}}");
        reader.error(node, "bad-pointer", message, "write them into at: beside the op");
    }
    names
}

/// A member of the object that the op works on, possibly spelled as a pointer.
pub(super) fn name(node: &Node, key: &str, reader: &mut Reader<'_>) -> Option<Name> {
    let mut names = place(node, key, reader)?;
    if names.len() != 1 {
        let message = format!("{key} names a deeper place than a member");
        reader.error(node, "bad-pointer", message, "name one member here; move values to other objects with move");
        return None;
    }
    names.pop()
}

/// Members of one object, wherever it is: what leads to it, and the members' names.
pub(super) fn siblings(written: &[(&Node, &str)], reader: &mut Reader<'_>) -> Option<(Pointer, Vec<Name>)> {
    let mut parent: Option<Vec<Name>> = None;
    let mut names = Vec::with_capacity(written.len());
    for (node, key) in written {
        let mut place = place(node, key, reader)?;
        names.push(place.pop()?);
        match &parent {
            None => parent = Some(place),
            Some(known) if *known == place => {}
            Some(_) => {
                let message = format!("{key} stands in another object than the op's other members");
                let help = "name members of one object here; move values to other objects with move";
                reader.error(node, "bad-pointer", message, help);
                return None;
            }
        }
    }
    Some((Pointer::of_names(&parent.unwrap_or_default()), names))
}

/// The `path` of an op that works on a member; a pointer that ends in a name.
pub(super) fn member(node: &Node, verb: &str, reader: &mut Reader<'_>) -> Option<Pointer> {
    let place = reader.required(node, "path", "where, such as /context")?;
    let path = reader.pointer(place, "path")?;
    if let Some(Segment::Name(_)) = path.segments().last() {
        return Some(path);
    }
    let message = format!("{verb} works on a member of an object, and \"{path}\" is none");
    let pointer = reader.at.join(&path).to_string();
    reader.error_about(place, &pointer, "deletes-element", message, "let the pointer end in a name");
    None
}

/// The `path` of an op that works on any value.
pub(super) fn path(node: &Node, reader: &mut Reader<'_>) -> Option<Pointer> {
    let place = reader.required(node, "path", "where, such as /items/[]/id")?;
    reader.pointer(place, "path")
}
