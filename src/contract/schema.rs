//! What a JSON value may be: a union of kinds, each with its bounds.
//!
//! The model is an upper bound: every value that the written schema permits is among [`Schema::values`]. Where it is
//! not exact (`not`, `if`, `patternProperties`, …) a [`Doubt`] names the keyword. So a proof that starts from the
//! model holds for the written schema, and what is proven *against* it holds only without doubts.

use std::borrow::Cow;

use serde_json::{Number, Value};

pub use super::reference::{Definition, Opened, Reference};
use crate::config::finding::Place;

/// What one value may be, where that is written, and what is written beside it.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Where it stands.
    pub place: Place,
    /// What it permits.
    pub values: Values,
    /// What the model left out; the written schema may permit less.
    pub doubts: Vec<Doubt>,
    /// What it says beside.
    pub notes: Notes,
}

/// What a schema permits.
#[derive(Clone, Debug)]
pub enum Values {
    /// Everything.
    Any,
    /// What a named schema permits.
    Ref(Reference),
    /// What one of these permits; none: nothing at all. Several may be of one kind.
    Branches(Vec<Branch>),
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the kinds of JSON")]
pub enum Branch {
    Null,
    Boolean(Booleans),
    Number(Numbers),
    String(Strings),
    Array(Arrays),
    Object(Objects),
}

/// `true`, `false` or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booleans {
    /// The only one; none: both.
    pub only: Option<bool>,
}

/// Numbers within bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Whether they have no fraction. Such a number is taken to be written without point and exponent.
    pub integer: bool,
    /// Lower bound.
    pub min: Option<Bound>,
    /// Upper bound.
    pub max: Option<Bound>,
    /// What they are multiples of.
    pub multiple_of: Option<f64>,
    /// `int64`, `double`, …; says nothing about which are valid.
    pub format: Option<String>,
    /// The only ones. They are within the bounds.
    pub only: Option<Vec<Number>>,
}

/// An end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The number.
    pub value: f64,
    /// Whether the number itself is out.
    pub exclusive: bool,
}

/// Strings within bounds. Lengths are in Unicode code points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// Shortest length.
    pub min_length: u64,
    /// Longest length.
    pub max_length: Option<u64>,
    /// Expressions that all of them match.
    pub patterns: Vec<String>,
    /// `date-time`, `uuid`, …
    pub format: Option<String>,
    /// The only ones. They have a length within the bounds.
    pub only: Option<Vec<String>>,
}

/// Arrays of one kind of element.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrays {
    /// Of every element.
    pub items: Box<Schema>,
    /// Fewest elements.
    pub min_items: u64,
    /// Most elements.
    pub max_items: Option<u64>,
    /// Whether no two elements are equal.
    pub unique: bool,
}

/// Objects with these fields, and others.
#[derive(Clone, Debug, PartialEq)]
pub struct Objects {
    /// In document order; names differ.
    pub fields: Vec<Field>,
    /// What other members may be.
    pub rest: Rest,
    /// Fewest members.
    pub min_members: u64,
    /// Most members.
    pub max_members: Option<u64>,
}

/// A member that a schema names.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Of its value.
    pub schema: Schema,
    /// Whether it has to be there.
    pub required: bool,
}

/// What members may be that no field names.
#[derive(Clone, Debug, PartialEq)]
pub enum Rest {
    /// There are none.
    Closed,
    /// Anything.
    Open,
    /// This; the object is a map.
    Each(Box<Schema>),
}

/// A keyword the model leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Such as `not`.
    pub keyword: String,
    /// Where it stands.
    pub place: Place,
    /// What it says, for as long as no change has touched the value; none where that would not say the same
    /// elsewhere. Two sides that say the same need no proof.
    pub said: Option<Value>,
}

