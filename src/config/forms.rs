//! What all scalars with a form share: reading, refusing and describing them.

use schemars::Schema;

use super::finding::Finding;
use super::shape::{quoted, wrong_type};
use super::tree::Node;

/// Why a text does not have the form of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code of the finding.
    pub code: &'static str,
    /// What is wrong; none means "expected …, found …".
    pub message: Option<String>,
    /// What to do.
    pub help: String,
}

impl Refusal {
    /// The text has another form.
    pub fn form(help: impl Into<String>) -> Self {
        Self { code: "type", message: None, help: help.into() }
    }

    /// The text has the form, but not a usable value.
    pub fn value(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), help: help.into() }
    }
}

/// Reads a scalar, or says what was expected instead.
pub fn read_scalar<T>(
    node: &Node,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
    findings: &mut Vec<Finding>,
) -> Option<T> {
    let Some(text) = node.text().filter(|_| !node.is_null()) else {
        findings.push(wrong_type(node, expected));
        return None;
    };
    match parse(text.trim()) {
        Ok(value) => Some(value),
        Err(refusal) => {
            let message = refusal.message.unwrap_or_else(|| format!("expected {expected}, found {}", quoted(text)));
            findings.push(Finding::error(&node.place, refusal.code, message, refusal.help));
            None
        }
    }
}

/// The schema of a text with a pattern; a text with `${…}` in it is decided later.
pub fn text_schema(pattern: &str, description: &str) -> Schema {
    schemars::json_schema!({ "type": "string", "pattern": or_expanded(pattern), "description": description })
}

/// The schema of something that is a number, or a text of this pattern.
pub fn number_schema(minimum: u64, pattern: &str, description: &str) -> Schema {
    schemars::json_schema!({
        "description": description,
        "anyOf": [{ "type": "integer", "minimum": minimum }, { "type": "string", "pattern": or_expanded(pattern) }],
    })
}

/// `pattern`, or anything with `${…}` in it.
pub fn or_expanded(pattern: &str) -> String {
    format!("{pattern}|\\$\\{{")
}

/// Implements [`Read`](super::shape::Read) and `JsonSchema` for a scalar type with a `parse` function.
macro_rules! form {
    ($type:ident, $expected:literal, $schema:expr) => {
        impl $crate::config::shape::Read for $type {
            fn expected() -> String {
                $expected.to_owned()
            }

            fn read(
                node: &$crate::config::tree::Node,
                findings: &mut Vec<$crate::config::finding::Finding>,
            ) -> Option<Self> {
                $crate::config::forms::read_scalar(node, $expected, Self::parse, findings)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(crate) use form;
