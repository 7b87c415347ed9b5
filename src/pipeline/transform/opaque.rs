//! Adaptations that a worker must not run itself: those with a program in the jq language.

use super::{
    Cause, Side, TransformError,
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
    done.map_err(|missed| TransformError { side, cause: Cause::Body(program.missed(missed)) })
}

/// Adapts one record on a thread of its own. Those behind it wait, the worker does not.
///
/// - Errors: as in [`aside`], and those of the program.
pub async fn record<P: Programs + Clone + Send + 'static>(programs: P, work: Work) -> Result<Adapted, AdaptationError> {
    let (theirs, kind) = (programs.clone(), work.kind().map(<[u8]>::to_vec));
    pool::run(move || work.run(&theirs)).await.unwrap_or_else(|missed| {
        let program = programs.program(kind.as_deref());
        Err(program.map_or(AdaptationError::of_body(Reason::Jq), |program| program.missed(missed)))
    })
}
