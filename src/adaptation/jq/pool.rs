//! Threads for work that may not end: nobody waits longer than the deadline, and a thread that does
//! not come back is given up and replaced.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use tokio::sync::oneshot;

/// How long whoever asked waits, the time in the queue included.
pub const DEADLINE: Duration = Duration::from_millis(250);

/// Threads that take work.
const THREADS: usize = 2;
/// Threads given up at most; then work is refused until one comes back.
const LOST_MAX: usize = 6;
/// Work that waits at most.
const QUEUE: usize = 256;
/// The library a filter is made of recurses over values, and some of that is up to the body. Memory
/// is taken only as far as a thread gets.
const STACK_BYTES: usize = 256 * 1024 * 1024;

struct Job {
    work: Box<dyn FnOnce() + Send>,
    state: Arc<State>,
}

/// What the asker and the thread know of each other.
#[derive(Default)]
struct State {
    begun: AtomicBool,
    given_up: AtomicBool,
}

struct Pool {
    queue: mpsc::SyncSender<Job>,
    jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
    lost: Arc<AtomicUsize>,
}

/// Runs `work` on a thread of the pool without blocking the caller's; none if it did not end in time,
/// or too much waits already.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let state = pool().send(move || drop(reply.send(work())))?;
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(answer) => answer.ok(),
        Err(_) => {
            pool().give_up(&state);
            None
        }
    }
}

/// The same for callers that may block.
pub(super) fn block_on<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, answer) = mpsc::sync_channel(1);
    let state = pool().send(move || drop(reply.send(work())))?;
    // Loading is no hurry, and a busy machine must not make a good file bad.
    match answer.recv_timeout(DEADLINE * 8) {
        Ok(answer) => Some(answer),
        Err(_) => {
            pool().give_up(&state);
            None
        }
    }
}

/// Started with the first change that has a filter.
fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let (queue, jobs) = mpsc::sync_channel(QUEUE);
        let pool = Pool { queue, jobs: Arc::new(Mutex::new(jobs)), lost: Arc::default() };
        (0..THREADS).for_each(|_| pool.hire());
        pool
    })
}

impl Pool {
    fn send(&self, work: impl FnOnce() + Send + 'static) -> Option<Arc<State>> {
        if self.lost.load(SeqCst) > LOST_MAX {
            return None;
        }
        let state = Arc::new(State::default());
        self.queue.try_send(Job { work: Box::new(work), state: state.clone() }).ok()?;
        Some(state)
    }

    /// Stops waiting; a thread that is at it is replaced.
    fn give_up(&self, state: &State) {
        state.given_up.store(true, SeqCst);
        if state.begun.load(SeqCst) {
            self.lost.fetch_add(1, SeqCst);
            self.hire();
        }
    }

    fn hire(&self) {
        let (jobs, lost) = (self.jobs.clone(), self.lost.clone());
        let thread = std::thread::Builder::new().name("vergate-jq".to_owned()).stack_size(STACK_BYTES);
        // Without a thread the work waits in the queue until its deadline.
        let _ = thread.spawn(move || labour(&jobs, &lost));
    }
}

fn labour(jobs: &Mutex<mpsc::Receiver<Job>>, lost: &AtomicUsize) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, state }) = job else { return };
        if state.given_up.load(SeqCst) {
            continue;
        }
        state.begun.store(true, SeqCst);
        // A panic is one answer missing, not a thread less.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        if state.given_up.load(SeqCst) {
            // Another one took this place.
            lost.fetch_sub(1, SeqCst);
            return;
        }
    }
}
