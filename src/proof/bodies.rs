//! The proof of one operation's bodies: requests one way, responses the other.

use super::{
    course::{Course, Run, Stashed},
    prove::Proof,
    trial,
    verdict::Journey,
};
use crate::{
    adaptation::change::{Direction, StatusKey},
    config::finding::{Place, Severity},
    contract::{
        document::{self, Response},
        schema::Schema,
        subtype::Side,
    },
    domain::endpoint::Endpoint,
};

impl<'p> Proof<'p> {
    pub(super) fn request(
        &mut self,
        promised: &document::Operation,
        answered: &document::Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
        stash: &mut Stashed,
    ) {
        let (Some(source), Some(target)) = (
            promised.request.as_ref().and_then(|body| body.json()),
            answered.request.as_ref().and_then(|body| body.json()),
        ) else {
            return;
        };
        let journey = self.journey(Side::Request, endpoint, course, course.request());
        self.flow(source, target, &journey, endpoint.method() == "PATCH", stash);
    }

    pub(super) fn response(
        &mut self,
        sent: &Response,
        promised: &document::Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
        stash: &mut Stashed,
    ) {
        let (runs, status) = course.response(sent.status);
        let Some(expected) = documented(promised, status) else { return };
        self.response_fields(sent, expected, endpoint, course);
        let Some(target) = expected.content.json() else { return };
        let journey = Journey { status: Some(sent.status), ..self.journey(Side::Response, endpoint, course, runs) };
        match sent.content.json() {
            Some(source) => self.flow(source, target, &journey, false, stash),
            None => self.findings.push(journey.undescribed(&sent.content.place)),
        }
    }

    /// Runs the ops of a journey over a schema and holds the result against what the other side says.
    fn flow(&mut self, source: &Schema, target: &Schema, journey: &Journey<'p>, patch: bool, stash: &mut Stashed) {
        if journey.runs.is_empty() {
            self.findings.extend(journey.verdict(source, target, &[]));
            return;
        }
        let mut schema = source.clone();
        let mut broken: Vec<Place> = Vec::new();
        let first = self.findings.len();
        for run in &journey.runs {
            let up = journey.direction == Direction::Up;
            let from = format!("version {}", if up { &run.change.from } else { &run.change.to });
            let remarks = run.over(&mut schema, journey.direction, &from, patch, stash);
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

    fn journey(&self, side: Side, endpoint: &Endpoint, course: &Course<'p>, runs: Vec<Run<'p>>) -> Journey<'p> {
        let version = |index: usize| self.subject.api.versions[index].name.clone();
        let (client, upstream) = (version(self.span.client), version(self.span.upstream));
        let requests = side == Side::Request;
        let (from, to) = if requests { (client, upstream) } else { (upstream, client) };
        let direction = if requests { course.direction } else { course.direction.reverse() };
        // Where nothing better is known, the last change that speaks of the operation is named.
        let (change, place) =
            course.hops.last().map_or_else(|| self.last_link(), |hop| (hop.change, hop.origins.place.clone()));
        let operation = course.hops.first().map_or(endpoint, |hop| &hop.operation.endpoint).to_string();
        let listed = !course.hops.is_empty();
        Journey { side, direction, from, to, operation, listed, status: None, runs, place, change }
    }
}

/// What the client's document says about a status.
fn documented(operation: &document::Operation, status: StatusKey) -> Option<&Response> {
    let find = |key| operation.responses.iter().find(|response| response.status == key);
    [status, status.class(), StatusKey::Default].into_iter().find_map(find)
}
