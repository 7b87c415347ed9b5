//! A client connection that speaks HTTP/1 (RFC 9112): one exchange after the other.

use std::{
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderName, Response, header, request::Parts};
use http_body::Body as _;

use super::close;
use crate::{
    headers::{self, spare},
    pipeline::{
        downstream::{
            answer::{self, Delimiter, Outbox},
            body::RequestBody,
            link::{Link, Takeover},
            request::{Asked, Head},
            wire::{Arrival, Wire},
        },
        handle,
        reply::Reply,
        worker::Worker,
    },
};

/// Serves exchanges until the connection closes; while the client is idle only the socket is kept.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, wire: Rc<Wire>) {
    let pause = loop {
        // Boxed: an idle connection carries none of it.
        match Box::pin(exchanges(&worker, &link, &wire)).await {
            Pause::Idle if wire.park().await => {}
            // Without a farewell: what was sent is not the whole answer, and must not look like it.
            Pause::Broken => return wire.abort(),
            pause => break pause,
        }
    };
    let unread = wire.has_unread();
    let Some((socket, read)) = wire.into_parts() else { return };
    match pause {
        Pause::Switched(takeover) => takeover((Box::new(socket), read.into())).await,
        pause => close(socket, unread || matches!(pause, Pause::Last)).await,
    }
}

/// Why no exchange follows for now.
enum Pause {
    /// The client is idle.
    Idle,
    /// The connection changes its protocol.
    Switched(Takeover),
    /// The connection is over.
    Ended,
    /// The gateway ends the connection, and the client may be sending more.
    Last,
    /// An answer broke off.
    Broken,
}

/// Serves exchanges until there is a pause.
async fn exchanges(worker: &Rc<Worker>, link: &Rc<Link>, wire: &Rc<Wire>) -> Pause {
    loop {
        let (head, body, asked) = match poll_fn(|cx| wire.poll_arrival(cx)).await {
            Arrival::Head(Head { request, framing, asked, .. }) if framing.is_done() => {
                (request, RequestBody::Empty, asked)
            }
            Arrival::Head(Head { request, asked, .. }) => (request, RequestBody::Http1(Rc::clone(wire)), asked),
            Arrival::Pause => return Pause::Idle,
            Arrival::End => return Pause::Ended,
        };
        if let Some(pause) = exchange(worker, link, wire, (head, body), asked).await {
            return pause;
        }
    }
}

