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
use serde_json::json;

use super::{gateway::Readiness, reply::Reply};

/// The process lives.
pub(super) fn healthz() -> Reply {
    Reply::ok(json!({"status": "ok"}))
}

/// Whether requests should be sent here.
///
/// - `detail`: whether to say why.
pub(super) fn readyz(readiness: &Readiness, detail: bool) -> Reply {
    let (status, word) = match (readiness.is_ready(), readiness.degraded.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ready"),
    };
    if !detail {
        return Reply::Json(status, json!({"status": word}));
    }
    Reply::Json(
        status,
        json!({
            "status": word,
            "config_loaded": readiness.config_loaded,
            "listeners_open": readiness.listeners_open,
            "draining": readiness.draining,
            "degraded": readiness.degraded,
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Degraded;

    fn answer(readiness: &Readiness, detail: bool) -> (u16, serde_json::Value) {
        match readyz(readiness, detail) {
            Reply::Json(status, value) => (status.as_u16(), value),
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
