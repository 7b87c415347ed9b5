//! An upstream as one worker sees it: its servers, and which of them gets the next request.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use http::HeaderName;

use super::{
    breaker,
    connect::ConnectOptions,
    health::Plan,
    members::{Bound, Member, Members, is_tried},
    outlier,
    retry::Budget,
    roster::Roster,
    server::ServerPool,
    site::Site,
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
    /// The servers of the file with their weights.
    sites: Vec<(Rc<Site>, u32)>,
    members: RefCell<Rc<Members>>,
    balance: Balance,
    pub(super) bound: Bound,
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

impl Group {
    /// - `sites`: in the upstream's order, with their weights.
    /// - `workers`: how many there are.
    pub fn new(
        upstream: &Upstream,
        (sites, workers): (Vec<(Rc<Site>, u32)>, usize),
        roster: Arc<Roster>,
        write: std::time::Duration,
        (limits, request_trailers): (Limits, Rc<[HeaderName]>),
        (retries, queue_wait): (Counter, Option<Histogram>),
    ) -> Self {
        let timeouts = upstream.timeouts;
        let bound = Bound::new(upstream, workers);
        Self {
            name: upstream.name.clone(),
            response: timeouts.response,
            members: RefCell::new(Members::new(&sites, &roster, &upstream.balance, bound)),
            sites,
            balance: upstream.balance.clone(),
            bound,
            hash: match &upstream.balance {
                Balance::Hash { key, .. } => Some(key.clone()),
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

    /// What requests can be sent to just now.
    pub(super) fn members(&self) -> Rc<Members> {
        Rc::clone(&self.members.borrow())
    }

    /// Looks names up that it is time for, and takes in what was found; whether that has changed anything. Call where
    /// tasks can be spawned.
    pub fn renew(&self) -> bool {
        self.sites.iter().for_each(|(site, _)| site.refresh(&self.roster));
        let changed = self.roster.changes() != self.members.borrow().changes;
        if changed {
            *self.members.borrow_mut() = Members::new(&self.sites, &self.roster, &self.balance, self.bound);
        }
        changed
    }

    /// Finds out when open breakers may close, also those that opened before this worker knew their server, and lets
    /// other workers have connections that idle here where they are limited. Call where tasks can be spawned.
    pub fn watch_over(&self, deadlines: &Rc<Deadlines>) {
        let shared = |member: &Member| member.cap.clone().filter(|_| self.protocol == Protocol::Http1);
        let members = self.members();
        members.list.iter().for_each(|member| member.pool.give_under(shared(member).as_ref()));
        let open = members.list.iter().filter(|member| member.pool.condition.is_open());
        open.for_each(|member| self.watch(&member.pool, deadlines));
    }

    pub(super) fn watch(&self, pool: &Rc<ServerPool>, deadlines: &Rc<Deadlines>) {
        breaker::watch(pool, deadlines, self.options, self.breaker.probe);
    }

    /// The servers this worker checks, and how; those of others, and all where nothing is checked, are left alone.
    ///
    /// - `mine`: whether it is this worker that checks the server at an index.
    pub fn checks(&self, mine: impl Fn(usize) -> bool) -> Vec<(String, Rc<ServerPool>, Plan)> {
        let members = self.members();
        let Some(health) = &self.health else {
            members.list.iter().for_each(|member| member.pool.condition.forget_checks());
            return Vec::new();
        };
        let plan =
            || Plan { health: health.clone(), protocol: self.protocol, write: self.options.write, limits: self.limits };
        let checked = members.list.iter().enumerate().filter(|(index, _)| mine(*index));
        checked.map(|(_, member)| (self.name.clone(), Rc::clone(&member.pool), plan())).collect()
    }

    /// Closes connections that were idle too long, and lets servers in whose ejection is over.
    pub fn sweep(&self, now: u64) {
        self.release();
        for member in &self.members().list {
            member.pool.sweep(now, now.saturating_sub(self.pool_idle_ms));
        }
    }

    /// The server of the next try; none where none may get requests.
    ///
    /// - `tried`: those that [failed](is_tried) this request already are avoided while others are left.
    pub(super) fn pick(&self, members: &Members, key: Option<u64>, tried: u64) -> Option<usize> {
        let (list, balancer) = (&members.list, &members.balancer);
        let (count, again) = (list.len(), tried != 0);
        let load = |i: usize| members.load(i);
        if self.is_panic(members) {
            let usable = |i: usize| list[i].pool.condition.is_at_worst_ejected();
            return balancer.pick(count, key, again, usable, load);
        }
        let available = |i: usize| list[i].pool.condition.is_available();
        if self.queue_wait.is_some() {
            // Where connections are limited, a server that has one to spare comes first.
            let free = |i: usize| list[i].cap.as_ref().is_none_or(|cap| cap.is_free());
            let spare = |i: usize| available(i) && free(i) && !is_tried(tried, i);
            if let Some(spare) = balancer.pick(count, key, again, spare, load) {
                return Some(spare);
            }
        }
        let fresh = |i: usize| available(i) && !is_tried(tried, i);
        let picked = balancer.pick(count, key, again, fresh, load);
        if picked.is_some() || !again { picked } else { balancer.pick(count, key, true, available, load) }
    }

    /// Whether so few servers are available that ejections are ignored.
    fn is_panic(&self, members: &Members) -> bool {
        let Some(rules) = &self.ejection else { return false };
        if self.roster.ejected.load(Relaxed) == 0 {
            return false;
        }
        self.release();
        outlier::is_panic(rules, members.available(), members.list.len())
    }

    /// Lets servers in whose ejection is over; all, where nothing is ejected any more.
    fn release(&self) {
        if self.roster.ejected.load(Relaxed) != 0 {
            let members = self.members();
            let conditions = members.list.iter().map(|member| &member.pool.condition);
            match self.ejection {
                Some(_) => conditions.for_each(|condition| outlier::release(&self.roster, condition)),
                None => conditions.for_each(|condition| outlier::let_in(&self.roster, condition)),
            }
        }
    }

    /// Counts how a server did, where that can eject it.
    pub(super) fn judge(&self, members: &Members, member: &Member, well: bool) {
        let Some(rules) = &self.ejection else { return };
        let condition = &member.pool.condition;
        if well {
            condition.succeeded();
        } else if outlier::failed(rules, &self.roster, condition, members.list.len()) {
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
