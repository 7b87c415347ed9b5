//! `response:` of an operation: lists by status, and by the type of server-sent events.

use super::{edits::Shapes, reader::Reader};
use crate::{
    adaptation::{
        change::{MESSAGE, StatusKey},
        loss::Side,
        op::Edit,
    },
    config::{finding::Place, tree::Node},
};

/// The key beside the statuses under which the event types stand.
const EVENTS: &str = "events";

/// What `response:` holds, each list with the places of its ops.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) by_status: Vec<(StatusKey, Vec<Edit>)>,
    pub(super) places: Vec<Vec<Place>>,
    pub(super) by_event: Vec<(Box<str>, Vec<Edit>)>,
    pub(super) event_places: Vec<Vec<Place>>,
}

/// Reads `{2xx: [...], events: {delta: [...]}}`.
pub(super) fn read(node: &Node, shapes: &mut Shapes<'_>, reader: &mut Reader<'_>) -> Lists {
    let mut lists = Lists::default();
    let Some(entries) = node.map() else {
        let message = format!("response is {}, not a mapping from statuses to lists", node.kind());
        reader.error(node, "wrong-type", message, "write response: {2xx: [...]}; keys are 200, 2xx, default or events");
        return lists;
    };
    for (key, list) in entries {
        let text = key.text().unwrap_or_default();
        if text == EVENTS {
            events(list, &mut lists, shapes, reader);
            continue;
        }
        let status = StatusKey::parse(text);
        if status.is_none() {
            let help = "write a status (200), a class (4xx), default, or events: {TYPE: [...]}";
            reader.error(key, "bad-status", format!("{text:?} is no status"), help);
        }
        // What is wrong with the list is said all the same.
        if status.is_some() || list.list().is_some() {
            let (edits, places) = shapes.list(list, "a response list", Side::Response, reader);
            lists.by_status.extend(status.map(|status| (status, edits)));
            lists.places.extend(status.map(|_| places));
        }
    }
    lists
}

fn events(node: &Node, lists: &mut Lists, shapes: &mut Shapes<'_>, reader: &mut Reader<'_>) {
    let Some(entries) = node.map().filter(|entries| !entries.is_empty()) else {
        let message = "events is no mapping from event types to lists";
        reader.error(node, "wrong-type", message, "write events: {delta: [...]}");
        return;
    };
    for (key, list) in entries {
        let (edits, places) = shapes.list(list, "an event's list", Side::Response, reader);
        // A plain null is a type of that name.
        let kind = if key.is_null() { "null" } else { key.text().unwrap_or_default() };
        if kind.is_empty() {
            let message = "an event type is empty, and events without a type have another name";
            reader.error(key, "bad-value", message, format!("write {MESSAGE}: for events that name no type"));
        } else if kind.contains(['\n', '\r', '\0']) {
            let message = format!("{kind:?} cannot be the type of an event, which is written on one line");
            reader.error(key, "bad-value", message, "write what stands behind `event:`");
        } else {
            lists.by_event.push((kind.into(), edits));
            lists.event_places.push(places);
        }
    }
}
