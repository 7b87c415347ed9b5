//! Which API, which version and which endpoint a request means (CONTRACT section 3).
//!
//! A [`Negotiator`] is compiled once for a snapshot. For each request it finds the candidates by
//! host ([`host`]), takes the version off the path and finds the longest prefix ([`route`]), reads
//! the configured sources ([`reader`]), picks the version they mean ([`selector`]) and the endpoint
//! ([`endpoints`]). All of it is decided on a normalised view of the path; where a lenient reader
//! could see another path, [`path_view`] says so and the request is refused.
//!
//! Pure: no clock, no connection, no file. Nothing is allocated for ordinary requests.

mod decide;
mod endpoints;
mod error;
mod expression;
#[cfg(test)]
mod fixture;
mod host;
pub mod media_type;
mod path_view;
mod reader;
mod reading;
mod route;
mod selector;
pub mod signals;
mod strip;
#[cfg(test)]
mod tests;
mod trace;

use std::{borrow::Cow, ops::Range};

use http::{HeaderMap, HeaderName, Method};

pub use self::error::{NegotiationError, Refusal};
pub use self::trace::{Finding, Step, Trace};
use self::{
    decide::decide,
    host::Hosts,
    route::Candidates,
    selector::Resolver,
    trace::{Recorder, Silent},
};
use crate::{
    domain::{api::Api, time::UtcTime, version::VersionText},
    headers::VaryNames,
};

/// Everything that finds API, version and endpoint of a request, compiled for one snapshot.
///
/// Statuses are those of the instant it was compiled for: compile a new one when
/// [`crate::domain::lifecycle::Lifecycle::next_turn`] of any version has come.
#[derive(Debug)]
pub struct Negotiator {
    hosts: Hosts,
    candidates: Vec<Candidates>,
    resolvers: Vec<Resolver>,
}

/// The parts of a request head that decide.
///
/// `'h` is the target, which [`Chosen`] borrows; `'f` is the rest, free again once the choice is made.
#[derive(Clone, Copy, Debug)]
pub struct Head<'h, 'f> {
    /// The request method.
    pub method: &'f Method,
    /// The authority as sent, maybe with a port, in any case.
    pub host: Option<&'f str>,
    /// The path as sent, without query.
    pub path: &'h str,
    /// The query as sent, without `?`.
    pub query: Option<&'h str>,
    /// The header fields as sent.
    pub headers: &'f HeaderMap,
}

/// What a request means. Texts are the client's own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'h> {
    /// Index into the configuration's APIs.
    pub api: usize,
    /// Index into that API's versions: the version asked for, which may be restricted or sunset.
    pub version: usize,
    /// Where the version was named.
    pub source: VersionSource,
    /// The version text as the client wrote it, without surrounding spaces.
    pub requested: Option<VersionText>,
    /// The path to forward: the version's segment taken off unless `strip: false`, the API's prefix
    /// taken off if `strip_path`, else byte for byte.
    pub path: Cow<'h, str>,
    /// The query to forward: version parameters taken off unless `strip: false`.
    pub query: Option<Cow<'h, str>>,
    /// The version off, the API's prefix on, normalised: what endpoints and `match:` of changes see.
    pub unversioned_path: Cow<'h, str>,
    /// The same as it was sent, where that differs; see [`Chosen::sent_path`].
    pub unversioned_sent: Option<Box<str>>,
    /// Index into the version's endpoint list (its own, or the API's); none counts as `other`.
    pub endpoint: Option<usize>,
    /// Where the path holds the version, where a path source matched.
    pub path_capture: Option<PathCapture>,
    /// The path named the version and no other source was present.
    pub named_by_path_alone: bool,
    /// The version text the client used in `Accept` for this version, for [`Negotiator::content_type_back`].
    pub media_type_text: Option<VersionText>,
    /// The version named does not exist and the default answers (`on_unknown: default`).
    pub fallback: bool,
    /// A source below names a different served version (`vergate_version_conflicts_total`).
    pub conflict: bool,
}

impl Chosen<'_> {
    /// The version off, the API's prefix on, byte for byte: what parameters of changes stand for.
    pub fn sent_path(&self) -> &str {
        self.unversioned_sent.as_deref().unwrap_or(&self.unversioned_path)
    }
}

/// Where a path holds a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCapture {
    /// Index into the API's sources.
    pub source: usize,
    /// The bytes of [`Head::path`] that the expression captured, with a `v` if it captured one.
    pub range: Range<usize>,
}

/// Where the chosen version was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionSource {
    /// A header field.
    Header,
    /// The path.
    Path,
    /// A query parameter.
    Query,
    /// `Accept`.
    Accept,
    /// Nowhere; the default applies.
    Default,
}

impl VersionSource {
    /// The word in log and `explain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Path => "path",
            Self::Query => "query",
            Self::Accept => "accept",
            Self::Default => "default",
        }
    }
}

impl Negotiator {
    /// Compiles the lookups of all `apis` with the statuses their versions have at `now`.
    pub fn compile(apis: &[Api], now: UtcTime) -> Self {
        let (hosts, candidates) = route::compile(apis);
        let resolvers = apis.iter().map(|api| Resolver::compile(api, now)).collect();
        Self { hosts, candidates, resolvers }
    }

    /// Decides what the request means.
    ///
    /// Errors name what the caller has to change; [`NegotiationError::code`] has the status.
    pub fn negotiate<'h>(&self, head: &Head<'h, '_>) -> Result<Chosen<'h>, Refusal> {
        decide(self, head, &mut Silent)
    }

    /// The same decision with every step recorded.
    pub fn trace<'h>(&self, head: &Head<'h, '_>) -> Trace<'h> {
        let mut recorder = Recorder::default();
        let outcome = decide(self, head, &mut recorder);
        Trace { steps: recorder.steps, outcome }
    }

    /// The request header fields that select the version of `api`, for `Vary`.
    pub fn vary(&self, api: usize) -> &VaryNames {
        &self.resolvers[api].vary
    }

    /// The field that tells an upstream of `api` its version: the first header source, else `X-API-Version`.
    pub fn version_header(&self, api: usize) -> &HeaderName {
        &self.resolvers[api].version_header
    }

    /// The served versions of `api`, ascending, without restricted and sunset ones.
    pub fn supported_versions(&self, api: usize) -> &[String] {
        &self.resolvers[api].supported
    }

    /// The newest version of `api` that is stable, pre-releases aside.
    pub fn latest_stable(&self, api: usize) -> Option<usize> {
        self.resolvers[api].latest_stable
    }

    /// Index into the endpoint list of a version other than the chosen one (fall-forward).
    ///
    /// - `path`: absolute, version off, API prefix on, as [`Chosen::unversioned_path`].
    /// - Errors with [`NegotiationError::EndpointUnknown`] where the API rejects unlisted endpoints.
    pub fn endpoint(
        &self,
        api: usize,
        version: usize,
        method: &Method,
        path: &str,
    ) -> Result<Option<usize>, NegotiationError> {
        self.resolvers[api].endpoint(version, method, path)
    }
}
