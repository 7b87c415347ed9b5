//! One request of the gateway's own, on a connection of its own (health checks).

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::{Method, Request, Uri, Version};

use super::Multiplexed;
use crate::domain::upstream::Server;

/// How long the rest of an answer is waited for, and how much of it is read.
const LINGER: Duration = Duration::from_millis(100);
const REST_BYTES_MAX: usize = 64 * 1024;

impl Multiplexed {
    /// Asks `server` for `path` with GET; the status of its answer.
    pub async fn ask(&self, server: &Server, path: &str) -> Result<u16, h2::Error> {
        let mut sender = self.sender.clone();
        std::future::poll_fn(|cx| sender.poll_ready(cx)).await?;
        let (response, _) = sender.send_request(head(server, path), true)?;
        let answer = response.await?;
        let status = answer.status().as_u16();
        // Reset under its hands, a server would complain with every check.
        let _ = tokio::time::timeout(LINGER, rest(answer.into_body())).await;
        Ok(status)
    }
}

fn head(server: &Server, path: &str) -> Request<()> {
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let mut head = Request::new(());
    *head.method_mut() = Method::GET;
    *head.version_mut() = Version::HTTP_2;
    // Both were checked when the file was read.
    *head.uri_mut() = Uri::try_from(format!("{scheme}://{}{path}", server.label())).unwrap_or_default();
    head.headers_mut().insert(http::header::USER_AGENT, http::HeaderValue::from_static("vergate-health"));
    head
}

async fn rest(mut body: RecvStream) -> Result<(), h2::Error> {
    let mut read = 0;
    while read < REST_BYTES_MAX {
        let Some(data) = body.data().await else { break };
        let length = Bytes::len(&data?);
        body.flow_control().release_capacity(length)?;
        read += length;
    }
    Ok(())
}
