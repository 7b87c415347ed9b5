//! The turns of a connection's one task.

use std::{
    cell::Cell,
    convert::Infallible,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncRead as _, ReadBuf};

use super::{
    control::PING,
    frame::{Reason, kind},
    inbound::{Fault, Inbound},
    stream,
    streams::Streams,
};
use crate::pipeline::{
    deadline::Timer,
    downstream::{link::Link, socket::Socket},
    stall::Stall,
    worker::Worker,
};

/// Bytes of one read: two frames of the largest size and a little.
const READ_BYTES: usize = 36 * 1024;
/// Reads of one turn, and rounds of its streams, before other connections have theirs.
const READS: usize = 4;
const ROUNDS: usize = 4;

/// How long a client that was told to go may leave its connection open without a stream.
const FAREWELL: Duration = Duration::from_secs(2);

thread_local! {
    /// What is read goes through one buffer of the worker, which is always warm.
    static INBOX: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Everything has been said.
    Done,
    /// The client has left, or takes nothing any more.
    Gone,
    /// The client has to be told why.
    Fault(Fault),
}

/// One connection with everything that belongs to it.
pub(super) struct Connection {
    worker: Rc<Worker>,
    link: Rc<Link>,
    socket: Socket,
    stall: Stall,
    streams: Rc<Streams>,
    inbound: Inbound,
    tasks: Vec<Task>,
    /// The places of one round; and where the next one begins.
    round: Vec<usize>,
    next: usize,
    /// For the rest of a header block, and for leaving once told to.
    deadline: Timer,
    /// Whether a header block has begun and is waited for.
    in_head: bool,
    told: Told,
}

/// How far the client knows that it has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    No,
    /// It has been told, and may have sent more before it knew.
    Warned,
    /// It knows, and nothing more is served.
    Finally,
}

/// Serves the streams of one place.
struct Task {
    future: Pin<Box<dyn Future<Output = Infallible>>>,
    waker: Waker,
}

impl Connection {
    pub(super) fn new(
        worker: Rc<Worker>,
        link: Rc<Link>,
        socket: Socket,
        streams: Rc<Streams>,
        inbound: Inbound,
    ) -> Self {
        let stall = Stall::new(Rc::clone(&link.deadlines), link.timeouts.write);
        let deadline = Timer::new(&worker.deadlines);
        Self {
            worker,
            link,
            socket,
            stall,
            streams,
            inbound,
            tasks: Vec::new(),
            round: Vec::new(),
            next: 0,
            deadline,
            in_head: false,
            told: Told::No,
        }
    }

    /// Takes in what was read before the protocol was known.
    pub(super) fn begin(&mut self, read: &[u8]) -> Result<(), Fault> {
        self.streams.settle_all();
        self.inbound.feed(read, self.worker.deadlines.now())
    }

