//! `changes:` of an API: from nodes to checked changes.

use std::path::{Path, PathBuf};

use super::{finding::Finding, tree::Node};
use crate::adaptation::change::Change;

/// Reads the list under `changes:`.
///
/// - `base`: the folder that file names are relative to.
/// - `files`: every file that was read is added.
/// - `findings`: gains everything that is wrong, with its place; a change with an error is left out.
pub fn read(node: &Node, base: &Path, files: &mut Vec<PathBuf>, findings: &mut Vec<Finding>) -> Vec<Change> {
    let _ = (node, base, files, findings);
    Vec::new()
}
