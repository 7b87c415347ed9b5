//! Vergate keeps every API version alive until its last caller has left.
//!
//! A request's journey, in the order of the modules:
//!
//! 1. [`pipeline::downstream`] accepts the connection and checks the head;
//! 2. [`pipeline::negotiation`] finds the API, the version asked for and the endpoint;
//! 3. [`pipeline::policy`] decides whether that version may be served, and with which warnings;
//! 4. [`pipeline::transform`] adapts the request to the version the upstream speaks;
//! 5. [`pipeline::upstream`] forwards it, and the answer comes back up the same way.
//!
//! Everything a request needs is compiled into one immutable [`pipeline::snapshot`] when the
//! configuration loads; [`reload`] replaces it whole. [`adaptation`] and [`domain`] are pure.

// A stderr that cannot be written is no reason to end: `telemetry::say`.
#![deny(clippy::print_stderr)]

pub mod domain;
pub mod problem;
pub mod headers;
pub mod clock;
pub mod descriptors;
pub mod adaptation;
pub mod tls;
pub mod config;
pub mod contract;
pub mod proof;
pub mod diff;
pub mod guide;
pub mod infer;
pub mod telemetry;
pub mod pipeline;
pub mod admin;
pub mod reload;
pub mod crew;
pub mod listening;
pub mod passed;
pub mod listeners;
pub mod takeover;
pub mod systemd;
pub mod memory;
pub mod drain;
pub mod app;
pub mod cli;
