//! What the control thread and the admin port share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use crate::{
    admin::{Degraded, Gateway, Readiness, ReloadReport, View},
    clock,
    config::{Config, Finding},
    domain::time::UtcTime,
    pipeline::{pressure::Pressure, upstream::fleet::Fleet},
    telemetry::Metrics,
};

/// What the control thread and the admin port share.
pub(super) struct State {
    pub(super) started_at: UtcTime,
    pub(super) in_use: ArcSwap<InUse>,
    pub(super) data: ArcSwap<Vec<SocketAddr>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) draining: AtomicBool,
    /// Milliseconds the wall clock is ahead of the time that is believed.
    pub(super) clock_ahead: AtomicI64,
    pub(super) pressure: Mutex<Pressure>,
    /// Why the last reload failed, if it did.
    pub(super) failure: Mutex<Option<String>>,
    pub(super) reloads: mpsc::Sender<Answer>,
}

/// The configuration in use and since when.
pub(super) struct InUse {
    pub(super) config: Arc<Config>,
    pub(super) loaded_at: UtcTime,
    /// The instant its snapshots were compiled for.
    pub(super) compiled_for: UtcTime,
    /// When the standing of some version changes next.
    pub(super) turns_at: Option<UtcTime>,
}

impl InUse {
    pub(super) fn new(config: Arc<Config>, loaded_at: UtcTime, compiled_for: UtcTime) -> Self {
        let versions = config.apis.iter().flat_map(|api| &api.versions);
        let turns_at = versions.filter_map(|version| version.lifecycle.next_turn(compiled_for)).min();
        Self { config, loaded_at, compiled_for, turns_at }
    }
}

impl State {
    /// The time that is believed, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        clock::now_ms().saturating_sub(self.clock_ahead.load(Ordering::Relaxed))
    }
}

/// Where the outcome of a reload goes.
pub(super) type Answer = oneshot::Sender<Result<ReloadReport, Vec<Finding>>>;

impl Gateway for State {
    fn now(&self) -> UtcTime {
        UtcTime::from_unix(self.now_ms().div_euclid(1000))
    }

    fn view(&self) -> View {
        let in_use = self.in_use.load();
        View {
            config: Arc::clone(&in_use.config),
            loaded_at: in_use.loaded_at,
            started_at: self.started_at,
            listeners: self.data.load().to_vec(),
        }
    }

    fn readiness(&self) -> Readiness {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let config =
            failure.map(|why| Degraded { what: "config".into(), why: format!("the last reload failed: {why}") });
        let pressure = *self.pressure.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = Degraded { what: "memory".into(), why: pressure.as_str().into() };
        let memory = (pressure != Pressure::None).then_some(memory);
        let ahead = self.clock_ahead.load(Ordering::Relaxed) / 1000;
        let clock = Degraded { what: "clock".into(), why: format!("it jumped by {ahead} s and is not believed yet") };
        let clock = (ahead != 0).then_some(clock);
        let out = self.fleet.out_of_service().into_iter().map(|upstream| Degraded {
            what: format!("upstream {upstream}"),
            why: "none of its servers can take requests; GET /api/v1/upstreams says why".into(),
        });
        Readiness {
            config_loaded: true,
            listeners_open: true,
            draining: self.draining.load(Ordering::Acquire),
            degraded: [config, memory, clock].into_iter().flatten().chain(out).collect(),
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    async fn reload(&self) -> Result<ReloadReport, Vec<Finding>> {
        let (answer, outcome) = oneshot::channel();
        // The control thread outlives the admin port; without it there is nothing to reload.
        let gone = || Err(vec![]);
        if self.reloads.send(answer).await.is_err() {
            return gone();
        }
        outcome.await.unwrap_or_else(|_| gone())
    }
}
