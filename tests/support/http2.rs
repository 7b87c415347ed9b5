//! A backend and a caller that speak HTTP/2, frame by frame where a test needs it.

use bytes::Bytes;
use h2::{RecvStream, server::SendResponse};
use http::{HeaderMap, Request};
use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// One request, and the side that answers it.
pub(crate) struct Call {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
    /// Which request of the backend it is, from 0.
    pub(crate) nth: usize,
    /// Has the connection say GOAWAY.
    pub(crate) leave: Arc<Notify>,
}

impl Call {
    /// A complete answer.
    pub(crate) fn reply(&mut self, status: u16, body: impl Into<Bytes>) {
        let answer = http::Response::builder().status(status).body(()).unwrap();
        let Ok(mut stream) = self.respond.send_response(answer, false) else { return };
        let _ = stream.send_data(body.into(), true);
    }

    /// The whole request body.
    pub(crate) async fn body(&mut self) -> Vec<u8> {
        read(self.request.body_mut()).await.0
    }
}

/// A body to its end, and its trailers.
pub(crate) async fn read(stream: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut body = Vec::new();
    while let Some(Ok(data)) = stream.data().await {
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    (body, stream.trailers().await.unwrap_or_default())
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A backend that speaks HTTP/2 over cleartext with prior knowledge.
pub(crate) struct Http2Upstream {
    pub(crate) addr: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Http2Upstream {
    /// `script` runs once per request.
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::with(h2::server::Builder::new(), script)
    }

    /// As `new`, with settings of its own.
    pub(crate) fn with<F: Future<Output = ()> + Send + 'static>(
        settings: h2::server::Builder,
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let shared = connections.clone();
        let script: Arc<dyn Fn(Call) -> Running + Send + Sync> = Arc::new(move |call| Box::pin(script(call)));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    shared.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(stream, settings.clone(), script.clone(), requests.clone()));
                }
            });
        });
        Self { addr, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    settings: h2::server::Builder,
    script: Arc<dyn Fn(Call) -> Running + Send + Sync>,
    requests: Arc<AtomicUsize>,
) {
    let Ok(mut connection) = settings.handshake(stream).await else { return };
    let leave = Arc::new(Notify::new());
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let nth = requests.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(Call { request, respond, nth, leave: leave.clone() }));
            }
            () = leave.notified() => connection.graceful_shutdown(),
        }
    }
}

/// Runs `caller` with one HTTP/2 connection to `to`.
pub(crate) fn call<T>(to: SocketAddr, caller: impl AsyncFnOnce(h2::client::SendRequest<Bytes>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(to).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let limit = std::time::Duration::from_secs(30);
        tokio::time::timeout(limit, caller(sender)).await.expect("the call ends")
    })
}
