//! The only place that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::UtcTime;

/// The current UTC second.
pub fn now() -> UtcTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The current time in milliseconds since 1970, for log lines.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
