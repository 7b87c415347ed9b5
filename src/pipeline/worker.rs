//! One worker: a thread with its own runtime, listeners, deadlines and upstream connections.
//!
//! Workers share nothing on a request's path but the immutable snapshot and the counters of limits.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::HeaderName;

use super::{
    deadline::Deadlines,
    handles::Handles,
    pressure::Pressure,
    snapshot::Snapshot,
    upstream::{fleet::Fleet, group::Group, health::Checks, site::Site},
};
use crate::{
    config::{Config, Listener, ListenerId},
    descriptors::RESERVE,
    domain::upstream::{Server, Upstream},
    telemetry::{AccessLog, ConnectionCells, Counter, Gauge, Http2Cells, Metrics, spans::Spans},
};

type Sites = HashMap<(String, Server), Rc<Site>>;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// What is known of every server.
    pub fleet: Arc<Fleet>,
    /// The access log.
    pub log: AccessLog,
    /// Where traces are left.
    pub spans: Spans,
    /// Descriptors this process may use.
    pub descriptors: usize,
    /// How many workers there are.
    pub workers: usize,
    /// How many workers have begun.
    begun: AtomicUsize,
    /// Client connections open on all workers.
    connections: AtomicUsize,
    /// Client connections by address; kept only while `limits.connections_per_client` is set.
    by_client: Mutex<HashMap<IpAddr, usize>>,
}

/// Of the reserved descriptors, what clients beyond the limit may use while they are told so.
const TOLD_MAX: usize = RESERVE / 4;

impl Shared {
    /// - `descriptors`: the process's limit.
    pub fn new(
        metrics: Arc<Metrics>,
        fleet: Arc<Fleet>,
        (log, spans): (AccessLog, Spans),
        descriptors: usize,
        workers: usize,
    ) -> Self {
        let (connections, by_client) = (AtomicUsize::new(0), Mutex::default());
        Self { metrics, fleet, log, spans, descriptors, workers, begun: AtomicUsize::new(0), connections, by_client }
    }

    /// Most requests served at once: as configured, or what upstreams may use of the descriptors.
    pub fn requests_max(&self, config: &Config) -> usize {
        config.limits.requests_in_flight.unwrap_or_else(|| self.upstream_descriptors().max(1))
    }

    /// Most client connections: as configured, or what upstreams and the reserve leave of the descriptors.
    pub fn connections_max(&self, config: &Config) -> usize {
        let usable = self.descriptors.saturating_sub(RESERVE);
        config.limits.connections.unwrap_or(usable - self.upstream_descriptors()).max(1)
    }

    /// What upstreams may use: a quarter, because most client connections are idle most of the time.
    fn upstream_descriptors(&self) -> usize {
        self.descriptors.saturating_sub(RESERVE) / 4
    }
}

/// A client connection counted against the limits, until dropped.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    client: Option<IpAddr>,
    /// Whether this connection is beyond a limit: to be told so, not served.
    pub over_limit: bool,
}

impl Slot {
    /// Counts a connection; none when there are so many beyond the limit that this one cannot even be
    /// told.
    pub fn take(shared: &Arc<Shared>, config: &Config) -> Option<Self> {
        let max = shared.connections_max(config);
        let open = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let slot = Self { shared: Arc::clone(shared), client: None, over_limit: open > max };
        if open > max + TOLD_MAX {
            shared.metrics.connections_refused().inc();
            return None;
        }
        Some(slot)
    }

    /// Counts the connection as one of `client`, who may have `per_client` of them.
    pub fn of_client(&mut self, client: IpAddr, per_client: usize) {
        let mut by_client = self.shared.by_client.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_client.entry(client).or_default();
        *count += 1;
        self.over_limit |= *count > per_client;
        self.client = Some(client);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            let mut by_client = self.shared.by_client.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = by_client.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    by_client.remove(&client);
                }
            }
        }
    }
}

/// One worker's state. Everything in it lives on the worker's thread.
#[derive(Debug)]
pub struct Worker {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// Deadlines of connections and exchanges.
    pub deadlines: Rc<Deadlines>,
    /// Whether clients may send another request on their connection; if not, the answer tells them so.
    pub keep_alive: Cell<bool>,
    /// Whether requests are refused because memory is short.
    pub shedding: Cell<bool>,
    /// Requests that were refused because of the gateway's own limits.
    pub shed: Shed,
    pressure: Cell<Pressure>,
    /// Set once when the gateway begins to drain.
    leaving: Cell<bool>,
    /// Set when idle connections close at once: late in a drain.
    pub draining: Rc<Cell<bool>>,
    /// Requests being served by this worker.
    pub in_flight: Gauge,
    /// What is counted of connections.
    pub connections: ConnectionCells,
    /// What is counted of HTTP/2 connections.
    pub http2: Http2Cells,
    loaded: RefCell<Rc<Loaded>>,
    /// From 0.
    index: usize,
    /// Health checks this worker runs for all.
    checks: Checks,
    /// By upstream and server, kept across reloads while a snapshot names them.
    sites: RefCell<Sites>,
    /// Client connections open on this worker.
    pub open: Cell<usize>,
    /// Bounds what is told about failed exchanges.
    pub notes: Notes,
}

