//! Writes that make no progress.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use super::deadline::{Deadlines, Timer};

/// Fails a write that has been pending for too long.
#[derive(Debug)]
pub(crate) struct Stall {
    deadlines: Rc<Deadlines>,
    limit: Duration,
    /// Present while a write is pending.
    timer: Option<Timer>,
}

impl Stall {
    /// `limit`: how long a write may make no progress.
    pub(crate) fn new(deadlines: Rc<Deadlines>, limit: Duration) -> Self {
        Self { deadlines, limit, timer: None }
    }

    /// Passes `outcome` on, unless it has been pending too long.
    pub(crate) fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.timer.is_some() {
                self.timer = None;
            }
            return outcome;
        }
        let timer = self.timer.get_or_insert_with(|| {
            let timer = Timer::new(&self.deadlines);
            timer.arm(self.limit);
            timer
        });
        if timer.expired(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
    }
}
