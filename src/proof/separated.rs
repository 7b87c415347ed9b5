//! Whether the documents excuse a `split` or `merge` that does not declare its loss: no part holds the separator.

use super::{course::Stashed, flow, leg::Leg, prove::Subject};
use crate::{
    adaptation::{change::Direction, op::Op},
    config::{
        changes::{self, Separated},
        finding::Finding,
    },
    contract::{Schema, directory::Directory},
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
            let Separated { operation, origins, list, direction, .. } = separated;
            let leg = Leg { change, operation, origins, list };
            let bodies = leg.bodies(direction, older, newer);
            let clear = |body: &Schema| is_clear(body.clone(), &leg, &separated);
            if bodies.is_empty() || !bodies.iter().all(clear) {
                findings.push(separated.finding);
            }
        }
    }
    findings
}

/// Whether no part of what the body is when it comes to the op may be mistaken.
fn is_clear(mut body: Schema, leg: &Leg<'_>, separated: &Separated<'_>) -> bool {
    let runs = leg.runs(separated.direction);
    let before = match separated.direction {
        Direction::Up => separated.index,
        Direction::Down => runs.len() - 1 - separated.index,
    };
    let mut stash = Stashed::new();
    for run in &runs[..before] {
        run.over(&mut body, separated.direction, "", false, &mut stash);
    }
    let edit = runs[before].edit;
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
