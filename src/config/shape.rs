//! How a mapping with known keys is read and described: one declaration gives both.
//!
//! `shape!` turns a list of keys into a struct, its reader and its JSON Schema, so the three cannot
//! drift apart. A reader reports everything it finds instead of stopping at the first error.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json};

use super::finding::{Finding, Place};
use super::suggest;
use super::tree::Node;

/// A value of the file that can be read from a node.
pub trait Read: Sized {
    /// What a message says was expected: `a duration such as 30s`.
    fn expected() -> String;

    /// Reads the value, or adds findings and gives none.
    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self>;
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// Where it stands.
    pub place: Place,
    /// The value.
    pub value: T,
}

/// What became of a key.
#[derive(Clone, Debug)]
pub enum Field<T> {
    /// Not there, or nothing.
    Absent,
    /// There, but findings say why it cannot be used. Rules about it stay silent.
    Broken,
    /// There.
    Set(At<T>),
}

impl<T> Field<T> {
    /// The value and its place, if it could be read.
    pub fn set(&self) -> Option<&At<T>> {
        match self {
            Self::Set(at) => Some(at),
            Self::Absent | Self::Broken => None,
        }
    }

    /// The value, if it could be read.
    pub fn value(&self) -> Option<&T> {
        self.set().map(|at| &at.value)
    }

    /// Whether the key is there but could not be read.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// Whether the key is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// This key, or `other` where it is not there.
    pub fn or<'f>(&'f self, other: &'f Self) -> &'f Self {
        if self.is_absent() { other } else { self }
    }
}

impl<T: Copy> Field<T> {
    /// The value, or what holds without it.
    pub fn copied_or(&self, default: T) -> T {
        self.value().copied().unwrap_or(default)
    }
}

/// How a key of a shape is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// May be left out.
    Optional,
    /// Has to be there.
    Required,
    /// Known, but refused: not supported yet.
    Later,
}

/// A key of a shape, for the schema.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// How it is treated.
    pub mode: Mode,
    /// Its documentation.
    pub doc: &'static str,
    /// What holds where it is left out.
    pub default: Option<Json>,
    /// The schema of its value.
    pub schema: Schema,
}

/// Declares a mapping: `shape! { /// doc  struct Name { /// doc  optional key: Type = default, … } }`.
///
/// Modes are those of [`Mode`]; the default is for the schema only.
macro_rules! shape {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $( $(#[doc = $field_doc:literal])* $mode:ident $field:ident : $type:ty $(= $default:expr)?, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $field_doc])* pub $field: $crate::config::shape::Field<$type>, )*
        }

        impl $name {
            /// The keys, in the order of the documentation.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $crate::config::shape::Field::Absent, )* }
            }
        }

        impl $crate::config::shape::Read for $name {
            fn expected() -> String {
                "a mapping".to_owned()
            }

            fn read(node: &$crate::config::tree::Node, findings: &mut Vec<$crate::config::finding::Finding>) -> Option<Self> {
                $crate::config::shape::known_keys(node, Self::KEYS, findings)?;
                Some(Self { $( $field: $crate::config::shape::$mode(node, stringify!($field), findings), )* })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let keys = vec![$( $crate::config::shape::Key {
                    name: stringify!($field),
                    mode: $crate::config::shape::mode::$mode,
                    doc: concat!($($field_doc, "\n"),*),
                    default: { let default: Option<serde_json::Value> = None; $( let default = default.or(Some(serde_json::json!($default))); )? default },
                    schema: generator.subschema_for::<$type>(),
                }, )*];
                $crate::config::shape::describe(concat!($($doc, "\n"),*), keys)
            }
        }
    };
}
pub(crate) use shape;

/// The modes under the names that `shape!` uses.
#[allow(non_upper_case_globals, reason = "the words of the macro")]
pub mod mode {
    use super::Mode;

    /// May be left out.
    pub const optional: Mode = Mode::Optional;
    /// May be left out, but not be left empty.
    pub const filled: Mode = Mode::Optional;
    /// Has to be there.
    pub const required: Mode = Mode::Required;
    /// Known, but refused.
    pub const later: Mode = Mode::Later;
}

