//! From an accepted socket to where HTTP begins: the PROXY protocol header, the TLS handshake.

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, task::Poll};

use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::super::{
    deadline::Timer,
    downstream::{
        forwarded::is_trusted,
        link::LAST_MOMENT,
        proxy_protocol,
        socket::Socket,
        tls::{self, TlsStream},
    },
    worker::Worker,
};
use crate::{config::Listener, telemetry::metrics::NONE};

/// What has to happen before HTTP.
pub(super) struct Entry {
    /// Whether a load balancer says first who its client is.
    named: bool,
    tls: Option<Arc<ServerConfig>>,
}

/// A connection on which HTTP begins.
pub(super) struct Entered {
    pub(super) socket: Socket,
    /// The client, as far as a load balancer knows it.
    pub(super) client: SocketAddr,
}

impl Entry {
    /// What `listener` wants from `peer`; nothing for HTTP in clear text.
    pub(super) fn of(listener: &Listener, peer: SocketAddr) -> Option<Self> {
        let named = is_trusted(peer.ip(), &listener.proxies);
        let tls = listener.tls.as_ref().map(|tls| Arc::clone(&tls.config));
        (named || tls.is_some()).then_some(Self { named, tls })
    }

    /// Takes the steps, all of them before `due` (milliseconds of the worker's deadlines).
    ///
    /// - Returns nothing where the connection is to be closed: there is nobody yet to answer to in HTTP.
    pub(super) async fn pass(
        self,
        worker: Rc<Worker>,
        mut stream: TcpStream,
        peer: SocketAddr,
        due: u64,
    ) -> Option<Entered> {
        let clock = Clock::new(&worker, due);
        let metrics = &worker.shared.metrics;
        let mut client = peer;
        if self.named {
            let taken = clock.bound(proxy_protocol::take(&mut stream)).await;
            let outcome = match &taken {
                Ok(Some(_)) => "address",
                Ok(None) => "local",
                Err(error) if error.kind() == io::ErrorKind::TimedOut => "timeout",
                Err(error) if error.kind() == io::ErrorKind::InvalidData => "malformed",
                Err(_) => "client_left",
            };
            metrics.proxy_headers(outcome).inc();
            match taken {
                Ok(source) => client = source.unwrap_or(peer),
                Err(error) => {
                    tracing::debug!(%peer, %error, "no PROXY protocol header");
                    return None;
                }
            }
        }
        let Some(config) = self.tls else { return Some(Entered { socket: Socket::Plain(stream), client }) };
        match clock.bound(TlsStream::accept(config, stream)).await {
            Ok(stream) => {
                let outcome = if stream.is_resumed() { "resumed" } else { "full" };
                metrics.tls_handshakes(outcome, stream.version()).inc();
                Some(Entered { socket: Socket::Tls(Box::new(stream)), client })
            }
            Err(error) => {
                let timed_out = error.kind() == io::ErrorKind::TimedOut;
                let outcome = if timed_out { "timeout" } else { tls::failure(&error) };
                metrics.tls_handshakes(outcome, NONE).inc();
                tracing::debug!(%client, %error, outcome, "TLS handshake failed");
                None
            }
        }
    }
}

/// The time that is left.
struct Clock<'w> {
    worker: &'w Worker,
    timer: Timer,
}

impl<'w> Clock<'w> {
    fn new(worker: &'w Worker, due: u64) -> Self {
        let timer = Timer::new(&worker.deadlines);
        timer.arm_at(due);
        Self { worker, timer }
    }

    /// Runs `step`, or fails it with [`io::ErrorKind::TimedOut`].
    async fn bound<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let mut step = std::pin::pin!(step);
        let mut hurried = false;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(outcome) = step.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            if self.worker.draining.get() && !hurried {
                // What the kernel had accepted before the drain is still served, if it says something soon.
                hurried = true;
                self.timer.arm(LAST_MOMENT);
            }
            if self.timer.expired(cx) { Poll::Ready(Err(io::ErrorKind::TimedOut.into())) } else { Poll::Pending }
        })
        .await
    }
}