/// What is written beside a schema and does not decide which values are valid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// `title`.
    pub title: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `default`.
    pub default: Option<Value>,
    /// `example`, or the first of `examples`.
    pub example: Option<Value>,
    /// `deprecated`.
    pub deprecated: bool,
    /// `readOnly`: in responses only.
    pub read_only: bool,
    /// `writeOnly`: in requests only.
    pub write_only: bool,
    /// `discriminator.propertyName`.
    pub discriminator: Option<String>,
}

impl Schema {
    /// A schema that permits `values`, without doubts and notes.
    pub fn new(place: &Place, values: Values) -> Self {
        Self { place: place.clone(), values, doubts: Vec::new(), notes: Notes::default() }
    }

    /// Everything is valid.
    pub fn any(place: &Place) -> Self {
        Self::new(place, Values::Any)
    }

    /// Exactly the value `value` is valid.
    ///
    /// Members of objects are required and no others permitted; elements of arrays are modelled as one union, so
    /// that an array of several elements is an upper bound and carries a doubt.
    pub fn of_value(value: &Value, place: &Place) -> Self {
        let mut doubts = Vec::new();
        let branch = match value {
            Value::Null => Branch::Null,
            Value::Bool(flag) => Branch::Boolean(Booleans { only: Some(*flag) }),
            Value::Number(number) => Branch::Number(Numbers {
                integer: is_integer(number),
                only: Some(vec![number.clone()]),
                ..Numbers::default()
            }),
            Value::String(text) => Branch::String(Strings { only: Some(vec![text.clone()]), ..Strings::default() }),
            Value::Array(items) => {
                let count = items.len() as u64;
                let elements = items.iter().map(|item| Self::of_value(item, place));
                if count > 1 {
                    doubts.push(Doubt::new("const", place));
                }
                let branches = elements.flat_map(|element| match element.values {
                    Values::Branches(branches) => branches,
                    Values::Any | Values::Ref(_) => Vec::new(),
                });
                let items = Box::new(Self::new(place, Values::Branches(branches.collect())));
                Branch::Array(Arrays { items, min_items: count, max_items: Some(count), unique: false })
            }
            Value::Object(members) => {
                let field = |(name, value): (&String, &Value)| Field {
                    name: name.clone(),
                    schema: Self::of_value(value, place),
                    required: true,
                };
                let fields = members.iter().map(field).collect();
                Branch::Object(Objects { fields, rest: Rest::Closed, ..Objects::any() })
            }
        };
        Self { doubts, ..Self::new(place, Values::Branches(vec![branch])) }
    }

    /// What an opened schema consists of; the kinds of JSON where it permits everything.
    pub fn branches(&self) -> Vec<Branch> {
        match &self.opened().values {
            Values::Branches(branches) => branches.clone(),
            Values::Any | Values::Ref(_) => Branch::all(&self.place),
        }
    }

    /// Whether null is valid.
    pub fn is_nullable(&self) -> bool {
        match &self.opened().values {
            Values::Branches(branches) => branches.contains(&Branch::Null),
            Values::Any | Values::Ref(_) => true,
        }
    }

    /// The objects among what it permits, if that is all of it besides null.
    pub fn object(&self) -> Option<Objects> {
        let Values::Branches(branches) = &self.opened().values else { return None };
        let mut rest = branches.iter().filter(|branch| **branch != Branch::Null);
        match (rest.next(), rest.next()) {
            (Some(Branch::Object(objects)), None) => Some(objects.clone()),
            _ => None,
        }
    }

    /// Names what the model leaves out.
    #[must_use]
    pub fn doubting(mut self, keyword: &str, place: &Place) -> Self {
        self.doubts.push(Doubt::new(keyword, place));
        self
    }
}

impl Doubt {
    /// A keyword whose content is not known.
    pub fn new(keyword: &str, place: &Place) -> Self {
        Self { keyword: keyword.to_owned(), place: place.clone(), said: None }
    }
}

