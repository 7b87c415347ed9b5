//! The streams of a connection, as far as both directions have to know them (RFC 9113 section 5).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    task::Poll,
};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Request, StatusCode};

use super::{
    flow::{INITIAL_WINDOW, Receiving, Sending, WINDOW_MAX},
    frame::{PAYLOAD_BYTES_MAX, Reason, flag, kind},
    head::Head,
    hpack::encoder,
    outbox::Outbox,
    ready::Ready,
};
use crate::{
    pipeline::downstream::{
        body::RequestBody,
        head::HeadError,
        stream_body::{Inflow, StreamBody},
    },
    telemetry::Http2Cells,
};

/// Streams that have ended are remembered as far as this, to tell what is late from what is wrong.
const REMEMBERED: usize = 64;

/// A request that waits to be served.
#[derive(Debug)]
pub struct Arrival {
    /// The request, whose body comes as it is read.
    pub request: Request<RequestBody>,
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

    // What the client does.

    /// Opens a stream.
    ///
    /// - `ends`: whether its request is whole.
    ///
    /// Errors with why it is refused.
    pub fn open(&self, id: u32, ends: bool, head: Head) -> Result<(), Reason> {
        let state = &mut *self.state.borrow_mut();
        let crowded = state.vacant.is_empty() && state.places.len() >= self.terms.places;
        if state.open >= self.terms.streams || crowded {
            return Err(Reason::RefusedStream);
        }
        let at = state.vacant.pop().unwrap_or(state.places.len());
        let window = self.terms.stream_window;
        let Head { request, length, expects, refused } = head;
        let inflow = (!ends).then(|| Inflow::new(length, expects, window as usize, self.ready.waker(at)));
        let body = inflow.clone().map_or(RequestBody::Empty, |inflow| RequestBody::Http2(StreamBody::new(inflow)));
        // Until it knows better the client takes the first window for granted.
        let allowed = if state.acknowledged { i64::from(window) } else { i64::from(window).max(INITIAL_WINDOW) };
        let place = Place {
            id,
            arrival: Some(Arrival { request: request.map(|()| body), refused }),
            sending: Sending::new(state.initial_window),
            receiving: Receiving::new(window, allowed),
            inflow,
            waits: false,
            client_done: ends,
            gateway_done: false,
        };
        match state.places.get_mut(at) {
            Some(vacant) => *vacant = place,
            None => state.places.push(place),
        }
        state.open += 1;
        self.ready.mark(at);
        Ok(())
    }

    /// Where a stream is, if it is open.
    pub fn find(&self, id: u32) -> Option<usize> {
        self.state.borrow().places.iter().position(|place| place.id == id)
    }

    /// How a stream that is not open has ended.
    pub fn stray(&self, id: u32) -> Stray {
        let state = self.state.borrow();
        match state.ended.iter().rev().find(|(ended, _)| *ended == id) {
            Some((_, Ended::ByGateway)) => Stray::Ignore,
            Some((_, Ended::ByClient)) => Stray::Closed,
            None => Stray::Unknown,
        }
    }

    /// Whether the client has ended its side of an open stream.
    pub fn client_done(&self, at: usize) -> bool {
        self.state.borrow().places[at].client_done
    }

    /// Takes the length of a DATA frame off the windows; none where its stream is not open.
    ///
    /// Errors with whether the connection is to end, and why.
    pub fn data_begins(&self, at: Option<usize>, length: usize) -> Result<(), (bool, Reason)> {
        let state = &mut *self.state.borrow_mut();
        state.receiving.received(length).map_err(|reason| (true, reason))?;
        let Some(at) = at else {
            state.receiving.taken(length);
            return Ok(());
        };
        state.places[at].receiving.received(length).map_err(|reason| {
            state.receiving.taken(length);
            (false, reason)
        })
    }

    /// Takes a piece of a body in.
    pub fn data(&self, at: usize, data: &[u8]) -> Result<(), Reason> {
        let inflow = self.state.borrow().places[at].inflow.clone();
        match inflow {
            Some(inflow) => inflow.data(data).map_err(|_| Reason::Protocol),
            None if data.is_empty() => Ok(()),
            None => Err(Reason::Protocol),
        }
    }

    /// Padding counts as taken at once.
    pub fn padding(&self, at: usize, bytes: usize) {
        let state = &mut *self.state.borrow_mut();
        state.places[at].receiving.taken(bytes);
        state.receiving.taken(bytes);
    }

    /// The client has ended its side.
    pub fn client_ends(&self, at: usize, trailers: Option<HeaderMap>) -> Result<(), Reason> {
        let inflow = {
            let place = &mut self.state.borrow_mut().places[at];
            place.client_done = true;
            place.inflow.clone()
        };
        inflow.map_or(Ok(()), |inflow| inflow.end(trailers).map_err(|_| Reason::Protocol))
    }

    /// The client has taken its request back.
    pub fn client_resets(&self, at: usize) {
        self.close(at, Ended::ByClient);
        self.ready.mark(at);
    }

    /// The client takes more: on a stream, or on all.
    pub fn widen(&self, at: Option<usize>, by: u32) -> Result<(), Reason> {
        let state = &mut *self.state.borrow_mut();
        match at {
            Some(at) => {
                // It may be listed still, and is looked at once more then.
                self.ready.mark(at);
                state.places[at].sending.change(i64::from(by))
            }
            None => {
                state.sending.change(i64::from(by))?;
                self.stir(&mut state.closed, &mut state.places);
                Ok(())
            }
        }
    }

