//! The YAML document as a tree that remembers where every node stands and how it was written.
//!
//! Typed readers stop at the first error and lose number spellings; `check` owes its users all
//! errors with their places, and a change's literals keep their spelling (`1.50` stays `1.50`).

use std::{path::Path, sync::Arc};

use super::builder;
use super::finding::{Finding, Place, Severity};

/// Reads one YAML document.
///
/// - Errors: everything that makes the text unusable as a configuration: syntax, a key twice, a tag, a second
///   document, nothing at all, too many levels or aliases. Never panics.
pub fn parse(text: &str, file: &Path) -> Result<Node, Vec<Finding>> {
    let mut findings = Vec::new();
    let node = builder::build(text, file, &mut findings);
    match node {
        Some(node) if findings.iter().all(|finding| finding.severity != Severity::Error) => Ok(node),
        _ => Err(findings),
    }
}

/// The text of a file that was read.
///
/// - Errors: the bytes are not UTF-8; the finding stands at the first that is not.
#[allow(clippy::result_large_err, reason = "once per file, and never on the path of a call")]
pub fn decode<'b>(bytes: &'b [u8], file: &Path) -> Result<&'b str, Finding> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let col = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let place = Place { file: Arc::from(file), line, col };
        Finding::error(&place, "not-utf8", "the file is not UTF-8 here", "save it as UTF-8")
    })
}

/// A node of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A scalar, before any typing.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in document order. Keys are scalars; a repeated key is refused when the tree is built.
    Map(Vec<(Node, Node)>),
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text without quotes, escapes resolved.
    pub text: String,
    /// Whether it was quoted or a block scalar: then it is a string, whatever it looks like.
    pub quoted: bool,
}

impl Node {
    /// The scalar's text, plain or quoted; none for lists and maps.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether this is a plain `null`, `~` or an empty value.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if !scalar.quoted && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Scalar(_) | Value::Map(_) => None,
        }
    }

    /// The members of a map, in document order.
    pub fn map(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            Value::Map(members) => Some(members),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// The member named `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// What the node is, for messages: `a string`, `a list`, …
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(_) if self.is_null() => "nothing",
            Value::Scalar(_) => "a scalar",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Node, Vec<String>> {
        parse(text, Path::new("g.yaml")).map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    fn refused(text: &str, expected: &str) {
        let found = read(text).expect_err(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{text:?}: {}", found[0]);
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let node = read("a: 1\nb:\n  - x\n  - {é: ö, k: \"v\"}\n").expect("a document");
        let place = |node: &Node| (node.place.line, node.place.col);
        assert_eq!(place(node.get("a").expect("a")), (1, 4));
        let items = node.get("b").and_then(Node::list).expect("a list");
        assert_eq!(place(&items[0]), (3, 5));
        let members = items[1].map().expect("a mapping");
        assert_eq!(place(&members[1].0), (4, 12));
        assert_eq!(place(&members[1].1), (4, 15));
    }

    #[test]
    fn scalars_keep_their_spelling_and_whether_they_were_quoted() {
        let node = read("- 1.50\n- '1.50'\n- 0x10\n- |\n  text\n- ~\n- ''\n").expect("a document");
        let items = node.list().expect("a list");
        let scalar = |index: usize| match &items[index].value {
            Value::Scalar(scalar) => (scalar.text.as_str(), scalar.quoted),
            _ => panic!("not a scalar"),
        };
        assert_eq!(scalar(0), ("1.50", false));
        assert_eq!(scalar(1), ("1.50", true));
        assert_eq!(scalar(2), ("0x10", false));
        assert_eq!(scalar(3), ("text\n", true));
        assert!(items[4].is_null());
        assert!(!items[5].is_null());
    }

    #[test]
    fn what_is_no_configuration_document_is_refused_with_its_place() {
        refused("", "g.yaml:1:1: error: the file is empty");
        refused("# only a comment\n", "g.yaml:1:1: error: the file is empty");
        refused("~\n", "g.yaml:1:1: error: the file is empty");
        refused("a: 1\nb: 2\na: 3\n", "g.yaml:3:1: error: the key \"a\" occurs twice; it stands at g.yaml:1:1 already");
        refused("a: 1\n---\nb: 2\n", "g.yaml:2:1: error: a second document begins here");
        refused("a: !!str 1\n", "g.yaml:1:");
        refused("? [x]\n: 1\n", "g.yaml:1:3: error: a key has to be");
        refused("a: [1\nb: 2\n", "g.yaml:2:");
        refused("a: 'x\n", "g.yaml:");
        refused("&a [*a]\n", "g.yaml:1:5: error: the alias stands inside");
        refused("a: *nowhere\n", "g.yaml:1:");
    }

    #[test]
    fn a_key_twice_does_not_hide_what_follows() {
        let found = read("a: 1\na: 2\nb: {c: 1, c: 2}\n").expect_err("two repeated keys");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn an_alias_repeats_a_finished_node_at_the_place_of_the_original() {
        let node = read("a: &list [x]\nb: *list\n").expect("a document");
        assert_eq!(node.get("a"), node.get("b"));
    }

    #[test]
    fn aliases_cannot_stand_for_gigabytes() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..40 {
            let before = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
        }
        let found = read(&text).expect_err("a billion laughs");
        assert!(found[0].contains("repeat too much"), "{found:?}");
    }

    #[test]
    fn depth_is_bounded_in_both_styles() {
        let flow = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(read(&flow).is_err());
        let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(read(&block).expect_err("too deep")[0].contains("inside each other"));
        let fine = format!("{}{}", "[".repeat(64), "]".repeat(64));
        assert!(read(&fine).is_ok());
    }

    #[test]
    fn a_byte_order_mark_is_no_content() {
        assert_eq!(read("\u{feff}a: 1\n").expect("a document").get("a").and_then(Node::text), Some("1"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_where_they_stand() {
        let found = decode(b"a: 1\nb: \xff\n", Path::new("g.yaml")).expect_err("not UTF-8");
        assert!(found.to_string().starts_with("g.yaml:2:4: error: the file is not UTF-8"), "{found}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a-c0-9:,\\[\\]{}&*!|>'\"%@`#? \n\t~<$é\u{feff}\u{0}.]{0,80}") {
            let _ = read(&text);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(text) = decode(&bytes, Path::new("g.yaml")) {
                let _ = read(text);
            }
        }
    }
}
