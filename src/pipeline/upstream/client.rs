//! Sends one request to an upstream: picks a server, reuses or opens a connection, retries where
//! that is safe.

use std::{
    cell::Cell,
    net::IpAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use http::{HeaderMap, HeaderName, Request, StatusCode};

use super::{
    balance::{Balancer, Load},
    body::UpstreamBody,
    breaker,
    cap::{Cap, Full, Place},
    connect::{ConnectError, ConnectOptions},
    error::UpstreamError,
    fleet::Roster,
    hash,
    health::Plan,
    http1,
    http2::{self, Multiplexed},
    lease::{Active, Lease},
    outlier,
    patience::Patience,
    pump::Pump,
    retry::{self, Budget, Progress},
    server::{Connection, ServerPool},
    wire::response::Head,
};
use crate::{
    config::checked::Limits,
    domain::upstream::{Balance, Breaker, EjectionRules, HashKey, Health, Protocol, Queue, Upstream},
    headers::spare,
    pipeline::{
        deadline::Deadlines,
        timings::{self, Waits},
    },
    telemetry::{Counter, Histogram, spans::Trace},
};

/// An upstream as one worker sees it under one snapshot.
#[derive(Debug)]
pub struct Group {
    /// The key under `upstreams:`.
    pub name: String,
    /// How long an answer may take to begin.
    pub response: std::time::Duration,
    servers: Vec<Member>,
    balancer: Balancer,
    /// What requests have in common that go to the same server.
    hash: Option<HashKey>,
    budget: Budget,
    roster: Arc<Roster>,
    attempts: u32,
    breaker: Breaker,
    ejection: Option<EjectionRules>,
    queue: Queue,
    /// How long requests waited for a connection, where there is a cap.
    queue_wait: Option<Histogram>,
    health: Option<Health>,
    options: ConnectOptions,
    /// Which protocol its servers speak.
    pub protocol: Protocol,
    limits: Limits,
    /// Fields that may follow a request body.
    request_trailers: Rc<[HeaderName]>,
    /// An idle connection older than this is not used, in milliseconds.
    pool_idle_ms: u64,
    retries: Counter,
}

/// A server and its share.
#[derive(Debug)]
pub struct Member {
    /// Its connections.
    pub pool: Rc<ServerPool>,
    /// Its share of the requests, relative to its neighbours.
    pub weight: u32,
    /// How many connections it may have, where that is limited.
    pub cap: Option<Arc<Cap>>,
    /// How many connections of HTTP/2 this worker may have to it.
    pub share: usize,
}

/// An answer whose body may still be arriving.
#[derive(Debug)]
pub struct Answer {
    /// The head, and how the body ends.
    pub head: Head,
    /// How the body arrives.
    pub arrival: Arrival,
}

/// How an answer's body arrives.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every answer comes by HTTP/1.1, and a box for it would cost each an allocation"
)]
pub enum Arrival {
    /// On a connection of its own, together with what is left of the request where the server answered before it
    /// had all of it. The head says where it ends.
    Http1(Lease, Option<Box<Pump>>),
    /// On a stream of a shared connection.
    Http2(Box<http2::answer::Stream>),
}

/// What carries a request.
enum Carrier {
    Http1(Connection),
    Http2(Rc<Multiplexed>),
}

impl Carrier {
    fn is_reused(&self) -> bool {
        match self {
            Self::Http1(connection) => connection.reused,
            Self::Http2(connection) => connection.is_used(),
        }
    }
}

impl Member {
    async fn connect(&self, deadlines: &Rc<Deadlines>, options: ConnectOptions) -> Result<Connection, ConnectError> {
        let Some(cap) = &self.cap else { return self.pool.connect(deadlines, options).await };
        let late = |_| ConnectError::TimedOut(options.connect);
        let held = tokio::time::timeout(options.connect, cap.hold()).await.map_err(late)?;
        let mut connection = self.pool.connect(deadlines, options).await?;
        connection.hold(Some(held));
        Ok(connection)
    }
}

/// What one exchange brings to [`Group::send`].
pub struct Terms<'a> {
    /// The worker's deadlines.
    pub deadlines: &'a Rc<Deadlines>,
    /// How long this exchange may take.
    pub patience: &'a Patience,
    /// The client's address, as far as proxies in front are trusted to tell it.
    pub client: IpAddr,
    /// Gathers how long a connection was waited for.
    pub waits: &'a Cell<Waits>,
    /// Learns of each try.
    pub trace: &'a Trace,
    /// Put into the head as they are, behind the fields.
    pub lines: &'a [&'a [u8]],
    /// Whether the request asks to switch protocols.
    pub upgrade: bool,
    /// Passes an interim response on.
    pub interim: &'a dyn Fn(StatusCode, HeaderMap),
}

