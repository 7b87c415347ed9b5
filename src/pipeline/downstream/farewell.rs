//! How far the clients of a listener have been asked to leave.

use std::{cell::Cell, rc::Rc};

/// Shared by a worker's connections of one listener.
#[derive(Debug)]
pub struct Farewell {
    /// Whether the whole worker closes idle connections at once.
    draining: Rc<Cell<bool>>,
    said: Cell<bool>,
    over: Cell<bool>,
}

impl Farewell {
    /// Nobody is asked to leave yet.
    ///
    /// - `draining`: the worker's, late in the drain of the process.
    pub fn new(draining: Rc<Cell<bool>>) -> Rc<Self> {
        Rc::new(Self { draining, said: Cell::new(false), over: Cell::new(false) })
    }

    /// From now on every answer asks its client to leave: `Connection: close`, GOAWAY.
    pub fn say(&self) {
        self.said.set(true);
    }

    /// From now on idle connections are closed at once.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// Whether the exchange under way is to be its connection's last.
    pub fn is_said(&self) -> bool {
        self.said.get()
    }

    /// Whether idle connections are closed at once.
    pub fn is_over(&self) -> bool {
        self.over.get() || self.draining.get()
    }
}
