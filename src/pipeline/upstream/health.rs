//! Asks servers every now and then whether they are well (active health).
//!
//! Each server is checked by one worker, on connections of its own; the verdict stands in the server's
//! [`Condition`](super::condition::Condition), where all workers see it.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::IoSlice,
    rc::Rc,
    time::{Duration, Instant},
};

use http::Method;
use tokio::task::JoinHandle;

use super::{
    condition::Check,
    connect::{ConnectError, ConnectOptions},
    http2::Multiplexed,
    jitter::jittered,
    server::{Connection, ServerPool},
    wire::response::{self, Head, Malformed},
};
use crate::{
    clock,
    config::checked::Limits,
    domain::upstream::{Health, Protocol},
    pipeline::deadline::Deadlines,
};

/// The checks one worker runs.
#[derive(Debug, Default)]
pub struct Checks(RefCell<HashMap<(String, String), Running>>);

/// How a server is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is asked, how often, and what is a success.
    pub health: Health,
    /// What is spoken where a path is asked for.
    pub protocol: Protocol,
    /// How long a write may make no progress.
    pub write: Duration,
    /// Of the answer's head.
    pub limits: Limits,
}

/// A check that goes on until dropped.
#[derive(Debug)]
struct Running {
    plan: Plan,
    pool: Rc<ServerPool>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// Checks exactly these servers from now on: upstream, pool and plan. What goes on unchanged is not begun anew.
    pub fn replace(&self, wanted: impl Iterator<Item = (String, Rc<ServerPool>, Plan)>, deadlines: &Rc<Deadlines>) {
        let mut before = self.0.take();
        let mut running = HashMap::new();
        for (upstream, pool, plan) in wanted {
            let key = (upstream, pool.name.clone());
            let same = |running: &Running| running.plan == plan && Rc::ptr_eq(&running.pool, &pool);
            let kept = before.remove(&key).filter(same);
            let check = kept.unwrap_or_else(|| Running::begin(&key.0, pool, plan, deadlines));
            running.insert(key, check);
        }
        self.0.replace(running);
    }
}

impl Running {
    fn begin(upstream: &str, pool: Rc<ServerPool>, plan: Plan, deadlines: &Rc<Deadlines>) -> Self {
        let run = run(upstream.to_owned(), Rc::clone(&pool), plan.clone(), Rc::clone(deadlines));
        Self { plan, pool, task: tokio::task::spawn_local(run) }
    }
}

/// Longest wait for the first check: until then a server counts as well.
const FIRST_MAX: Duration = Duration::from_millis(200);

async fn run(upstream: String, pool: Rc<ServerPool>, plan: Plan, deadlines: Rc<Deadlines>) {
    // Servers of the same file are not asked at the same moment.
    tokio::time::sleep(plan.health.interval.min(FIRST_MAX).mul_f64(fastrand::f64())).await;
    let condition = &pool.condition;
    let known = condition.last_check().map(|_| !condition.is_unhealthy());
    let mut streak = Streak { healthy: known, against: 0 };
    loop {
        let began = Instant::now();
        let checked = tokio::time::timeout(plan.health.timeout, check(&pool, &plan, &deadlines)).await;
        let outcome = checked.unwrap_or(Err(CheckError::TimedOut(plan.health.timeout)));
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let error = outcome.err().map(|error| error.to_string());
        if let Some(healthy) = streak.next(error.is_none(), &plan.health)
            && condition.checked(healthy)
        {
            let (server, why) = (&pool.name, error.as_deref().unwrap_or_default());
            match healthy {
                true => tracing::info!(upstream, server, "server is healthy"),
                false => tracing::warn!(upstream, server, why, "server is unhealthy"),
            }
        }
        condition.note(Check { at: clock::now(), error, millis });
        tokio::time::sleep(jittered(plan.health.interval)).await;
    }
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("{}", with_cause(.0))]
    Connect(ConnectError),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
    #[error("the connection was closed before an answer")]
    Closed,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("status {0}")]
    Status(u16),
}

