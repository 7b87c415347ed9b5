//! The proof of one API: every operation of every chain, requests and responses.

use std::collections::BTreeMap;

use super::{
    bottleneck,
    flow::Flow,
    span::{Span, spans},
    trial,
    verdict::{Journey, Run},
};
use crate::{
    adaptation::{
        change::{Change, Direction, Operation, StatusKey},
        op::Edit,
        route,
    },
    config::{
        finding::{Finding, Place, Severity},
        origins::{ApiOrigins, OperationOrigins},
    },
    contract::{
        Document,
        document::{self, Response},
        schema::Schema,
        subtype::Side,
    },
    domain::{api::Api, endpoint::Endpoint},
};

/// An API with everything that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'p> {
    /// The API.
    pub api: &'p Api,
    /// Its changes.
    pub changes: &'p [Change],
    /// Where both stand.
    pub origins: &'p ApiOrigins,
    /// The documents by the index of the version.
    pub documents: &'p [Option<Document>],
}

/// Documents that are tried in all spans together, for one schema of each.
const TRIALS: usize = 400;

/// Proves an API's changes against the documents of its versions, as far as there are any.
///
/// - Returns what is wrong, and what cannot be proven; nothing where everything is proven.
pub fn api(subject: Subject<'_>) -> Vec<Finding> {
    tried(subject, TRIALS)
}

/// The same with another number of documents that are tried; none leaves the flow alone.
pub(crate) fn tried(subject: Subject<'_>, trials: usize) -> Vec<Finding> {
    let documented: Vec<bool> = subject.documents.iter().map(Option::is_some).collect();
    let mut findings: Vec<Finding> = Vec::new();
    let spans = spans(subject.api, subject.changes, &documented);
    // Many changes are tried with fewer documents each: `check` is waited for.
    let trials = (trials / spans.len().max(1)).max(4.min(trials)).min(32);
    for span in spans {
        if let (Some(client), Some(upstream)) = (&subject.documents[span.client], &subject.documents[span.upstream]) {
            Proof { subject, span: &span, client, upstream, findings: &mut findings, trials }.operations();
        }
    }
    findings.extend(bottleneck::warnings(subject));
    let mut known: Vec<Finding> = Vec::new();
    for finding in findings {
        let finding = finding.in_api(&subject.api.name);
        let same = |other: &Finding| {
            (&other.file, other.line, other.col, other.code) == (&finding.file, finding.line, finding.col, finding.code)
                && other.message == finding.message
        };
        if !known.iter().any(same) {
            known.push(finding);
        }
    }
    known
}

/// One span, with its documents.
struct Proof<'p> {
    subject: Subject<'p>,
    span: &'p Span,
    client: &'p Document,
    upstream: &'p Document,
    findings: &'p mut Vec<Finding>,
    /// Documents that are tried for each schema that ops change.
    trials: usize,
}

/// What one change of a span does to an operation.
#[derive(Clone, Copy)]
struct Hop<'p> {
    change: &'p Change,
    operation: &'p Operation,
    origins: &'p OperationOrigins,
}

impl<'p> Proof<'p> {
    fn operations(&mut self) {
        let walk: Vec<(&Change, Direction)> =
            self.span.changes.iter().map(|index| (&self.subject.changes[*index], self.span.direction)).collect();
        for promised in &self.client.operations {
            let Some(endpoint) = seen_by_gateway(self.subject.api, self.client, &promised.endpoint) else { continue };
            let (operations, end) = route::hops(&endpoint, &walk);
            let hops: Vec<Option<Hop<'p>>> = self
                .span
                .changes
                .iter()
                .zip(operations)
                .map(|(index, operation)| self.hop(*index, operation?))
                .collect();
            self.operation(promised, &endpoint, &end, &hops);
        }
        self.matches();
    }

