//! An API, its versions, and the rules that choose among them.

use super::{
    endpoint::Endpoint,
    lifecycle::{Lifecycle, Status},
    time::UtcTime,
    version::ApiVersion,
};

/// A product with versions.
#[derive(Clone, Debug)]
pub struct Api {
    /// The key under `apis:`.
    pub name: String,
    /// Hosts it answers to; empty means any.
    pub hosts: Vec<HostPattern>,
    /// The path prefix it owns after the version was taken off, without a trailing slash; empty for `/`.
    pub path: String,
    /// Whether the prefix is taken off before forwarding.
    pub strip_path: bool,
    /// Endpoints of versions without a list of their own.
    pub endpoints: Vec<Endpoint>,
    /// What becomes of a request that fits no endpoint.
    pub unlisted: Unlisted,
    /// What HTTP leaves open about bodies that are adapted.
    pub bodies: BodyRules,
    /// How the requested version is found.
    pub versioning: Versioning,
    /// Ascending; never empty. Indices into this list name versions everywhere else.
    pub versions: Vec<Version>,
}

impl Api {
    /// Index of the newest version whose status is stable at `now`, pre-releases aside: what
    /// `latest-stable` means and where callers of a deprecated version are sent.
    pub fn latest_stable(&self, now: UtcTime) -> Option<usize> {
        let stable = |version: &Version| {
            !version.name.is_pre_release() && version.lifecycle.standing(now).status == Status::Stable
        };
        self.versions.iter().rposition(stable)
    }
}

/// One version of an API.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its name.
    pub name: ApiVersion,
    /// Status and dates.
    pub lifecycle: Lifecycle,
    /// What happens after the sunset, and which headers announce it.
    pub deprecation: DeprecationRules,
    /// URI reference of the migration guide, percent-encoded.
    pub migration_guide: Option<String>,
    /// Free words shown on the admin port.
    pub breaking_changes: Vec<String>,
    /// Its own endpoint list, if it differs from the API's.
    pub endpoints: Option<Vec<Endpoint>>,
    /// The upstream that serves it, its own or a newer version's.
    pub service: Service,
}

/// Which upstream serves a version, and through which changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Index into the configuration's upstreams.
    pub upstream: usize,
    /// Index of the version whose upstream this is; the version itself if it has its own.
    pub through: usize,
    /// Index of the version the upstream speaks.
    pub speaks: usize,
    /// Indices into the API's changes, leading from this version to the spoken one, in walking order;
    /// empty where they are the same.
    pub chain: Vec<usize>,
}

/// `hosts:` entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Lower-case host name or address literal.
    Exact(String),
    /// `*.example.com`: exactly one label before this lower-case `.example.com`.
    OneLabel(String),
}

/// What becomes of a request that fits no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Forwarded and counted as `other`.
    #[default]
    Forward,
    /// 404 `endpoint_unknown`.
    Reject,
}

/// `adaptation:`: what HTTP leaves open about bodies that are adapted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BodyRules {
    /// Bodies without a media type.
    pub untyped: Untyped,
    /// Messages that forbid proxies to change them.
    pub no_transform: NoTransform,
    /// Messages with a signature over the digest of their body.
    pub signed: Signed,
    /// Bodies in another charset than UTF-8.
    pub charset: Charset,
}

/// What a body without `Content-Type` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Untyped {
    /// Anything: it passes.
    #[default]
    Pass,
    /// JSON.
    Json,
}

/// What becomes of a message with `Cache-Control: no-transform` (RFC 9111 sections 5.2.1.6 and 5.2.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NoTransform {
    /// It is adapted and counted: a gateway answers as the origin (RFC 9110 section 3.7).
    #[default]
    Adapt,
    /// It passes as it came, in the shape of its sender's version.
    Bypass,
    /// It is refused.
    Fail,
}

/// What becomes of a message whose signature covers the digest of its body (RFC 9421).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Signed {
    /// It is refused: the signature would no longer hold.
    #[default]
    Fail,
    /// It is adapted, and its signature does not hold any more.
    Adapt,
}

/// What becomes of a body that is not in UTF-8, where its type names another charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Charset {
    /// It is refused: JSON is UTF-8 (RFC 8259 section 8.1).
    #[default]
    Refuse,
    /// It is read in that charset, and goes on in UTF-8.
    Transcode,
}

/// `versioning:` as it applies to one API.
#[derive(Clone, Debug)]
pub struct Versioning {
    /// Priority order; the first that is present decides.
    pub sources: Vec<Source>,
    /// What is meant when nothing is named.
    pub default: DefaultVersion,
    /// What happens when a lower source names another version.
    pub on_conflict: OnConflict,
    /// What happens when the version named does not exist.
    pub on_unknown: OnUnknown,
}

/// One place where a caller may name a version.
#[derive(Clone, Debug)]
pub struct Source {
    /// The place.
    pub place: SourcePlace,
    /// Whether the version is taken off before forwarding; matters for path and query.
    pub strip: bool,
}

/// Where a version may be named. Expressions have at least one capture group: the version.
#[derive(Clone, Debug)]
pub enum SourcePlace {
    /// A header field of this name.
    Header(http::HeaderName),
    /// The path, by expression.
    Path(regex::Regex),
    /// A query parameter of this decoded name.
    Query(String),
    /// A media range of `Accept`, by expression. It is anchored at both ends and ignores case.
    Accept(regex::Regex),
}

/// What is meant when a request names no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultVersion {
    /// The newest version that is stable on the day.
    LatestStable,
    /// 400 `version_required`.
    Required,
    /// Index into [`Api::versions`].
    Version(usize),
}

/// What happens when a lower source names another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// The order of the sources decides.
    #[default]
    Precedence,
    /// 400.
    Reject,
}

/// What happens when the version named does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// 400, 404 or 406 by source.
    #[default]
    Reject,
    /// The default version answers and says so.
    Default,
}

/// `deprecation:` as it applies to one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeprecationRules {
    /// What a request for a sunset version gets.
    pub after_sunset: AfterSunset,
    /// Whether `Warning` is sent (obsolete since RFC 9111, kept for old clients). Default true.
    pub warning: bool,
    /// Whether `X-API-Deprecated`, `X-API-Sunset-Date` and `X-API-Migration-Guide` are sent. Default true.
    pub seed: bool,
    /// Which link relations are sent. Default: all.
    pub links: LinkRelations,
}

impl Default for DeprecationRules {
    fn default() -> Self {
        Self { after_sunset: AfterSunset::Gone, warning: true, seed: true, links: LinkRelations::default() }
    }
}

/// Which relations the `Link` of a deprecated version carries (`headers.links`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkRelations {
    /// `deprecation`, RFC 9745 section 3.
    pub deprecation: bool,
    /// `sunset`, RFC 8594 section 6.
    pub sunset: bool,
    /// `successor-version`, RFC 5829 section 3.3.
    pub successor_version: bool,
}

impl Default for LinkRelations {
    fn default() -> Self {
        Self { deprecation: true, sunset: true, successor_version: true }
    }
}

/// What a request for a sunset version gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AfterSunset {
    /// 410.
    #[default]
    Gone,
    /// 308 to the successor's path where the path alone named the version, else 410.
    Redirect,
    /// The successor answers.
    FallForward,
}
