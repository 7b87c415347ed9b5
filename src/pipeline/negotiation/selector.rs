//! Which version the sources of a request mean together (CONTRACT section 3, rules 4 to 7 and 11).

use http::{
    HeaderMap, HeaderName, Method,
    header::{ACCEPT, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN},
};

use super::{
    Head, NegotiationError, VersionSource,
    endpoints::{Endpoints, Listed},
    expression::Expression,
    reader::{self, Named},
    route::Owner,
    signals,
    trace::{Observer, Step},
};
use crate::{
    domain::{
        api::{Api, DefaultVersion, OnConflict, OnUnknown, SourcePlace, Unlisted},
        lifecycle::Status,
        time::UtcTime,
        version::{ApiVersion, RequestedVersion, VersionText},
    },
    headers::{VaryNames, X_API_VERSION},
    problem::NamedBy,
};

/// How one API finds its version, compiled for an instant.
#[derive(Debug)]
pub(super) struct Resolver {
    pub(super) sources: Vec<Source>,
    names: Vec<(ApiVersion, Status)>,
    default: Option<usize>,
    on_conflict: OnConflict,
    on_unknown: OnUnknown,
    pub(super) strip_path: bool,
    unlisted: Unlisted,
    /// One per version.
    endpoints: Vec<Endpoints>,
    pub(super) latest_stable: Option<usize>,
    pub(super) supported: Vec<String>,
    pub(super) vary: VaryNames,
    pub(super) version_header: HeaderName,
    /// Removed before forwarding.
    pub(super) version_fields: Vec<HeaderName>,
    /// Their first letters, see [`signals::initials`].
    pub(super) version_initials: u32,
}

/// One source, ready to be read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) place: Place,
    pub(super) strip: bool,
}

#[derive(Debug)]
pub(super) enum Place {
    Header(HeaderName),
    /// Counted among the API's path sources; the expression ran when the route was found.
    Path(usize),
    Query(String),
    Accept(Expression),
}

/// The version a request means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected {
    pub(super) version: usize,
    pub(super) source: VersionSource,
    pub(super) requested: Option<VersionText>,
    pub(super) fallback: bool,
    pub(super) conflict: bool,
}

/// What else the sources say.
#[derive(Debug)]
pub(super) struct Sources {
    /// What the first path source that is present says.
    pub(super) by_path: Option<(usize, Named)>,
    /// What the first `Accept` source that is present says.
    pub(super) by_accept: Option<(usize, VersionText)>,
    /// Whether a source other than the path is present.
    pub(super) beside_path: bool,
}

impl Resolver {
    pub(super) fn compile(api: &Api, now: UtcTime) -> Self {
        let names: Vec<_> =
            api.versions.iter().map(|version| (version.name.clone(), version.lifecycle.standing(now).status)).collect();
        let latest_stable = api.latest_stable(now);
        let default = match api.versioning.default {
            DefaultVersion::LatestStable => latest_stable,
            DefaultVersion::Required => None,
            DefaultVersion::Version(index) => Some(index),
        };
        let mut path_sources = 0..;
        let source = |source: &crate::domain::api::Source| Source {
            place: match &source.place {
                SourcePlace::Header(name) => Place::Header(name.clone()),
                SourcePlace::Path(_) => Place::Path(path_sources.next().unwrap_or_default()),
                SourcePlace::Query(name) => Place::Query(name.clone()),
                SourcePlace::Accept(expression) => Place::Accept(Expression::media_range(expression.as_str())),
            },
            strip: source.strip,
        };
        let sources: Vec<Source> = api.versioning.sources.iter().map(source).collect();
        let list = |version: &crate::domain::api::Version| {
            Endpoints::compile(version.endpoints.as_ref().unwrap_or(&api.endpoints))
        };
        let version_fields = signals::version_fields(&sources);
        let served = names.iter().filter(|(_, status)| is_served(*status));
        Self {
            default,
            on_conflict: api.versioning.on_conflict,
            on_unknown: api.versioning.on_unknown,
            strip_path: api.strip_path,
            unlisted: api.unlisted,
            endpoints: api.versions.iter().map(list).collect(),
            latest_stable,
            supported: served.map(|(name, _)| name.to_string()).collect(),
            vary: VaryNames::new(sources.iter().filter_map(Source::request_field)),
            version_header: sources.iter().find_map(Source::header).unwrap_or(&X_API_VERSION).clone(),
            version_initials: signals::initials(&version_fields),
            version_fields,
            sources,
            names,
        }
    }

