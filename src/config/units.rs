//! Scalars with a unit or a form: durations, sizes, counts, dates and version names.

use super::finding::Finding;
use super::tree::{Node, Value};
use crate::domain::version::ApiVersion;

/// Reads a version name, which has to be quoted: a plain `2.10` would become `2.1`.
///
/// - Returns nothing where a finding was added.
pub fn version(node: &Node, findings: &mut Vec<Finding>) -> Option<ApiVersion> {
    let Value::Scalar(scalar) = &node.value else {
        let message = format!("expected a version, found {}", node.kind());
        findings.push(Finding::error(&node.place, "type", message, "write a quoted version such as \"2.1\""));
        return None;
    };
    let text = scalar.text.as_str();
    if node.is_null() {
        let help = "write a quoted version such as \"2.1\"";
        findings.push(Finding::error(&node.place, "type", "expected a version, found nothing", help));
        return None;
    }
    if !scalar.quoted && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'_' | b'e')) {
        let message = format!("the version {text} is an unquoted number");
        let help = format!("quote it: \"{text}\" (2.10 would become 2.1)");
        findings.push(Finding::error(&node.place, "unquoted-version", message, help));
        return None;
    }
    match ApiVersion::parse(text) {
        Ok(version) => Some(version),
        Err(error) => {
            let message = format!("\"{text}\" is {error}");
            findings.push(Finding::error(&node.place, "version", message, "names look like \"2.1\" or \"2.1-rc.1\""));
            None
        }
    }
}
