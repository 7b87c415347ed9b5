//! What a version promises: its OpenAPI document (3.0 or 3.1, JSON or YAML) as a model that can be reasoned about.
//!
//! Read by `check` and its neighbours; by the running gateway only where a loss needs an excuse. [`read`] turns a file and the files it refers
//! to into a [`Document`]; [`schema`] is the model of one value, [`subtype`] compares two of them, [`walk`] visits
//! one with its pointers, [`directory`] finds operations by path, [`render`] writes one back as JSON Schema, [`intersect`] merges two (`allOf`).
//!
//! ```no_run
//! # use std::path::Path;
//! # use vergate::contract;
//! let mut findings = Vec::new();
//! let document = contract::read::file(Path::new("openapi.yaml"), &contract::read::from_disk, &mut findings);
//! for operation in document.iter().flat_map(|document| &document.operations) {
//!     let request = operation.request.as_ref().and_then(|request| request.json());
//!     println!("{}: {:?}", operation.endpoint, request.map(contract::render::inline));
//! }
//! ```

mod bounds;
pub mod directory;
pub mod disjoint;
pub mod document;
pub mod intersect;
pub mod language;
pub mod mismatch;
pub mod read;
pub mod reference;
pub mod render;
pub mod sample;
pub mod schema;
pub mod separator;
pub mod subtype;
pub mod unite;
pub mod walk;

pub use document::{Content, Document, Operation, Parameter, Response};
pub use schema::{Branch, Schema, Values};
