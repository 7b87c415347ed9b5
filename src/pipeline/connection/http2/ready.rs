//! Which streams of a connection can go on.
//!
//! The streams of a connection live in its one task, each with a waker of its own: what becomes ready in
//! one turn of the runtime is served in one, and leaves in one send.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

/// A bit for each place of a connection. Wakers may be used on any thread, so it is atomic; in truth
/// everything happens on one, and nothing ever waits.
#[derive(Debug)]
pub struct Ready {
    words: Box<[AtomicU64]>,
    /// Whether the connection's task has been woken and has not looked since.
    told: AtomicBool,
    task: Mutex<Waker>,
}

const WORD: usize = u64::BITS as usize;

impl Ready {
    /// Nothing is ready.
    ///
    /// - `places`: most places there will be.
    pub fn new(places: usize) -> Arc<Self> {
        let words = (0..places.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { words, told: AtomicBool::new(false), task: Mutex::new(Waker::noop().clone()) })
    }

    /// The task to wake, which looks from now on.
    pub fn attach(&self, task: &Waker) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(task);
        self.told.store(false, Ordering::Release);
    }

    /// Marks a place without waking the task: for the task itself.
    pub fn mark(&self, place: usize) {
        if let Some(word) = self.words.get(place / WORD) {
            word.fetch_or(1 << (place % WORD), Ordering::AcqRel);
        }
    }

    /// Whether any place is marked.
    pub fn any(&self) -> bool {
        self.words.iter().any(|word| word.load(Ordering::Acquire) != 0)
    }

    /// Takes all marks off and appends their places to `out`, beginning at `from`.
    pub fn take(&self, from: usize, out: &mut Vec<usize>) {
        let first = out.len();
        for (at, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Acquire) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                out.push(at * WORD + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
        let before = out[first..].partition_point(|place| *place < from);
        out[first..].rotate_left(before);
    }

    /// The waker of a place.
    pub fn waker(self: &Arc<Self>, place: usize) -> Waker {
        Waker::from(Arc::new(Place { ready: Arc::clone(self), place }))
    }
}

struct Place {
    ready: Arc<Ready>,
    place: usize,
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.mark(self.place);
        if !self.ready.told.swap(true, Ordering::AcqRel) {
            self.ready.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn taken(ready: &Ready, from: usize) -> Vec<usize> {
        let mut out = Vec::new();
        ready.take(from, &mut out);
        out
    }

    #[test]
    fn many_wakes_wake_the_task_once_until_it_looks() {
        let (ready, count) = (Ready::new(130), Arc::new(Count::default()));
        ready.attach(&Waker::from(Arc::clone(&count)));
        let wakers: Vec<Waker> = [129, 3, 64, 3].into_iter().map(|place| ready.waker(place)).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(ready.any());
        assert_eq!(taken(&ready, 0), [3, 64, 129]);
        assert!(!ready.any() && taken(&ready, 0).is_empty());
        ready.attach(&Waker::from(Arc::clone(&count)));
        wakers[0].wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn turns_begin_at_another_place_so_that_no_stream_is_always_first() {
        let ready = Ready::new(10);
        for (from, order) in [(0, [1, 4, 9]), (4, [4, 9, 1]), (5, [9, 1, 4]), (10, [1, 4, 9])] {
            [9, 1, 4].into_iter().for_each(|place| ready.mark(place));
            assert_eq!(taken(&ready, from), order, "from {from}");
        }
    }
}
