//! `${…}` in scalar values, after parsing and before typing.
//!
//! `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `${file:path}`; `$${` is a literal `${`. What came in is
//! never expanded again. `apis.*.changes` is left alone: there, `${` may be data.

use std::path::{Path, PathBuf};

use super::file;
use super::finding::Finding;
use super::shape::quoted;
use super::tree::{self, Node, Scalar, Value};

/// Largest file that `${file:…}` reads.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The codes of what is found here.
pub const CODES: [&str; 3] = ["expansion", "variable", "file"];

/// Where values come from.
pub struct Outside<'o> {
    /// Looks an environment variable up.
    pub variable: &'o dyn Fn(&str) -> Option<String>,
    /// The folder that `${file:…}` is relative to.
    pub folder: &'o Path,
    /// Gains every file that was read, and those that should have been.
    pub files: &'o mut Vec<PathBuf>,
}

/// Why a reference cannot be resolved.
struct Unresolved {
    code: &'static str,
    message: String,
    help: String,
}

/// Expands every scalar value of a configuration. A value that expands to nothing becomes null.
pub fn expand(root: &mut Node, outside: &mut Outside<'_>, findings: &mut Vec<Finding>) {
    walk(root, &mut Vec::new(), outside, findings);
}

fn walk(node: &mut Node, path: &mut Vec<String>, outside: &mut Outside<'_>, findings: &mut Vec<Finding>) {
    match &mut node.value {
        Value::Scalar(scalar) => {
            if let Err(unresolved) = expand_scalar(scalar, outside) {
                findings.push(Finding::error(&node.place, unresolved.code, unresolved.message, unresolved.help));
            }
        }
        // An item that expands to nothing is not there.
        Value::List(items) => items.retain_mut(|item| {
            let was_null = item.is_null();
            walk(item, path, outside, findings);
            was_null || !item.is_null()
        }),
        Value::Map(members) => {
            for (key, value) in members {
                path.push(key.text().unwrap_or_default().to_owned());
                if !is_changes(path) {
                    walk(value, path, outside, findings);
                }
                path.pop();
            }
        }
    }
}

/// `apis.{api}.changes`.
fn is_changes(path: &[String]) -> bool {
    matches!(path, [apis, _, changes] if apis == "apis" && changes == "changes")
}

fn expand_scalar(scalar: &mut Scalar, outside: &mut Outside<'_>) -> Result<(), Unresolved> {
    if !scalar.text.contains("${") {
        return Ok(());
    }
    let mut expanded = String::new();
    let mut rest = scalar.text.as_str();
    let mut literal = false;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        let inner = &from[2..];
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            literal = true;
            rest = inner;
            continue;
        }
        expanded.push_str(before);
        let Some(end) = inner.find('}') else {
            return Err(Unresolved {
                code: "expansion",
                message: format!("{} has no closing brace", quoted(from)),
                help: "write ${NAME}; a literal ${ is written $${".to_owned(),
            });
        };
        expanded.push_str(&resolve(&inner[..end], outside)?);
        rest = &inner[end + 1..];
    }
    expanded.push_str(rest);
    // What comes from outside is text: it is typed by its key, and a version needs no further quotes.
    scalar.quoted = literal || !expanded.is_empty();
    scalar.text = expanded;
    Ok(())
}

/// The value of what stands between `${` and `}`.
fn resolve(reference: &str, outside: &mut Outside<'_>) -> Result<String, Unresolved> {
    if reference.contains("${") {
        return Err(Unresolved {
            code: "expansion",
            message: format!("{} nests one reference in another", quoted(reference)),
            help: "give a plain default".to_owned(),
        });
    }
    if let Some(path) = reference.strip_prefix("file:") {
        return read_file(path, outside);
    }
    let (name, rest) = reference.split_at(reference.find(':').unwrap_or(reference.len()));
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.is_empty() || !plain || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Unresolved {
            code: "expansion",
            message: format!("{} names no variable", quoted(reference)),
            help: "write ${NAME}, ${NAME:-default}, ${NAME:?message} or ${file:path}; a literal ${ is written $${"
                .to_owned(),
        });
    }
    let value = (outside.variable)(name);
    let unset = |message: String| {
        let help = format!("set it, or give a default: ${{{name}:-…}}");
        Err(Unresolved { code: "variable", message, help })
    };
    if rest.is_empty() {
        return match value {
            Some(value) => Ok(value),
            None => unset(format!("the environment variable {name} is not set")),
        };
    }
    let value = value.filter(|value| !value.is_empty());
    match (rest.strip_prefix(":-"), rest.strip_prefix(":?"), value) {
        (Some(_), _, Some(value)) | (_, Some(_), Some(value)) => Ok(value),
        (Some(default), _, None) => Ok(default.to_owned()),
        (_, Some(""), None) => unset(format!("the environment variable {name} is not set or empty")),
        (_, Some(message), None) => unset(format!("the environment variable {name} is not set or empty: {message}")),
        (None, None, _) => Err(Unresolved {
            code: "expansion",
            message: format!("{} is no reference", quoted(reference)),
            help: "after the name, write :- and a default or :? and a message".to_owned(),
        }),
    }
}

