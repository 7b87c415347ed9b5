//! The admin port in use.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::oneshot};

use super::state::State;
use crate::{
    admin,
    listening::{BindError, Listening},
    passed::{Passed, Purpose},
};

/// Where operators connect, as configured and as bound.
pub(super) struct AdminPort {
    pub(super) configured: SocketAddr,
    pub(super) bound: SocketAddr,
    pub(super) listening: Listening,
    /// Dropped to end the server.
    serving: Option<oneshot::Sender<()>>,
}

impl AdminPort {
    /// - `ours`: what this process listens on already.
    /// - `passed`: taken from where it has the address.
    pub(super) fn bind(
        configured: SocketAddr,
        ours: impl IntoIterator<Item = SocketAddr>,
        passed: &mut Passed,
    ) -> Result<Self, BindError> {
        let listening = match passed.take(Purpose::AdminAt(configured), configured) {
            Some(passed) => passed,
            None => Listening::bind(configured, 1, ours)?,
        };
        Ok(Self { configured, bound: listening.bound, listening, serving: None })
    }

    /// Ends the server once the answers under way are out.
    pub(super) fn end(&mut self) {
        drop(self.serving.take());
    }

    pub(super) fn serve(&mut self, state: &Arc<State>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listening.sockets()[0].try_clone()?)?;
        let (end, ended) = oneshot::channel::<()>();
        tokio::spawn(admin::serve(listener, Arc::clone(state), async {
            // Resolves when the sender is dropped.
            let _ = ended.await;
        }));
        self.serving = Some(end);
        Ok(())
    }
}
