//! The proof of one API: every operation of every chain, its parameters, requests and responses.

use std::{collections::HashSet, sync::Arc};

use super::{
    at_once, bottleneck,
    course::{Course, Hop, Link, Stashed},
    round_trip, separated,
    span::{Span, spans},
};
use crate::{
    adaptation::change::{Change, Direction, Operation},
    config::{
        finding::{Finding, Place, Severity},
        origins::ApiOrigins,
    },
    contract::{Document, directory::Directory, document},
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
    pub documents: &'p [Option<Arc<Document>>],
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
    let directories: Vec<Option<Directory<'_>>> =
        at_once::each(subject.documents, |document| Some(Directory::new(document.as_ref()?, &subject.api.path)));
    let documented: Vec<bool> = directories.iter().map(Option::is_some).collect();
    let spans = spans(subject.api, subject.changes, &documented);
    // Many changes are tried with fewer documents each: `check` is waited for.
    let trials = (trials / spans.len().max(1)).max(4.min(trials)).min(32);
    let of_span = |span: &Span| match (&directories[span.client], &directories[span.upstream]) {
        (Some(client), Some(upstream)) => Proof::new(subject, span, client, upstream, trials).findings(),
        _ => Vec::new(),
    };
    let mut findings: Vec<Finding> = at_once::each(&spans, of_span).into_iter().flatten().collect();
    findings.extend(bottleneck::warnings(subject, &directories));
    findings.extend(separated::losses(subject, &directories));
    findings.extend(round_trip::findings(subject, &directories, trials));
    let mut known = HashSet::new();
    findings
        .retain(|found| known.insert((found.file.clone(), found.line, found.col, found.code, found.message.clone())));
    findings.into_iter().map(|finding| finding.in_api(&subject.api.name)).collect()
}

/// One span, with its documents.
pub(super) struct Proof<'p> {
    pub(super) subject: Subject<'p>,
    pub(super) span: &'p Span,
    client: &'p Directory<'p>,
    upstream: &'p Directory<'p>,
    /// Its changes, as requests meet them.
    chain: Vec<Link<'p>>,
    /// Documents that are tried for each schema that ops change.
    pub(super) trials: usize,
    pub(super) findings: Vec<Finding>,
}

impl<'p> Proof<'p> {
    fn new(
        subject: Subject<'p>,
        span: &'p Span,
        client: &'p Directory<'p>,
        upstream: &'p Directory<'p>,
        trials: usize,
    ) -> Self {
        let link = |index: &usize| Some((subject.changes.get(*index)?, subject.origins.changes.get(*index)?));
        let chain = span.changes.iter().filter_map(link).collect();
        Self { subject, span, client, upstream, chain, trials, findings: Vec::new() }
    }

    fn findings(mut self) -> Vec<Finding> {
        for (promised, written) in self.client.iter() {
            let Some(endpoint) = written.first() else { continue };
            let course = Course::of(endpoint, &self.chain, self.span.direction);
            self.operation(promised, endpoint, &course);
        }
        self.matches();
        self.findings
    }

    fn operation(&mut self, promised: &document::Operation, endpoint: &Endpoint, course: &Course<'p>) {
        let name = |index: usize| self.subject.api.versions[index].name.clone();
        let (client, upstream) = (name(self.span.client), name(self.span.upstream));
        let is_later = |hop: &&Hop<'_>| hop.operation.since.as_ref().is_some_and(|since| *since > client);
        if let Some(hop) = course.hops.iter().find(is_later) {
            let message = format!("the OpenAPI document of {client} has {endpoint}, and the change says it came later");
            let help = "take `since` out, or the operation out of that document";
            self.report(hop, "unknown-operation", message, help);
            return;
        }
        let Some(answered) = self.upstream.find(&course.end) else {
            // What came later is not missed by an older upstream: it is not there.
            let came_later = course.hops.iter().any(|hop| hop.operation.since.is_some());
            if !(self.span.direction == Direction::Down && came_later) {
                self.unanswered(endpoint, course, &upstream.to_string());
            }
            return;
        };
        let mut stash = Stashed::new();
        self.parameters(promised, answered, endpoint, course);
        self.request(promised, answered, endpoint, course, &mut stash);
        self.responses(answered, promised, endpoint, course, &mut stash);
    }

    /// The change that is named where no operation of one is to blame, and where it stands.
    pub(super) fn last_link(&self) -> (&'p Change, Place) {
        let index = self.span.changes[self.span.changes.len() - 1];
        let place = self.subject.origins.changes.get(index).map(|origins| origins.place.clone());
        let nowhere = || Place { file: std::path::Path::new("").into(), line: 0, col: 0 };
        (&self.subject.changes[index], place.unwrap_or_else(nowhere))
    }

    fn unanswered(&mut self, endpoint: &Endpoint, course: &Course<'_>, upstream: &str) {
        let (client, end) = (&self.subject.api.versions[self.span.client].name, &course.end);
        let file = self.upstream.document.file.display();
        let message = format!("{endpoint} of version {client} has no counterpart in {upstream}: {file} has no {end}");
        let help = format!("write `- match: {endpoint}` with `to:` and what became of it, or add it to that document");
        match course.hops.last() {
            Some(hop) => self.report(hop, "unknown-operation", message, &help),
            None => {
                let (change, place) = self.last_link();
                let finding = Finding::error(&place, "unknown-operation", message, help).in_change(&change.name);
                self.findings.push(finding.in_operation(&endpoint.to_string()));
            }
        }
    }

    /// Every `match` of a change has to be an operation of the older version, or of the newer one if it came `since`.
    fn matches(&mut self) {
        let [link] = self.chain[..] else { return };
        let (older, newer) = match self.span.direction {
            Direction::Up => (self.client, self.upstream),
            Direction::Down => (self.upstream, self.client),
        };
        for operation in &link.0.operations {
            let Some(hop) = Hop::of(link, operation) else { continue };
            let side = if operation.since.is_some() { newer } else { older };
            if side.find(&operation.endpoint).is_none() {
                self.unlisted(&hop, operation, side.document);
            }
        }
    }

    fn unlisted(&mut self, hop: &Hop<'_>, operation: &Operation, document: &Document) {
        let version = if operation.since.is_some() { &hop.change.to } else { &hop.change.from };
        let (wanted, file) = (operation.endpoint.to_string(), document.file.display());
        let message = format!("version {version} has no {wanted}: {file} does not list it");
        let names: Vec<String> = document.operations.iter().map(|known| known.endpoint.to_string()).collect();
        let help = match crate::config::suggest::nearest(&wanted, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "correct `match`, or add the operation to that document".to_owned(),
        };
        self.report(hop, "unknown-operation", message, &help);
    }

    fn report(&mut self, hop: &Hop<'_>, code: &'static str, message: String, help: &str) {
        let finding = Finding::error(&hop.origins.place, code, message, help).in_change(&hop.change.name);
        debug_assert_eq!(finding.severity, Severity::Error);
        self.findings.push(finding.in_operation(&hop.operation.endpoint.to_string()));
    }
}
