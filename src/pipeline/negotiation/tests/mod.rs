//! The rules of CONTRACT section 3 on whole request heads, one table per rule.

mod requests;
mod spellings;
mod versions;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    Chosen, Head, Negotiator, Refusal,
    fixture::{Builder, api, now},
};
use crate::domain::lifecycle::Status::{Beta, Deprecated, Stable, Sunset};

/// A request in one line: `METHOD host/path?query` and header lines.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    host: Option<String>,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

fn get(target: &str) -> Sent {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Sent { method: Method::GET, host: None, path: path.to_owned(), query, headers: HeaderMap::new() }
}

impl Sent {
    fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a field value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    fn version(self, value: &str) -> Self {
        self.with("x-api-version", value)
    }

    fn head(&self) -> Head<'_, '_> {
        Head {
            method: &self.method,
            host: self.host.as_deref(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
        }
    }
}

/// The decision on `sent`, with the trace held against it.
fn ask<'s>(negotiator: &Negotiator, sent: &'s Sent) -> Result<Chosen<'s>, Refusal> {
    let outcome = negotiator.negotiate(&sent.head());
    assert_eq!(negotiator.trace(&sent.head()).outcome, outcome, "the trace decides otherwise: {sent:?}");
    outcome
}

/// The name of the chosen version, or the short code of the refusal with its status.
fn answer(api: &Builder, sent: &Sent) -> String {
    let api = api.clone().build();
    let negotiator = Negotiator::compile(std::slice::from_ref(&api), now());
    match ask(&negotiator, sent) {
        Ok(chosen) => api.versions[chosen.version].name.to_string(),
        Err(refusal) => {
            let code = refusal.error.code();
            format!("{} {}", code.status().as_u16(), code.as_str())
        }
    }
}

fn chatdb() -> Builder {
    let versions =
        [("1.0", Deprecated), ("1.5", Stable), ("2.0", Stable), ("2.1", Stable), ("2.10", Stable), ("3.0", Beta)];
    api("chatdb").usual_sources().versions(&versions)
}
