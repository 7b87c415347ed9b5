//! YAML values as JSON values: `default`, `enum`, `const`, examples.

use serde_json::{Number, Value};

use crate::config::tree::{self, Node};

/// The JSON value a node stands for, by the core schema of YAML 1.2 and the number grammar of JSON.
pub fn of(node: &Node) -> Value {
    match &node.value {
        tree::Value::List(items) => items.iter().map(of).collect(),
        tree::Value::Map(members) => {
            let member = |(key, value): &(Node, Node)| (key.text().unwrap_or_default().to_owned(), of(value));
            Value::Object(members.iter().map(member).collect())
        }
        tree::Value::Scalar(_) if node.is_null() => Value::Null,
        tree::Value::Scalar(scalar) if scalar.quoted => Value::String(scalar.text.clone()),
        tree::Value::Scalar(scalar) => match scalar.text.as_str() {
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => serde_json::from_str::<Number>(text).map_or_else(|_| text.into(), Value::Number),
        },
    }
}