/// Counts refused requests by the limit they met.
#[derive(Debug)]
pub struct Shed {
    /// `limits.memory`.
    pub memory: Counter,
    /// `limits.requests_in_flight`.
    pub requests_in_flight: Counter,
    /// `limits.connections` and `limits.connections_per_client`.
    pub connections: Counter,
}

/// Lets some notes through in each second and counts the others.
#[derive(Debug, Default)]
pub struct Notes {
    second: Cell<u64>,
    told: Cell<u32>,
    skipped: Cell<u64>,
}

/// Notes about failed exchanges that one worker writes in a second.
const NOTES_PER_SECOND: u32 = 10;

impl Notes {
    /// Whether a note may be written at `now` (milliseconds); if so, how many were skipped before it.
    pub fn admit(&self, now: u64) -> Option<u64> {
        if self.second.replace(now / 1000) != now / 1000 {
            self.told.set(0);
        }
        if self.told.get() >= NOTES_PER_SECOND {
            self.skipped.set(self.skipped.get() + 1);
            return None;
        }
        self.told.set(self.told.get() + 1);
        Some(self.skipped.take())
    }
}

/// A snapshot in use by one worker.
#[derive(Debug)]
pub struct Loaded {
    /// The compiled configuration.
    pub snapshot: Snapshot,
    /// By upstream index.
    pub groups: Vec<Rc<Group>>,
    /// This worker's metric cells.
    pub handles: Handles,
    /// Most requests this worker serves without looking at the others.
    pub own_requests_max: i64,
    /// Most requests all workers serve.
    pub requests_max: i64,
}

impl Worker {
    /// A worker that begins with `snapshot`.
    pub fn new(shared: Arc<Shared>, snapshot: Snapshot) -> Rc<Self> {
        let (in_flight, http2) = (shared.metrics.in_flight(), shared.metrics.http2());
        let connections = shared.metrics.connections();
        let shed = Shed {
            memory: shared.metrics.shed("memory"),
            requests_in_flight: shared.metrics.shed("requests_in_flight"),
            connections: shared.metrics.shed("connections"),
        };
        let index = shared.begun.fetch_add(1, Ordering::Relaxed);
        let sites = RefCell::default();
        let loaded = RefCell::new(Rc::new(load(&shared, snapshot, &sites)));
        Rc::new(Self {
            shared,
            deadlines: Deadlines::new(),
            keep_alive: Cell::new(true),
            shedding: Cell::new(false),
            shed,
            pressure: Cell::default(),
            leaving: Cell::new(false),
            draining: Rc::default(),
            in_flight,
            connections,
            http2,
            loaded,
            index,
            checks: Checks::default(),
            sites,
            open: Cell::new(0),
            notes: Notes::default(),
        })
    }

    /// The listener that goes by `id`, as configured now.
    pub fn listener(&self, id: ListenerId) -> Option<Arc<Listener>> {
        self.loaded.borrow().snapshot.config.listener(id).cloned()
    }

    /// The snapshot in use; hold it for the whole exchange.
    pub fn loaded(&self) -> Rc<Loaded> {
        Rc::clone(&self.loaded.borrow())
    }

    /// Uses `snapshot` from the next request on. Pools of servers that are still named survive.
    pub fn replace(&self, snapshot: Snapshot) {
        let next = Rc::new(load(&self.shared, snapshot, &self.sites));
        self.watch_over(&next);
        *self.loaded.borrow_mut() = next;
    }

    /// Begins to watch over upstreams; call once, where tasks can be spawned.
    pub fn watch(&self) {
        self.watch_over(&self.loaded());
    }

    fn watch_over(&self, loaded: &Loaded) {
        loaded.groups.iter().for_each(|group| {
            group.renew();
        });
        loaded.groups.iter().for_each(|group| group.watch_over(&self.deadlines));
        let mine = |server: usize| server % self.shared.workers.max(1) == self.index;
        // Upstreams of one server each would else all be checked by the first worker.
        let groups = loaded.groups.iter().enumerate();
        let wanted = groups.flat_map(|(at, group)| group.checks(|server| mine(at + server)));
        self.checks.replace(wanted, &self.deadlines);
    }

