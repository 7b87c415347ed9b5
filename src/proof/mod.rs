//! The proof: whether an API's changes turn what one version promises into what the other one does.
//!
//! Only `check` and its neighbours come here; the running gateway neither reads the documents nor knows this folder.

pub mod documents;
