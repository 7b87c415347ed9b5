//! Where things stand that the running gateway has no need to remember: what `check` and its neighbours name.

use std::path::PathBuf;

use super::finding::Place;

/// Of one API, beside [`Api`](crate::domain::api::Api).
#[derive(Clone, Debug, Default)]
pub struct ApiOrigins {
    /// By the index of the change.
    pub changes: Vec<ChangeOrigins>,
    /// The OpenAPI document of each version, by its index.
    pub documents: Vec<Option<NamedDocument>>,
}

/// `openapi:` of a version.
#[derive(Clone, Debug)]
pub struct NamedDocument {
    /// The file, seen from where the gateway runs.
    pub path: PathBuf,
    /// Where it is named.
    pub place: Place,
}

/// Of one change.
#[derive(Clone, Debug)]
pub struct ChangeOrigins {
    /// Where the change begins.
    pub place: Place,
    /// By the index of the operation.
    pub operations: Vec<OperationOrigins>,
}

/// Of one operation of a change.
#[derive(Clone, Debug)]
pub struct OperationOrigins {
    /// Its `match`.
    pub place: Place,
    /// Its ops for requests: where each was written, in a shape or in the list itself.
    pub request: Vec<Place>,
    /// Its ops for responses, in the order of the lists.
    pub responses: Vec<Vec<Place>>,
    /// Its ops for events, in the order of the lists.
    pub events: Vec<Vec<Place>>,
}
