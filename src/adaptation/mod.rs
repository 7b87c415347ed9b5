//! The change language: how one version differs from the one before, run in both directions.
//!
//! Pure: no connection, no clock, no file. [`change`] and [`op`] are what an operator writes,
//! [`walk`] finds the chain between two versions, [`plan`] is what a snapshot compiles from it, and
//! [`program`] the fused list of steps that one body goes through. Bodies are never turned into a
//! document model: `scan` validates the text once and opens only the objects a program names, `tree`
//! holds slices of it, and what no step touched is copied byte for byte.

pub mod change;
pub mod op;
pub mod pointer;
pub mod literal;
pub mod loss;
pub mod fields;
pub mod jq;
pub mod error;
pub mod plan;
pub mod program;
pub mod stash;
pub mod walk;
mod arrays;
mod lexer;
mod decimal;
mod patch;
mod renames;
pub mod route;
mod scalar;
mod scan;
mod steps;
mod tree;

pub use change::{Change, Direction};
pub use error::{AdaptationError, Reason};
pub use patch::PatchError;
pub use plan::{Lookup, OperationPlan, Plan};
pub use program::{Adapted, Mode, Program};
pub use stash::Stash;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod vectors;
