//! Why a body cannot be adapted.

use std::{fmt, sync::Arc};

/// Why, where, and by which line of which change a body was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptationError {
    /// The change; none where no op is to blame.
    pub change: Option<Arc<str>>,
    /// The op's name; none where no op is to blame.
    pub op: Option<&'static str>,
    /// JSON pointer (RFC 6901) into the body as it stood then; none where no op is to blame.
    pub pointer: Option<String>,
    /// Where that stands in the body of the caller's version, if it is another place.
    pub caller_pointer: Option<String>,
    /// The step of the program that refused the body, from 0; none where no op is to blame.
    pub step: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
}

impl AdaptationError {
    /// An error that no op is to blame for.
    pub fn of_body(reason: Reason) -> Self {
        Self { change: None, op: None, pointer: None, caller_pointer: None, step: None, reason }
    }

    /// The place in the caller's terms.
    pub fn told_pointer(&self) -> Option<&str> {
        self.caller_pointer.as_deref().or(self.pointer.as_deref())
    }

    /// The same of a step behind so many others.
    #[must_use]
    pub(super) fn behind(self, steps: usize) -> Self {
        Self { step: self.step.map(|step| step + steps), ..self }
    }
}

/// A safe sentence: it names places the caller knows, never values.
impl fmt::Display for AdaptationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        match self.told_pointer() {
            Some("") => write!(f, " (the whole body)"),
            Some(pointer) => write!(f, " (at {pointer})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for AdaptationError {}

/// The `reason` of the problems `adaptation_request_failed` and `adaptation_response_failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A member stands where an op with `conflict: error` writes.
    Conflict,
    /// A value is of a type the op cannot work on.
    Shape,
    /// An object with `rest: error` has further members.
    Rest,
    /// A value cannot be converted or is not in the table.
    Value,
    /// An array has several elements where one is asked for.
    Many,
    /// A name that an op looks at occurs twice.
    DuplicateMember,
    /// Two elements would get the same name in a map.
    IndexDuplicate,
    /// An element has no name for a map.
    IndexKey,
    /// A program in the jq language failed, gave no or several results, or took too long.
    Jq,
    /// Not JSON (RFC 8259).
    Malformed,
    /// More than 128 containers inside each other.
    Depth,
    /// A partial response cannot be adapted.
    PartialContent,
    /// Not in UTF-8, nor read in the charset it names.
    Charset,
    /// The body is longer than what may be held for adapting.
    TooLarge,
}

impl Reason {
    /// `duplicate_member`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Shape => "shape",
            Self::Rest => "rest",
            Self::Value => "value",
            Self::Many => "many",
            Self::DuplicateMember => "duplicate_member",
            Self::IndexDuplicate => "index_duplicate",
            Self::IndexKey => "index_key",
            Self::Jq => "jq",
            Self::Malformed => "malformed",
            Self::Depth => "depth",
            Self::PartialContent => "partial_content",
            Self::Charset => "charset",
            Self::TooLarge => "too_large",
        }
    }

    /// What it means, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Conflict => "a member stands where the change writes one",
            Self::Shape => "a value is of a type the change cannot work on",
            Self::Rest => "an object has members the other version does not know",
            Self::Value => "a value has no counterpart in the other version",
            Self::Many => "an array has several elements where the other version has one value",
            Self::DuplicateMember => "a member occurs twice",
            Self::IndexDuplicate => "two elements have the same name",
            Self::IndexKey => "an element is no object with a name",
            Self::Jq => "the program of the change gave no single result",
            Self::Malformed => "the body is not valid JSON",
            Self::Depth => "the body is nested deeper than 128 levels",
            Self::PartialContent => "a part of a body cannot be adapted",
            Self::Charset => "the body is not in UTF-8, and is not read in the charset it names",
            Self::TooLarge => "the body is larger than what may be adapted",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
