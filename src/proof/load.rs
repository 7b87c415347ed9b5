//! A configuration as it may be run: with every loss declared, or excused by the documents.
//!
//! The running gateway needs no documents. Only where an op may lose something unless its parts keep clear of a
//! separator, and does not say so, it depends on what they promise: then those two are read, and watched as well.

use std::path::Path;

use super::{documents, prove::Subject, separated};
use crate::{
    adaptation::change::Change,
    config::{
        Config, Finding, LoadError, Loaded, Outcome, Severity, changes, finding::sort, load::read_file,
        origins::ApiOrigins,
    },
    contract::{directory::Directory, read},
    domain::{api::Api, time::UtcTime, version::ApiVersion},
};

/// Reads and checks a configuration as [`config::load`](crate::config::load()) does, and refuses losses that nothing excuses.
///
/// - `now`: the day the lifecycle rules are checked for.
/// - Errors: all of them at once.
pub fn load(path: &Path, now: UtcTime) -> Result<Loaded, LoadError> {
    let Outcome { config, mut findings, origins, .. } = read_file(path, now)?;
    let Some(mut config) = config else { return Err(LoadError::Findings(findings)) };
    let wrong = excuse(&mut config, &origins, &read::from_disk);
    if wrong.is_empty() {
        return Ok(Loaded { config, warnings: findings });
    }
    findings.extend(wrong);
    sort(&mut findings, path);
    Err(LoadError::Findings(findings))
}

/// The losses that nothing excuses. What was read to find out is added to the files of the configuration.
fn excuse(config: &mut Config, origins: &[ApiOrigins], source: &read::Source<'_>) -> Vec<Finding> {
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    for ((api, changes), origins) in config.apis.iter().zip(&config.changes).zip(origins) {
        let origins = needed(api, changes, origins);
        if origins.documents.iter().all(Option::is_none) {
            continue;
        }
        let mut found = Vec::new();
        let documents = documents::read(api, &origins, source, &mut found);
        // What else is wrong with a document that can be used is for `check` to say.
        let is_unusable = |(named, document): (&Option<_>, &Option<_>)| named.is_some() && document.is_none();
        if origins.documents.iter().zip(&documents).any(is_unusable) {
            wrong.extend(found.into_iter().filter(|finding| finding.severity == Severity::Error));
            continue;
        }
        files.extend(documents.iter().flatten().flat_map(|document| document.files.iter().cloned()));
        let subject = Subject { api, changes, origins: &origins, documents: &documents };
        let directories: Vec<Option<Directory<'_>>> =
            documents.iter().map(|document| Some(Directory::new(document.as_deref()?, &api.path))).collect();
        let losses = separated::losses(subject, &directories);
        wrong.extend(losses.into_iter().map(|finding| finding.in_api(&api.name)));
    }
    config.files.extend(files);
    config.files.sort();
    config.files.dedup();
    wrong
}

/// The same with the documents alone that may have to excuse something.
fn needed(api: &Api, changes: &[Change], origins: &ApiOrigins) -> ApiOrigins {
    let placed = changes.iter().zip(&origins.changes);
    let asking: Vec<&Change> = placed
        .filter(|(change, places)| !changes::separated(change, places).is_empty())
        .map(|(change, _)| change)
        .collect();
    let is_needed = |version: &ApiVersion| asking.iter().any(|change| [&change.from, &change.to].contains(&version));
    let documents = api.versions.iter().zip(&origins.documents);
    let documents = documents.map(|(version, named)| named.clone().filter(|_| is_needed(&version.name)));
    ApiOrigins { documents: documents.collect(), changes: origins.changes.clone() }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use super::*;
    use crate::{
        config::checked,
        proof::testing::{document, gateway},
    };

    /// What is wrong with a change of requests, and which files were asked for.
    fn found(op: &str, old: Option<&str>) -> (Vec<String>, Vec<PathBuf>) {
        let now = UtcTime::parse("2026-01-01").expect("a day");
        let yaml = gateway(&format!("[{{match: POST /p, request: [{op}]}}]"));
        let outcome = checked::read(&yaml, Path::new("gateway.yaml"), &|_| None, now);
        let mut config = outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.findings));
        let new = document("{type: object}", "true");
        let source = |path: &Path| match path.to_str() {
            Some("1.yaml") => old.map(|old| old.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into()),
            _ => Ok(new.as_bytes().to_vec()),
        };
        let wrong = excuse(&mut config, &outcome.origins, &source);
        let shown = wrong.iter().map(|found| format!("{}:{} {}", found.line, found.col, found.code)).collect();
        (shown, config.files)
    }

    fn hosts(of: &str) -> String {
        document(&format!("{{type: object, properties: {{host: {of}, port: {{type: string}}}}}}"), "true")
    }

    const MERGE: &str = "{merge: {from: [host, port], into: addr, sep: ':'}}";

    #[test]
    fn documents_are_read_where_only_they_can_excuse_a_loss() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let all = files(&["1.yaml", "2.yaml", "gateway.yaml"]);
        let (named, free) = (hosts("{type: string, format: uuid}"), hosts("{type: string}"));
        assert_eq!(found(MERGE, Some(&named)), (vec![], all.clone()));
        assert_eq!(found(MERGE, Some(&free)), (vec!["9:50 undeclared-loss".to_owned()], all));
        let declared = MERGE.replace("}}", "}, lossy: {up: why}}");
        for op in ["{rename: {a: b}}", &declared] {
            assert_eq!(found(op, None), (vec![], files(&["gateway.yaml"])), "{op}");
        }
    }

    #[test]
    fn a_document_that_cannot_be_read_excuses_nothing() {
        assert_eq!(found(MERGE, None).0, ["4:31 unreadable-file"]);
        assert_eq!(found(MERGE, Some("openapi: 2.0")).0.len(), 1);
        // What is wrong elsewhere in it is another matter.
        let odd = hosts("{type: string, format: uuid}") + "  /q: {get: {responses: {'200': {$ref: '#/nowhere'}}}}\n";
        assert_eq!(found(MERGE, Some(&odd)).0, [] as [&str; 0]);
    }
}
