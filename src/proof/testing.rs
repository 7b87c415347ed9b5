//! A small API of two versions for tests: 1 is served by 2, through one change.

use std::{io, path::Path};

use super::{documents, prove};
use crate::{
    config::{Finding, checked},
    domain::time::UtcTime,
};

/// The OpenAPI document of one version: `POST /p` with these schemas, in flow style.
pub(crate) fn document(request: &str, response: &str) -> String {
    format!(
        "openapi: 3.1.0
paths:
  /p:
    post:
      requestBody: {{content: {{application/json: {{schema: {request}}}}}}}
      responses: {{'200': {{content: {{application/json: {{schema: {response}}}}}}}}}
"
    )
}

/// `gateway.yaml` for the two versions, with the operations of the change between them.
pub(crate) fn gateway(operations: &str) -> String {
    format!(
        "upstreams: {{u: http://h}}
apis:
  a:
    versions: {{\"1\": {{openapi: 1.yaml}}, \"2\": {{upstream: u, openapi: 2.yaml}}}}
    changes:
      - change: c
        from: \"1\"
        to: \"2\"
        operations: {operations}
"
    )
}

/// What the proof of a configuration finds; or what is wrong with it already when it is read.
///
/// The flow has to stand on its own: what a document would show is not its merit.
pub(crate) fn proof(gateway: &str, files: &[(&str, &str)]) -> Vec<Finding> {
    tried(gateway, files, 0)
}

/// The same with this number of documents tried.
pub(crate) fn tried(gateway: &str, files: &[(&str, &str)], trials: usize) -> Vec<Finding> {
    let now = UtcTime::parse("2026-01-01").expect("a day");
    let outcome = checked::read(gateway, Path::new("gateway.yaml"), &|_| None, now);
    let Some(config) = outcome.config else { return outcome.findings };
    let source = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    };
    let (api, changes, origins) = (&config.apis[0], &config.changes[0], &outcome.origins[0]);
    let mut findings = Vec::new();
    let documents = documents::read(api, origins, &source, &mut findings);
    assert!(findings.is_empty(), "{findings:#?}");
    prove::tried(prove::Subject { api, changes, origins, documents: &documents }, trials)
}

/// `code pointer` of what is found about requests with this list of ops, from one schema to another.
pub(crate) fn of_requests(old: &str, new: &str, ops: &str) -> Vec<String> {
    let gateway = gateway(&format!("[{{match: POST /p, request: {ops}}}]"));
    shown(&proof(&gateway, &[("1.yaml", &document(old, "true")), ("2.yaml", &document(new, "true"))]))
}

/// The same about responses: from the newer schema to the older.
pub(crate) fn of_responses(old: &str, new: &str, ops: &str) -> Vec<String> {
    let gateway = gateway(&format!("[{{match: POST /p, response: {{2xx: {ops}}}}}]"));
    shown(&proof(&gateway, &[("1.yaml", &document("true", old)), ("2.yaml", &document("true", new))]))
}

pub(crate) fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|found| format!("{} {}", found.code, found.pointer.as_deref().unwrap_or("-"))).collect()
}
