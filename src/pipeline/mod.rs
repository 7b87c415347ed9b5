//! The data path. Its folders sort in the order a request meets them.

pub mod downstream;
pub mod negotiation;
pub mod policy;
pub mod transform;
pub mod upstream;
