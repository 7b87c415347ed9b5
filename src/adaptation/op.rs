//! The ops of a change's lists, as they are written.

use super::{
    jq::Filter,
    literal::Literal,
    pointer::{Name, Pointer},
};

/// One line of a list: an op, where it works, and how it takes what it did not expect.
#[derive(Clone, Debug)]
pub struct Edit {
    /// `at`, groups included: what the op's own pointers are relative to.
    pub at: Pointer,
    /// `when`, groups included, the outermost first; the op works only where all of them hold.
    pub guards: Vec<Guard>,
    /// What it does.
    pub op: Op,
    /// Whether a value the op does not fit is an error; else it passes.
    pub strict: bool,
    /// What becomes of a member that stands where the op writes; none: the op's own rule.
    pub conflict: Option<Conflict>,
    /// Declared losses.
    pub lossy: Lossy,
}

impl Edit {
    /// An op that works at `at` with nothing beside it.
    pub fn new(at: Pointer, op: Op) -> Self {
        Self { at, guards: Vec::new(), op, strict: false, conflict: None, lossy: Lossy::default() }
    }
}

/// `when: {path, in}`: holds where a member has one of a few values.
///
/// It reads the same on both sides of the op, because no guarded op may alter what it looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// How many segments of [`Edit::at`] lead to the value that the guard looks into.
    pub depth: usize,
    /// The names below that value; a missing one, or one in something that is no object, does not hold.
    pub path: Vec<Name>,
    /// Scalars; compared as `map` compares them.
    pub values: Vec<Literal>,
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
        /// What comes back on the way down.
        down: Comeback,
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
    /// A number changes its unit by a power of ten.
    Scale {
        /// Where.
        path: Pointer,
        /// The newer number is the older one times ten to this; never 0, within [`POW10_MAX`].
        pow10: i32,
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
    /// The newer version has the parts of a string as members of their own.
    Split(Pieces),
    /// The newer version has one string of what were several members.
    Merge(Pieces),
    /// The newer version has an object of one member for each element of an array.
    ElemWrap {
        /// The array.
        path: Pointer,
        /// The member's name.
        key: Name,
    },
    /// The newer version has an object, used as a map, of what was an array of objects.
    Index {
        /// The array, or the map.
        path: Pointer,
        /// The member of each element that holds its name in the map.
        key: Name,
    },
    /// The newer version has kinds of elements that the older one does not know.
    DropElems {
        /// The array.
        path: Pointer,
        /// Where below an element its kind stands; never empty.
        by: Vec<Name>,
        /// The kinds the older version knows; scalars.
        keep: Vec<Literal>,
    },
    /// A program in the jq language says what differs; nothing is known about it.
    Jq {
        /// The subtree it is given.
        path: Pointer,
        /// From older to newer.
        up: Filter,
        /// From newer to older; none (`down: none`): newer subtrees pass as they are.
        down: Option<Filter>,
        /// Older subtrees that show what it does, as JSON texts; never empty.
        examples: Vec<Literal>,
    },
}

/// A [`Op::Scale`] shifts by no more digits than this, up or down.
pub const POW10_MAX: i32 = 999;

impl Op {
    /// The one place that the op names, if it names just one; relative to the edit's `at`.
    pub fn path(&self) -> Option<&Pointer> {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path, .. }
            | Self::Convert { path, .. }
            | Self::Scale { path, .. }
            | Self::Map { path, .. }
            | Self::ElemWrap { path, .. }
            | Self::Index { path, .. }
            | Self::DropElems { path, .. }
            | Self::Jq { path, .. } => Some(path),
            Self::Wrap(list) | Self::Unwrap(list) => Some(&list.path),
            Self::Rename(_) | Self::Move { .. } | Self::Nest(_) | Self::Unnest(_) | Self::Split(_) | Self::Merge(_) => {
                None
            }
        }
    }

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
            Self::Scale { .. } => "scale",
            Self::Split(_) => "split",
            Self::Merge(_) => "merge",
            Self::ElemWrap { .. } => "elem_wrap",
            Self::Index { .. } => "index",
            Self::DropElems { .. } => "drop_elems",
            Self::Jq { .. } => "jq",
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

/// What a removed member becomes where a newer value is made an older one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Comeback {
    /// It stays absent.
    #[default]
    Absent,
    /// It gets this value.
    Value(Literal),
    /// It gets the value that the same exchange removed from the request under this name; absent
    /// where nothing was removed. The path holds neither `[]` nor `{}`.
    Stash(Box<str>),
}

/// A string and the members that hold its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// The name of the whole.
    pub whole: Name,
    /// The names of the parts, in the order they have in the whole; at least two, all different.
    pub parts: Vec<Name>,
    /// What stands between them; never empty.
    pub separator: String,
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
