//! The shape of `gateway.yaml`: every key, what it means, and what holds where it is left out.
//!
//! The comments here are what editors show: `vergate schema` prints them. Values are read into units and
//! names, but not yet held against each other; that is the work of [`super::checked`].

use super::containers::{Entries, Filled, List, OneOrMany, ShortOrLong, Word, read_entries};
use super::finding::Finding;
use super::names::{
    AcceptPattern, CheckPath, CookieName, DefaultName, EndpointText, FieldName, Guide, KeyField, Name, PathPattern,
    Text, TrailerName, VersionName,
};
use super::places::{Address, Host, Network, Prefix};
use super::shape::{Anything, At, Field, Read, shape, wrong_type};
use super::source::Source;
use super::tls::{ClientCertificates, MinVersion};
use super::tracing::Telemetry;
use super::tree::Node;
use super::units::{
    Attempts, AutoCount, Count, CountOrZero, Date, Excess, Flag, LeadTime, MemorySize, Percent, Size, SizeOrZero, Span,
    SpanOrZero, StatusRange, UnlimitedCount,
};
use super::url::ServerUrl;
use super::{LogFormat, LogRequests};
use crate::domain::{
    api::{AfterSunset, NoTransform, OnConflict, OnUnknown, Signed, Unlisted, Untyped},
    lifecycle::{Phase, Status},
    upstream::{Balance, HashKey, Protocol},
};

shape! {
    /// Configuration of the Vergate API gateway.
    pub struct Gateway {
        /// Where callers connect: one address or a list. HTTP/1.1 and prior-knowledge HTTP/2. Port 0 asks for a free one.
        optional listen: OneOrMany<ShortOrLong<Address, Listener>> = "0.0.0.0:8080",
        /// Worker threads: `auto` is one per core.
        optional workers: AutoCount = "auto",
        /// The operator's port: health, metrics, versions, reload.
        optional admin: Admin,
        /// The access log on stdout.
        optional log: Log,
        /// What the gateway tells other systems by itself.
        optional telemetry: Telemetry,
        /// Networks of proxies in front of this gateway; their Forwarded and X-Forwarded-* are kept and appended to, those of others replaced.
        optional trusted_proxies: List<Network>,
        /// How the requested version is found; an API's own `versioning` overrides it key by key.
        optional versioning: Versioning,
        /// How deprecated versions are announced and retired; a version's own `deprecation` overrides it key by key.
        optional deprecation: Deprecation,
        /// Sizes and counts beyond which a request is refused.
        optional limits: Limits,
        /// How long things may take.
        optional timeouts: Timeouts,
        /// The services behind the gateway: by name, a URL or more.
        optional upstreams: Entries<Name, ShortOrLong<ServerUrl, Upstream>>,
        /// The products with versions, by name.
        required apis: Apis,
        /// Callers with names and keys.
        later consumers: Anything,
        /// Feature flags.
        later flags: Anything,
    }
}

shape! {
    /// A listener with more than an address.
    pub struct Listener {
        /// Address and port.
        required address: Address,
        /// Certificates; HTTP/1.1 and HTTP/2 are chosen by ALPN.
        optional tls: ListenerTls,
        /// Who puts a PROXY protocol header (version 1 or 2) before everything else: a list of networks, or `true` for those of `trusted_proxies`. Others are served without one.
        optional proxy_protocol: ProxyProtocol = false,
    }
}

shape! {
    /// TLS 1.2 and 1.3. Files are PEM, relative to this file's folder; new ones are used without a restart.
    pub struct ListenerTls {
        /// The server's certificate and the chain behind it; for clients that ask for no name or an unknown one.
        optional cert: Text,
        /// Its private key: RSA, ECDSA (P-256, P-384) or Ed25519, without a passphrase.
        optional key: Text,
        /// Further certificates, picked by the name a client asks for (SNI).
        optional certificates: List<CertificateFiles>,
        /// Certificates of the authorities that sign clients' certificates; upstreams learn the one shown from Client-Cert (RFC 9440). Absent: clients are not asked.
        optional client_ca: Text,
        /// With `client_ca`: `required`, or `optional` (clients without one are let in, bad ones are refused).
        optional client_certificates: Word<ClientCertificates> = "required",
        /// The oldest version accepted: `1.2` or `1.3`.
        optional min_version: Word<MinVersion> = "1.2",
    }
}

