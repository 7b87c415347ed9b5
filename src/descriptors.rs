//! How many descriptors the process may have open, and which of them are not for callers.

use std::{
    os::fd::AsRawFd,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept free for the admin port, files and probes (RELIABILITY risk 21).
pub const RESERVE: usize = 64;

/// Descriptors from this number on are the reserve.
static RESERVED_FROM: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Raises the descriptor limit as far as it goes, sets the reserve aside, and returns the limit.
pub fn raise() -> usize {
    const ENOUGH: u64 = 1 << 20;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(ENOUGH),
    };
    let current = usize::try_from(current).unwrap_or(usize::MAX);
    RESERVED_FROM.store(current.saturating_sub(RESERVE), Ordering::Relaxed);
    current
}

/// Whether a descriptor just opened comes from the reserve: whoever opened it for a caller has to let it go.
///
/// The kernel hands out the lowest free number, so its number says how many are open.
pub fn is_reserved(descriptor: &impl AsRawFd) -> bool {
    usize::try_from(descriptor.as_raw_fd()).is_ok_and(|number| number >= RESERVED_FROM.load(Ordering::Relaxed))
}
