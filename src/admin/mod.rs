//! The admin port: health, metrics, status and reload (CONTRACT section 7).
//!
//! | path | method | token | answer |
//! |---|---|---|---|
//! | `/healthz` | GET | never | `{"status": "ok"}` while the process lives |
//! | `/readyz` | GET | never | [`health`]: 200 or 503, and what is degraded |
//! | `/metrics` | GET | if set | Prometheus text format 0.0.4 |
//! | `/api/v1/status` | GET | if set | [`status`] |
//! | `/api/v1/apis` | GET | if set | [`apis`] |
//! | `/api/v1/apis/{api}/versions` | GET | if set | [`apis`] |
//! | `/api/v1/upstreams` | GET | if set | [`upstreams`]: each server's state and counts |
//! | `/api/v1/upstreams/{upstream}/servers/{server}/drain`, `…/undrain` | POST | if set | [`upstreams`] |
//! | `/api/v1/reload` | POST | if set | [`reload`]: 200, or 422 with `check`'s findings |
//!
//! Everything under `/api/` also passes [`guard`]'s rules against web pages. HEAD works where GET does.
//! Errors are `application/problem+json`; no answer may be cached.

pub mod apis;
pub mod gateway;
pub mod guard;
pub mod health;
mod layers;
pub mod reload;
mod reply;
mod routes;
pub mod server;
pub mod status;
mod throttle;
pub mod upstreams;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use gateway::{Degraded, Gateway, Readiness, ReloadReport, View};
pub use server::serve;
