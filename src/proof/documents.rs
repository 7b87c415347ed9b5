//! The OpenAPI documents of an API's versions.

use std::sync::Arc;

use super::at_once;
use crate::{
    config::{
        finding::Finding,
        origins::{ApiOrigins, NamedDocument},
    },
    contract::{Document, read},
    domain::api::Api,
};

/// Reads the document of every version that names one.
///
/// - `source`: usually [`read::from_disk`].
/// - `findings`: gains what is wrong with them; a document that two versions share says it once.
/// - Returns a document by the index of the version; none where there is none, or it could not be read.
pub fn read(
    api: &Api,
    origins: &ApiOrigins,
    source: &read::Source<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<Option<Arc<Document>>> {
    let mut distinct: Vec<&NamedDocument> = Vec::new();
    for named in origins.documents.iter().flatten() {
        if !distinct.iter().any(|known| known.path == named.path) {
            distinct.push(named);
        }
    }
    let outcomes = at_once::each(&distinct, |named| {
        let mut found = Vec::new();
        if let Err(error) = source(&named.path) {
            let message = format!("cannot read the OpenAPI document {}: {error}", named.path.display());
            let help = "name an existing file, relative to this one's folder";
            found.push(Finding::error(&named.place, "unreadable-file", message, help));
            return (None, found);
        }
        (read::file(&named.path, source, &mut found), found)
    });
    let mut documents: Vec<Option<Arc<Document>>> = Vec::with_capacity(distinct.len());
    for (document, found) in outcomes {
        documents.push(document.map(Arc::new));
        findings.extend(found.into_iter().map(|finding| finding.in_api(&api.name)));
    }
    let of = |named: &NamedDocument| {
        let index = distinct.iter().position(|known| known.path == named.path)?;
        documents[index].clone()
    };
    origins.documents.iter().map(|named| named.as_ref().and_then(of)).collect()
}
