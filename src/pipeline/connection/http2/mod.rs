//! A client connection that speaks HTTP/2 (RFC 9113).

pub mod frame;
mod io;
pub mod watch;

use std::{pin::pin, rc::Rc, task::Poll};

use http::Request;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use self::{
    io::{WatchedIo, Wire},
    watch::{Bounds, Watch},
};
use crate::{
    config::Limits,
    pipeline::{
        downstream::{body::RequestBody, io::ClientIo, link::Link},
        handle,
        worker::Worker,
    },
};

/// Serves streams until the connection closes.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, io: ClientIo) {
    let limits = worker.loaded().snapshot.config.limits;
    let handler = {
        let (worker, link) = (Rc::clone(&worker), Rc::clone(&link));
        service_fn(move |request: Request<Incoming>| {
            handle(Rc::clone(&worker), Rc::clone(&link), request.map(RequestBody::Http2))
        })
    };
    let watch = Watch::new(bounds(&limits), worker.deadlines.now());
    let wire = Wire::new(io, watch, Rc::clone(&worker.deadlines));
    let connection = http2::Builder::new(Local)
        .max_header_list_size(clamped(limits.request_header_bytes))
        .initial_stream_window_size(clamped(limits.http2_stream_window_bytes))
        .initial_connection_window_size(clamped(limits.http2_connection_window_bytes))
        .max_concurrent_streams(clamped(limits.http2_streams))
        // Resets are counted by the watch; these bounds of the library must not come first.
        .max_pending_accept_reset_streams(limits.http2_resets.saturating_mul(2))
        .max_local_error_reset_streams(limits.http2_resets.saturating_mul(2))
        .serve_connection(TokioIo::new(WatchedIo(Rc::clone(&wire))), handler);
    let mut connection = pin!(connection);
    let mut told = false;
    std::future::poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let over = link.expired(cx) || !worker.keep_alive.get();
        if over && !told {
            // GOAWAY first; what is under way finishes.
            told = true;
            connection.as_mut().graceful_shutdown();
            cx.waker().wake_by_ref();
        }
        match wire.poll_turn(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    })
    .await;
    if let Some(breach) = wire.breach() {
        worker.shared.metrics.http2_floods(breach.label()).inc();
        tracing::debug!(client = %link.peer, %breach, "HTTP/2 connection ended");
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

/// Runs HTTP/2 streams on this worker.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async {
            task.await;
        });
    }
}
