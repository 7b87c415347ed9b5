//! Traces: a span for each exchange and one for each try with an upstream.
//!
//! A worker gathers what happened and hands it over when the exchange ends; encoding and sending are done on the
//! control thread ([`export`]). Where the queue between them is full, spans are dropped and counted.

mod context;
mod encode;
mod export;

use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime},
};

use http::HeaderMap;

use self::context::{Context, Parent, TRACEPARENT, TRACESTATE};
use super::record::Record;
use crate::clock;

pub use export::{Exporter, Spans};

/// A sampled exchange that has ended.
#[derive(Debug)]
struct Finished {
    record: Record,
    context: Context,
    parent: Option<u64>,
    ended: SystemTime,
    tries: Vec<Try>,
}

/// A try with a server of an upstream.
#[derive(Debug)]
struct Try {
    span: u64,
    server: String,
    /// Since the exchange began.
    begun: Duration,
    /// Since the exchange began; none while it is under way.
    ended: Option<Duration>,
    /// The status of its answer, or why there is none.
    outcome: Result<u16, &'static str>,
}

/// The trace of one exchange, if it has one.
#[derive(Debug, Default)]
pub struct Trace(Option<Box<Traced>>);

#[derive(Debug)]
struct Traced {
    /// The exchange's own span.
    context: Context,
    /// The caller's span.
    parent: Option<u64>,
    begun: Instant,
    tries: RefCell<Vec<Try>>,
}

impl Trace {
    /// Decides whether an exchange is traced: as its caller says, or by chance.
    ///
    /// - `ratio`: share of the exchanges that are traced where the caller does not say; none where nobody wants traces.
    pub fn begin(ratio: Option<f64>, fields: &HeaderMap) -> Self {
        let Some(ratio) = ratio else { return Self(None) };
        let (trace, parent, sampled) = match Parent::of(fields) {
            // What is not recorded here goes on as the caller sent it.
            Parent::Of(caller) if !caller.sampled => return Self(None),
            Parent::Of(caller) => (caller.trace, Some(caller.span), true),
            Parent::None | Parent::Broken => (fastrand::u128(1..), None, fastrand::f64() < ratio),
        };
        let context = Context { trace, span: new_span(), sampled };
        Self(Some(Box::new(Traced { context, parent, begun: Instant::now(), tries: RefCell::default() })))
    }

    /// Takes off what each try says anew, and the state of a trace that cannot be gone on with.
    pub fn edit(&self, fields: &mut HeaderMap) {
        if let Some(traced) = &self.0 {
            fields.remove(TRACEPARENT);
            if traced.parent.is_none() {
                fields.remove(TRACESTATE);
            }
        }
    }

    /// Calls `send` with `lines` and the one that names the span of the try under way.
    pub fn with_lines<T>(&self, lines: &[&[u8]], send: impl FnOnce(&[&[u8]]) -> T) -> T {
        let Some(traced) = &self.0 else { return send(lines) };
        let span = traced.tries.borrow().last().map_or(traced.context.span, |tried| tried.span);
        let line = traced.context.line(span);
        let all: Vec<&[u8]> = lines.iter().copied().chain([line.as_bytes()]).collect();
        send(&all)
    }

    /// A try with `server` begins. One before it that has not ended was none: nothing was sent.
    pub fn try_begins(&self, server: &str) {
        let Some(traced) = self.sampled() else { return };
        let mut tries = traced.tries.borrow_mut();
        tries.retain(|tried| tried.ended.is_some());
        tries.push(Try {
            span: new_span(),
            server: server.to_owned(),
            begun: traced.begun.elapsed(),
            ended: None,
            outcome: Err("cancelled"),
        });
    }

    /// The try under way has ended.
    pub fn try_ends(&self, outcome: Result<u16, &'static str>) {
        if let Some(traced) = self.sampled()
            && let Some(tried) = traced.tries.borrow_mut().last_mut()
        {
            tried.ended = Some(traced.begun.elapsed());
            tried.outcome = outcome;
        }
    }

