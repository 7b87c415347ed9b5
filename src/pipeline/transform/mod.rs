//! The HTTP rules around an adapted body (ADAPTATION section 6).
//!
//! Pure functions over header fields and whole bodies. The caller reads the body up to its cap,
//! answers `Expect`, and picks the upstream; what is adapted and what passes is decided here.

pub mod charset;
pub mod coding;
mod error;
pub mod location;
mod media;
pub mod opaque;
pub mod records;
mod reference;
pub mod request;
pub mod response;
mod validators;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod vectors;

pub use error::{Cause, Side, TransformError};
pub use media::{forbids_transform, remove_digests};
