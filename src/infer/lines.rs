//! The lines of a proposal: each an op as YAML, run by the very engine that will run it.

use std::path::Path;

use bytes::Bytes;

use super::{json::Json, yaml};
use crate::{
    adaptation::{Direction, Mode, Program},
    config::{changes, tree},
};

/// Which bodies the change is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Request,
    /// Responses with a status of 2xx.
    Response,
}

/// One op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The pointer its own places are relative to; empty for the whole body.
    pub(super) at: String,
    /// `rename: {a: b}`.
    pub(super) op: String,
    /// The direction that loses something, and a reason to be filled in.
    pub(super) lossy: Option<(&'static str, String)>,
    /// `conflict: …`: what becomes of a member that stands where the op writes.
    pub(super) conflict: Option<&'static str>,
    /// What a person should look at.
    pub(super) unsure: Vec<String>,
    /// The member that only one version has, where that is what the line is about.
    pub(super) lone: Option<Lone>,
}

/// A member that only one version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lone {
    /// Whether the newer one has it.
    pub(super) is_new: bool,
    /// From the root; the parents bear the newer version's names.
    pub(super) pointer: String,
    /// As the op names it, below `at`.
    pub(super) path: String,
}

impl Line {
    pub(super) fn new(at: String, op: String) -> Self {
        Self { at, op, lossy: None, conflict: None, unsure: Vec::new(), lone: None }
    }

    #[must_use]
    pub(super) fn lossy(mut self, direction: &'static str, reason: String) -> Self {
        self.lossy = Some((direction, reason));
        self
    }

    #[must_use]
    pub(super) fn unsure(mut self, doubt: impl Into<String>) -> Self {
        self.unsure.push(doubt.into());
        self
    }

    /// As an item of a YAML list: comments, then a mapping in block style.
    pub(super) fn write(&self, indent: &str, out: &mut String) {
        for doubt in &self.unsure {
            out.push_str(&format!("{indent}# unsure: {doubt}\n"));
        }
        let mut lead = "- ";
        let mut line = |text: &str| {
            out.push_str(&format!("{indent}{lead}{text}\n"));
            lead = "  ";
        };
        if !self.at.is_empty() {
            line(&format!("at: {}", yaml::text(&self.at)));
        }
        line(&self.op);
        if let Some(conflict) = self.conflict {
            line(&format!("conflict: {conflict}"));
        }
        if let Some((direction, reason)) = &self.lossy {
            line(&format!("lossy: {{{direction}: {}}}", yaml::text(reason)));
        }
    }
}

/// A whole change, as YAML.
///
/// - `head`: everything before `operations`.
pub(super) fn change(head: &str, operation: &str, side: Side, lines: &[Line]) -> String {
    let mut out = String::from(head);
    out.push_str("operations:\n");
    operation_of(operation, side, lines, "  ", &mut out);
    out
}

pub(super) fn operation_of(operation: &str, side: Side, lines: &[Line], indent: &str, out: &mut String) {
    out.push_str(&format!("{indent}- match: {}\n", yaml::text(operation)));
    let (key, inner) = match side {
        Side::Request => (format!("{indent}  request:"), format!("{indent}    ")),
        Side::Response => (format!("{indent}  response:\n{indent}    2xx:"), format!("{indent}      ")),
    };
    out.push_str(&key);
    out.push_str(if lines.is_empty() { " []\n" } else { "\n" });
    for line in lines {
        line.write(&inner, out);
    }
}

/// Runs lines up on documents.
///
/// - Returns none where a line cannot be read, or refuses a document.
pub(super) fn run(lines: &[Line], side: Side, documents: &[Json]) -> Option<Vec<Json>> {
    let text = change("change: x\nfrom: \"1\"\nto: \"2\"\n", "POST /", side, lines);
    // An entry of a list, as under `changes:`.
    let entry: String =
        text.lines().enumerate().map(|(n, line)| format!("{}{line}\n", if n == 0 { "- " } else { "  " })).collect();
    let root = tree::parse(&entry, Path::new("proposal.yaml")).ok()?;
    let (mut files, mut findings) = (Vec::new(), Vec::new());
    let changes = changes::read(&root, Path::new(""), &mut files, &mut findings);
    let operation = changes.first()?.0.operations.first()?;
    let edits = match side {
        Side::Request => &operation.request,
        Side::Response => &operation.responses.first()?.1,
    };
    let Some(program) = Program::fuse([("x", edits.as_slice(), Direction::Up)]) else {
        return Some(documents.to_vec());
    };
    let run = |document: &Json| {
        let adapted = program.apply(&Bytes::from(document.text()), Mode::Whole).ok()?;
        Json::read(std::str::from_utf8(&adapted.body).ok()?).ok()
    };
    documents.iter().map(run).collect()
}
