//! Which upstream serves a version, and through which changes.

use super::finding::Finding;
use super::versions::{Draft, OwnUpstream};
use crate::domain::api::Service;

/// A change between two versions, by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The older version.
    pub older: usize,
    /// The newer version.
    pub newer: usize,
}

/// Finds the service of each version.
///
/// - `edges`: by the index of the change.
/// - `certain`: whether all versions and changes could be read; otherwise a gap is not reported, since what
///   is missing may be what is broken.
/// - Returns a service per version; none where a finding, here or earlier, says why.
pub fn services(
    drafts: &[Draft<'_>],
    edges: &[Option<Edge>],
    certain: bool,
    findings: &mut Vec<Finding>,
) -> Vec<Option<Service>> {
    (0..drafts.len()).map(|version| service(version, drafts, edges, certain, findings)).collect()
}

fn service(
    version: usize,
    drafts: &[Draft<'_>],
    edges: &[Option<Edge>],
    certain: bool,
    findings: &mut Vec<Finding>,
) -> Option<Service> {
    let Some(through) = (version..drafts.len()).find(|index| drafts[*index].own != OwnUpstream::Absent) else {
        if certain {
            findings.push(unserved(&drafts[version]));
        }
        return None;
    };
    let OwnUpstream::Named { upstream, speaks } = drafts[through].own else { return None };
    match walk(version, speaks, edges) {
        Ok(chain) => Some(Service { upstream, through, speaks, chain }),
        Err(reached) => {
            if certain {
                findings.push(gap(version, through, speaks, reached, drafts));
            }
            None
        }
    }
}

/// The fewest changes from `start` to `goal`, all in one direction; else the version nearest to the goal
/// that can be reached.
fn walk(start: usize, goal: usize, edges: &[Option<Edge>]) -> Result<Vec<usize>, usize> {
    let upwards = start <= goal;
    let mut reached_by: Vec<(usize, Option<usize>)> = vec![(start, None)];
    let mut next = 0;
    // Breadth first: the first way found has the fewest changes, among equals the one written first.
    while let Some(&(at, _)) = reached_by.get(next) {
        if at == goal {
            return Ok(trace_back(next, &reached_by, edges));
        }
        for (change, edge) in edges.iter().enumerate() {
            let Some(Edge { older, newer }) = edge else { continue };
            let (from, to) = if upwards { (*older, *newer) } else { (*newer, *older) };
            let overshoots = if upwards { to > goal } else { to < goal };
            if from == at && !overshoots && !reached_by.iter().any(|(known, _)| *known == to) {
                reached_by.push((to, Some(change)));
            }
        }
        next += 1;
    }
    let nearest = reached_by.iter().map(|(version, _)| *version).min_by_key(|version| version.abs_diff(goal));
    Err(nearest.unwrap_or(start))
}

fn trace_back(goal: usize, reached_by: &[(usize, Option<usize>)], edges: &[Option<Edge>]) -> Vec<usize> {
    let mut chain = Vec::new();
    let mut at = reached_by[goal];
    while let (version, Some(change)) = at {
        chain.push(change);
        let Some(Edge { older, newer }) = edges[change] else { break };
        let before = if newer == version { older } else { newer };
        match reached_by.iter().find(|(known, _)| *known == before) {
            Some(previous) => at = *previous,
            None => break,
        }
    }
    chain.reverse();
    chain
}

fn unserved(draft: &Draft<'_>) -> Finding {
    let message = format!("version {} has no upstream, and no newer version has one", draft.name);
    let help = "name one with `upstream`; only a newer version's can stand in, through `changes`";
    Finding::error(&draft.place, "no-upstream", message, help)
}

fn gap(version: usize, through: usize, speaks: usize, reached: usize, drafts: &[Draft<'_>]) -> Finding {
    let name = |index: usize| drafts[index].name.as_str();
    let step = if reached < speaks { reached + 1 } else { reached - 1 };
    let why = match (through == version, speaks == through) {
        (true, _) => format!("its upstream speaks {}", name(speaks)),
        (false, true) => {
            format!("it has no upstream of its own; the nearest newer version with one is {}", name(through))
        }
        (false, false) => format!(
            "it has no upstream of its own; the nearest newer version with one is {}, whose upstream speaks {}",
            name(through),
            name(speaks)
        ),
    };
    let (older, newer) = if reached < speaks { (reached, step) } else { (step, reached) };
    let message = format!(
        "version {} cannot be served: {why}, and no chain of changes leads there: nothing leads from {} towards {}",
        name(version),
        name(reached),
        name(speaks)
    );
    let help = format!(
        "add a change with from: \"{}\" and to: \"{}\" (without operations if they do not differ), or give version {} an upstream",
        name(older),
        name(newer),
        name(version)
    );
    Finding::error(&drafts[version].place, "missing-chain", message, help)
}
