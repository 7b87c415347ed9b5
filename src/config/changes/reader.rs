//! Reading mappings and lists, with a finding for whatever is not as it should be.

use crate::{
    adaptation::pointer::Pointer,
    config::{
        finding::{Finding, Place},
        tree::{Node, Value},
    },
    domain::version::ApiVersion,
};

/// Where findings go, and what they are about.
pub(super) struct Reader<'f> {
    findings: &'f mut Vec<Finding>,
    /// Name of the change being read.
    pub(super) change: Option<String>,
    /// The operation of the change being read.
    pub(super) operation: Option<String>,
    /// The op being read.
    pub(super) op: Option<String>,
    /// Where that op works, if it says so around itself.
    pub(super) at: Pointer,
}

impl<'f> Reader<'f> {
    pub(super) fn new(findings: &'f mut Vec<Finding>) -> Self {
        Self { findings, change: None, operation: None, op: None, at: Pointer::default() }
    }

    pub(super) fn error(
        &mut self,
        node: &Node,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.error_at(&node.place, code, message, help);
    }

    pub(super) fn error_at(
        &mut self,
        place: &Place,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding::error(place, code, message, help));
    }

    pub(super) fn warning(
        &mut self,
        node: &Node,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding::warning(&node.place, code, message, help));
    }

    /// An error about a member of the objects that the op works on, or about a field or parameter of this name.
    pub(super) fn error_about(
        &mut self,
        node: &Node,
        pointer: &str,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding::error(&node.place, code, message, help).at_pointer(pointer));
    }

    /// A member of the objects that the op works on, as a pointer.
    pub(super) fn member(&self, name: &str) -> String {
        self.at.join(&Pointer::member(name)).to_string()
    }

    pub(super) fn push(&mut self, mut finding: Finding) {
        finding.change.clone_from(&self.change);
        finding.operation.clone_from(&self.operation);
        finding.op = finding.op.or_else(|| self.op.clone());
        self.findings.push(finding);
    }

    /// The members of a mapping whose keys are all known.
    pub(super) fn members<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<&'n [(Node, Node)]> {
        let Some(members) = node.map() else {
            let message = format!("{what} is {}, not a mapping", node.kind());
            self.error(node, "wrong-type", message, format!("its keys are {}", known.join(", ")));
            return None;
        };
        for (key, _) in members {
            let text = key.text().unwrap_or_default();
            if !known.contains(&text) {
                self.unknown(key, "unknown-key", &format!("{what} has no key {text:?}"), text, known);
            }
        }
        Some(members)
    }

    /// A finding about a word that is not one of `known`.
    pub(super) fn unknown(&mut self, node: &Node, code: &'static str, message: &str, word: &str, known: &[&str]) {
        let help = match nearest(word, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => "there is none to choose from".to_owned(),
            None => format!("known are {}", known.join(", ")),
        };
        self.error(node, code, message, help);
    }

    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str, help: &str) -> Option<&'n [Node]> {
        let items = node.list();
        if items.is_none() {
            self.error(node, "wrong-type", format!("{what} is {}, not a list", node.kind()), help);
        }
        items
    }

    pub(super) fn required<'n>(&mut self, node: &'n Node, key: &str, meaning: &str) -> Option<&'n Node> {
        let value = node.get(key);
        if value.is_none() {
            self.error(node, "missing-key", format!("{key} is missing"), format!("add {key}: {meaning}"));
        }
        value
    }

    /// A scalar that is there, as text.
    pub(super) fn text(&mut self, node: &Node, key: &str, meaning: &str) -> Option<String> {
        match node.text() {
            Some(text) if !node.is_null() => Some(text.to_owned()),
            _ => {
                let message = format!("{key} is {}, not a text", node.kind());
                self.error(node, "wrong-type", message, format!("write {meaning}; quote it if it is a word like null"));
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, node: &Node, key: &str, meaning: &str) -> Option<String> {
        let value = self.required(node, key, meaning)?;
        self.text(value, key, meaning)
    }

    /// One of a few words; absent is none.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, key: &str, words: &[(&str, T)]) -> Option<T> {
        let value = node.get(key)?;
        // A plain null is the word null here.
        let text = if value.is_null() { "null" } else { value.text().unwrap_or_default() };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown(value, "bad-value", &format!("{key} cannot be {text:?}"), text, &known);
        }
        found
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&mut self, node: &Node, key: &str) -> bool {
        self.word(node, key, &[("true", true), ("false", false)]).unwrap_or(false)
    }

    pub(super) fn pointer(&mut self, node: &Node, key: &str) -> Option<Pointer> {
        let Some(text) = node.text().filter(|_| !node.is_null() || node.text() == Some("")) else {
            let message = format!("{key} is {}, not a pointer", node.kind());
            self.error(node, "bad-pointer", message, "write a JSON pointer such as /items/[]/id");
            return None;
        };
        Pointer::parse(text)
            .map_err(|error| {
                let message = format!("{text:?} is no pointer: {error}");
                self.error(node, "bad-pointer", message, "write a JSON pointer such as /items/[]/id");
            })
            .ok()
    }

    /// A version; only a quoted one cannot have lost a digit.
    pub(super) fn version(&mut self, node: &Node) -> Option<ApiVersion> {
        let Value::Scalar(scalar) = &node.value else {
            self.error(
                node,
                "wrong-type",
                format!("a version is a quoted text, not {}", node.kind()),
                "write it as \"1.0\"",
            );
            return None;
        };
        if !scalar.quoted {
            let message = format!("the version {} is not quoted", scalar.text);
            self.error(
                node,
                "unquoted-version",
                message,
                format!("quote it: \"{}\" (as a number 2.10 would be 2.1)", scalar.text),
            );
            return None;
        }
        ApiVersion::parse(&scalar.text)
            .map_err(|error| {
                let message = format!("{:?} is {error}", scalar.text);
                self.error(node, "bad-version", message, "name it as under versions:");
            })
            .ok()
    }
}

/// The known word that `word` most probably means.
fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let near = known.iter().min_by_key(|candidate| distance(candidate))?;
    (distance(near) <= 1 + word.len() / 4).then_some(*near)
}
