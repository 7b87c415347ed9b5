//! Lists of edits: one op an entry, groups under `at:`, and shapes that are used by name.

use std::collections::BTreeMap;

use super::{guard, loss, ops, overlap, reader::Reader};
use crate::{
    adaptation::{
        loss::Side,
        op::{Comeback, Conflict, Edit, Guard, List, Lossy, Op},
        pointer::{Pointer, Segment},
    },
    config::{
        finding::{Finding, Place},
        tree::Node,
    },
};

/// What may stand beside an op.
const BESIDE: [&str; 5] = ["at", "strict", "conflict", "lossy", "when"];

/// The `shapes:` of a change, read when they are first used.
pub(super) struct Shapes<'n> {
    shapes: BTreeMap<&'n str, Shape<'n>>,
}

enum Shape<'n> {
    Unread(&'n Node),
    /// Being read: using it now would never end.
    Reading,
    Read(Vec<Placed>),
}

/// An edit, and where it stands for the findings of those who use it.
#[derive(Clone)]
struct Placed {
    place: Place,
    /// The op itself, in a shape or in the list.
    origin: Place,
    edit: Edit,
}

impl<'n> Shapes<'n> {
    /// Reads all shapes, used or not, so that all findings come at once.
    pub(super) fn read(node: Option<&'n Node>, reader: &mut Reader<'_>) -> Self {
        let mut shapes = Self { shapes: BTreeMap::new() };
        let Some(node) = node.filter(|node| !node.is_null()) else { return shapes };
        let Some(members) = node.map() else {
            let message = format!("shapes is {}, not a mapping from names to lists", node.kind());
            reader.error(node, "wrong-type", message, "write shapes: {Name: [...]}");
            return shapes;
        };
        for (key, list) in members {
            shapes.shapes.insert(key.text().unwrap_or_default(), Shape::Unread(list));
        }
        for (key, _) in members {
            shapes.shape(key.text().unwrap_or_default(), reader);
        }
        shapes
    }

    /// Reads a list of an operation: its edits, and where each is written.
    pub(super) fn list(
        &mut self,
        node: &Node,
        what: &str,
        side: Side,
        reader: &mut Reader<'_>,
    ) -> (Vec<Edit>, Vec<Place>) {
        let placed = self.entries(node, what, reader);
        for placed in &placed {
            reader.op = Some(placed.edit.op.name().to_owned());
            refuse_deleted_elements(placed, reader);
            refuse_many_stashed(placed, reader);
            loss::refuse_undeclared(&placed.edit, side, &placed.place, reader);
            guard::refuse_changed(&placed.edit, &placed.place, reader);
        }
        reader.op = None;
        overlap::refuse(&placed.iter().map(|placed| (&placed.edit, &placed.place)).collect::<Vec<_>>(), reader);
        placed.into_iter().map(|placed| (placed.edit, placed.origin)).unzip()
    }

    fn entries(&mut self, node: &Node, what: &str, reader: &mut Reader<'_>) -> Vec<Placed> {
        if node.is_null() {
            return Vec::new();
        }
        let items = reader.items(node, what, "write each op as `- op: ...`").unwrap_or_default();
        items.iter().flat_map(|entry| self.entry(entry, reader)).collect()
    }

    fn entry(&mut self, node: &Node, reader: &mut Reader<'_>) -> Vec<Placed> {
        let known: Vec<&str> = ops::KNOWN.iter().chain(&BESIDE).chain(&["use", "ops"]).copied().collect();
        let Some(members) = node.map() else {
            reader.error(
                node,
                "wrong-type",
                format!("an op is a mapping, not {}", node.kind()),
                "write `- rename: {a: b}`",
            );
            return Vec::new();
        };
        let mut verbs = Vec::new();
        for (key, value) in members {
            match key.text().unwrap_or_default() {
                text if BESIDE.contains(&text) => {}
                text if known.contains(&text) => verbs.push(Some((text, value))),
                text => {
                    reader.unknown(key, "unknown-op", &format!("there is no op {text:?}"), text, &known);
                    verbs.push(None);
                }
            }
        }
        let at = node.get("at").map_or(Some(Pointer::default()), |at| reader.pointer(at, "at"));
        let guard = node.get("when").map(|when| guard::read(when, reader));
        let strict = reader.flag(node, "strict");
        let conflict = reader.word(node, "conflict", &[("error", Conflict::Error), ("replace", Conflict::Replace)]);
        let lossy = node.get("lossy").map(|lossy| read_lossy(lossy, reader)).unwrap_or_default();
        let [verb] = verbs[..] else {
            let message = if verbs.is_empty() { "an entry without an op" } else { "several ops in one entry" };
            reader.error(node, "one-op", message, "write one op an entry; their order is the order they run in");
            return Vec::new();
        };
        let (Some((verb, value)), Some(at)) = (verb, at) else { return Vec::new() };
        let inside = reader.at.join(&at);
        let around = std::mem::replace(&mut reader.at, inside);
        let inner = match verb {
            "use" => self.used(value, reader),
            "ops" => self.entries(value, "ops", reader),
            _ => {
                reader.op = Some(verb.to_owned());
                let read = ops::read(verb, value, reader);
                reader.op = None;
                match read {
                    Some((at, op)) => {
                        let key = members.iter().find(|(key, _)| key.text() == Some(verb)).map_or(node, |(key, _)| key);
                        vec![Placed { place: value.place.clone(), origin: key.place.clone(), edit: Edit::new(at, op) }]
                    }
                    None => Vec::new(),
                }
            }
        };
        reader.at = around;
        // A guard that could not be read must not let its ops run unguarded.
        let guard = match guard {
            Some(None) => return Vec::new(),
            Some(Some((path, values))) => Some(Guard { depth: at.segments().len(), path, values }),
            None => None,
        };
        let depth = at.segments().len();
        let scoped = |Placed { place, origin, edit }: Placed| {
            // What is found wrong with a shape at this place is wrong here, not in the shape.
            let place = if verb == "use" { value.place.clone() } else { place };
            let lossy = if edit.lossy == Lossy::default() { lossy.clone() } else { edit.lossy };
            let (strict, conflict) = (edit.strict || strict, edit.conflict.or(conflict));
            let inner = edit.guards.into_iter().map(|inner| Guard { depth: inner.depth + depth, ..inner });
            let guards = guard.iter().cloned().chain(inner).collect();
            Placed { place, origin, edit: Edit { at: at.join(&edit.at), guards, op: edit.op, strict, conflict, lossy } }
        };
        inner.into_iter().map(scoped).collect()
    }

