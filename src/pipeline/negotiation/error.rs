//! Why a request cannot be given an API, a version or an endpoint, and how the caller is told.

use super::{Negotiator, PathCapture, VersionSource};
use crate::problem::{Code, NamedBy, Problem};

/// A request that is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub error: NegotiationError,
    /// The API, once it is known: index into the configuration's APIs.
    pub api: Option<usize>,
    /// The version, once it is known: with [`NegotiationError::EndpointUnknown`] only.
    pub version: Option<usize>,
    /// How that version was chosen.
    pub source: Option<VersionSource>,
    /// Whether it is the default because the one asked for does not exist.
    pub fallback: bool,
    /// Where the path holds that version, for the successor link its answer carries as well.
    pub path_capture: Option<PathCapture>,
}

/// What is wrong with a request. Values are bounded and safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// A raw `\` in the target, or a path that is not absolute.
    #[error("the request target must be an absolute path and must not hold a raw backslash; write it as %5C")]
    TargetInvalid,
    /// Dot segments, doubled slashes or encoded separators let the path be read in another way.
    #[error(
        "the path means something else once dot segments, doubled slashes or encoded separators are resolved; send it without them"
    )]
    PathInvalid,
    /// No API owns the host and path.
    #[error("no API answers to this host and path")]
    RouteUnknown,
    /// What stands where a version belongs has not the form of one.
    #[error("{} is not a version; write MAJOR, MAJOR.MINOR, MAJOR.MINOR.PATCH (optionally -PRERELEASE) or YYYY-MM-DD", place(*.by))]
    Malformed {
        /// Where it stands.
        by: NamedBy,
    },
    /// One source names different versions.
    #[error("{} names both {first} and {second}; name one version", place(*.by))]
    Ambiguous {
        /// Where they stand.
        by: NamedBy,
        /// One of them, as written.
        first: Box<str>,
        /// Another, as written.
        second: Box<str>,
    },
    /// A version parameter that only some backends see: they split a query at `;` as well.
    #[error(
        "the query names the version parameter behind a semicolon, which some servers read as \"&\"; write %3B, or name the version once"
    )]
    Cloaked,
    /// A version that does not exist.
    #[error("{} names version {text}, which does not exist", place(*.by))]
    Unknown {
        /// Where it stands; decides the status.
        by: NamedBy,
        /// What was asked for, as written.
        text: Box<str>,
    },
    /// `on_conflict: reject`: a source of lower priority does not mean the same version.
    #[error("{} names version {asked}, but {} names {other}; name one version", place(*.by), place(*.below))]
    Conflict {
        /// The source that decided.
        by: NamedBy,
        /// What it says.
        asked: Box<str>,
        /// The source below.
        below: NamedBy,
        /// What that one says.
        other: Box<str>,
    },
    /// Nothing is named and nothing is meant by default.
    #[error("the request names no version and the API has no default; name one")]
    Required,
    /// `unlisted: reject`, and the version lists no such endpoint.
    #[error("the version has no endpoint with this method and path")]
    EndpointUnknown,
}

impl NegotiationError {
    /// The short code; [`Code::status`] has the status.
    pub fn code(&self) -> Code {
        match self {
            Self::TargetInvalid => Code::RequestInvalid,
            Self::PathInvalid => Code::PathInvalid,
            Self::RouteUnknown => Code::RouteUnknown,
            Self::Malformed { .. } => Code::VersionMalformed,
            Self::Ambiguous { .. } | Self::Cloaked => Code::VersionAmbiguous,
            Self::Unknown { by, .. } => Code::VersionUnknown(*by),
            Self::Conflict { .. } => Code::VersionConflict,
            Self::Required => Code::VersionRequired,
            Self::EndpointUnknown => Code::EndpointUnknown,
        }
    }

    /// Where the version stands that is the matter; none where no version is, or none was named.
    pub fn source(&self) -> Option<VersionSource> {
        match self {
            Self::Malformed { by }
            | Self::Ambiguous { by, .. }
            | Self::Unknown { by, .. }
            | Self::Conflict { by, .. } => Some(match by {
                NamedBy::Header => VersionSource::Header,
                NamedBy::Path => VersionSource::Path,
                NamedBy::Query => VersionSource::Query,
                NamedBy::Accept => VersionSource::Accept,
            }),
            Self::Cloaked => Some(VersionSource::Query),
            Self::Required => Some(VersionSource::Default),
            Self::TargetInvalid | Self::PathInvalid | Self::RouteUnknown | Self::EndpointUnknown => None,
        }
    }

    /// Whether the list of served versions helps the caller.
    fn is_about_the_version(&self) -> bool {
        match self {
            Self::Malformed { .. }
            | Self::Ambiguous { .. }
            | Self::Cloaked
            | Self::Unknown { .. }
            | Self::Conflict { .. }
            | Self::Required => true,
            Self::TargetInvalid | Self::PathInvalid | Self::RouteUnknown | Self::EndpointUnknown => false,
        }
    }
}

impl From<NegotiationError> for Refusal {
    /// Before an API is known.
    fn from(error: NegotiationError) -> Self {
        let source = error.source();
        Self { error, api: None, version: None, source, fallback: false, path_capture: None }
    }
}

impl Refusal {
    /// The problem body: the error's sentence, and `supported_versions` where a version is the matter.
    pub fn problem(&self, negotiator: &Negotiator) -> Problem {
        let problem = Problem::new(self.error.code(), self.error.to_string());
        match self.api {
            Some(api) if self.error.is_about_the_version() => {
                problem.with("supported_versions", negotiator.supported_versions(api).to_vec())
            }
            _ => problem,
        }
    }
}

/// The source in the words of a sentence.
fn place(by: NamedBy) -> &'static str {
    match by {
        NamedBy::Header => "the version header",
        NamedBy::Path => "the path",
        NamedBy::Query => "the version parameter",
        NamedBy::Accept => "Accept",
    }
}
