//! Assembles the gateway, starts it, keeps its configuration current, and ends it.
//!
//! The calling thread becomes the control thread: signals, the admin port, the file watcher and the
//! turns of phases are handled there, away from the workers that serve requests.

mod admin_port;
mod descriptors;
mod signals;
mod state;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};

use self::{
    admin_port::AdminPort,
    signals::Signals,
    state::{Answer, InUse, State},
};
use crate::{
    admin::ReloadReport,
    clock,
    config::{
        Config, Finding, Severity,
        checked::{LoadError, Loaded, LogFormat},
    },
    crew::{Crew, Patience},
    domain::time::UtcTime,
    drain::{self, Drained},
    listeners::{BindError, Listeners},
    pipeline::{
        snapshot::Snapshot,
        upstream::{fleet::Fleet, gauges},
        worker::Shared,
    },
    reload::{SETTLE, Watch},
    telemetry::{self, AccessLog, Format, Metrics},
};

/// Reads the configuration again.
pub type Load = Box<dyn Fn(UtcTime) -> Result<Loaded, LoadError>>;

/// Told the addresses once all of them are open.
pub type Ready = Box<dyn FnOnce(&Addresses)>;

/// What a gateway starts with.
pub struct Launch {
    /// The first configuration.
    pub loaded: Loaded,
    /// How it is read again.
    pub load: Load,
    /// Told the addresses once all of them are open.
    pub ready: Ready,
    /// Resolves when the gateway should drain, beside the signals.
    pub stop: Option<oneshot::Receiver<()>>,
}

/// Where the gateway listens; ports are resolved.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The data listeners.
    pub data: Vec<SocketAddr>,
    /// The admin port.
    pub admin: SocketAddr,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No threads, no signals, no runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until it has drained.
pub fn run(launch: Launch) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Control::start(launch)?.serve())
}

/// The control thread.
struct Control {
    state: Arc<State>,
    load: Load,
    crew: Crew,
    log: AccessLog,
    listeners: Listeners,
    admin: AdminPort,
    requests: mpsc::Receiver<Answer>,
    stop: Option<oneshot::Receiver<()>>,
    ready: Option<Ready>,
}

/// Metrics windows slide this often.
const MINUTE: Duration = Duration::from_secs(60);
/// The wall clock is looked at this often, so that a jump is noticed soon.
const SECOND: Duration = Duration::from_secs(1);

impl Control {
    fn start(launch: Launch) -> Result<Self, StartError> {
        let config = Arc::new(launch.loaded.config);
        telemetry::init(format(&config), &std::env::var("VERGATE_LOG").unwrap_or_default());
        let now = clock::now();
        let metrics = Arc::new(Metrics::new(Instant::now()));
        let log = AccessLog::start(format(&config), metrics.log_dropped())?;
        let mut listeners = Listeners::default();
        let opened = listeners.open(&config.listeners, config.workers, &[])?;
        let admin = AdminPort::bind(config.admin.listen, [])?;
        let compile = || Snapshot::compile(Arc::clone(&config), now);
        let fleet = Arc::new(Fleet::default());
        fleet.keep(&config.upstreams);
        gauges::show(&fleet, &metrics);
        let shared =
            Shared::new(Arc::clone(&metrics), Arc::clone(&fleet), log.clone(), descriptors::raise(), config.workers);
        let crew = Crew::start(&Arc::new(shared), compile)?;
        let (reloads, requests) = mpsc::channel(16);
        listeners.put_into_use(opened, &config.listeners, &crew)?;
        metrics.reload(Some(now));
        metrics.sunsets(&config.apis);
        metrics.certificates(&config.certificate_ends);
        let state = Arc::new(State {
            started_at: now,
            in_use: ArcSwap::from_pointee(InUse::new(Arc::clone(&config), now, now)),
            data: ArcSwap::from_pointee(listeners.bound()),
            metrics,
            fleet,
            draining: AtomicBool::new(false),
            failure: Mutex::default(),
            reloads,
        });
        let (load, stop, ready) = (launch.load, launch.stop, Some(launch.ready));
        Ok(Self { state, load, crew, log, listeners, admin, requests, stop, ready })
    }

