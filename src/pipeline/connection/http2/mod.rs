//! A client connection that speaks HTTP/2 (RFC 9113).
//!
//! One task serves a connection and all its streams. In each turn it takes in what the client has sent,
//! lets the streams go on that can, and sends what they have written at once.

mod answer;
mod control;
pub mod flow;
pub mod frame;
pub mod head;
pub mod hpack;
pub mod inbound;
pub mod outbox;
pub mod ready;
mod stream;
pub mod streams;
mod tunnel;
mod turn;
pub mod watch;

use std::{future::poll_fn, rc::Rc};

use bytes::BytesMut;

use self::{
    inbound::{Fault, Inbound},
    streams::{Streams, Terms},
    turn::{Connection, Over},
    watch::{Bounds, Watch},
};
use super::close;
use crate::{
    config::Limits,
    pipeline::{
        downstream::{
            link::{Link, Waiting},
            socket::Socket,
        },
        worker::Worker,
    },
};

/// The preface has been recognised; it is still in front of the first frame.
const PREFACE_BYTES: usize = 24;

/// Most places of a connection, however many streams are allowed.
const PLACES_MAX: usize = 1 << 16;

/// Serves streams until the connection closes.
///
/// - `read`: what was read of `socket` already.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, socket: Socket, read: BytesMut) {
    link.speaks_http2();
    link.wait(Waiting::Idle);
    let limits = worker.loaded().snapshot.config.limits;
    let streams = Streams::new(terms(&limits), worker.http2.clone());
    streams.out(|out| announce(out, &limits));
    let watch = Watch::new(bounds(&limits), worker.deadlines.now());
    let inbound = Inbound::new(Rc::clone(&streams), worker.http2.clone(), link.head_limits, watch);
    let mut connection = Connection::new(Rc::clone(&worker), Rc::clone(&link), socket, streams, inbound);
    let first = read.get(PREFACE_BYTES..).unwrap_or_default();
    let over = match connection.begin(first) {
        Ok(()) => {
            // What the runtime allows a task in one turn is meant for one stream; a turn has bounds of its own.
            tokio::task::coop::unconstrained(poll_fn(|cx| connection.poll(cx))).await
        }
        Err(fault) => Over::Fault(fault),
    };
    if let Over::Fault(fault) = over {
        if let Fault::Breach(breach) = fault {
            worker.shared.metrics.http2_floods(breach.label()).inc();
            tracing::debug!(client = %link.peer, %breach, "HTTP/2 connection ended");
        }
        connection.say_why(fault).await;
    }
    let unread = !matches!(over, Over::Gone);
    close(connection.into_socket(), unread).await;
}

/// What the gateway says first (RFC 9113 section 3.4).
fn announce(out: &mut outbox::Outbox, limits: &Limits) {
    let settings = [
        // MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE, ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3)
        (3u16, clamped(limits.http2_streams)),
        (4, clamped(limits.http2_stream_window_bytes)),
        (6, clamped(limits.request_header_bytes)),
        (8, 1),
    ];
    let payload: Vec<u8> =
        settings.iter().flat_map(|(name, value)| name.to_be_bytes().into_iter().chain(value.to_be_bytes())).collect();
    out.frame(frame::kind::SETTINGS, 0, 0, &payload);
}

fn terms(limits: &Limits) -> Terms {
    Terms {
        streams: limits.http2_streams,
        // Streams that were reset in one go are still there when others come.
        places: limits.http2_streams.saturating_add(limits.http2_resets).clamp(1, PLACES_MAX),
        stream_window: clamped(limits.http2_stream_window_bytes),
        connection_window: clamped(limits.http2_connection_window_bytes),
    }
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        continuations: clamped(limits.http2_continuations),
        resets: clamped(limits.http2_resets),
        resets_unanswered: clamped(limits.http2_resets_unanswered),
        control_frames: clamped(limits.http2_control_frames),
    }
}

/// HTTP/2 counts to 2^31 - 1.
fn clamped(number: usize) -> u32 {
    u32::try_from(number).map_or(u32::MAX >> 1, |number| number.min(u32::MAX >> 1))
}