/// What one exchange with a server goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'g> {
    /// `limits:`.
    pub limits: &'g Limits,
    /// Fields that may follow a request body.
    pub trailers: &'g Rc<[HeaderName]>,
    /// How long a write may make no progress.
    pub write: std::time::Duration,
}

impl Group {
    /// `servers`: in the upstream's order.
    pub fn new(
        upstream: &Upstream,
        servers: Vec<Member>,
        roster: Arc<Roster>,
        write: std::time::Duration,
        (limits, request_trailers): (Limits, Rc<[HeaderName]>),
        (retries, queue_wait): (Counter, Option<Histogram>),
    ) -> Self {
        let timeouts = upstream.timeouts;
        let named: Vec<_> = servers.iter().map(|member| (member.pool.name.clone(), member.weight)).collect();
        Self {
            name: upstream.name.clone(),
            response: timeouts.response,
            servers,
            balancer: Balancer::new(&upstream.balance, &named),
            hash: match &upstream.balance {
                Balance::Hash(key) => Some(key.clone()),
                Balance::LeastRequests | Balance::RoundRobin => None,
            },
            budget: Budget::new(upstream.retry_budget_percent),
            roster,
            breaker: upstream.breaker,
            ejection: upstream.ejection,
            queue: upstream.queue,
            queue_wait,
            health: upstream.health.clone(),
            attempts: upstream.retry_attempts,
            options: ConnectOptions { connect: timeouts.connect, write },
            protocol: upstream.protocol,
            limits,
            request_trailers,
            pool_idle_ms: u64::try_from(timeouts.pool_idle.as_millis()).unwrap_or(u64::MAX),
            retries,
        }
    }

    /// Sends `request`, whose URI is the path to forward without a server's base path.
    ///
    /// Errors name the server and whose fault it was.
    pub async fn send(
        &self,
        mut request: Box<Request<UpstreamBody>>,
        terms: Terms<'_>,
    ) -> Result<Answer, UpstreamError> {
        self.budget.request(terms.deadlines.now());
        let streamed = matches!(request.body(), UpstreamBody::Stream(_));
        let mut tried = 0u64;
        let mut retries = 0;
        let mut fresh = false;
        let unavailable = || UpstreamError::Unavailable { upstream: self.name.clone() };
        let hash = self.hash.as_ref();
        let key = hash.and_then(|by| hash::of_request(by, request.headers(), terms.client));
        let mut index = self.pick(key, tried).ok_or_else(unavailable)?;
        loop {
            let member = &self.servers[index];
            let place = self.enter(member, &terms).await?;
            terms.trace.try_begins(&member.pool.name);
            let error = match self.connection(member, fresh, &terms).await {
                Err(source) => {
                    self.judge(member, false);
                    UpstreamError::Connect { server: member.pool.name.clone(), source }
                }
                Ok(connection) => {
                    let reused = connection.is_reused();
                    match self.exchange(&member.pool, (connection, place), &mut request, &terms).await {
                        Ok(answer) => {
                            terms.trace.try_ends(Ok(answer.head.status.as_u16()));
                            self.judge(member, answer.head.status.as_u16() < 500);
                            spare::give_back(std::mem::take(request.headers_mut()));
                            return Ok(answer);
                        }
                        // Nothing went out on a connection the server had closed: not even a try.
                        Err(Failure::NotSent(_)) if reused => {
                            index = self.pick(key, tried).ok_or_else(unavailable)?;
                            continue;
                        }
                        Err(Failure::NotSent(error) | Failure::Refused(error)) => {
                            self.judge(member, false);
                            error
                        }
                        Err(Failure::Lost(error)) => {
                            self.judge(member, false);
                            let progress = if reused { Progress::LostOnReused } else { Progress::LostOnFresh };
                            // A streamed body is gone with the connection.
                            if !retry::allowed(progress, request.method(), !streamed) {
                                return Err(error);
                            }
                            // What closed this one may have closed all that idled with it.
                            fresh |= reused;
                            error
                        }
                        Err(Failure::Begun(error)) => {
                            if !matches!(error, UpstreamError::Upload(_)) {
                                self.judge(member, false);
                            }
                            return Err(error);
                        }
                    }
                }
            };
            terms.trace.try_ends(Err(error.code().as_str()));
            tried |= 1 << index.min(63);
            match self.pick(key, tried).filter(|_| self.may_retry(&mut retries, terms.deadlines)) {
                Some(next) => index = next,
                None => return Err(error),
            }
        }
    }

