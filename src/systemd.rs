//! What a service manager is told, and what it hands over (`sd_notify(3)`, `sd_listen_fds(3)`).
//!
//! Without one, every call does nothing.

use std::{
    io,
    net::TcpListener,
    time::{Duration, Instant},
};

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Where the gateway stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'a> {
    /// Requests are served; again after every reload. What is said shows in `systemctl status`.
    Ready(&'a str),
    /// As the first, of a process that has taken the place of the one the manager knows.
    TookOver(&'a str),
    /// The configuration is being read again.
    Reloading,
    /// No new requests are taken; the end comes within this time.
    Stopping(Duration),
}

/// Tells the manager, if there is one.
pub fn tell(stage: Stage<'_>) {
    let told = match stage {
        Stage::Ready(what) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(what)]),
        Stage::TookOver(what) => {
            let own = NotifyState::MainPid(std::process::id());
            sd_notify::notify(&[own, NotifyState::Ready, NotifyState::Status(what)])
        }
        // `Type=notify-reload` takes a reload for finished unless the stamp says which one is meant.
        Stage::Reloading => {
            NotifyState::monotonic_usec_now().and_then(|stamp| sd_notify::notify(&[NotifyState::Reloading, stamp]))
        }
        Stage::Stopping(within) => {
            // Whatever `TimeoutStopSec` says, the drain the configuration asks for is waited for.
            let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
            let extend = NotifyState::ExtendTimeoutUsec(micros);
            sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("draining"), extend])
        }
    };
    if let Err(error) = told {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

/// Pats the manager's watchdog for as long as all workers move.
#[derive(Debug)]
pub struct Watchdog {
    period: Duration,
    /// What each worker had counted, and since when.
    workers: Vec<(u64, Instant)>,
}

/// Workers count once a second; a watchdog stricter than this could not tell a stall from a pause.
const PERIOD_MIN: Duration = Duration::from_secs(3);

impl Watchdog {
    /// The one that was asked for (`WatchdogSec=`), if any.
    pub fn from_env() -> Option<Self> {
        sd_notify::watchdog_enabled().map(|period| Self { period, workers: Vec::new() })
    }

    /// How often to look.
    pub fn interval(&self) -> Duration {
        (self.period / 2).max(Duration::from_millis(10))
    }

    /// Pats if every worker has counted on within the period.
    ///
    /// - `beats`: what each worker has counted so far.
    pub fn look(&mut self, beats: &[u64], now: Instant) {
        if self.all_move(beats, now) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("a worker is stuck, the watchdog is left to bite");
        }
    }

    fn all_move(&mut self, beats: &[u64], now: Instant) -> bool {
        self.workers.resize(beats.len(), (u64::MAX, now));
        for (seen, beats) in self.workers.iter_mut().zip(beats) {
            if seen.0 != *beats {
                *seen = (*beats, now);
            }
        }
        let patience = self.period.max(PERIOD_MIN);
        self.workers.iter().all(|(_, since)| now.saturating_duration_since(*since) < patience)
    }
}

/// A socket the manager opened for the gateway.
#[derive(Debug)]
pub struct Activated {
    /// `FileDescriptorName=`, where given.
    pub name: String,
    /// Listening already.
    pub socket: TcpListener,
}

/// The sockets the manager opened (`LISTEN_FDS`, for this process by `LISTEN_PID`); call once, before anything else.
pub fn activated() -> io::Result<Vec<Activated>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..passed.len() {
        let name = names.next().unwrap_or_default().to_owned();
        let socket = passed.take_tcp_listener(at).map_err(|error| {
            io::Error::other(format!("socket {at} ({name:?}) of the service manager is no TCP listener: {error}"))
        })?;
        sockets.extend(socket.map(|socket| Activated { name, socket }));
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_bites_when_one_worker_stands_still() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog { period: Duration::from_secs(4), workers: Vec::new() };
        assert_eq!(watchdog.interval(), Duration::from_secs(2));
        assert!(watchdog.all_move(&[0, 0], at(0)));
        assert!(watchdog.all_move(&[2, 0], at(2)));
        assert!(!watchdog.all_move(&[4, 0], at(4)));
        assert!(watchdog.all_move(&[6, 1], at(6)), "it moves again");
    }

    #[test]
    fn a_strict_watchdog_waits_for_a_worker_to_count() {
        let start = Instant::now();
        let mut watchdog = Watchdog { period: Duration::from_millis(500), workers: Vec::new() };
        assert!(watchdog.all_move(&[0], start));
        assert!(watchdog.all_move(&[0], start + Duration::from_secs(2)));
        assert!(!watchdog.all_move(&[0], start + Duration::from_secs(3)));
    }
}