/// Places and notes do not count: two schemas are equal if they are written to permit the same, in the same way.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        let keywords = |schema: &Self| schema.doubts.iter().map(|doubt| doubt.keyword.clone()).collect::<Vec<_>>();
        let same = match (&self.values, &other.values) {
            (Values::Any, Values::Any) => true,
            (Values::Ref(a), Values::Ref(b)) => a.name == b.name,
            (Values::Branches(a), Values::Branches(b)) => a == b,
            _ => false,
        };
        same && keywords(self) == keywords(other)
    }
}

impl Branch {
    /// Every kind without bounds.
    pub fn all(place: &Place) -> Vec<Self> {
        vec![
            Self::Null,
            Self::Boolean(Booleans::default()),
            Self::Number(Numbers::default()),
            Self::String(Strings::default()),
            Self::Array(Arrays { items: Box::new(Schema::any(place)), min_items: 0, max_items: None, unique: false }),
            Self::Object(Objects::any()),
        ]
    }

    /// `null`, `string`, …; `integer` for numbers without fraction.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Number(numbers) if numbers.integer => "integer",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Whether both are of one kind of JSON; integers are numbers.
    pub fn is_alike(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Objects {
    /// Any object.
    pub fn any() -> Self {
        Self { fields: Vec::new(), rest: Rest::Open, min_members: 0, max_members: None }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What the member of this name may be: its field, or the rest; none if there is no such member.
    pub fn member(&self, name: &str, place: &Place) -> Option<Cow<'_, Schema>> {
        match (self.field(name), &self.rest) {
            (Some(field), _) => Some(Cow::Borrowed(&field.schema)),
            (None, Rest::Closed) => None,
            (None, Rest::Open) => Some(Cow::Owned(Schema::any(place))),
            (None, Rest::Each(schema)) => Some(Cow::Borrowed(schema)),
        }
    }
}

impl Notes {
    /// These notes where they say something, `others` elsewhere.
    pub(super) fn before(&self, others: &Self) -> Self {
        Self {
            title: self.title.clone().or_else(|| others.title.clone()),
            description: self.description.clone().or_else(|| others.description.clone()),
            default: self.default.clone().or_else(|| others.default.clone()),
            example: self.example.clone().or_else(|| others.example.clone()),
            deprecated: self.deprecated || others.deprecated,
            read_only: self.read_only || others.read_only,
            write_only: self.write_only || others.write_only,
            discriminator: self.discriminator.clone().or_else(|| others.discriminator.clone()),
        }
    }
}

/// Whether a number has no fraction.
pub fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

/// Whether two numbers are the same one, however they are spelled.
pub fn same_number(a: &Number, b: &Number) -> bool {
    match ((a.as_i64(), a.as_u64()), (b.as_i64(), b.as_u64())) {
        ((Some(a), _), (Some(b), _)) => a == b,
        ((_, Some(a)), (_, Some(b))) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn place() -> Place {
        Place { file: Path::new("o.yaml").into(), line: 1, col: 1 }
    }

    #[test]
    fn a_value_is_a_schema_of_its_own() {
        let schema = Schema::of_value(&json!({"a": 1.5, "b": [null]}), &place());
        let objects = schema.object().expect("an object");
        assert!(objects.fields.iter().all(|field| field.required));
        assert_eq!(objects.rest, Rest::Closed);
        assert!(schema.doubts.is_empty());
        assert_eq!(objects.field("b").expect("b").schema.values_kinds(), ["array"]);
    }

    #[test]
    fn numbers_are_the_same_however_they_are_spelled() {
        let number = |text: &str| serde_json::from_str::<Number>(text).expect("a number");
        assert!(same_number(&number("1"), &number("1.0")));
        assert!(same_number(&number("1e2"), &number("100")));
        assert!(!same_number(&number("9007199254740993"), &number("9007199254740992")));
        assert!(is_integer(&number("3.0")) && !is_integer(&number("3.5")));
    }

    impl Schema {
        fn values_kinds(&self) -> Vec<&'static str> {
            self.branches().iter().map(Branch::kind).collect()
        }
    }
}
