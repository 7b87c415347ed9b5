//! A client connection that speaks HTTP/2 (RFC 9113).

use std::{pin::pin, rc::Rc, task::Poll};

use http::Request;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::pipeline::{
    downstream::{body::RequestBody, io::ClientIo, link::Link},
    handle,
    worker::Worker,
};

/// HTTP/2 flow control (RELIABILITY section 4).
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const STREAMS_MAX: u32 = 100;

/// Serves streams until the connection closes.
pub(super) async fn serve(worker: Rc<Worker>, link: Rc<Link>, io: ClientIo) {
    let limits = link.head_limits;
    let handler = {
        let (worker, link) = (Rc::clone(&worker), Rc::clone(&link));
        service_fn(move |request: Request<Incoming>| {
            handle(Rc::clone(&worker), Rc::clone(&link), request.map(RequestBody::Http2))
        })
    };
    let header_list = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(Local)
        .max_header_list_size(header_list)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .serve_connection(TokioIo::new(io), handler);
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
        Poll::Pending
    })
    .await;
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
