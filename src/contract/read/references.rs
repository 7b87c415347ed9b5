//! `$ref`: into the same file, or into another one beside it.

use std::{
    ops::Deref,
    path::{Component, Path, PathBuf},
    sync::{Arc, OnceLock},
};

use percent_encoding::percent_decode_str;

use super::Reader;
use crate::{
    config::{finding::Place, tree::Node},
    contract::schema::{Definition, Reference, Values},
};

/// Where a definition stands: file and JSON pointer.
pub(super) type Key = (PathBuf, String);

/// Definitions that may be merged into each other at once (`allOf` of `allOf` of …).
const MERGING_MAX: usize = 32;

/// What a `$ref` leads to: a file's tree, and where in it. Trees are shared: large documents refer to much.
pub(super) struct Target {
    tree: Arc<Node>,
    pub(super) key: Key,
}

impl Target {
    /// The node; it is there, or there would be no target.
    pub(super) fn node(&self) -> &Node {
        descend(&self.tree, &self.key.1).unwrap_or(&self.tree)
    }
}

/// A node, or what it refers to.
pub(super) enum Resolved<'n> {
    /// It was no reference.
    Here(&'n Node),
    /// It was one.
    There(Target),
}

impl Deref for Resolved<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        match self {
            Self::Here(node) => node,
            Self::There(target) => target.node(),
        }
    }
}

impl Reader<'_> {
    /// What `text` leads to.
    pub(super) fn locate(&mut self, text: &str, place: &Place) -> Option<Target> {
        let (file, fragment) = text.split_once('#').unwrap_or((text, ""));
        if file.contains("://") {
            let message = format!("{text:?} leads to another host");
            self.error(place, "remote-ref", message, "keep the file beside this one and name it relative to here");
            return None;
        }
        let fragment = percent_decode_str(fragment).decode_utf8_lossy().into_owned();
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let message = format!("{text:?} names an anchor, and those are not followed");
            self.error(place, "bad-ref", message, "write a pointer such as #/components/schemas/Order");
            return None;
        }
        let path = if file.is_empty() { place.file.to_path_buf() } else { beside(&place.file, file) };
        let tree = self.load(&path, place)?;
        if descend(&tree, &fragment).is_none() {
            let message = format!("{text:?} leads to nothing in {}", path.display());
            self.error(place, "bad-ref", message, "correct the pointer, or add what it names");
            return None;
        }
        Some(Target { tree, key: (path, fragment) })
    }

    /// The schema `text` leads to, by name.
    pub(super) fn schema_reference(&mut self, text: &str, place: &Place) -> Option<Reference> {
        let target = self.locate(text, place)?;
        if let Some(known) = self.definitions.get(&target.key) {
            return Some(Reference::to(known));
        }
        let definition = Arc::new(Definition { name: self.name_of(&target.key), schema: OnceLock::new() });
        self.definitions.insert(target.key.clone(), definition.clone());
        self.listed.push(definition.clone());
        self.unread.push_back((definition.clone(), target));
        Some(Reference::to(&definition))
    }

    /// Makes sure that a definition is read, because it is going to be merged with something; whether it is.
    pub(super) fn read_now(&mut self, reference: &Reference) -> bool {
        let Some(definition) = reference.definition() else { return false };
        if let Some(index) = self.unread.iter().position(|(known, _)| Arc::ptr_eq(known, &definition))
            && self.merging < MERGING_MAX
            && let Some((definition, target)) = self.unread.remove(index)
        {
            self.merging += 1;
            let schema = self.schema(target.node());
            self.merging -= 1;
            // Nobody else sets it: it was taken off the list.
            let _ = definition.schema.set(schema);
        }
        match definition.schema().map(|schema| &schema.values) {
            Some(Values::Ref(next)) if !next.is_same(reference) => self.read_now(next),
            Some(Values::Ref(_)) | None => false,
            Some(_) => true,
        }
    }

    /// Reads the definitions that are left.
    pub(super) fn finish(&mut self) {
        while let Some((definition, target)) = self.unread.pop_front() {
            let schema = self.schema(target.node());
            let _ = definition.schema.set(schema);
        }
    }

    /// The node itself, or what its `$ref` leads to: for parameters, responses and the like.
    pub(super) fn resolved<'n>(&mut self, node: &'n Node) -> Option<Resolved<'n>> {
        const HOPS_MAX: usize = 16;
        let mut found = Resolved::Here(node);
        for _ in 0..HOPS_MAX {
            let Some(target) = found.get("$ref") else { return Some(found) };
            let Some(text) = target.text() else {
                let help = "write a pointer such as #/components/responses/Error";
                self.error(&target.place.clone(), "bad-ref", "$ref is no text", help);
                return None;
            };
            let (text, place) = (text.to_owned(), target.place.clone());
            found = Resolved::There(self.locate(&text, &place)?);
        }
        let place = found.place.clone();
        self.error(&place, "circular-ref", "this $ref leads in a circle", "let one of them say what it is");
        None
    }

    fn name_of(&self, (path, pointer): &Key) -> String {
        let last = pointer.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted = match (*path == self.root, last.as_str()) {
            (true, "") => "document".to_owned(),
            (true, _) => last,
            (false, "") => stem,
            (false, _) => format!("{stem}.{last}"),
        };
        // The names of components have to be free of slashes and the like (OpenAPI 3.1 section 4.8.7).
        let plain: String =
            wanted.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
        let taken = |name: &str| self.listed.iter().any(|known| known.name == name);
        let mut name = plain.clone();
        let mut number = 2;
        while taken(&name) {
            name = format!("{plain}_{number}");
            number += 1;
        }
        name
    }
}

/// `file` as seen from the folder of `from`.
fn beside(from: &Path, file: &str) -> PathBuf {
    let name = percent_decode_str(file).decode_utf8_lossy().into_owned();
    let joined = from.parent().unwrap_or(Path::new("")).join(name);
    let mut path = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(path.components().next_back(), Some(Component::Normal(_))) => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

fn descend<'n>(tree: &'n Node, pointer: &str) -> Option<&'n Node> {
    let segments = pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"));
    segments.into_iter().try_fold(tree, |node, name| match node.list() {
        Some(items) => items.get(name.parse::<usize>().ok()?),
        None => node.get(&name),
    })
}
