//! Finds out when a server that could not be connected to can be connected to again.
//!
//! The breaker itself is a bit of the server's [`Condition`](super::condition::Condition): it opens at
//! the last of some refusals in a row, and no request is spent on the server while it is open. The
//! worker that opened it tries to connect in the background; the first success closes it.

use std::{
    rc::{Rc, Weak},
    time::Duration,
};

use super::{connect::ConnectOptions, jitter::jittered, server::ServerPool};
use crate::pipeline::deadline::Deadlines;

/// Tries to connect every now and then until the breaker is closed.
///
/// - `pause`: between two tries, give or take a fifth.
pub fn watch(pool: &Rc<ServerPool>, deadlines: &Rc<Deadlines>, options: ConnectOptions, pause: Duration) {
    if pool.watched.replace(true) {
        return;
    }
    let (server, deadlines) = (Rc::downgrade(pool), Rc::clone(deadlines));
    tokio::task::spawn_local(async move { while probe(&server, &deadlines, options, pause).await.is_none() {} });
}

/// One try; none while the breaker stays open.
async fn probe(
    server: &Weak<ServerPool>,
    deadlines: &Rc<Deadlines>,
    options: ConnectOptions,
    pause: Duration,
) -> Option<()> {
    tokio::time::sleep(jittered(pause)).await;
    let Some(pool) = server.upgrade() else { return Some(()) };
    if !pool.condition.is_open() || pool.condition.is_retired() {
        // Another connection has closed it, or nobody needs it any more.
        pool.watched.set(false);
        return Some(());
    }
    let connection = pool.connect(deadlines, options).await.ok()?;
    pool.watched.set(false);
    pool.condition.connected();
    pool.checkin(connection, deadlines.now());
    tracing::info!(server = pool.name, "server can be connected to again");
    Some(())
}
