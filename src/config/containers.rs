//! Lists, maps with free keys, words, and values with a short and a long form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::finding::Finding;
use super::forms::{Refusal, or_expanded, read_scalar};
use super::shape::{At, Field, Read, quoted, wrong_type};
use super::suggest;
use super::tree::Node;

/// A list. Items that cannot be read are left out; findings say why.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<At<T>>);

/// A list that needs at least one item.
#[derive(Clone, Debug)]
pub struct Filled<T>(pub Vec<At<T>>);

/// A list, or its single item.
#[derive(Clone, Debug)]
pub struct OneOrMany<T>(pub Vec<At<T>>);

/// A mapping from free keys, in file order.
#[derive(Clone, Debug)]
pub struct Entries<K, T> {
    /// The entries whose key could be read.
    pub entries: Vec<Entry<K, T>>,
    /// Whether a key could not be read: what seems to be missing may be that one.
    pub incomplete: bool,
}

/// One member of [`Entries`].
#[derive(Clone, Debug)]
pub struct Entry<K, T> {
    /// The key.
    pub key: At<K>,
    /// The value; never absent.
    pub value: Field<T>,
}

/// One of a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<T>(pub T);

/// A set of words and what they mean.
pub trait Words: Copy + Sized + 'static {
    /// Name in the schema.
    const NAME: &'static str;
    /// The words.
    const WORDS: &'static [(&'static str, Self)];
}

/// A scalar, or a mapping that says more.
#[derive(Clone, Debug)]
pub enum ShortOrLong<S, L> {
    /// The scalar.
    Short(S),
    /// The mapping.
    Long(L),
}

impl<T: Read> Read for List<T> {
    fn expected() -> String {
        "a list".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let Some(items) = node.list() else {
            findings.push(wrong_type(node, &format!("a list, each item {}", T::expected())));
            return None;
        };
        Some(Self(items.iter().filter_map(|item| read_at(item, findings)).collect()))
    }
}

impl<T: Read> Read for Filled<T> {
    fn expected() -> String {
        format!("a list, each item {}", T::expected())
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let items = List::read(node, findings)?.0;
        if node.list().is_some_and(<[Node]>::is_empty) {
            let help = format!("add {}", T::expected());
            findings.push(Finding::error(&node.place, "empty", "the list is empty", help));
        }
        // Where every item was refused, findings say so already.
        (!items.is_empty()).then_some(Self(items))
    }
}

impl<T: Read> Read for OneOrMany<T> {
    fn expected() -> String {
        format!("{} or a list", T::expected())
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        match node.list() {
            Some(_) => Filled::read(node, findings).map(|list| Self(list.0)),
            None => read_at(node, findings).map(|one| Self(vec![one])),
        }
    }
}

fn read_at<T: Read>(node: &Node, findings: &mut Vec<Finding>) -> Option<At<T>> {
    T::read(node, findings).map(|value| At { place: node.place.clone(), value })
}

impl<K: Read, T: Read> Read for Entries<K, T> {
    fn expected() -> String {
        "a mapping".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        read_entries(node, findings, |_, _| ())
    }
}

/// Reads the members of a mapping; `tag` sees each key and the findings about its member.
pub fn read_entries<K: Read, T: Read>(
    node: &Node,
    findings: &mut Vec<Finding>,
    tag: impl Fn(&K, &mut [Finding]),
) -> Option<Entries<K, T>> {
    let Some(members) = node.map() else {
        findings.push(wrong_type(node, "a mapping"));
        return None;
    };
    let mut read = Entries { entries: Vec::with_capacity(members.len()), incomplete: false };
    for (name, value) in members {
        let first = findings.len();
        let key = read_at::<K>(name, findings);
        let field = match T::read(value, findings) {
            Some(member) => Field::Set(At { place: value.place.clone(), value: member }),
            None => Field::Broken,
        };
        match key {
            Some(key) => {
                tag(&key.value, &mut findings[first..]);
                read.entries.push(Entry { key, value: field });
            }
            None => read.incomplete = true,
        }
    }
    Some(read)
}

impl<T: Words> Read for Word<T> {
    fn expected() -> String {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        match words.as_slice() {
            [init @ .., last] if !init.is_empty() => format!("{} or {last}", init.join(", ")),
            words => words.join(", "),
        }
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let expected = Self::expected();
        let parse = |text: &str| {
            T::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| Self(*value)).ok_or_else(|| {
                let message = format!("expected {expected}, found {}", quoted(text));
                Refusal::value("word", message, suggest::remedy(text, T::WORDS.iter().map(|(word, _)| *word)))
            })
        };
        read_scalar(node, &expected, parse, findings)
    }
}

impl<S: Read, L: Read> Read for ShortOrLong<S, L> {
    fn expected() -> String {
        format!("{} or {}", S::expected(), L::expected())
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        if node.map().is_some() {
            L::read(node, findings).map(Self::Long)
        } else if node.list().is_some() || node.is_null() {
            findings.push(wrong_type(node, &Self::expected()));
            None
        } else {
            S::read(node, findings).map(Self::Short)
        }
    }
}

macro_rules! inline_schema {
    (<$($param:ident: $bound:path),+> $type:ty, $name:expr, $generator:ident => $schema:expr) => {
        impl<$($param: $bound),+> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

inline_schema!(<T: JsonSchema> List<T>, format!("ListOf{}", T::schema_name()), generator => json_schema!({
    "type": "array",
    "items": generator.subschema_for::<T>(),
}));
inline_schema!(<T: JsonSchema> Filled<T>, format!("FilledListOf{}", T::schema_name()), generator => json_schema!({
    "type": "array",
    "minItems": 1,
    "items": generator.subschema_for::<T>(),
}));
inline_schema!(<T: JsonSchema> OneOrMany<T>, format!("OneOrMany{}", T::schema_name()), generator => {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
});
inline_schema!(<K: JsonSchema, T: JsonSchema> Entries<K, T>, format!("EntriesOf{}", T::schema_name()), generator => json_schema!({
    "type": "object",
    "propertyNames": generator.subschema_for::<K>(),
    "additionalProperties": generator.subschema_for::<T>(),
}));
inline_schema!(<S: JsonSchema, L: JsonSchema> ShortOrLong<S, L>, format!("{}Or{}", S::schema_name(), L::schema_name()), generator => {
    let (short, long) = (generator.subschema_for::<S>(), generator.subschema_for::<L>());
    json_schema!({ "anyOf": [short, long] })
});
inline_schema!(<T: Words> Word<T>, T::NAME, _generator => {
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    json_schema!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": or_expanded("^$") }] })
});