    /// The client has set the window of its streams, those that are open included (RFC 9113 section 6.9.2).
    pub fn set_initial_window(&self, window: u32) -> Result<(), Reason> {
        let state = &mut *self.state.borrow_mut();
        let window = i64::from(window);
        if window > WINDOW_MAX {
            return Err(Reason::FlowControl);
        }
        let by = window - std::mem::replace(&mut state.initial_window, window);
        for place in state.places.iter_mut().filter(|place| place.id != 0) {
            place.sending.change(by)?;
        }
        self.stir(&mut state.closed, &mut state.places);
        Ok(())
    }

    /// The client takes payloads up to this size.
    pub fn set_payload_max(&self, most: u32) {
        // Larger ones would make the streams of a connection wait for each other.
        self.state.borrow_mut().payload_max = usize::try_from(most).unwrap_or(usize::MAX).min(PAYLOAD_BYTES_MAX);
    }

    /// The client knows what the gateway has set.
    pub fn acknowledge(&self) {
        self.state.borrow_mut().acknowledged = true;
    }

    // What the gateway does.

    /// The request that waits in a place.
    pub fn poll_arrival(&self, at: usize) -> Poll<Arrival> {
        match self.state.borrow_mut().places.get_mut(at).and_then(|place| place.arrival.take()) {
            Some(arrival) => Poll::Ready(arrival),
            None => Poll::Pending,
        }
    }

    /// Whether a stream has ended before its answer has.
    pub fn is_gone(&self, at: usize) -> bool {
        self.state.borrow().places[at].id == 0
    }

    /// Sends a head: of an answer, of an interim one, or trailers, which end a stream.
    pub fn head(&self, at: usize, ends: bool, write: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.state.borrow_mut();
        let place = &mut state.places[at];
        if place.id != 0 {
            place.gateway_done |= ends;
            state.out.block(place.id, ends, state.payload_max, write);
            self.answered.set(true);
        }
    }

    /// Sends as much of a body as the client takes.
    ///
    /// - `last`: whether nothing comes behind it.
    pub fn body(&self, at: usize, data: &mut Bytes, last: bool) -> Room {
        let state = &mut *self.state.borrow_mut();
        let place = &mut state.places[at];
        loop {
            let room = place.sending.room().min(state.sending.room()).min(state.payload_max);
            if !data.is_empty() && (room == 0 || state.out.is_full()) {
                let (list, why) =
                    if room == 0 { (&mut state.closed, Room::Closed) } else { (&mut state.full, Room::Full) };
                if !std::mem::replace(&mut place.waits, true) {
                    list.push(at);
                }
                return why;
            }
            let length = data.len().min(room);
            let ends = last && length == data.len();
            let flags = if ends { flag::END_STREAM } else { 0 };
            state.out.frame(kind::DATA, flags, place.id, &data[..length]);
            data.advance(length);
            place.sending.sent(length);
            state.sending.sent(length);
            place.gateway_done |= ends;
            if data.is_empty() {
                return Room::Sent;
            }
        }
    }

    /// Ends a stream at once.
    ///
    /// - `blame`: whether it is the client's doing.
    pub fn reset(&self, at: usize, reason: Reason, blame: bool) {
        let id = self.state.borrow().places[at].id;
        if id != 0 {
            self.close(at, Ended::ByGateway);
            self.ready.mark(at);
            self.refuse(id, reason, blame);
        }
    }

    /// Ends a stream that has no place.
    pub fn refuse(&self, id: u32, reason: Reason, blame: bool) {
        let state = &mut *self.state.borrow_mut();
        state.out.reset(id, reason);
        self.cells.own_resets.inc();
        if blame {
            self.blamed.set(self.blamed.get() + 1);
        }
        if !state.ended.iter().any(|(ended, _)| *ended == id) {
            state.remember(id, Ended::ByGateway);
        }
    }

    /// The stream's answer is done with, and its place is free.
    pub fn leave(&self, at: usize) {
        let (id, client_done, gateway_done) = {
            let place = &self.state.borrow().places[at];
            (place.id, place.client_done, place.gateway_done)
        };
        if id != 0 {
            match (gateway_done, client_done) {
                (true, true) => self.close(at, Ended::ByClient),
                // The answer is whole; the rest of the request is of no use (RFC 9113 section 8.1).
                (true, false) => self.reset(at, Reason::NoError, false),
                (false, _) => self.reset(at, Reason::Internal, false),
            }
        }
        let state = &mut *self.state.borrow_mut();
        state.places[at].arrival = None;
        state.vacant.push(at);
    }

    /// Grants the client what was taken of a stream's body, and asks for a body that is waited for.
    pub fn settle(&self, at: usize) {
        let state = &mut *self.state.borrow_mut();
        let Some(place) = state.places.get_mut(at) else { return };
        let Some(inflow) = place.inflow.as_ref().filter(|_| place.id != 0) else { return };
        let taken = inflow.taken();
        if taken > 0 {
            place.receiving.taken(taken);
            state.receiving.taken(taken);
            if !place.client_done
                && let Some(by) = place.receiving.grant()
            {
                state.out.window_update(place.id, by);
            }
        }
        if inflow.invites() {
            state.out.block(place.id, false, state.payload_max, |out| {
                encoder::status(out, StatusCode::CONTINUE);
            });
        }
    }

    /// Grants the client what was taken of all bodies.
    pub fn settle_all(&self) {
        let state = &mut *self.state.borrow_mut();
        if let Some(by) = state.receiving.grant() {
            state.out.window_update(0, by);
        }
    }

    /// Everything has left: bodies that waited for it go on.
    pub fn room_made(&self) {
        let state = &mut *self.state.borrow_mut();
        self.stir(&mut state.full, &mut state.places);
    }

    /// The connection has ended: no body will come whole.
    pub fn cut(&self) {
        let inflows: Vec<_> =
            self.state.borrow_mut().places.iter_mut().filter_map(|place| place.inflow.take()).collect();
        inflows.iter().for_each(|inflow| inflow.cut());
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
