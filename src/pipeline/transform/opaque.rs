//! Adaptations that a worker must not run itself: those with a program in the jq language.

use super::{Cause, Side, TransformError};
use crate::adaptation::{Program, jq::pool};

/// Runs `work`, which applies `program`, on a thread of its own and waits for it without blocking.
///
/// - Errors: `jq` where it missed its deadline; the program counts that.
pub async fn aside<T: Send + 'static>(
    program: &Program,
    side: Side,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TransformError> {
    let done = pool::run(work).await;
    done.ok_or_else(|| TransformError { side, cause: Cause::Body(program.overdue()) })
}

/// A program in the jq language takes whole bodies only: records pass while a worker looks on, and
/// that must not wait.
pub(super) fn refuse_records(program: &Program, side: Side) -> Result<(), TransformError> {
    match program.opaque_step() {
        Some(error) => Err(TransformError { side, cause: Cause::Body(error) }),
        None => Ok(()),
    }
}
