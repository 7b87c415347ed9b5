//! What a run may cost: bytes of memory and time, counted by the thread that runs it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Bytes that all values a run makes may take together, those it drops again included.
pub(super) const BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest run, whoever waits for it. It is looked at where values are made or looked into.
pub(super) const TIME_MAX: Duration = Duration::from_secs(2);

/// Looking at the clock costs more than what is counted between two looks.
const CALLS_PER_LOOK: u32 = 64;

/// What is left of a run.
#[derive(Clone, Copy)]
struct Meter {
    bytes: usize,
    until: Instant,
    calls: u32,
}

thread_local! {
    /// None where no run is under way, or nothing is left of it.
    static METER: Cell<Option<Meter>> = const { Cell::new(None) };
}

/// Nothing is left: the run has failed, whatever it makes of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent;

/// Runs `work` with a fresh meter; none if it used that up.
pub(super) fn metered<T>(work: impl FnOnce() -> T) -> Option<T> {
    METER.set(Some(Meter { bytes: BYTES_MAX, until: Instant::now() + TIME_MAX, calls: 0 }));
    let result = work();
    METER.take().map(|_| result)
}

/// Pays for so many bytes.
pub(super) fn pay(bytes: usize) -> Result<(), Spent> {
    let mut meter = METER.get().ok_or(Spent)?;
    meter.calls = meter.calls.wrapping_add(1);
    let is_late = meter.calls.is_multiple_of(CALLS_PER_LOOK) && Instant::now() > meter.until;
    let left = meter.bytes.checked_sub(bytes).filter(|_| !is_late);
    METER.set(left.map(|bytes| Meter { bytes, ..meter }));
    left.map(|_| ()).ok_or(Spent)
}

/// Ends the run.
pub(super) fn spend_all() -> Spent {
    METER.set(None);
    Spent
}
