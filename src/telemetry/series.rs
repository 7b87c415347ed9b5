//! One metric family whose number of series is bounded.
//!
//! Label values come from configuration, but configurations are edited and reloaded while the
//! process lives, and endpoints times status codes multiply. What lies beyond the bound is counted
//! in one series whose label values are all [`OTHER`], so that totals stay right and a scrape stays small.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use prometheus::core::Desc;

use super::cells::{Cell, Counter};

/// Label sets of one metric; the next one becomes [`OTHER`] (CONTRACT section 6).
pub const SERIES_MAX: usize = 1_000;

/// The value of every label beyond [`SERIES_MAX`], and of an endpoint that is not listed.
pub const OTHER: &str = "other";

/// Cells one label set is spread over at most; threads beyond share them.
const SHARDS: usize = 64;

/// A family of `N` labels. Looking a handle up locks and allocates: do it once per worker and keep the handle.
#[derive(Debug)]
pub struct Series<C, const N: usize> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: [&'static str; N],
    pub(super) desc: Desc,
    /// Counts lookups that ended in [`OTHER`].
    overflow: Counter,
    children: Mutex<BTreeMap<[Box<str>; N], Cells<C>>>,
}

/// The cells of one label set, each with the shard it belongs to.
type Cells<C> = Vec<(usize, C)>;

impl<C: Cell, const N: usize> Series<C, N> {
    /// An empty family.
    ///
    /// - `overflow`: counts lookups beyond the bound.
    pub fn new(name: &'static str, help: &'static str, labels: [&'static str; N], overflow: Counter) -> Self {
        let desc = Desc::new(name.into(), help.into(), labels.map(String::from).to_vec(), HashMap::new())
            .expect("names and labels of families are literals of metrics.rs, and its tests create every one");
        Self { name, help, labels, desc, overflow, children: Mutex::new(BTreeMap::new()) }
    }

    /// This thread's handle for a label set; [`OTHER`]'s beyond the bound.
    pub fn handle(&self, values: [&str; N]) -> C {
        self.cell(values, shard())
    }

    /// The one handle all threads share, for values that are set and not added up.
    pub fn shared(&self, values: [&str; N]) -> C {
        self.cell(values, 0)
    }

    /// Takes away every label set `keep` does not want; its handles then count into nothing.
    pub fn retain(&self, mut keep: impl FnMut(&[Box<str>; N]) -> bool) {
        self.lock().retain(|values, _| keep(values));
    }

    /// Calls `see` with each label set and its cells, in order of the label values.
    pub fn each(&self, mut see: impl FnMut(&[Box<str>; N], &mut dyn Iterator<Item = &C>)) {
        for (values, cells) in self.lock().iter() {
            see(values, &mut cells.iter().map(|(_, cell)| cell));
        }
    }

    fn cell(&self, values: [&str; N], shard: usize) -> C {
        let mut children = self.lock();
        let mut key = values.map(Box::from);
        if children.len() >= SERIES_MAX && !children.contains_key(&key) {
            self.overflow.inc();
            key = [OTHER; N].map(Box::from);
        }
        let cells = children.entry(key).or_default();
        match cells.iter().find(|(owner, _)| *owner == shard) {
            Some((_, cell)) => cell.clone(),
            None => {
                let cell = C::default();
                cells.push((shard, cell.clone()));
                cell
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[Box<str>; N], Cells<C>>> {
        // A panic elsewhere leaves the map whole: every change to it is a single insertion.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which cell of a label set the current thread writes to.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static SHARD: usize = NEXT.fetch_add(1, Relaxed) % SHARDS);
    SHARD.with(|shard| *shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series<Counter, 2> {
        Series::new("test_total", "help", ["api", "endpoint"], Counter::default())
    }

    fn totals(series: &Series<Counter, 2>) -> Vec<(String, u64)> {
        let mut totals = Vec::new();
        series.each(|values, cells| totals.push((values.join(" "), cells.map(Counter::value).sum())));
        totals
    }

    #[test]
    fn beyond_a_thousand_label_sets_everything_is_other_and_nothing_is_lost() {
        let series = series();
        for number in 0..2_000 {
            series.handle(["api", &format!("GET /{number}")]).inc();
        }
        let totals = totals(&series);
        assert_eq!(totals.len(), SERIES_MAX + 1);
        assert_eq!(totals.last(), Some(&("other other".to_owned(), 1_000)));
        assert_eq!(totals.iter().map(|(_, total)| total).sum::<u64>(), 2_000);
        assert_eq!(series.overflow.value(), 1_000);
    }

    #[test]
    fn a_known_label_set_is_still_found_when_the_family_is_full() {
        let series = series();
        for number in 0..SERIES_MAX {
            series.handle(["api", &number.to_string()]);
        }
        series.handle(["api", "7"]).inc();
        assert_eq!(series.overflow.value(), 0);
        assert!(totals(&series).contains(&("api 7".to_owned(), 1)));
    }

    #[test]
    fn label_values_that_read_the_same_when_joined_are_different_series() {
        let series = series();
        series.handle(["ab", "c"]).inc();
        series.handle(["a", "bc"]).inc();
        assert_eq!(totals(&series), [("a bc".to_owned(), 1), ("ab c".to_owned(), 1)]);
    }

    #[test]
    fn threads_write_to_cells_of_their_own_that_add_up() {
        let series = series();
        let mine = series.handle(["a", "b"]);
        mine.inc();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| series.handle(["a", "b"]).inc());
            }
        });
        assert_eq!(mine.value(), 1, "another thread wrote to this thread's cell");
        assert_eq!(totals(&series), [("a b".to_owned(), 5)]);
    }

    #[test]
    fn asking_again_gives_the_same_cell() {
        let series = series();
        series.handle(["a", "b"]).inc();
        assert_eq!(series.handle(["a", "b"]).value(), 1);
        let shared = series.shared(["a", "c"]);
        shared.inc();
        std::thread::scope(|scope| scope.spawn(|| assert_eq!(series.shared(["a", "c"]).value(), 1)).join())
            .expect("the other thread sees the shared cell");
    }

    #[test]
    fn what_is_not_kept_disappears() {
        let series = series();
        series.handle(["a", "b"]).inc();
        series.handle(["a", "c"]).inc();
        series.retain(|values| &*values[1] == "c");
        assert_eq!(totals(&series), [("a c".to_owned(), 1)]);
    }
}