    /// Closes upstream connections that were idle too long and looks names up again; call about once a second.
    pub fn sweep(&self) {
        let loaded = self.loaded();
        // All of them: each begins the lookups that are due.
        if loaded.groups.iter().filter(|group| group.renew()).count() > 0 {
            self.watch_over(&loaded);
        }
        loaded.groups.iter().for_each(|group| group.sweep(self.deadlines.now()));
    }

    /// From now on every answer asks its client to leave: `Connection: close`, GOAWAY.
    pub fn say_close(&self) {
        self.leaving.set(true);
        self.keep_alive.set(false);
        // HTTP/2 can say so without an answer.
        self.deadlines.wake_all();
    }

    /// How short memory is.
    pub fn pressure(&self) -> Pressure {
        self.pressure.get()
    }

    /// Memory is short to this degree from now on.
    pub fn press(&self, pressure: Pressure) {
        self.pressure.set(pressure);
        self.shedding.set(pressure >= Pressure::Shed);
        self.keep_alive.set(pressure < Pressure::NoKeepAlive && !self.leaving.get());
    }

    /// Connections finish what they serve and close; idle ones close now.
    pub fn drain(&self) {
        self.draining.set(true);
        self.deadlines.wake_all();
    }
}

fn load(shared: &Arc<Shared>, snapshot: Snapshot, sites: &RefCell<Sites>) -> Loaded {
    let config = &snapshot.config;
    let mut before = sites.take();
    let mut kept = Sites::new();
    let request_trailers: Rc<[HeaderName]> = config.request_trailers.as_slice().into();
    let listeners = config.listeners.iter().map(|listener| listener.id.address);
    let own: Rc<[SocketAddr]> = listeners.chain([config.admin.listen]).collect();
    let mut group = |upstream: &Upstream| {
        let roster = shared.fleet.roster(&upstream.name);
        let mut site = |server: &Server| {
            // Connections do not care about weights.
            let key = (upstream.name.clone(), Server { weight: 1, ..server.clone() });
            let known = before.remove(&key).unwrap_or_else(|| Site::new(key.1.clone()));
            let site = Rc::clone(kept.entry(key).or_insert(known));
            site.guard(&own);
            (site, server.weight)
        };
        let sites = (upstream.servers.iter().map(&mut site).collect(), shared.workers);
        let retries = shared.metrics.upstream_retries(&upstream.name);
        let queue_wait = upstream.max_connections.map(|_| shared.metrics.upstream_queue_wait(&upstream.name));
        let terms = (config.limits, Rc::clone(&request_trailers));
        Rc::new(Group::new(upstream, sites, roster, config.timeouts.write, terms, (retries, queue_wait)))
    };
    let groups = config.upstreams.iter().map(&mut group).collect();
    // Requests under way end on their connections.
    before.values().for_each(|site| site.close());
    sites.replace(kept);
    let requests_max = i64::try_from(shared.requests_max(config)).unwrap_or(i64::MAX);
    let own_requests_max = requests_max / i64::try_from(shared.workers.max(1)).unwrap_or(1);
    Loaded {
        handles: Handles::new(Arc::clone(&shared.metrics), &snapshot),
        groups,
        own_requests_max,
        requests_max,
        snapshot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_upstreams_share_the_descriptors_unless_the_file_says_otherwise() {
        let metrics = Arc::new(Metrics::new(std::time::Instant::now()));
        let log = AccessLog::start_with(Default::default(), metrics.log_dropped(), std::io::sink()).expect("a thread");
        let (spans, _) = Spans::new(&metrics);
        let shared = Shared::new(metrics, Arc::default(), (log, spans), 1000 + RESERVE, 2);
        let text = "upstreams: {one: 'http://127.0.0.1:1'}\napis: {a: {path: /, versions: {\"1\": {upstream: one}}}}";
        let read = |text: &str| {
            let now = crate::domain::time::UtcTime::from_unix(0);
            let outcome = crate::config::checked::read(text, std::path::Path::new("g.yaml"), &|_| None, now);
            outcome.config.unwrap_or_else(|| panic!("{:?}", outcome.findings))
        };
        let config = read(text);
        assert_eq!((shared.connections_max(&config), shared.requests_max(&config)), (750, 250));
        assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9901");
        let config = read(&format!("limits: {{connections: 5, requests_in_flight: 7}}\n{text}"));
        assert_eq!((shared.connections_max(&config), shared.requests_max(&config)), (5, 7));
    }

    #[test]
    fn a_storm_of_failures_is_told_ten_times_a_second() {
        let notes = Notes::default();
        assert_eq!((0..25).filter(|_| notes.admit(1_500).is_some()).count(), 10);
        assert_eq!(notes.admit(2_000), Some(15));
        assert_eq!(notes.admit(2_000), Some(0));
    }
}