/// Reads a key that may be left out; a value of nothing counts as left out.
pub fn optional<T: Read>(node: &Node, key: &str, findings: &mut Vec<Finding>) -> Field<T> {
    match node.get(key) {
        None => Field::Absent,
        Some(value) if value.is_null() => Field::Absent,
        Some(value) => match T::read(value, findings) {
            Some(read) => Field::Set(At { place: value.place.clone(), value: read }),
            None => Field::Broken,
        },
    }
}

/// Reads a key that may be left out, but not be left empty: who wrote it meant something by it.
pub fn filled<T: Read>(node: &Node, key: &str, findings: &mut Vec<Finding>) -> Field<T> {
    match node.get(key) {
        None => Field::Absent,
        Some(_) => required(node, key, findings),
    }
}

/// Reads a key that has to be there.
pub fn required<T: Read>(node: &Node, key: &str, findings: &mut Vec<Finding>) -> Field<T> {
    let field = optional(node, key, findings);
    if !field.is_absent() {
        return field;
    }
    let (place, message) =
        match node.map().and_then(|members| members.iter().find(|(name, _)| name.text() == Some(key))) {
            Some((name, _)) => (&name.place, format!("`{key}` is empty")),
            None => (&node.place, format!("`{key}` is missing")),
        };
    findings.push(Finding::error(place, "missing-key", message, format!("add `{key}:` with {}", T::expected())));
    Field::Broken
}

/// Refuses a key that is known but not supported yet.
pub fn later<T>(node: &Node, key: &str, findings: &mut Vec<Finding>) -> Field<T> {
    let there = node.map().and_then(|members| members.iter().find(|(name, _)| name.text() == Some(key)));
    match there {
        None => Field::Absent,
        Some((name, _)) => {
            findings.push(not_yet(&name.place, &format!("`{key}`")));
            Field::Broken
        }
    }
}

/// The finding for something that is part of the contract but not built yet.
pub fn not_yet(place: &Place, what: &str) -> Finding {
    Finding::error(place, "not-supported-yet", format!("{what} is not supported yet"), "take it out for now")
}

/// Checks that `node` is a mapping and reports keys that are not among `keys`.
pub fn known_keys(node: &Node, keys: &[&str], findings: &mut Vec<Finding>) -> Option<()> {
    let Some(members) = node.map() else {
        findings.push(wrong_type(node, "a mapping"));
        return None;
    };
    for (name, _) in members {
        let key = name.text().unwrap_or_default();
        if keys.contains(&key) {
            continue;
        }
        let help = if key == "<<" {
            "merge keys are not supported; write the members out".to_owned()
        } else {
            suggest::remedy(key, keys.iter().copied())
        };
        findings.push(Finding::error(&name.place, "unknown-key", format!("unknown key `{key}`"), help));
    }
    Some(())
}

/// The finding for a node of the wrong kind or form.
pub fn wrong_type(node: &Node, expected: &str) -> Finding {
    let found = match node.text() {
        Some(text) if !node.is_null() => quoted(text),
        _ => node.kind().to_owned(),
    };
    let help = if node.is_null() && expected == "a mapping" {
        "write `{}` where there is nothing to say"
    } else {
        "write the value in that form"
    };
    Finding::error(&node.place, "type", format!("expected {expected}, found {found}"), help)
}

/// `text` in quotes, shortened, without control characters.
pub fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let shown: String = text.chars().take(CHARS_MAX).map(|c| if c.is_control() { '�' } else { c }).collect();
    if text.chars().count() > CHARS_MAX { format!("\"{shown}…\"") } else { format!("\"{shown}\"") }
}

/// The schema of a shape.
pub fn describe(doc: &str, keys: Vec<Key>) -> Schema {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let mut schema = key.schema;
        let mut doc = prose(key.doc);
        if key.mode == Mode::Later {
            doc.push_str(" Not supported yet: refused.");
        }
        schema.insert("description".to_owned(), doc.into());
        if let Some(default) = key.default {
            schema.insert("default".to_owned(), default);
        }
        if key.mode == Mode::Required {
            required.push(Json::from(key.name));
        }
        properties.insert(key.name.to_owned(), schema.into());
    }
    let mut schema = json_schema!({
        "description": prose(doc),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

/// A doc comment as running text.
fn prose(doc: &str) -> String {
    doc.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Anything: the value of a key that is not supported yet.
#[derive(Clone, Debug)]
pub struct Anything;

impl JsonSchema for Anything {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Anything".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
