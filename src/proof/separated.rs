//! Whether the documents excuse a `split` or `merge` that does not declare its loss: no part holds the separator.

use super::{
    course::{Run, Stashed},
    flow,
    prove::Subject,
};
use crate::{
    adaptation::{
        change::{Direction, StatusKey},
        op::{Edit, Op},
    },
    config::{
        changes::{self, List, Separated},
        finding::{Finding, Place},
    },
    contract::{Operation, Schema, directory::Directory},
    domain::version::ApiVersion,
};

/// The losses that are not declared and that no schema excuses.
pub(super) fn losses(subject: Subject<'_>, directories: &[Option<Directory<'_>>]) -> Vec<Finding> {
    let directory = |version: &ApiVersion| {
        let index = subject.api.versions.iter().position(|known| known.name == *version)?;
        directories.get(index)?.as_ref()
    };
    let mut findings = Vec::new();
    for (change, origins) in subject.changes.iter().zip(&subject.origins.changes) {
        // Without both documents it is an error already when the file is read.
        let (Some(older), Some(newer)) = (directory(&change.from), directory(&change.to)) else { continue };
        for separated in changes::separated(change, origins) {
            let bodies = bodies(&separated, older, newer);
            let clear = |body: &Schema| is_clear(body.clone(), change, &separated);
            if bodies.is_empty() || !bodies.iter().all(clear) {
                findings.push(separated.finding);
            }
        }
    }
    findings
}

/// The bodies that run through the op in the direction in which it loses something.
fn bodies(separated: &Separated<'_>, older: &Directory<'_>, newer: &Directory<'_>) -> Vec<Schema> {
    let operation = separated.operation;
    let source: Option<&Operation> = match separated.direction {
        Direction::Up => older.find(&operation.endpoint),
        Direction::Down => newer.find(operation.to.as_ref().unwrap_or(&operation.endpoint)),
    };
    let Some(source) = source else { return Vec::new() };
    let of_newer = |status: StatusKey| match separated.direction {
        Direction::Up => operation.mapped_status(status, Direction::Up),
        Direction::Down => status,
    };
    match separated.list {
        List::Request => source.request.iter().filter_map(|body| body.json()).cloned().collect(),
        List::Response(index, _) => {
            let chosen = |status: StatusKey| operation.list_for(of_newer(status)) == Some(index);
            let responses = source.responses.iter().filter(|response| chosen(response.status));
            responses.filter_map(|response| response.content.json()).cloned().collect()
        }
        // Documents do not describe single events.
        List::Event(_) => Vec::new(),
    }
}

/// Whether no part of what the body is when it comes to the op may be mistaken.
fn is_clear(mut body: Schema, change: &crate::adaptation::Change, separated: &Separated<'_>) -> bool {
    let (edits, places): (&[Edit], &[Place]) = match separated.list {
        List::Request => (&separated.operation.request, &separated.origins.request),
        List::Response(index, _) => (&separated.operation.responses[index].1, &separated.origins.responses[index]),
        List::Event(_) => return false,
    };
    let before: Vec<usize> = match separated.direction {
        Direction::Up => (0..separated.index).collect(),
        Direction::Down => (separated.index + 1..edits.len()).rev().collect(),
    };
    let mut stash = Stashed::new();
    for index in before {
        let (edit, origin) = (&edits[index], places[index].clone());
        let run = Run { change, operation: separated.operation, edit, origin };
        run.over(&mut body, separated.direction, "", false, &mut stash);
    }
    let edit = &edits[separated.index];
    match &edit.op {
        Op::Split(pieces) | Op::Merge(pieces) => flow::keeps_apart(&body, edit, pieces),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::proof::testing::{document, gateway, of_requests, of_responses, proof, shown};

    const WHOLE: &str =
        "{type: object, required: [addr], properties: {addr: {type: string}}, additionalProperties: false}";

    fn parts(host: &str, port: &str) -> String {
        format!(
            "{{type: object, required: [host], properties: {{host: {host}, port: {port}}}, additionalProperties: false}}"
        )
    }

    const SPLIT: &str = "[{split: {from: addr, into: [host, port], sep: ':'}}]";
    const MERGE: &str = "[{merge: {from: [host, port], into: addr, sep: ':'}}]";

    #[test]
    fn a_split_is_excused_where_no_part_but_the_last_may_hold_the_separator() {
        let split = |host: &str| {
            // What is cut is only text: that the new version wants more is another matter.
            let found = of_requests(WHOLE, &parts(host, "{type: string}"), SPLIT);
            found.into_iter().filter(|found| found.starts_with("undeclared-loss")).collect::<Vec<_>>()
        };
        assert_eq!(split("{type: string}"), ["undeclared-loss /addr"]);
        assert_eq!(split("{type: string, pattern: '^[a-z]+$'}"), [] as [&str; 0]);
        assert_eq!(split("{type: string, enum: [a, b]}"), [] as [&str; 0]);
        assert_eq!(split("{type: string, enum: [a, 'b:']}"), ["undeclared-loss /addr"]);
        assert_eq!(split("{type: string, format: ipv4}"), [] as [&str; 0]);
        assert_eq!(split("{type: string, format: ipv6}"), ["undeclared-loss /addr"]);
    }

    #[test]
    fn a_merge_is_excused_by_the_older_document() {
        let merge = |host: &str| of_requests(&parts(host, "{type: string}"), WHOLE, MERGE);
        assert_eq!(merge("{type: string}"), ["undeclared-loss /addr"]);
        assert_eq!(merge("{type: string, pattern: '^[a-z]+$'}"), [] as [&str; 0]);
        let response = |host: &str| of_responses(&parts(host, "{type: string}"), WHOLE, MERGE);
        assert!(response("{type: string}").contains(&"undeclared-loss /addr".to_owned()));
        assert!(!response("{type: string, format: uuid}").contains(&"undeclared-loss /addr".to_owned()));
    }

    #[test]
    fn what_earlier_ops_make_of_the_body_counts() {
        let old = "{type: object, required: [h], properties: {h: {type: string, pattern: '^[a-z]+$'}, port: {type: string}}, additionalProperties: false}";
        let ops = "[{rename: {h: host}}, {merge: {from: [host, port], into: addr, sep: ':'}}]";
        assert_eq!(of_requests(old, WHOLE, ops), [] as [&str; 0]);
        let ops = "[{map: {path: /h, pairs: [[a, 'a:']]}}, {rename: {h: host}}, {merge: {from: [host, port], into: addr, sep: ':'}}]";
        assert_eq!(of_requests(old, WHOLE, ops), ["undeclared-loss /addr"]);
    }

    #[test]
    fn a_declared_loss_needs_no_schema_and_an_undescribed_body_excuses_nothing() {
        let declared = "[{merge: {from: [host, port], into: addr, sep: ':'}, lossy: {up: why}}]";
        let any = parts("{type: string}", "{type: string}");
        assert_eq!(of_requests(&any, WHOLE, declared), [] as [&str; 0]);
        let config = gateway(&format!("[{{match: POST /p, request: {MERGE}, response: {{4xx: {MERGE}}}}}]"));
        let clear = parts("{type: string, format: uuid}", "{type: string}");
        let found = proof(&config, &[("1.yaml", &document(&clear, "true")), ("2.yaml", &document(WHOLE, "true"))]);
        assert_eq!(shown(&found), ["undeclared-loss /addr"], "no 4xx is described");
        assert_eq!((found[0].line, found[0].operation.as_deref()), (9, Some("POST /p")));
    }
}
