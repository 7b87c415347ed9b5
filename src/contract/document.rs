//! An OpenAPI document: operations, and the schemas of what they take and give.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use super::schema::{Definition, Schema};
use crate::{
    adaptation::change::StatusKey,
    config::finding::Place,
    domain::endpoint::{Endpoint, Segment},
};

/// What one version of an API promises.
///
/// References in its schemas live as long as the document does: keep it while they are used.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file it was read from.
    pub file: PathBuf,
    /// Every file that was read, this one first.
    pub files: Vec<PathBuf>,
    /// `info.title`.
    pub title: String,
    /// `info.version`, as written; not the gateway's name of the version.
    pub version: String,
    /// Path of the first `servers` entry, without a trailing slash: paths of operations are below it.
    pub base: String,
    /// In document order.
    pub operations: Vec<Operation>,
    /// The named schemas that operations refer to, directly or not, in the order they were met.
    pub definitions: Vec<Arc<Definition>>,
}

impl Document {
    /// The operation of an endpoint; parameters match whatever their names are, and HEAD counts as GET.
    pub fn operation(&self, endpoint: &Endpoint) -> Option<&Operation> {
        let find = |method: &str| {
            self.operations
                .iter()
                .find(|known| known.endpoint.method() == method && same_path(&known.endpoint, endpoint))
        };
        find(endpoint.method()).or_else(|| if endpoint.method() == "HEAD" { find("GET") } else { None })
    }
}

/// Whether two templates fit the same paths.
pub fn same_path(a: &Endpoint, b: &Endpoint) -> bool {
    let same = |(a, b): (&Segment, &Segment)| match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => a == b,
        (Segment::Param(_), Segment::Param(_)) => true,
        _ => false,
    };
    a.segments().len() == b.segments().len() && a.segments().iter().zip(b.segments()).all(same)
}

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Method and path as the document writes them.
    pub endpoint: Endpoint,
    /// Where its method stands.
    pub place: Place,
    /// `operationId`.
    pub id: Option<String>,
    /// `summary`.
    pub summary: Option<String>,
    /// `deprecated`.
    pub deprecated: bool,
    /// Of the path and its own; an own one replaces the path's of the same name and place.
    pub parameters: Vec<Parameter>,
    /// `requestBody`.
    pub request: Option<Content>,
    /// By status, in document order.
    pub responses: Vec<Response>,
    /// What a caller has to show: one of these; empty: nothing. The document's where the operation says nothing.
    pub security: Vec<Requirement>,
}

/// An alternative of `security`: every scheme by its name, with the scopes it needs. Empty: nothing has to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    /// By name.
    pub schemes: BTreeMap<String, BTreeSet<String>>,
}

impl Operation {
    /// The response that is meant by a status: the exact one, its class, or `default`.
    pub fn response(&self, status: u16) -> Option<&Response> {
        let class = StatusKey::Class(u8::try_from(status / 100).unwrap_or(0));
        [StatusKey::Exact(status), class, StatusKey::Default]
            .into_iter()
            .find_map(|key| self.responses.iter().find(|response| response.status == key))
    }
}

/// A parameter in the path, the query, a header field or a cookie.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Where it stands in the document.
    pub place: Place,
    /// `in`.
    pub location: Location,
    /// As written; header fields in lower case.
    pub name: String,
    /// `required`.
    pub required: bool,
    /// `deprecated`.
    pub deprecated: bool,
    /// Of its value.
    pub schema: Schema,
}

/// `in` of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
}

impl Location {
    /// The word it is written with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
        }
    }
}

/// What a status is answered with.
#[derive(Clone, Debug)]
pub struct Response {
    /// `200`, `2XX` or `default`.
    pub status: StatusKey,
    /// `description`.
    pub description: Option<String>,
    /// Body and its media types.
    pub content: Content,
    /// Header fields, as parameters.
    pub headers: Vec<Parameter>,
}

/// A body by media type.
#[derive(Clone, Debug)]
pub struct Content {
    /// Where it stands.
    pub place: Place,
    /// Whether a body has to be there; always true for responses that have one.
    pub required: bool,
    /// Media types in lower case, without parameters, and the schemas of those that have one.
    pub media_types: Vec<(String, Option<Schema>)>,
}

impl Content {
    /// The schema of the JSON body: of `application/json`, else of the first `…/json` or `…+json`, else of a range
    /// that takes JSON.
    pub fn json(&self) -> Option<&Schema> {
        self.main().and_then(|(_, schema)| schema.as_ref())
    }

    /// Every JSON body: its media type, and its schema if it has one.
    pub fn json_types(&self) -> impl Iterator<Item = &(String, Option<Schema>)> {
        let named = self.media_types.iter().any(|(name, _)| is_json(name));
        self.media_types.iter().filter(move |(name, _)| if named { is_json(name) } else { takes_json(name) })
    }

    /// The JSON body that stands for the one of another version by this name: names may tell versions.
    pub fn json_like(&self, media_type: &str) -> Option<&(String, Option<Schema>)> {
        self.json_types().find(|(name, _)| name == media_type).or_else(|| self.main())
    }

    /// Whether bodies of a media type may be sent.
    pub fn takes(&self, media_type: &str) -> bool {
        let (kind, _) = media_type.split_once('/').unwrap_or((media_type, ""));
        let covers = |name: &str| name == media_type || name == "*/*" || name.strip_suffix("/*") == Some(kind);
        self.media_types.iter().any(|(name, _)| covers(name))
    }

    fn main(&self) -> Option<&(String, Option<Schema>)> {
        let plain = self.media_types.iter().find(|(name, _)| name == "application/json");
        plain.or_else(|| self.json_types().next())
    }
}

/// Whether a media type, or one of a range of them, is JSON.
pub fn takes_json(range: &str) -> bool {
    is_json(range) || range == "application/*" || range == "*/*"
}

/// Whether a media type, without parameters, is a JSON document.
pub fn is_json(media_type: &str) -> bool {
    media_type.ends_with("+json") || media_type.ends_with("/json")
}
