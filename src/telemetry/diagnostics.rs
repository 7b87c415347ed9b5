//! Everything that is not a request: to stderr, through `tracing`, one line an event.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, Write},
};

use tracing_subscriber::EnvFilter;

use super::access_log::Format;

/// Sends diagnostics of the whole process to stderr; the access log does not pass through here.
///
/// - `format`: JSON with the fields on top level, or text.
/// - `filter`: directives such as `info` or `vergate=debug,hyper=warn`; `info` where it is empty or cannot be read.
/// - Returns false when the process has a subscriber already, which then stays.
pub fn init(format: Format, filter: &str) -> bool {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(directives(filter))
        .with_writer(|| OneLine(io::stderr()))
        .with_target(false)
        .with_ansi(false)
        // It would say so with `eprintln!`, which panics where stderr cannot be written: each event would end what it
        // tells of.
        .log_internal_errors(false);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Format::Text => builder.compact().try_init(),
    }
    .is_ok()
}

/// Writes one line to stderr for whoever started the program.
///
/// Its reader may be gone and its disk full: the line is lost then, and `eprintln!`, which nothing may use here, would
/// end the program as well.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn directives(filter: &str) -> EnvFilter {
    let read = if filter.is_empty() { None } else { EnvFilter::try_new(filter).ok() };
    read.unwrap_or_else(|| EnvFilter::new("info"))
}

/// Keeps an event on its line: an error may carry words of a client or an upstream, and `tracing-subscriber`'s
/// text leaves their line ends as they are. One call is one event.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The event with every control character but the line end that closes it written as `\xNN`.
fn one_line(event: &[u8]) -> Cow<'_, [u8]> {
    let text = event.strip_suffix(b"\n").unwrap_or(event);
    if !text.iter().any(u8::is_ascii_control) {
        return Cow::Borrowed(event);
    }
    let mut line = Vec::with_capacity(event.len() + 16);
    for byte in text {
        if byte.is_ascii_control() {
            line.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        } else {
            line.push(*byte);
        }
    }
    line.extend_from_slice(&event[text.len()..]);
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn an_event_cannot_end_its_line_early() {
        for (event, line) in [
            ("plain é\n", "plain é\n"),
            ("a\nb\n", "a\\x0ab\n"),
            ("a\r\n\n", "a\\x0d\\x0a\n"),
            ("\x1b[2J\x7f", "\\x1b[2J\\x7f"),
            ("", ""),
        ] {
            assert_eq!(one_line(event.as_bytes()), line.as_bytes(), "{event:?}");
        }
    }

    #[test]
    fn values_of_an_event_stay_on_one_line_whatever_they_hold() {
        #[derive(Clone, Default)]
        struct Page(Arc<Mutex<Vec<u8>>>);
        impl Write for Page {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("whole").write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let out = page.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).compact().with_writer(move || OneLine(out.clone())).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(error = %"a\n2026-01-01T00:00:00Z ERROR forged", "exchange failed");
        });
        let text = String::from_utf8(page.0.lock().expect("whole").clone()).expect("text");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("exchange failed"), "{text}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_info() {
        assert_eq!(directives("").to_string(), "info");
        assert_eq!(directives("vergate=[").to_string(), "info");
        assert_eq!(directives("vergate=debug").to_string(), "vergate=debug");
    }
}
