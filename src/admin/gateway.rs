//! What the admin port needs to know of the gateway it stands beside.
//!
//! A trait, so that the port is tested without a data plane.

use std::{future::Future, net::SocketAddr, sync::Arc};

use crate::{
    config::{Config, Finding},
    domain::time::UtcTime,
    pipeline::upstream::fleet::Fleet,
    telemetry::Metrics,
};

/// The running gateway as the admin port sees it.
pub trait Gateway: Send + Sync + 'static {
    /// The wall clock; phases and statuses are shown as of this instant.
    fn now(&self) -> UtcTime;

    /// The configuration in use.
    fn view(&self) -> View;

    /// Whether requests are served, and how well.
    fn readiness(&self) -> Readiness;

    /// All metrics of the process.
    fn metrics(&self) -> &Metrics;

    /// What is known of every upstream's servers.
    fn fleet(&self) -> &Fleet;

    /// Reads the file again and puts it into use, whole or not at all.
    ///
    /// - Errors: `check`'s findings; the old configuration stays in use. The future is run to its end even
    ///   when the caller hangs up.
    fn reload(&self) -> impl Future<Output = Result<ReloadReport, Vec<Finding>>> + Send;
}

/// The configuration in use and since when.
#[derive(Clone, Debug)]
pub struct View {
    /// As checked.
    pub config: Arc<Config>,
    /// When it was put into use.
    pub loaded_at: UtcTime,
    /// When the process started.
    pub started_at: UtcTime,
    /// The data listeners as bound, ports resolved.
    pub listeners: Vec<SocketAddr>,
}

/// What `/readyz` says. Ready: loaded, open and not draining.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// A configuration is in use.
    pub config_loaded: bool,
    /// All data listeners are open.
    pub listeners_open: bool,
    /// The gateway is shutting down.
    pub draining: bool,
    /// What is not as it should be although requests are served: a failed reload, an upstream without a server.
    pub degraded: Vec<Degraded>,
}

impl Readiness {
    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        self.config_loaded && self.listeners_open && !self.draining
    }
}

/// One thing that is degraded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Degraded {
    /// `config`, `upstream query-parser-2.0`, ….
    pub what: String,
    /// A safe sentence.
    pub why: String,
}

/// A reload that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadReport {
    /// When the new configuration was put into use.
    pub at: UtcTime,
    /// `check`'s warnings.
    pub warnings: Vec<Finding>,
}
