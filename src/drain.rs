//! The graceful end: no new work, then wait for what is in flight.
