//! Runs that are short in CI and as long as their caller likes elsewhere.

use std::{
    fmt::Debug,
    str::FromStr,
    time::{Duration, Instant},
};

/// The value of an environment variable; one that cannot be read fails loudly.
pub(crate) fn setting<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e:?}")))
}

/// How long a run is: `{name}` in minutes, or `otherwise`.
pub(crate) fn length(name: &str, otherwise: Duration) -> Duration {
    setting::<f64>(name).map_or(otherwise, |minutes| Duration::from_secs_f64(minutes * 60.0))
}

/// The end of a run that began now, and when to say something in between.
pub(crate) struct Run {
    started: Instant,
    length: Duration,
    said: Duration,
}

impl Run {
    pub(crate) fn of(length: Duration) -> Self {
        Self { started: Instant::now(), length, said: Duration::ZERO }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.started.elapsed() >= self.length
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Whether a twentieth of the run has passed since this was last true.
    pub(crate) fn is_due(&mut self) -> bool {
        let now = self.started.elapsed();
        let due = now >= self.said + self.length / 20;
        if due {
            self.said = now;
        }
        due
    }
}
