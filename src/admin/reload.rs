//! `POST /api/v1/reload`: reads the configuration again and puts it into use, whole or not at all.
//!
//! ```json
//! {"reloaded": true, "at": "2026-06-01T10:00:00Z", "warnings": []}
//! ```
//!
//! A file with errors is 422 `config_invalid`; the member `findings` holds what `vergate check --json` prints,
//! `warnings` its warnings in the same shape. The request needs no body; one of up to 1 MiB is ignored.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use serde::Serialize;
use serde_json::json;
use tokio::time::timeout;

use super::{gateway::Gateway, reply::Reply};
use crate::{
    config::Finding,
    problem::{Code, Problem},
};

const BODY_BYTES_MAX: usize = 1 << 20;
const BODY_TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Reloaded<'a> {
    reloaded: bool,
    at: String,
    warnings: &'a [Finding],
}

/// Takes the body off the wire, then reloads.
pub(super) async fn reload<G: Gateway>(gateway: Arc<G>, body: Incoming) -> Reply {
    if let Err(refusal) = discard(body).await {
        return refusal;
    }
    // A task of its own: a caller who hangs up must not leave a reload half done.
    let outcome = tokio::spawn(async move { gateway.reload().await }).await;
    match outcome {
        Ok(Ok(report)) => {
            Reply::ok(&Reloaded { reloaded: true, at: report.at.to_string(), warnings: &report.warnings })
        }
        Ok(Err(findings)) => Problem::new(Code::ConfigInvalid, "the configuration in use was kept; see findings")
            .with("findings", json!(findings))
            .into(),
        Err(error) => {
            tracing::error!(%error, "reload ended unexpectedly");
            Reply::problem(Code::Internal, "the reload ended unexpectedly; the log says more")
        }
    }
}

/// Takes a body off the wire that nobody needs.
pub(super) async fn discard(body: Incoming) -> Result<(), Reply> {
    let too_large = || Reply::problem(Code::BodyTooLarge, "a body here may hold at most 1 MiB; none is needed");
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    match timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Reply::problem(Code::RequestInvalid, "the body ended before its end")),
        Err(_) => Err(Reply::problem(Code::RequestTimeout, "the body took longer than 10 s to arrive")),
    }
}
