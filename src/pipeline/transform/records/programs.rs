//! Which program a record goes through.

use std::ops::Deref;

use crate::adaptation::{OperationPlan, Program};

/// The programs of a body.
pub trait Programs {
    /// The program of a record; none where it passes as it came.
    ///
    /// - `event`: the type of a server-sent event, empty where it names none; none for a line.
    fn program(&self, event: Option<&[u8]>) -> Option<&Program>;
}

/// Where the programs of a body are.
#[derive(Clone, Copy, Debug)]
pub enum Chosen<O> {
    /// Of the operation's requests.
    Request(O),
    /// Of the operation's answers with this status of the upstream's.
    Response(O, u16),
}

impl<O: Deref<Target = OperationPlan>> Programs for Chosen<O> {
    fn program(&self, event: Option<&[u8]>) -> Option<&Program> {
        match (self, event) {
            (Self::Request(operation), _) => operation.request(),
            (Self::Response(operation, status), None) => operation.response(*status),
            (Self::Response(operation, status), Some(kind)) => operation.event(*status, kind),
        }
    }
}