shape! {
    /// A certificate and its key, in PEM files.
    pub struct CertificateFiles {
        /// The certificate and the chain behind it.
        required cert: Text,
        /// Its private key.
        required key: Text,
    }
}

/// `proxy_protocol:`.
#[derive(Clone, Debug)]
pub enum ProxyProtocol {
    /// From the networks of `trusted_proxies`, or from nobody.
    Flag(bool),
    /// From these networks.
    From(Vec<At<Network>>),
}

shape! {
    /// The operator's port.
    pub struct Admin {
        /// Address and port; off loopback it needs a token.
        optional listen: Address = "127.0.0.1:9901",
        /// Bearer token for /api/* and /metrics, at least 32 characters. Take it from the environment or a file: `${VERGATE_ADMIN_TOKEN:-}`, `${file:token}`.
        optional token: Text,
        /// Path of a Unix socket, relative to this file, where `vergate run --takeover` asks for the listening sockets. Who may write to it may take this gateway's place.
        optional takeover: Text,
        /// Further Host values that /api/* accepts, beside the listen address and loopback names.
        optional hosts: List<Text>,
        /// Requests to /api/* from one source; 429 beyond.
        optional requests_per_second: Count = 20,
        /// Wrong tokens from one source, after which it is not listened to for a while; 429.
        optional failed_logins_per_minute: Count = 5,
    }
}

shape! {
    /// The access log on stdout.
    pub struct Log {
        /// `json` (one object a line) or `text` (for human readers).
        optional format: Word<LogFormat> = "json",
        /// `all`, `errors` (status 400 and above, aborted exchanges) or `off`.
        optional requests: Word<LogRequests> = "all",
    }
}

shape! {
    /// How the requested version is found.
    pub struct Versioning {
        /// Places to look at, in order; the first that is present decides. Default: header X-API-Version, the path /v{version}/, query parameter version.
        optional resolve: List<Source>,
        /// What a request without a version means: `latest-stable`, `required` (400) or a quoted version.
        optional default: DefaultName = "latest-stable",
        /// When a later place names another version: `precedence` (the order decides) or `reject` (400).
        optional on_conflict: Word<OnConflict> = "precedence",
        /// When the named version does not exist: `reject` (400, 404 or 406) or `default` (the default answers and says so).
        optional on_unknown: Word<OnUnknown> = "reject",
    }
}

shape! {
    /// One place where a caller may name a version: exactly one of header, path, query and accept.
    pub struct SourceKeys {
        /// A header field of this name.
        optional header: FieldName,
        /// An expression on the path; its first group captures the version.
        optional path: PathPattern,
        /// A query parameter of this name.
        optional query: Text,
        /// An expression on a whole media range of Accept, whatever its case; its first group captures the version.
        optional accept: AcceptPattern,
        /// Whether the version is taken off before forwarding; for path and query.
        optional strip: Flag = true,
    }
}

shape! {
    /// How deprecated versions are announced and retired.
    pub struct Deprecation {
        /// When phases begin, counted back from the sunset.
        optional phases: Phases,
        /// What callers of a sunset version get: `gone` (410), `redirect` (308 to the successor) or `fall_forward` (the successor answers).
        optional after_sunset: Word<AfterSunset> = "gone",
        /// Which headers announce it.
        optional headers: AnnounceHeaders,
        /// Limit per consumer in the enforcement phase.
        later rate_limit: Anything,
        /// Whether consumers not seen before are admitted in the enforcement phase: `reject` or `allow`.
        later new_consumers: Anything,
        /// Planned short outages before the sunset.
        later brownouts: Anything,
    }
}

shape! {
    /// When phases begin, counted back from the sunset.
    pub struct Phases {
        /// Start of the warning phase: `6 months` by the calendar, or an exact `90 days`.
        optional warning: LeadTime = "6 months",
        /// Start of the enforcement phase.
        optional enforcement: LeadTime = "3 months",
    }
}

shape! {
    /// Which headers announce a deprecation, beside Deprecation and Sunset.
    pub struct AnnounceHeaders {
        /// Whether Warning: 299 is sent from the warning phase on.
        optional warning: Flag = true,
        /// Whether X-API-Deprecated, X-API-Sunset-Date and X-API-Migration-Guide are sent.
        optional seed: Flag = true,
        /// Link relations that are sent, of deprecation, sunset and successor-version.
        optional links: List<Word<LinkRelation>>,
    }
}

