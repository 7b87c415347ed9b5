//! The backend side: pools, balancing, retries. The only module that opens outgoing connections.
