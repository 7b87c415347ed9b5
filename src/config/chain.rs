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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::finding::Place;
    use crate::config::testing::{expect_versions, outcome};
    use crate::domain::version::ApiVersion;

    /// Versions 1, 2, … with the upstream and the spoken version (from 0) of each.
    fn drafts(own: &[Option<usize>]) -> Vec<Draft<'static>> {
        let draft = |(index, speaks): (usize, &Option<usize>)| Draft {
            name: ApiVersion::parse(&(index + 1).to_string()).expect("a version"),
            place: Place { file: Path::new("g.yaml").into(), line: index + 1, col: 1 },
            raw: None,
            own: speaks.map_or(OwnUpstream::Absent, |speaks| OwnUpstream::Named { upstream: index, speaks }),
            lifecycle: None,
        };
        own.iter().enumerate().map(draft).collect()
    }

    /// Through, speaks and chain.
    type Solved = Option<(usize, usize, Vec<usize>)>;

    fn solve(own: &[Option<usize>], edges: &[(usize, usize)]) -> (Vec<Solved>, Vec<String>) {
        let edges: Vec<Option<Edge>> = edges.iter().map(|&(older, newer)| Some(Edge { older, newer })).collect();
        let mut findings = Vec::new();
        let services = services(&drafts(own), &edges, true, &mut findings);
        let services = services.into_iter().map(|service| service.map(|s| (s.through, s.speaks, s.chain))).collect();
        (services, findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_nearest_newer_upstream_serves_a_version_without_one() {
        let (services, findings) = solve(&[None, None, Some(2), Some(3)], &[(1, 2), (0, 1), (2, 3)]);
        assert_eq!(findings, [] as [&str; 0]);
        assert_eq!(
            services,
            [Some((2, 2, vec![1, 0])), Some((2, 2, vec![0])), Some((2, 2, vec![])), Some((3, 3, vec![]))]
        );
    }

    #[test]
    fn an_upstream_may_speak_an_older_or_a_newer_version() {
        // Version 3's upstream speaks 1; version 2 has none and goes through it, down to 1.
        let (services, _) = solve(&[Some(0), None, Some(0)], &[(0, 1), (1, 2)]);
        assert_eq!(services[1], Some((2, 0, vec![0])));
        assert_eq!(services[2], Some((2, 0, vec![1, 0])));
        let (services, _) = solve(&[Some(2), Some(1), Some(2)], &[(0, 1), (1, 2)]);
        assert_eq!(services[0], Some((0, 2, vec![0, 1])));
    }

    #[test]
    fn the_fewest_changes_are_taken() {
        let (services, _) = solve(&[None, None, None, Some(3)], &[(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)]);
        assert_eq!(services[0].as_ref().map(|service| service.2.clone()), Some(vec![0, 4]));
        let (services, _) = solve(&[None, None, Some(2)], &[(0, 1), (1, 2), (0, 2)]);
        assert_eq!(services[0].as_ref().map(|service| service.2.clone()), Some(vec![2]));
    }

    #[test]
    fn a_chain_does_not_turn_around() {
        // 1 to 3 exists only over 4 and back: that is no chain.
        let (services, findings) = solve(&[None, None, Some(2), Some(3)], &[(0, 3), (2, 3), (1, 2)]);
        assert_eq!(services[0], None);
        assert!(findings[0].starts_with("g.yaml:1:1: error: version 1 cannot be served"), "{findings:?}");
    }

    #[test]
    fn a_gap_is_named() {
        let (_, findings) = solve(&[None, None, None, Some(3)], &[(0, 1), (2, 3)]);
        assert_eq!(
            findings,
            [
                "g.yaml:1:1: error: version 1 cannot be served: it has no upstream of its own; the nearest newer version with one is 4, and no chain of changes leads there: nothing leads from 2 towards 4; add a change with from: \"2\" and to: \"3\" (without operations if they do not differ), or give version 1 an upstream",
                "g.yaml:2:1: error: version 2 cannot be served: it has no upstream of its own; the nearest newer version with one is 4, and no chain of changes leads there: nothing leads from 2 towards 4; add a change with from: \"2\" and to: \"3\" (without operations if they do not differ), or give version 2 an upstream",
            ]
        );
    }

    #[test]
    fn the_nearest_upstream_is_not_passed_over_for_one_that_can_be_reached() {
        let (services, findings) = solve(&[None, Some(1), Some(2)], &[(0, 2)]);
        assert_eq!(services[0], None);
        assert_eq!(findings.len(), 1);
    }

    #[test]
    fn an_older_upstream_does_not_stand_in() {
        let (services, findings) = solve(&[Some(0), None], &[(0, 1)]);
        assert_eq!(services[1], None);
        assert!(findings[0].starts_with("g.yaml:2:1: error: version 2 has no upstream, and no newer version has one"));
    }

    #[test]
    fn a_gap_stands_at_the_key_of_its_version() {
        expect_versions(
            "      \"1\": {}\n      \"2\": {upstream: u}\n",
            &["g.yaml:5:7: error: version 1 cannot be served"],
        );
        expect_versions(
            "      \"1\": {upstream: u}\n      \"2\": {}\n",
            &["g.yaml:6:7: error: version 2 has no upstream"],
        );
    }

    #[test]
    fn what_is_broken_elsewhere_is_not_called_a_gap() {
        // The change is there, only its `from` is wrong.
        let text = "upstreams: {u: http://h}\napis:\n  a:\n    versions: {\"1\": {}, \"2\": {upstream: u}}\n    changes: [{change: x, from: 1, to: \"2\", operations: []}]\n";
        let found = outcome(text).findings;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].code, "unquoted-version");
    }
}
