//! What the gateway does for the streams of a client.

use std::task::Poll;

use bytes::{Buf as _, Bytes};
use http::StatusCode;

use super::{Arrival, Ended, Room, Streams};
use crate::pipeline::connection::http2::{
    frame::{Reason, flag, kind},
    hpack::encoder,
};

impl Streams {
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
}
