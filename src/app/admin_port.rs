//! The admin port in use.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
};

use tokio::{net::TcpListener, sync::oneshot};

use super::state::State;
use crate::{
    admin,
    listeners::{BindError, Listening},
};

/// The admin port in use.
pub(super) struct AdminPort {
    pub(super) configured: SocketAddr,
    pub(super) bound: SocketAddr,
    /// Bound, not served yet.
    waiting: Option<StdListener>,
    /// Dropped to end the server.
    serving: Option<oneshot::Sender<()>>,
}

impl AdminPort {
    /// - `ours`: the data listeners.
    pub(super) fn bind(configured: SocketAddr, ours: impl IntoIterator<Item = SocketAddr>) -> Result<Self, BindError> {
        let listening = Listening::bind(configured, 1, ours)?;
        let bound = listening.bound;
        Ok(Self { configured, bound, waiting: listening.into_one(), serving: None })
    }

    /// Ends the server once the answers under way are out.
    pub(super) fn end(&mut self) {
        drop(self.serving.take());
    }

    pub(super) fn serve(&mut self, state: &Arc<State>) -> io::Result<()> {
        if let Some(listener) = self.waiting.take() {
            let listener = TcpListener::from_std(listener)?;
            let (end, ended) = oneshot::channel::<()>();
            tokio::spawn(admin::serve(listener, Arc::clone(state), async {
                // Resolves when the sender is dropped.
                let _ = ended.await;
            }));
            self.serving = Some(end);
        }
        Ok(())
    }
}
