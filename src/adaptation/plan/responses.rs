//! Which program an answer goes through: by its status, and within a stream by the type of the event.

use std::fmt::Write as _;

use http::StatusCode;

use crate::adaptation::{
    change::{Direction, MESSAGE, Operation, StatusKey},
    op::Edit,
    program::Program,
    route::Hop,
};

/// The programs of responses, by the upstream's status.
#[derive(Debug)]
pub(super) struct Responses {
    /// Statuses that some change names.
    exact: Vec<(u16, Programs)>,
    /// 1xx to 5xx.
    classes: [Programs; 5],
    /// Statuses that the client gets instead.
    mapped: Vec<(u16, StatusCode)>,
    /// Whether every list of the chain is empty.
    empty: bool,
}

/// The programs of one status.
#[derive(Debug)]
struct Programs {
    /// For documents, lines, and events of other types.
    body: Option<Program>,
    /// For the event types that some change has a list for.
    events: Vec<(Box<str>, Option<Program>)>,
}

impl Responses {
    /// - `steps`: name and operation of each change, in the order of requests.
    pub(super) fn compile(steps: &[(&str, Hop<'_>)]) -> Self {
        let mut statuses: Vec<u16> = steps.iter().flat_map(|(_, hop)| named_statuses(hop.operation)).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let mut kinds: Vec<&str> =
            steps.iter().flat_map(|(_, hop)| &hop.operation.events).map(|(kind, _)| &**kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut exact = Vec::with_capacity(statuses.len());
        let mut mapped = Vec::new();
        for status in statuses {
            let mut at = status;
            let mut keys = Vec::with_capacity(steps.len());
            for (_, hop) in steps.iter().rev() {
                let (newer, next) = through(hop.operation, at, hop.direction.reverse());
                keys.push(StatusKey::Exact(newer));
                at = next;
            }
            exact.push((status, Programs::compile(steps, &keys, &kinds)));
            mapped.extend(StatusCode::from_u16(at).ok().filter(|_| at != status).map(|at| (status, at)));
        }
        // A status that nothing names keeps itself on the whole way, so its class stands for it.
        let class = |class: u8| Programs::compile(steps, &vec![StatusKey::Class(class); steps.len()], &kinds);
        let lists = steps.iter().flat_map(|(_, hop)| hop.operation.response_lists());
        Self { exact, classes: [1, 2, 3, 4, 5].map(class), mapped, empty: lists.into_iter().all(<[_]>::is_empty) }
    }

    pub(super) fn status(&self, upstream: StatusCode) -> Option<StatusCode> {
        self.mapped.iter().find(|(known, _)| *known == upstream.as_u16()).map(|(_, status)| *status)
    }

    pub(super) fn program(&self, status: u16) -> Option<&Program> {
        self.of(status)?.body.as_ref()
    }

    pub(super) fn event(&self, status: u16, kind: &[u8]) -> Option<&Program> {
        let kind = if kind.is_empty() { MESSAGE.as_bytes() } else { kind };
        let Programs { body, events } = self.of(status)?;
        match events.iter().find(|(known, _)| known.as_bytes() == kind) {
            Some((_, program)) => program.as_ref(),
            None => body.as_ref(),
        }
    }

    pub(super) fn adapts_events(&self, status: u16) -> bool {
        let adapts = |programs: &Programs| {
            programs.body.is_some() || programs.events.iter().any(|(_, program)| program.is_some())
        };
        self.of(status).is_some_and(adapts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.empty
    }

    pub(super) fn maps_statuses(&self) -> bool {
        !self.mapped.is_empty()
    }

    /// The upstream's statuses that become others.
    pub(super) fn mapped(&self) -> impl Iterator<Item = &(u16, StatusCode)> {
        self.mapped.iter()
    }

    fn of(&self, status: u16) -> Option<&Programs> {
        match self.exact.iter().find(|(exact, _)| *exact == status) {
            Some((_, programs)) => Some(programs),
            None => self.classes.get(usize::from(status / 100).checked_sub(1)?),
        }
    }
}

impl Programs {
    /// - `keys`: what the answer's status is at each change, in the order of answers.
    /// - `kinds`: the event types that some change has a list for.
    fn compile(steps: &[(&str, Hop<'_>)], keys: &[StatusKey], kinds: &[&str]) -> Self {
        let fuse = |kind| {
            let lists = steps.iter().rev().zip(keys);
            Program::fuse(lists.map(|((name, hop), key)| (*name, chosen(hop, *key, kind), hop.direction.reverse())))
        };
        Self { body: fuse(None), events: kinds.iter().map(|kind| ((*kind).into(), fuse(Some(kind)))).collect() }
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

/// The list of one change for an event type, if it has one; else the most specific one for a status, or
/// for the rest of a class.
fn chosen<'c>(hop: &Hop<'c>, key: StatusKey, event: Option<&str>) -> &'c [Edit] {
    let own = event.and_then(|kind| hop.operation.events.iter().find(|(known, _)| **known == *kind));
    if let Some((_, edits)) = own {
        return edits;
    }
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
pub(super) fn fingerprint(steps: &[(&str, Hop<'_>)]) -> u32 {
    let mut text = String::new();
    for (_, hop) in steps {
        let Operation { responses, events, .. } = hop.operation;
        if hop.operation.response_lists().all(<[_]>::is_empty) {
            continue;
        }
        let mut by_status: Vec<_> = responses.iter().collect();
        by_status.sort_by_key(|(key, _)| *key);
        let mut by_event: Vec<_> = events.iter().collect();
        by_event.sort_by(|(a, _), (b, _)| a.cmp(b));
        let _ = write!(text, "{:?}", hop.direction);
        for (key, edits) in by_status {
            let _ = write!(text, "{key:?}");
            edits.iter().for_each(|edit| describe(edit, &mut text));
        }
        for (kind, edits) in by_event {
            let _ = write!(text, "{kind:?}");
            edits.iter().for_each(|edit| describe(edit, &mut text));
        }
    }
    crc32fast::hash(text.as_bytes())
}

fn describe(Edit { at, guards, op, strict, conflict, lossy: _ }: &Edit, text: &mut String) {
    let _ = write!(text, "{at:?}{guards:?}{op:?}{strict}{conflict:?}");
}
