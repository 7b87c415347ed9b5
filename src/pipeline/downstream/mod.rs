//! The caller side: sockets, connections, the first check of a head, and who called.

pub mod admission;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod io;
pub mod link;
