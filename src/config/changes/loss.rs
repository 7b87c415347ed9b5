//! Losses that a change does not declare.

use super::reader::Reader;
use crate::{
    adaptation::{
        change::{Change, Direction, Operation, StatusKey},
        loss::{self, Loss, Side},
        op::{Edit, Op},
        pointer::Pointer,
    },
    config::{
        finding::{Finding, Place},
        origins::{ChangeOrigins, OperationOrigins},
    },
};

/// Data that both versions know may go, but only with a reason.
///
/// What schemas may excuse is left to [`separated`].
pub(super) fn refuse_undeclared(edit: &Edit, side: Side, place: &Place, reader: &mut Reader<'_>) {
    for loss in loss::undeclared(edit, side).into_iter().filter(|loss| !loss.only_with_separator) {
        reader.push(finding(edit, loss, place));
    }
}

/// An op that loses something only where a part holds the separator, and does not declare it.
#[derive(Debug)]
pub struct Separated<'c> {
    /// The operation it belongs to.
    pub operation: &'c Operation,
    /// The operation's places.
    pub origins: &'c OperationOrigins,
    /// The list it stands in.
    pub list: List,
    /// Its index in that list.
    pub index: usize,
    /// The way in which something is lost.
    pub direction: Direction,
    /// What is to be said where no schema excuses it.
    pub finding: Finding,
}

/// A list of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// For requests.
    Request,
    /// For answers of a status, by its index.
    Response(usize, StatusKey),
    /// For events of a type, by its index.
    Event(usize),
}

/// Every op of a change that has to declare a loss unless schemas excuse it.
pub fn separated<'c>(change: &'c Change, origins: &'c ChangeOrigins) -> Vec<Separated<'c>> {
    let mut found = Vec::new();
    for (operation, origins) in change.operations.iter().zip(&origins.operations) {
        let mut add = |list: List, edits: &'c [Edit], places: &[Place], side: Side| {
            for (index, edit) in edits.iter().enumerate() {
                let losses = loss::undeclared(edit, side).into_iter().filter(|loss| loss.only_with_separator);
                let place = places.get(index).unwrap_or(&origins.place);
                found.extend(losses.map(|loss| {
                    let finding = finding(edit, loss, place).in_change(&change.name);
                    let finding = finding.in_operation(&operation.endpoint.to_string());
                    Separated { operation, origins, list, index, direction: loss.direction, finding }
                }));
            }
        };
        add(List::Request, &operation.request, &origins.request, Side::Request);
        for (index, ((status, edits), places)) in operation.responses.iter().zip(&origins.responses).enumerate() {
            add(List::Response(index, *status), edits, places, Side::Response);
        }
        for (index, ((_, edits), places)) in operation.events.iter().zip(&origins.events).enumerate() {
            add(List::Event(index), edits, places, Side::Response);
        }
    }
    found
}

fn finding(edit: &Edit, loss: Loss, place: &Place) -> Finding {
    let direction = if loss.direction == Direction::Up { "up" } else { "down" };
    let message = format!("{} {}, and does not say why", edit.op.name(), loss.what);
    let help = match loss.only_with_separator {
        false => format!("write lossy: {{{direction}: the reason, for the changelog}} beside the op"),
        true => format!(
            "write lossy: {{{direction}: the reason, for the changelog}} beside the op, or let the OpenAPI documents of both versions say by enum, pattern or format that no part does"
        ),
    };
    let pointer = edit.at.join(&subject(&edit.op)).to_string();
    Finding::error(place, "undeclared-loss", message, help).of_op(edit.op.name()).at_pointer(&pointer)
}

/// The value that loses something.
fn subject(op: &Op) -> Pointer {
    match op {
        Op::Remove { path, .. } | Op::Map { path, .. } | Op::Jq { path, .. } => path.clone(),
        Op::Wrap(list) | Op::Unwrap(list) => list.path.clone(),
        Op::Split(pieces) | Op::Merge(pieces) => Pointer::of_names(std::slice::from_ref(&pieces.whole)),
        _ => Pointer::default(),
    }
}
