//! `vergate diff`: what one OpenAPI document promises and the next one breaks.
//!
//! A difference is breaking where a request that the older document permits is invalid under the newer one, or an
//! answer that the newer one permits is invalid under the older one. Whether bodies break is told by
//! [`crate::contract::subtype`]; what is beside bodies, and what is merely worth a look, is told here. [`mod@heal`] says
//! which of it declared changes make good.

mod bodies;
mod fields;
mod heal;
mod operations;
mod parameters;
mod security;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

pub use self::{
    heal::{Chain, heal},
    operations::compare,
};
use crate::{adaptation::change::StatusKey, config::finding::Place};

/// What a difference means for callers of the older version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Callers break.
    Breaking,
    /// Callers may be surprised: something is ignored, or it cannot be told.
    Risky,
    /// Nothing breaks.
    Harmless,
}

impl Weight {
    /// The word it goes by in print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaking => "error",
            Self::Risky => "warning",
            Self::Harmless => "info",
        }
    }
}

/// The part of an operation that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The operation itself.
    Endpoint,
    /// A parameter.
    Parameter,
    /// The request's body.
    Request,
    /// The answer of a status.
    Response(StatusKey),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint => f.write_str("endpoint"),
            Self::Parameter => f.write_str("parameter"),
            Self::Request => f.write_str("request"),
            Self::Response(StatusKey::Exact(status)) => write!(f, "response {status}"),
            Self::Response(StatusKey::Class(class)) => write!(f, "response {class}xx"),
            Self::Response(StatusKey::Default) => f.write_str("response default"),
        }
    }
}

/// Whether declared changes make a difference good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Healing {
    /// No changes are known.
    Unknown,
    /// Nothing makes it good.
    NotCovered,
    /// After this op of this change nobody notices.
    By {
        /// The change's name.
        change: String,
        /// The op's name, or the key of the operation (`to`, `query`).
        op: &'static str,
    },
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// A stable word such as `new-required-request-property`.
    pub code: &'static str,
    /// What it means.
    pub weight: Weight,
    /// `POST /parse`, as the older document has it; the newer one's where only that has it.
    pub operation: String,
    /// Where in the operation.
    pub part: Part,
    /// Of a body: the place, in the terms of the newer document for requests, of the older for responses. Of a
    /// parameter: its name.
    pub pointer: Option<String>,
    /// In the older document.
    pub old: Option<Place>,
    /// In the newer document.
    pub new: Option<Place>,
    /// What differs.
    pub message: String,
    /// Whether changes make it good.
    pub healing: Healing,
}

impl Difference {
    /// Whether it counts against the newer version.
    pub fn is_open(&self) -> bool {
        self.weight == Weight::Breaking && !matches!(self.healing, Healing::By { .. })
    }

    /// Where a reader should look first.
    pub fn place(&self) -> Option<&Place> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

/// `new.yaml:12:9: error: POST /parse: request: /input: … [code]`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}: ", self.weight.as_str(), self.operation)?;
        if self.part != Part::Endpoint {
            write!(f, "{}: ", self.part)?;
        }
        if let Some(pointer) = self.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
            write!(f, "{pointer}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.code)?;
        match &self.healing {
            Healing::By { change, op } => write!(f, "; healed by change {change}, op {op}"),
            Healing::NotCovered if self.weight == Weight::Breaking => f.write_str("; not covered by the changes"),
            Healing::NotCovered | Healing::Unknown => Ok(()),
        }
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct At<'p> {
            file: std::borrow::Cow<'p, str>,
            line: usize,
            col: usize,
        }
        #[derive(Serialize)]
        struct By<'h> {
            change: &'h str,
            op: &'static str,
        }
        let at = |place: &'_ Option<Place>| {
            place.clone().map(|place| At {
                file: place.file.to_string_lossy().into_owned().into(),
                line: place.line,
                col: place.col,
            })
        };
        let mut out = serializer.serialize_struct("Difference", 9)?;
        out.serialize_field("severity", self.weight.as_str())?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("operation", &self.operation)?;
        out.serialize_field("part", &self.part.to_string())?;
        out.serialize_field("pointer", &self.pointer)?;
        out.serialize_field("old", &at(&self.old))?;
        out.serialize_field("new", &at(&self.new))?;
        out.serialize_field("message", &self.message)?;
        match &self.healing {
            Healing::Unknown => out.serialize_field("healed", &None::<bool>)?,
            Healing::NotCovered => out.serialize_field("healed", &false)?,
            Healing::By { change, op } => out.serialize_field("healed", &By { change, op })?,
        }
        out.end()
    }
}
