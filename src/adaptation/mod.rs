//! The change language: how one version differs from the one before, run in both directions.
//!
//! Pure: no connection, no clock, no file. [`change`] is what an operator writes, [`plan`] what a
//! snapshot compiles from it, [`program`] the fused list of steps that one body goes through.

pub mod change;
