//! The socket of a client connection, between the kernel and the HTTP parser.
//!
//! It hands the parser one checked head at a time and exactly the body that belongs to it, so that
//! nothing unchecked is ever parsed and pipelined requests wait their turn. It owns the deadlines
//! of reading and writing. A head that is refused is replaced by a harmless one: the request then
//! takes the ordinary way to a problem answer, in its turn, logged and counted like any other.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    framing::Framing,
    head::{self, HeadError, Progress},
    link::{Link, Waiting},
    socket::Socket,
};
use crate::pipeline::{flat_write::poll_write_flat, stall::Stall};

/// What a prior-knowledge HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read ahead while an exchange is under way: enough to notice that the client left.
const AHEAD_BYTES: usize = 1024;

/// The protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// A client's socket.
#[derive(Debug)]
pub struct ClientIo {
    stream: Socket,
    link: Rc<Link>,
    /// Read from the socket, not yet handed on.
    stash: Vec<u8>,
    mode: Mode,
    stall: Stall,
}

#[derive(Debug)]
enum Mode {
    /// The next bytes are a request head.
    Head,
    /// A checked head at the front of the stash is being handed on: bytes left, then the body.
    Checked(usize, Framing),
    /// Bytes of a body.
    Body(Framing),
    /// HTTP/2 or a tunnel: nothing to check.
    Raw,
    /// A refused head was replaced; nothing more is read.
    Ended,
}

impl ClientIo {
    /// Takes over an accepted socket.
    pub fn new(stream: Socket, link: Rc<Link>) -> Self {
        link.wait(Waiting::Head);
        let stall = Stall::new(Rc::clone(&link.deadlines), link.timeouts.write);
        Self { stream, link, stash: Vec::new(), mode: Mode::Head, stall }
    }

    /// Waits for the first bytes and says which protocol they begin.
    ///
    /// `None` when the client left, sent nothing in time, or the gateway drains.
    pub async fn protocol(&mut self) -> Option<Protocol> {
        std::future::poll_fn(|cx| self.poll_protocol(cx)).await
    }

    fn poll_protocol(&mut self, cx: &mut Context<'_>) -> Poll<Option<Protocol>> {
        // The timer learns whom to wake: one task drives the connection from here to its end, and an
        // idle connection is not polled again before its deadline.
        let _ = self.link.expired(cx);
        loop {
            let seen = self.stash.len().min(PREFACE.len());
            if self.stash[..seen] != PREFACE[..seen] {
                return Poll::Ready(Some(Protocol::Http1));
            }
            if seen == PREFACE.len() {
                self.raw();
                return Poll::Ready(Some(Protocol::Http2));
            }
            match self.poll_fill(cx) {
                Poll::Ready(Ok(n)) if n > 0 => {}
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending if self.link.expired(cx) => return Poll::Ready(None),
                Poll::Pending => {
                    // What the kernel had accepted before the drain is still served, if it says something soon.
                    if self.link.draining.get() && self.link.waiting() != Waiting::Last {
                        self.link.wait(Waiting::Last);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// From now on bytes pass unchecked: HTTP/2, or a tunnel.
    pub fn raw(&mut self) {
        self.mode = Mode::Raw;
        self.link.never_park();
        self.link.wait(Waiting::Idle);
    }

    /// Whether bytes of a request were left unread, so that closing at once would reset the connection
    /// and could destroy an answer on its way.
    pub fn has_unread(&self) -> bool {
        !self.stash.is_empty() || matches!(self.mode, Mode::Body(_) | Mode::Ended)
    }

    /// Waits without buffers for the next request, or for the client to leave.
    ///
    /// `false` when nothing came within `timeouts.keep_alive`, or the gateway drains.
    pub async fn park(&mut self) -> bool {
        self.link.wait(Waiting::Parked);
        let came = std::future::poll_fn(|cx| {
            if self.stream.poll_read_ready(cx).is_ready() {
                Poll::Ready(true)
            } else if self.link.expired(cx) || self.link.draining.get() {
                Poll::Ready(false)
            } else {
                Poll::Pending
            }
        })
        .await;
        self.link.wait(Waiting::Head);
        came
    }

    /// The bare socket, and what was read from it but not handed on.
    pub fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.stream, self.stash)
    }

    /// Reads more into the stash; returns how much.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut chunk = [0u8; AHEAD_BYTES];
        let mut buf = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        self.stash.extend_from_slice(buf.filled());
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// An exchange is under way: notice a client that leaves, hold back what it pipelines.
    fn poll_watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stash.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        // The socket has said what it had to say: the end of the exchange wakes the parser.
        self.link.hold(cx.waker());
        Poll::Pending
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let blank = self.stash.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            if blank > 0 {
                // RFC 9112 section 2.2: empty lines before a request line are ignored.
                self.stash.drain(..blank);
            }
            if !self.stash.is_empty() {
                match head::check(&self.stash, &self.link.head_limits) {
                    Ok(Progress::Complete(end, framing)) => {
                        self.accept_head();
                        self.mode = Mode::Checked(end, framing);
                        self.hand_on(buf);
                        return Poll::Ready(Ok(()));
                    }
                    Ok(Progress::Partial) => {}
                    Err(error) => return self.refuse(error, buf),
                }
                match self.poll_fill(cx)? {
                    Poll::Ready(0) => return Poll::Ready(Ok(())),
                    Poll::Ready(_) => continue,
                    Poll::Pending => return self.poll_wait(cx, buf),
                }
            }
            // The common case: the head arrives whole, and is checked where the parser will read it.
            let before = buf.filled().len();
            if Pin::new(&mut self.stream).poll_read(cx, buf)?.is_pending() {
                return self.poll_wait(cx, buf);
            }
            let fresh = &buf.filled()[before..];
            if fresh.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Ok(Progress::Complete(end, mut framing)) = head::check(fresh, &self.link.head_limits)
                && let Ok(body) = framing.advance(&fresh[end..])
            {
                self.stash.extend_from_slice(&fresh[end + body..]);
                buf.set_filled(before + end + body);
                self.accept_head();
                self.enter_body(framing);
                return Poll::Ready(Ok(()));
            }
            self.stash.extend_from_slice(fresh);
            buf.set_filled(before);
        }
    }

    /// Nothing to read right now: has the client waited too long?
    fn poll_wait(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let waiting = if self.stash.is_empty() { Waiting::Idle } else { Waiting::Head };
        // The first head's time runs from the accept; later ones' from their first byte.
        if self.link.waiting() < waiting {
            self.link.wait(waiting);
        }
        if !self.link.expired(cx) || self.link.may_park(cx) {
            return Poll::Pending;
        }
        if self.stash.contains(&b'\n') {
            return self.refuse(HeadError::Timeout, buf);
        }
        self.mode = Mode::Ended;
        Poll::Ready(Ok(()))
    }

    fn accept_head(&mut self) {
        self.link.wait(Waiting::No);
        self.link.head_handed_on();
    }

    fn enter_body(&mut self, framing: Framing) {
        self.mode = if framing.is_done() { Mode::Head } else { Mode::Body(framing) };
    }

    /// Hands on as much of the checked head as fits.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let Mode::Checked(left, framing) = &mut self.mode else { return };
        let n = buf.remaining().min(*left);
        buf.put_slice(&self.stash[..n]);
        self.stash.drain(..n);
        *left -= n;
        if *left == 0 {
            let framing = framing.clone();
            self.enter_body(framing);
        }
        self.release_stash();
    }

