//! One HTTP/2 stream: a request and its answer (RFC 9113 section 8.1).

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, response::Parts};
use http_body::Body as _;

use crate::{
    clock,
    pipeline::{
        deadline::{Deadlines, Timer},
        downstream::{body::RequestBody, link::Link, stream_body::StreamBody},
        handle,
        reply::Reply,
        worker::Worker,
    },
    telemetry::Gauge,
};

/// Serves a stream until its answer has left or either side has reset it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    link: Rc<Link>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let _open = Open::new(worker.http2.streams.clone());
    let to_head = request.method() == Method::HEAD;
    let stall = Stall { deadlines: Rc::clone(&worker.deadlines), patience: link.timeouts.write };
    let answer = {
        let mut handling = pin!(handle(worker, link, with_body(request)));
        poll_fn(|cx| match handling.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => Poll::Ready(Some(answer)),
            // The client takes its request back: whatever was asked for it is dropped.
            Poll::Pending if respond.poll_reset(cx).is_ready() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    };
    let Some(answer) = answer else { return };
    let (mut head, body) = answer.into_parts();
    let bodiless = to_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    finish_head(&mut head, &body, to_head, stall.deadlines.now());
    let ends = bodiless || body.is_end_stream();
    if let Ok(send) = respond.send_response(Response::from_parts(head, ()), ends)
        && !ends
    {
        Sending { send, stall }.run(body).await;
    }
}

fn with_body(request: Request<RecvStream>) -> Request<RequestBody> {
    let (head, stream) = request.into_parts();
    if stream.is_end_stream() {
        return Request::from_parts(head, RequestBody::Empty);
    }
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Request::from_parts(head, RequestBody::Http2(StreamBody::new(stream, length)))
}

/// Date and length, as every answer has them.
fn finish_head(head: &mut Parts, body: &Reply, to_head: bool, now: u64) {
    let fields = &mut head.headers;
    let size = body.size_hint().exact();
    match head.status {
        // Lengths that lie are worse than none (RFC 9110 section 8.6).
        StatusCode::NO_CONTENT => _ = fields.remove(header::CONTENT_LENGTH),
        StatusCode::NOT_MODIFIED => {}
        _ if to_head => {
            if let Some(size) = size.filter(|size| *size > 0) {
                fields.entry(header::CONTENT_LENGTH).or_insert_with(|| size.into());
            }
        }
        _ => match size {
            Some(size) => _ = fields.insert(header::CONTENT_LENGTH, size.into()),
            None => _ = fields.remove(header::CONTENT_LENGTH),
        },
    }
    fields.entry(header::DATE).or_insert_with(|| date(now));
}

/// The value of `Date`; made anew at most once in each tick of the worker, which `now` counts.
fn date(now: u64) -> HeaderValue {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((u64::MAX, HeaderValue::from_static(""))) };
    }
    LAST.with_borrow_mut(|(at, value)| {
        if *at != now {
            *at = now;
            if let Ok(text) = HeaderValue::try_from(clock::now().imf_fixdate().to_string()) {
                *value = text;
            }
        }
        value.clone()
    })
}

/// How long a client may leave a stream without room.
struct Stall {
    deadlines: Rc<Deadlines>,
    patience: Duration,
}

/// A body on its way to the client.
struct Sending {
    send: SendStream<Bytes>,
    stall: Stall,
}

/// The stream was reset, or the connection ended.
struct Gone;

impl Sending {
    async fn run(mut self, mut body: Reply) {
        loop {
            let Ok(frame) = self.next(&mut body).await else { return };
            let Some(frame) = frame else {
                let _ = self.send.send_data(Bytes::new(), true);
                return;
            };
            // What the upstream broke off must not look complete (RFC 9113 section 8.1).
            let Ok(frame) = frame else { return self.send.send_reset(Reason::INTERNAL_ERROR) };
            match frame.into_data() {
                Ok(data) => {
                    let last = body.is_end_stream();
                    if self.data(data, last).await.is_err() || last {
                        return;
                    }
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        let _ = self.send.send_trailers(trailers);
                        return;
                    }
                }
            }
        }
    }

    /// The next piece of the body, unless the client has lost interest.
    async fn next(&mut self, body: &mut Reply) -> Result<Option<Frame>, Gone> {
        poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Ok(frame)),
            Poll::Pending if self.send.poll_reset(cx).is_ready() => Poll::Ready(Err(Gone)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Sends a piece as the client makes room for it.
    async fn data(&mut self, mut data: Bytes, last: bool) -> Result<(), Gone> {
        while !data.is_empty() {
            self.send.reserve_capacity(data.len());
            let mut room = self.send.capacity();
            if room == 0 {
                room = self.room().await?;
            }
            let piece = data.split_to(room.min(data.len()));
            self.send.send_data(piece, last && data.is_empty()).map_err(|_| Gone)?;
        }
        Ok(())
    }

    /// Waits for room; a client that makes none for too long loses the stream (RELIABILITY risk 5).
    async fn room(&mut self) -> Result<usize, Gone> {
        let timer = Timer::new(&self.stall.deadlines);
        timer.arm(self.stall.patience);
        poll_fn(|cx| self.poll_room(&timer, cx)).await
    }

    fn poll_room(&mut self, timer: &Timer, cx: &mut Context<'_>) -> Poll<Result<usize, Gone>> {
        loop {
            match self.send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(0))) => {}
                Poll::Ready(Some(Ok(room))) => return Poll::Ready(Ok(room)),
                Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                Poll::Pending if timer.expired(cx) => {
                    self.send.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Gone));
                }
                Poll::Pending if self.send.poll_reset(cx).is_ready() => return Poll::Ready(Err(Gone)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

type Frame = Result<http_body::Frame<Bytes>, <Reply as http_body::Body>::Error>;

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
