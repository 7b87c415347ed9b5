//! The data path. Its folders sort in the order a request meets them.

pub mod deadline;
pub mod downstream;
pub mod flat_write;
pub mod negotiation;
pub mod policy;
pub mod transform;
pub mod upstream;