    /// Ready when the connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(over) => Poll::Ready(over),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        self.streams.ready.attach(cx.waker());
        let choked = self.streams.out(|out| out.is_choked());
        // A client that takes nothing is not asked for more.
        let more = !choked && self.read(cx)?;
        self.look_at_the_time(cx)?;
        for _ in 0..ROUNDS {
            self.go_on()?;
            self.farewell();
            self.send(cx)?;
            if !self.streams.ready.any() {
                break;
            }
        }
        if self.told == Told::Finally && self.streams.is_idle() && self.streams.out(|out| out.is_empty()) {
            return Err(Over::Done);
        }
        let again = choked && !self.streams.out(|out| out.is_choked());
        if more || again || self.streams.ready.any() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Takes in what the client has sent; whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Over> {
        for _ in 0..READS {
            let mut inbox = INBOX.take();
            inbox.resize(READ_BYTES, 0);
            let mut buffer = ReadBuf::new(&mut inbox);
            let read = Pin::new(&mut self.socket).poll_read(cx, &mut buffer);
            let outcome = match read {
                Poll::Pending => Ok(false),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let fed = self.inbound.feed(buffer.filled(), self.worker.deadlines.now());
                    fed.map(|()| true).map_err(Over::Fault)
                }
                Poll::Ready(_) => Err(Over::Gone),
            };
            INBOX.set(inbox);
            if !outcome? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Lets every stream go on that can.
    fn go_on(&mut self) -> Result<(), Over> {
        let mut round = std::mem::take(&mut self.round);
        self.streams.ready.take(self.next, &mut round);
        // Whoever is first finds the most room: everybody is, in turn.
        self.next = round.first().map_or(0, |first| first + 1);
        for at in round.drain(..) {
            self.serve(at);
            self.streams.settle(at);
        }
        self.round = round;
        self.streams.settle_all();
        self.inbound.count_resets(self.worker.deadlines.now()).map_err(Over::Fault)
    }

    fn serve(&mut self, at: usize) {
        while self.tasks.len() < self.streams.places() {
            let at = self.tasks.len();
            let task = self.task(at);
            self.tasks.push(task);
        }
        let Some(task) = self.tasks.get_mut(at) else { return };
        let mut cx = Context::from_waker(&task.waker);
        let served = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut cx).is_pending()));
        if served.is_err() {
            // One exchange has ended, the others go on.
            self.tasks[at] = self.task(at);
            self.streams.reset(at, Reason::Internal, false);
            self.streams.leave(at);
        }
    }

    fn task(&self, at: usize) -> Task {
        let (worker, link, streams) = (Rc::clone(&self.worker), Rc::clone(&self.link), Rc::clone(&self.streams));
        Task { future: Box::pin(stream::serve(worker, link, streams, at)), waker: self.streams.ready.waker(at) }
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        let (socket, stall) = (&mut self.socket, &mut self.stall);
        if self.streams.out(|out| out.is_empty()) {
            return Ok(());
        }
        match self.streams.out(|out| out.poll_send(socket, stall, cx)) {
            Poll::Ready(Ok(())) => {
                self.streams.room_made();
                Ok(())
            }
            Poll::Ready(Err(_)) => Err(Over::Gone),
            Poll::Pending => Ok(()),
        }
    }

    /// Whether the client has been idle for long, does not finish a header block, or does not leave.
    fn look_at_the_time(&mut self, cx: &mut Context<'_>) -> Result<(), Over> {
        if self.link.expired(cx) && self.streams.is_idle() {
            if self.link.may_park() {
                self.rest();
            } else {
                self.warn();
            }
        }
        if self.told == Told::No && self.inbound.is_in_head() != self.in_head {
            self.in_head = !self.in_head;
            match self.in_head {
                true => self.deadline.arm(self.link.timeouts.request_header),
                false => self.deadline.disarm(),
            }
        }
        // Looked at in every turn, so that it knows whom to wake.
        let due = self.deadline.expired(cx);
        let late = due && if self.told == Told::No { self.in_head } else { self.streams.is_idle() };
        if late { Err(Over::Done) } else { Ok(()) }
    }

    /// Tells the client to go once the connection has served its time (RFC 9113 section 6.8).
    fn farewell(&mut self) {
        let most = || self.worker.loaded().snapshot.config.limits.requests_per_connection;
        let seen = self.link.requests();
        if !self.worker.keep_alive.get() || self.link.farewell.is_said() || (seen > 0 && seen >= most()) {
            self.warn();
        }
        let knows = self.told == Told::Warned && self.inbound.has_answered_ping();
        if self.told < Told::Finally && (knows || self.inbound.is_leaving()) {
            self.told = Told::Finally;
            self.inbound.close();
            let last = self.inbound.last();
            self.streams.out(|out| out.goaway(last, Reason::NoError));
        }
    }

    /// GOAWAY that names no stream first: what the client has sent before it knows is served.
    fn warn(&mut self) {
        if self.told == Told::No {
            self.told = Told::Warned;
            self.deadline.arm(FAREWELL);
            self.streams.out(|out| {
                out.goaway(u32::MAX >> 1, Reason::NoError);
                out.frame(kind::PING, 0, 0, &PING);
            });
        }
    }

    /// An idle connection keeps its socket and what the client's compression has to be read with.
    fn rest(&mut self) {
        self.link.parked();
        self.tasks = Vec::new();
        self.round = Vec::new();
        self.streams.rest();
        self.inbound.rest();
    }

    /// Tells the client why its connection ends.
    pub(super) async fn say_why(&mut self, fault: Fault) {
        // Streams end first: whatever they would still say is not to be heard.
        self.tasks = Vec::new();
        let last = self.inbound.last();
        self.streams.out(|out| out.goaway(last, fault.reason()));
        let _: io::Result<()> = poll_fn(|cx| {
            let (socket, stall) = (&mut self.socket, &mut self.stall);
            self.streams.out(|out| out.poll_send(socket, stall, cx))
        })
        .await;
    }

    /// The socket alone: streams under way end.
    pub(super) fn into_socket(self) -> Socket {
        self.streams.cut();
        self.socket
    }
}