shape! {
    /// Sizes (64KiB, 10MiB, a bare integer is bytes) and counts.
    pub struct Limits {
        /// Length of the request target; 414 beyond.
        optional request_target: Size = "8KiB",
        /// Length of a request's header section; 431 beyond.
        optional request_header: Size = "32KiB",
        /// Fields of a request's header section; 431 beyond.
        optional request_header_fields: Count = 100,
        /// Length of a request body; 413 beyond.
        optional request_body: SizeOrZero = "1GiB",
        /// Length of a body that is adapted; 413 (request) or 502 (response) beyond.
        optional adapted_body: SizeOrZero = "8MiB",
        /// Fields that may follow a request body as trailers; others are dropped. None by default.
        optional request_trailers: List<TrailerName>,
        /// Length of the trailers of a body; 400 (request) or a broken answer beyond.
        optional trailer: Size = "8KiB",
        /// Fields in the trailers of a body; 400 (request) or a broken answer beyond.
        optional trailer_fields: Count = 16,
        /// Chunk extensions of a body, all together; 400 (request) or a broken answer beyond.
        optional chunk_extensions: SizeOrZero = "16KiB",
        /// Bytes a second at which a request body has to arrive, give or take `timeouts.request_body_grace`; 408 below. 0 for any.
        optional request_body_rate: SizeOrZero = 500,
        /// Requests on one client connection; the last one's answer closes it.
        optional requests_per_connection: Count = 10000,
        /// Length of a response's header section; 502 beyond.
        optional response_header: Size = "64KiB",
        /// Fields of a response's header section; 502 beyond.
        optional response_header_fields: Count = 200,
        /// Interim responses (1xx) before an answer; 502 beyond.
        optional interim_responses: Count = 32,
        /// Client connections: `auto` is the descriptor limit less what upstreams may use and a reserve of 64.
        optional connections: AutoCount = "auto",
        /// Client connections from one address, or `unlimited`.
        optional connections_per_client: UnlimitedCount = "unlimited",
        /// Requests served at once; 503 beyond.
        optional requests_in_flight: AutoCount = "auto",
        /// Streams of one HTTP/2 connection at once; more are refused.
        optional http2_streams: Count = 100,
        /// Bytes of a request body on their way in one HTTP/2 stream.
        optional http2_stream_window: Size = "64KiB",
        /// Bytes of request bodies on their way in one HTTP/2 connection.
        optional http2_connection_window: Size = "1MiB",
        /// CONTINUATION frames of one header block; the connection ends beyond.
        optional http2_continuations: Count = 16,
        /// HTTP/2 streams reset within 10 s, counted for each side; the connection ends beyond.
        optional http2_resets: Count = 200,
        /// The same on a connection that was never answered.
        optional http2_resets_unanswered: Count = 100,
        /// SETTINGS, PING, PRIORITY, empty DATA and unknown frames within 10 s together; the connection ends beyond.
        optional http2_control_frames: Count = 1000,
        /// Memory of the process: at 85 % connections end with their next answer, at 92 % requests are answered 503, at 95 % no connections are accepted. `auto` is the limit of the control group, if it has one.
        optional memory: MemorySize = "auto",
    }
}

shape! {
    /// Durations: 250ms, 5s, 1m, 24h, 7 days.
    pub struct Timeouts {
        /// From the first byte of a request head to its last; 408 beyond.
        optional request_header: Span = "10s",
        /// Longest pause within a request body; 408 beyond.
        optional request_body: Span = "15s",
        /// How far a request body may be behind `limits.request_body_rate`; 408 beyond.
        optional request_body_grace: SpanOrZero = "10s",
        /// Longest stall while a client does not take its answer.
        optional write: Span = "15s",
        /// How long a client connection may idle.
        optional keep_alive: Span = "75s",
        /// Until a connection to an upstream stands; 504 beyond. An upstream may have its own.
        optional connect: Span = "2s",
        /// From the last request byte to the first response byte; 504 beyond. An upstream may have its own.
        optional response: Span = "30s",
        /// Longest pause within a response body.
        optional response_idle: Span = "30s",
        /// Whole exchange, to the last response byte; tunnels and event streams are free of it.
        optional request: Span = "300s",
        /// Longest silence of a tunnel such as a WebSocket.
        optional tunnel_idle: Span = "1h",
        /// How long requests in flight may take when the gateway shuts down; 0s cuts them off.
        optional drain: SpanOrZero = "30s",
        /// How long an idle client connection stays open when the gateway shuts down, so that its next answer can say `Connection: close`; 0s closes it at once. At most `drain`.
        optional drain_idle: SpanOrZero = "5s",
    }
}

