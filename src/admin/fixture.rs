//! The admin port on a real socket, in front of a gateway without a data plane.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
};

use super::{
    server::{Patience, serve_with},
    *,
};
use crate::{
    config::{
        Config, Finding, Listener,
        checked::{Admin, Limits, Log, LogFormat, LogRequests, Secret, Timeouts},
    },
    domain::{
        api::{
            Api, BodyRules, DefaultVersion, DeprecationRules, OnConflict, OnUnknown, Service, Unlisted, Version,
            Versioning,
        },
        endpoint::Endpoint,
        lifecycle::{Lifecycle, Phases, Status},
        time::UtcTime,
        upstream::testing::upstream,
        version::ApiVersion,
    },
    pipeline::upstream::fleet::Fleet,
    telemetry::Metrics,
};

pub(super) struct Fake {
    pub(super) config: Mutex<Arc<Config>>,
    pub(super) readiness: Mutex<Readiness>,
    pub(super) metrics: Metrics,
    pub(super) fleet: Fleet,
    /// Reloads that have begun, and those that have come to their end.
    pub(super) begun: AtomicUsize,
    pub(super) reloads: AtomicUsize,
    pub(super) outcome: Mutex<Result<ReloadReport, Vec<Finding>>>,
    /// A permit for each reload that may end.
    pub(super) may_end: Semaphore,
}

impl Gateway for Fake {
    fn now(&self) -> UtcTime {
        at("2027-01-15")
    }

    fn view(&self) -> View {
        View {
            config: Arc::clone(&self.config.lock().expect("whole")),
            loaded_at: at("2027-01-14T12:00:00Z"),
            started_at: at("2027-01-14"),
            listeners: vec!["127.0.0.1:8080".parse().expect("an address")],
        }
    }

    fn readiness(&self) -> Readiness {
        self.readiness.lock().expect("whole").clone()
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    async fn reload(&self) -> Result<ReloadReport, Vec<Finding>> {
        self.begun.fetch_add(1, SeqCst);
        self.may_end.acquire().await.expect("never closed").forget();
        self.reloads.fetch_add(1, SeqCst);
        self.outcome.lock().expect("whole").clone()
    }
}

pub(super) fn at(text: &str) -> UtcTime {
    UtcTime::parse(text).expect("a time")
}

fn version(
    name: &str,
    dates: Option<(&str, &str)>,
    status: Option<Status>,
    upstream: usize,
    through: usize,
) -> Version {
    let (deprecation, sunset) = (dates.map(|dates| at(dates.0)), dates.map(|dates| at(dates.1)));
    Version {
        name: ApiVersion::parse(name).expect("a version"),
        lifecycle: Lifecycle::new(status, deprecation, sunset, Phases::default(), None).expect("consistent"),
        deprecation: DeprecationRules::default(),
        migration_guide: None,
        breaking_changes: Vec::new(),
        endpoints: None,
        service: Service { upstream, through, speaks: through, chain: Vec::new() },
    }
}

fn api() -> Api {
    Api {
        name: "query parser".into(),
        hosts: Vec::new(),
        path: String::new(),
        strip_path: false,
        endpoints: vec![Endpoint::parse("POST /parse").expect("an endpoint")],
        bodies: BodyRules::default(),
        unlisted: Unlisted::Forward,
        versioning: Versioning {
            sources: Vec::new(),
            default: DefaultVersion::LatestStable,
            on_conflict: OnConflict::Precedence,
            on_unknown: OnUnknown::Reject,
        },
        versions: vec![
            version("1.0", Some(("2026-06-01", "2027-06-01")), None, 0, 1),
            version("1.5", None, None, 0, 1),
            version("2.0", None, Some(Status::Beta), 1, 2),
        ],
    }
}

pub(super) fn config(token: Option<&str>) -> Config {
    Config {
        listeners: vec![Arc::new(Listener::plain("127.0.0.1:8080".parse().expect("an address")))],
        certificate_ends: Default::default(),
        workers: 2,
        admin: Admin {
            takeover: None,
            listen: "127.0.0.1:9901".parse().expect("an address"),
            token: token.map(|token| Secret::new(token.into())),
            hosts: Vec::new(),
            requests_per_second: 20,
            failed_logins_per_minute: 5,
        },
        otlp: None,
        log: Log { format: LogFormat::Json, requests: LogRequests::All },
        trusted_proxies: Vec::new(),
        request_trailers: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        upstreams: vec![upstream("query-parser-1.5", &[9015]), upstream("query-parser-2.0", &[9020, 9021])],
        apis: vec![api()],
        changes: vec![Vec::new()],
        files: vec!["gateway.yaml".into()],
    }
}

pub(super) fn fake(token: Option<&str>) -> Fake {
    let config = config(token);
    let fleet = Fleet::default();
    fleet.keep(&config.upstreams);
    Fake {
        config: Mutex::new(Arc::new(config)),
        fleet,
        readiness: Mutex::new(Readiness {
            config_loaded: true,
            listeners_open: true,
            draining: false,
            degraded: vec![Degraded { what: "config".into(), why: "the last reload failed".into() }],
        }),
        metrics: Metrics::new(Instant::now()),
        begun: AtomicUsize::new(0),
        reloads: AtomicUsize::new(0),
        outcome: Mutex::new(Ok(ReloadReport { at: at("2027-01-15"), warnings: Vec::new() })),
        may_end: Semaphore::new(Semaphore::MAX_PERMITS),
    }
}

/// The port, open.
pub(super) struct Port {
    pub(super) address: SocketAddr,
    pub(super) gateway: Arc<Fake>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) served: tokio::task::JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).filter_map(|line| line.split_once(": ")).find(|field| field.0 == name).map(|f| f.1)
    }
}

pub(super) async fn open(gateway: Fake) -> Port {
    let long = Duration::from_secs(60);
    open_with(Patience { head: long, age: long, grace: long }, gateway).await
}

pub(super) async fn open_with(patience: Patience, gateway: Fake) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (address, gateway) = (listener.local_addr().expect("bound"), Arc::new(gateway));
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve_with(patience, listener, Arc::clone(&gateway), async move {
        let _ = stopped.await;
    }));
    Port { address, gateway, stop: Some(stop), served }
}

impl Port {
    /// Sends these bytes and reads until the port closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("open");
        // A port that refuses a body closes before it was sent.
        let _ = stream.write_all(bytes).await;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        let text = String::from_utf8(text).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) async fn ask(&self, method: &str, path: &str, fields: &[&str]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for field in fields {
            head += &format!("{field}\r\n");
        }
        self.raw(format!("{head}\r\n").as_bytes()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }
}
