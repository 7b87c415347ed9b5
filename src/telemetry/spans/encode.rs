//! Spans as OpenTelemetry names their parts (semantic conventions for HTTP).

use std::{borrow::Cow, time::SystemTime};

use http::uri::PathAndQuery;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::{Context, Finished, Try};
use crate::telemetry::{record::Record, series::OTHER};

/// The client left before its answer.
const CLIENT_LEFT: u16 = 499;

impl Finished {
    /// How many spans it is.
    pub(super) fn count(&self) -> usize {
        1 + self.tries.len()
    }

    /// The exchange's span and those of its tries.
    pub(super) fn spans(self) -> Vec<SpanData> {
        let began = self.ended.checked_sub(self.record.duration).unwrap_or(self.ended);
        let tries = self.tries.iter().enumerate();
        let mut spans: Vec<_> = tries.map(|(again, tried)| client(&self, began, tried, again)).collect();
        spans.push(server(&self, began));
        spans
    }
}

fn server(finished: &Finished, began: SystemTime) -> SpanData {
    let Finished { record, context, parent, ended, .. } = finished;
    let (name, route) = named(record);
    let mut attributes = vec![
        KeyValue::new("http.request.method", record.method.to_string()),
        KeyValue::new("url.path", record.path.as_ref().map_or("", PathAndQuery::path).to_owned()),
        KeyValue::new("client.address", record.client.to_string()),
        KeyValue::new("vergate.request_id", record.request_id.to_str().unwrap_or_default().to_owned()),
    ];
    if let Some(route) = route {
        attributes.push(KeyValue::new("http.route", route));
    }
    if let Some(target) = &record.target {
        for (name, value) in
            [("vergate.api", &target.api), ("vergate.version", &target.version), ("vergate.upstream", &target.upstream)]
        {
            attributes.extend(value.as_deref().map(|value| KeyValue::new(name, value.to_owned())));
        }
    }
    match record.status {
        CLIENT_LEFT => attributes.push(KeyValue::new("error.type", "client_left")),
        status => attributes.push(KeyValue::new("http.response.status_code", i64::from(status))),
    }
    attributes.extend(record.code.map(|code| KeyValue::new("error.type", code.as_str())));
    let status = match record.status {
        500.. => Status::error(record.code.map_or("", |code| code.as_str())),
        _ => Status::Unset,
    };
    span(*context, context.span, *parent, (SpanKind::Server, name.into(), status), (began, *ended), attributes)
}

/// `POST /parse` and its route where the endpoint is listed, else the method.
fn named(record: &Record) -> (String, Option<String>) {
    let endpoint = record.target.as_ref().and_then(|target| target.endpoint.as_deref());
    match endpoint.filter(|endpoint| *endpoint != OTHER).and_then(|endpoint| endpoint.split_once(' ')) {
        Some((method, route)) => (format!("{method} {route}"), Some(route.to_owned())),
        None => (record.method.to_string(), None),
    }
}

fn client(finished: &Finished, began: SystemTime, tried: &Try, again: usize) -> SpanData {
    let Finished { record, context, .. } = finished;
    let (host, port) = tried.server.rsplit_once(':').unwrap_or((&tried.server, ""));
    let mut attributes = vec![
        KeyValue::new("http.request.method", record.method.to_string()),
        KeyValue::new("server.address", host.trim_matches(['[', ']']).to_owned()),
    ];
    attributes.extend(port.parse::<i64>().ok().map(|port| KeyValue::new("server.port", port)));
    if again > 0 {
        attributes.push(KeyValue::new("http.request.resend_count", again as i64));
    }
    let status = match tried.outcome {
        Ok(status) => {
            attributes.push(KeyValue::new("http.response.status_code", i64::from(status)));
            if status >= 400 { Status::error("") } else { Status::Unset }
        }
        Err(why) => {
            attributes.push(KeyValue::new("error.type", why));
            Status::error(why)
        }
    };
    let ended = began + tried.ended.unwrap_or(record.duration);
    let kind = (SpanKind::Client, record.method.to_string().into(), status);
    span(*context, tried.span, Some(context.span), kind, (began + tried.begun, ended), attributes)
}

fn span(
    context: Context,
    span: u64,
    parent: Option<u64>,
    (span_kind, name, status): (SpanKind, Cow<'static, str>, Status),
    (start_time, end_time): (SystemTime, SystemTime),
    attributes: Vec<KeyValue>,
) -> SpanData {
    let id = |span: u64| SpanId::from_bytes(span.to_be_bytes());
    let trace = TraceId::from_bytes(context.trace.to_be_bytes());
    SpanData {
        span_context: SpanContext::new(trace, id(span), TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: parent.map_or(SpanId::INVALID, id),
        parent_span_is_remote: span_kind == SpanKind::Server && parent.is_some(),
        span_kind,
        name,
        start_time,
        end_time,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("vergate").with_version(env!("CARGO_PKG_VERSION")).build(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::record::tests::record;

    fn attribute(span: &SpanData, name: &str) -> Option<String> {
        span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
    }

    #[test]
    fn an_exchange_is_a_span_of_the_caller_and_its_tries_are_spans_of_it() {
        let ms = Duration::from_millis;
        let tried = |span, server: &str, outcome| Try {
            span,
            server: server.to_owned(),
            begun: ms(1),
            ended: Some(ms(5)),
            outcome,
        };
        let context = Context { trace: 7, span: 8, sampled: true };
        let tries = vec![tried(1, "a:80", Err("upstream_reset")), tried(2, "[::1]:81", Ok(200))];
        let ended = SystemTime::UNIX_EPOCH + ms(1_000_000);
        let record = Record { duration: ms(10), ..record() };
        let finished = Finished { record, context, parent: Some(9), ended, tries };
        assert_eq!(finished.count(), 3);
        let spans = finished.spans();
        let [first, second, own] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((own.name.as_ref(), &own.span_kind), ("POST /parse", &SpanKind::Server));
        assert_eq!(own.parent_span_id, SpanId::from_bytes(9u64.to_be_bytes()));
        assert_eq!(own.end_time.duration_since(own.start_time).expect("forwards"), ms(10));
        assert_eq!(attribute(own, "http.route").as_deref(), Some("/parse"));
        assert_eq!(attribute(own, "url.path").as_deref(), Some("/v1.0/parse"), "without the query");
        assert_eq!(attribute(own, "error.type").as_deref(), Some("upstream_reset"));
        assert_eq!(own.status, Status::error("upstream_reset"));
        for tried in [first, second] {
            assert_eq!((&tried.span_kind, tried.parent_span_id), (&SpanKind::Client, own.span_context.span_id()));
            assert_eq!(tried.span_context.trace_id(), own.span_context.trace_id());
            assert_eq!(tried.start_time, own.start_time + ms(1));
        }
        assert_eq!(first.status, Status::error("upstream_reset"));
        assert_eq!(attribute(second, "http.response.status_code").as_deref(), Some("200"));
        assert_eq!(attribute(second, "http.request.resend_count").as_deref(), Some("1"));
        assert_eq!(
            (attribute(second, "server.address").as_deref(), attribute(second, "server.port").as_deref()),
            (Some("::1"), Some("81"))
        );
    }
}
