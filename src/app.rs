//! Assembles the gateway, starts it, keeps its configuration current, and ends it.
//!
//! The calling thread becomes the control thread: signals, the admin port, the file watcher and the
//! turns of phases are handled there, away from the workers that serve requests.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};

use crate::{
    admin::{self, Degraded, Gateway, Readiness, ReloadReport, View},
    clock,
    config::{
        Config, Finding, ListenerId, Severity,
        checked::{LoadError, Loaded, LogFormat},
    },
    crew::Crew,
    domain::time::UtcTime,
    drain::{self, Drained},
    pipeline::{downstream::listener, snapshot::Snapshot, worker::Shared},
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
    /// Another process has the address, or it is not one of this machine's.
    #[error("cannot listen on {address}: {source}; choose another address or stop what uses it")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No threads, no signals, no runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs a gateway until it has drained.
pub fn run(launch: Launch) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Control::start(launch)?.serve())
}

/// What the control thread and the admin port share.
struct State {
    started_at: UtcTime,
    in_use: ArcSwap<InUse>,
    data: ArcSwap<Vec<SocketAddr>>,
    metrics: Arc<Metrics>,
    draining: AtomicBool,
    /// Why the last reload failed, if it did.
    failure: Mutex<Option<String>>,
    reloads: mpsc::Sender<Answer>,
}

/// The configuration in use and since when.
struct InUse {
    config: Arc<Config>,
    loaded_at: UtcTime,
    /// The instant its snapshots were compiled for.
    compiled_for: UtcTime,
    /// When the standing of some version changes next.
    turns_at: Option<UtcTime>,
}

impl InUse {
    fn new(config: Arc<Config>, loaded_at: UtcTime, compiled_for: UtcTime) -> Self {
        let versions = config.apis.iter().flat_map(|api| &api.versions);
        let turns_at = versions.filter_map(|version| version.lifecycle.next_turn(compiled_for)).min();
        Self { config, loaded_at, compiled_for, turns_at }
    }
}

type Answer = oneshot::Sender<Result<ReloadReport, Vec<Finding>>>;

/// The control thread.
struct Control {
    state: Arc<State>,
    load: Load,
    crew: Crew,
    log: AccessLog,
    /// As configured, and as bound.
    listeners: Vec<(ListenerId, SocketAddr)>,
    admin: AdminPort,
    requests: mpsc::Receiver<Answer>,
    stop: Option<oneshot::Receiver<()>>,
    ready: Option<Ready>,
}

/// The admin port in use.
struct AdminPort {
    configured: SocketAddr,
    bound: SocketAddr,
    /// Bound, not served yet.
    waiting: Option<StdListener>,
    /// Dropped to end the server.
    serving: Option<oneshot::Sender<()>>,
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
        let mut open = Vec::new();
        for listener in &config.listeners {
            open.push((listener.id, bind(listener.id.address, config.workers)?));
        }
        let admin = AdminPort::bind(config.admin.listen)?;
        let compile = || Snapshot::compile(Arc::clone(&config), now);
        let shared = Shared::new(Arc::clone(&metrics), log.clone(), descriptors(), config.workers);
        let crew = Crew::start(&Arc::new(shared), compile)?;
        let (reloads, requests) = mpsc::channel(16);
        let mut listeners = Vec::new();
        for (id, sockets) in open {
            listeners.push((id, sockets[0].local_addr()?));
            crew.listen(id, sockets);
        }
        metrics.reload(Some(now));
        metrics.sunsets(&config.apis);
        metrics.upstreams(&config.upstreams);
        let state = Arc::new(State {
            started_at: now,
            in_use: ArcSwap::from_pointee(InUse::new(Arc::clone(&config), now, now)),
            data: ArcSwap::from_pointee(listeners.iter().map(|(_, bound)| *bound).collect()),
            metrics,
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
        let patience = self.config().timeouts.drain;
        let drained = drain::drain(&self.crew, patience, signals.end()).await;
        self.log.flush(SECOND);
        // The admin port answers until the last request has been served.
        drop(self.admin.serving.take());
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
        let Loaded { config, warnings } = (self.load)(now).map_err(LoadError::into_findings)?;
        let config = Arc::new(config);
        let before = self.config();
        // Everything that can fail comes first: new addresses are open before anything changes.
        let mut opened = Vec::new();
        for listener in config.listeners.iter().filter(|listener| before.listener(listener.id).is_none()) {
            let sockets = bind(listener.id.address, before.workers);
            opened.push((listener.id, sockets.map_err(|error| vec![unbindable(&config, &error)])?));
        }
        let admin = match config.admin.listen == self.admin.configured {
            true => None,
            false => Some(AdminPort::bind(config.admin.listen).map_err(|error| vec![unbindable(&config, &error)])?),
        };
        if config.workers != before.workers {
            tracing::warn!(running = before.workers, "a new number of workers takes effect at the next start");
        }
        self.put_into_use(&config, now, now);
        for (id, sockets) in opened {
            let bound = sockets[0].local_addr().unwrap_or(id.address);
            self.crew.listen(id, sockets);
            self.listeners.push((id, bound));
        }
        for (gone, _) in self.listeners.extract_if(.., |(id, _)| config.listener(*id).is_none()) {
            self.crew.close(gone);
        }
        self.state.data.store(Arc::new(self.listeners.iter().map(|(_, bound)| *bound).collect()));
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
        metrics.upstreams(&config.upstreams);
        watch.files(&config.files);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        Ok(ReloadReport { at: now, warnings })
    }

    fn put_into_use(&self, config: &Arc<Config>, loaded_at: UtcTime, now: UtcTime) {
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

impl AdminPort {
    fn bind(configured: SocketAddr) -> Result<Self, StartError> {
        let error = |source| StartError::Bind { address: configured, source };
        let listener = listener::bind(configured, 1).map_err(error)?.pop();
        let bound = listener.as_ref().map_or(Ok(configured), StdListener::local_addr).map_err(error)?;
        Ok(Self { configured, bound, waiting: listener, serving: None })
    }

    fn serve(&mut self, state: &Arc<State>) -> io::Result<()> {
        if let Some(listener) = self.waiting.take() {
            let listener = TcpListener::from_std(listener)?;
            let (end, ended) = oneshot::channel::<()>();
            tokio::spawn(admin::serve(listener, Arc::clone(state), async {
                // Resolves when the sender is dropped.
                let _ = ended.await;
            }));
            self.serving = Some(end);
        }
        Ok(())
    }
}

impl Gateway for State {
    fn now(&self) -> UtcTime {
        clock::now()
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
        let degraded =
            failure.map(|why| Degraded { what: "config".into(), why: format!("the last reload failed: {why}") });
        Readiness {
            config_loaded: true,
            listeners_open: true,
            draining: self.draining.load(Ordering::Acquire),
            degraded: degraded.into_iter().collect(),
        }
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
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

/// The signals a gateway listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Resolves at the next SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
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

fn bind(address: SocketAddr, count: usize) -> Result<Vec<StdListener>, StartError> {
    listener::bind(address, count).map_err(|source| StartError::Bind { address, source })
}

/// An address of a new configuration that cannot be bound makes the file bad.
fn unbindable(config: &Config, error: &StartError) -> Finding {
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

/// Raises the descriptor limit as far as it goes and returns it.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const ENOUGH: u64 = 1 << 20;
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(ENOUGH),
    };
    usize::try_from(current).unwrap_or(usize::MAX)
}