    async fn serve(mut self) -> Result<(), StartError> {
        let mut signals = Signals::new()?;
        let mut hangup = signal(SignalKind::hangup())?;
        self.admin.serve(&self.state)?;
        let (mut watch, mut moved) = Watch::new();
        watch.files(&self.config().files);
        watch.look();
        if let Some(ready) = self.ready.take() {
            ready(&Addresses { data: self.state.data.load().to_vec(), admin: self.admin.bound });
        }
        let mut minute = tokio::time::interval(MINUTE);
        let mut second = tokio::time::interval(SECOND);
        loop {
            tokio::select! {
                () = signals.end() => break,
                () = stopped(&mut self.stop) => break,
                _ = hangup.recv() => { let _ = self.reload(&mut watch); }
                Some(()) = moved.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    if watch.look() {
                        let _ = self.reload(&mut watch);
                    }
                }
                Some(answer) = self.requests.recv() => {
                    let outcome = self.reload(&mut watch);
                    // Nobody waits any more where the caller hung up.
                    let _ = answer.send(outcome);
                }
                () = until(self.state.in_use.load().turns_at) => self.turn(),
                _ = second.tick() => self.watch_clock(),
                _ = minute.tick() => self.state.metrics.tick(Instant::now()),
            }
        }
        self.end(signals).await;
        Ok(())
    }

    async fn end(mut self, mut signals: Signals) {
        self.state.draining.store(true, Ordering::Release);
        tracing::info!("draining");
        let timeouts = self.config().timeouts;
        let patience = Patience { idle: timeouts.drain_idle.min(timeouts.drain), total: timeouts.drain };
        self.listeners.end(&self.crew);
        let drained = drain::drain(&self.crew, patience, signals.end()).await;
        self.log.flush(SECOND);
        // The admin port answers until the last request has been served.
        self.admin.end();
        match drained {
            Drained::Finished => tracing::info!("drained"),
            Drained::Interrupted => tracing::warn!("second signal, ending at once"),
        }
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.state.in_use.load().config)
    }

    /// Reads the configuration again and puts it into use, whole or not at all.
    fn reload(&mut self, watch: &mut Watch) -> Result<ReloadReport, Vec<Finding>> {
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
        *self.state.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        outcome
    }

    fn try_reload(&mut self, watch: &mut Watch) -> Result<ReloadReport, Vec<Finding>> {
        let now = clock::now();
        let Loaded { mut config, warnings } = (self.load)(now).map_err(LoadError::into_findings)?;
        let before = self.config();
        config.keep_sessions(&before);
        let config = Arc::new(config);
        // Everything that can fail comes first: new addresses are open before anything changes.
        let opened = self.listeners.open(&config.listeners, before.workers, &[self.admin.bound]);
        let opened = opened.map_err(|error| vec![unbindable(&config, &error)])?;
        let admin = match config.admin.listen == self.admin.configured {
            true => None,
            false => {
                let ours = self.listeners.bound().into_iter().chain([self.admin.bound]);
                Some(AdminPort::bind(config.admin.listen, ours).map_err(|error| vec![unbindable(&config, &error)])?)
            }
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
        self.log.set_format(format(&config));
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

    /// A phase of some version begins: the same configuration, compiled for now.
    fn turn(&self) {
        let in_use = self.state.in_use.load();
        let now = clock::now();
        tracing::info!(at = %now, "a version enters its next phase");
        self.put_into_use(&in_use.config, in_use.loaded_at, now);
    }

    /// After the clock was set back, phases that have not come yet are taken back.
    fn watch_clock(&self) {
        if clock::now() < self.state.in_use.load().compiled_for {
            tracing::warn!("the clock was set back, phases are decided anew");
            self.turn();
        }
    }
}

async fn stopped(stop: &mut Option<oneshot::Receiver<()>>) {
    match stop {
        Some(stop) => drop(stop.await),
        None => std::future::pending().await,
    }
}

/// Resolves at the wall-clock instant `at`, looking again every second in case the clock jumps.
async fn until(at: Option<UtcTime>) {
    let Some(at) = at else { return std::future::pending().await };
    loop {
        let left = at.unix().saturating_mul(1000).saturating_sub(clock::now_ms());
        match u64::try_from(left) {
            Ok(left @ 1..) => tokio::time::sleep(Duration::from_millis(left).min(SECOND)).await,
            _ => return,
        }
    }
}

/// An address of a new configuration that cannot be bound makes the file bad.
fn unbindable(config: &Config, error: &BindError) -> Finding {
    Finding::of_file(
        config.files.first().map_or_else(Default::default, Clone::clone),
        "cannot-listen",
        error.to_string(),
    )
}

fn format(config: &Config) -> Format {
    match config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    }
}