    fn used(&mut self, node: &Node, reader: &mut Reader<'_>) -> Vec<Placed> {
        let Some(name) = reader.text(node, "use", "the name of a shape") else { return Vec::new() };
        match self.shapes.get(name.as_str()) {
            None => {
                let known: Vec<&str> = self.shapes.keys().copied().collect();
                reader.unknown(node, "unknown-shape", &format!("there is no shape {name:?}"), &name, &known);
                Vec::new()
            }
            Some(Shape::Reading) => {
                let message = format!("the shape {name:?} uses itself");
                reader.error(node, "circular-shape", message, "take one `use:` out of the circle");
                Vec::new()
            }
            Some(_) => self.shape(&name, reader),
        }
    }

    fn shape(&mut self, name: &str, reader: &mut Reader<'_>) -> Vec<Placed> {
        let list = match self.shapes.get_mut(name) {
            Some(Shape::Read(edits)) => return edits.clone(),
            Some(shape @ Shape::Unread(_)) => std::mem::replace(shape, Shape::Reading),
            Some(Shape::Reading) | None => return Vec::new(),
        };
        let Shape::Unread(list) = list else { return Vec::new() };
        // A shape is read once, wherever it is used.
        let around = std::mem::take(&mut reader.at);
        let edits = self.entries(list, "a shape", reader);
        reader.at = around;
        if let Some(shape) = self.shapes.get_mut(name) {
            *shape = Shape::Read(edits.clone());
        }
        edits
    }
}

/// Reads a list that uses no shape.
#[cfg(test)]
pub(crate) fn read_list(node: &Node, findings: &mut Vec<crate::config::finding::Finding>) -> Vec<Edit> {
    let mut reader = Reader::new(findings);
    let mut shapes = Shapes { shapes: BTreeMap::new() };
    let edits = shapes.list(node, "ops", Side::Response, &mut reader).0;
    // The examples that are read this way leave reasons out, and show what ops do to strays.
    findings.retain(|finding| !matches!(finding.code, "undeclared-loss" | "overlap"));
    edits
}

fn read_lossy(node: &Node, reader: &mut Reader<'_>) -> Lossy {
    if reader.members(node, "lossy", &["up", "down"]).is_none() {
        return Lossy::default();
    }
    let mut reason = |key| {
        let written = node.get(key)?;
        let reason = reader.text(written, key, "the reason, for the changelog")?;
        if reason.trim().is_empty() {
            reader.error(written, "bad-value", format!("{key} gives no reason"), "say why, for the changelog");
            return None;
        }
        Some(reason)
    };
    Lossy { up: reason("up"), down: reason("down") }
}

/// An array's elements keep their places: no op may take one out, nor the whole body away.
fn refuse_deleted_elements(placed: &Placed, reader: &mut Reader<'_>) {
    let (Op::Wrap(List { path, empty_is_null: false, .. }) | Op::Unwrap(List { path, empty_is_null: false, .. })) =
        &placed.edit.op
    else {
        return;
    };
    let full = placed.edit.at.join(path);
    if let None | Some(Segment::Each) = full.segments().last() {
        let message = format!("an empty array at \"{full}\" would become absent, and only members of an object can be");
        let finding = Finding::error(&placed.place, "deletes-element", message, "write empty: null");
        reader.push(finding.at_pointer(&full.to_string()));
    }
}

/// A stash keeps one value, so it has to come from one place.
fn refuse_many_stashed(placed: &Placed, reader: &mut Reader<'_>) {
    let Op::Remove { path, down: Comeback::Stash(name) } = &placed.edit.op else { return };
    let full = placed.edit.at.join(path);
    if full.names().is_none() {
        let message = format!("the stash {name:?} keeps one value, and \"{full}\" can be many");
        let help = "write down: {value: ...} or stash a single member";
        reader.push(Finding::error(&placed.place, "not-invertible", message, help).at_pointer(&full.to_string()));
    }
}
