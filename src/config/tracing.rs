//! `telemetry:` in the file: where traces go, and how many.

use std::time::Duration;

use super::containers::Entries;
use super::finding::Finding;
use super::forms::{Refusal, form, or_expanded};
use super::names::{FieldName, Text};
use super::raw;
use super::shape::shape;
use super::units::Span;
use super::url::ServerUrl;
use crate::telemetry::Exporting;

shape! {
    /// What the gateway tells other systems by itself.
    pub struct Telemetry {
        /// Traces over OTLP/HTTP, in gateways that were built with the feature `otlp`: a span for each exchange and one for each try with an upstream.
        optional otlp: Otlp,
    }
}

shape! {
    /// Where spans are sent, and of how many exchanges.
    pub struct Otlp {
        /// The collector: http://host:port; /v1/traces is added unless the URL has a path. `https://` is for the collector beside the gateway to speak.
        required endpoint: ServerUrl,
        /// Share of the exchanges without a `traceparent` that are traced, from 0 to 1; those with one follow its sampled flag.
        optional ratio: Ratio = "1",
        /// What the gateway is called in traces.
        optional service_name: Text = "vergate",
        /// Fields of the requests to the collector, such as an API key. Take values from the environment or a file: `${OTLP_KEY}`.
        optional headers: Entries<FieldName, Text>,
        /// How long the collector may take for one request.
        optional timeout: Span = "10s",
    }
}

/// A share from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub f64);

form!(
    Ratio,
    "a share such as 0.01",
    schemars::json_schema!({
        "description": "A share from 0 to 1, such as 0.01.",
        "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 },
            { "type": "string", "pattern": or_expanded("^(0|1|0?\\.[0-9]+|[01]\\.0+)$") },
        ],
    })
);

impl Ratio {
    /// Reads digits with at most one point, from 0 to 1.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::form("write a number from 0 (none) to 1 (all)");
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = text.parse().ok().filter(|number| plain && (0.0..=1.0).contains(number));
        number.map(Self).ok_or_else(refusal)
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);

/// Where traces go, if anywhere; refused where nobody would send them.
pub fn exporting(raw: &raw::Gateway, findings: &mut Vec<Finding>) -> Option<Exporting> {
    let otlp = raw.telemetry.value()?.otlp.set()?;
    if cfg!(not(feature = "otlp")) {
        let message = "this gateway was built without traces";
        let help = "build it with `cargo build --release --features otlp`, or take the key out";
        findings.push(Finding::error(&otlp.place, "otlp", message, help));
        return None;
    }
    let otlp = &otlp.value;
    let endpoint = otlp.endpoint.set()?;
    if endpoint.value.secure {
        let message = "traces are sent over http:// only";
        let help = "run a collector beside the gateway and let it speak TLS to others";
        findings.push(Finding::error(&endpoint.place, "otlp", message, help));
    }
    let path = if endpoint.value.base_path.is_empty() { "/v1/traces" } else { &endpoint.value.base_path };
    let mut headers = Vec::new();
    for entry in otlp.headers.value().iter().flat_map(|headers| &headers.entries) {
        let Some(value) = entry.value.set() else { continue };
        if http::HeaderValue::from_str(&value.value.0).is_err() {
            let message = format!("the value of {} holds characters that a field cannot carry", entry.key.value.0);
            findings.push(Finding::error(&value.place, "otlp", message, "use visible ASCII characters and spaces"));
        }
        headers.push((entry.key.value.0.to_string(), value.value.0.clone()));
    }
    Some(Exporting {
        endpoint: endpoint.value.text() + path,
        ratio: otlp.ratio.value().map_or(1.0, |ratio| ratio.0),
        service_name: otlp.service_name.value().map_or_else(|| "vergate".to_owned(), |name| name.0.clone()),
        headers,
        timeout: otlp.timeout.value().map_or(TIMEOUT, |span| span.0),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::expect;
    use super::*;

    const API: &str = "upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        for (text, ratio) in [("0", 0.0), ("1", 1.0), ("0.01", 0.01), (".5", 0.5), ("1.0", 1.0)] {
            assert_eq!(Ratio::parse(text), Ok(Ratio(ratio)));
        }
        for text in ["", ".", "1.1", "-0", "1%", "1e-3", "inf", "NaN", "0,5", "0.0.1"] {
            assert!(Ratio::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    #[cfg(not(feature = "otlp"))]
    fn a_build_without_the_feature_says_so() {
        let message = "g.yaml:3:19: error: this gateway was built without traces";
        expect(&format!("{API}telemetry: {{otlp: {{endpoint: http://c:4318}}}}\n"), &[message]);
        expect(&format!("{API}telemetry: {{}}\n"), &[]);
    }

    #[test]
    #[cfg(feature = "otlp")]
    fn where_traces_go_is_read_and_checked() {
        let read = |otlp: &str| {
            let outcome = super::super::testing::outcome(&format!("{API}telemetry: {{otlp: {otlp}}}\n"));
            outcome.config.unwrap_or_else(|| panic!("{:?}", outcome.findings)).otlp.expect("it is there")
        };
        let plain = read("{endpoint: http://c:4318}");
        assert_eq!((plain.endpoint.as_str(), plain.ratio), ("http://c:4318/v1/traces", 1.0));
        assert_eq!((plain.service_name.as_str(), plain.timeout), ("vergate", TIMEOUT));
        let all = read(
            "{endpoint: http://c:4318/otlp/traces, ratio: 0.25, service_name: edge, timeout: 3s, headers: {X-Key: secret}}",
        );
        assert_eq!((all.endpoint.as_str(), all.ratio), ("http://c:4318/otlp/traces", 0.25));
        assert_eq!((all.service_name.as_str(), all.timeout), ("edge", Duration::from_secs(3)));
        assert_eq!(all.headers, [("x-key".to_owned(), "secret".to_owned())]);
        assert!(!format!("{all:?}").contains("secret"));
        for (otlp, message) in [
            ("{endpoint: https://c}", "g.yaml:3:30: error: traces are sent over http:// only"),
            ("{}", "g.yaml:3:19: error: `endpoint` is missing"),
            ("{endpoint: http://c, ratio: 2}", "g.yaml:3:47: error: expected a share such as 0.01, found \"2\""),
            ("{endpoint: http://c, headers: {a: \"b\\nc\"}}", "g.yaml:3:53: error: the value of a holds characters"),
        ] {
            expect(&format!("{API}telemetry: {{otlp: {otlp}}}\n"), &[message]);
        }
    }
}
