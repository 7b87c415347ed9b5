//! One HTTP/2 stream: a request and its answer (RFC 9113 section 8.1).

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::{
    answer,
    frame::Reason,
    streams::{Arrival, Room, Streams},
    tunnel::Tunnel,
};
use crate::{
    headers::spare,
    pipeline::{
        deadline::Timer,
        downstream::{
            body::RequestBody,
            link::{Link, Takeover},
        },
        handle,
        reply::Reply,
        worker::Worker,
    },
    telemetry::Gauge,
};

/// Serves the streams of one place of a connection, one after the other. The next one finds everything made.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, streams: Rc<Streams>, at: usize) -> Infallible {
    loop {
        let arrival = poll_fn(|_| streams.poll_arrival(at)).await;
        exchange(&worker, &link, &streams, at, arrival).await;
        streams.leave(at);
    }
}

/// Serves a stream until its answer has left or either side has reset it.
async fn exchange(worker: &Rc<Worker>, link: &Rc<Link>, streams: &Rc<Streams>, at: usize, arrival: Arrival) {
    let _open = Open::new(worker.http2.streams.clone());
    let Arrival { head, body, tunnel, refused } = arrival;
    let to_head = head.method == Method::HEAD;
    let answer = {
        let mut refused = refused;
        let mut handling = pin!(handle(Rc::clone(worker), Rc::clone(link), head, body));
        poll_fn(|cx| {
            // The client takes its request back: whatever was asked for it is dropped.
            if streams.is_gone(at) {
                return Poll::Ready(None);
            }
            if let Some((error, line)) = refused.take() {
                // Found by the exchange, which begins when it is polled next: at once.
                link.refuse(error, &line);
            }
            let answer = handling.as_mut().poll(cx);
            // What was said on the way belongs to this stream.
            for (status, fields) in link.take_early() {
                streams.head(at, false, |out| answer::interim(out, status, &fields));
            }
            // In the same turn: other streams may switch as well.
            answer.map(|Ok(answer)| Some((answer, tunnel.is_some().then(|| link.take_switch()).flatten())))
        })
        .await
    };
    match (answer, tunnel) {
        (None, _) => {}
        (Some((answer, Some(takeover))), Some(sent)) => {
            // Boxed: its state would weigh on every exchange.
            Box::pin(switched(link, streams, at, answer, (takeover, sent))).await;
        }
        // Whoever asked for a tunnel takes any success for one (RFC 9110 section 9.3.6).
        (Some((answer, None)), Some(_)) if answer.status().is_success() => {
            streams.reset(at, Reason::Internal, false);
        }
        (Some((answer, _)), _) => Sending::begin(link, streams, at, to_head, answer).await,
    }
}

/// The stream is a tunnel from here on, until either side ends it (RFC 8441 section 5).
async fn switched(
    link: &Rc<Link>,
    streams: &Rc<Streams>,
    at: usize,
    answer: Response<Reply>,
    (takeover, sent): (Takeover, RequestBody),
) {
    let (head, mut body) = answer.into_parts();
    let lines = body.take_lines();
    let now = link.deadlines.now();
    streams.head(at, false, |out| answer::head(out, (&head, &lines), None, false, now));
    spare::give_back(head.headers);
    drop(body);
    takeover((Box::new(Tunnel::new(Rc::clone(streams), at, sent)), Vec::new())).await;
}

/// A body on its way to the client.
struct Sending<'s> {
    link: &'s Link,
    streams: &'s Streams,
    at: usize,
    body: Reply,
    /// A piece that has not left whole.
    piece: Bytes,
    /// Whether nothing comes behind it.
    last: bool,
    /// Whether all of it has left.
    done: bool,
    /// Present while the client makes no room.
    stalled: Option<Timer>,
}

impl<'s> Sending<'s> {
    /// Sends the head of `answer`, and its body, if there is one.
    async fn begin(link: &'s Link, streams: &'s Streams, at: usize, to_head: bool, answer: Response<Reply>) {
        let (head, mut body) = answer.into_parts();
        let size = body.size_hint().exact();
        let bodiless = to_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let ends = bodiless || body.is_end_stream();
        let lines = body.take_lines();
        let now = link.deadlines.now();
        streams.head(at, ends, |out| answer::head(out, (&head, &lines), size, to_head, now));
        spare::give_back(head.headers);
        if !ends {
            let mut sending =
                Self { link, streams, at, body, piece: Bytes::new(), last: false, done: false, stalled: None };
            poll_fn(|cx| sending.poll(cx)).await;
        }
    }

    /// Ready when nothing is left to do for the stream.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.streams.is_gone(self.at) {
                return Poll::Ready(());
            }
            if !self.piece.is_empty() {
                match self.streams.body(self.at, &mut self.piece, self.last) {
                    Room::Sent => self.stalled = None,
                    // The connection sees to it that its client takes something.
                    Room::Full => return Poll::Pending,
                    Room::Closed => return self.poll_stalled(cx),
                }
                if self.last {
                    self.done = true;
                    return Poll::Ready(());
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => {
                    self.streams.body(self.at, &mut Bytes::new(), true);
                    return Poll::Ready(());
                }
                // What the upstream broke off must not look complete (RFC 9113 section 8.1).
                Some(Err(_)) => {
                    self.streams.reset(self.at, Reason::Internal, false);
                    return Poll::Ready(());
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => (self.piece, self.last) = (data, self.body.is_end_stream()),
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        self.streams.head(self.at, true, |out| answer::trailers(out, &trailers));
                        self.done = true;
                        return Poll::Ready(());
                    }
                },
            }
        }
    }

    /// A client that makes no room for too long loses the stream (RELIABILITY risk 5).
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.stalled.get_or_insert_with(|| {
            let timer = Timer::new(&self.link.deadlines);
            timer.arm(self.link.timeouts.write);
            timer
        });
        if timer.expired(cx) {
            self.streams.reset(self.at, Reason::Cancel, true);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// Only the client ends it early: its stream or its connection is gone, or it takes nothing.
impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.body.left();
        }
    }
}

/// Counts an open stream.
struct Open(Gauge);

impl Open {
    fn new(streams: Gauge) -> Self {
        streams.inc();
        Self(streams)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
