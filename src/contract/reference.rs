//! Schemas with a name, and what it means to follow a `$ref` to one.
//!
//! A document owns its definitions; references do not, so that a schema may speak of itself.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock, Weak},
};

use super::schema::{Doubt, Notes, Schema, Values};

/// A schema with a name; a `$ref` leads to it.
#[derive(Debug)]
pub struct Definition {
    /// Unique within a document: `ParseRequest`, or `common.Money` of another file.
    pub name: String,
    /// Set once the document is read.
    pub(super) schema: OnceLock<Schema>,
}

impl Definition {
    /// What it permits; none while the document is being read, or where the name leads in a circle.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.get()
    }
}

/// A `$ref`. Holds its definition weakly, so that recursive schemas are no circle of owners.
#[derive(Clone)]
pub struct Reference {
    /// The definition's name.
    pub name: String,
    pub(super) definition: Weak<Definition>,
}

impl Reference {
    /// Names a definition.
    pub fn to(definition: &Arc<Definition>) -> Self {
        Self { name: definition.name.clone(), definition: Arc::downgrade(definition) }
    }

    /// What it leads to; none once the document is gone.
    pub fn definition(&self) -> Option<Arc<Definition>> {
        self.definition.upgrade()
    }

    /// Whether both lead to the same definition of the same document.
    pub fn is_same(&self, other: &Self) -> bool {
        self.definition.ptr_eq(&other.definition)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-> {}", self.name)
    }
}

/// A schema that is no reference; see [`Schema::opened`].
pub enum Opened<'s> {
    /// It was none.
    Here(&'s Schema),
    /// It leads to a definition, and nothing is written beside it.
    There {
        /// The definition.
        definition: Arc<Definition>,
        /// What led there.
        place: &'s Schema,
    },
    /// What is written here and there.
    Merged(Box<Schema>),
}

impl Opened<'_> {
    /// A copy of its own.
    pub fn into_owned(self) -> Schema {
        match self {
            Self::Merged(schema) => *schema,
            other => (*other).clone(),
        }
    }
}

impl Deref for Opened<'_> {
    type Target = Schema;

    fn deref(&self) -> &Schema {
        match self {
            Self::Here(schema) => schema,
            // Once read, a definition stays what it is.
            Self::There { definition, place } => definition.schema().unwrap_or(place),
            Self::Merged(schema) => schema,
        }
    }
}

/// `$ref`s that may follow each other before it is a circle.
const REFS_MAX: usize = 64;

impl Schema {
    /// Follows `$ref`s: what is written there, with the notes of the place it is used at before its own.
    ///
    /// - Returns everything, with a doubt, for a reference that leads nowhere or in a circle.
    pub fn opened(&self) -> Opened<'_> {
        let Values::Ref(first) = &self.values else { return Opened::Here(self) };
        // Nothing is written beside most references: then there is nothing to copy.
        if self.doubts.is_empty()
            && self.notes == Notes::default()
            && let Some(definition) = first.definition()
            && definition.schema().is_some_and(|schema| !matches!(schema.values, Values::Ref(_)))
        {
            return Opened::There { definition, place: self };
        }
        Opened::Merged(Box::new(self.merged(first.clone())))
    }

    fn merged(&self, mut reference: Reference) -> Self {
        let mut doubts = self.doubts.clone();
        for _ in 0..REFS_MAX {
            let Some(definition) = reference.definition() else { break };
            let Some(schema) = definition.schema() else { break };
            doubts.extend(schema.doubts.iter().cloned());
            match &schema.values {
                Values::Ref(next) => reference = next.clone(),
                values => {
                    let notes = self.notes.before(&schema.notes);
                    return Self { place: schema.place.clone(), values: values.clone(), doubts, notes };
                }
            }
        }
        doubts.push(Doubt::new("$ref", &self.place));
        Self { values: Values::Any, doubts, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{config::finding::Place, contract::schema::Branch};

    #[test]
    fn a_reference_is_followed_while_its_document_lives() {
        let place = Place { file: Path::new("o.yaml").into(), line: 1, col: 1 };
        let definition = Arc::new(Definition { name: "Id".into(), schema: OnceLock::new() });
        let schema = Schema::new(&place, Values::Ref(Reference::to(&definition)));
        assert_eq!(schema.opened().doubts[0].keyword, "$ref", "nothing is known before the document is read");
        definition.schema.set(Schema::of_value(&json!(7), &place)).expect("set once");
        assert_eq!(schema.branches().iter().map(Branch::kind).collect::<Vec<_>>(), ["integer"]);
        assert!(!schema.is_nullable());
        drop(definition);
        assert!(matches!(schema.opened().values, Values::Any));
    }
}
