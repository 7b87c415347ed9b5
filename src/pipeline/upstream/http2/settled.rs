//! Whether a server's settings have come: before, nobody knows what it allows (RFC 8441 section 3).

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::sync::Notify;

/// The settings of one connection, as far as they are waited for.
#[derive(Debug)]
pub(super) struct Settled {
    ping: RefCell<Option<PingPong>>,
    within: Duration,
    done: Cell<bool>,
    changed: Notify,
}

impl Settled {
    /// - `within`: how long the server may take.
    pub(super) fn new(ping: Option<PingPong>, within: Duration) -> Rc<Self> {
        let done = Cell::new(ping.is_none());
        Rc::new(Self { ping: RefCell::new(ping), within, done, changed: Notify::new() })
    }

    /// Waits for the settings, at most for their time. They are the first that a server says (RFC 9113 section 3.4): the
    /// answer to a PING comes behind them.
    pub(super) async fn wait(self: &Rc<Self>) {
        if let Some(mut ping) = self.ping.take() {
            // In a task of its own: whoever asked first may leave before the answer.
            let settled = Rc::clone(self);
            tokio::task::spawn_local(async move {
                let _ = tokio::time::timeout(settled.within, ping.ping(Ping::opaque())).await;
                settled.done.set(true);
                settled.changed.notify_waiters();
            });
        }
        while !self.done.get() {
            self.changed.notified().await;
        }
    }
}
