//! Data that both ends of a chain know and a middle version lacks: the chain loses it.

use super::{prove::Subject, verdict};
use crate::{
    adaptation::{
        change::{Change, Direction, Operation},
        op::{Edit, Op},
        pointer::Pointer,
        route,
    },
    config::finding::{Finding, Place},
    contract::{directory::Directory, schema::Schema},
};

/// Warns of members that one change of a chain removes and a later one adds again.
pub(crate) fn warnings(subject: Subject<'_>, directories: &[Option<Directory<'_>>]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (index, version) in subject.api.versions.iter().enumerate() {
        let service = &version.service;
        // Old to new, whichever way the chain is walked.
        let mut chain = service.chain.clone();
        let (older, newer) = (index.min(service.speaks), index.max(service.speaks));
        if index > service.speaks {
            chain.reverse();
        }
        let (Some(from), Some(to)) = (&directories[older], &directories[newer]) else { continue };
        if chain.len() < 2 {
            continue;
        }
        let walk: Vec<(&Change, Direction)> =
            chain.iter().map(|change| (&subject.changes[*change], Direction::Up)).collect();
        for (promised, written) in from.iter() {
            let Some(endpoint) = written.first() else { continue };
            let (hops, end) = route::hops(endpoint, &walk);
            // A chain that takes nothing away loses nothing, and most do.
            let lost = lost(&hops);
            if lost.is_empty() {
                continue;
            }
            let Some(answered) = to.find(&end) else { continue };
            let bodies = |operation: &crate::contract::Operation| {
                let sent = operation.request.iter().filter_map(|body| body.json()).cloned();
                let given = operation.responses.iter().filter_map(|response| response.content.json()).cloned();
                sent.chain(given).collect::<Vec<Schema>>()
            };
            let (known, known_again) = (bodies(promised), bodies(answered));
            let is_known = |bodies: &[Schema], place: &Pointer| {
                bodies.iter().any(|body| verdict::at(body, place.segments()).is_some())
            };
            for (place, gone, back) in lost {
                if !is_known(&known, &place) || !is_known(&known_again, &place) {
                    continue;
                }
                let (oldest, newest) = (&subject.changes[chain[0]].from, &subject.changes[chain[chain.len() - 1]].to);
                let middle = &subject.changes[chain[gone]].to;
                let message = format!(
                    "both {oldest} and {newest} know \"{place}\", and {middle} between them does not: what is sent there is lost"
                );
                let help = format!("write a change of its own from: \"{oldest}\" to: \"{newest}\" that keeps it");
                let spot = subject.origins.changes.get(chain[back]).map(|origins| origins.place.clone());
                let spot = spot.unwrap_or_else(|| Place { file: std::path::Path::new("").into(), line: 0, col: 0 });
                let finding = Finding::warning(&spot, "chain-bottleneck", message, help)
                    .in_change(&subject.changes[chain[back]].name)
                    .in_operation(&endpoint.to_string())
                    .at_pointer(&place.to_string());
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
    }
    findings
}

/// Places that a change removes and a later one adds: with the numbers of both in the chain.
fn lost(hops: &[Option<&Operation>]) -> Vec<(Pointer, usize, usize)> {
    let mut lost = Vec::new();
    for (earlier, operation) in hops.iter().enumerate() {
        for removed in edits(*operation).filter_map(|edit| place(edit, false)) {
            for (later, operation) in hops.iter().enumerate().skip(earlier + 1) {
                if edits(*operation).filter_map(|edit| place(edit, true)).any(|added| added == removed) {
                    lost.push((removed.clone(), earlier, later));
                }
            }
        }
    }
    lost
}

fn edits(operation: Option<&Operation>) -> impl Iterator<Item = &Edit> {
    operation
        .into_iter()
        .flat_map(|operation| operation.request.iter().chain(operation.responses.iter().flat_map(|(_, edits)| edits)))
}

/// Where an op adds a member, or removes one.
fn place(edit: &Edit, adds: bool) -> Option<Pointer> {
    match &edit.op {
        Op::Add { path, .. } if adds => Some(edit.at.join(path)),
        Op::Remove { path, .. } if !adds => Some(edit.at.join(path)),
        _ => None,
    }
}
