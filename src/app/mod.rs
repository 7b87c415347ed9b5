//! Assembles the gateway, starts it, keeps its configuration current, and ends it.
//!
//! The calling thread becomes the control thread: signals, the admin port, the file watcher and the
//! turns of phases are handled there, away from the workers that serve requests.

mod admin_port;
mod change;
mod signals;
mod state;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};

use self::{
    admin_port::AdminPort,
    signals::Signals,
    state::{Answer, InUse, State},
};
use crate::{
    clock,
    config::{
        Config,
        checked::{LoadError, Loaded, LogFormat},
    },
    crew::{Crew, Patience},
    descriptors,
    domain::time::UtcTime,
    drain::{self, Drained},
    listeners::Listeners,
    listening::BindError,
    memory,
    passed::{Passed, Purpose},
    pipeline::{
        snapshot::Snapshot,
        upstream::{fleet::Fleet, gauges},
        worker::Shared,
    },
    reload::{SETTLE, Watch},
    systemd::{self, Stage, Watchdog},
    takeover::{Ask, Door, Guest, Offer, TakeoverError},
    telemetry::{
        self, AccessLog, Format, Metrics,
        spans::{Exporter, Spans},
    },
};

/// Reads the configuration again.
pub type Load = Box<dyn Fn(UtcTime) -> Result<Loaded, LoadError>>;

/// Told the addresses once all of them are open.
pub type Ready = Box<dyn FnOnce(&Addresses)>;

/// What a gateway starts with.
pub struct Launch {
    /// Listening sockets other processes opened for it.
    pub passed: Passed,
    /// The gateway whose place it takes.
    pub takeover: Option<Guest>,
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
    /// Another gateway is in the way, or did not make way.
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    /// A service manager holds a socket open that nobody would accept on.
    #[error(
        "the service manager passed a socket at {0}, which is no address of `listen` or `admin.listen`; add it there or remove it from the socket unit"
    )]
    Orphan(SocketAddr),
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
    spans: Spans,
    exporter: Option<Exporter>,
    listeners: Listeners,
    admin: AdminPort,
    requests: mpsc::Receiver<Answer>,
    trust: clock::Trust,
    memory: memory::Guard,
    takeover: Option<Guest>,
    door: Option<Door>,
    asks: (mpsc::Sender<Ask>, mpsc::Receiver<Ask>),
    stop: Option<oneshot::Receiver<()>>,
    ready: Option<Ready>,
}

/// Metrics windows slide this often.
const MINUTE: Duration = Duration::from_secs(60);
/// What an end may take beyond the drain: the log, the admin port.
const STOPPING_GRACE: Duration = Duration::from_secs(10);
/// The wall clock is looked at this often, so that a jump is noticed soon.
const SECOND: Duration = Duration::from_secs(1);

