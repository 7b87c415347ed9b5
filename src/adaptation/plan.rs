//! What a chain of changes does between a client's version and the upstream's, compiled at load.

use std::borrow::Cow;

use http::{HeaderMap, Method};

use super::{
    change::{Change, Direction},
    program::Program,
};
use crate::domain::version::ApiVersion;

/// One chain, by operation.
#[derive(Debug, Default)]
pub struct Plan {
    operations: Vec<OperationPlan>,
}

/// What a plan knows of a request.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The chain does nothing to it.
    Untouched,
    /// The client's version does not have this operation: 404 `endpoint_unknown`.
    Unknown,
    /// The chain does this to it.
    Operation(&'a OperationPlan),
}

impl Plan {
    /// Fuses a chain.
    ///
    /// - `walk`: the changes from the client's version to the upstream's, in walking order, each with
    ///   the direction its requests take.
    /// - `client`: the client's version; operations that came `since` a newer one are unknown to it.
    pub fn compile(walk: &[(&Change, Direction)], client: &ApiVersion) -> Self {
        let _ = (walk, client);
        Self::default()
    }

    /// Whether there is nothing to look up.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What happens to a request of the client's version.
    ///
    /// - `method`: HEAD counts as GET.
    /// - `path`: without version and query, with the API's prefix.
    pub fn operation(&self, method: &str, path: &str) -> Lookup<'_> {
        let _ = (method, path);
        Lookup::Untouched
    }

    /// The path at the other end of the chain; none where it stays the same.
    ///
    /// Parameters and arguments as in [`Plan::operation`].
    pub fn path(&self, method: &str, path: &str) -> Option<String> {
        match self.operation(method, path) {
            Lookup::Operation(operation) => operation.target(path).map(|(_, path)| path),
            Lookup::Untouched | Lookup::Unknown => None,
        }
    }
}

/// What a chain does to one operation.
#[derive(Debug)]
pub struct OperationPlan {
    request: Option<Program>,
    fingerprint: u32,
}

impl OperationPlan {
    /// For request bodies; none: they are not parsed.
    pub fn request(&self) -> Option<&Program> {
        self.request.as_ref()
    }

    /// For response bodies of this status, as the newer version sends it; none: they are not parsed.
    pub fn response(&self, status: u16) -> Option<&Program> {
        let _ = status;
        None
    }

    /// Whether some response is adapted: then `Accept-Encoding`, `Range` and entity tags change.
    pub fn adapts_responses(&self) -> bool {
        false
    }

    /// CRC-32 over all response lists of the chain; shown in entity tags as 8 hex digits.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The upstream's method (none: as sent) and path, parameters as the raw text between slashes;
    /// none where neither changes.
    pub fn target(&self, path: &str) -> Option<(Option<&Method>, String)> {
        let _ = path;
        None
    }

    /// The upstream's query, without `?`; untouched pairs keep their order and percent text.
    pub fn query<'q>(&self, raw: &'q str) -> Cow<'q, str> {
        Cow::Borrowed(raw)
    }

    /// Edits the header fields of a request.
    pub fn request_headers(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }

    /// Edits the header fields of a response.
    pub fn response_headers(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }
}