    fn hop(&self, change: usize, operation: &Operation) -> Option<Hop<'p>> {
        let all = &self.subject.changes[change];
        let index = all.operations.iter().position(|known| std::ptr::eq(known, operation))?;
        let origins = self.subject.origins.changes.get(change)?.operations.get(index)?;
        Some(Hop { change: all, operation: &all.operations[index], origins })
    }

    fn operation(
        &mut self,
        promised: &document::Operation,
        endpoint: &Endpoint,
        end: &Endpoint,
        hops: &[Option<Hop<'p>>],
    ) {
        let name = |index: usize| self.subject.api.versions[index].name.clone();
        let (client, upstream) = (name(self.span.client), name(self.span.upstream));
        if let Some(hop) =
            hops.iter().flatten().find(|hop| hop.operation.since.as_ref().is_some_and(|since| *since > client))
        {
            let message = format!("the OpenAPI document of {client} has {endpoint}, and the change says it came later");
            let help = "take `since` out, or the operation out of that document";
            self.report(hop, "unknown-operation", message, help);
            return;
        }
        let Some(answered) = find(self.subject.api, self.upstream, end) else {
            // What came later is not missed by an older upstream: it is not there.
            let came_later = hops.iter().flatten().any(|hop| hop.operation.since.is_some());
            if !(self.span.direction == Direction::Down && came_later) {
                self.unanswered(endpoint, end, hops, &upstream.to_string());
            }
            return;
        };
        let mut stash = BTreeMap::new();
        self.request(promised, answered, endpoint, hops, &mut stash);
        for response in &answered.responses {
            self.response(response, promised, endpoint, hops, &mut stash);
        }
    }

    fn request(
        &mut self,
        promised: &document::Operation,
        answered: &document::Operation,
        endpoint: &Endpoint,
        hops: &[Option<Hop<'p>>],
        stash: &mut BTreeMap<(String, String), Schema>,
    ) {
        let (Some(source), Some(target)) = (
            promised.request.as_ref().and_then(|body| body.json()),
            answered.request.as_ref().and_then(|body| body.json()),
        ) else {
            return;
        };
        let direction = self.span.direction;
        let runs =
            hops.iter().flatten().flat_map(|hop| runs(hop, &hop.operation.request, &hop.origins.request, direction));
        let runs: Vec<Run<'p>> = runs.collect();
        let journey = self.journey(Side::Request, direction, endpoint, hops, runs);
        self.flow(source, target, &journey, endpoint.method() == "PATCH", stash);
    }

    fn response(
        &mut self,
        sent: &Response,
        promised: &document::Operation,
        endpoint: &Endpoint,
        hops: &[Option<Hop<'p>>],
        stash: &mut BTreeMap<(String, String), Schema>,
    ) {
        let direction = self.span.direction.reverse();
        let mut status = sent.status;
        let mut all: Vec<Run<'p>> = Vec::new();
        for hop in hops.iter().rev().flatten() {
            let newer = if direction == Direction::Up { mapped(hop.operation, status, direction) } else { status };
            if let Some(index) = chosen(hop.operation, newer) {
                let (list, places) = (&hop.operation.responses[index].1, hop.origins.responses.get(index));
                all.extend(runs(hop, list, places.map_or(&[], Vec::as_slice), direction));
            }
            status = mapped(hop.operation, status, direction);
        }
        let Some(expected) = documented(promised, status) else { return };
        let Some(target) = expected.content.json() else { return };
        let journey =
            Journey { status: Some(sent.status), ..self.journey(Side::Response, direction, endpoint, hops, all) };
        match sent.content.json() {
            Some(source) => self.flow(source, target, &journey, false, stash),
            None => self.findings.push(journey.undescribed(&sent.content.place)),
        }
    }

    /// Runs the ops of a journey over a schema and holds the result against what the other side says.
    fn flow(
        &mut self,
        source: &Schema,
        target: &Schema,
        journey: &Journey<'p>,
        patch: bool,
        stash: &mut BTreeMap<(String, String), Schema>,
    ) {
        let mut schema = source.clone();
        let mut broken: Vec<Place> = Vec::new();
        let first = self.findings.len();
        for run in &journey.runs {
            let from = format!(
                "version {}",
                if journey.direction == Direction::Up { &run.change.from } else { &run.change.to }
            );
            let mut flow = Flow {
                direction: journey.direction,
                patch,
                source: &from,
                stash,
                change: &run.change.name,
                remarks: Vec::new(),
            };
            flow.run(&mut schema, run.edit, &run.origin);
            let remarks = std::mem::take(&mut flow.remarks);
            if remarks.iter().any(|remark| remark.severity == Severity::Error) {
                broken.push(run.origin.clone());
            }
            self.findings.extend(remarks.into_iter().map(|remark| journey.remarked(run, remark)));
        }
        // What an op that is wrong makes is wrong, too; saying so would not help.
        self.findings.extend(journey.verdict(&schema, target, &broken));
        self.findings.extend(journey.imprecise(target));
        // Other warnings say already for which values nothing holds; examples are for what "unknown" hides.
        let open = self.findings[first..].iter().all(|finding| finding.code == "unknown");
        if open && let Some(example) = trial::counter_example(source, target, journey, patch, self.trials) {
            self.findings.push(journey.refuted(&example));
        }
    }

    fn journey(
        &self,
        side: Side,
        direction: Direction,
        endpoint: &Endpoint,
        hops: &[Option<Hop<'p>>],
        runs: Vec<Run<'p>>,
    ) -> Journey<'p> {
        let version = |index: usize| self.subject.api.versions[index].name.clone();
        let (client, upstream) = (version(self.span.client), version(self.span.upstream));
        let (from, to) = if side == Side::Request { (client, upstream) } else { (upstream, client) };
        // Where nothing better is known, the last change that speaks of the operation is named.
        let last = hops.iter().flatten().next_back().map(|hop| (hop.origins.place.clone(), hop.change));
        let (place, change) = last.unwrap_or_else(|| {
            let index = self.span.changes[self.span.changes.len() - 1];
            (self.place_of(index), &self.subject.changes[index])
        });
        let operation =
            hops.iter().flatten().next().map_or_else(|| endpoint.to_string(), |hop| hop.operation.endpoint.to_string());
        let listed = hops.iter().flatten().next().is_some();
        Journey { side, direction, from, to, operation, listed, status: None, runs, place, change }
    }

    fn place_of(&self, change: usize) -> Place {
        let origins = self.subject.origins.changes.get(change);
        origins.map_or_else(
            || Place { file: std::path::Path::new("").into(), line: 0, col: 0 },
            |origins| origins.place.clone(),
        )
    }

    fn unanswered(&mut self, endpoint: &Endpoint, end: &Endpoint, hops: &[Option<Hop<'p>>], upstream: &str) {
        let client = &self.subject.api.versions[self.span.client].name;
        let file = self.upstream.file.display();
        let message = format!("{endpoint} of version {client} has no counterpart in {upstream}: {file} has no {end}");
        let help = format!("write `- match: {endpoint}` with `to:` and what became of it, or add it to that document");
        match hops.iter().flatten().next_back() {
            Some(hop) => self.report(hop, "unknown-operation", message, &help),
            None => {
                let index = self.span.changes[self.span.changes.len() - 1];
                let finding = Finding::error(&self.place_of(index), "unknown-operation", message, help);
                let finding = finding.in_change(&self.subject.changes[index].name);
                self.findings.push(finding.in_operation(&endpoint.to_string()));
            }
        }
    }

    /// Every `match` of a change has to be an operation of the older version, or of the newer one if it came `since`.
    fn matches(&mut self) {
        let [change] = self.span.changes[..] else { return };
        let (older, newer) = match self.span.direction {
            Direction::Up => (self.client, self.upstream),
            Direction::Down => (self.upstream, self.client),
        };
        for operation in &self.subject.changes[change].operations {
            let Some(hop) = self.hop(change, operation) else { continue };
            let side = if operation.since.is_some() { newer } else { older };
            if find(self.subject.api, side, &operation.endpoint).is_none() {
                let version = if operation.since.is_some() { &hop.change.to } else { &hop.change.from };
                let message = format!(
                    "version {version} has no {}: {} does not list it",
                    operation.endpoint,
                    side.file.display()
                );
                let names: Vec<String> = side.operations.iter().map(|known| known.endpoint.to_string()).collect();
                let wanted = operation.endpoint.to_string();
                let help = match crate::config::suggest::nearest(&wanted, names.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "correct `match`, or add the operation to that document".to_owned(),
                };
                self.report(&hop, "unknown-operation", message, &help);
            }
        }
    }

    fn report(&mut self, hop: &Hop<'_>, code: &'static str, message: String, help: &str) {
        let finding = Finding::error(&hop.origins.place, code, message, help).in_change(&hop.change.name);
        debug_assert_eq!(finding.severity, Severity::Error);
        self.findings.push(finding.in_operation(&hop.operation.endpoint.to_string()));
    }
}

/// A list of ops in the order its direction runs it.
fn runs<'p>(hop: &Hop<'p>, list: &'p [Edit], places: &'p [Place], direction: Direction) -> Vec<Run<'p>> {
    let run = |(index, edit): (usize, &'p Edit)| {
        let origin = places.get(index).unwrap_or(&hop.origins.place).clone();
        Run { change: hop.change, operation: hop.operation, edit, origin }
    };
    let mut runs: Vec<Run<'p>> = list.iter().enumerate().map(run).collect();
    if direction == Direction::Down {
        runs.reverse();
    }
    runs
}

/// Index of the most specific list of one change for a status of the newer version.
fn chosen(operation: &Operation, status: StatusKey) -> Option<usize> {
    let class = match status {
        StatusKey::Exact(status) => StatusKey::Class(u8::try_from(status / 100).unwrap_or(0)),
        other => other,
    };
    [status, class, StatusKey::Default]
        .iter()
        .find_map(|key| operation.responses.iter().position(|(known, _)| known == key))
}

/// The status on the other side of a change.
fn mapped(operation: &Operation, status: StatusKey, direction: Direction) -> StatusKey {
    let StatusKey::Exact(status) = status else { return status };
    let pair = operation
        .statuses
        .iter()
        .find(|(older, newer)| status == if direction == Direction::Up { *older } else { *newer });
    StatusKey::Exact(pair.map_or(status, |(older, newer)| if direction == Direction::Up { *newer } else { *older }))
}

/// What the client's document says about a status.
fn documented(operation: &document::Operation, status: StatusKey) -> Option<&Response> {
    match status {
        StatusKey::Exact(status) => operation.response(status),
        StatusKey::Class(_) => [status, StatusKey::Default]
            .iter()
            .find_map(|key| operation.responses.iter().find(|response| response.status == *key)),
        StatusKey::Default => operation.responses.iter().find(|response| response.status == StatusKey::Default),
    }
}

/// The ways a document may write the path that the gateway knows: as it is, below its server's path, below the
/// API's prefix, or both.
fn spellings(api: &Api, document: &Document, endpoint: &Endpoint) -> Vec<Endpoint> {
    let path = endpoint.template();
    let path = if path == "/" { "" } else { &path };
    // A version at the end of the server's path is taken off, as the gateway does it.
    let base = document.base.trim_end_matches('/');
    let (before, last) = base.rsplit_once('/').unwrap_or(("", base));
    let is_version = last.strip_prefix(['v', 'V']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let base = if is_version { before } else { base };
    let paths =
        [path.to_owned(), format!("{base}{path}"), format!("{}{path}", api.path), format!("{}{base}{path}", api.path)];
    let parse = |path: &String| {
        let path = if path.is_empty() { "/" } else { path };
        Endpoint::parse(&format!("{} {path}", endpoint.method())).ok()
    };
    paths.iter().filter_map(parse).collect()
}

/// A document's endpoint as the gateway sees it: the first spelling below the API's prefix.
pub(super) fn seen_by_gateway(api: &Api, document: &Document, endpoint: &Endpoint) -> Option<Endpoint> {
    let below = |spelling: &Endpoint| {
        let path = spelling.template();
        api.path.is_empty()
            || path == api.path
            || path.strip_prefix(&api.path).is_some_and(|rest| rest.starts_with('/'))
    };
    spellings(api, document, endpoint).into_iter().find(below)
}

/// A document's operation for an endpoint as the gateway sees it.
pub(super) fn find<'d>(api: &Api, document: &'d Document, endpoint: &Endpoint) -> Option<&'d document::Operation> {
    let methods: &[&str] = if endpoint.method() == "HEAD" { &["HEAD", "GET"] } else { &[endpoint.method()] };
    methods.iter().find_map(|method| {
        document.operations.iter().find(|operation| {
            operation.endpoint.method() == *method
                && spellings(api, document, &operation.endpoint)
                    .iter()
                    .any(|known| document::same_path(known, endpoint))
        })
    })
}
