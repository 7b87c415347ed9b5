//! HTTP/1.1 towards an upstream, driven in the request's own task.
//!
//! A codec of our own instead of a general client: no second task and no wake-ups between two for
//! each request, and a head goes from fields to bytes once. Messages are read strictly; what a
//! lenient reader could take for another message ends the connection (RFC 9112 section 6.3).

pub mod body;
pub mod request;
pub mod response;
