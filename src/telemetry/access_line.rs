//! What an access-log line looks like: one JSON object, or words for a human reader.
//!
//! Its own module because `tracing-subscriber`'s own JSON puts the fields below its own and leaves out
//! what is absent; here every line has the same members, and nothing but them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use tracing::{
    Event, Subscriber,
    field::{Field, FieldSet, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use super::access_log::Format;

/// Formats events whose fields are a line's members.
pub(super) struct AccessLine {
    /// A [`Format`] as a number.
    format: Arc<AtomicU8>,
}

impl AccessLine {
    /// Follows `format`, which may change while lines are written.
    pub(super) fn new(format: Arc<AtomicU8>) -> Self {
        Self { format }
    }
}

impl<S, N> FormatEvent<S, N> for AccessLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.format.load(Relaxed) == Format::Text as u8 {
            let mut line = TextLine { out: &mut writer, result: Ok(()), first: true };
            event.record(&mut line);
            line.result?;
        } else {
            let names = event.metadata().fields();
            let mut line = JsonLine { out: &mut writer, names, result: Ok(()), written: 0 };
            event.record(&mut line);
            line.nulls_up_to(names.len());
            line.result?;
            writer.write_char('}')?;
        }
        writer.write_char('\n')
    }
}

/// Writes members as they come, and `null` for those in between that have no value.
struct JsonLine<'a, 'w> {
    out: &'a mut Writer<'w>,
    names: &'static FieldSet,
    result: fmt::Result,
    /// Members written so far; also the index of the next field.
    written: usize,
}

impl JsonLine<'_, '_> {
    fn nulls_up_to(&mut self, index: usize) {
        let names = self.names;
        for field in names.iter().take(index).skip(self.written) {
            self.member(field.name(), |out| out.write_str("null"));
        }
    }

    fn value(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        self.nulls_up_to(field.index());
        self.member(field.name(), value);
    }

    fn member(&mut self, name: &str, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let start = if self.written == 0 { '{' } else { ',' };
        self.written += 1;
        if self.result.is_ok() {
            self.result = write!(self.out, "{start}\"{name}\":").and_then(|()| value(self.out));
        }
    }
}

impl Visit for JsonLine<'_, '_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, |out| match field.name() {
            "time" => write!(out, "\"{}\"", rfc3339(value)),
            _ => write!(out, "{value}"),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.value(field, |out| json_text(out, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field, |out| json_text(out, &format!("{value:?}")));
    }
}

/// A JSON string; everything outside printable ASCII is escaped, so that no reader of the log is misled.
fn json_text(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| !(' '..='~').contains(&c) || c == '"' || c == '\\') {
        out.write_str(&rest[..at])?;
        let c = rest[at..].chars().next().unwrap_or_default();
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        rest = &rest[at + c.len_utf8()..];
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// `2026-06-01T10:00:00.123Z 127.0.0.1 POST /parse 200 3.2ms api=parser version=1.0 …`; what is absent is left out.
struct TextLine<'a, 'w> {
    out: &'a mut Writer<'w>,
    result: fmt::Result,
    first: bool,
}

impl TextLine<'_, '_> {
    fn value(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let space = if std::mem::take(&mut self.first) { "" } else { " " };
        if self.result.is_ok() {
            self.result = match field.name() {
                "time" | "client" | "method" | "path" | "status" => write!(self.out, "{space}"),
                name => write!(self.out, "{space}{name}="),
            }
            .and_then(|()| value(self.out));
        }
    }

    fn text(&mut self, field: &Field, value: &str) {
        let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
        self.value(field, |out| if plain { out.write_str(value) } else { json_text(out, value) });
    }
}

impl Visit for TextLine<'_, '_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, |out| match field.name() {
            "time" => write!(out, "{}", rfc3339(value)),
            _ => write!(out, "{value}"),
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, |out| write!(out, "{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }
}

/// RFC 3339 with milliseconds and `Z`.
fn rfc3339(unix_ms: i64) -> impl fmt::Display {
    let at = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    fmt::from_fn(move |f| write!(f, "{at:.3}"))
}
