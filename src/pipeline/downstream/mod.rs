//! The caller side: sockets, connections, the first check of a head, and who called.

pub mod listener;
pub mod socket;
pub mod tls;
pub mod proxy_protocol;
pub mod answer;
pub mod body;
pub mod request;
pub mod pseudo;
pub mod stream_body;
mod target;
pub mod wire;
pub mod head;
pub mod framing;
pub mod link;
pub mod farewell;
pub mod admission;
pub mod forwarded;
