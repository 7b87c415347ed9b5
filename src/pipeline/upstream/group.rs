//! An upstream as one worker sees it: its servers, and which of them gets the next request.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use http::HeaderName;

use super::{
    balance::{Balancer, Load},
    breaker,
    cap::Cap,
    connect::{ConnectError, ConnectOptions},
    fleet::Roster,
    health::Plan,
    outlier,
    retry::Budget,
    server::{Connection, ServerPool},
};
use crate::{
    config::checked::Limits,
    domain::upstream::{Balance, Breaker, EjectionRules, HashKey, Health, Protocol, Queue, Upstream},
    pipeline::deadline::Deadlines,
    telemetry::{Counter, Histogram},
};

/// An upstream as one worker sees it under one snapshot.
#[derive(Debug)]
pub struct Group {
    /// The key under `upstreams:`.
    pub name: String,
    /// How long an answer may take to begin.
    pub response: std::time::Duration,
    pub(super) servers: Vec<Member>,
    balancer: Balancer,
    /// What requests have in common that go to the same server.
    pub(super) hash: Option<HashKey>,
    pub(super) budget: Budget,
    roster: Arc<Roster>,
    attempts: u32,
    pub(super) breaker: Breaker,
    ejection: Option<EjectionRules>,
    pub(super) queue: Queue,
    /// How long requests waited for a connection, where there is a cap.
    pub(super) queue_wait: Option<Histogram>,
    health: Option<Health>,
    pub(super) options: ConnectOptions,
    /// Which protocol its servers speak.
    pub protocol: Protocol,
    pub(super) limits: Limits,
    /// Fields that may follow a request body.
    pub(super) request_trailers: Rc<[HeaderName]>,
    /// An idle connection older than this is not used, in milliseconds.
    pub(super) pool_idle_ms: u64,
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

    /// Finds out when open breakers may close, also those that opened before this worker knew their server, and lets
    /// other workers have connections that idle here where they are limited. Call where tasks can be spawned.
    pub fn watch_over(&self, deadlines: &Rc<Deadlines>) {
        let shared = |member: &Member| member.cap.clone().filter(|_| self.protocol == Protocol::Http1);
        self.servers.iter().for_each(|member| member.pool.give_under(shared(member).as_ref()));
        let open = self.servers.iter().filter(|member| member.pool.condition.is_open());
        open.for_each(|member| self.watch(&member.pool, deadlines));
    }

    pub(super) fn watch(&self, pool: &Rc<ServerPool>, deadlines: &Rc<Deadlines>) {
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
    pub(super) fn pick(&self, key: Option<u64>, tried: u64) -> Option<usize> {
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
    pub(super) fn judge(&self, member: &Member, well: bool) {
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

    /// Takes one of the request's retries, if any is left.
    pub(super) fn may_retry(&self, retries: &mut u32, deadlines: &Deadlines) -> bool {
        let may = *retries < self.attempts && (self.budget.take(deadlines.now()) || self.roster.take_free_retry());
        if may {
            *retries += 1;
            self.retries.inc();
        }
        may
    }
}

impl Member {
    pub(super) async fn connect(
        &self,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<Connection, ConnectError> {
        let Some(cap) = &self.cap else { return self.pool.connect(deadlines, options).await };
        let late = |_| ConnectError::TimedOut(options.connect);
        let held = tokio::time::timeout(options.connect, cap.hold()).await.map_err(late)?;
        let mut connection = self.pool.connect(deadlines, options).await?;
        connection.hold(Some(held));
        Ok(connection)
    }
}
