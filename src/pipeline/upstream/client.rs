//! Sends one request to an upstream: picks a server, reuses or opens a connection, retries where
//! that is safe.

use std::{io, rc::Rc, task::Poll};

use http::{HeaderMap, Method, Request, Response, Uri, header, uri::PathAndQuery};
use hyper::body::Incoming;

use super::{
    balance::{Balancer, Load},
    body::{UploadFailure, UploadState, UpstreamBody},
    patience::Patience,
    retry::{self, Budget, Progress},
    server::{ConnectError, ConnectOptions, Connection, ServerPool},
};
use crate::{
    domain::upstream::Upstream,
    pipeline::deadline::Deadlines,
    problem::Code,
    telemetry::{Counter, Gauge},
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
    budget: Budget,
    attempts: u32,
    options: ConnectOptions,
    /// An idle connection older than this is not used, in milliseconds.
    pool_idle_ms: u64,
    retries: Counter,
}

/// A server, its share, and the gauge that says whether it could be reached last.
#[derive(Debug)]
pub struct Member {
    /// Its connections.
    pub pool: Rc<ServerPool>,
    /// 1 after a connection stood, 0 after one failed.
    pub healthy: Gauge,
}

/// An answer whose body may still be arriving.
#[derive(Debug)]
pub struct Answer {
    /// Head and body.
    pub response: Response<Incoming>,
    /// The connection it arrives on.
    pub lease: Lease,
}

/// Why no answer arrived.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Nothing was sent.
    #[error("{server}: cannot connect")]
    Connect {
        /// `host:port`.
        server: String,
        /// Why.
        source: ConnectError,
    },
    /// The connection ended before the answer began.
    #[error("{server}: the connection was closed before the answer began")]
    Reset {
        /// `host:port`.
        server: String,
        /// Why, as the protocol saw it.
        source: hyper::Error,
    },
    /// The answer is no HTTP, or a switch of protocols nobody asked for.
    #[error("{server}: the answer is not valid HTTP")]
    Invalid {
        /// `host:port`.
        server: String,
        /// Where the parser gave up.
        source: Option<hyper::Error>,
    },
    /// No answer in time.
    #[error("{server}: no answer in time")]
    Timeout {
        /// `host:port`.
        server: String,
    },
    /// The client's body did not arrive whole; the upstream is not to blame.
    #[error("the request body did not arrive whole")]
    Upload(UploadFailure),
}

impl UpstreamError {
    /// The code it is answered with.
    pub fn code(&self) -> Code {
        match self {
            Self::Connect { source: ConnectError::Failed(_), .. } => Code::UpstreamUnreachable,
            Self::Connect { source: ConnectError::TimedOut(_), .. } | Self::Timeout { .. } => Code::UpstreamTimeout,
            Self::Reset { .. } => Code::UpstreamReset,
            Self::Invalid { .. } => Code::UpstreamInvalidResponse,
            Self::Upload(UploadFailure::TooLarge) => Code::BodyTooLarge,
            Self::Upload(UploadFailure::Stalled) => Code::RequestTimeout,
            Self::Upload(UploadFailure::Broken) => Code::RequestInvalid,
        }
    }
}

/// What one exchange brings to [`Group::send`].
#[derive(Debug)]
pub struct Terms<'a> {
    /// The worker's deadlines.
    pub deadlines: &'a Rc<Deadlines>,
    /// How long this exchange may take.
    pub patience: &'a Patience,
    /// What is known of the body's way up, where it streams.
    pub upload: Option<&'a UploadState>,
    /// Whether the request asks to switch protocols.
    pub upgrade: bool,
}

