//! The graceful end: no new work, then wait for what is in flight.

use std::{future::Future, time::Duration};

use crate::crew::{Crew, Patience};

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every worker has finished; what took longer than the configured time was cut.
    Finished,
    /// A second signal came: everything was cut at once.
    Interrupted,
}

/// Workers end shortly after their own deadline.
const GRACE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// Drains the crew within `patience`, or until `again` resolves.
pub async fn drain(crew: &Crew, patience: Patience, again: impl Future<Output = ()>) -> Drained {
    crew.drain(patience);
    let finished = async {
        while !crew.is_done() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(patience.total + GRACE, finished) => Drained::Finished,
        () = again => Drained::Interrupted,
    }
}
