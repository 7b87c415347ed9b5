//! Records of a body, adapted while they pass and counted when they have.

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;

use super::{
    filter::{Filter, Next, Unfit},
    handles::{Adaptation, CountedAs},
    transform::{
        self, Side, TransformError, opaque,
        records::{self, Records},
    },
    worker::Loaded,
};
use crate::adaptation::{AdaptationError, Adapted, Stash, plan::OperationPlan};

/// Adapts the records of one body.
pub(super) struct Recast {
    records: Records<Chosen>,
    programs: Chosen,
    /// The record that another thread adapts.
    aside: Option<Aside>,
    side: Side,
    loaded: Rc<Loaded>,
    counted: CountedAs,
    /// Why it broke off, for whoever answers.
    fault: Fault,
}

/// A record at work.
type Aside = Pin<Box<dyn Future<Output = Result<Adapted, AdaptationError>>>>;

/// Where the programs of its body are.
pub(super) type Chosen = records::Chosen<Arc<OperationPlan>>;

/// Why a body broke off, once it has.
pub(super) type Fault = Rc<RefCell<Option<TransformError>>>;

impl Recast {
    pub(super) fn new(
        terms: records::Terms,
        programs: Chosen,
        stash: Stash,
        (loaded, counted): (Rc<Loaded>, CountedAs),
        fault: Fault,
    ) -> Box<Self> {
        let records = Records::new(terms, programs.clone(), stash);
        Box::new(Self { records, programs, aside: None, side: terms.side, loaded, counted, fault })
    }
}

impl Filter for Recast {
    fn push(&mut self, data: Bytes) {
        self.records.push(data);
    }

    fn end(&mut self) {
        self.records.end();
    }

    fn take(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, Unfit>> {
        loop {
            if let Some(aside) = &mut self.aside {
                let done = ready!(aside.as_mut().poll(cx));
                self.aside = None;
                self.records.settle(done);
            }
            return Poll::Ready(match self.records.take() {
                Ok(records::Next::Data(data)) => Ok(Next::Data(data)),
                Ok(records::Next::Starved) => Ok(Next::Starved),
                Ok(records::Next::Working) => Ok(Next::Working),
                Ok(records::Next::End) => Ok(Next::End),
                Ok(records::Next::Aside(work)) => {
                    self.aside = Some(Box::pin(opaque::record(self.programs.clone(), work)));
                    continue;
                }
                Err(error) => {
                    *self.fault.borrow_mut() = Some(error.clone());
                    Err(Unfit(Box::new(error)))
                }
            });
        }
    }

    fn trailers(&self, trailers: &mut HeaderMap) {
        transform::remove_digests(trailers);
    }
}

impl fmt::Debug for Recast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recast").field("records", &self.records).field("side", &self.side).finish_non_exhaustive()
    }
}

/// Counted once, however the body ends: at its end, broken off, or left by the client.
impl Drop for Recast {
    fn drop(&mut self) {
        let (adapted, narrowed) = self.records.outcome();
        let fault = self.fault.borrow();
        if let Some(error) = &*fault {
            self.loaded.handles.unadapted(self.counted, error);
        }
        let outcome = match self.side {
            Side::Request if fault.is_some() => "refused",
            Side::Response if fault.is_some() => "failed",
            _ if narrowed => "narrowed",
            _ if adapted => "adapted",
            _ => "passed",
        };
        self.loaded.handles.adaptation(self.counted, Adaptation { direction: self.side.as_str(), outcome });
    }
}
