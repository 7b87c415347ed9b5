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

/// RFC 7396: what it lacks stays as it is, whatever the method.
const MERGE_PATCH: &str = "application/merge-patch+json";
/// RFC 6902.
const JSON_PATCH: &str = "application/json-patch+json";

impl<'p> Proof<'p> {
    pub(super) fn request(
        &mut self,
        promised: &document::Operation,
        answered: &document::Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
        stash: &mut Stashed,
    ) {
        let Some(taken) = &answered.request else { return };
        let journey = self.journey(Side::Request, endpoint, course, course.request());
        if taken.required && !promised.request.as_ref().is_some_and(|sent| sent.required) {
            self.findings.push(journey.bodiless(&taken.place));
        }
        let Some(sent) = &promised.request else { return };
        for (name, source) in sent.json_types() {
            match (source, taken.json_like(name)) {
                (_, None) => self.findings.push(journey.untaken(name, &taken.place)),
                // A list of edits is no such document as ops are about.
                _ if name == JSON_PATCH && !journey.runs.is_empty() => {}
                (Some(source), Some((_, Some(target)))) => {
                    let patch = endpoint.method() == "PATCH" || name == MERGE_PATCH;
                    self.flow(source, target, &journey, patch, stash);
                }
                (None, Some((_, Some(_)))) => self.findings.push(journey.undescribed(&sent.place)),
                (_, Some((_, None))) => {}
            }
        }
        if !sent.required || sent.media_types.len() > 1 {
            stash.values_mut().for_each(|kept| kept.always = false);
        }
        let others = sent.media_types.iter().filter(|(name, _)| !document::is_json(name) && !taken.takes(name));
        self.findings.extend(others.map(|(name, _)| journey.untaken(name, &taken.place)));
    }

    /// What the upstream answers with, status by status where the client's document or a change tells some apart.
    pub(super) fn responses(
        &mut self,
        answered: &document::Operation,
        promised: &document::Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
        stash: &mut Stashed,
    ) {
        for sent in &answered.responses {
            self.response((sent, sent.status), promised, endpoint, course, stash);
            for status in told_apart(sent.status, answered, promised, course) {
                self.response((sent, status), promised, endpoint, course, stash);
            }
        }
    }

