//! The fused list of steps that one body goes through.

use bytes::Bytes;

use super::error::AdaptationError;

/// Everything a chain does to one kind of body in one direction; never without a step.
#[derive(Debug)]
pub struct Program {}

/// How much of a resource a body speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of it.
    #[default]
    Whole,
    /// A patch of it (method PATCH or `application/merge-patch+json`): no step supplies a default.
    Patch,
}

/// A body in the other version's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// The body; shares the original's memory where nothing changed.
    pub body: Bytes,
    /// Whether data that the receiving version does not know was left out.
    pub narrowed: bool,
}

impl Program {
    /// Adapts a whole body.
    ///
    /// - Errors: not one byte of a body that is malformed, too deep or refused by an op comes out.
    pub fn apply(&self, body: &Bytes, mode: Mode) -> Result<Adapted, AdaptationError> {
        let _ = mode;
        Ok(Adapted { body: body.clone(), narrowed: false })
    }

    /// One line per step, for people.
    pub fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    /// Runs step by step and shows the body after each, with the step's line.
    pub fn trace(&self, body: &Bytes, mode: Mode) -> Result<Vec<(String, Bytes)>, AdaptationError> {
        let _ = (body, mode);
        Ok(Vec::new())
    }
}
