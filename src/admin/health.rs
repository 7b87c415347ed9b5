//! `/healthz` and `/readyz`, for orchestrators and load balancers.
//!
//! ```json
//! {"status": "ready", "config_loaded": true, "listeners_open": true, "draining": false,
//!  "degraded": [{"what": "config", "why": "the last reload failed; the old configuration is in use"}]}
//! ```
//!
//! `status` is `ready` (200), `degraded` (200: requests are served) or `not_ready` (503). With a token
//! configured the paths stay free of it, and `status` is all they show.

use http::StatusCode;
use serde::Serialize;

use super::{
    gateway::{Degraded, Readiness},
    reply::Reply,
};

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    config_loaded: bool,
    listeners_open: bool,
    draining: bool,
    degraded: &'a [Degraded],
}

/// The process lives.
pub(super) fn healthz() -> Reply {
    Reply::ok(&Health { status: "ok", detail: None })
}

/// Whether requests should be sent here.
///
/// - `detail`: whether to say why.
pub(super) fn readyz(readiness: &Readiness, detail: bool) -> Reply {
    let (code, status) = match (readiness.is_ready(), readiness.degraded.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ready"),
    };
    let Readiness { config_loaded, listeners_open, draining, ref degraded } = *readiness;
    let detail = detail.then_some(Detail { config_loaded, listeners_open, draining, degraded });
    Reply::json(code, &Health { status, detail })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::Degraded;

    fn answer(readiness: &Readiness, detail: bool) -> (u16, serde_json::Value) {
        match readyz(readiness, detail) {
            Reply::Json(status, body) => (status.as_u16(), serde_json::from_slice(&body).expect("JSON")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ready_means_loaded_and_open_and_not_draining() {
        for (config_loaded, listeners_open, draining, status) in
            [(true, true, false, 200), (false, true, false, 503), (true, false, false, 503), (true, true, true, 503)]
        {
            let readiness = Readiness { config_loaded, listeners_open, draining, degraded: Vec::new() };
            assert_eq!(answer(&readiness, true).0, status, "{readiness:?}");
        }
    }

    #[test]
    fn what_is_degraded_is_named_and_does_not_make_it_unready() {
        let degraded = vec![Degraded { what: "config".into(), why: "the last reload failed".into() }];
        let readiness = Readiness { config_loaded: true, listeners_open: true, draining: false, degraded };
        let (status, body) = answer(&readiness, true);
        assert_eq!((status, &body["status"]), (200, &json!("degraded")));
        assert_eq!(body["degraded"], json!([{"what": "config", "why": "the last reload failed"}]));
        assert_eq!(answer(&readiness, false), (200, json!({"status": "degraded"})));
    }
}
