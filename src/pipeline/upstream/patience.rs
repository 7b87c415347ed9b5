//! How long one exchange with an upstream may take.

use std::{
    cell::Cell,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use crate::pipeline::deadline::{Deadlines, TICK, Timer};

/// The deadlines of one exchange, on one timer: whichever of its waits is running.
///
/// The wait for the first response byte begins when the last request byte is written; interim
/// responses do not touch it. The whole exchange is bound as well, unless it is released.
#[derive(Debug)]
pub struct Patience {
    deadlines: Rc<Deadlines>,
    timer: Timer,
    /// End of the whole exchange, in the worker's milliseconds.
    total_at: Cell<u64>,
    /// Last request byte to first response byte.
    response: Duration,
    /// Longest pause within the response body.
    idle: Duration,
    /// See [`Patience::excuses`].
    fair: Duration,
    /// When the server began to have what it has of the request, in the worker's milliseconds.
    since: Cell<u64>,
}

impl Patience {
    /// Begins now.
    ///
    /// - `fair`: what a server may take at least before its silence is held against it.
    pub fn new(
        deadlines: &Rc<Deadlines>,
        (total, response, idle): (Duration, Duration, Duration),
        fair: Duration,
    ) -> Rc<Self> {
        let total_ms = u64::try_from((total + TICK).as_millis()).unwrap_or(u64::MAX);
        let total_at = deadlines.now().saturating_add(total_ms);
        let timer = Timer::new(deadlines);
        timer.arm_at(total_at);
        let (total_at, since) = (Cell::new(total_at), Cell::new(deadlines.now()));
        Rc::new(Self { deadlines: Rc::clone(deadlines), timer, total_at, response, idle, fair, since })
    }

    /// The request is still being written: only the whole exchange is bound.
    pub fn sending(&self) {
        self.since.set(self.deadlines.now());
        self.timer.arm_at(self.total_at.get());
    }

    /// The last request byte was written: the answer has to begin.
    pub fn sent(&self) {
        self.since.set(self.deadlines.now());
        self.arm_within(self.response);
    }

    /// The response body paused: it has to go on.
    pub fn paused(&self) {
        self.arm_within(self.idle);
    }

    /// The whole exchange is not bound any more (event streams, tunnels).
    pub fn release(&self) {
        self.total_at.set(u64::MAX);
    }

    /// How long the whole exchange may still take.
    pub fn left(&self) -> Duration {
        Duration::from_millis(self.total_at.get().saturating_sub(self.deadlines.now()))
    }

    /// Whether so little is left that a server which cannot be connected to within it is not to blame.
    ///
    /// - `connect`: how long connecting may take else.
    pub fn is_short(&self, connect: Duration) -> bool {
        self.left() < connect.min(self.fair)
    }

    /// Whether an answer that did not come in time is not the server's fault: the client had left it little time, or
    /// others had taken it.
    pub fn excuses(&self) -> bool {
        let had = Duration::from_millis(self.deadlines.now().saturating_sub(self.since.get()));
        self.is_over() && had < self.fair
    }

    /// What comes of `wait`; none where the whole exchange has taken too long before.
    pub async fn bound<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = pin!(wait);
        std::future::poll_fn(|cx| match wait.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if self.expired(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether the whole exchange has taken too long.
    pub fn is_over(&self) -> bool {
        self.deadlines.now() >= self.total_at.get()
    }

    /// Whether the wait that is running has taken too long; if not, the task is woken when it has.
    pub fn expired(&self, cx: &mut Context<'_>) -> bool {
        self.timer.expired(cx)
    }

    fn arm_within(&self, wait: Duration) {
        let wait = u64::try_from((wait + TICK).as_millis()).unwrap_or(u64::MAX);
        self.timer.arm_at(self.deadlines.now().saturating_add(wait).min(self.total_at.get()));
    }
}