    /// Finds out when open breakers may close, also those that opened before this worker knew their server, and lets
    /// other workers have connections that idle here where they are limited. Call where tasks can be spawned.
    pub fn watch_over(&self, deadlines: &Rc<Deadlines>) {
        let shared = |member: &Member| member.cap.clone().filter(|_| self.protocol == Protocol::Http1);
        self.servers.iter().for_each(|member| member.pool.give_under(shared(member).as_ref()));
        let open = self.servers.iter().filter(|member| member.pool.condition.is_open());
        open.for_each(|member| self.watch(&member.pool, deadlines));
    }

    fn watch(&self, pool: &Rc<ServerPool>, deadlines: &Rc<Deadlines>) {
        breaker::watch(pool, deadlines, self.options, self.breaker.probe);
    }

    /// The servers this worker checks, and how; those of others, and all where nothing is checked, are left alone.
    ///
    /// - `mine`: whether it is this worker that checks the server at an index.
    pub fn checks(&self, mine: impl Fn(usize) -> bool) -> Vec<(String, Rc<ServerPool>, Plan)> {
        let Some(health) = &self.health else {
            self.servers.iter().for_each(|member| member.pool.condition.forget_checks());
            return Vec::new();
        };
        let plan =
            || Plan { health: health.clone(), protocol: self.protocol, write: self.options.write, limits: self.limits };
        let checked = self.servers.iter().enumerate().filter(|(index, _)| mine(*index));
        checked.map(|(_, member)| (self.name.clone(), Rc::clone(&member.pool), plan())).collect()
    }

    /// Closes connections that were idle too long, and lets servers in whose ejection is over.
    pub fn sweep(&self, now: u64) {
        self.release();
        for member in &self.servers {
            member.pool.refresh(now);
            member.pool.sweep(now, now.saturating_sub(self.pool_idle_ms));
        }
    }

    /// The server of the next try; none where none may get requests.
    ///
    /// - `tried`: bit i is set where server i failed this request already; such are avoided while others are left.
    fn pick(&self, key: Option<u64>, tried: u64) -> Option<usize> {
        let count = self.servers.len();
        let load = |i: usize| {
            let member = &self.servers[i];
            Load { active: member.pool.tally.active.value(), weight: member.weight }
        };
        if self.is_panic() {
            let usable = |i: usize| self.servers[i].pool.condition.is_at_worst_ejected();
            return self.balancer.pick(count, key, tried != 0, usable, load);
        }
        let available = |i: usize| self.servers[i].pool.condition.is_available();
        if self.queue_wait.is_some() {
            // Where connections are limited, a server that has one to spare comes first.
            let free = |i: usize| self.servers[i].cap.as_ref().is_none_or(|cap| cap.is_free());
            let spare = |i: usize| available(i) && free(i) && (i >= 64 || tried & (1 << i) == 0);
            if let Some(spare) = self.balancer.pick(count, key, tried != 0, spare, load) {
                return Some(spare);
            }
        }
        let fresh = |i: usize| available(i) && (i >= 64 || tried & (1 << i) == 0);
        let picked = self.balancer.pick(count, key, tried != 0, fresh, load);
        if picked.is_some() || tried == 0 { picked } else { self.balancer.pick(count, key, true, available, load) }
    }

    /// Whether so few servers are available that ejections are ignored.
    fn is_panic(&self) -> bool {
        let Some(rules) = &self.ejection else { return false };
        if self.roster.ejected.load(Relaxed) == 0 {
            return false;
        }
        self.release();
        let available = self.servers.iter().filter(|member| member.pool.condition.is_available()).count();
        outlier::is_panic(rules, available, self.servers.len())
    }

    /// Lets servers in whose ejection is over; all, where nothing is ejected any more.
    fn release(&self) {
        if self.roster.ejected.load(Relaxed) != 0 {
            let conditions = self.servers.iter().map(|member| &member.pool.condition);
            match self.ejection {
                Some(_) => conditions.for_each(|condition| outlier::release(&self.roster, condition)),
                None => conditions.for_each(|condition| outlier::let_in(&self.roster, condition)),
            }
        }
    }

    /// Counts how a server did, where that can eject it.
    fn judge(&self, member: &Member, well: bool) {
        let Some(rules) = &self.ejection else { return };
        let condition = &member.pool.condition;
        if well {
            condition.succeeded();
        } else if outlier::failed(rules, &self.roster, condition, self.servers.len()) {
            let seconds = condition.ejection(|ejection| ejection.until).saturating_sub(self.roster.now()) / 1000;
            tracing::warn!(
                upstream = self.name,
                server = member.pool.name,
                seconds,
                "server failed too often, ejected"
            );
        }
    }