    /// The exchange has ended: hands its spans over.
    pub fn finish(self, spans: &Spans, record: impl FnOnce() -> Record) {
        let Some(Traced { context, parent, begun, tries }) = self.0.map(|traced| *traced) else { return };
        if !context.sampled {
            return;
        }
        let (record, mut tries) = (record(), tries.into_inner());
        // One that is still under way ended as the exchange did.
        for tried in tries.iter_mut().filter(|tried| tried.ended.is_none()) {
            tried.ended = Some(begun.elapsed());
            tried.outcome = Err(record.code.map_or("cancelled", |code| code.as_str()));
        }
        spans.hand_over(Finished { record, context, parent, ended: clock::wall(), tries });
    }

    fn sampled(&self) -> Option<&Traced> {
        self.0.as_deref().filter(|traced| traced.context.sampled)
    }
}

fn new_span() -> u64 {
    fastrand::u64(1..)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lines(trace: &Trace) -> String {
        trace.with_lines(&[b"via: x\r\n"], |lines| String::from_utf8(lines.concat()).expect("text"))
    }

    fn fields(traceparent: &'static str) -> HeaderMap {
        [(TRACEPARENT, HeaderValue::from_static(traceparent)), (TRACESTATE, HeaderValue::from_static("a=b"))]
            .into_iter()
            .collect()
    }

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn a_caller_decides_and_else_the_ratio() {
        let sampled = |ratio, fields: &HeaderMap| Trace::begin(ratio, fields).sampled().is_some();
        for ratio in [0.0, 1.0] {
            assert!(sampled(Some(ratio), &fields(SAMPLED)));
            assert!(!sampled(Some(ratio), &fields(UNSAMPLED)));
            assert_eq!(sampled(Some(ratio), &HeaderMap::new()), ratio == 1.0);
            assert_eq!(sampled(Some(ratio), &fields("nonsense")), ratio == 1.0);
        }
        assert!(!sampled(None, &fields(SAMPLED)), "nobody wants them");
    }

    #[test]
    fn each_try_names_a_span_of_its_own_in_the_callers_trace() {
        let trace = Trace::begin(Some(0.0), &fields(SAMPLED));
        let mut sent = fields(SAMPLED);
        trace.edit(&mut sent);
        assert!(!sent.contains_key(TRACEPARENT) && sent.contains_key(TRACESTATE));
        trace.try_begins("a:1");
        let first = lines(&trace);
        assert!(first.starts_with("via: x\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"), "{first}");
        assert!(first.ends_with("-01\r\n") && !first.contains("b7ad6b7169203331"), "{first}");
        trace.try_ends(Err("upstream_reset"));
        trace.try_begins("b:1");
        assert_ne!(lines(&trace), first);
        trace.try_ends(Ok(200));
        let tries = trace.sampled().expect("it is").tries.borrow();
        let seen: Vec<_> = tries.iter().map(|tried| (tried.server.as_str(), tried.outcome)).collect();
        assert_eq!(seen, [("a:1", Err("upstream_reset")), ("b:1", Ok(200))]);
    }

    #[test]
    fn what_is_not_recorded_goes_on_as_it_was_or_says_so() {
        let trace = Trace::begin(Some(1.0), &fields(UNSAMPLED));
        let mut sent = fields(UNSAMPLED);
        trace.edit(&mut sent);
        assert_eq!((sent, lines(&trace).as_str()), (fields(UNSAMPLED), "via: x\r\n"));
        let trace = Trace::begin(Some(0.0), &fields("nonsense"));
        let mut sent = fields("nonsense");
        trace.edit(&mut sent);
        assert!(sent.is_empty(), "a state belongs to a trace");
        trace.try_begins("a:1");
        assert!(lines(&trace).ends_with("-00\r\n"));
    }
}
