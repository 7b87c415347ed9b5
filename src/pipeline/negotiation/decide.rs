//! One decision from head to [`Chosen`], reported step by step to an observer.

use std::borrow::Cow;

use super::{
    Chosen, Head, NegotiationError, Negotiator, PathCapture, Refusal, VersionSource,
    path_view::{self, Oddities},
    reader::{self, Named},
    reading,
    route::{Owner, segment_of},
    selector::{Place, Resolver, Selected, Sources},
    strip,
    trace::{Observer, Silent, Step},
};

/// What one way of reading the path leads to.
struct Decision<'v> {
    owner: Option<Owner<'v>>,
    sources: Option<Sources>,
    outcome: Result<(Selected, Option<usize>), Refusal>,
}

/// Decides what a request means.
pub(super) fn decide<'h>(
    negotiator: &Negotiator,
    head: &Head<'h, '_>,
    observer: &mut impl Observer,
) -> Result<Chosen<'h>, Refusal> {
    let path = checked_path(head)?;
    let odd = Oddities::of(path);
    if odd.is_its_own_view() {
        let mut decision = look(negotiator, head, path, observer);
        refuse_ambiguous_path(negotiator, head, path, odd, &decision, observer)?;
        let unversioned = decision.owner.as_mut().map(|owner| std::mem::take(&mut owner.path));
        return chosen(negotiator, head, path, path, decision, unversioned);
    }
    let view = path_view::normalise(path).into_owned();
    observer.step(|| Step::Normalised { path: view.clone() });
    let decision = look(negotiator, head, &view, observer);
    refuse_ambiguous_path(negotiator, head, &view, odd, &decision, observer)?;
    let unversioned = decision.owner.as_ref().map(|owner| Cow::Owned(owner.path.to_string()));
    chosen(negotiator, head, path, &view, decision, unversioned)
}

/// The path, if the target can be decided on at all.
fn checked_path<'h>(head: &Head<'h, '_>) -> Result<&'h str, Refusal> {
    let refuse = |error: NegotiationError| Err(error.into());
    let backslash = |text: &str| memchr::memchr(b'\\', text.as_bytes()).is_some();
    if backslash(head.path) || head.query.is_some_and(backslash) {
        return refuse(NegotiationError::TargetInvalid);
    }
    match head.path {
        "" => Ok("/"),
        // `OPTIONS *` asks about the server, which is no API.
        "*" => refuse(NegotiationError::RouteUnknown),
        path if path.starts_with('/') => Ok(path),
        _ => refuse(NegotiationError::TargetInvalid),
    }
}

/// Decides on one view of the path.
fn look<'v>(negotiator: &Negotiator, head: &Head<'_, '_>, view: &'v str, observer: &mut impl Observer) -> Decision<'v> {
    let (set, named) = negotiator.hosts.find(head.host);
    let candidates = set.map(|set| &negotiator.candidates[set]);
    observer.step(|| Step::Host {
        host: head.host.map(super::host::spelled),
        candidates: candidates.map_or(0, |candidates| candidates.count),
        named,
    });
    let owner = candidates.and_then(|candidates| candidates.find(view));
    observer.step(|| Step::Route {
        api: owner.as_ref().map(|owner| owner.api),
        path: owner.as_ref().map_or(view, |owner| &owner.path).to_owned(),
    });
    let Some(owner) = owner else {
        let outcome = Err(NegotiationError::RouteUnknown.into());
        return Decision { owner: None, sources: None, outcome };
    };
    let resolver = &negotiator.resolvers[owner.api];
    let (selected, sources) = resolver.select(head, view, &owner, observer);
    let outcome = match selected {
        Err(error) => Err(Refusal { api: Some(owner.api), ..error.into() }),
        Ok(selected) => {
            let endpoint = resolver.endpoint(selected.version, head.method, &owner.path);
            observer.step(|| Step::Endpoint {
                endpoint: endpoint.as_ref().ok().copied().flatten(),
                path: owner.path.clone().into_owned(),
            });
            match endpoint {
                Ok(endpoint) => Ok((selected, endpoint)),
                // Whether it may be served at all comes first: a version that is gone says so on every path.
                Err(_) if !resolver.is_served(selected.version) => Ok((selected, None)),
                Err(error) => Err(Refusal {
                    api: Some(owner.api),
                    version: Some(selected.version),
                    source: Some(selected.source),
                    fallback: selected.fallback,
                    ..error.into()
                }),
            }
        }
    };
    Decision { owner: Some(owner), sources: Some(sources), outcome }
}

