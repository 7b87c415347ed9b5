//! What a chain of changes does between a client's version and the upstream's, compiled at load.

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use http::{HeaderMap, Method, StatusCode};

use super::{
    change::{Change, Direction, Operation, StatusKey},
    fields::{HeaderEdit, QueryEdit, edit_headers, edit_query},
    op::Edit,
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
    /// - `path`: as it was looked up.
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
        let status = self.responses.mapped.iter().map(|(from, to)| format!("status: {from} to {}", to.as_u16()));
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
            fingerprint: fingerprint(&steps),
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
            && self.responses.mapped.is_empty()
    }
}

/// A list in the order its direction runs it.
fn ordered<T>(list: &[T], direction: Direction) -> impl Iterator<Item = (&T, Direction)> {
    let count = list.len();
    let place = move |index: usize| if direction == Direction::Up { index } else { count - 1 - index };
    (0..count).map(move |index| (&list[place(index)], direction))
}

/// The programs of responses, by the upstream's status.
#[derive(Debug)]
struct Responses {
    /// Statuses that some change names.
    exact: Vec<(u16, Option<Program>)>,
    /// 1xx to 5xx.
    classes: [Option<Program>; 5],
    /// Statuses that the client gets instead.
    mapped: Vec<(u16, StatusCode)>,
    /// Whether every list of the chain is empty.
    empty: bool,
}

impl Responses {
    fn compile(steps: &[(&str, Hop<'_>)]) -> Self {
        let mut statuses: Vec<u16> = steps.iter().flat_map(|(_, hop)| named_statuses(hop.operation)).collect();
        statuses.sort_unstable();
        statuses.dedup();
        // A status that nothing names keeps itself on the whole way, so its class stands for it.
        let class = |class: u8| {
            let key = StatusKey::Class(class);
            Program::fuse(steps.iter().rev().map(|(name, hop)| (*name, chosen(hop, key), hop.direction.reverse())))
        };
        let mut exact = Vec::with_capacity(statuses.len());
        let mut mapped = Vec::new();
        for status in statuses {
            let mut at = status;
            let mut lists = Vec::with_capacity(steps.len());
            for (name, hop) in steps.iter().rev() {
                let direction = hop.direction.reverse();
                let (newer, next) = through(hop.operation, at, direction);
                lists.push((*name, chosen(hop, StatusKey::Exact(newer)), direction));
                at = next;
            }
            exact.push((status, Program::fuse(lists)));
            mapped.extend(StatusCode::from_u16(at).ok().filter(|_| at != status).map(|at| (status, at)));
        }
        Self {
            exact,
            classes: [1, 2, 3, 4, 5].map(class),
            mapped,
            empty: steps.iter().flat_map(|(_, hop)| &hop.operation.responses).all(|(_, edits)| edits.is_empty()),
        }
    }

    fn status(&self, upstream: StatusCode) -> Option<StatusCode> {
        self.mapped.iter().find(|(known, _)| *known == upstream.as_u16()).map(|(_, status)| *status)
    }

    fn program(&self, status: u16) -> Option<&Program> {
        match self.exact.iter().find(|(exact, _)| *exact == status) {
            Some((_, program)) => program.as_ref(),
            None => self.classes.get(usize::from(status / 100).checked_sub(1)?)?.as_ref(),
        }
    }

    fn is_empty(&self) -> bool {
        self.empty
    }
}

/// Every single status that an operation speaks of.
fn named_statuses(operation: &Operation) -> impl Iterator<Item = u16> {
    let exact = |(key, _): &(StatusKey, _)| if let StatusKey::Exact(status) = key { Some(*status) } else { None };
    let pairs = operation.statuses.iter().flat_map(|(older, newer)| [*older, *newer]);
    operation.responses.iter().filter_map(exact).chain(pairs)
}

/// What a status is in the newer version, and what it becomes, going through an operation.
fn through(operation: &Operation, status: u16, direction: Direction) -> (u16, u16) {
    let pairs = &operation.statuses;
    match direction {
        Direction::Up => {
            let newer = pairs.iter().find(|(older, _)| *older == status).map_or(status, |(_, newer)| *newer);
            (newer, newer)
        }
        Direction::Down => {
            let older = pairs.iter().find(|(_, newer)| *newer == status).map_or(status, |(older, _)| *older);
            (status, older)
        }
    }
}

/// The most specific list of one change for a status, or for the rest of a class.
fn chosen<'c>(hop: &Hop<'c>, key: StatusKey) -> &'c [Edit] {
    let class = match key {
        StatusKey::Exact(status) => StatusKey::Class(u8::try_from(status / 100).unwrap_or(0)),
        other => other,
    };
    [key, class, StatusKey::Default]
        .iter()
        .find_map(|key| hop.operation.responses.iter().find(|(known, _)| known == key))
        .map_or(&[], |(_, edits)| edits.as_slice())
}

/// What the response lists say, and nothing else: neither reasons nor names nor other lists.
fn fingerprint(steps: &[(&str, Hop<'_>)]) -> u32 {
    let mut text = String::new();
    for (_, hop) in steps {
        let lists = &hop.operation.responses;
        if lists.iter().all(|(_, edits)| edits.is_empty()) {
            continue;
        }
        let mut sorted: Vec<_> = lists.iter().collect();
        sorted.sort_by_key(|(key, _)| *key);
        let _ = write!(text, "{:?}", hop.direction);
        for (key, edits) in sorted {
            let _ = write!(text, "{key:?}");
            for Edit { at, guards, op, strict, conflict, lossy: _ } in edits {
                let _ = write!(text, "{at:?}{guards:?}{op:?}{strict}{conflict:?}");
            }
        }
    }
    crc32fast::hash(text.as_bytes())
}

#[cfg(test)]
mod tests;
