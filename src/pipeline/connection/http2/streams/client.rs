//! What the client does to its streams.

use http::HeaderMap;

use super::{Arrival, Ended, Place, Stray, Streams};
use crate::pipeline::{
    connection::http2::{
        flow::{INITIAL_WINDOW, Receiving, Sending, WINDOW_MAX},
        frame::{PAYLOAD_BYTES_MAX, Reason},
        head::Head,
    },
    downstream::{
        body::RequestBody,
        stream_body::{Inflow, StreamBody},
    },
};

impl Streams {
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
        let Head { request, length, expects, tunnel, refused } = head;
        let inflow = (!ends).then(|| Inflow::new(length, expects, window as usize, self.ready.waker(at)));
        let body = inflow.clone().map_or(RequestBody::Empty, |inflow| RequestBody::Http2(StreamBody::new(inflow)));
        let (body, tunnel) = if tunnel { (RequestBody::Empty, Some(body)) } else { (body, None) };
        // Until it knows better the client takes the first window for granted.
        let allowed = if state.acknowledged { i64::from(window) } else { i64::from(window).max(INITIAL_WINDOW) };
        let place = Place {
            id,
            arrival: Some(Arrival { head: request, body, tunnel, refused }),
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
}