/// Refuses a path that some backend may read as another API, version or endpoint, or that leads above
/// the root of what is forwarded.
fn refuse_ambiguous_path(
    negotiator: &Negotiator,
    head: &Head<'_, '_>,
    view: &str,
    odd: Oddities,
    decision: &Decision<'_>,
    observer: &mut impl Observer,
) -> Result<(), Refusal> {
    if !odd.is_ambiguous() {
        return Ok(());
    }
    let refuse = || Err(NegotiationError::PathInvalid.into());
    let Some(readings) = reading::readings(view, odd) else { return refuse() };
    for reading in readings {
        let other = look(negotiator, head, &reading.path, &mut Silent);
        let same = decision.means_the_same(&other, reading.without_parameters);
        observer.step(|| Step::Reading { path: reading.path.clone(), same });
        if !same {
            return refuse();
        }
    }
    let Some(owner) = &decision.owner else { return Ok(()) };
    if reading::climbs(&forwarded_path(&negotiator.resolvers[owner.api], view, view, owner), odd) {
        observer.step(|| Step::Climbs);
        return refuse();
    }
    Ok(())
}

impl Decision<'_> {
    /// - `version_only`: endpoints may differ. A `;` is an ordinary character of most paths; it only must
    ///   not hide which API and version are meant.
    fn means_the_same(&self, other: &Self, version_only: bool) -> bool {
        let api = |decision: &Self| decision.owner.as_ref().map(|owner| owner.api);
        if api(self) != api(other) || !same_by_path(self.by_path(), other.by_path()) {
            return false;
        }
        match (&self.outcome, &other.outcome) {
            (Ok((a, endpoint_a)), Ok((b, endpoint_b))) => {
                a.version == b.version && (version_only || endpoint_a == endpoint_b)
            }
            (Err(a), Err(b)) => a == b,
            (Ok(_), Err(refusal)) | (Err(refusal), Ok(_)) => {
                version_only && refusal.error == NegotiationError::EndpointUnknown
            }
        }
    }

    fn by_path(&self) -> Option<Named> {
        self.sources.as_ref()?.by_path.map(|(_, named)| named)
    }
}

fn same_by_path(a: Option<Named>, b: Option<Named>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Named::Version { index: a, .. }), Some(Named::Version { index: b, .. })) => a == b,
        (Some(Named::Unknown { text: a }), Some(Named::Unknown { text: b })) => a == b,
        (Some(Named::Malformed), Some(Named::Malformed)) => true,
        _ => false,
    }
}