/// The text of a file, less one trailing newline.
fn read_file(path: &str, outside: &mut Outside<'_>) -> Result<String, Unresolved> {
    let named = outside.folder.join(path);
    let unreadable = |reason: String| Unresolved {
        code: "file",
        message: format!("cannot read {}: {reason}", named.display()),
        help: "paths are relative to the folder of the configuration".to_owned(),
    };
    // Also a file that is missing is watched: it may come.
    outside.files.push(named.clone());
    let bytes = file::read_regular(&named, FILE_BYTES_MAX).map_err(|error| unreadable(error.to_string()))?;
    let text = tree::decode(&bytes, &named).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> (Node, Vec<String>) {
        let variable = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${SET}".to_owned()),
            _ => None,
        };
        let mut root = tree::parse(text, Path::new("g.yaml")).expect("valid YAML");
        let mut findings = Vec::new();
        let mut outside = Outside { variable: &variable, folder: Path::new("/nowhere"), files: &mut Vec::new() };
        expand(&mut root, &mut outside, &mut findings);
        (root, findings.iter().map(ToString::to_string).collect())
    }

    fn value(scalar: &str) -> Option<String> {
        let (root, findings) = outcome(&format!("k: '{scalar}'\n"));
        assert!(findings.len() < 2, "{findings:?}");
        let node = root.get("k").expect("the key");
        findings
            .is_empty()
            .then(|| if node.is_null() { "(nothing)".to_owned() } else { node.text().unwrap_or("?").to_owned() })
    }

    #[test]
    fn references_become_their_values() {
        for (scalar, expected) in [
            ("plain", Some("plain")),
            ("${SET}", Some("value")),
            ("a${SET}b${SET}c", Some("avaluebvaluec")),
            ("${EMPTY}", Some("(nothing)")),
            ("${MISSING}", None),
            ("${MISSING:-default}", Some("default")),
            ("${EMPTY:-default}", Some("default")),
            ("${SET:-default}", Some("value")),
            ("${MISSING:-}", Some("(nothing)")),
            ("${MISSING:-http://a:1/b?c}", Some("http://a:1/b?c")),
            ("${SET:?needed}", Some("value")),
            ("${EMPTY:?needed}", None),
            ("${MISSING:?needed}", None),
            ("$${SET}", Some("${SET}")),
            ("$$${SET}", Some("$${SET}")),
            ("$SET $ {SET} $", Some("$SET $ {SET} $")),
            ("${TRICK}", Some("${SET}")),
            ("${", None),
            ("${}", None),
            ("${1A}", None),
            ("${A B}", None),
            ("${SET:x}", None),
            ("${SET:-${SET}}", None),
            ("${file:missing}", None),
        ] {
            assert_eq!(value(scalar).as_deref(), expected, "{scalar}");
        }
    }

    #[test]
    fn the_message_says_what_is_missing_and_where() {
        let (_, findings) = outcome("a: 1\nb: ${MISSING:?ask the platform team}\n");
        assert!(findings[0].starts_with(
            "g.yaml:2:4: error: the environment variable MISSING is not set or empty: ask the platform team"
        ));
    }

    #[test]
    fn an_item_that_expands_to_nothing_is_not_there() {
        let (root, _) = outcome("k: ['${EMPTY:-}', x, '']\n");
        assert_eq!(root.get("k").and_then(Node::list).map(<[Node]>::len), Some(2));
    }

    #[test]
    fn changes_are_left_alone() {
        let (root, findings) = outcome("apis: {a: {changes: ['${MISSING}'], path: '${SET}'}}\nchanges: '${SET}'\n");
        assert!(findings.is_empty(), "{findings:?}");
        let api = root.get("apis").and_then(|apis| apis.get("a")).expect("the api");
        assert_eq!(api.get("changes").and_then(Node::list).and_then(|list| list[0].text()), Some("${MISSING}"));
        assert_eq!(api.get("path").and_then(Node::text), Some("value"));
        assert_eq!(root.get("changes").and_then(Node::text), Some("value"));
    }

    #[test]
    fn a_file_gives_its_text_less_one_newline_and_is_watched() {
        let folder = std::env::temp_dir().join(format!("vergate-expand-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("token"), "secret\n\n").expect("a file");
        let mut root = tree::parse("k: ${file:token}\n", Path::new("g.yaml")).expect("valid YAML");
        let (mut files, mut findings) = (Vec::new(), Vec::new());
        expand(&mut root, &mut Outside { variable: &|_| None, folder: &folder, files: &mut files }, &mut findings);
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(root.get("k").and_then(Node::text), Some("secret\n"));
        assert_eq!(files, [folder.join("token")]);
        assert!(findings.is_empty(), "{findings:?}");
    }
}
