//! The kinds of callers there are.

use super::{Tally, call::Call};
use crate::support::Client;
use std::{net::SocketAddr, sync::Arc};

/// Keeps its connection, `depth` requests at a time.
pub(crate) fn on_one_connection(to: SocketAddr, tally: &Tally, depth: usize) {
    let mut client = Client::connect(to);
    while !tally.is_over() {
        let batch: Vec<Call> = (0..fastrand::usize(1..=depth)).map(|_| tally.draw()).collect();
        // A cut closes the connection while the rest of the batch is still being written: the answers say so.
        let bytes: Vec<u8> = batch.iter().flat_map(Call::bytes).collect();
        let writer = client.stream().try_clone().unwrap();
        let sent = std::thread::spawn(move || std::io::Write::write_all(&mut &writer, &bytes));
        let mut open = true;
        for call in &batch {
            if open {
                open = receive(&mut client, tally, call);
            } else {
                Tally::count(&tally.behind);
            }
        }
        if !open {
            // Ends a write nobody reads any more.
            let _ = client.stream().shutdown(std::net::Shutdown::Both);
            client = Client::connect(to);
        }
        let _ = sent.join();
    }
}

/// A connection for each request.
pub(crate) fn on_new_connections(to: SocketAddr, tally: &Tally) {
    while !tally.is_over() {
        let call = tally.draw();
        let mut client = Client::connect(to);
        let _ = client.try_write(call.bytes());
        receive(&mut client, tally, &call);
    }
}

/// Whether the connection goes on.
fn receive(client: &mut Client, tally: &Tally, call: &Call) -> bool {
    match client.try_read(call.method == "HEAD") {
        Ok(Some(answer)) => {
            tally.answer(call, answer.status, &|name| answer.header(name), &answer.body);
            !answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
        }
        Ok(None) => {
            tally.broken(call, "closed");
            false
        }
        Err(e) => {
            tally.broken(call, &e.to_string());
            false
        }
    }
}

/// Hangs up while its request is sent or answered.
pub(crate) fn hanging_up(to: SocketAddr, tally: &Tally) {
    while !tally.is_over() {
        let call = tally.draw();
        let bytes = call.bytes();
        let mut client = Client::connect(to);
        let _ = client.try_write(&bytes[..fastrand::usize(1..=bytes.len())]);
        std::thread::sleep(std::time::Duration::from_millis(fastrand::u64(..150)));
        Tally::count(&tally.left);
        if fastrand::bool() {
            client.reset();
        }
    }
}

/// Prior-knowledge HTTP/2, sixteen streams at a time.
pub(crate) fn over_http_2(to: SocketAddr, tally: &Tally) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        while !tally.is_over() {
            let stream = tokio::net::TcpStream::connect(to).await.unwrap();
            let io = hyper_util::rt::TokioIo::new(stream);
            let (send, connection) =
                hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
            let connection = tokio::spawn(connection);
            let send = Arc::new(send);
            for _ in 0..20 {
                let streams = (0..16).map(|_| one_stream(send.as_ref().clone(), tally, tally.draw()));
                futures(streams).await;
                if tally.is_over() {
                    break;
                }
            }
            connection.abort();
        }
    });
}

/// All of them, at once.
async fn futures<F: Future<Output = ()>>(all: impl Iterator<Item = F>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

type Sender = hyper::client::conn::http2::SendRequest<http_body_util::Full<bytes::Bytes>>;

async fn one_stream(mut send: Sender, tally: &Tally, call: Call) {
    use http_body_util::BodyExt;
    let media = if call.asks().starts_with(b"{") { "application/json" } else { "text/plain" };
    let request = hyper::Request::builder()
        .method(call.method)
        .uri(format!("http://soak.example{}", call.target()))
        .header("x-api-version", call.version.text())
        .header("x-request-id", call.request_id())
        .header("content-type", media)
        .body(http_body_util::Full::new(bytes::Bytes::from(call.asks())))
        .unwrap();
    match send.send_request(request).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let field = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
            match body.collect().await {
                Ok(body) => tally.answer(&call, head.status.as_u16(), &field, &body.to_bytes()),
                Err(e) => tally.broken(&call, &e.to_string()),
            }
        }
        Err(e) => tally.broken(&call, &e.to_string()),
    }
}
