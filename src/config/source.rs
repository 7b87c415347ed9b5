//! An entry of `resolve`: exactly one place where a caller may name a version.

use super::finding::Finding;
use super::names::{AcceptPattern, FieldName, PathPattern, Text};
use super::raw::SourceKeys;
use super::shape::Read;
use super::tree::Node;

/// `resolve` entry.
#[derive(Clone, Debug)]
pub enum SourcePlace {
    /// `header:`.
    Header(FieldName),
    /// `path:`.
    Path(PathPattern),
    /// `query:`.
    Query(Text),
    /// `accept:`.
    Accept(AcceptPattern),
}

/// `resolve` entry.
#[derive(Clone, Debug)]
pub struct Source {
    /// The one place it names.
    pub place: SourcePlace,
    /// `strip:`.
    pub strip: bool,
}

impl Read for Source {
    fn expected() -> String {
        "a source such as `header: X-API-Version`".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        let first = findings.len();
        let SourceKeys { header, path, query, accept, strip } = SourceKeys::read(node, findings)?;
        if findings.len() > first {
            return None;
        }
        let written = [!header.is_absent(), !path.is_absent(), !query.is_absent(), !accept.is_absent()];
        if written.into_iter().filter(|there| *there).count() != 1 {
            let message = "a source names exactly one of header, path, query and accept";
            let help = "write one list entry per place";
            findings.push(Finding::error(&node.place, "source", message, help));
            return None;
        }
        if let Some(at) = strip.set().filter(|at| !at.value.0 && path.is_absent() && query.is_absent()) {
            let message = "`strip: false` has no effect on a header or accept source";
            findings.push(Finding::warning(&at.place, "no-effect", message, "take it out"));
        }
        let place = None
            .or(header.value().cloned().map(SourcePlace::Header))
            .or(path.value().cloned().map(SourcePlace::Path))
            .or(query.value().cloned().map(SourcePlace::Query))
            .or(accept.value().cloned().map(SourcePlace::Accept))?;
        Some(Self { place, strip: strip.value().is_none_or(|flag| flag.0) })
    }
}
