//! Which differences declared changes make good, and by which op.
//!
//! The ops run over the older version's schemas (requests) or the newer one's (answers) one by one. A difference that
//! is no longer there after an op, and does not come back, is healed by it.

use std::collections::BTreeMap;

use super::{Difference, Healing, Part, bodies};
use crate::{
    adaptation::{
        change::{Change, Direction, Operation as Changed, StatusKey},
        fields::{HeaderOp, QueryOp},
        op::Edit,
    },
    config::{
        finding::Place,
        origins::{ChangeOrigins, OperationOrigins},
    },
    contract::{
        Content, Document, Operation, Schema,
        document::{Location, same_path},
        subtype::Side,
    },
    domain::endpoint::Endpoint,
    proof::flow::Flow,
};

/// The changes from the older to the newer version, in this order.
#[derive(Debug, Default)]
pub struct Chain<'c> {
    changes: Vec<(&'c Change, &'c ChangeOrigins)>,
}

/// What a chain does to one operation, old to new.
struct Steps<'c> {
    steps: Vec<(&'c str, &'c Changed, &'c OperationOrigins)>,
    /// The endpoint in the newer version's terms.
    endpoint: Endpoint,
    /// The change that renamed it.
    renamed_by: Option<&'c str>,
}

impl<'c> Chain<'c> {
    /// Takes the changes in the order they lead from the older version to the newer one.
    pub fn new(changes: Vec<(&'c Change, &'c ChangeOrigins)>) -> Self {
        Self { changes }
    }

    /// An endpoint of the older document in the newer one's terms.
    pub fn endpoint(&self, endpoint: &Endpoint) -> Endpoint {
        self.steps(endpoint).endpoint
    }

    fn steps(&self, endpoint: &Endpoint) -> Steps<'c> {
        let mut found = Steps { steps: Vec::new(), endpoint: endpoint.clone(), renamed_by: None };
        for (change, origins) in &self.changes {
            let fits =
                |known: &Endpoint| known.method() == found.endpoint.method() && same_path(known, &found.endpoint);
            let at =
                change.operations.iter().position(|operation| operation.since.is_none() && fits(&operation.endpoint));
            let Some((operation, origins)) =
                at.and_then(|at| Some((&change.operations[at], origins.operations.get(at)?)))
            else {
                continue;
            };
            if let Some(to) = &operation.to {
                found.endpoint = to.clone();
                found.renamed_by = Some(&change.name);
            }
            found.steps.push((&change.name, operation, origins));
        }
        found
    }
}

/// Compares as [`super::compare`] does, and says of every difference whether the chain makes it good.
///
/// Bodies are compared at the far end of the chain's path rewrites; where the path itself changed, that is one
/// difference of its own, which they heal.
pub fn heal(old: &Document, new: &Document, chain: &Chain<'_>) -> Vec<Difference> {
    let mut differences = super::compare(old, new, &|endpoint| chain.endpoint(endpoint));
    for operation in &old.operations {
        let steps = chain.steps(&operation.endpoint);
        let Some(now) = new.operation(&steps.endpoint) else { continue };
        let name = operation.endpoint.to_string();
        let mut own: Vec<&mut Difference> =
            differences.iter_mut().filter(|difference| difference.operation == name).collect();
        bodies_of(operation, now, &steps, &mut own);
        for difference in own {
            beside_bodies(operation, &steps, difference);
        }
        if let Some(change) = steps.renamed_by.filter(|_| new.operation(&operation.endpoint).is_none()) {
            differences.push(Difference {
                code: "path-removed",
                weight: super::Weight::Breaking,
                operation: name,
                part: Part::Endpoint,
                pointer: None,
                old: Some(operation.place.clone()),
                new: Some(now.place.clone()),
                message: format!("the path is {} now", now.endpoint),
                healing: Healing::By { change: change.to_owned(), op: "to" },
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

fn bodies_of(old: &Operation, new: &Operation, steps: &Steps<'_>, differences: &mut [&mut Difference]) {
    let schemas = old.request.as_ref().and_then(Content::json).zip(new.request.as_ref().and_then(Content::json));
    if let Some((was, is)) = schemas {
        let edits = steps.steps.iter().flat_map(|(change, operation, origins)| {
            operation.request.iter().zip(&origins.request).map(move |(edit, place)| (*change, edit, place))
        });
        let compare = |schema: &Schema, found: &mut Vec<Difference>| {
            bodies::compare(old, Part::Request, Side::Request, schema, is, found);
        };
        let walk = Walk { part: Part::Request, direction: Direction::Up };
        walk.run(was.clone(), edits.collect(), &compare, differences);
    }
    for was in &old.responses {
        let status = match was.status {
            StatusKey::Exact(status) => status,
            StatusKey::Class(class) => u16::from(class) * 100,
            StatusKey::Default => continue,
        };
        let schemas = was.content.json().zip(new.response(status).and_then(|is| is.content.json()));
        let Some((was_schema, is)) = schemas else { continue };
        let mut edits = Vec::new();
        for (change, operation, origins) in steps.steps.iter().rev() {
            let Some(at) = list_of(operation, status) else { continue };
            let places = origins.responses.get(at).map(Vec::as_slice).unwrap_or_default();
            edits
                .extend(operation.responses[at].1.iter().zip(places).rev().map(|(edit, place)| (*change, edit, place)));
        }
        let part = Part::Response(was.status);
        let compare = |schema: &Schema, found: &mut Vec<Difference>| {
            bodies::compare(old, part, Side::Response, was_schema, schema, found);
        };
        let walk = Walk { part, direction: Direction::Down };
        walk.run(is.clone(), edits, &compare, differences);
    }
}

/// The most specific list of a change for a status.
fn list_of(operation: &Changed, status: u16) -> Option<usize> {
    let class = StatusKey::Class(u8::try_from(status / 100).unwrap_or(0));
    [StatusKey::Exact(status), class, StatusKey::Default]
        .iter()
        .find_map(|key| operation.responses.iter().position(|(known, _)| known == key))
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
        edits: Vec<(&str, &Edit, &Place)>,
        compare: &dyn Fn(&Schema, &mut Vec<Difference>),
        differences: &mut [&mut Difference],
    ) {
        let mut stash = BTreeMap::new();
        // By difference: the op after which it was not there any more.
        let mut healed: Vec<Option<(&str, &'static str)>> = vec![None; differences.len()];
        for (change, edit, place) in edits {
            let mut flow = Flow {
                direction: self.direction,
                patch: false,
                source: "",
                stash: &mut stash,
                change,
                remarks: Vec::new(),
            };
            flow.run(&mut schema, edit, place);
            let mut left = Vec::new();
            compare(&schema, &mut left);
            for (difference, healed) in differences.iter().zip(&mut healed) {
                let same = |other: &Difference| (other.code, &other.pointer) == (difference.code, &difference.pointer);
                if left.iter().any(same) {
                    *healed = None;
                } else if healed.is_none() {
                    *healed = Some((change, edit.op.name()));
                }
            }
        }
        for (difference, healed) in differences.iter_mut().zip(healed) {
            if let Some((change, op)) = healed.filter(|_| difference.part == self.part && difference.pointer.is_some())
            {
                difference.healing = Healing::By { change: change.to_owned(), op };
            }
        }
    }
}

/// Parameters, header fields and statuses.
fn beside_bodies(old: &Operation, steps: &Steps<'_>, difference: &mut Difference) {
    for (change, operation, _) in &steps.steps {
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
            difference.healing = Healing::By { change: (*change).to_owned(), op };
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
