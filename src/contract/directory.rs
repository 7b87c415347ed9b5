//! A document's operations by the paths that a gateway knows them by.
//!
//! A document may write a path as the gateway sees it, below its server's path, below the API's prefix, or both. All
//! of these lead to the operation; they are worked out once for each document, because many changes ask.

use std::collections::HashMap;

use super::document::{Document, Operation};
use crate::domain::endpoint::{Endpoint, Segment};

/// A document, with a way to find its operations.
#[derive(Debug)]
pub struct Directory<'d> {
    /// The document.
    pub document: &'d Document,
    /// By the index of the operation: the ways to write it that are below the API's prefix.
    written: Vec<Vec<Endpoint>>,
    /// Method and path with nameless parameters, to the index of the first operation that is written so.
    known: HashMap<String, usize>,
}

impl<'d> Directory<'d> {
    /// Lists a document's operations.
    ///
    /// - `prefix`: the API's `path`, without a trailing slash; empty: none, or no API is known.
    pub fn new(document: &'d Document, prefix: &str) -> Self {
        let base = without_version(&document.base);
        let (mut written, mut known) = (Vec::new(), HashMap::new());
        for (index, operation) in document.operations.iter().enumerate() {
            let mut all = spellings(&operation.endpoint, base, prefix);
            for spelling in &all {
                known.entry(shape(spelling.method(), spelling)).or_insert(index);
            }
            all.retain(|spelling| is_below(spelling, prefix));
            written.push(all);
        }
        Self { document, written, known }
    }

    /// Every operation with the ways to write it that are below the API's prefix, the plainest first; there may be
    /// none.
    pub fn iter(&self) -> impl Iterator<Item = (&'d Operation, &[Endpoint])> {
        self.document.operations.iter().zip(self.written.iter().map(Vec::as_slice))
    }

    /// The operation of an endpoint; parameters match whatever their names are, and HEAD counts as GET.
    pub fn find(&self, endpoint: &Endpoint) -> Option<&'d Operation> {
        let find = |method: &str| self.known.get(&shape(method, endpoint)).map(|at| &self.document.operations[*at]);
        find(endpoint.method()).or_else(|| if endpoint.method() == "HEAD" { find("GET") } else { None })
    }

    /// Whether any method of the path is known.
    pub fn has_path(&self, endpoint: &Endpoint) -> bool {
        let path = shape("", endpoint);
        self.known.keys().any(|known| known.split_once(' ').is_some_and(|(_, known)| known == path.trim_start()))
    }
}

/// A server's path without the version at its end, which the gateway takes off.
fn without_version(base: &str) -> &str {
    let base = base.trim_end_matches('/');
    let (before, last) = base.rsplit_once('/').unwrap_or(("", base));
    let is_version = last.strip_prefix(['v', 'V']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if is_version { before } else { base }
}

/// The path as it is, below its server's path, below the API's prefix, or both.
fn spellings(endpoint: &Endpoint, base: &str, prefix: &str) -> Vec<Endpoint> {
    let path = endpoint.template();
    let path = if path == "/" { "" } else { &path };
    let mut spellings = vec![endpoint.clone()];
    for before in [base, prefix, &format!("{prefix}{base}")] {
        if before.is_empty() {
            continue;
        }
        let spelling = Endpoint::parse(&format!("{} {before}{path}", endpoint.method()));
        spellings.extend(spelling.ok().filter(|spelling| !spellings.contains(spelling)));
    }
    spellings
}

fn is_below(endpoint: &Endpoint, prefix: &str) -> bool {
    let path = endpoint.template();
    prefix.is_empty() || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Method and path, equal for all templates that fit the same requests.
fn shape(method: &str, endpoint: &Endpoint) -> String {
    let mut shape = method.to_owned();
    shape.push(' ');
    for segment in endpoint.segments() {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Param(_) => "{}",
        });
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::read::testing::document;

    fn found(base: &str, prefix: &str, path: &str, wanted: &str) -> bool {
        let document = document(&format!(
            "openapi: 3.1.0\nservers: [{{url: 'http://h{base}'}}]\npaths: {{'{path}': {{get: {{}}}}}}\n"
        ));
        let directory = Directory::new(&document, prefix);
        directory.find(&Endpoint::parse(wanted).expect("an endpoint")).is_some()
    }

    #[test]
    fn a_path_may_be_written_with_the_servers_path_and_with_the_apis_prefix() {
        assert!(found("", "", "/a/{id}", "GET /a/{name}"));
        assert!(found("/base", "", "/a", "GET /a"));
        assert!(found("/base", "", "/a", "GET /base/a"));
        assert!(found("/base/v2", "", "/a", "GET /base/a"), "the gateway takes the version off");
        assert!(found("", "/shop", "/a", "GET /shop/a"));
        assert!(found("/base", "/shop", "/a", "GET /shop/base/a"));
        assert!(found("", "/shop", "/", "GET /shop"));
        assert!(found("", "", "/a", "HEAD /a"));
        assert!(!found("", "", "/a", "POST /a"));
        assert!(!found("/base", "/shop", "/a", "GET /other/a"));
    }

    #[test]
    fn what_is_not_below_the_prefix_is_no_operation_of_the_api() {
        let document = document("openapi: 3.1.0\npaths: {/shop/a: {get: {}}, /b: {get: {}}, /shopping: {get: {}}}\n");
        let directory = Directory::new(&document, "/shop");
        let written = |(_, written): (&Operation, &[Endpoint])| written[0].to_string();
        assert_eq!(
            directory.iter().map(written).collect::<Vec<_>>(),
            ["GET /shop/a", "GET /shop/b", "GET /shop/shopping"]
        );
        assert!(directory.has_path(&Endpoint::parse("POST /shop/b").expect("an endpoint")));
        assert!(!directory.has_path(&Endpoint::parse("POST /shop/c").expect("an endpoint")));
    }
}
