//! The YAML document as a tree that remembers where every node stands and how it was written.
//!
//! Typed readers stop at the first error and lose number spellings; `check` owes its users all
//! errors with their places, and a change's literals keep their spelling (`1.50` stays `1.50`).

use super::finding::Place;

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