shape! {
    /// A named set of interchangeable servers.
    pub struct Upstream {
        /// Their URLs.
        required servers: Filled<ShortOrLong<ServerUrl, Server>>,
        /// How long the addresses of a name are used before it is looked up again, give or take a fifth. Each address of
        /// several is a server of its own.
        optional dns_refresh: Span = "30s",
        /// How one is picked: `least_requests` (the less busy of two random ones), `round_robin` or {hash: KEY}.
        optional balance: BalanceRule = "least_requests",
        /// Tries after the first.
        optional retries: Retries,
        /// The three waits of one exchange.
        optional timeouts: UpstreamTimeouts,
        /// When nothing more is sent to a server that cannot be connected to; 503 where no server is left.
        optional breaker: Breaker,
        /// Asks each server every now and then whether it is well; nothing is sent to one that is not.
        optional health: Health,
        /// Keeps a server out for a while that fails too often in a row; `{}` takes the defaults.
        optional ejection: Ejection,
        /// Connections each of its servers may have, of all workers together. Absent: any number. Over HTTP/2 each worker
        /// has its share, at least one, and a connection carries 100 requests at once.
        optional max_connections: Count,
        /// How requests wait for a server whose connections are all busy; 503 beyond.
        optional queue: Queue,
        /// What its servers speak: `http/1.1`, `h2` (HTTP/2, https:// only) or `h2c` (HTTP/2 with prior knowledge, http:// only).
        optional protocol: Word<Protocol> = "http/1.1",
        /// Whether servers may be at link-local addresses, where clouds serve the machine's credentials.
        optional allow_link_local: Flag = false,
        /// How https:// servers are known and what the gateway shows them.
        optional tls: UpstreamTls,
    }
}

shape! {
    /// TLS to an upstream's https:// servers. Files are PEM, relative to the folder of the configuration, and watched.
    pub struct UpstreamTls {
        /// File with the authorities that may vouch for a server. Default: the system's trust store.
        optional ca: Text,
        /// File with the certificate the gateway shows, its chain behind it.
        optional client_certificate: Text,
        /// File with the private key of that certificate.
        optional client_key: Text,
        /// The name a server's certificate has to carry. Default: the host of its URL.
        optional server_name: Text,
        /// Whether a server has to prove who it is. `false` trusts whoever answers: for experiments only.
        optional verify: Flag = true,
    }
}

shape! {
    /// A server with more than a URL.
    pub struct Server {
        /// Where it is; a path is put before every forwarded path.
        required url: ServerUrl,
        /// Its share of the requests relative to its neighbours.
        optional weight: Count = 1,
    }
}

shape! {
    /// Tries after the first, where they are safe.
    pub struct Retries {
        /// How many, 0 for none.
        optional attempts: Attempts = 1,
        /// Share of recent requests that may be tried again; three a second are always allowed.
        optional budget: Percent = "20%",
    }
}

shape! {
    /// When nothing more is sent to a server that cannot be connected to.
    pub struct Breaker {
        /// Connections in a row that could not be opened.
        optional open_after: Count = 5,
        /// Pause between two tries to connect while it is open, give or take a fifth; the first success closes it.
        optional probe: Span = "1s",
    }
}

shape! {
    /// How requests wait for a server whose connections are all busy.
    pub struct Queue {
        /// How many may wait for one server, 0 for none.
        optional size: CountOrZero = 128,
        /// How long each may wait.
        optional timeout: Span = "1s",
    }
}

