//! The OpenAPI documents of an API's versions.

use crate::{
    config::{finding::Finding, origins::ApiOrigins},
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
) -> Vec<Option<Document>> {
    let mut documents: Vec<Option<Document>> = Vec::with_capacity(origins.documents.len());
    for (index, named) in origins.documents.iter().enumerate() {
        let Some(named) = named else {
            documents.push(None);
            continue;
        };
        let same =
            origins.documents[..index].iter().position(|other| other.as_ref().is_some_and(|o| o.path == named.path));
        if let Some(same) = same {
            documents.push(documents[same].clone());
            continue;
        }
        let mut found = Vec::new();
        if let Err(error) = source(&named.path) {
            let message = format!("cannot read the OpenAPI document {}: {error}", named.path.display());
            let help = "name an existing file, relative to this one's folder";
            findings.push(Finding::error(&named.place, "unreadable-file", message, help).in_api(&api.name));
            documents.push(None);
            continue;
        }
        documents.push(read::file(&named.path, source, &mut found));
        findings.extend(found.into_iter().map(|finding| finding.in_api(&api.name)));
    }
    documents
}