impl Group {
    /// `servers`: in the upstream's order.
    pub fn new(
        upstream: &Upstream,
        servers: Vec<Member>,
        write: std::time::Duration,
        header_bytes: usize,
        retries: Counter,
    ) -> Self {
        let timeouts = upstream.timeouts;
        Self {
            name: upstream.name.clone(),
            response: timeouts.response,
            servers,
            balancer: Balancer::new(upstream.balance),
            budget: Budget::new(upstream.retry_budget_percent),
            attempts: upstream.retry_attempts,
            options: ConnectOptions { connect: timeouts.connect, write, header_bytes },
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
        let mut tried = 0u64;
        let mut retries = 0;
        loop {
            let index = self.pick(tried);
            let member = &self.servers[index];
            let connection = match self.connection(member, terms.deadlines).await {
                Ok(connection) => connection,
                Err(source) => {
                    tried |= 1 << index.min(63);
                    if self.may_retry(&mut retries) {
                        continue;
                    }
                    return Err(UpstreamError::Connect { server: member.pool.name.clone(), source });
                }
            };
            let reused = connection.reused;
            let spare = self.spare(&request, retries);
            match exchange(&member.pool, connection, request, &terms).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::NotSent(unsent)) if reused || self.may_retry(&mut retries) => request = unsent,
                Err(Failure::NotSent(_)) => return Err(UpstreamError::Timeout { server: member.pool.name.clone() }),
                Err(Failure::Lost(error @ UpstreamError::Reset { .. })) => {
                    let progress = if reused { Progress::LostOnReused } else { Progress::LostOnFresh };
                    match spare {
                        Some(again)
                            if retry::allowed(progress, again.method(), true) && self.may_retry(&mut retries) =>
                        {
                            tried |= 1 << index.min(63);
                            request = again;
                        }
                        _ => return Err(error),
                    }
                }
                Err(Failure::Lost(error) | Failure::Begun(error)) => return Err(error),
            }
        }
    }

    /// Closes connections that were idle too long.
    pub fn sweep(&self, now: u64) {
        for member in &self.servers {
            member.pool.sweep(now.saturating_sub(self.pool_idle_ms));
        }
    }

    fn pick(&self, tried: u64) -> usize {
        let load = |i: usize| {
            let pool = &self.servers[i].pool;
            Load { active: pool.active.get(), weight: pool.server.weight }
        };
        self.balancer.pick(self.servers.len(), tried, load)
    }

    async fn connection(&self, member: &Member, deadlines: &Rc<Deadlines>) -> Result<Connection, ConnectError> {
        if let Some(idle) = member.pool.checkout(deadlines.now().saturating_sub(self.pool_idle_ms)) {
            return Ok(idle);
        }
        // Boxed: connecting is rare, and its state would weigh on every exchange.
        let connected = Box::pin(member.pool.connect(deadlines, self.options)).await;
        member.healthy.set(i64::from(connected.is_ok()));
        connected
    }

    /// Takes one of the request's retries, if any is left.
    fn may_retry(&self, retries: &mut u32) -> bool {
        let may = *retries < self.attempts && self.budget.take();
        if may {
            *retries += 1;
            self.retries.inc();
        }
        may
    }

    /// A copy of a request that could be sent again, should the connection die.
    fn spare(&self, request: &Request<UpstreamBody>, retries: u32) -> Option<Box<Request<UpstreamBody>>> {
        let worth = retries < self.attempts
            && matches!(request.body(), UpstreamBody::Empty)
            && retry::is_idempotent(request.method());
        worth.then(|| copy(request.method(), request.uri(), request.headers()))
    }
}

fn copy(method: &Method, uri: &Uri, headers: &HeaderMap) -> Box<Request<UpstreamBody>> {
    let mut request = Box::new(Request::new(UpstreamBody::Empty));
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers.clone();
    request
}

enum Failure {
    /// Not a byte was written; the request comes back.
    NotSent(Box<Request<UpstreamBody>>),
    /// It may have been received, but nothing came back.
    Lost(UpstreamError),
    /// The answer had begun, or it is not the connection's fault: never tried again.
    Begun(UpstreamError),
}

