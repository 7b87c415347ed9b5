//! The way of one operation through a chain of changes: what each of them does to it, and where it ends.

use std::collections::BTreeMap;

use super::flow::{Flow, Kept, Remark};
use crate::{
    adaptation::{
        change::{Change, Direction, Operation, StatusKey},
        op::Edit,
        route,
    },
    config::{
        finding::Place,
        origins::{ChangeOrigins, OperationOrigins},
    },
    contract::schema::Schema,
    domain::endpoint::Endpoint,
};

/// A change, and where it is written.
pub(crate) type Link<'c> = (&'c Change, &'c ChangeOrigins);

/// What requests put aside for their responses, by change and name.
pub(crate) type Stashed = BTreeMap<(String, String), Kept>;

/// An operation's way along a chain.
#[derive(Debug)]
pub(crate) struct Course<'c> {
    /// What the changes that speak of it do, as requests meet them.
    pub(crate) hops: Vec<Hop<'c>>,
    /// What it is called where the chain ends.
    pub(crate) end: Endpoint,
    /// The direction that requests take.
    pub(crate) direction: Direction,
}

/// What one change does to an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'c> {
    pub(crate) change: &'c Change,
    pub(crate) operation: &'c Operation,
    pub(crate) origins: &'c OperationOrigins,
}

/// One op that a body goes through.
#[derive(Clone, Debug)]
pub(crate) struct Run<'c> {
    pub(crate) change: &'c Change,
    pub(crate) operation: &'c Operation,
    pub(crate) edit: &'c Edit,
    /// Where the op is written.
    pub(crate) origin: Place,
}

impl<'c> Course<'c> {
    /// Follows an endpoint of the side that requests come from.
    ///
    /// - `chain`: in the order requests meet the changes.
    pub(crate) fn of(endpoint: &Endpoint, chain: &[Link<'c>], direction: Direction) -> Self {
        let walk: Vec<(&'c Change, Direction)> = chain.iter().map(|(change, _)| (*change, direction)).collect();
        let (operations, end) = route::hops(endpoint, &walk);
        let hops = chain.iter().zip(operations).filter_map(|(link, operation)| Hop::of(*link, operation?));
        Self { hops: hops.collect(), end, direction }
    }

    /// The same way for requests that come from the other end, which calls the operation `start`.
    pub(crate) fn back(&self, start: &Endpoint) -> Self {
        let hops = self.hops.iter().rev().copied().collect();
        Self { hops, end: start.clone(), direction: self.direction.reverse() }
    }

    /// The ops of a request, in the order they run.
    pub(crate) fn request(&self) -> Vec<Run<'c>> {
        self.hops.iter().flat_map(|hop| hop.request(self.direction)).collect()
    }

    /// The ops of a response that is answered with `status` at the far end, in the order they run, and the status
    /// that comes out.
    pub(crate) fn response(&self, status: StatusKey) -> (Vec<Run<'c>>, StatusKey) {
        let direction = self.direction.reverse();
        let (mut runs, mut at) = (Vec::new(), status);
        for hop in self.hops.iter().rev() {
            let next = hop.operation.mapped_status(at, direction);
            // Lists are chosen by the newer version's status.
            runs.extend(hop.response(if direction == Direction::Up { next } else { at }, direction));
            at = next;
        }
        (runs, at)
    }
}

impl<'c> Hop<'c> {
    pub(crate) fn of((change, origins): Link<'c>, operation: &Operation) -> Option<Self> {
        let index = change.operations.iter().position(|known| std::ptr::eq(known, operation))?;
        Some(Self { change, operation: &change.operations[index], origins: origins.operations.get(index)? })
    }

    fn request(&self, direction: Direction) -> Vec<Run<'c>> {
        self.runs(&self.operation.request, &self.origins.request, direction)
    }

    fn response(&self, newer: StatusKey, direction: Direction) -> Vec<Run<'c>> {
        let Some(index) = self.operation.list_for(newer) else { return Vec::new() };
        let places = self.origins.responses.get(index).map_or(&[][..], Vec::as_slice);
        self.runs(&self.operation.responses[index].1, places, direction)
    }

    /// A list of ops in the order its direction runs it.
    fn runs(&self, list: &'c [Edit], places: &[Place], direction: Direction) -> Vec<Run<'c>> {
        let run = |(index, edit): (usize, &'c Edit)| Run {
            change: self.change,
            operation: self.operation,
            edit,
            origin: places.get(index).unwrap_or(&self.origins.place).clone(),
        };
        let mut runs: Vec<Run<'c>> = list.iter().enumerate().map(run).collect();
        if direction == Direction::Down {
            runs.reverse();
        }
        runs
    }
}

impl Run<'_> {
    /// Runs the op over what a body may be.
    ///
    /// - `source`: the version the body comes from, for messages.
    /// - `patch`: whether it speaks of a part of a resource only.
    /// - Returns what was found on the way.
    pub(crate) fn over(
        &self,
        schema: &mut Schema,
        direction: Direction,
        source: &str,
        patch: bool,
        stash: &mut Stashed,
    ) -> Vec<Remark> {
        let mut flow = Flow { direction, patch, source, stash, change: &self.change.name, remarks: Vec::new() };
        flow.run(schema, self.edit, &self.origin);
        flow.remarks
    }
}
