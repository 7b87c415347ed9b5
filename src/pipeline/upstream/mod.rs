//! The backend side: pools, balancing, retries. The only module that opens outgoing connections.

pub mod balance;
pub mod body;
pub mod client;
pub mod download;
pub mod hop_by_hop;
pub mod io;
pub mod pace;
pub mod patience;
pub mod pump;
pub mod retry;
pub mod server;
mod whole;
pub mod wire;
