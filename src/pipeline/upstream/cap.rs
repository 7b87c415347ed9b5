//! How many connections a server may have, and who waits for one (`max_connections`, `queue`).
//!
//! A request needs a place, of which there are as many as connections are allowed (over HTTP/2 as many as these
//! carry), whatever worker it is on; who waits is served in turn. A connection that idles in one worker's pool is of no use
//! to another worker: it gives it up when that one asks.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

use super::server::ServerPool;
use crate::domain::upstream::Queue;

/// The connections of one server, for all workers.
#[derive(Debug)]
pub struct Cap {
    max: usize,
    /// Requests a connection carries at once.
    each: usize,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Connections that are open; outlives a change of `max`.
    open: Arc<AtomicUsize>,
    /// Wakes pools that should give up an idle connection.
    wanted: Notify,
    /// Wakes those who wait until a connection was closed.
    closed: Notify,
}

/// The right to use a connection, until dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Counts a connection as open, until dropped.
#[derive(Debug)]
pub struct Held(Arc<Cap>);

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// How often a worker that needs a connection asks the others to give one up.
const ASK: Duration = Duration::from_millis(10);

impl Cap {
    /// - `each`: requests a connection carries at once.
    /// - `before`: the cap whose connections are still open.
    pub fn new(max: usize, each: usize, before: Option<&Self>) -> Self {
        Self {
            max,
            each,
            places: Arc::new(Semaphore::new(max.saturating_mul(each).min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            open: before.map_or_else(Arc::default, |before| Arc::clone(&before.open)),
            wanted: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// Whether it allows so many connections with so many requests each.
    pub fn is_for(&self, max: usize, each: usize) -> bool {
        (self.max, self.each) == (max, each)
    }

    /// Requests that wait for a place.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Whether a request would not have to wait.
    pub fn is_free(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// A place, if one is free and nobody waits for it.
    pub fn try_enter(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(|_permit| Place { _permit })
    }

    /// Waits in turn for a place. Errors when the queue is full or the wait too long.
    pub async fn enter(&self, queue: Queue) -> Result<Place, Full> {
        let _waiting = Waiting::begin(&self.waiting, queue.size).ok_or(Full)?;
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(queue.timeout, place).await {
            Ok(Ok(_permit)) => Ok(Place { _permit }),
            // The places are never closed.
            Ok(Err(_)) | Err(_) => Err(Full),
        }
    }

    /// Waits until one more connection may be opened. Who has a [`Place`] finds that another worker's connection
    /// idles or is being closed.
    pub async fn hold(self: &Arc<Self>) -> Held {
        loop {
            let closed = self.closed.notified();
            let room = |open: usize| Some(open + 1).filter(|open| *open <= self.max);
            if self.open.fetch_update(Relaxed, Relaxed, room).is_ok() {
                return Held(Arc::clone(self));
            }
            self.wanted.notify_waiters();
            // A pool that was busy with the last wish has not heard this one.
            let _ = tokio::time::timeout(ASK, closed).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        self.0.closed.notify_one();
    }
}

/// Lets a worker's pool give up idle connections to other workers, until dropped.
#[derive(Debug)]
pub struct Giving {
    cap: Arc<Cap>,
    task: JoinHandle<()>,
}

impl Giving {
    /// Begins; call where tasks can be spawned.
    pub fn begin(pool: &Rc<ServerPool>, cap: &Arc<Cap>) -> Self {
        let (pool, wishes) = (Rc::downgrade(pool), Arc::clone(cap));
        let task = tokio::task::spawn_local(async move {
            loop {
                wishes.wanted.notified().await;
                match pool.upgrade() {
                    Some(pool) => pool.give_up_one(),
                    None => return,
                }
            }
        });
        Self { cap: Arc::clone(cap), task }
    }

    /// Whether it serves this cap.
    pub fn is_for(&self, cap: &Arc<Cap>) -> bool {
        Arc::ptr_eq(&self.cap, cap)
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts a request as waiting, until dropped.
struct Waiting<'c>(&'c AtomicUsize);

impl<'c> Waiting<'c> {
    fn begin(count: &'c AtomicUsize, max: usize) -> Option<Self> {
        let room = |waiting: usize| Some(waiting + 1).filter(|waiting| *waiting <= max);
        count.fetch_update(Relaxed, Relaxed, room).is_ok().then(|| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(size: usize, millis: u64) -> Queue {
        Queue { size, timeout: Duration::from_millis(millis) }
    }

    #[tokio::test]
    async fn places_are_given_in_turn_and_the_queue_is_bounded() {
        let cap = Cap::new(1, 1, None);
        let first = cap.try_enter().expect("free");
        assert!(cap.try_enter().is_none() && !cap.is_free());
        assert_eq!(cap.enter(queue(0, 60_000)).await.err(), Some(Full), "nobody may wait");
        let (second, third) = tokio::join!(cap.enter(queue(1, 60_000)), async {
            tokio::task::yield_now().await;
            assert_eq!(cap.waiting(), 1);
            let third = cap.enter(queue(1, 60_000)).await;
            drop(first);
            third
        });
        assert!(second.is_ok() && third.is_err());
        assert_eq!(cap.waiting(), 0);
        drop(second);
        assert!(cap.is_free());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_sent_away() {
        let cap = Cap::new(1, 1, None);
        let _busy = cap.try_enter();
        let began = std::time::Instant::now();
        assert_eq!(cap.enter(queue(1, 50)).await.err(), Some(Full));
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert_eq!(cap.waiting(), 0);
    }

    #[tokio::test]
    async fn connections_are_counted_over_a_change_of_the_cap() {
        let cap = Arc::new(Cap::new(2, 1, None));
        let (one, _two) = (cap.hold().await, cap.hold().await);
        let smaller = Arc::new(Cap::new(1, 1, Some(&cap)));
        let waits = tokio::time::timeout(Duration::from_millis(50), smaller.hold());
        assert!(waits.await.is_err(), "two are open still");
        drop(one);
        assert!(tokio::time::timeout(Duration::from_millis(50), smaller.hold()).await.is_err(), "one is");
        let same = Arc::new(Cap::new(2, 1, Some(&smaller)));
        assert!(tokio::time::timeout(Duration::from_secs(5), same.hold()).await.is_ok());
    }
}