    /// The declared version a request means; `fold` compares pre-releases without case.
    ///
    /// An equal name beats the prefix reading; a prefix means the newest stable version under it, else
    /// the newest deprecated one, else the newest sunset one.
    pub(super) fn resolve(&self, asked: &RequestedVersion<'_>, fold: bool) -> Option<usize> {
        if let Some(index) = self.names.iter().rposition(|(name, _)| asked.equals(name, false)) {
            return Some(index);
        }
        if fold && let Some(index) = self.names.iter().rposition(|(name, _)| asked.equals(name, true)) {
            return Some(index);
        }
        let newest =
            |wanted| self.names.iter().rposition(|(name, status)| *status == wanted && asked.is_prefix_of(name));
        newest(Status::Stable).or_else(|| newest(Status::Deprecated)).or_else(|| newest(Status::Sunset))
    }

    /// Reads every source in order; the first that is present decides.
    pub(super) fn select(
        &self,
        head: &Head<'_, '_>,
        view: &str,
        owner: &Owner<'_>,
        observer: &mut impl Observer,
    ) -> (Result<Selected, NegotiationError>, Sources) {
        let mut decided: Option<Result<Selected, NegotiationError>> = None;
        let (mut by_path, mut by_accept, mut beside_path) = (None, None, false);
        let mut above = NamedBy::Header;
        for (index, source) in self.sources.iter().enumerate() {
            let (by, named) = self.read(source, head, view, owner);
            observer.step(|| Step::Source { index, by, finding: named.finding() });
            match (by, named) {
                (_, Named::Absent) => continue,
                (NamedBy::Path, named) => by_path = by_path.or(Some((index, named))),
                (NamedBy::Accept, Named::Version { index, text }) => by_accept = by_accept.or(Some((index, text))),
                _ => {}
            }
            beside_path |= by != NamedBy::Path;
            decided = Some(match decided {
                None => {
                    above = by;
                    self.first(by, named, observer)
                }
                Some(Ok(selected)) => self.below(selected, above, by, named),
                Some(Err(error)) => Err(error),
            });
        }
        let outcome = decided.unwrap_or_else(|| self.unnamed(head, observer));
        (outcome, Sources { by_path, by_accept, beside_path })
    }

    fn read(&self, source: &Source, head: &Head<'_, '_>, view: &str, owner: &Owner<'_>) -> (NamedBy, Named) {
        match &source.place {
            Place::Header(name) => (NamedBy::Header, reader::header(self, name, head.headers)),
            Place::Path(index) => {
                let text = owner.captures.find(*index).map(|range| &view[range]);
                (NamedBy::Path, reader::path(self, text))
            }
            Place::Query(name) => (NamedBy::Query, reader::query(self, name, head.query)),
            Place::Accept(expression) => (NamedBy::Accept, reader::accept(self, expression, head.headers)),
        }
    }

    /// The source that decides: what it names is served or refused, no lower source rescues it.
    fn first(&self, by: NamedBy, named: Named, observer: &mut impl Observer) -> Result<Selected, NegotiationError> {
        let selected = |version, text, fallback| {
            Ok(Selected { version, source: by.into(), requested: Some(text), fallback, conflict: false })
        };
        match named {
            Named::Version { index, text } => selected(index, text, false),
            Named::Unknown { text } => match (self.on_unknown, self.default) {
                (OnUnknown::Default, Some(version)) => {
                    observer.step(|| Step::Default { version: Some(version), preflight: false });
                    selected(version, text, true)
                }
                (OnUnknown::Default, None) | (OnUnknown::Reject, _) => {
                    Err(NegotiationError::Unknown { by, text: text.as_str().into() })
                }
            },
            Named::Ambiguous { first, second } => {
                let (first, second) = (first.as_str().into(), second.as_str().into());
                Err(NegotiationError::Ambiguous { by, first, second })
            }
            Named::Malformed | Named::Absent => Err(NegotiationError::Malformed { by }),
        }
    }

