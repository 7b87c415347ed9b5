//! What changes while the gateway runs: its configuration, the clock, the memory it has.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use super::{Control, admin_port::AdminPort, commas, format, state::InUse};
use crate::{
    admin::{Gateway as _, ReloadReport},
    clock::{self, Seen},
    config::{
        Config, Finding, Severity,
        checked::{LoadError, Loaded, MemoryLimit},
    },
    domain::time::UtcTime,
    memory,
    passed::Passed,
    pipeline::snapshot::Snapshot,
    reload::Watch,
    systemd::{self, Stage},
    takeover::{Door, TakeoverError},
};

impl Control {
    /// Reads the configuration again and puts it into use, whole or not at all.
    pub(super) fn reload(&mut self, watch: &mut Watch) -> Result<ReloadReport, Vec<Finding>> {
        systemd::tell(Stage::Reloading);
        self.watch_clock();
        watch.look();
        let outcome = self.try_reload(watch);
        let failure = match &outcome {
            Ok(report) => {
                tracing::info!(warnings = report.warnings.len(), "configuration reloaded");
                None
            }
            Err(findings) => {
                self.state.metrics.reload(None);
                let worst = findings.iter().find(|finding| finding.severity == Severity::Error);
                let first = worst.map(ToString::to_string).unwrap_or_default();
                tracing::error!(
                    findings = findings.len(),
                    first,
                    "configuration not reloaded, the old one stays in use"
                );
                Some(first)
            }
        };
        let status = match &failure {
            None => format!("{} APIs at {}", self.config().apis.len(), commas(&self.state.data.load())),
            Some(why) => format!("the last reload failed: {why}"),
        };
        // The manager waits for the end of a reload, not for its success; the old configuration serves on.
        systemd::tell(Stage::Ready(&status));
        *self.state.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        outcome
    }

    fn try_reload(&mut self, watch: &mut Watch) -> Result<ReloadReport, Vec<Finding>> {
        let now = self.state.now();
        let Loaded { mut config, warnings } = (self.load)(now).map_err(LoadError::into_findings)?;
        let before = self.config();
        config.keep_sessions(&before);
        let config = Arc::new(config);
        // Everything that can fail comes first: new addresses are open before anything changes.
        let opened =
            self.listeners.open(&config.listeners, before.workers, &[self.admin.bound], &mut Passed::default());
        let opened = opened.map_err(|error| vec![unbindable(&config, &error)])?;
        let admin = match config.admin.listen == self.admin.configured {
            true => None,
            false => {
                let ours = self.listeners.bound().into_iter().chain([self.admin.bound]);
                let port = AdminPort::bind(config.admin.listen, ours, &mut Passed::default());
                Some(port.map_err(|error| vec![unbindable(&config, &error)])?)
            }
        };
        let door = match config.admin.takeover == before.admin.takeover {
            true => None,
            false => Some(self.door(&config).map_err(|error| vec![unbindable(&config, &error)])?),
        };
        if config.workers != before.workers {
            tracing::warn!(running = before.workers, "a new number of workers takes effect at the next start");
        }
        self.put_into_use(&config, now, now);
        if let Err(error) = self.listeners.put_into_use(opened, &config.listeners, &self.crew) {
            tracing::error!(%error, "a new listener cannot be used");
        }
        self.state.data.store(Arc::new(self.listeners.bound()));
        if let Some(mut port) = admin {
            if let Err(error) = port.serve(&self.state) {
                tracing::error!(%error, "admin port cannot be served");
            }
            self.admin = port;
        }
        if let Some(door) = door {
            self.door = door;
        }
        self.guard_memory(config.limits.memory);
        self.log.set_format(format(&config));
        self.spans.export_to(config.otlp.as_ref());
        let metrics = &self.state.metrics;
        metrics.reload(Some(now));
        metrics.sunsets(&config.apis);
        metrics.certificates(&config.certificate_ends);
        watch.files(&config.files);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        Ok(ReloadReport { at: now, warnings })
    }

    fn put_into_use(&self, config: &Arc<Config>, loaded_at: UtcTime, now: UtcTime) {
        self.state.fleet.keep(&config.upstreams);
        self.crew.replace(|| Snapshot::compile(Arc::clone(config), now));
        self.state.in_use.store(Arc::new(InUse::new(Arc::clone(config), loaded_at, now)));
    }

    /// The door of another configuration.
    fn door(&self, config: &Config) -> Result<Option<Door>, TakeoverError> {
        let Some(path) = &config.admin.takeover else { return Ok(None) };
        if Door::is_occupied(path) {
            return Err(TakeoverError::Occupied(path.clone()));
        }
        Door::open(path, self.asks.0.clone()).map(Some)
    }

    /// Holds another memory limit from now on.
    pub(super) fn guard_memory(&mut self, limit: MemoryLimit) {
        self.memory.set(limit);
        self.state.metrics.memory_limit(self.memory.limit());
        self.watch_memory();
    }

    /// Tells everybody when memory becomes short, and when it no longer is.
    pub(super) fn watch_memory(&mut self) {
        let (used, idle) = (memory::resident(), self.state.metrics.in_flight_total() == 0);
        let Some(pressure) = self.memory.look(used, idle) else { return };
        self.crew.press(pressure);
        self.state.metrics.memory_pressure(pressure as i64);
        *self.state.pressure.lock().unwrap_or_else(PoisonError::into_inner) = pressure;
        tracing::warn!(resident = used, limit = self.memory.limit(), "{}", pressure.as_str());
    }

    /// Phases follow the clock once it is believed, also back.
    pub(super) fn watch_clock(&mut self) {
        let seen = self.trust.look(clock::now_ms(), Instant::now());
        self.state.clock_ahead.store(self.trust.ahead(), Ordering::Relaxed);
        match seen {
            Seen::Steady | Seen::Doubted => {}
            Seen::Jumped(ms) => tracing::warn!(
                seconds = ms / 1000,
                "the clock jumped; no version changes its phase by it unless it stands for a minute"
            ),
            Seen::Undone => tracing::warn!("the clock jumped back"),
            Seen::Confirmed => tracing::warn!("the clock's jump stands and is believed"),
        }
        let (now, in_use) = (self.state.now(), self.state.in_use.load());
        if now < in_use.compiled_for || in_use.turns_at.is_some_and(|at| at <= now) {
            self.turn(now);
        }
    }

    /// A phase of some version begins, or is taken back: the same configuration, compiled for now.
    fn turn(&self, now: UtcTime) {
        let in_use = self.state.in_use.load();
        tracing::info!(at = %now, "a version enters its next phase");
        self.put_into_use(&in_use.config, in_use.loaded_at, now);
    }
}

/// An address of a new configuration that cannot be bound makes the file bad.
fn unbindable(config: &Config, error: &dyn std::fmt::Display) -> Finding {
    Finding::of_file(
        config.files.first().map_or_else(Default::default, Clone::clone),
        "cannot-listen",
        error.to_string(),
    )
}
