//! The shape of `upstreams:`: servers, how one is picked, and what becomes of one that fails.

use crate::config::containers::{Filled, OneOrMany, ShortOrLong, Word};
use crate::config::finding::Finding;
use crate::config::names::{CheckPath, CookieName, KeyField, Text};
use crate::config::shape::{Field, Read, shape};
use crate::config::tree::Node;
use crate::config::units::{Attempts, Count, CountOrZero, Excess, Flag, Percent, Span, SpanOrZero, StatusRange};
use crate::config::url::ServerUrl;
use crate::domain::upstream::{Balance, HashKey, Protocol};

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
