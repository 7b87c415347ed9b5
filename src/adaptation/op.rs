//! The ops of a change's lists, as they are written.

use super::{
    literal::Literal,
    pointer::{Name, Pointer},
};

/// One line of a list: an op, where it works, and how it takes what it did not expect.
#[derive(Clone, Debug)]
pub struct Edit {
    /// `at`, groups included: what the op's own pointers are relative to.
    pub at: Pointer,
    /// What it does.
    pub op: Op,
    /// Whether a value the op does not fit is an error; else it passes.
    pub strict: bool,
    /// What becomes of a member that stands where the op writes; none: the op's own rule.
    pub conflict: Option<Conflict>,
    /// Declared losses.
    pub lossy: Lossy,
}

/// `lossy: {up: reason, down: reason}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lossy {
    /// What old-to-new loses.
    pub up: Option<String>,
    /// What new-to-old loses.
    pub down: Option<String>,
}

/// What becomes of a member that stands where an op writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The body is refused.
    Error,
    /// The op's value replaces it.
    Replace,
}

/// What differs, written old to new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Members change names, all at once.
    Rename(Vec<(Name, Name)>),
    /// A value changes its place. Both places are below the edit's `at`.
    Move {
        /// Where the older version has it; never empty.
        from: Vec<Name>,
        /// Where the newer version has it; never empty.
        to: Vec<Name>,
    },
    /// The newer version has members in an object of their own.
    Nest(Group),
    /// The older version has members in an object of their own.
    Unnest(Group),
    /// The newer version has one member more.
    Add {
        /// Ends in a name.
        path: Pointer,
        /// What old requests get; none: an optional member.
        value: Option<Literal>,
        /// `if_null: replace`.
        replaces_null: bool,
    },
    /// The older version has one member more.
    Remove {
        /// Ends in a name.
        path: Pointer,
        /// What new values get on the way down; none: it stays absent.
        down: Option<Literal>,
    },
    /// A scalar changes its type.
    Convert {
        /// Where.
        path: Pointer,
        /// The older type.
        from: ScalarType,
        /// The newer type.
        to: ScalarType,
        /// What becomes of a value that cannot be converted.
        on_error: Otherwise,
    },
    /// A scalar changes its value, by table.
    Map {
        /// Where.
        path: Pointer,
        /// Old and new; both are scalars; the first that fits wins.
        pairs: Vec<(Literal, Literal)>,
        /// What becomes of an old value that is not listed.
        up_else: Otherwise,
        /// What becomes of a new value that is not listed.
        down_else: Otherwise,
    },
    /// The newer version has an array of what was one value.
    Wrap(List),
    /// The older version has an array of what is one value.
    Unwrap(List),
}

impl Op {
    /// The word it is written with.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rename(_) => "rename",
            Self::Move { .. } => "move",
            Self::Nest(_) => "nest",
            Self::Unnest(_) => "unnest",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Convert { .. } => "convert",
            Self::Map { .. } => "map",
            Self::Wrap(_) => "wrap",
            Self::Unwrap(_) => "unwrap",
        }
    }
}

/// Members that one version has in an object of their own and the other beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The object's name.
    pub container: Name,
    /// Names inside and outside of it; the insides differ from each other, the outsides too.
    pub members: Vec<(Name, Name)>,
    /// What becomes of its other members when it is taken apart.
    pub rest: Rest,
    /// Whether an empty object is made where no member is present.
    pub always: bool,
    /// Whether a container that is no object is an error (`mismatch: error`).
    pub mismatch_is_error: bool,
}

/// `rest` of nest and unnest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rest {
    /// They go.
    #[default]
    Drop,
    /// They stay where they are.
    Keep,
    /// The body is refused.
    Error,
}

/// A value and the array of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Where.
    pub path: Pointer,
    /// What becomes of several elements.
    pub many: Many,
    /// Whether an empty array becomes null; else the member goes.
    pub empty_is_null: bool,
    /// Whether null becomes an empty array (`if_null: empty`).
    pub null_is_empty: bool,
}

/// `many` of wrap and unwrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Many {
    /// The body is refused.
    #[default]
    Error,
    /// The first is taken.
    First,
    /// The last is taken.
    Last,
}

/// What becomes of a value that an op has no rule for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Otherwise {
    /// It passes.
    #[default]
    Pass,
    /// The body is refused.
    Error,
    /// This takes its place.
    Value(Literal),
}

/// The types `convert` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarType {
    /// A string.
    String,
    /// A number written `-?(0|[1-9][0-9]*)`.
    Integer,
    /// Any number.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl ScalarType {
    /// The word it is written with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}