    /// A source below the one that decided: it may only disagree under `on_conflict: precedence`.
    fn below(
        &self,
        selected: Selected,
        by: NamedBy,
        below: NamedBy,
        named: Named,
    ) -> Result<Selected, NegotiationError> {
        let other = match named {
            Named::Version { index, .. } if index == selected.version => return Ok(selected),
            Named::Version { text, .. } | Named::Unknown { text } => Some(text),
            // The one that was not asked for above.
            Named::Ambiguous { first, second } => Some(if Some(first) == selected.requested { second } else { first }),
            Named::Malformed | Named::Absent => None,
        };
        if self.on_conflict == OnConflict::Precedence {
            let served = matches!(named, Named::Version { index, .. } if is_served(self.names[index].1));
            return Ok(Selected { conflict: selected.conflict || served, ..selected });
        }
        match (selected.requested, other) {
            (Some(asked), Some(other)) => {
                let (asked, other) = (asked.as_str().into(), other.as_str().into());
                Err(NegotiationError::Conflict { by, asked, below, other })
            }
            (_, None) | (None, _) => Err(NegotiationError::Malformed { by: below }),
        }
    }

    fn unnamed(&self, head: &Head<'_, '_>, observer: &mut impl Observer) -> Result<Selected, NegotiationError> {
        // A browser sends a preflight without the fields that name the version.
        let preflight = is_preflight(head.method, head.headers);
        let version = self.default.or(if preflight { self.latest_stable } else { None });
        observer.step(|| Step::Default { version, preflight: preflight && self.default.is_none() });
        let version = version.ok_or(NegotiationError::Required)?;
        Ok(Selected { version, source: VersionSource::Default, requested: None, fallback: false, conflict: false })
    }

    /// The endpoint of a version; an error where unlisted ones are rejected.
    pub(super) fn endpoint(
        &self,
        version: usize,
        method: &Method,
        path: &str,
    ) -> Result<Option<usize>, NegotiationError> {
        match self.endpoints[version].find(method, path) {
            Listed::Endpoint(index) => Ok(Some(index)),
            Listed::No if self.unlisted == Unlisted::Reject => Err(NegotiationError::EndpointUnknown),
            Listed::Options | Listed::No => Ok(None),
        }
    }

    pub(super) fn is_served(&self, version: usize) -> bool {
        is_served(self.names[version].1)
    }

    pub(super) fn is_sunset(&self, version: usize) -> bool {
        self.names[version].1 == Status::Sunset
    }
}

impl Source {
    fn header(&self) -> Option<&HeaderName> {
        match &self.place {
            Place::Header(name) => Some(name),
            Place::Path(_) | Place::Query(_) | Place::Accept(_) => None,
        }
    }

    /// The request field a cache has to look at.
    fn request_field(&self) -> Option<HeaderName> {
        match &self.place {
            Place::Header(name) => Some(name.clone()),
            Place::Accept(_) => Some(ACCEPT),
            Place::Path(_) | Place::Query(_) => None,
        }
    }
}

impl From<NamedBy> for VersionSource {
    fn from(by: NamedBy) -> Self {
        match by {
            NamedBy::Header => Self::Header,
            NamedBy::Path => Self::Path,
            NamedBy::Query => Self::Query,
            NamedBy::Accept => Self::Accept,
        }
    }
}

/// Neither restricted nor sunset.
fn is_served(status: Status) -> bool {
    match status {
        Status::Beta | Status::Stable | Status::Deprecated => true,
        Status::Development | Status::Alpha | Status::Sunset => false,
    }
}

/// A CORS preflight (Fetch standard, section 4.8).
fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
