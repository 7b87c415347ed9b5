//! Which differences declared changes make good, and by which op.
//!
//! The ops run over the older version's schemas (requests) or the newer one's (answers) one by one. A difference that
//! is no longer there after an op, and does not come back, is healed by it.

use super::{Difference, Healing, Part, bodies};
use crate::{
    adaptation::{
        change::{Change, Direction, StatusKey},
        fields::{HeaderOp, QueryOp},
    },
    config::origins::ChangeOrigins,
    contract::{Content, Operation, Schema, directory::Directory, document::Location, subtype::Side},
    domain::endpoint::Endpoint,
    proof::course::{Course, Hop, Run, Stashed},
};

/// The changes from the older to the newer version, in this order.
#[derive(Debug, Default)]
pub struct Chain<'c> {
    changes: Vec<(&'c Change, &'c ChangeOrigins)>,
}

impl<'c> Chain<'c> {
    /// Takes the changes in the order they lead from the older version to the newer one.
    pub fn new(changes: Vec<(&'c Change, &'c ChangeOrigins)>) -> Self {
        Self { changes }
    }

    fn course(&self, endpoint: &Endpoint) -> Course<'c> {
        Course::of(endpoint, &self.changes, Direction::Up)
    }
}

/// Compares as [`super::compare`] does, and says of every difference whether the chain makes it good.
///
/// Bodies are compared at the far end of the chain's path rewrites; where the path itself changed, that is one
/// difference of its own, which they heal.
pub fn heal(old: &Directory<'_>, new: &Directory<'_>, chain: &Chain<'_>) -> Vec<Difference> {
    let mut differences = super::compare(old, new, &|endpoint| chain.course(endpoint).end);
    for (operation, written) in old.iter() {
        let courses = written.iter().map(|endpoint| (endpoint, chain.course(endpoint)));
        let met = courses.filter_map(|(endpoint, course)| Some((endpoint, new.find(&course.end)?, course))).next();
        let Some((endpoint, now, course)) = met else { continue };
        let name = operation.endpoint.to_string();
        let mut own: Vec<&mut Difference> =
            differences.iter_mut().filter(|difference| difference.operation == name).collect();
        bodies_of(operation, now, &course, &mut own);
        for difference in own {
            beside_bodies(operation, &course.hops, difference);
        }
        let renamed_by = course.hops.iter().rfind(|hop| hop.operation.to.is_some());
        if let Some(hop) = renamed_by.filter(|_| new.find(endpoint).is_none()) {
            differences.push(Difference {
                code: "path-removed",
                weight: super::Weight::Breaking,
                operation: name,
                part: Part::Endpoint,
                pointer: None,
                old: Some(operation.place.clone()),
                new: Some(now.place.clone()),
                message: format!("the path is {} now", now.endpoint),
                healing: Healing::By { change: hop.change.name.clone(), op: "to" },
            });
        }
    }
    for difference in &mut differences {
        if difference.healing == Healing::Unknown {
            difference.healing = Healing::NotCovered;
        }
    }
    differences
}

fn bodies_of(old: &Operation, new: &Operation, course: &Course<'_>, differences: &mut [&mut Difference]) {
    let schemas = old.request.as_ref().and_then(Content::json).zip(new.request.as_ref().and_then(Content::json));
    if let Some((was, is)) = schemas {
        let compare = |schema: &Schema, found: &mut Vec<Difference>| {
            bodies::compare(old, Part::Request, Side::Request, schema, is, found);
        };
        let walk = Walk { part: Part::Request, direction: Direction::Up };
        walk.run(was.clone(), &course.request(), &compare, differences);
    }
    for was in &old.responses {
        let status = match was.status {
            StatusKey::Exact(status) => status,
            StatusKey::Class(class) => u16::from(class) * 100,
            StatusKey::Default => continue,
        };
        let schemas = was.content.json().zip(new.response(status).and_then(|is| is.content.json()));
        let Some((was_schema, is)) = schemas else { continue };
        let part = Part::Response(was.status);
        let compare = |schema: &Schema, found: &mut Vec<Difference>| {
            bodies::compare(old, part, Side::Response, was_schema, schema, found);
        };
        let walk = Walk { part, direction: Direction::Down };
        walk.run(is.clone(), &course.response(StatusKey::Exact(status)).0, &compare, differences);
    }
}

/// One body's way through a chain.
struct Walk {
    part: Part,
    direction: Direction,
}

impl Walk {
    fn run(
        &self,
        mut schema: Schema,
        runs: &[Run<'_>],
        compare: &dyn Fn(&Schema, &mut Vec<Difference>),
        differences: &mut [&mut Difference],
    ) {
        let mut stash = Stashed::new();
        // By difference: the op after which it was not there any more.
        let mut healed: Vec<Option<&Run<'_>>> = vec![None; differences.len()];
        for run in runs {
            run.over(&mut schema, self.direction, "", false, &mut stash);
            let mut left = Vec::new();
            compare(&schema, &mut left);
            for (difference, healed) in differences.iter().zip(&mut healed) {
                let same = |other: &Difference| (other.code, &other.pointer) == (difference.code, &difference.pointer);
                if left.iter().any(same) {
                    *healed = None;
                } else if healed.is_none() {
                    *healed = Some(run);
                }
            }
        }
        for (difference, healed) in differences.iter_mut().zip(healed) {
            if let Some(run) = healed.filter(|_| difference.part == self.part && difference.pointer.is_some()) {
                difference.healing = Healing::By { change: run.change.name.clone(), op: run.edit.op.name() };
            }
        }
    }
}

/// Parameters, header fields and statuses.
fn beside_bodies(old: &Operation, hops: &[Hop<'_>], difference: &mut Difference) {
    for Hop { change, operation, .. } in hops {
        let op = match (difference.part, &difference.pointer) {
            (Part::Parameter, Some(name)) => {
                let name = name.split('/').next().unwrap_or_default();
                let location = old.parameters.iter().find(|parameter| parameter.name == name).map(|p| p.location);
                let query = operation.query.iter().find(|op| query_knows(op, name)).map(|_| "query");
                let header = operation.request_headers.iter().find(|op| header_knows(op, name)).map(|_| "headers");
                match location {
                    Some(Location::Query) => query,
                    Some(Location::Header) => header,
                    Some(_) => None,
                    None => query.or(header),
                }
            }
            (Part::Response(StatusKey::Exact(status)), None) => {
                operation.statuses.iter().any(|(older, newer)| *older == status || *newer == status).then_some("status")
            }
            _ => None,
        };
        if let Some(op) = op {
            difference.healing = Healing::By { change: change.name.clone(), op };
        }
    }
}

fn query_knows(op: &QueryOp, name: &str) -> bool {
    match op {
        QueryOp::Rename(pairs) => pairs.iter().any(|(old, new)| old == name || new == name),
        QueryOp::Add(known, _) | QueryOp::Remove(known, _) | QueryOp::Map(known, _) => known == name,
    }
}

fn header_knows(op: &HeaderOp, name: &str) -> bool {
    match op {
        HeaderOp::Rename(pairs) => pairs.iter().any(|(old, new)| old.as_str() == name || new.as_str() == name),
        HeaderOp::Add(known, _) | HeaderOp::Remove(known, _) => known.as_str() == name,
    }
}
