//! What has to be proven: pieces of the chains that bodies go through, from one document to the next.

use crate::{
    adaptation::change::{Change, Direction},
    domain::api::Api,
};

/// Changes between two versions that have documents, with none in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index of the version on the client's side.
    pub(crate) client: usize,
    /// Index of the version on the upstream's side.
    pub(crate) upstream: usize,
    /// The direction that requests take.
    pub(crate) direction: Direction,
    /// Indices of changes, as requests meet them.
    pub(crate) changes: Vec<usize>,
}

/// The spans of all chains, and of changes that no chain uses; each once.
///
/// - `documented`: by the index of the version.
pub(crate) fn spans(api: &Api, changes: &[Change], documented: &[bool]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut add = |span: Span| {
        if !spans.contains(&span) {
            spans.push(span);
        }
    };
    let mut used = vec![false; changes.len()];
    for (index, version) in api.versions.iter().enumerate() {
        let service = &version.service;
        let direction = if index <= service.speaks { Direction::Up } else { Direction::Down };
        let mut start = documented.get(index).copied().unwrap_or(false).then_some((index, Vec::new()));
        for &change in &service.chain {
            used[change] = true;
            let Some(next) = far_end(api, &changes[change], direction) else { break };
            if let Some((client, mut walked)) = start.take() {
                walked.push(change);
                if documented[next] {
                    add(Span { client, upstream: next, direction, changes: walked });
                    start = Some((next, Vec::new()));
                } else {
                    start = Some((client, walked));
                }
            } else if documented[next] {
                start = Some((next, Vec::new()));
            }
        }
    }
    for (change, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
        let ends = far_end(api, &changes[change], Direction::Down).zip(far_end(api, &changes[change], Direction::Up));
        if let Some((older, newer)) = ends.filter(|(older, newer)| documented[*older] && documented[*newer]) {
            add(Span { client: older, upstream: newer, direction: Direction::Up, changes: vec![change] });
        }
    }
    spans
}

/// Index of the version a change leads to.
fn far_end(api: &Api, change: &Change, direction: Direction) -> Option<usize> {
    let name = if direction == Direction::Up { &change.to } else { &change.from };
    api.versions.iter().position(|version| version.name == *name)
}
