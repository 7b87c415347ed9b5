//! Futures of what few exchanges need.

use std::pin::Pin;

/// A future on the heap that is made, and lives, away from those who do without it.
///
/// Boxing alone keeps its state out of the state of who waits for it; but its state is put together on the stack
/// first, and the stack of who might wait for it would have room for that, and touch all of it, each time.
#[inline(never)]
pub(crate) fn rare<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}
