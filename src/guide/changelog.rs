//! The changelog of an API, in Markdown: what each version added, changed, removed and lost.

use std::fmt::Write as _;

use super::{NOTICE, status_name, words};
use crate::{
    adaptation::{
        change::{Change, Operation},
        op::{Edit, Op},
    },
    contract::subtype::Side,
    domain::api::Api,
};

/// What happened between two versions, by kind.
#[derive(Default)]
struct Kinds {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
    lost: Vec<String>,
}

/// Writes the changelog, the newest version first.
pub fn changelog(api: &Api, changes: &[Change]) -> String {
    let mut out = format!("# Changelog of {}\n\n<!-- {NOTICE} -->\n", api.name);
    let mut sorted: Vec<&Change> = changes.iter().collect();
    // A shortcut over several versions says again what the short steps say.
    sorted.retain(|change| !changes.iter().any(|other| other.from == change.from && other.to < change.to));
    sorted.sort_by(|a, b| b.to.cmp(&a.to));
    for change in sorted {
        let _ = write!(out, "\n## {}\n", change.to);
        if let Some(summary) = &change.summary {
            let _ = write!(out, "\n{summary}\n");
        }
        let kinds = Kinds::of(change);
        let named =
            [("Added", kinds.added), ("Changed", kinds.changed), ("Removed", kinds.removed), ("Lost", kinds.lost)];
        if named.iter().all(|(_, lines)| lines.is_empty()) {
            let _ = write!(out, "\nNo difference in requests and responses from {}.\n", change.from);
        }
        for (name, lines) in named.iter().filter(|(_, lines)| !lines.is_empty()) {
            let _ = write!(out, "\n### {name}\n\n{}\n", lines.join("\n"));
        }
    }
    if let Some(first) = api.versions.first() {
        let _ = write!(out, "\n## {}\n\nThe first version that is known here.\n", first.name);
    }
    out
}

impl Kinds {
    fn of(change: &Change) -> Self {
        let mut kinds = Self::default();
        for operation in &change.operations {
            let name = words::code(&operation.endpoint.to_string());
            if operation.since.is_some() {
                kinds.added.push(format!("- {name}"));
                continue;
            }
            if let Some(to) = &operation.to {
                kinds.changed.push(format!("- {name} is {} now", words::code(&to.to_string())));
            }
            kinds.beside_bodies(&name, operation);
            for edit in &operation.request {
                kinds.edit(&format!("{name}, request"), edit, Side::Request);
            }
            for (status, edits) in &operation.responses {
                for edit in edits {
                    kinds.edit(&format!("{name}, response {}", status_name(*status)), edit, Side::Response);
                }
            }
            for (kind, edits) in &operation.events {
                for edit in edits {
                    kinds.edit(&format!("{name}, event {}", words::code(kind)), edit, Side::Response);
                }
            }
        }
        kinds
    }

    fn beside_bodies(&mut self, name: &str, operation: &Operation) {
        let fields = operation.query.iter().map(words::query);
        let fields = fields.chain(operation.request_headers.iter().map(words::header));
        self.changed.extend(fields.map(|line| format!("- {name}, request: {line}")));
        let headers = operation.response_headers.iter().map(words::header);
        let statuses = operation.statuses.iter().map(|(old, new)| format!("status {old} is {new}"));
        self.changed.extend(headers.chain(statuses).map(|line| format!("- {name}, response: {line}")));
    }

    fn edit(&mut self, place: &str, edit: &Edit, side: Side) {
        let line = format!("- {place}: {}", words::edit(edit, side));
        match edit.op {
            Op::Add { .. } => self.added.push(line),
            Op::Remove { .. } => self.removed.push(line),
            _ => self.changed.push(line),
        }
        for reason in edit.lossy.up.iter().chain(&edit.lossy.down) {
            self.lost.push(format!("- {place}: {reason}"));
        }
    }
}
