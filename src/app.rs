//! Assembles, starts, reloads and drains the gateway.
