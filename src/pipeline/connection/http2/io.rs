//! The socket of an HTTP/2 connection: frames are watched on their way in and gathered on their way out.

use std::{
    cell::{Cell, RefCell},
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    follow::Follow,
    frame::{goaway, kind},
    watch::{Breach, Watch},
};
use crate::{
    pipeline::{deadline::Deadlines, downstream::io::ClientIo},
    telemetry::Http2Cells,
};

/// Frames are gathered up to here before they are sent at once.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// The preface has been recognised; it is still in front of the first frame.
const PREFACE_BYTES: usize = 24;

/// Frames of many streams leave in one send: it waits for so many turns of the scheduler.
const TURNS: u8 = 2;

/// What the protocol and the driver of a connection share.
#[derive(Debug)]
pub(super) struct Wire {
    state: RefCell<State>,
    deadlines: Rc<Deadlines>,
    cells: Http2Cells,
    breach: Cell<Option<Breach>>,
}

#[derive(Debug)]
struct State {
    io: ClientIo,
    watch: Watch,
    inward: Follow,
    outward: Follow,
    /// Frames on their way out.
    out: Vec<u8>,
    sent: usize,
    turns: u8,
}

impl Wire {
    /// A connection whose preface was recognised.
    pub(super) fn new(io: ClientIo, watch: Watch, deadlines: Rc<Deadlines>, cells: Http2Cells) -> Rc<Self> {
        let (inward, outward) = (Follow::skipping(PREFACE_BYTES), Follow::default());
        let state = State { io, watch, inward, outward, out: Vec::new(), sent: 0, turns: 0 };
        Rc::new(Self { state: RefCell::new(state), deadlines, cells, breach: Cell::new(None) })
    }

    /// What the client did, if it is why the connection ended.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.breach.get()
    }

    /// Whether a header block has begun and not ended, or another short frame has not.
    pub(super) fn is_in_head(&self) -> bool {
        let state = self.state.borrow();
        state.watch.in_header_block() || state.inward.is_in_short_frame()
    }

    /// Sends what was gathered once the other tasks of this turn have had theirs.
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        if state.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.turns < TURNS {
            state.turns += 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        state.poll_send(cx)
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if self.breach.get().is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut state.io).poll_read(cx, buf))?;
            let now = self.deadlines.now();
            let watch = &mut state.watch;
            let seen = state.inward.heads(&buf.filled()[before..], |head| {
                if head.kind == kind::RST_STREAM {
                    self.cells.client_resets.inc();
                }
                watch.frame(head, now)
            });
            let Err(breach) = seen else { return Poll::Ready(Ok(())) };
            buf.set_filled(before);
            self.end(state, breach);
        }
        self.poll_last_words(state, cx)
    }

    /// The connection is over: the client is told why, behind what was gathered for it.
    fn end(&self, state: &mut State, breach: Breach) {
        self.breach.set(Some(breach));
        if state.outward.is_between_frames() {
            state.out.extend_from_slice(&goaway(state.watch.last_stream(), breach.reason()));
        }
    }

    fn poll_last_words(&self, state: &mut State, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(state.poll_send(cx));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if self.breach.get().is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if state.out.len() >= GATHERED_BYTES_MAX {
            ready!(state.poll_send(cx))?;
        }
        let now = self.deadlines.now();
        let (mut taken, mut breach) = (0, None);
        for slice in slices {
            let watch = &mut state.watch;
            let seen = state.outward.heads(slice, |head| {
                match head.kind {
                    kind::HEADERS => watch.answered(),
                    kind::RST_STREAM => {
                        self.cells.own_resets.inc();
                        breach = breach.or(watch.own_reset(now).err());
                    }
                    _ => {}
                }
                Ok(())
            });
            debug_assert!(seen.is_ok(), "what is sent is followed to its end");
            state.out.extend_from_slice(slice);
            taken += slice.len();
        }
        if let Some(breach) = breach {
            self.end(state, breach);
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(taken))
    }
}

impl State {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.sent..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += n;
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        (self.sent, self.turns) = (0, 0);
        if self.out.capacity() > GATHERED_BYTES_MAX {
            self.out = Vec::new();
        }
        self.out.clear();
        Poll::Ready(Ok(()))
    }
}

/// What the protocol reads from and writes to.
#[derive(Debug)]
pub(super) struct WatchedIo(pub(super) Rc<Wire>);

impl AsyncRead for WatchedIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Says done: the driver sends at the end of the scheduler's turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state.borrow_mut();
        ready!(state.poll_send(cx))?;
        Pin::new(&mut state.io).poll_shutdown(cx)
    }
}
