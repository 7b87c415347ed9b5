//! Deadlines of one worker, swept by one coarse tick.
//!
//! A timer of the runtime for each request costs about a microsecond; here arming one is a store
//! into a slab. Nothing fires early; everything fires at most two [`TICK`]s late.
//!
//! The clock is read at each tick and whenever the thread has waited ([`woken`]): what arrived while the process was not
//! let run (a paused machine, a starved core) begins when it is read, not when the clock was read last. Only what the
//! thread itself computes between waiting and arming is taken off.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    task::{Context, Waker},
    time::{Duration, Instant},
};

use slab::Slab;

/// How often expired deadlines are looked for.
pub const TICK: Duration = Duration::from_millis(TICK_MS);
/// The same in milliseconds.
pub const TICK_MS: u64 = 50;

/// The deadlines of one worker.
#[derive(Debug)]
pub struct Deadlines {
    entries: RefCell<Slab<Entry>>,
    start: Instant,
    /// Milliseconds since `start`, as of the last time the clock was read.
    now: Cell<u64>,
    /// No entry expires before this, so that most ticks look at nothing.
    next: Cell<u64>,
}

#[derive(Debug)]
struct Entry {
    /// Milliseconds since the start; [`NEVER`] while disarmed.
    at: u64,
    waker: Option<Waker>,
}

const NEVER: u64 = u64::MAX;

thread_local! {
    /// Those of the worker whose thread this is.
    static OWN: RefCell<Weak<Deadlines>> = const { RefCell::new(Weak::new()) };
}

/// Reads the clock of this thread's worker. For the runtime to call when its thread has waited for something to happen.
pub fn woken() {
    OWN.with_borrow(|own| {
        if let Some(deadlines) = own.upgrade() {
            deadlines.read_clock(Instant::now());
        }
    });
}

impl Deadlines {
    /// An empty set.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { entries: RefCell::default(), start: Instant::now(), now: Cell::new(0), next: Cell::new(NEVER) })
    }

    /// Milliseconds since the worker started, as of the last time the clock was read.
    pub fn now(&self) -> u64 {
        self.now.get()
    }

    /// When a wait of `wait` that begins now is over, in milliseconds of [`Deadlines::now`].
    pub fn after(&self, wait: Duration) -> u64 {
        let wait = u64::try_from((wait + TICK).as_millis()).unwrap_or(NEVER);
        self.now().saturating_add(wait)
    }

    fn read_clock(&self, now: Instant) -> u64 {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(NEVER - 1);
        self.now.set(now);
        now
    }

    /// Wakes whoever waits past its deadline. `now` is the current instant.
    pub fn tick(&self, now: Instant) {
        let now = self.read_clock(now);
        if now < self.next.get() {
            return;
        }
        let mut next = NEVER;
        let mut expired = Vec::new();
        for (_, entry) in self.entries.borrow_mut().iter_mut() {
            if entry.at <= now {
                expired.extend(entry.waker.clone());
            } else {
                next = next.min(entry.at);
            }
        }
        self.next.set(next);
        // Woken outside the borrow: a waker may drop a timer.
        expired.into_iter().for_each(Waker::wake);
    }

    /// Wakes every waiter, so that each looks at what has changed (a drain).
    pub fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.entries.borrow_mut().iter_mut().filter_map(|(_, entry)| entry.waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Runs [`Deadlines::tick`] for ever, for the worker whose thread this is.
    pub async fn run(self: Rc<Self>) {
        OWN.set(Rc::downgrade(&self));
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.tick(Instant::now());
        }
    }
}

/// One deadline that can be set, moved and taken back; forgotten when dropped.
#[derive(Debug)]
pub struct Timer {
    deadlines: Rc<Deadlines>,
    key: usize,
}

impl Timer {
    /// A disarmed timer.
    pub fn new(deadlines: &Rc<Deadlines>) -> Self {
        let key = deadlines.entries.borrow_mut().insert(Entry { at: NEVER, waker: None });
        Self { deadlines: Rc::clone(deadlines), key }
    }

    /// Expires `after` from now.
    pub fn arm(&self, after: Duration) {
        self.arm_at(self.deadlines.after(after));
    }

    /// Expires at `at`, in milliseconds of [`Deadlines::now`].
    pub fn arm_at(&self, at: u64) {
        if let Some(entry) = self.deadlines.entries.borrow_mut().get_mut(self.key) {
            entry.at = at;
        }
        if at < self.deadlines.next.get() {
            self.deadlines.next.set(at);
        }
    }

    /// Never expires, until armed again.
    pub fn disarm(&self) {
        self.arm_at(NEVER);
    }

    /// Whether the deadline has passed; if not, the task is woken when it does.
    pub fn expired(&self, cx: &mut Context<'_>) -> bool {
        let now = self.deadlines.now();
        match self.deadlines.entries.borrow_mut().get_mut(self.key) {
            Some(entry) if entry.at <= now => true,
            Some(entry) => {
                match &mut entry.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                false
            }
            None => false,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.deadlines.entries.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn expired(timer: &Timer) -> bool {
        let waker = Waker::noop();
        let mut cx = Context::from_waker(waker);
        timer.expired(&mut cx)
    }

    #[test]
    fn a_timer_expires_after_its_time_and_not_before() {
        let deadlines = Deadlines::new();
        let timer = Timer::new(&deadlines);
        timer.arm(Duration::from_secs(10));
        deadlines.tick(deadlines.start + Duration::from_secs(10));
        assert!(!expired(&timer));
        deadlines.tick(deadlines.start + Duration::from_secs(10) + TICK);
        assert!(expired(&timer));
    }

    #[test]
    fn a_disarmed_or_moved_timer_does_not_expire() {
        let deadlines = Deadlines::new();
        let timer = Timer::new(&deadlines);
        timer.arm(Duration::from_secs(1));
        timer.disarm();
        deadlines.tick(deadlines.start + Duration::from_secs(5));
        assert!(!expired(&timer));
        timer.arm(Duration::from_secs(1));
        assert!(!expired(&timer));
        deadlines.tick(deadlines.start + Duration::from_secs(7));
        assert!(expired(&timer));
    }

    #[test]
    fn a_dropped_timer_leaves_nothing_behind() {
        let deadlines = Deadlines::new();
        drop(Timer::new(&deadlines));
        assert!(deadlines.entries.borrow().is_empty());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_waiting_task_is_woken_when_its_deadline_passes() {
        let deadlines = Deadlines::new();
        let timer = Timer::new(&deadlines);
        timer.arm(Duration::from_millis(1));
        let ticks = async {
            tokio::task::yield_now().await;
            deadlines.tick(deadlines.start + Duration::from_secs(1));
        };
        let wait = std::future::poll_fn(|cx| if timer.expired(cx) { Poll::Ready(()) } else { Poll::Pending });
        tokio::join!(wait, ticks);
    }
}
