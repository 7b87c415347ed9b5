//! A client's HTTP/1 connection: heads and bodies in, answers out (RFC 9112).
//!
//! One task drives it. It reads one request at a time: what a client pipelines stays in the buffer,
//! or in the kernel, until its turn comes.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::{
    body::Broken,
    framing::Framing,
    head::HeadError,
    link::{Link, Waiting},
    request::{self, Head},
    socket::Socket,
};
use crate::pipeline::{chunked::Step, flat_write::poll_write_flat, scratch, stall::Stall};

/// A client connection, shared by whoever serves it and the body of the request under way.
#[derive(Debug)]
pub struct Wire {
    link: Rc<Link>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    socket: Socket,
    /// Read from the client, not yet used.
    buffer: BytesMut,
    /// How much of a body is read at once; grows with the body.
    room: usize,
    /// The body of the request under way.
    body: Framing,
    /// What has still to be said before the client sends its body.
    invitation: &'static [u8],
    /// Nothing more can be read: the framing broke, or a head was refused.
    broken: bool,
    /// Whether the client has sent a request before it had the answer to the last one.
    pipelines: bool,
    stall: Stall,
}

/// What came next on an idle connection.
#[derive(Debug)]
pub enum Arrival {
    /// A request, or what stands for one that is not acceptable.
    Head(Head),
    /// Nothing for a while: buffers may be given up.
    Pause,
    /// The client left, said nothing in time, or the gateway drains.
    End,
}