    fn response(
        &mut self,
        (sent, status): (&Response, StatusKey),
        promised: &document::Operation,
        endpoint: &Endpoint,
        course: &Course<'p>,
        stash: &mut Stashed,
    ) {
        let (runs, told) = course.response(status);
        let Some(expected) = documented(promised, told) else { return };
        self.response_fields((sent, status), expected, endpoint, course);
        if expected.content.json().is_none() {
            return;
        }
        let journey = Journey { status: Some(status), ..self.journey(Side::Response, endpoint, course, runs) };
        let (given, wanted) = (&sent.content, &expected.content);
        if !given.media_types.is_empty()
            && !given.media_types.iter().any(|(name, _)| document::takes_json(name) || wanted.takes(name))
        {
            let names: Vec<&str> = given.media_types.iter().map(|(name, _)| name.as_str()).collect();
            self.findings.push(journey.untaken(&names.join(" or "), &wanted.place));
        } else if given.json().is_none() {
            self.findings.push(journey.undescribed(&given.place));
        }
        for (name, source) in sent.content.json_types() {
            if let (Some(source), Some((_, Some(target)))) = (source, expected.content.json_like(name)) {
                self.flow(source, target, &journey, false, stash);
            }
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

/// Statuses among those a documented answer stands for that the client's document or a change treats in a way of
/// their own.
///
/// Where successes are documented, `default` is taken to stand for failures: that is how it is written.
fn told_apart(
    sent: StatusKey,
    answered: &document::Operation,
    promised: &document::Operation,
    course: &Course<'_>,
) -> Vec<StatusKey> {
    if matches!(sent, StatusKey::Exact(_)) {
        return Vec::new();
    }
    let is_success = |key: StatusKey| matches!(key.class(), StatusKey::Class(..=3));
    let names_successes = answered.responses.iter().any(|response| is_success(response.status));
    let documented_keys = promised.responses.iter().map(|response| response.status);
    let listed = course.hops.iter().flat_map(|hop| hop.operation.responses.iter().map(|(status, _)| *status));
    let pairs = course.hops.iter().flat_map(|hop| &hop.operation.statuses);
    let mapped = pairs.flat_map(|(older, newer)| [StatusKey::Exact(*older), StatusKey::Exact(*newer)]);
    let mut keys: Vec<StatusKey> = documented_keys.chain(listed).chain(mapped).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| {
        let of_failures = sent == StatusKey::Default && names_successes;
        *key != sent
            && documented(answered, *key).is_some_and(|response| response.status == sent)
            && !(of_failures && is_success(*key))
    });
    keys
}

#[cfg(test)]
mod tests {
    use crate::proof::testing::{gateway, proof, shown};

    const TEXT: &str = "{type: object, required: [a], properties: {a: {type: string}}}";
    const NUMBER: &str = "{type: object, required: [a], properties: {a: {type: integer}}}";

    /// What is found between two documents of `POST /p`: its members below the method, in flow style.
    fn found(old: &str, new: &str, operations: &str) -> Vec<String> {
        let document = |members: &str| format!("openapi: 3.1.0\npaths: {{/p: {{post: {{{members}}}}}}}\n");
        shown(&proof(&gateway(operations), &[("1.yaml", &document(old)), ("2.yaml", &document(new))]))
    }

    fn answers(of: &[(&str, &str)]) -> String {
        let of = of.iter().map(|(status, schema)| {
            format!("'{status}': {{description: x, content: {{application/json: {{schema: {schema}}}}}}}")
        });
        format!("responses: {{{}}}", of.collect::<Vec<_>>().join(", "))
    }

    fn takes(required: bool, of: &[(&str, &str)]) -> String {
        let of = of.iter().map(|(media, schema)| format!("'{media}': {{schema: {schema}}}"));
        let content = of.collect::<Vec<_>>().join(", ");
        format!(
            "requestBody: {{required: {required}, content: {{{content}}}}}, responses: {{'204': {{description: x}}}}"
        )
    }

    #[test]
    fn a_status_is_held_against_what_the_other_document_says_of_it() {
        let between = |old: &[(&str, &str)], new: &[(&str, &str)]| found(&answers(old), &answers(new), "[]");
        for (old, new) in [
            ([("200", TEXT), ("404", TEXT)], [("2XX", NUMBER), ("404", TEXT)]),
            ([("200", TEXT), ("404", TEXT)], [("200", TEXT), ("4XX", NUMBER)]),
            ([("200", TEXT), ("404", TEXT)], [("200", TEXT), ("default", NUMBER)]),
            ([("200", TEXT), ("4XX", TEXT)], [("200", TEXT), ("default", NUMBER)]),
            ([("200", TEXT), ("default", TEXT)], [("200", TEXT), ("404", NUMBER)]),
        ] {
            assert_eq!(between(&old, &new), ["type-flow /a"], "{old:?} {new:?}");
        }
        // Where successes have answers of their own, `default` is for failures; and a class covers what it does not name.
        let old = [("200", TEXT), ("201", TEXT)];
        assert_eq!(between(&old, &[("200", TEXT), ("default", NUMBER)]), [] as [&str; 0]);
        assert_eq!(between(&old, &[("default", NUMBER)]), ["type-flow /a", "type-flow /a"]);
        assert_eq!(between(&old, &[("200", TEXT), ("201", TEXT), ("2XX", NUMBER)]), [] as [&str; 0]);
    }

    #[test]
    fn a_status_with_a_list_of_its_own_is_followed_through_that_list() {
        let (old, new) = (answers(&[("404", TEXT), ("409", NUMBER)]), answers(&[("4XX", NUMBER)]));
        let convert = "[{convert: {path: /a, from: string, to: integer}}]";
        assert_eq!(
            found(&old, &new, &format!("[{{match: POST /p, response: {{'404': {convert}}}}}]")),
            [] as [&str; 0]
        );
        let all = found(&old, &new, &format!("[{{match: POST /p, response: {{4xx: {convert}}}}}]"));
        assert_eq!(all, ["type-flow /a"], "409 was a number already");
        // 422 is what the older version knows as 400.
        let old = answers(&[("400", TEXT)]);
        let mapped = "[{match: POST /p, status: [[400, 422]], response: {'422': []}}]";
        assert!(found(&old, &new, mapped).contains(&"type-flow /a".to_owned()));
    }

    #[test]
    fn every_media_type_that_may_be_sent_is_held_against_the_other_document() {
        const JSON: &str = "application/json";
        let between = |old: &[(&str, &str)], new: &[(&str, &str)]| found(&takes(true, old), &takes(true, new), "[]");
        for (old, new, expected) in [
            (
                &[(JSON, TEXT), ("application/a+json", TEXT)][..],
                &[(JSON, TEXT), ("application/a+json", NUMBER)][..],
                &["type-flow /a"][..],
            ),
            // Of another name, as names may tell versions.
            (&[("application/v1+json", TEXT)], &[("application/v2+json", NUMBER)], &["type-flow /a"]),
            (&[("*/*", TEXT)], &[("*/*", NUMBER)], &["type-flow /a"]),
            (&[(JSON, TEXT)], &[("application/*", NUMBER)], &["type-flow /a"]),
            (&[(JSON, TEXT)], &[("application/xml", TEXT)], &["type-flow "]),
            (&[(JSON, TEXT), ("text/csv", "true")], &[(JSON, TEXT)], &["type-flow "]),
            (&[(JSON, TEXT), ("text/csv", "true")], &[(JSON, TEXT), ("text/*", "true")], &[]),
        ] {
            assert_eq!(between(old, new), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_merge_patch_gets_no_defaults_and_a_json_patch_is_no_document() {
        const ADD: &str = "[{match: POST /p, request: [{add: {path: /b, value: x}}]}]";
        let needs = TEXT.replace("required: [a]", "required: [a, b]").replace("{a: ", "{b: {type: string}, a: ");
        let between = |media: &str| found(&takes(true, &[(media, TEXT)]), &takes(true, &[(media, &needs)]), ADD);
        assert_eq!(between("application/json"), [] as [&str; 0]);
        assert_eq!(between("application/merge-patch+json"), ["missing-required /b"]);
        let list = "{type: array, items: {type: object}}";
        let patches = takes(true, &[("application/json-patch+json", list)]);
        assert_eq!(found(&patches, &patches, ADD), [] as [&str; 0]);
    }

    #[test]
    fn an_answer_of_another_kind_is_none_that_the_client_reads() {
        let answer = |media: &str| format!("responses: {{'200': {{content: {{{media}: {{schema: {TEXT}}}}}}}}}");
        let between = |old: &str, new: &str| found(&answer(old), &answer(new), "[]");
        assert_eq!(between("application/json", "application/xml"), ["type-flow "]);
        for new in ["'*/*'", "application/v2+json", "application/json"] {
            assert_eq!(between("application/json", new), [] as [&str; 0], "{new}");
        }
    }

    #[test]
    fn a_body_that_has_to_be_there_is_not_made_by_any_op() {
        let of = |required| takes(required, &[("application/json", TEXT)]);
        let none = "responses: {'204': {description: x}}";
        for (old, new, expected) in [
            (of(false), of(true), &["missing-required "][..]),
            (none.to_owned(), of(true), &["missing-required "]),
            (none.to_owned(), of(false), &[]),
            (of(true), of(true), &[]),
            (of(true), of(false), &[]),
            (of(true), none.to_owned(), &[]),
        ] {
            assert_eq!(found(&old, &new, "[]"), expected, "{old} {new}");
        }
    }
}
