//! `status:` of an operation: pairs of statuses.

use super::reader::Reader;
use crate::config::tree::Node;

/// Statuses that decide whether there is a body (RFC 9110 sections 15.2 to 15.4): a pair with one of
/// them would have to say what becomes of it.
const BODY_RULED: [u16; 4] = [204, 205, 206, 304];

/// Reads `[[older, newer], ...]`.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Vec<(u16, u16)> {
    let mut pairs: Vec<(u16, u16)> = Vec::new();
    for item in reader.items(node, "status", "write status: [[older, newer], ...]").unwrap_or_default() {
        let Some([older, newer]) = item.list() else {
            reader.error(item, "wrong-type", "a pair is two statuses", "write [older, newer], such as [400, 422]");
            continue;
        };
        let (older, newer) = (status(older, reader), status(newer, reader));
        let (Some(older), Some(newer)) = (older, newer) else { continue };
        if older == newer {
            reader.error(item, "op-type", "both statuses are the same", "take the pair out or name another status");
        } else if older / 100 != newer / 100 {
            let message = format!("{older} and {newer} are of different classes");
            let help = "a client decides by the class what an answer means; map within it, such as [400, 422]";
            reader.error(item, "status-class", message, help);
        } else if pairs.iter().any(|(known, _)| *known == older) && pairs.iter().any(|(_, known)| *known == newer) {
            let message = format!("earlier pairs decide about {older} and {newer} already, so this one never applies");
            reader.error(item, "status-not-a-function", message, "take it out, or write it first");
        } else {
            pairs.push((older, newer));
        }
    }
    pairs
}

fn status(node: &Node, reader: &mut Reader<'_>) -> Option<u16> {
    let text = node.text().unwrap_or_default();
    let status = text.parse::<u16>().ok().filter(|status| (100..=599).contains(status) && text.len() == 3);
    let Some(status) = status else {
        reader.error(node, "bad-status", format!("{text:?} is no status"), "write a status such as 404");
        return None;
    };
    if status < 200 || BODY_RULED.contains(&status) {
        let message = format!("{status} decides whether an answer has a body, so it cannot be mapped");
        reader.error(node, "status-class", message, "leave it out: this status is passed on as it is");
        return None;
    }
    Some(status)
}
