//! Whether a version may be served, and what has to be said about it.
//!
//! The standing of a version is constant within one snapshot, because a snapshot is compiled anew
//! at each turn of a phase. So everything here is decided when the snapshot is built: a request
//! reads its version's [`Policy`] and follows it.
//!
//! What depends on the caller as well (rate limits, consumers not seen before, brownouts) comes
//! after [`Policy::verdict`] said [`Verdict::Serve`] and before the request is adapted: a module
//! of its own beside these, reading [`Policy::standing`].

pub mod announce;
pub mod lifecycle;
pub mod reference;
pub mod successor;
#[cfg(test)]
mod fixture;

pub use announce::Announcement;
pub use lifecycle::{Policy, Verdict, compile};
pub use successor::{Captured, SuccessorPath};
