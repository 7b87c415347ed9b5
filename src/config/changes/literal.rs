//! YAML values as JSON text that keeps number spellings.

use crate::{
    adaptation::literal::Literal,
    config::tree::{Node, Value},
};

/// The JSON value a node stands for.
///
/// A plain scalar that is a JSON number keeps its spelling; other plain scalars but null, true and
/// false are strings, so `0x10`, `1_000`, `.5` and `yes` never become other numbers or booleans.
pub(super) fn read(node: &Node) -> Literal {
    match &node.value {
        Value::List(items) => Literal::array(&items.iter().map(read).collect::<Vec<_>>()),
        Value::Map(members) => {
            let member = |(key, value): &(Node, Node)| (key.text().unwrap_or_default().to_owned(), read(value));
            Literal::object(&members.iter().map(member).collect::<Vec<_>>())
        }
        Value::Scalar(_) if node.is_null() => Literal::null(),
        Value::Scalar(scalar) if scalar.quoted => Literal::string(&scalar.text),
        Value::Scalar(scalar) => match scalar.text.as_str() {
            "true" | "True" | "TRUE" => Literal::boolean(true),
            "false" | "False" | "FALSE" => Literal::boolean(false),
            text => Literal::number(text).unwrap_or_else(|| Literal::string(text)),
        },
    }
}