    /// Puts a harmless head in the place of the refused one.
    fn refuse(&mut self, error: HeadError, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let head: &[u8] = if self.stash.starts_with(b"HEAD ") {
            b"HEAD / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n"
        } else {
            b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n"
        };
        buf.put_slice(head);
        self.accept_head();
        self.link.refuse(error, &self.stash);
        self.mode = Mode::Ended;
        self.stash = Vec::new();
        Poll::Ready(Ok(()))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Mode::Body(framing) = &mut self.mode else { return Poll::Ready(Ok(())) };
        if self.stash.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            let fresh = &buf.filled()[before..];
            let taken = framing.advance(fresh).map_err(invalid)?;
            self.stash.extend_from_slice(&fresh[taken..]);
            buf.set_filled(before + taken);
        } else {
            let n = buf.remaining().min(self.stash.len());
            let taken = framing.advance(&self.stash[..n]).map_err(invalid)?;
            buf.put_slice(&self.stash[..taken]);
            self.stash.drain(..taken);
        }
        if framing.is_done() {
            self.mode = Mode::Head;
        }
        self.release_stash();
        Poll::Ready(Ok(()))
    }

    fn poll_raw(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stash.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let n = buf.remaining().min(self.stash.len());
        buf.put_slice(&self.stash[..n]);
        self.stash.drain(..n);
        self.release_stash();
        Poll::Ready(Ok(()))
    }

    /// An idle connection keeps no buffer.
    fn release_stash(&mut self) {
        if self.stash.is_empty() {
            self.stash = Vec::new();
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.mode {
            Mode::Raw => self.poll_raw(cx, buf),
            Mode::Body(_) => self.poll_body(cx, buf),
            Mode::Checked(..) => {
                self.hand_on(buf);
                Poll::Ready(Ok(()))
            }
            Mode::Head if self.link.is_busy() || self.link.is_switching() => self.poll_watch(cx),
            Mode::Head => self.poll_head(cx, buf),
            Mode::Ended if self.link.is_busy() => Poll::Pending,
            Mode::Ended => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, data);
        self.stall.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = poll_write_flat(&mut self.stream, cx, slices);
        self.stall.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Does nothing: whoever drives the connection closes it, perhaps lingering.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn invalid(error: HeadError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