impl Control {
    fn start(mut launch: Launch) -> Result<Self, StartError> {
        let config = Arc::new(launch.loaded.config);
        telemetry::init(format(&config), &std::env::var("VERGATE_LOG").unwrap_or_default());
        let now = clock::now();
        let metrics = Arc::new(Metrics::new(Instant::now()));
        let log = AccessLog::start(format(&config), metrics.log_dropped())?;
        let mut listeners = Listeners::default();
        if let (Some(path), None) = (&config.admin.takeover, &launch.takeover)
            && Door::is_occupied(path)
        {
            return Err(TakeoverError::Occupied(path.clone()).into());
        }
        let passed = &mut launch.passed;
        let admin = AdminPort::bind(config.admin.listen, [], passed)?;
        let opened = listeners.open(&config.listeners, config.workers, &[], passed)?;
        if let Some(orphan) = passed.orphans().next() {
            return Err(StartError::Orphan(orphan));
        }
        let compile = || Snapshot::compile(Arc::clone(&config), now);
        let fleet = Arc::new(Fleet::default());
        fleet.keep(&config.upstreams);
        gauges::show(&fleet, &metrics);
        let (spans, exporter) = Spans::new(&metrics);
        spans.export_to(config.otlp.as_ref());
        let left = (log.clone(), spans.clone());
        let shared = Shared::new(Arc::clone(&metrics), Arc::clone(&fleet), left, descriptors::raise(), config.workers);
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
            clock_ahead: AtomicI64::new(0),
            pressure: Mutex::default(),
            failure: Mutex::default(),
            reloads,
        });
        let mut control = Self {
            state,
            load: launch.load,
            crew,
            log,
            spans,
            exporter: Some(exporter),
            listeners,
            admin,
            requests,
            trust: clock::Trust::new(clock::now_ms(), Instant::now()),
            memory: memory::Guard::default(),
            takeover: launch.takeover,
            door: None,
            asks: mpsc::channel(1),
            stop: launch.stop,
            ready: Some(launch.ready),
        };
        control.guard_memory(config.limits.memory);
        Ok(control)
    }

    async fn serve(mut self) -> Result<(), StartError> {
        let mut signals = Signals::new()?;
        let mut hangup = signal(SignalKind::hangup())?;
        self.admin.serve(&self.state)?;
        if let Some(exporter) = self.exporter.take() {
            tokio::spawn(exporter.run());
        }
        let (mut watch, mut moved) = Watch::new();
        watch.files(&self.config().files);
        watch.look();
        self.arrive()?;
        if let Some(ready) = self.ready.take() {
            ready(&Addresses { data: self.state.data.load().to_vec(), admin: self.admin.bound });
        }
        let mut watchdog = Watchdog::from_env();
        let mut pat = tokio::time::interval(watchdog.as_ref().map_or(MINUTE, Watchdog::interval));
        let mut minute = tokio::time::interval(MINUTE);
        let mut second = tokio::time::interval(SECOND);
        let mut look = tokio::time::interval(memory::LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let handed_over = loop {
            tokio::select! {
                () = signals.end() => break Vec::new(),
                () = stopped(&mut self.stop) => break Vec::new(),
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
                Some(ask) = self.asks.1.recv() => match ask {
                    Ask::Offer(answer) => match self.offer() {
                        Ok(offer) => drop(answer.send(offer)),
                        Err(error) => tracing::warn!(%error, "sockets cannot be handed over"),
                    },
                    Ask::Leave(taken, answer) => {
                        self.hand_over(&taken);
                        let _ = answer.send(());
                        break taken;
                    }
                },
                () = until(self.state.in_use.load().turns_at, &self.state) => self.watch_clock(),
                _ = second.tick() => self.watch_clock(),
                _ = look.tick(), if self.memory.is_on() => self.watch_memory(),
                _ = pat.tick(), if watchdog.is_some() => {
                    if let Some(watchdog) = &mut watchdog {
                        watchdog.look(&self.crew.beats(), Instant::now());
                    }
                }
                _ = minute.tick() => self.state.metrics.tick(Instant::now()),
            }
        };
        self.end(signals, !handed_over.is_empty()).await;
        Ok(())
    }

    /// Everything is in place: the one before may leave, and the next may come.
    fn arrive(&mut self) -> Result<(), StartError> {
        let config = self.config();
        let status = format!("{} APIs at {}", config.apis.len(), commas(&self.state.data.load()));
        let Some(guest) = self.takeover.take() else {
            self.open_door(&config)?;
            systemd::tell(Stage::Ready(&status));
            return Ok(());
        };
        let uses = |purpose| match purpose {
            Purpose::Data(id) => config.listener(id).is_some(),
            Purpose::AdminAt(address) => address == config.admin.listen,
            Purpose::Admin | Purpose::ItsAddress => true,
        };
        // Callers are served already: whatever the other one did, this one stays.
        match guest.serves(uses) {
            Ok(()) => tracing::info!("took over from the gateway before"),
            Err(error) => tracing::error!(%error, "the gateway before did not say that it leaves"),
        }
        if let Err(error) = self.open_door(&config) {
            tracing::error!(%error, "nobody can take over from this gateway");
        }
        systemd::tell(Stage::TookOver(&status));
        Ok(())
    }

    fn open_door(&mut self, config: &Config) -> Result<(), TakeoverError> {
        if let Some(path) = &config.admin.takeover {
            self.door = Some(Door::open(path, self.asks.0.clone())?);
        }
        Ok(())
    }

    /// Copies of all listening sockets.
    fn offer(&self) -> io::Result<Offer> {
        let mut offer = Offer::default();
        self.listeners.iter().try_for_each(|(id, listening)| offer.data(*id, listening))?;
        offer.admin(self.admin.configured, &self.admin.listening)?;
        Ok(offer)
    }

    /// Stops accepting on what another gateway has taken.
    fn hand_over(&mut self, taken: &[Purpose]) {
        tracing::info!("another gateway has taken over");
        self.listeners.end(taken, &self.crew);
        if taken.contains(&Purpose::AdminAt(self.admin.configured)) {
            self.admin.end();
        }
    }

    /// - `succeeded`: another gateway serves from here on.
    async fn end(mut self, mut signals: Signals, succeeded: bool) {
        self.state.draining.store(true, Ordering::Release);
        tracing::info!("draining");
        let timeouts = self.config().timeouts;
        let patience = Patience { idle: timeouts.drain_idle.min(timeouts.drain), total: timeouts.drain };
        // A successor has its own door, and is still being answered at this one.
        if !succeeded {
            systemd::tell(Stage::Stopping(patience.total + STOPPING_GRACE));
            drop(self.door.take());
        }
        self.listeners.end(&[], &self.crew);
        let drained = drain::drain(&self.crew, patience, signals.end()).await;
        self.log.flush(SECOND);
        self.spans.flush(SECOND).await;
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
}

async fn stopped(stop: &mut Option<oneshot::Receiver<()>>) {
    match stop {
        Some(stop) => drop(stop.await),
        None => std::future::pending().await,
    }
}

/// Resolves at the instant `at`, looking again every second in case the clock jumps.
async fn until(at: Option<UtcTime>, state: &State) {
    let Some(at) = at else { return std::future::pending().await };
    loop {
        let left = at.unix().saturating_mul(1000).saturating_sub(state.now_ms());
        match u64::try_from(left) {
            Ok(left @ 1..) => tokio::time::sleep(Duration::from_millis(left).min(SECOND)).await,
            _ => return,
        }
    }
}

fn commas(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn format(config: &Config) -> Format {
    match config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    }
}
