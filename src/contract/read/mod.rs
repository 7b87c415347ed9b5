//! From a file to a [`Document`], with everything that is wrong with it.
//!
//! A document that can be used in part is used in part: what cannot be read is left out, and a finding says so.

mod operations;
mod references;
mod said;
mod schemas;
mod unevaluated;
mod unions;
mod value;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::references::{Key, Target};
pub use self::value::of as value;
use super::{document::Document, schema::Definition};
use crate::config::{
    file,
    finding::{Finding, Place},
    tree::{self, Node},
};

/// Longest file that is read.
const BYTES_MAX: u64 = 8 << 20;

/// How the bytes of a file are come by; several documents are read at once.
pub type Source<'s> = dyn Fn(&Path) -> io::Result<Vec<u8>> + Sync + 's;

/// Reads from the file system.
pub fn from_disk(path: &Path) -> io::Result<Vec<u8>> {
    file::read_regular(path, BYTES_MAX)
}

/// Reads an OpenAPI document, and the files that its references name.
///
/// - `source`: usually [`from_disk`].
/// - `findings`: gains what is wrong with it.
/// - Returns none where it is no OpenAPI 3.0 or 3.1 document at all; an error among the findings says why.
pub fn file(path: &Path, source: &Source<'_>, findings: &mut Vec<Finding>) -> Option<Document> {
    let mut reader = Reader {
        source,
        findings,
        files: BTreeMap::new(),
        order: Vec::new(),
        root: path.to_path_buf(),
        revision: Revision::V3_1,
        definitions: BTreeMap::new(),
        listed: Vec::new(),
        unread: VecDeque::new(),
        merging: 0,
    };
    let place = Place { file: path.into(), line: 0, col: 0 };
    let root = reader.load(path, &place)?;
    reader.revision = reader.revision_of(&root)?;
    let mut document = reader.document(&root);
    reader.finish();
    document.definitions = reader.listed;
    document.files = reader.order;
    Some(document)
}

/// Which OpenAPI a document speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revision {
    V3_0,
    V3_1,
}

struct Reader<'r> {
    source: &'r Source<'r>,
    findings: &'r mut Vec<Finding>,
    /// Every file that was asked for; none inside if it cannot be read.
    files: BTreeMap<PathBuf, Option<Arc<Node>>>,
    order: Vec<PathBuf>,
    root: PathBuf,
    revision: Revision,
    definitions: BTreeMap<Key, Arc<Definition>>,
    /// The same, in the order they were met.
    listed: Vec<Arc<Definition>>,
    /// Definitions whose schema is not read yet.
    unread: VecDeque<(Arc<Definition>, Target)>,
    /// How many definitions are being read because something is merged with them.
    merging: usize,
}

impl Reader<'_> {
    fn error(&mut self, place: &Place, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::error(place, code, message, help));
    }

    fn warning(&mut self, place: &Place, code: &'static str, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::warning(place, code, message, help));
    }

    /// The tree of a file, read once; `asked` is where it is named.
    fn load(&mut self, path: &Path, asked: &Place) -> Option<Arc<Node>> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        self.order.push(path.to_path_buf());
        let parsed = match (self.source)(path) {
            Ok(bytes) => tree::decode(&bytes, path)
                .map_err(|finding| vec![finding])
                .and_then(|text| tree::parse(text, path))
                .map_err(|found| self.findings.extend(found))
                .ok(),
            Err(error) => {
                let message = format!("cannot read the OpenAPI file {}: {error}", path.display());
                let help = "name an existing file, relative to the folder of the file that names it";
                self.error(asked, "unreadable-file", message, help);
                None
            }
        };
        let tree = parsed.map(Arc::new);
        self.files.insert(path.to_path_buf(), tree.clone());
        tree
    }

    fn revision_of(&mut self, root: &Node) -> Option<Revision> {
        let said = root.get("openapi").and_then(Node::text);
        match said {
            Some(text) if text == "3.0" || text.starts_with("3.0.") => Some(Revision::V3_0),
            Some(text) if text == "3.1" || text.starts_with("3.1.") => Some(Revision::V3_1),
            _ => {
                let node = root.get("openapi").or_else(|| root.get("swagger")).unwrap_or(root);
                let message = match (said, root.get("swagger").and_then(Node::text)) {
                    (Some(text), _) => format!("OpenAPI {text} is not read"),
                    (None, Some(text)) => format!("Swagger {text} is not read"),
                    (None, None) => "this is no OpenAPI document: it has no `openapi` key".to_owned(),
                };
                let place = node.place.clone();
                self.error(
                    &place,
                    "openapi-version",
                    message,
                    "write openapi: 3.1.0 (or 3.0.x), and what belongs to it",
                );
                None
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::contract::schema::Schema;

    /// Reads files that are given as texts; the first is the document.
    pub(crate) fn outcome(files: &[(&str, &str)]) -> (Option<Document>, Vec<String>) {
        let mut findings = Vec::new();
        let source = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let document = file(Path::new(files[0].0), &source, &mut findings);
        (document, findings.iter().map(ToString::to_string).collect())
    }

    /// Reads a document without fault.
    pub(crate) fn document(text: &str) -> Document {
        let (document, findings) = outcome(&[("o.yaml", text)]);
        assert!(findings.is_empty(), "{findings:#?}");
        document.expect("no finding")
    }

    /// Reads one schema, in flow or block style, of an OpenAPI 3.1 document.
    pub(crate) fn schema(text: &str) -> Schema {
        let indented = text.replace('\n', "\n          ");
        let document = document(&format!(
            "openapi: 3.1.0\npaths:\n  /a:\n    get:\n      responses:\n        '200':\n          content:\n            application/json:\n              schema:\n                {}\n",
            indented.replace('\n', "\n        ")
        ));
        let schema =
            document.operations[0].response(200).and_then(|response| response.content.json()).expect("a schema");
        schema.clone()
    }

    pub(crate) fn render(schema: &Schema) -> serde_json::Value {
        crate::contract::render::inline(schema)
    }
}

#[cfg(test)]
mod tests;
