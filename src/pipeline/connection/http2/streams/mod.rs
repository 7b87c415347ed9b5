//! The streams of a connection, as far as both directions have to know them (RFC 9113 section 5).

mod client;
mod gateway;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
};

use http::request::Parts;

use super::{
    flow::{INITIAL_WINDOW, Receiving, Sending},
    frame::PAYLOAD_BYTES_MAX,
    outbox::Outbox,
    ready::Ready,
};
use crate::{
    pipeline::downstream::{body::RequestBody, head::HeadError, stream_body::Inflow},
    telemetry::Http2Cells,
};

/// Streams that have ended are remembered as far as this, to tell what is late from what is wrong.
const REMEMBERED: usize = 64;

/// A request that waits to be served.
#[derive(Debug)]
pub struct Arrival {
    /// The request's head.
    pub head: Box<Parts>,
    /// Its body, which comes as it is read.
    pub body: RequestBody,
    /// What comes on a stream that is to become a tunnel.
    pub tunnel: Option<RequestBody>,
    /// Why it is refused, with a line that says what was asked for.
    pub refused: Option<(HeadError, Vec<u8>)>,
}

/// What the gateway takes on one connection.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Most streams at once.
    pub streams: usize,
    /// Places for streams: those that were reset keep theirs until they have been cleared away.
    pub places: usize,
    /// Bytes of one body that may lie unread.
    pub stream_window: u32,
    /// Bytes of all bodies that may lie unread.
    pub connection_window: u32,
}

/// The streams of one connection, shared by whoever reads its frames and whoever serves its streams.
#[derive(Debug)]
pub struct Streams {
    /// Which streams can go on.
    pub ready: Arc<Ready>,
    state: RefCell<State>,
    cells: Http2Cells,
    terms: Terms,
    /// Resets that the client has brought about, since somebody counted them.
    blamed: Cell<u32>,
    /// Whether anything was answered.
    answered: Cell<bool>,
}

#[derive(Debug)]
struct State {
    places: Vec<Place>,
    /// Places without a stream.
    vacant: Vec<usize>,
    open: usize,
    out: Outbox,
    /// Places whose bodies wait for other bytes to leave, and for the client to allow more.
    full: Vec<usize>,
    closed: Vec<usize>,
    sending: Sending,
    receiving: Receiving,
    /// What the client has set: the window of new streams and the largest payload.
    initial_window: i64,
    payload_max: usize,
    /// Whether the client knows what the gateway has set.
    acknowledged: bool,
    ended: VecDeque<(u32, Ended)>,
}

/// How a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client has said its last word on it.
    ByClient,
    /// The gateway cut it short: what still comes of it was sent before the client knew.
    ByGateway,
}

#[derive(Debug)]
struct Place {
    /// 0 while there is no stream, or none any more.
    id: u32,
    arrival: Option<Arrival>,
    sending: Sending,
    receiving: Receiving,
    inflow: Option<Rc<Inflow>>,
    /// Whether it is listed among those that wait.
    waits: bool,
    /// Whether the client has sent its last frame.
    client_done: bool,
    /// Whether the gateway has.
    gateway_done: bool,
}

/// What became of a piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// All of it is on its way.
    Sent,
    /// Other bytes have to leave first.
    Full,
    /// The client allows no more for now.
    Closed,
}

/// What to do about a frame that has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// It came too late.
    Ignore,
    /// Its stream had ended for the client.
    Closed,
    /// Nobody remembers its stream.
    Unknown,
}

impl Streams {
    /// A connection without streams.
    pub fn new(terms: Terms, cells: Http2Cells) -> Rc<Self> {
        let state = State {
            places: Vec::new(),
            vacant: Vec::new(),
            open: 0,
            out: Outbox::default(),
            full: Vec::new(),
            closed: Vec::new(),
            sending: Sending::new(INITIAL_WINDOW),
            receiving: Receiving::new(terms.connection_window, INITIAL_WINDOW),
            initial_window: INITIAL_WINDOW,
            payload_max: PAYLOAD_BYTES_MAX,
            acknowledged: false,
            ended: VecDeque::new(),
        };
        let (ready, state) = (Ready::new(terms.places), RefCell::new(state));
        Rc::new(Self { ready, state, cells, terms, blamed: Cell::new(0), answered: Cell::new(false) })
    }

    /// Whether no stream is open.
    pub fn is_idle(&self) -> bool {
        self.state.borrow().open == 0
    }

    /// How many places have been used.
    pub fn places(&self) -> usize {
        self.state.borrow().places.len()
    }

    /// Forgets the places, none of which is in use.
    pub fn rest(&self) {
        let state = &mut *self.state.borrow_mut();
        (state.places, state.vacant) = (Vec::new(), Vec::new());
        (state.full, state.closed) = (Vec::new(), Vec::new());
    }

    /// What is on its way to the client.
    pub fn out<T>(&self, with: impl FnOnce(&mut Outbox) -> T) -> T {
        with(&mut self.state.borrow_mut().out)
    }

    /// Resets that the client has brought about, since the last time.
    pub fn blamed(&self) -> u32 {
        self.blamed.take()
    }

    /// Whether anything was answered.
    pub fn answered(&self) -> bool {
        self.answered.get()
    }

    fn stir(&self, waiting: &mut Vec<usize>, places: &mut [Place]) {
        for at in waiting.drain(..) {
            places[at].waits = false;
            self.ready.mark(at);
        }
    }

    /// The stream in a place is over.
    fn close(&self, at: usize, how: Ended) {
        let inflow = {
            let state = &mut *self.state.borrow_mut();
            let place = &mut state.places[at];
            let id = std::mem::take(&mut place.id);
            // What nobody will take is taken.
            let held = place.receiving.held();
            let inflow = place.inflow.take();
            state.receiving.taken(held);
            state.open -= 1;
            state.remember(id, how);
            inflow
        };
        if let Some(inflow) = inflow {
            inflow.cut();
        }
    }
}

impl State {
    fn remember(&mut self, id: u32, how: Ended) {
        if self.ended.len() == REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, how));
    }
}