/// One try on one connection.
async fn exchange(
    pool: &Rc<ServerPool>,
    mut connection: Connection,
    mut request: Box<Request<UpstreamBody>>,
    terms: &Terms<'_>,
) -> Result<Answer, Failure> {
    let original = add_base_path(&mut request, &pool.server.base_path);
    match request.body() {
        UpstreamBody::Empty | UpstreamBody::Full(_) => terms.patience.sent(),
        UpstreamBody::Stream(_) => terms.patience.sending(),
    }
    let active = Active::new(pool);
    connection.heard.set(false);
    let sending = connection.sender.try_send_request(*request);
    let mut sending = std::pin::pin!(sending);
    let outcome = std::future::poll_fn(|cx| match sending.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if terms.patience.expired(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    let server = || pool.name.clone();
    match outcome {
        None => Err(Failure::Begun(UpstreamError::Timeout { server: server() })),
        Some(Ok(response)) => {
            let status = response.status().as_u16();
            // A switch nobody asked for, a status no client knows, a coding nobody would undo (RELIABILITY
            // risk 11, RFC 9112 section 6.1).
            if status > 599 || (status == 101 && !terms.upgrade) || is_coded(response.headers()) {
                return Err(Failure::Begun(UpstreamError::Invalid { server: server(), source: None }));
            }
            Ok(Answer { response, lease: Lease { active, connection } })
        }
        Some(Err(mut error)) => {
            if let Some(mut unsent) = error.take_message() {
                if let Some(uri) = original {
                    *unsent.uri_mut() = uri;
                }
                return Err(Failure::NotSent(Box::new(unsent)));
            }
            let error = classify(error.into_error(), server(), terms.upload);
            Err(if connection.heard.get() { Failure::Begun(error) } else { Failure::Lost(error) })
        }
    }
}

/// Whether the body has a transfer coding other than `chunked`, which is undone already.
fn is_coded(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => false,
        (Some(coding), None) => !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => true,
    }
}

fn classify(error: hyper::Error, server: String, upload: Option<&UploadState>) -> UpstreamError {
    if let Some(failure) = upload.and_then(UploadState::failure) {
        return UpstreamError::Upload(failure);
    }
    if error.is_parse() {
        return UpstreamError::Invalid { server, source: Some(error) };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if current.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
            return UpstreamError::Timeout { server };
        }
        cause = current.source();
    }
    UpstreamError::Reset { server, source: error }
}

/// Puts the server's base path before the request's; returns the URI as it was, if it changed.
fn add_base_path(request: &mut Request<UpstreamBody>, base: &str) -> Option<Uri> {
    if base.is_empty() {
        return None;
    }
    let joined = match request.uri().path_and_query() {
        Some(tail) => format!("{base}{tail}"),
        None => base.to_owned(),
    };
    // Both halves are valid targets, so their concatenation is.
    let uri = PathAndQuery::try_from(joined).map(Uri::from).ok()?;
    Some(std::mem::replace(request.uri_mut(), uri))
}

/// Counts a request as under way on its server.
#[derive(Debug)]
struct Active(Rc<ServerPool>);

impl Active {
    fn new(pool: &Rc<ServerPool>) -> Self {
        pool.active.set(pool.active.get() + 1);
        Self(Rc::clone(pool))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

/// The connection an answer arrives on; closed when dropped, unless it is [returned](Lease::finish).
#[derive(Debug)]
pub struct Lease {
    active: Active,
    connection: Connection,
}

impl Lease {
    /// The answer was read to its end: the connection may carry the next request.
    pub fn finish(self, deadlines: &Deadlines) {
        let Self { active, connection } = self;
        active.0.checkin(connection, deadlines.now());
    }

    /// `host:port` of the server.
    pub fn server(&self) -> &str {
        &self.active.0.name
    }

    /// Waits for the socket after a switch of protocols; none if the connection broke.
    pub async fn switched(self) -> Option<(super::io::UpstreamIo, bytes::Bytes)> {
        let Self { active: _active, connection } = self;
        // The sender stays alive until the socket is handed over: dropping it would close the connection.
        let Connection { sender, switched, .. } = connection;
        let socket = switched.await.ok();
        drop(sender);
        socket
    }
}
