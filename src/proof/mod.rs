//! The proof: whether an API's changes turn what one version promises into what the other one does.
//!
//! [`documents`] reads the OpenAPI documents of an API's versions, `span` finds what has to be proven, `course` follows
//! an operation through a chain, `flow` pushes schemas through ops and `fields` parameters, `trial` tries generated
//! documents, `round_trip` sends them there and back, `separated` excuses losses, and [`prove`] puts it together;
//! `verdict` says it in words. [`load`] is where the running gateway asks: it reads documents only where a loss needs
//! their excuse. Everything else is for `check` and its neighbours.

pub mod documents;
pub mod load;
pub mod prove;
mod at_once;
mod bodies;
mod bottleneck;
pub(crate) mod course;
pub(crate) mod flow;
mod fields;
mod leg;
mod parameters;
mod round_trip;
mod separated;
mod span;
mod trial;
mod verdict;
mod written;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod soundness;
