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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderValue, Method, uri::PathAndQuery};
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::{
        access_log::{AccessLog, tests::Page},
        cells::Counter,
        record::{Part, Record, tests::record},
    };

    fn lines(format: Format, records: impl IntoIterator<Item = Record>) -> String {
        let page = Page::default();
        let log = AccessLog::start_with(format, Counter::default(), page.clone()).expect("a thread");
        records.into_iter().for_each(|record| log.write(record));
        assert!(log.flush(Duration::from_secs(20)));
        page.text()
    }

    #[test]
    fn a_line_is_one_object_with_the_contracts_members_in_order() {
        let text = lines(Format::Json, [record()]);
        assert_eq!(
            text,
            concat!(
                r#"{"time":"2026-06-01T10:00:00.007Z","request_id":"abc-1","client":"192.0.2.1","method":"POST","#,
                r#""path":"/v1.0/parse","api":"query-parser","version":"1.0","version_source":"path","#,
                r#""phase":"warning","endpoint":"POST /parse","consumer":null,"upstream":"query-parser-1.5","#,
                r#""status":502,"code":"upstream_reset","duration_ms":12.345,"upstream_ms":12,"queue_ms":0.03,"#,
                r#""connect_ms":2,"first_byte_ms":12.3,"gateway_ms":0.3,"bytes":321}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_is_not_known_is_null_and_still_a_member() {
        let bare = Record {
            path: None,
            target: None,
            version_source: None,
            phase: None,
            code: None,
            upstream_duration: None,
            queue: Part::default(),
            connect: Part::default(),
            first_byte: Part::default(),
            own: Part::default(),
            ..record()
        };
        let whole: Value = serde_json::from_str(&lines(Format::Json, [record()])).expect("JSON");
        let bare: Value = serde_json::from_str(&lines(Format::Json, [bare])).expect("JSON");
        let names = |line: &Value| line.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&bare), names(&whole));
        assert_eq!(names(&bare).len(), 21);
        let unknown = ["path", "api", "version", "version_source", "phase", "endpoint", "upstream", "code"];
        let unmeasured = ["upstream_ms", "queue_ms", "connect_ms", "first_byte_ms", "gateway_ms"];
        for name in unknown.iter().chain(&unmeasured) {
            assert_eq!(bare[name], json!(null), "{name}");
        }
    }

    #[test]
    fn the_query_is_never_logged() {
        for format in [Format::Json, Format::Text] {
            let text = lines(format, [record()]);
            assert!(text.contains("/v1.0/parse") && !text.contains("secret") && !text.contains('?'), "{text}");
        }
    }

    #[test]
    fn nothing_a_client_sends_ends_a_line_or_a_string() {
        let hostile = "/a\"}\u{7f}\u{e9}\u{202e}\u{1f600}\\";
        let record = Record {
            path: PathAndQuery::try_from(hostile).ok().or(Some(PathAndQuery::from_static("/x\"}"))),
            method: Method::from_bytes(b"M'|~").expect("a token"),
            request_id: HeaderValue::from_bytes(b"a\"\tb\\").expect("a value"),
            ..record()
        };
        let (path, id) = (record.path.as_ref().map(|p| p.path().to_owned()), "a\"\tb\\");
        let text = lines(Format::Json, [record.clone()]);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
        let line: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((line["path"].as_str(), line["request_id"].as_str()), (path.as_deref(), Some(id)));
        let text = lines(Format::Text, [record]);
        assert!(text.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)), "{text}");
    }

    #[test]
    fn a_text_line_leaves_out_what_is_not_known() {
        let bare = Record { target: None, phase: None, code: None, upstream_duration: None, ..record() };
        let bare = Record {
            queue: Part::default(),
            connect: Part::default(),
            first_byte: Part::default(),
            own: Part::default(),
            ..bare
        };
        assert_eq!(
            lines(Format::Text, [record(), bare]),
            "2026-06-01T10:00:00.007Z request_id=abc-1 192.0.2.1 POST /v1.0/parse api=query-parser version=1.0 \
             version_source=path phase=warning endpoint=\"POST /parse\" upstream=query-parser-1.5 502 \
             code=upstream_reset duration_ms=12.345 upstream_ms=12 queue_ms=0.03 connect_ms=2 first_byte_ms=12.3 \
             gateway_ms=0.3 bytes=321\n\
             2026-06-01T10:00:00.007Z request_id=abc-1 192.0.2.1 POST /v1.0/parse version_source=path 502 \
             duration_ms=12.345 bytes=321\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_back_from_printable_ascii(text in "(?s).{0,40}") {
            let mut line = String::new();
            json_text(&mut Writer::new(&mut line), &text).expect("a string takes everything");
            proptest::prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&line).expect("a JSON string"), text);
        }
    }
}
