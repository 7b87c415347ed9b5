//! Records of a body, adapted while they pass and counted when they have.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    filter::{Filter, Next, Unfit},
    handles::{Adaptation, CountedAs},
    transform::{
        self, Side, TransformError,
        records::{self, Programs, Records},
    },
    worker::Loaded,
};
use crate::adaptation::{Stash, plan::OperationPlan, program::Program};

/// Adapts the records of one body.
#[derive(Debug)]
pub(super) struct Recast {
    records: Records<Chosen>,
    side: Side,
    loaded: Rc<Loaded>,
    counted: CountedAs,
    /// Why it broke off, for whoever answers.
    fault: Fault,
}

/// Why a body broke off, once it has.
pub(super) type Fault = Rc<RefCell<Option<TransformError>>>;

/// Where the programs of a body are.
#[derive(Debug)]
pub(super) enum Chosen {
    /// Of the operation's requests.
    Request(Arc<OperationPlan>),
    /// Of the operation's answers with this status.
    Response(Arc<OperationPlan>, u16),
}

impl Programs for Chosen {
    fn program(&self, _event: &[u8]) -> Option<&Program> {
        match self {
            Self::Request(operation) => operation.request(),
            Self::Response(operation, status) => operation.response(*status),
        }
    }
}

impl Recast {
    pub(super) fn new(
        terms: records::Terms,
        programs: Chosen,
        stash: Stash,
        (loaded, counted): (Rc<Loaded>, CountedAs),
        fault: Fault,
    ) -> Box<Self> {
        Box::new(Self { records: Records::new(terms, programs, stash), side: terms.side, loaded, counted, fault })
    }
}

impl Filter for Recast {
    fn push(&mut self, data: Bytes) {
        self.records.push(data);
    }

    fn end(&mut self) {
        self.records.end();
    }

    fn take(&mut self) -> Result<Next, Unfit> {
        match self.records.take() {
            Ok(records::Next::Data(data)) => Ok(Next::Data(data)),
            Ok(records::Next::Starved) => Ok(Next::Starved),
            Ok(records::Next::Working) => Ok(Next::Working),
            Ok(records::Next::End) => Ok(Next::End),
            Err(error) => {
                *self.fault.borrow_mut() = Some(error.clone());
                Err(Unfit(Box::new(error)))
            }
        }
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        transform::remove_digests(trailers);
    }
}

/// Counted once, however the body ends: at its end, broken off, or left by the client.
impl Drop for Recast {
    fn drop(&mut self) {
        let (adapted, narrowed) = self.records.outcome();
        let outcome = match self.side {
            Side::Request if self.fault.borrow().is_some() => "refused",
            Side::Response if self.fault.borrow().is_some() => "failed",
            _ if narrowed => "narrowed",
            _ if adapted => "adapted",
            _ => "passed",
        };
        self.loaded.handles.adaptation(self.counted, Adaptation { direction: self.side.as_str(), outcome });
    }
}