/// `cannot connect: Connection refused`.
fn with_cause(error: &ConnectError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

async fn check(pool: &ServerPool, plan: &Plan, deadlines: &Rc<Deadlines>) -> Result<(), CheckError> {
    let options = ConnectOptions { connect: plan.health.timeout, write: plan.write };
    let status = match &plan.health.path {
        None => {
            pool.connect(deadlines, options).await.map_err(CheckError::Connect)?;
            pool.condition.connected();
            return Ok(());
        }
        Some(path) if plan.protocol == Protocol::Http1 => ask(pool, plan, deadlines, options, path).await?,
        Some(path) => {
            let (io, open) = pool.open(deadlines, options).await.map_err(CheckError::Connect)?;
            let connection = Multiplexed::begin(io, open, options, plan.limits.response_header_bytes).await;
            let connection = connection.map_err(CheckError::Connect)?;
            pool.condition.connected();
            connection.ask(&pool.server, path).await.map_err(std::io::Error::other)?
        }
    };
    let expected = plan.health.expected.iter().any(|(first, last)| (*first..=*last).contains(&status));
    if expected { Ok(()) } else { Err(CheckError::Status(status)) }
}

/// Asks over HTTP/1.1; the status of the answer.
async fn ask(
    pool: &ServerPool,
    plan: &Plan,
    deadlines: &Rc<Deadlines>,
    options: ConnectOptions,
    path: &str,
) -> Result<u16, CheckError> {
    let mut connection = pool.connect(deadlines, options).await.map_err(CheckError::Connect)?;
    // What a check may do, a request may do.
    pool.condition.connected();
    write(&mut connection, head(path, &pool.server).as_bytes()).await?;
    let status = read(&mut connection, &plan.limits).await?.status.as_u16();
    // Closed under its hands, a server would complain with every check.
    let _ = tokio::time::timeout(LINGER, rest(&mut connection)).await;
    Ok(status)
}

fn head(path: &str, server: &crate::domain::upstream::Server) -> String {
    let label = server.label();
    let host = if server.port == 80 { label.strip_suffix(":80").unwrap_or(&label) } else { &label };
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: vergate-health\r\nconnection: close\r\n\r\n")
}

async fn write(connection: &mut Connection, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::future::poll_fn(|cx| connection.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Read at once while a head is waited for.
const ROOM_BYTES: usize = 4 * 1024;

/// The head of the answer; interim ones are passed over.
async fn read(connection: &mut Connection, limits: &Limits) -> Result<Head, CheckError> {
    loop {
        while let Some(head) = response::take(&mut connection.buffer, &Method::GET, limits)? {
            if !head.status.is_informational() {
                return Ok(head);
            }
        }
        if std::future::poll_fn(|cx| connection.poll_fill(cx, ROOM_BYTES)).await? == 0 {
            return Err(CheckError::Closed);
        }
    }
}

/// How long the rest of an answer is waited for, and how much of it is read.
const LINGER: Duration = Duration::from_millis(100);
const REST_BYTES_MAX: usize = 64 * 1024;

/// Reads on until the server closes.
async fn rest(connection: &mut Connection) -> std::io::Result<()> {
    let mut read = 0;
    while read < REST_BYTES_MAX {
        connection.buffer.clear();
        match std::future::poll_fn(|cx| connection.poll_fill(cx, ROOM_BYTES)).await? {
            0 => break,
            more => read += more,
        }
    }
    Ok(())
}

/// Outcomes in a row.
#[derive(Debug)]
struct Streak {
    /// The verdict so far; none before the first check.
    healthy: Option<bool>,
    /// Outcomes in a row that speak against it.
    against: u32,
}

impl Streak {
    /// The verdict, where an outcome brought a new one.
    fn next(&mut self, success: bool, rules: &Health) -> Option<bool> {
        let needed = match self.healthy {
            None => 1,
            Some(healthy) if healthy == success => {
                self.against = 0;
                return None;
            }
            Some(true) => rules.unhealthy_after,
            Some(false) => rules.healthy_after,
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        *self = Self { healthy: Some(success), against: 0 };
        self.healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream::Server;

    fn rules() -> Health {
        Health {
            path: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy_after: 2,
            unhealthy_after: 3,
            expected: vec![(200, 399)],
        }
    }

    /// One letter per outcome (`+`, `-`), one per verdict: `h`ealthy, `u`nhealthy, `.` nothing new.
    fn verdicts(outcomes: &str) -> String {
        let mut streak = Streak { healthy: None, against: 0 };
        let verdict = |outcome: char| match streak.next(outcome == '+', &rules()) {
            None => '.',
            Some(true) => 'h',
            Some(false) => 'u',
        };
        outcomes.chars().map(verdict).collect()
    }

    #[test]
    fn the_first_check_decides_and_then_rows_do() {
        for (outcomes, expected) in [
            ("+", "h"),
            ("-", "u"),
            ("+---", "h..u"),
            ("+--+--+---", "h........u"),
            ("-+-++", "u...h"),
            ("---+++", "u...h."),
            ("+---++---", "h..u.h..u"),
        ] {
            assert_eq!(verdicts(outcomes), expected, "{outcomes}");
        }
    }

    #[test]
    fn a_check_asks_for_its_path_and_closes() {
        let server = |host: &str, port| Server {
            host: host.into(),
            port,
            base_path: "/base".into(),
            weight: 1,
            tls: None,
            link_local: false,
        };
        assert_eq!(
            head("/up", &server("::1", 81)),
            "GET /up HTTP/1.1\r\nhost: [::1]:81\r\nuser-agent: vergate-health\r\nconnection: close\r\n\r\n"
        );
        assert!(head("/", &server("svc", 80)).contains("host: svc\r\n"));
    }
}
