//! How long one exchange with an upstream may take.

use std::{cell::Cell, rc::Rc, task::Context, time::Duration};

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
}

impl Patience {
    /// Begins now.
    pub fn new(deadlines: &Rc<Deadlines>, total: Duration, response: Duration, idle: Duration) -> Rc<Self> {
        let total_ms = u64::try_from((total + TICK).as_millis()).unwrap_or(u64::MAX);
        let total_at = deadlines.now().saturating_add(total_ms);
        let timer = Timer::new(deadlines);
        timer.arm_at(total_at);
        Rc::new(Self { deadlines: Rc::clone(deadlines), timer, total_at: Cell::new(total_at), response, idle })
    }

    /// The request is still being written: only the whole exchange is bound.
    pub fn sending(&self) {
        self.timer.arm_at(self.total_at.get());
    }

    /// The last request byte was written: the answer has to begin.
    pub fn sent(&self) {
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