/// The protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// What a prior-knowledge HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An ordinary head, with room for a small body behind it.
const HEAD_ROOM: usize = 4 * 1024;
/// Least and most bytes of one read of a body: many large uploads must not leave much memory behind.
const BODY_ROOM_MIN: usize = 16 * 1024;
const BODY_ROOM_MAX: usize = 128 * 1024;
/// A larger buffer is given up at the end of its request.
const KEPT_BYTES: usize = 16 * 1024;
/// RFC 9110 section 15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Wire {
    /// Takes over an accepted socket.
    pub fn new(socket: Socket, link: Rc<Link>) -> Rc<Self> {
        link.wait(Waiting::Head);
        let stall = Stall::new(Rc::clone(&link.deadlines), link.timeouts.write);
        let (body, room) = (Framing::Length(0), BODY_ROOM_MIN);
        let state = State {
            socket,
            buffer: BytesMut::new(),
            room,
            body,
            invitation: b"",
            broken: false,
            pipelines: false,
            stall,
        };
        Rc::new(Self { link, state: RefCell::new(state) })
    }

    /// Waits for the next request.
    pub fn poll_arrival(&self, cx: &mut Context<'_>) -> Poll<Arrival> {
        let state = &mut *self.state.borrow_mut();
        loop {
            state.skip_blank_lines();
            if !state.buffer.is_empty() {
                match request::take(&mut state.buffer, &self.link.head_limits) {
                    Ok(Some(head)) => return Poll::Ready(Arrival::Head(self.begin(state, head))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(self.refuse(state, error)),
                }
            }
            match state.poll_fill(cx, HEAD_ROOM) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Arrival::End),
                Poll::Pending => return self.poll_wait(state, cx),
            }
        }
    }

    fn begin(&self, state: &mut State, head: Head) -> Head {
        self.link.wait(Waiting::No);
        state.body = head.framing.clone();
        state.invitation = if head.expects { CONTINUE } else { b"" };
        head
    }

    /// Nothing to read right now: has the client waited too long?
    fn poll_wait(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<Arrival> {
        let idle = state.buffer.is_empty();
        let waiting = if idle { Waiting::Idle } else { Waiting::Head };
        // The first head's time runs from the accept; later ones' from their first byte.
        if self.link.waiting() < waiting {
            self.link.wait(waiting);
        }
        if idle && self.link.waiting() == Waiting::Idle && self.link.farewell.is_over() {
            return Poll::Ready(Arrival::End);
        }
        if !self.link.expired(cx) {
            return Poll::Pending;
        }
        Poll::Ready(if idle && self.link.may_park() {
            Arrival::Pause
        } else if state.buffer.contains(&b'\n') {
            self.refuse(state, HeadError::Timeout)
        } else {
            Arrival::End
        })
    }

    /// A harmless head takes the place of the refused one: so the request takes the ordinary way to a
    /// problem answer, logged and counted like any other. Nothing more is read.
    fn refuse(&self, state: &mut State, error: HeadError) -> Arrival {
        self.link.wait(Waiting::No);
        self.link.refuse(error, &state.buffer);
        state.broken = true;
        Arrival::Head(Head::refused(state.buffer.starts_with(b"HEAD ")))
    }

    /// Cuts the connection, so that nothing sent on it looks whole.
    pub fn abort(&self) {
        self.state.borrow().socket.reset_on_close();
    }

    /// Waits for the first bytes and says which protocol they begin.
    ///
    /// `None` when the client left, sent nothing in time, or the gateway drains.
    pub fn poll_protocol(&self, cx: &mut Context<'_>) -> Poll<Option<Protocol>> {
        // The timer learns whom to wake: one task drives the connection from here to its end.
        let expired = self.link.expired(cx);
        let state = &mut *self.state.borrow_mut();
        loop {
            let seen = state.buffer.len().min(PREFACE.len());
            if state.buffer[..seen] != PREFACE[..seen] {
                return Poll::Ready(Some(Protocol::Http1));
            }
            if seen == PREFACE.len() {
                return Poll::Ready(Some(Protocol::Http2));
            }
            // A connection that says nothing has no buffer.
            match state.socket.poll_read_ready(cx).map(|_| state.poll_fill(cx, HEAD_ROOM)) {
                Poll::Ready(Poll::Ready(Ok(1..))) => {}
                Poll::Ready(Poll::Ready(_)) => return Poll::Ready(None),
                Poll::Pending | Poll::Ready(Poll::Pending) if expired => return Poll::Ready(None),
                Poll::Pending | Poll::Ready(Poll::Pending) => {
                    // What the kernel had accepted before the drain is still served, if it says something soon.
                    if self.link.farewell.is_over() && self.link.waiting() != Waiting::Last {
                        self.link.wait(Waiting::Last);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Waits without buffers for the next request, or for the client to leave.
    ///
    /// `false` when nothing came within `timeouts.keep_alive`, or the gateway drains.
    pub async fn park(&self) -> bool {
        self.state.borrow_mut().buffer = BytesMut::new();
        self.link.parked();
        let came = std::future::poll_fn(|cx| {
            if self.state.borrow_mut().socket.poll_read_ready(cx).is_ready() {
                Poll::Ready(true)
            } else if self.link.expired(cx) || self.link.farewell.is_over() {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        })
        .await;
        self.link.wait(Waiting::Head);
        came
    }

    /// Whether the client has left while its answer is being made. Wakes the task when it does.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> bool {
        let state = &mut *self.state.borrow_mut();
        if state.broken || !state.body.is_done() || !state.buffer.is_empty() {
            // Whoever reads the body will notice; what is pipelined waits, and so does the end behind it.
            return false;
        }
        match state.socket.poll_read_ready(cx) {
            Poll::Pending => false,
            Poll::Ready(_) => matches!(state.poll_fill(cx, HEAD_ROOM), Poll::Ready(Ok(0) | Err(_))),
        }
    }

    /// Whether the request's body has been read to its end.
    pub fn is_body_done(&self) -> bool {
        let state = self.state.borrow();
        !state.broken && state.body.is_done()
    }

    /// Bytes of the body that were not read yet, where the client said how many there are.
    pub fn body_left(&self) -> Option<u64> {
        self.state.borrow().body.left()
    }

    /// The next piece of the request's body. Asking for the first one invites a client that waits for it.
    pub fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let state = &mut *self.state.borrow_mut();
        if state.broken {
            return Poll::Ready(Some(Err(Broken)));
        }
        loop {
            match state.body.next(&mut state.buffer) {
                Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Step::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Step::End) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(_) => return state.broke(),
            }
            match ready!(state.poll_more(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return state.broke(),
            }
        }
    }

    /// Reads what has already arrived of a body nobody wants; whether that was all of it.
    pub fn discard_body(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        while !state.broken {
            match state.body.next(&mut state.buffer) {
                Ok(Step::Data(_)) => {}
                Ok(Step::Trailers(_) | Step::End) => return true,
                Ok(Step::More) => return false,
                Err(_) => state.broken = true,
            }
        }
        false
    }

    /// The request under way has been answered: what it needed is given up.
    pub fn rest(&self) {
        let state = &mut *self.state.borrow_mut();
        state.invitation = b"";
        state.room = BODY_ROOM_MIN;
        state.pipelines |= !state.buffer.is_empty();
        if state.buffer.is_empty() && state.buffer.capacity() > KEPT_BYTES {
            state.buffer = BytesMut::new();
        }
    }

    /// Whether earlier answers may still be on their way when the next one is sent.
    pub fn pipelines(&self) -> bool {
        self.state.borrow().pipelines
    }

    /// Writes as much of `slices` as the client takes.
    pub fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.borrow_mut();
        let outcome = poll_write_flat(&mut state.socket, cx, slices);
        match ready!(state.stall.watch(cx, outcome))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            n => Poll::Ready(Ok(n)),
        }
    }

    /// Sends what the socket itself holds back (TLS).
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state.borrow_mut();
        let outcome = Pin::new(&mut state.socket).poll_flush(cx);
        state.stall.watch(cx, outcome)
    }

    /// The socket, and what was read from it; none while a body still reads from it.
    pub fn into_parts(self: Rc<Self>) -> Option<(Socket, BytesMut)> {
        let state = Rc::into_inner(self)?.state.into_inner();
        Some((state.socket, state.buffer))
    }

    /// Whether bytes of a request were left unread, so that closing at once would reset the connection
    /// and could destroy an answer on its way.
    pub fn has_unread(&self) -> bool {
        let state = self.state.borrow();
        state.broken || !state.body.is_done() || !state.buffer.is_empty()
    }
}

impl State {
    /// RFC 9112 section 2.2: empty lines before a request line are ignored.
    fn skip_blank_lines(&mut self) {
        let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if blank > 0 {
            self.buffer.advance(blank);
        }
    }

    /// Reads more of a body, inviting the client to send it first.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while !self.invitation.is_empty() {
            let outcome = Pin::new(&mut self.socket).poll_write(cx, self.invitation);
            let n = ready!(self.stall.watch(cx, outcome))?;
            self.invitation = &self.invitation[n..];
            let _ = Pin::new(&mut self.socket).poll_flush(cx);
        }
        let n = ready!(self.poll_fill(cx, self.room))?;
        if n >= self.room {
            self.room = (self.room * 2).min(BODY_ROOM_MAX);
        }
        Poll::Ready(Ok(n))
    }

    /// Reads into the buffer; 0 when the client has closed.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if room <= scratch::SMALL_BYTES {
            return scratch::poll_read(&mut self.socket, cx, &mut self.buffer, room);
        }
        if self.buffer.capacity() - self.buffer.len() < room {
            self.buffer.reserve(room);
        }
        // The adapter reads into spare capacity without clearing it first; it keeps no state.
        pin!(self.socket.read_buf(&mut self.buffer)).poll(cx)
    }

    fn broke(&mut self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.broken = true;
        Poll::Ready(Some(Err(Broken)))
    }
}
