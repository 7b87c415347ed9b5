//! Sends one request to an upstream: picks a server, reuses or opens a connection, retries where
//! that is safe.

use std::{cell::Cell, net::IpAddr, rc::Rc, time::Instant};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    body::{UpstreamBody, UpstreamRequest},
    cap::{Full, Place},
    connect::{ConnectError, ConnectOptions},
    error::UpstreamError,
    group::Group,
    hash, http1,
    http2::{self, Multiplexed},
    lease::{Active, Lease},
    members::Member,
    patience::Patience,
    pump::Pump,
    retry::{self, Progress},
    server::{Connection, ServerPool},
    wire::response::Head,
};
use crate::{
    config::checked::Limits,
    domain::upstream::{Protocol, Queue},
    pipeline::{
        deadline::Deadlines,
        rare::rare,
        timings::{self, Waits},
    },
    telemetry::spans::Trace,
};

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
pub enum Arrival {
    /// On a connection of its own, together with what is left of the request where the server answered before it
    /// had all of it. The head says where it ends.
    Http1(Lease, Option<Box<Pump>>),
    /// On a stream of a shared connection.
    Http2(Box<http2::answer::Stream>),
    /// Not at all: its stream is the tunnel that was asked for.
    Tunnel(Box<http2::tunnel::Tunnel>),
}

/// What carries a request.
enum Carrier {
    Http1(Box<Connection>),
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
    /// Whether it asks for a WebSocket, which servers of HTTP/2 have to be asked for in their own way.
    pub websocket: bool,
    /// Whether the request names no host: each server is asked by its own.
    pub hostless: bool,
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
    /// Sends `request`; a body that is streamed is taken out of it.
    ///
    /// Errors name the server and whose fault it was.
    pub async fn send(&self, request: &mut UpstreamRequest, terms: &Terms<'_>) -> Result<Answer, UpstreamError> {
        self.budget.request(terms.deadlines.now());
        let streamed = matches!(request.body, UpstreamBody::Stream(_));
        let mut tried = 0u64;
        let mut retries = 0;
        let mut fresh = false;
        let unavailable = || UpstreamError::Unavailable { upstream: self.name.clone() };
        let hash = self.hash.as_ref();
        let key = hash.and_then(|by| hash::of_request(by, &request.head.headers, terms.client));
        let members = self.members();
        let mut index = self.pick(&members, key, tried).ok_or_else(unavailable)?;
        loop {
            let member = &members.list[index];
            let place = self.enter(member, terms).await?;
            terms.trace.try_begins(&member.pool.name);
            let short = terms.patience.is_short(self.options.connect);
            let error = match self.connection(member, fresh, terms).await {
                Err(source) => {
                    if !(short && matches!(source, ConnectError::TimedOut(_))) {
                        self.judge(&members, member, false);
                    }
                    UpstreamError::Connect { server: member.pool.name.clone(), source }
                }
                Ok(connection) => {
                    let reused = connection.is_reused();
                    match self.exchange(&member.pool, (connection, place), request, terms).await {
                        Ok(answer) => {
                            terms.trace.try_ends(Ok(answer.head.status.as_u16()));
                            self.judge(&members, member, answer.head.status.as_u16() < 500);
                            return Ok(answer);
                        }
                        // Nothing went out on a connection the server had closed: not even a try.
                        Err(Failure::NotSent(_)) if reused => {
                            index = self.pick(&members, key, tried).ok_or_else(unavailable)?;
                            continue;
                        }
                        Err(Failure::NotSent(error) | Failure::Refused(error)) => {
                            self.judge(&members, member, false);
                            error
                        }
                        Err(Failure::Lost(error)) => {
                            self.judge(&members, member, false);
                            let progress = if reused { Progress::LostOnReused } else { Progress::LostOnFresh };
                            // A streamed body is gone with the connection.
                            if !retry::allowed(progress, &request.head.method, !streamed) {
                                return Err(error);
                            }
                            // What closed this one may have closed all that idled with it.
                            fresh |= reused;
                            error
                        }
                        Err(Failure::Begun(error)) => {
                            let excused = match error {
                                UpstreamError::Upload(_) => true,
                                UpstreamError::Timeout { .. } => terms.patience.excuses(),
                                _ => false,
                            };
                            if !excused {
                                self.judge(&members, member, false);
                            }
                            return Err(error);
                        }
                    }
                }
            };
            terms.trace.try_ends(Err(error.code().as_str()));
            tried |= 1 << index.min(63);
            // Nothing has left yet, and a name is there if one of its addresses is.
            let elsewhere = || members.sibling(index, tried);
            if let Some(sibling) = error.is_no_connection().then(elsewhere).flatten() {
                index = sibling;
                continue;
            }
            match self.pick(&members, key, tried).filter(|_| self.may_retry(&mut retries, terms.deadlines)) {
                Some(next) => index = next,
                None => return Err(error),
            }
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
                rare(|| cap.enter(queue)).await
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
        let connect = self.options.connect.min(terms.patience.left());
        let options = ConnectOptions { connect, ..self.options };
        let began = Instant::now();
        let connected = rare(|| self.connect(member, deadlines, options)).await;
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
        let connection = pool.multiplexer.connection(deadlines.now(), options.connect, self.bound.share, open).await;
        connection.map(Carrier::Http2)
    }

    /// One try on one connection.
    async fn exchange(
        &self,
        pool: &Rc<ServerPool>,
        (carrier, place): (Carrier, Option<Place>),
        request: &mut UpstreamRequest,
        terms: &Terms<'_>,
    ) -> Result<Answer, Failure> {
        // HTTP/1.1 has to name one (RFC 9112 section 3.2). It takes the place of what an earlier try was sent with.
        if terms.hostless
            && let Ok(own) = HeaderValue::try_from(pool.server.authority())
        {
            request.head.headers.insert(header::HOST, own);
        }
        let rules = Rules { limits: &self.limits, trailers: &self.request_trailers, write: self.options.write };
        match carrier {
            Carrier::Http1(connection) => http1::send(pool, (connection, place), request, (terms, rules)).await,
            Carrier::Http2(connection) => {
                let (server, active) = ((&pool.server, &*pool.name), (Active::new(pool), place));
                rare(|| http2::exchange::send(connection, server, active, request, (terms, rules))).await
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
