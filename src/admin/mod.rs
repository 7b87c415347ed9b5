//! The admin port: health, metrics, status and reload (CONTRACT section 7).

pub mod gateway;
pub mod server;

pub use gateway::{Degraded, Gateway, Readiness, ReloadReport, View};
pub use server::serve;
