//! Texts and values as YAML in flow style, such that a reader takes them for nothing else.

use super::json::Json;

/// A text, plain where no reader could take it for anything else.
pub(super) fn text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_/.~-".contains(c);
    let first = |c: char| c.is_ascii_alphabetic() || "_/".contains(c);
    // YAML 1.1 readers take these for booleans and null.
    let taken = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_plain = text.starts_with(first)
        && text.chars().all(plain)
        && !text.ends_with(['-', '.'])
        && !taken.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain { text.to_owned() } else { quoted(text) }
}

/// A value, with its numbers as written.
pub(super) fn value(json: &Json) -> String {
    match json {
        Json::Text(string) => text(string),
        Json::Array(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let members = members.iter().map(|(name, member)| format!("{}: {}", text(name), value(member)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Json::Null | Json::Boolean(_) | Json::Number(_) => json.text(),
    }
}

/// JSON's quotes are YAML's double quotes; what YAML does not print is escaped.
fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let printable = |c: char| {
        matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    json.chars().map(|c| if printable(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::tree::{self, Value};

    #[test]
    fn a_reader_finds_the_same_text_and_never_another_type() {
        for string in [
            "a",
            "/items/~1x",
            "null",
            "Yes",
            "n",
            "1",
            "1.50",
            "-",
            "a-",
            "a: b",
            "a #b",
            "",
            " a",
            "é",
            "\u{85}\u{2028}\u{feff}",
            "\"",
            "\\",
            "\n\t\u{1}",
            "[]",
            "{}",
            "/items/[]",
            "~",
            "*a",
            "😀",
            "0x10",
            "a,b",
            "_x.y",
            "\u{7f}",
        ] {
            let yaml = format!("{{{}: {}}}", text(string), text(string));
            let node = tree::parse(&yaml, Path::new("y.yaml")).unwrap_or_else(|found| panic!("{yaml}: {found:?}"));
            let [(key, value)] = node.map().expect("a mapping") else { panic!("{yaml}") };
            for node in [key, value] {
                let Value::Scalar(scalar) = &node.value else { panic!("{yaml}") };
                assert_eq!(scalar.text, string, "{yaml}");
                assert!(!node.is_null(), "{yaml}");
            }
        }
    }

    #[test]
    fn values_keep_their_numbers() {
        let json = Json::read(r#"{"a":[1.50,"1.50",null,true,"true"],"b":{}}"#).expect("JSON");
        assert_eq!(value(&json), r#"{a: [1.50, "1.50", null, true, "true"], b: {}}"#);
    }
}
