//! One list of a change between the two documents it joins: its ops, and the bodies that come to them.

use super::course::Run;
use crate::{
    adaptation::{
        change::{Change, Direction, Operation, StatusKey},
        op::Edit,
    },
    config::{changes::List, finding::Place, origins::OperationOrigins},
    contract::{self, Content, Schema, directory::Directory, subtype::Side},
};

/// A list of an operation of a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg<'c> {
    pub(super) change: &'c Change,
    pub(super) operation: &'c Operation,
    pub(super) origins: &'c OperationOrigins,
    pub(super) list: List,
}

impl<'c> Leg<'c> {
    /// The lists of an operation that documents describe bodies of.
    pub(super) fn all(change: &'c Change, operation: &'c Operation, origins: &'c OperationOrigins) -> Vec<Self> {
        let responses =
            operation.responses.iter().enumerate().map(|(index, (status, _))| List::Response(index, *status));
        let lists = std::iter::once(List::Request).chain(responses);
        lists.map(|list| Self { change, operation, origins, list }).collect()
    }

    /// Which side of an exchange it is about.
    pub(super) fn side(&self) -> Side {
        if self.list == List::Request { Side::Request } else { Side::Response }
    }

    /// Its ops, in the order a direction runs them.
    pub(super) fn runs(&self, direction: Direction) -> Vec<Run<'c>> {
        let (edits, places): (&'c [Edit], &'c [Place]) = match self.list {
            List::Request => (&self.operation.request, &self.origins.request),
            List::Response(index, _) => (&self.operation.responses[index].1, &self.origins.responses[index]),
            List::Event(index) => (&self.operation.events[index].1, &self.origins.events[index]),
        };
        let run = |(edit, origin): (&'c Edit, &Place)| Run {
            change: self.change,
            operation: self.operation,
            edit,
            origin: origin.clone(),
        };
        let mut runs: Vec<Run<'c>> = edits.iter().zip(places).map(run).collect();
        if direction == Direction::Down {
            runs.reverse();
        }
        runs
    }

    /// What the document that `direction` comes from says of the bodies that run through it.
    pub(super) fn bodies(&self, direction: Direction, older: &Directory<'_>, newer: &Directory<'_>) -> Vec<Schema> {
        let source: Option<&contract::Operation> = match direction {
            Direction::Up => older.find(&self.operation.endpoint),
            Direction::Down => newer.find(self.operation.to.as_ref().unwrap_or(&self.operation.endpoint)),
        };
        let Some(source) = source else { return Vec::new() };
        // Lists are chosen by the newer version's status.
        let of_newer = |status: StatusKey| match direction {
            Direction::Up => self.operation.mapped_status(status, Direction::Up),
            Direction::Down => status,
        };
        match self.list {
            List::Request => source.request.iter().flat_map(described).collect(),
            List::Response(index, _) => {
                let chosen = |status: StatusKey| self.operation.list_for(of_newer(status)) == Some(index);
                let responses = source.responses.iter().filter(|response| chosen(response.status));
                responses.flat_map(|response| described(&response.content)).collect()
            }
            // Documents do not describe single events.
            List::Event(_) => Vec::new(),
        }
    }
}

/// What JSON bodies may be; anything where nothing is said.
fn described(content: &Content) -> impl Iterator<Item = Schema> {
    content.json_types().map(|(_, schema)| schema.clone().unwrap_or_else(|| Schema::any(&content.place)))
}
