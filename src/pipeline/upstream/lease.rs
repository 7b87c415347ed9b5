//! A connection while it carries a request, and what is counted as long as it does.

use std::rc::Rc;

use bytes::Bytes;

use super::{
    cap::Place,
    server::{Connection, Open, ServerPool},
    socket::Socket,
};
use crate::pipeline::deadline::Deadlines;

/// Counts a request as under way on its server.
#[derive(Debug)]
pub struct Active(Rc<ServerPool>);

impl Active {
    /// From now until it is dropped.
    pub(super) fn new(pool: &Rc<ServerPool>) -> Self {
        pool.tally.requests.inc();
        pool.tally.active.inc();
        Self(Rc::clone(pool))
    }

    /// The server reset its stream.
    pub(super) fn reset(&self) {
        self.0.tally.resets.inc();
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.tally.active.dec();
    }
}

/// The connection an answer arrives on; closed when dropped, unless it is [returned](Lease::finish).
#[derive(Debug)]
pub struct Lease {
    pub(super) active: Active,
    /// The connection itself.
    pub(super) connection: Box<Connection>,
    /// Its place among those the server may be busy with.
    pub(super) place: Option<Place>,
    /// Whether it may carry another request.
    pub(super) keep_alive: bool,
}

impl Lease {
    /// The answer was read to its end: the connection may carry the next request.
    pub fn finish(self, deadlines: &Deadlines) {
        let Self { active, connection, place, keep_alive } = self;
        if keep_alive {
            active.0.checkin(connection, deadlines.now());
        }
        // Given on only now: who gets it finds the connection in the pool.
        drop(place);
    }

    /// The socket after a switch of protocols, what the server sent right behind its head, and what counts both as
    /// in use while it is kept.
    pub fn into_socket(self) -> (Socket, Bytes, (Active, Open, Option<Place>)) {
        let (socket, rest, open) = self.connection.into_parts();
        (socket, rest, (self.active, open, self.place))
    }
}
