//! Losses that a change does not declare.

use super::reader::Reader;
use crate::{
    adaptation::{
        change::Direction,
        loss::{self, Side},
        op::{Edit, Op},
        pointer::Pointer,
    },
    config::finding::Place,
};

/// Data that both versions know may go, but only with a reason.
pub(super) fn refuse_undeclared(edit: &Edit, side: Side, place: &Place, reader: &mut Reader<'_>) {
    for loss in loss::undeclared(edit, side) {
        let direction = if loss.direction == Direction::Up { "up" } else { "down" };
        let message = format!("{} {}, and does not say why", edit.op.name(), loss.what);
        let help = format!("write lossy: {{{direction}: the reason, for the changelog}} beside the op");
        let pointer = edit.at.join(&subject(&edit.op)).to_string();
        reader.error_about(place, "undeclared-loss", &pointer, message, help);
    }
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
