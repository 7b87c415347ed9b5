//! What the requests of an upstream can be sent to, as one worker knows it just now.

use std::{rc::Rc, sync::Arc};

use super::{
    balance::{Balancer, Load},
    cap::Cap,
    connect::{ConnectError, ConnectOptions},
    http2,
    roster::Roster,
    server::{Connection, ServerPool},
    site::Site,
};
use crate::{
    domain::upstream::{Balance, Protocol, Upstream},
    pipeline::deadline::Deadlines,
};

/// All of them, in the order of the file and of their addresses. Never changed: others take their place.
#[derive(Debug)]
pub(super) struct Members {
    pub list: Vec<Member>,
    pub balancer: Balancer,
    /// How often names had got other addresses when these were.
    pub changes: u64,
}

/// A server and its share.
#[derive(Debug)]
pub(super) struct Member {
    /// Its connections.
    pub pool: Rc<ServerPool>,
    /// Which server of the file it belongs to.
    pub site: usize,
    /// Its share of the requests, relative to its neighbours.
    pub weight: u32,
    /// How many connections it may have, where that is limited.
    pub cap: Option<Arc<Cap>>,
}

/// How connections are limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// Connections each server may have, of all workers together; none means any number.
    max: Option<usize>,
    /// Requests a connection carries at once.
    each: usize,
    /// How many connections of HTTP/2 this worker may have to each server.
    pub share: usize,
}

impl Bound {
    /// - `workers`: how many there are. The file was refused where that leaves one without a connection.
    pub(super) fn new(upstream: &Upstream, workers: usize) -> Self {
        let max = upstream.max_connections;
        let each = if upstream.protocol == Protocol::Http1 { 1 } else { http2::STREAMS_MAX };
        Self { max, each, share: max.map_or(usize::MAX, |max| (max / workers.max(1)).max(1)) }
    }
}

impl Members {
    /// `sites`: with their weights; each address of a name has that of the name.
    pub(super) fn new(sites: &[(Rc<Site>, u32)], roster: &Roster, balance: &Balance, bound: Bound) -> Rc<Self> {
        // Read first: a change on the way is seen next time.
        let changes = roster.changes();
        let mut list = Vec::new();
        for (index, (site, weight)) in sites.iter().enumerate() {
            list.extend(site.pools(roster).into_iter().map(|pool| {
                let cap = pool.condition.cap(bound.max, bound.each);
                Member { pool, site: index, weight: *weight, cap }
            }));
        }
        let named: Vec<_> = list.iter().map(|member| (member.pool.name.clone(), member.weight)).collect();
        Rc::new(Self { balancer: Balancer::new(balance, &named), list, changes })
    }

    /// What the balancer looks at.
    pub(super) fn load(&self, index: usize) -> Load {
        let member = &self.list[index];
        Load { active: member.pool.tally.active.value(), weight: member.weight }
    }

    /// How many are available.
    pub(super) fn available(&self) -> usize {
        self.list.iter().filter(|member| member.pool.condition.is_available()).count()
    }

    /// Another address of the same name, available and not tried yet. `tried`: see [`is_tried`].
    pub(super) fn sibling(&self, index: usize, tried: u64) -> Option<usize> {
        let site = self.list[index].site;
        let fits = |i: &usize| {
            let other = &self.list[*i];
            other.site == site && *i != index && other.pool.condition.is_available() && !is_tried(tried, *i)
        };
        // Beyond those that are remembered there would be no end.
        (0..self.list.len().min(64)).find(fits)
    }
}

/// Whether a request has failed on a member already. Bit i of `tried` stands for member i; those beyond are forgotten.
pub(super) fn is_tried(tried: u64, index: usize) -> bool {
    index < 64 && tried & (1 << index) != 0
}

impl Member {
    /// A connection of HTTP/1.1, once it may be opened.
    pub(super) async fn connect(
        &self,
        deadlines: &Rc<Deadlines>,
        options: ConnectOptions,
    ) -> Result<Box<Connection>, ConnectError> {
        let Some(cap) = &self.cap else { return self.pool.connect(deadlines, options).await };
        let late = |_| ConnectError::TimedOut(options.connect);
        let held = tokio::time::timeout(options.connect, cap.hold()).await.map_err(late)?;
        let mut connection = self.pool.connect(deadlines, options).await?;
        connection.hold(Some(held));
        Ok(connection)
    }
}
