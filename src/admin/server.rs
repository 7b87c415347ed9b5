//! The admin port's listener and connections.
//!
//! HTTP/1.1 by hyper, apart from the data plane in everything: its own socket, its own limits, and the control
//! thread's runtime, so that neither can starve the other.

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use tower::{BoxError, Service, ServiceExt};

use super::{
    gateway::Gateway,
    layers,
    reply::{self, Reply},
    routes,
    throttle::Throttle,
};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;

/// Request head; hyper answers 431 beyond.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long connections may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// A head takes at most this long to arrive, and an unused connection is kept this long.
    pub(super) head: Duration,
    /// A connection is asked to end after this time, so that a reader that stalls cannot keep its place for ever.
    pub(super) age: Duration,
    /// How long an answer under way may take once its connection was asked to end.
    pub(super) grace: Duration,
}

const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), age: Duration::from_secs(600), grace: Duration::from_secs(5) };

/// Serves the admin port until `shutdown` resolves, then finishes the answers under way (at most 5 s).
pub async fn serve<G: Gateway>(listener: TcpListener, gateway: Arc<G>, shutdown: impl Future<Output = ()>) {
    serve_with(PATIENCE, listener, gateway, shutdown).await;
}

pub(super) async fn serve_with<G: Gateway>(
    patience: Patience,
    listener: TcpListener,
    gateway: Arc<G>,
    shutdown: impl Future<Output = ()>,
) {
    let bound = listener.local_addr().unwrap_or_else(|_| gateway.view().config.admin.listen);
    let throttle = Arc::new(Throttle::default());
    let stack = layers::around(move |(ends, request)| {
        let (gateway, throttle) = (Arc::clone(&gateway), Arc::clone(&throttle));
        async move { Ok(routes::answer(gateway, &throttle, bound, ends, request).await) }
    });
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (drain, draining) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, slot) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let (stream, peer) = stream;
        let ends = Ends { local: stream.local_addr().unwrap_or(bound), peer };
        tokio::spawn(connection(patience, stream, slot, ends, stack.clone(), draining.clone()));
    }
    drop((listener, draining));
    // No receiver is left when every connection has ended; one that was accepted just now sees the value too.
    let _ = drain.send(());
    let _ = timeout(patience.grace, drain.closed()).await;
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> ((TcpStream, SocketAddr), OwnedSemaphorePermit) {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok(accepted) => return (accepted, slot),
            Err(error) => {
                // Out of descriptors, or the peer has left already: neither ends the port.
                tracing::warn!(%error, "admin connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The address it came in at.
    pub(super) local: SocketAddr,
    /// Who opened it.
    pub(super) peer: SocketAddr,
}

async fn connection<S>(
    patience: Patience,
    stream: TcpStream,
    _slot: OwnedSemaphorePermit,
    ends: Ends,
    stack: S,
    mut draining: watch::Receiver<()>,
) where
    S: Service<(Ends, Request<Incoming>), Response = Reply, Error = BoxError, Future: Send> + Clone + Send,
{
    let exchange = service_fn(|request: Request<Incoming>| {
        let stack = stack.clone();
        async move {
            let (instance, id) = (request.uri().path().to_owned(), reply::request_id(request.headers()));
            let reply = stack.oneshot((ends, request)).await.unwrap_or_else(|error| layers::refusal(&error));
            Ok::<_, Infallible>(reply.response(&instance, &id))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), exchange);
    let mut connection = pin!(connection);
    tokio::select! {
        // How a connection ended is the peer's business.
        _ = connection.as_mut() => return,
        _ = draining.changed() => {}
        () = sleep(patience.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(patience.grace, connection).await;
}
