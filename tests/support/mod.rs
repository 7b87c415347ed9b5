//! What the whole-gateway tests stand on: the program as a child process, scripted upstreams, a raw client.
//!
//! Nothing here knows the program's code. It speaks to it as an operator and a caller do: a file, arguments, signals,
//! bytes on sockets.

pub(crate) mod client;
pub(crate) mod duel;
pub(crate) mod faulty;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod load;
pub(crate) mod long;
pub(crate) mod metrics;
pub(crate) mod tls;
pub(crate) mod tls_upstream;
pub(crate) mod tools;
pub(crate) mod upstream;
pub(crate) mod wire;

pub(crate) use client::Client;
pub(crate) use frames::Frames;
pub(crate) use gateway::{Gateway, vergate};
pub(crate) use http::Response;
pub(crate) use upstream::{Answer, Gate, Then, Upstream};

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// The four usual sources in the usual order, for configurations that need all of them.
pub(crate) const SOURCES: &str = r"
versioning:
  resolve:
    - header: X-API-Version
    - path: '^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)'
    - query: version
    - accept: 'application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json'
";

/// One version 1.0 of one API that owns every path, on the upstream `main` at `url`.
pub(crate) fn plain(url: &str) -> String {
    format!(
        "upstreams: {{main: {{servers: [{url}]}}}}\n\
         versioning: {{resolve: [{{header: X-API-Version}}]}}\n\
         apis: {{shop: {{path: /, endpoints: [GET /items, 'GET /items/{{id}}', POST /items], versions: {{\"1.0\": {{upstream: main}}}}}}}}\n"
    )
}

/// Replaces `<name>` in `text`: yaml is full of braces, which `format!` would want doubled.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// Polls `probe` until it yields something. Panics with `what` after half a minute.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "did not happen within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A directory of its own for one test, removed at the end.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("vergate-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A day `days` from now (negative: ago), written as the configuration wants it: `2027-06-01`.
pub(crate) fn day(days: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    at.strftime("%Y-%m-%d").to_string()
}