    /// A place among those the server may be busy with; none where it may be busy with any number.
    async fn enter(&self, member: &Member, terms: &Terms<'_>) -> Result<Option<Place>, UpstreamError> {
        let Some(cap) = &member.cap else { return Ok(None) };
        let began = Instant::now();
        let place = match cap.try_enter() {
            Some(place) => Ok(place),
            None => {
                let queue = Queue { timeout: self.queue.timeout.min(terms.patience.left()), ..self.queue };
                Box::pin(cap.enter(queue)).await
            }
        };
        let took = began.elapsed();
        timings::add(terms.waits, |waits| &mut waits.queue, took);
        if let Some(wait) = &self.queue_wait {
            wait.observe(took);
        }
        place.map(Some).map_err(|Full| {
            member.pool.condition.turn_away();
            UpstreamError::Overloaded { upstream: self.name.clone() }
        })
    }

    /// What carries the next try.
    ///
    /// - `fresh`: only a connection that has carried nothing before.
    async fn connection(&self, member: &Member, fresh: bool, terms: &Terms<'_>) -> Result<Carrier, ConnectError> {
        let (pool, deadlines) = (&member.pool, terms.deadlines);
        let now = deadlines.now();
        let pooled = match self.protocol {
            Protocol::Http1 if fresh => None,
            Protocol::Http1 => pool.checkout(now, now.saturating_sub(self.pool_idle_ms)).map(Carrier::Http1),
            Protocol::Http2 | Protocol::Http2Cleartext => pool.multiplexer.checkout().map(Carrier::Http2),
        };
        if let Some(pooled) = pooled {
            pool.tally.hits.inc();
            return Ok(pooled);
        }
        pool.tally.misses.inc();
        // Boxed: connecting is rare, and its state would weigh on every exchange.
        let connect = self.options.connect.min(terms.patience.left());
        let options = ConnectOptions { connect, ..self.options };
        let began = Instant::now();
        let connected = Box::pin(self.connect(member, deadlines, options)).await;
        timings::add(terms.waits, |waits| &mut waits.connect, began.elapsed());
        match &connected {
            Ok(_) => pool.condition.connected(),
            // The whole exchange ran out of time: nothing is known of the server.
            Err(ConnectError::TimedOut(_)) if connect < self.options.connect => {}
            Err(_) if pool.condition.refused(self.breaker.open_after) => {
                tracing::warn!(
                    upstream = self.name,
                    server = pool.name,
                    "server cannot be connected to, breaker opens"
                );
                self.watch(pool, deadlines);
            }
            Err(_) => {}
        }
        connected
    }

    async fn connect(
        &self,
        member: &Member,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<Carrier, ConnectError> {
        if self.protocol == Protocol::Http1 {
            return member.connect(deadlines, options).await.map(Carrier::Http1);
        }
        let pool = &member.pool;
        let open = async || {
            let (io, open) = pool.open(deadlines, options).await?;
            Multiplexed::begin(io, open, options, self.limits.response_header_bytes).await
        };
        let connection = pool.multiplexer.connection(deadlines.now(), options.connect, member.share, open).await;
        connection.map(Carrier::Http2)
    }

    /// Takes one of the request's retries, if any is left.
    fn may_retry(&self, retries: &mut u32, deadlines: &Deadlines) -> bool {
        let may = *retries < self.attempts && (self.budget.take(deadlines.now()) || self.roster.take_free_retry());
        if may {
            *retries += 1;
            self.retries.inc();
        }
        may
    }

    /// One try on one connection.
    async fn exchange(
        &self,
        pool: &Rc<ServerPool>,
        (carrier, place): (Carrier, Option<Place>),
        request: &mut Request<UpstreamBody>,
        terms: &Terms<'_>,
    ) -> Result<Answer, Failure> {
        let rules = Rules { limits: &self.limits, trailers: &self.request_trailers, write: self.options.write };
        match carrier {
            Carrier::Http1(connection) => http1::send(pool, (connection, place), request, (terms, rules)).await,
            Carrier::Http2(connection) => {
                let (server, active) = ((&pool.server, &*pool.name), (Active::new(pool), place));
                // Boxed: its state would weigh on every exchange over HTTP/1.1.
                Box::pin(http2::exchange::send(connection, server, active, request, (terms, rules))).await
            }
        }
    }
}

/// How a try failed.
#[derive(Debug)]
pub enum Failure {
    /// Not a byte was written; the request is as it was.
    NotSent(UpstreamError),
    /// The server says that it did not look at the request, which is as it was.
    Refused(UpstreamError),
    /// It may have been received, but nothing came back.
    Lost(UpstreamError),
    /// The answer had begun, or it is not the connection's fault: never tried again.
    Begun(UpstreamError),
}