/// Puts together what the stages behind need.
///
/// - `path`: the client's own; `view`: what was decided on; `unversioned`: the view without the version.
fn chosen<'h>(
    negotiator: &Negotiator,
    head: &Head<'h, '_>,
    path: &'h str,
    view: &str,
    decision: Decision<'_>,
    unversioned: Option<Cow<'h, str>>,
) -> Result<Chosen<'h>, Refusal> {
    let (selected, endpoint) = match (decision.outcome, &decision.owner) {
        (Ok(outcome), _) => outcome,
        (Err(refusal), Some(owner)) if refusal.version.is_some() => {
            let path_capture = path_capture(&negotiator.resolvers[owner.api], path, view, owner);
            return Err(Refusal { path_capture, ..refusal });
        }
        (Err(refusal), _) => return Err(refusal),
    };
    let (owner, sources) = decision.owner.zip(decision.sources).expect("a version is selected from an owner's sources");
    let resolver = &negotiator.resolvers[owner.api];
    let query = head.query.and_then(|query| forwarded_query(resolver, query));
    if query.as_deref().is_some_and(|query| is_cloaked(resolver, query)) {
        return Err(Refusal { api: Some(owner.api), ..NegotiationError::Cloaked.into() });
    }
    let media_type_text = sources.by_accept.filter(|(version, _)| *version == selected.version);
    Ok(Chosen {
        api: owner.api,
        version: selected.version,
        source: selected.source,
        requested: selected.requested,
        path: forwarded_path(resolver, path, view, &owner),
        query,
        unversioned_sent: (path != view).then(|| owner.captures.take_off(view, path).into()),
        unversioned_path: unversioned.unwrap_or(Cow::Borrowed(path)),
        endpoint,
        path_capture: path_capture(resolver, path, view, &owner),
        named_by_path_alone: selected.source == VersionSource::Path && !sources.beside_path,
        media_type_text: media_type_text.map(|(_, text)| text),
        fallback: selected.fallback,
        conflict: selected.conflict,
    })
}

/// The path without the version's segments (unless `strip: false`) and, if asked, the API's prefix.
///
/// - `path` and `view` have the same segments.
fn forwarded_path<'h>(resolver: &Resolver, path: &'h str, view: &str, owner: &Owner<'_>) -> Cow<'h, str> {
    let mut prefix_left = if resolver.strip_path { owner.prefix_segments } else { 0 };
    if prefix_left == 0 && owner.captures.is_empty() {
        return Cow::Borrowed(path);
    }
    let version = |index: usize| owner.captures.find(index).map(|range| segment_of(view, &range));
    let path_sources = || {
        resolver.sources.iter().filter_map(|source| match source.place {
            Place::Path(index) => Some((version(index)?, source.strip)),
            Place::Header(_) | Place::Query(_) | Place::Accept(_) => None,
        })
    };
    strip::segments(path, |segment| {
        let mut found = path_sources().filter(|(at, _)| *at == segment).peekable();
        if found.peek().is_some() {
            return found.any(|(_, strip)| strip);
        }
        let prefix = prefix_left > 0;
        prefix_left -= usize::from(prefix);
        prefix
    })
}

fn forwarded_query<'h>(resolver: &Resolver, query: &'h str) -> Option<Cow<'h, str>> {
    if stripped_parameters(resolver).next().is_none() {
        return Some(Cow::Borrowed(query));
    }
    strip::parameters(query, |parameter| names_the_version(resolver, parameter))
}

/// Whether a reader that splits at `;` too finds a version parameter in what is left of the query.
fn is_cloaked(resolver: &Resolver, query: &str) -> bool {
    memchr::memchr(b';', query.as_bytes()).is_some()
        && query.split(['&', ';']).any(|parameter| names_the_version(resolver, parameter))
}

fn names_the_version(resolver: &Resolver, parameter: &str) -> bool {
    stripped_parameters(resolver).any(|name| reader::value_of(parameter, name).is_some())
}

/// The parameters that are taken off.
fn stripped_parameters(resolver: &Resolver) -> impl Iterator<Item = &str> {
    resolver.sources.iter().filter_map(|source| match &source.place {
        Place::Query(name) if source.strip => Some(name.as_str()),
        _ => None,
    })
}

fn path_capture(resolver: &Resolver, path: &str, view: &str, owner: &Owner<'_>) -> Option<PathCapture> {
    let found = resolver.sources.iter().enumerate().find_map(|(source, compiled)| match compiled.place {
        Place::Path(index) => Some((source, owner.captures.find(index)?)),
        Place::Header(_) | Place::Query(_) | Place::Accept(_) => None,
    });
    let (source, range) = found?;
    let range = if path.len() == view.len() && path == view { range } else { path_view::range_in_path(path, &range) };
    Some(PathCapture { source, range })
}
