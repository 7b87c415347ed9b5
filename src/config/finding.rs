//! What `check` reports: an error or a warning with its place and a remedy.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

/// A place in a file that was read. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file as it was named.
    pub file: Arc<Path>,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1, in characters; 0 where the whole file is meant.
    pub col: usize,
}

/// `file:line:col`, or the file alone.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}", self.file.display())
        } else {
            write!(f, "{}:{}:{}", self.file.display(), self.line, self.col)
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not mean what was intended.
    Warning,
}

/// One line of `check`, in the shape of ADAPTATION section 7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Error or warning.
    pub severity: Severity,
    /// Stable, kebab-case word such as `unknown-key`.
    pub code: &'static str,
    /// The file as it was named.
    pub file: PathBuf,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// From 1; 0 where the whole file is meant.
    pub col: usize,
    /// The API it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The change it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// The endpoint it is about, `POST /parse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Name of the op it is about, `rename`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// JSON pointer of the value it is about; of a header field or parameter its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    /// An error at `place`.
    pub fn error(place: &Place, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Error, place, code, message.into(), help.into())
    }

    /// A warning at `place`.
    pub fn warning(place: &Place, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Warning, place, code, message.into(), help.into())
    }

    /// An error about a file as a whole.
    pub fn of_file(file: PathBuf, code: &'static str, message: impl Into<String>) -> Self {
        let place = Place { file: file.as_path().into(), line: 0, col: 0 };
        Self::error(&place, code, message, "")
    }

    /// Names the API it is about.
    #[must_use]
    pub fn in_api(mut self, api: &str) -> Self {
        self.api = Some(api.to_owned());
        self
    }

    /// Names the change it is about.
    #[must_use]
    pub fn in_change(mut self, change: &str) -> Self {
        self.change = Some(change.to_owned());
        self
    }

    /// Names the operation of a change it is about.
    #[must_use]
    pub fn in_operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Names the op it is about.
    #[must_use]
    pub fn of_op(mut self, op: &str) -> Self {
        self.op = Some(op.to_owned());
        self
    }

    /// Names the JSON pointer it is about.
    #[must_use]
    pub fn at_pointer(mut self, pointer: &str) -> Self {
        self.pointer = Some(pointer.to_owned());
        self
    }

    /// Texts of the file may be in `message` and `help`: they are kept on one line and out of the terminal's way.
    fn new(severity: Severity, place: &Place, code: &'static str, message: String, help: String) -> Self {
        let (message, help) = (printable(message), printable(help));
        let file = place.file.to_path_buf();
        Self {
            severity,
            code,
            file,
            line: place.line,
            col: place.col,
            api: None,
            change: None,
            operation: None,
            op: None,
            pointer: None,
            message,
            help,
        }
    }
}

/// `text` without control characters, and not longer than a reader will read.
fn printable(text: String) -> String {
    const CHARS_MAX: usize = 1000;
    // Bytes are never fewer than characters.
    if text.len() <= CHARS_MAX && !text.contains(char::is_control) {
        return text;
    }
    let mut shown: String = text.chars().take(CHARS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// `file:line:col: error: message; help`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = Place { file: self.file.as_path().into(), line: self.line, col: self.col };
        write!(f, "{place}: {severity}: {}", self.message)?;
        if !self.help.is_empty() {
            write!(f, "; {}", self.help)?;
        }
        Ok(())
    }
}

/// In the order of their places, those of `file` first.
pub fn sort(findings: &mut [Finding], file: &Path) {
    findings.sort_by_key(|finding| (finding.file != file, finding.file.clone(), finding.line, finding.col));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_whatever_the_file_says() {
        let place = Place { file: Path::new("g.yaml").into(), line: 3, col: 7 };
        let finding = Finding::error(&place, "unknown-key", "unknown key `a\n\u{1b}[31m`", "");
        assert_eq!(finding.to_string(), "g.yaml:3:7: error: unknown key `a\u{fffd}\u{fffd}[31m`");
        let long = Finding::warning(&place, "unknown-key", "ö".repeat(5000), "do this");
        assert_eq!(long.message.chars().count(), 1001);
        assert!(long.to_string().starts_with("g.yaml:3:7: warning: ö"));
        assert!(long.to_string().ends_with("…; do this"));
    }

    #[test]
    fn a_finding_about_a_whole_file_has_no_line() {
        let place = Place { file: Path::new("g.yaml").into(), line: 0, col: 0 };
        assert_eq!(
            Finding::error(&place, "empty", "the file is empty", "").to_string(),
            "g.yaml: error: the file is empty"
        );
    }
}