shape! {
    /// Asks each server every now and then whether it is well. One process asks once for all its workers.
    pub struct Health {
        /// What is asked for with GET, without a server's base path. Absent: a connection is enough.
        optional path: CheckPath,
        /// Pause between two checks, give or take a fifth.
        optional interval: Span = "5s",
        /// How long one check may take.
        optional timeout: Span = "1s",
        /// Successes in a row that make an unhealthy server healthy. The first check decides alone.
        optional healthy_after: Count = 2,
        /// Failures in a row that make a healthy server unhealthy. The first check decides alone.
        optional unhealthy_after: Count = 3,
        /// Statuses that are a success: one or a list of `200` or `2xx`.
        optional expect_status: OneOrMany<StatusRange>,
    }
}

shape! {
    /// Keeps a server out for a while that fails too often in a row.
    pub struct Ejection {
        /// Failures in a row: a status of 500 or more, no answer, no connection.
        optional after: Count = 5,
        /// How long the first time; the second time takes twice as long, and so on.
        optional time: Span = "30s",
        /// How long at most.
        optional time_max: Span = "300s",
        /// Share of the servers that may be out at once; one of several always may.
        optional share: Percent = "50%",
        /// When fewer servers than this share are available, ejections are ignored.
        optional panic: Percent = "50%",
    }
}

shape! {
    /// The three waits of one exchange with a server.
    pub struct UpstreamTimeouts {
        /// Until the connection stands. Default: `timeouts.connect`.
        optional connect: Span,
        /// From the last request byte to the first response byte. Default: `timeouts.response`.
        optional response: Span,
        /// How long an unused connection is kept; 0s keeps none.
        optional pool_idle: SpanOrZero = "30s",
    }
}

shape! {
    /// A product with versions.
    pub struct Api {
        /// Host names it answers to; `*.example.com` stands for one label. Default: any host.
        optional hosts: List<Host>,
        /// The path prefix it owns, after the version was taken off; the longest prefix wins.
        optional path: Prefix = "/",
        /// Whether the prefix is taken off too before forwarding.
        optional strip_path: Flag = false,
        /// Its operations, such as `GET /models/{id}`: metric labels, and what `unlisted` speaks of.
        optional endpoints: List<EndpointText>,
        /// What becomes of a request that fits no endpoint: `forward` or `reject` (404).
        optional unlisted: Word<Unlisted> = "forward",
        /// What HTTP leaves open about bodies that are adapted.
        optional adaptation: Adaptation,
        /// How its versions are found; overrides the global `versioning` key by key.
        optional versioning: Versioning,
        /// Its versions; names are quoted.
        required versions: Entries<VersionName, Version>,
        /// How its versions differ: changes, or paths of files that hold one.
        optional changes: Changes,
        /// Shares of the traffic by version.
        later rollout: Anything,
    }
}

shape! {
    /// What HTTP leaves open about bodies that are adapted.
    pub struct Adaptation {
        /// Bodies without a media type: `pass`, or `json` where they are nothing else.
        optional untyped: Word<Untyped> = "pass",
        /// Messages with `Cache-Control: no-transform`: `adapt` and count them, `bypass` (they pass in the shape of their sender's version) or `fail`.
        optional no_transform: Word<NoTransform> = "adapt",
        /// Messages with a signature that covers the digest of their body: `fail`, or `adapt` (the signature no longer holds).
        optional signed: Word<Signed> = "fail",
    }
}

shape! {
    /// One version of an API.
    pub struct Version {
        /// `development`, `alpha`, `beta`, `stable`, `deprecated` or `sunset`. Absent: stable, and the dates decide the rest.
        optional status: Word<Status>,
        /// When its callers are told to leave (Deprecation, RFC 9745).
        optional deprecated: Date,
        /// When it ends (Sunset, RFC 8594).
        optional sunset: Date,
        /// Overrides the dates: `announcement`, `warning`, `enforcement` or `sunset`.
        optional current_phase: Word<Phase>,
        /// Where callers read how to move on; a path or a URL.
        optional migration_guide: Guide,
        /// What breaks against the version before; shown on the admin port.
        optional breaking_changes: List<Text>,
        /// Its own operations, where they differ from the API's.
        optional endpoints: List<EndpointText>,
        /// Name of the upstream that serves it. Absent: the nearest newer version's, through `changes`.
        optional upstream: Name,
        /// The version that upstream speaks, where it is another one.
        optional speaks: VersionName,
        /// How it is announced and retired; overrides the global `deprecation` key by key.
        optional deprecation: Deprecation,
        /// Path of its OpenAPI document (3.0 or 3.1, JSON or YAML), against which `check` proves the changes. The running gateway does not read it.
        optional openapi: Text,
        /// Share of the traffic.
        later rollout: Anything,
    }
}

