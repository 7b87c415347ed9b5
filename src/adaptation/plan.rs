//! What a chain of changes does between a client's version and the upstream's, compiled at load.

mod responses;

use std::{borrow::Cow, sync::Arc};

use http::{HeaderMap, Method, StatusCode};

use self::responses::Responses;
use super::{
    change::{Change, Direction},
    fields::{HeaderEdit, QueryEdit, edit_headers, edit_query},
    program::Program,
    route::{self, Hop, Template},
};
use crate::domain::version::ApiVersion;

/// One chain, by operation.
#[derive(Debug, Default)]
pub struct Plan {
    /// More specific templates first.
    entries: Vec<(Template, Fate)>,
    moves_paths: bool,
}

/// What becomes of an operation.
#[derive(Debug)]
enum Fate {
    Untouched,
    Unknown,
    Operation(Arc<OperationPlan>),
}

/// What a plan knows of a request.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// The chain does nothing to it.
    Untouched,
    /// The client's version does not have this operation: 404 `endpoint_unknown`.
    Unknown,
    /// The chain does this to it.
    Operation(&'a Arc<OperationPlan>),
}

impl Plan {
    /// Fuses a chain.
    ///
    /// - `walk`: the changes from the client's version to the upstream's, in walking order, each with
    ///   the direction its requests take.
    /// - `client`: the client's version; operations that came `since` a newer one are unknown to it.
    pub fn compile(walk: &[(&Change, Direction)], client: &ApiVersion) -> Self {
        let compile = |entry: Template| {
            let fate = OperationPlan::compile(&entry, walk, client);
            (entry, fate)
        };
        let mut entries: Vec<_> = route::entries(walk).into_iter().map(compile).collect();
        if entries.iter().all(|(_, fate)| matches!(fate, Fate::Untouched)) {
            entries.clear();
        }
        entries.sort_by_key(|(entry, _)| entry.rank());
        let mut plan = Self { entries, moves_paths: false };
        let moves_paths = plan.moved().next().is_some();
        plan.moves_paths = moves_paths;
        plan
    }

    /// Whether there is nothing to look up.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What happens to a request of the client's version.
    ///
    /// - `method`: HEAD counts as GET.
    /// - `path`: without version and query, with the API's prefix; percent-encoded or not.
    pub fn operation(&self, method: &str, path: &str) -> Lookup<'_> {
        let find = |method: &str| self.entries.iter().find(|(entry, _)| entry.method == method && entry.fits(path));
        let found = find(method).or_else(|| if method == "HEAD" { find("GET") } else { None });
        match found {
            None | Some((_, Fate::Untouched)) => Lookup::Untouched,
            Some((_, Fate::Unknown)) => Lookup::Unknown,
            Some((_, Fate::Operation(operation))) => Lookup::Operation(operation),
        }
    }

    /// Whether some operation has another path at the upstream.
    pub fn moves_paths(&self) -> bool {
        self.moves_paths
    }

    /// The client's path for one of the upstream's; none where no operation that moved is there, or
    /// its parameters do not tell.
    ///
    /// - `path`: with the API's prefix. Where several operations are there, that of GET counts:
    ///   references are followed by GET.
    pub fn path_back(&self, path: &str) -> Option<String> {
        let mut found: Vec<_> = self.moved().filter(|(_, target)| target.fits(path)).collect();
        found.sort_by_key(|(_, target)| target.method != "GET");
        found.into_iter().find_map(|(from, target)| target.refill(path, from))
    }

    /// Template of the client and of the upstream, where they differ.
    fn moved(&self) -> impl Iterator<Item = (&Template, &Template)> {
        self.entries.iter().filter_map(|(_, fate)| match fate {
            Fate::Operation(operation) => {
                let (_, target) = operation.target.as_ref()?;
                (target.parts != operation.from.parts).then_some((&operation.from, target))
            }
            Fate::Untouched | Fate::Unknown => None,
        })
    }

    /// The path at the other end of the chain; none where it stays the same.
    ///
    /// Parameters as in [`Plan::operation`].
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
    from: Template,
    /// Method (none: as sent) and path at the upstream, where they differ.
    target: Option<(Option<Method>, Template)>,
    query: Vec<QueryEdit>,
    request_headers: Vec<HeaderEdit>,
    response_headers: Vec<HeaderEdit>,
    request: Option<Program>,
    responses: Responses,
    fingerprint: u32,
}

impl OperationPlan {
    /// For request bodies; none: they are not parsed.
    pub fn request(&self) -> Option<&Program> {
        self.request.as_ref()
    }

    /// For response bodies of this status of the upstream's; none: they are not parsed.
    ///
    /// Each change chooses its list by the status that its newer version has.
    pub fn response(&self, status: u16) -> Option<&Program> {
        self.responses.program(status)
    }

    /// For the data of a server-sent event; none: it passes as it came.
    ///
    /// - `status`: the upstream's. `kind`: the event's type; empty where it has none.
    ///
    /// Each change chooses its list for this type, and where it has none, its list for the status.
    pub fn event(&self, status: u16, kind: &[u8]) -> Option<&Program> {
        self.responses.event(status, kind)
    }

