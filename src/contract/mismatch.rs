//! Why a value of one schema may be invalid under another.

use std::fmt;

use crate::{adaptation::pointer::Pointer, config::finding::Place};

/// One reason why a value of the source may be invalid under the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// Where, in the target's terms.
    pub pointer: Pointer,
    /// What does not fit.
    pub reason: Misfit,
    /// Whether such a value is sure to exist; else the source's model is an upper bound only.
    pub certain: bool,
    /// The target's schema.
    pub target: Place,
    /// The source's schema, in whatever file it was written.
    pub source: Place,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Misfit {
    /// The member has to be there and may be absent.
    Missing,
    /// The member may be there and is forbidden; none: members without a name in the source.
    Extra(Option<String>),
    /// It may be null and must not.
    Null,
    /// It may be of a kind that is not permitted.
    Kind {
        /// What it may be.
        found: &'static str,
        /// What is permitted.
        permitted: Vec<&'static str>,
    },
    /// Listed values that the target does not list, as JSON.
    Unlisted(Vec<String>),
    /// The target lists its values, as JSON, and the source does not.
    Unbounded(Vec<String>),
    /// A bound of the target that the source does not keep, such as `maxLength 10`.
    Bound(String),
    /// The target has several alternatives and the source fits none of them alone.
    Ambiguous,
    /// The target has a keyword that is not followed.
    Doubt(String),
}

/// What does not fit, as the second half of a sentence about the value.
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("may be absent and is required"),
            Self::Extra(Some(_)) => f.write_str("may be there and is not permitted"),
            Self::Extra(None) => f.write_str("may have members of any name, and only listed ones are permitted"),
            Self::Null => f.write_str("may be null and must not be"),
            Self::Kind { found, permitted } if permitted.is_empty() => {
                write!(f, "may be {found}, and nothing is permitted")
            }
            Self::Kind { found, permitted } => write!(f, "may be {found} and has to be {}", permitted.join(" or ")),
            Self::Unlisted(values) => write!(f, "may be {}, which is not listed", values.join(", ")),
            Self::Unbounded(values) => write!(f, "may be anything, and only {} are listed", values.join(", ")),
            Self::Bound(bound) => write!(f, "may break {bound}"),
            Self::Ambiguous => f.write_str("fits none of several alternatives for sure"),
            Self::Doubt(keyword) => write!(f, "is held against {keyword}, which is not followed"),
        }
    }
}
