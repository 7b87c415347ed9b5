//! Everything that is not a request: to stderr, through `tracing`.

use std::io;

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use super::access_log::Format;

/// Sends diagnostics of the whole process to stderr; the access log does not pass through here.
///
/// - `format`: JSON with the fields on top level, or text.
/// - `filter`: directives such as `info` or `vergate=debug,hyper=warn`; `info` where it is empty or cannot be read.
/// - Returns false when the process has a subscriber already, which then stays.
pub fn init(format: Format, filter: &str) -> bool {
    let filter =
        EnvFilter::try_new(filter).ok().filter(|_| !filter.is_empty()).unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Format::Text => builder.compact().try_init(),
    }
    .is_ok()
}