    /// Whether some event of an answer with this status of the upstream's is adapted.
    pub fn adapts_events(&self, status: u16) -> bool {
        self.responses.adapts_events(status)
    }

    /// What the client gets instead of this status of the upstream's; none where it is the same.
    pub fn status(&self, upstream: StatusCode) -> Option<StatusCode> {
        self.responses.status(upstream)
    }

    /// Whether some response is adapted: then `Accept-Encoding`, `Range` and entity tags change.
    pub fn adapts_responses(&self) -> bool {
        !self.responses.is_empty()
    }

    /// CRC-32 over all response lists of the chain; shown in entity tags as 8 hex digits.
    ///
    /// It changes when any of those lists changes, and only then; 0 where there are none.
    pub fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    /// The upstream's method (none: as sent) and path, parameters as the raw text between slashes;
    /// none where neither changes.
    ///
    /// - `path`: as it was looked up, or another spelling of it: what parameters stand for is taken from here.
    pub fn target(&self, path: &str) -> Option<(Option<&Method>, String)> {
        let (method, template) = self.target.as_ref()?;
        let slash = path.len() > 1 && path.ends_with('/');
        Some((method.as_ref(), template.fill(&self.from.bind(path)?, slash)))
    }

    /// The upstream's query, without `?`; untouched pairs keep their order and percent text.
    ///
    /// - Returns an empty text where nothing is left: the `?` goes too.
    pub fn query<'q>(&self, raw: &'q str) -> Cow<'q, str> {
        edit_query(&self.query, raw)
    }

    /// Edits the header fields of a request.
    pub fn request_headers(&self, headers: &mut HeaderMap) {
        edit_headers(&self.request_headers, headers);
    }

    /// Edits the header fields of a response.
    pub fn response_headers(&self, headers: &mut HeaderMap) {
        edit_headers(&self.response_headers, headers);
    }

    /// One line per edit outside of bodies, for people: path, query, request headers, statuses (the
    /// upstream's and the client's) and response headers.
    pub fn describe(&self) -> Vec<String> {
        let path = self.target.iter().map(|(_, target)| format!("path: {} to {target}", self.from));
        let query = self.query.iter().map(|edit| format!("query: {edit}"));
        let request = self.request_headers.iter().map(|edit| format!("request header: {edit}"));
        let response = self.response_headers.iter().map(|edit| format!("response header: {edit}"));
        let status = self.responses.mapped().map(|(from, to)| format!("status: {from} to {}", to.as_u16()));
        path.chain(query).chain(request).chain(status).chain(response).collect()
    }

    fn compile(entry: &Template, walk: &[(&Change, Direction)], client: &ApiVersion) -> Fate {
        let (hops, end) = route::follow(entry, walk);
        let newer = |hop: &Hop<'_>| hop.operation.since.as_ref().is_some_and(|since| since > client);
        if hops.iter().flatten().any(newer) {
            return Fate::Unknown;
        }
        let steps: Vec<(&str, Hop<'_>)> =
            walk.iter().zip(&hops).filter_map(|((change, _), hop)| Some((change.name.as_str(), (*hop)?))).collect();
        let request =
            Program::fuse(steps.iter().map(|(name, hop)| (*name, hop.operation.request.as_slice(), hop.direction)));
        let target = (end != *entry).then(|| {
            let method = (end.method != entry.method).then(|| Method::from_bytes(end.method.as_bytes()).ok());
            (method.flatten(), end)
        });
        let plan = Self {
            from: entry.clone(),
            target,
            query: steps
                .iter()
                .flat_map(|(_, hop)| ordered(&hop.operation.query, hop.direction))
                .filter_map(|(op, direction)| op.toward(direction))
                .collect(),
            request_headers: steps
                .iter()
                .flat_map(|(_, hop)| ordered(&hop.operation.request_headers, hop.direction))
                .filter_map(|(op, direction)| op.toward(direction))
                .collect(),
            response_headers: steps
                .iter()
                .rev()
                .flat_map(|(_, hop)| ordered(&hop.operation.response_headers, hop.direction.reverse()))
                .filter_map(|(op, direction)| op.toward(direction))
                .collect(),
            request,
            responses: Responses::compile(&steps),
            fingerprint: responses::fingerprint(&steps),
        };
        if plan.is_idle() { Fate::Untouched } else { Fate::Operation(Arc::new(plan)) }
    }

    fn is_idle(&self) -> bool {
        self.target.is_none()
            && self.query.is_empty()
            && self.request_headers.is_empty()
            && self.response_headers.is_empty()
            && self.request.is_none()
            && self.responses.is_empty()
            && !self.responses.maps_statuses()
    }
}

/// A list in the order its direction runs it.
fn ordered<T>(list: &[T], direction: Direction) -> impl Iterator<Item = (&T, Direction)> {
    let count = list.len();
    let place = move |index: usize| if direction == Direction::Up { index } else { count - 1 - index };
    (0..count).map(move |index| (&list[place(index)], direction))
}

#[cfg(test)]
mod tests;
