//! Adaptations that a worker must not run itself: those with a program in the jq language.

use super::{
    Cause, Side, TransformError, error,
    records::{Programs, Work},
};
use crate::adaptation::{AdaptationError, Adapted, Program, Reason, jq::pool};

/// Runs `work`, which applies `program`, on a thread of its own and waits for it without blocking.
///
/// - Errors: `jq` where it missed its deadline, which the program counts, or had no turn in time.
pub async fn aside<T: Send + 'static>(
    program: &Program,
    side: Side,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TransformError> {
    let done = pool::run(work).await;
    done.map_err(|missed| TransformError {
        side,
        cause: Cause::Body(error::for_caller(side, program, program.missed(missed))),
    })
}

/// Adapts one record on a thread of its own. Those behind it wait, the worker does not.
///
/// - Errors: as in [`aside`], and those of the program.
pub async fn record<P: Programs + Clone + Send + 'static>(programs: P, work: Work) -> Result<Adapted, AdaptationError> {
    let (theirs, side, kind) = (programs.clone(), work.side(), work.kind().map(<[u8]>::to_vec));
    pool::run(move || work.run(&theirs)).await.unwrap_or_else(|missed| {
        let told = |program: &Program| error::for_caller(side, program, program.missed(missed));
        Err(programs.program(kind.as_deref()).map_or(AdaptationError::of_body(Reason::Jq), told))
    })
}
