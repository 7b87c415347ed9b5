//! Steady traffic during which something else happens.

use super::Client;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

/// Callers that keep asking on reused connections until they are stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// `callers` threads sending `head` (complete, with its empty line) again and again.
    pub(crate) fn start(to: SocketAddr, callers: usize, head: String) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = (0..callers)
            .map(|_| {
                let (stop, done, head) = (stop.clone(), done.clone(), head.clone());
                std::thread::spawn(move || call(to, &head, &stop, &done))
            })
            .collect();
        Self { stop, done, callers }
    }

    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until `n` more answers have come.
    #[track_caller]
    pub(crate) fn more(&self, n: usize) {
        let target = self.done() + n;
        super::eventually("the load goes on", || (self.done() >= target).then_some(()));
    }

    /// Ends the load; every request that was not answered with 200.
    pub(crate) fn failures(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.into_iter().flat_map(|c| c.join().unwrap()).collect()
    }
}

/// A well-behaved client: it opens a new connection when the gateway says close, and never retries.
fn call(to: SocketAddr, head: &str, stop: &AtomicBool, done: &AtomicUsize) -> Vec<String> {
    let mut failures = Vec::new();
    let mut client = Client::connect(to);
    while !stop.load(Ordering::Relaxed) {
        let answer = client.try_write(head).and_then(|()| client.try_read(false));
        let reopen = match answer {
            Ok(Some(answer)) => {
                if answer.status != 200 {
                    failures.push(format!("{} {}", answer.status, answer.text()));
                }
                answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))
            }
            Ok(None) => {
                failures.push("closed without an answer".to_owned());
                true
            }
            Err(e) => {
                failures.push(e.to_string());
                true
            }
        };
        done.fetch_add(1, Ordering::Relaxed);
        if reopen {
            client = Client::connect(to);
        }
    }
    failures
}
