//! Threads for work that may not end: nobody waits longer than the deadline, and a thread that does
//! not come back is given up and replaced.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicIsize, AtomicU8, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::oneshot;

/// How long whoever asked waits for a turn, and then for the end of the work.
pub const DEADLINE: Duration = Duration::from_millis(250);

/// Threads that take work.
const THREADS: usize = 2;
/// Threads given up at most; then work is refused until one comes back.
const LOST_MAX: isize = 6;
/// Work that waits at most.
const QUEUE: usize = 256;
/// The library a filter is made of recurses over values, and some of that is up to the body. Memory
/// is taken only as far as a thread gets.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// There was no turn: others took too long, or too many wait.
    Turn,
    /// It did not end in time, or panicked.
    Deadline,
}

struct Job {
    work: Box<dyn FnOnce() + Send>,
    state: Arc<State>,
}

/// What the asker and the thread know of each other: one of the numbers below.
#[derive(Default)]
struct State(AtomicU8);

const WAITING: u8 = 0;
const UNDER_WAY: u8 = 1;
const DONE: u8 = 2;
const GIVEN_UP: u8 = 3;

/// Threads that share the work.
pub(super) struct Pool {
    queue: mpsc::SyncSender<Job>,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    /// Threads that are still at work nobody waits for.
    lost: Arc<AtomicIsize>,
    deadline: Duration,
}

/// Gives the work up unless it came to its end: also where nobody waits any more.
struct Asked<'p> {
    pool: &'p Pool,
    state: Arc<State>,
    ended: bool,
}

/// Runs `work` on a thread of the pool without blocking the caller's.
///
/// - Errors: it had no turn or did not end in time.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Missed> {
    pool().run(work).await
}

/// The same for callers that may block.
pub(super) fn block_on<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    pool().block_on(work)
}

/// Started with the first change that has a filter.
fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool::new(DEADLINE))
}

impl Pool {
    pub(super) fn new(deadline: Duration) -> Self {
        let (queue, jobs) = mpsc::sync_channel(QUEUE);
        let pool = Self { queue, jobs: Arc::new(Mutex::new(jobs)), lost: Arc::default(), deadline };
        (0..THREADS).for_each(|_| pool.hire());
        pool
    }

    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Missed> {
        let (reply, mut answer) = oneshot::channel();
        let mut asked = self.send(move || drop(reply.send(work()))).ok_or(Missed::Turn)?;
        let mut answered = tokio::time::timeout(self.deadline, &mut answer).await;
        if answered.is_err() {
            if !asked.has_begun() {
                return Err(Missed::Turn);
            }
            // It may have had its turn only now.
            answered = tokio::time::timeout(self.deadline, answer).await;
        }
        asked.ended = answered.is_ok();
        answered.ok().and_then(Result::ok).ok_or(Missed::Deadline)
    }

    fn block_on<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        let mut asked = self.send(move || drop(reply.send(work())))?;
        // Loading is no hurry, and a busy machine must not make a good file bad.
        let answered = answer.recv_timeout(self.deadline * 8);
        asked.ended = answered.is_ok();
        answered.ok()
    }

    fn send(&self, work: impl FnOnce() + Send + 'static) -> Option<Asked<'_>> {
        if self.lost.load(SeqCst) > LOST_MAX {
            return None;
        }
        let state = Arc::new(State::default());
        self.queue.try_send(Job { work: Box::new(work), state: state.clone() }).ok()?;
        Some(Asked { pool: self, state, ended: false })
    }

    #[cfg(test)]
    pub(super) fn lost(&self) -> isize {
        self.lost.load(SeqCst)
    }

    fn hire(&self) {
        let (jobs, lost) = (self.jobs.clone(), self.lost.clone());
        let thread = std::thread::Builder::new().name("vergate-jq".to_owned()).stack_size(STACK_BYTES);
        // Without a thread the work waits in the queue until its deadline.
        let _ = thread.spawn(move || labour(&jobs, &lost));
    }
}

impl Asked<'_> {
    fn has_begun(&self) -> bool {
        self.state.0.load(SeqCst) != WAITING
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        // A thread that is at it is replaced. It counts itself off when it comes back, perhaps before the
        // next line: then the count is one too small for a moment.
        if !self.ended && self.state.0.swap(GIVEN_UP, SeqCst) == UNDER_WAY {
            self.pool.lost.fetch_add(1, SeqCst);
            self.pool.hire();
        }
    }
}

fn labour(jobs: &Mutex<mpsc::Receiver<Job>>, lost: &AtomicIsize) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, state }) = job else { return };
        let State(state) = &*state;
        if state.compare_exchange(WAITING, UNDER_WAY, SeqCst, SeqCst).is_err() {
            continue;
        }
        // A panic is one answer missing, not a thread less.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        if state.swap(DONE, SeqCst) == GIVEN_UP {
            // Another one took this place.
            lost.fetch_sub(1, SeqCst);
            return;
        }
    }
}