/// `apis:`. Findings about an API carry its name.
#[derive(Clone, Debug)]
pub struct Apis(pub Entries<Name, Api>);

/// `changes:`, read by [`super::changes`].
#[derive(Clone, Debug)]
pub struct Changes(pub Node);

/// `balance:`.
#[derive(Clone, Debug)]
pub struct BalanceRule(pub Balance);

/// `balance:` as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the documentation")]
pub enum BalanceWord {
    LeastRequests,
    RoundRobin,
}

/// `hash:` as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the word is the documentation")]
pub enum HashWord {
    ClientAddress,
}

shape! {
    /// The same server for all requests with the same key, as long as it is there.
    pub struct HashBalance {
        /// The key: `client_address`, {header: NAME} or {cookie: NAME}. Requests without it go to any server.
        required hash: ShortOrLong<Word<HashWord>, HashSource>,
        /// Most requests a server carries at once, of its share of all that are under way: with more, the next one takes
        /// them, so that a key much asked for does not overload its server. A few are always carried; `off` for any number.
        optional load_max: Excess = "125%",
    }
}

shape! {
    /// Where a request holds its key: exactly one of header and cookie.
    pub struct HashSource {
        /// A header field of this name.
        optional header: KeyField,
        /// A cookie of this name.
        optional cookie: CookieName,
    }
}

/// `links:` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the documentation")]
pub enum LinkRelation {
    Deprecation,
    Sunset,
    SuccessorVersion,
}

impl Read for Apis {
    fn expected() -> String {
        "at least one API".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let entries: Entries<Name, Api> = read_entries(node, findings, |name: &Name, found| {
            for finding in found {
                finding.api = Some(name.0.clone());
            }
        })?;
        if entries.entries.is_empty() && !entries.incomplete {
            let help = "add one: a name, and `versions:` below it";
            findings.push(Finding::error(&node.place, "missing-key", "`apis` has no API", help));
            return None;
        }
        Some(Self(entries))
    }
}

impl Read for ProxyProtocol {
    fn expected() -> String {
        "true, false or a list of networks".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        match node.list() {
            Some(_) => Filled::read(node, findings).map(|list| Self::From(list.0)),
            None => Flag::read(node, findings).map(|flag| Self::Flag(flag.0)),
        }
    }
}

impl Read for Changes {
    fn expected() -> String {
        "a list of changes".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        if node.list().is_none() {
            findings.push(wrong_type(node, "a list of changes or paths of files"));
            return None;
        }
        Some(Self(node.clone()))
    }
}

impl Read for BalanceRule {
    fn expected() -> String {
        ShortOrLong::<Word<BalanceWord>, HashBalance>::expected()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let rule = match ShortOrLong::<Word<BalanceWord>, HashBalance>::read(node, findings)? {
            ShortOrLong::Short(Word(BalanceWord::LeastRequests)) => Balance::LeastRequests,
            ShortOrLong::Short(Word(BalanceWord::RoundRobin)) => Balance::RoundRobin,
            ShortOrLong::Long(rule) => Balance::Hash {
                key: hash_key(&rule, findings)?,
                load_max_percent: rule.load_max.value().map_or(Some(125), |excess| excess.0),
            },
        };
        Some(Self(rule))
    }
}

fn hash_key(rule: &HashBalance, findings: &mut Vec<Finding>) -> Option<HashKey> {
    let at = rule.hash.set()?;
    let source = match &at.value {
        ShortOrLong::Short(Word(HashWord::ClientAddress)) => return Some(HashKey::ClientAddress),
        ShortOrLong::Long(source) => source,
    };
    match (&source.header, &source.cookie) {
        (header, Field::Absent) if !header.is_absent() => {
            header.value().map(|name| HashKey::Header(name.0.as_str().to_owned()))
        }
        (Field::Absent, cookie) if !cookie.is_absent() => cookie.value().map(|name| HashKey::Cookie(name.0.clone())),
        _ => {
            let help = "write `hash: {header: NAME}`, `hash: {cookie: NAME}` or `hash: client_address`";
            let message = "the key of a hash is one of header and cookie";
            findings.push(Finding::error(&at.place, "hash", message, help));
            None
        }
    }
}
