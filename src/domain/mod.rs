//! Pure values: what an API, a version, a lifecycle and an endpoint are.
//!
//! No module here knows a connection, a clock or a file; `now` is passed in.

pub mod api;
pub mod endpoint;
pub mod lifecycle;
pub mod time;
pub mod upstream;
pub mod version;
