//! `GET /api/v1/status`: what runs here.
//!
//! ```json
//! {"version": "0.1.0", "started_at": "2026-06-01T10:00:00Z", "uptime_seconds": 3600,
//!  "ready": true, "draining": false, "degraded": [],
//!  "listeners": ["127.0.0.1:8080"], "admin": "127.0.0.1:9901", "workers": 2,
//!  "config": {"loaded_at": "2026-06-01T10:00:00Z", "files": ["gateway.yaml"]},
//!  "apis": 3, "versions": 9, "requests_in_flight": 0}
//! ```

use std::net::SocketAddr;

use serde::Serialize;

use super::gateway::{Degraded, Gateway};

/// The document.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    started_at: String,
    uptime_seconds: i64,
    ready: bool,
    draining: bool,
    degraded: Vec<Degraded>,
    listeners: Vec<SocketAddr>,
    admin: SocketAddr,
    workers: usize,
    config: InUse,
    apis: usize,
    versions: usize,
    requests_in_flight: i64,
}

#[derive(Serialize)]
struct InUse {
    loaded_at: String,
    files: Vec<String>,
}

/// What runs here.
///
/// - `admin`: the address of this port as bound.
pub(super) fn status(gateway: &impl Gateway, admin: SocketAddr) -> Status {
    let (view, readiness) = (gateway.view(), gateway.readiness());
    let config = &view.config;
    Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: view.started_at.to_string(),
        uptime_seconds: gateway.now().unix().saturating_sub(view.started_at.unix()).max(0),
        ready: readiness.is_ready(),
        draining: readiness.draining,
        degraded: readiness.degraded,
        listeners: view.listeners,
        admin,
        workers: config.workers,
        config: InUse {
            loaded_at: view.loaded_at.to_string(),
            files: config.files.iter().map(|file| file.display().to_string()).collect(),
        },
        apis: config.apis.len(),
        versions: config.apis.iter().map(|api| api.versions.len()).sum(),
        requests_in_flight: gateway.metrics().in_flight_total(),
    }
}
