//! One client connection, from the accept to the close.

mod entry;
mod http1;
pub mod http2;

use std::{future::poll_fn, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use entry::{Entered, Entry};

use super::{
    downstream::{
        farewell::Farewell,
        head::HeadLimits,
        link::{Link, LinkTimeouts},
        socket::Socket,
        wire::{Protocol, Wire},
    },
    rare::rare,
    worker::{Slot, Worker},
};
use crate::{config::Listener, telemetry::Gauge};

/// How long a closed connection stays, so that its last answers are not lost to a reset, and how much is read of it.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Serves a connection until it closes.
///
/// - `listener`: the one it came to; `farewell`: for its clients.
pub async fn serve(
    worker: Rc<Worker>,
    (listener, farewell): (Arc<Listener>, Rc<Farewell>),
    stream: TcpStream,
    peer: SocketAddr,
) {
    let loaded = worker.loaded();
    let config = &loaded.snapshot.config;
    let Some(mut slot) = Slot::take(&worker.shared, config) else { return };
    let limits = HeadLimits {
        target_bytes: config.limits.request_target_bytes,
        header_bytes: config.limits.request_header_bytes,
        fields: config.limits.request_header_fields,
        chunked: config.limits.chunked,
    };
    let timeouts = LinkTimeouts {
        request_header: config.timeouts.request_header,
        keep_alive: config.timeouts.keep_alive,
        write: config.timeouts.write,
    };
    let per_client = config.limits.connections_per_client;
    // An open connection must not keep a replaced snapshot alive.
    drop(loaded);
    let mut open = Open::count(&worker);
    let entry = Entry::of(&listener, peer);
    drop(listener);
    let due = entry.is_some().then(|| worker.deadlines.after(timeouts.request_header));
    let Entered { socket, client } = match (entry, due) {
        (Some(entry), Some(due)) => {
            let passed = rare(|| entry.pass(Rc::clone(&worker), stream, peer, due)).await;
            let Some(entered) = passed else { return };
            entered
        }
        _ => Entered { socket: Socket::Plain(stream), client: peer },
    };
    if let Some(per_client) = per_client {
        slot.of_client(client.ip().to_canonical(), per_client);
    }
    let link = Link::new(client, farewell, slot.over_limit, Rc::clone(&worker.deadlines), limits, timeouts);
    let (link, agreed) = match &socket {
        Socket::Plain(_) => (link, None),
        Socket::Tls(stream) => {
            // RFC 9113 section 3.3: over TLS, ALPN decides.
            let agreed = if stream.is_http2() { Protocol::Http2 } else { Protocol::Http1 };
            (link.over_tls(stream.client_certificate()), Some(agreed))
        }
    };
    let link = Rc::new(link);
    let wire = Wire::new(socket, Rc::clone(&link));
    if let Some(due) = due {
        link.first_head_by(due);
    }
    let spoken = poll_fn(|cx| wire.poll_protocol(cx)).await;
    let spoken = spoken.filter(|spoken| agreed.is_none_or(|agreed| agreed == *spoken));
    open.speaks(spoken);
    match spoken {
        Some(Protocol::Http1) => http1::serve(worker, link, wire).await,
        Some(Protocol::Http2) => {
            if let Some((socket, read)) = wire.into_parts() {
                rare(|| http2::serve(worker, link, socket, read)).await;
            }
        }
        None => {
            if let Some((socket, _)) = wire.into_parts() {
                close(socket, false).await;
            }
        }
    }
    drop(slot);
}

/// Counts an open connection of this worker, under what it speaks.
struct Open {
    worker: Rc<Worker>,
    spoken: Option<Protocol>,
}

impl Open {
    fn count(worker: &Rc<Worker>) -> Self {
        worker.open.set(worker.open.get() + 1);
        worker.connections.accepted.inc();
        let open = Self { worker: Rc::clone(worker), spoken: None };
        open.gauge().inc();
        open
    }

    fn speaks(&mut self, protocol: Option<Protocol>) {
        self.gauge().dec();
        self.spoken = protocol;
        self.gauge().inc();
    }

    fn gauge(&self) -> &Gauge {
        let cells = &self.worker.connections;
        match self.spoken {
            None => &cells.unknown,
            Some(Protocol::Http1) => &cells.http1,
            Some(Protocol::Http2) => &cells.http2,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge().dec();
        self.worker.open.set(self.worker.open.get() - 1);
    }
}

/// Closes so that the last answers arrive: a socket that is closed with unread bytes, or gets some after that, is reset
/// (RFC 9112 section 9.6).
///
/// - `lingers`: whether the client may have sent more than was read, or may do so yet.
async fn close(mut socket: Socket, lingers: bool) {
    if !lingers && matches!(socket, Socket::Plain(_)) {
        // The kernel sends what is left, and the end.
        return;
    }
    let closed = async {
        // TLS says goodbye, which waits where the client takes nothing any more.
        if socket.shutdown().await.is_err() || !lingers {
            return;
        }
        // On the heap: every connection would carry it in its state otherwise.
        let mut sink = vec![0u8; 4096];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(n @ 1..) = socket.read(&mut sink).await {
            left = left.saturating_sub(n);
            if left == 0 {
                // Nothing more is read; the time that is left is for taking the answers.
                return std::future::pending().await;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, closed).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::handle;

    fn size<A, B, C, F: Future>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn ten_thousand_idle_connections_carry_little_state() {
        // A connection keeps the first for as long as it is open, the second until it has been idle for a moment:
        // as large as what the allocator keeps at hand, with what is around it.
        let serve = |(worker, listener), stream, peer| serve(worker, listener, stream, peer);
        assert!(size(serve) <= 2048, "{}", size(serve));
        let handle = |(worker, link), head, body| handle(worker, link, head, body);
        assert!(size(handle) <= 640, "{}", size(handle));
    }
}