/// One request and its answer; none when another may follow.
async fn exchange(
    worker: &Rc<Worker>,
    link: &Rc<Link>,
    wire: &Rc<Wire>,
    (head, body): (Box<Parts>, RequestBody),
    asked: Asked,
) -> Option<Pause> {
    link.relay(asked.modern);
    let mut sending = {
        let mut handling = pin!(handle(Rc::clone(worker), Rc::clone(link), head, body));
        let mut interims = Outbox::default();
        let sending = poll_fn(|cx| match handling.as_mut().poll(cx) {
            Poll::Ready(Ok(answer)) => {
                let most = worker.loaded().snapshot.config.limits.requests_per_connection;
                let persists = asked.persists && worker.keep_alive.get() && !link.is_last(most);
                let outbox = std::mem::take(&mut interims).ready();
                Poll::Ready(Some(Sending::new(wire, link, asked, persists, answer, outbox)))
            }
            Poll::Pending if relay(link, wire, &mut interims, cx) || wire.poll_gone(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        match sending.await {
            Some(sending) => sending,
            None => return Some(Pause::Ended),
        }
    };
    let sent = poll_fn(|cx| sending.poll(cx)).await;
    drop(sending);
    let kept = match sent {
        Ok(kept) => kept,
        Err(Broken::Client) => return Some(Pause::Ended),
        // A reset would destroy earlier answers too. Length or chunks show that this one is not whole.
        Err(Broken::Answer) if asked.modern && wire.pipelines() => return Some(Pause::Last),
        Err(Broken::Answer) => return Some(Pause::Broken),
    };
    wire.rest();
    match link.take_switch() {
        Some(takeover) => Some(Pause::Switched(takeover)),
        None if kept && wire.is_body_done() => None,
        // Too many are here: one that is turned away does not get time as well.
        None if asked.persists && !link.over_limit => Some(Pause::Last),
        None => Some(Pause::Ended),
    }
}

/// Passes interim responses on as they come; whether the client has left.
fn relay(link: &Link, wire: &Wire, interims: &mut Outbox, cx: &mut Context<'_>) -> bool {
    link.take_interims(interims.lead());
    !interims.is_empty() && matches!(interims.poll_write(wire, cx), Poll::Ready(Err(_)))
}

/// Why an answer did not leave whole.
enum Broken {
    /// The client left, or takes nothing more.
    Client,
    /// The upstream broke off within its body.
    Answer,
}

/// An answer on its way.
struct Sending<'w> {
    wire: &'w Wire,
    body: Option<Reply>,
    delimiter: Delimiter,
    /// Trailers that are sent; none where the client takes no trailers.
    trailers: Vec<HeaderName>,
    outbox: Outbox,
    persists: bool,
    /// The body ended before its end.
    broken: bool,
}

impl<'w> Sending<'w> {
    /// - `outbox`: what is left of interim responses.
    fn new(
        wire: &'w Rc<Wire>,
        link: &Link,
        asked: Asked,
        persists: bool,
        answer: Response<Reply>,
        mut outbox: Outbox,
    ) -> Self {
        let (parts, mut body) = answer.into_parts();
        let size = body.size_hint().exact();
        let delimiter = Delimiter::choose(asked, parts.status, size);
        // What is left of a body would be taken for the next request. Also while it is still sent on: whether that ends
        // before the answer does is known too late to be said (RFC 9112 section 9.6).
        let discarded = || Rc::strong_count(wire) == 1 && wire.discard_body();
        let persists = persists && delimiter != Delimiter::Close && (wire.is_body_done() || discarded());
        link.take_interims(outbox.lead());
        let lines = body.take_lines();
        answer::head(outbox.lead(), (&parts, &lines[..]), asked, delimiter, size, persists, link.deadlines.now());
        let body = (delimiter != Delimiter::Nothing && size != Some(0)).then_some(body);
        let trailers =
            if delimiter == Delimiter::Chunks && asked.trailers { announced(&parts.headers) } else { Vec::new() };
        spare::give_back(parts.headers);
        Self { wire, body, delimiter, trailers, outbox, persists, broken: false }
    }

    /// Whether the connection may carry another exchange, once the answer has left.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Broken>> {
        loop {
            let whole = self.load(cx);
            if self.outbox.is_empty() {
                return match whole {
                    true if self.broken => Poll::Ready(Err(Broken::Answer)),
                    true => Poll::Ready(Ok(self.persists)),
                    false if self.wire.poll_gone(cx) => self.left(),
                    false => Poll::Pending,
                };
            }
            if ready!(self.outbox.poll_write(self.wire, cx)).is_err() {
                return self.left();
            }
        }
    }

    fn left(&mut self) -> Poll<Result<bool, Broken>> {
        if let Some(body) = &mut self.body {
            body.left();
        }
        Poll::Ready(Err(Broken::Client))
    }

    /// Puts what there is of the body into the outbox; whether that was the last of it.
    fn load(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(body) = self.body.as_mut().filter(|_| !self.outbox.is_full()) {
            match pin!(&mut *body).poll_frame(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Err(_))) => {
                    self.body = None;
                    self.broken = true;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.outbox.data(data, self.delimiter);
                        if self.delimiter != Delimiter::Chunks && body.is_end_stream() {
                            self.body = None;
                        }
                    }
                    Err(frame) => self.end(frame.trailers_ref()),
                },
                Poll::Ready(None) => self.end(None),
            }
        }
        self.body.is_none()
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        self.body = None;
        self.outbox.end(self.delimiter, trailers, &self.trailers);
    }
}

/// The trailers an answer announces, but those that would decide something (RFC 9110 section 6.5.1).
fn announced(fields: &HeaderMap) -> Vec<HeaderName> {
    let lines = fields.get_all(header::TRAILER);
    let names = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names.filter(headers::may_trail).collect()
}
