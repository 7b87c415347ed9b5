//! The backend side: pools, balancing, retries. The only module that opens outgoing connections.

pub mod addresses;
pub mod balance;
pub mod body;
pub mod breaker;
pub mod client;
pub mod condition;
pub mod connect;
pub mod download;
pub mod fleet;
pub mod gauges;
pub mod grpc;
pub mod guard;
pub mod hop_by_hop;
pub mod http2;
pub mod io;
mod jitter;
pub mod pace;
pub mod patience;
pub mod pump;
pub mod retry;
pub mod server;
pub mod socket;
pub mod tally;
mod whole;
pub mod wire;
