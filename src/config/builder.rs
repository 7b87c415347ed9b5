//! Text to [`Node`]s: the YAML subset that a configuration may use, with every bound enforced.
//!
//! One document, no tags, scalar keys, no key twice. Anchors and aliases work within a budget, so
//! that a few lines cannot stand for gigabytes.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::finding::{Finding, Place};
use super::tree::{Node, Scalar, Value};

/// Longest text that is read.
pub(super) const TEXT_BYTES_MAX: usize = 8 << 20;
/// Lists and mappings that may be open at once.
const DEPTH_MAX: usize = 64;
/// Bytes that aliases may add, each node counting as [`NODE_BYTES`] and its text.
const ALIAS_BYTES_MAX: usize = 8 << 20;
const NODE_BYTES: usize = 100;

/// Reads one YAML document.
///
/// - Returns the tree if there is one; findings that leave a tree behind (a key twice, a tag) are added
///   to `findings` all the same, so that later stages can add theirs.
pub(super) fn build(text: &str, file: &Path, findings: &mut Vec<Finding>) -> Option<Node> {
    let file: Arc<Path> = file.into();
    let whole = Place { file: file.clone(), line: 0, col: 0 };
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the file has {} bytes, more than {TEXT_BYTES_MAX}", text.len());
        findings.push(Finding::error(
            &whole,
            "too-large",
            message,
            "split it, or move changes into files of their own",
        ));
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        file,
        findings,
        open: Vec::new(),
        root: None,
        documents: 0,
        anchors: BTreeMap::new(),
        alias_bytes: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let message = format!("not valid YAML: {}", error.info());
                let place = builder.place(*error.marker());
                let help = "check the indentation, the quotes and the colons of this line and the one before";
                builder.error(&place, "yaml-syntax", message, help);
                Err(Stop)
            }
        };
        if step.is_err() {
            return None;
        }
    }
    let root = builder.root.take();
    match root {
        Some(node) if !node.is_null() => Some(node),
        _ => {
            let place = Place { line: 1, col: 1, ..whole };
            findings.push(Finding::error(
                &place,
                EMPTY,
                "the file is empty",
                "write what it is for, or do not name it",
            ));
            None
        }
    }
}

/// The code of a file that says nothing.
pub const EMPTY: &str = "empty";

/// The rest of the text cannot be read; the reason is among the findings.
struct Stop;

struct Builder<'f> {
    file: Arc<Path>,
    findings: &'f mut Vec<Finding>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: BTreeMap<usize, Node>,
    alias_bytes: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        members: Vec<(Node, Node)>,
        /// Where each key stands, to name both places of a repeated one.
        seen: HashMap<String, Place>,
        /// The key whose value comes next; `None` inside if that key was refused.
        key: Option<Option<Node>>,
    },
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let place = self.place(span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(&place),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                let scalar = Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain };
                self.finish(Node { place, value: Value::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                self.begin(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), &place);
                let content = Content::Map { members: Vec::new(), seen: HashMap::new(), key: None };
                self.begin(place, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Err(Stop) };
                let value = match open.content {
                    Content::List(items) => Value::List(items),
                    Content::Map { members, .. } => Value::Map(members),
                };
                self.finish(Node { place: open.place, value }, open.anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, &place),
        }
    }

    fn document(&mut self, place: &Place) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        self.error(place, "many-documents", "a second document begins here", "keep one document per file");
        Err(Stop)
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.open.len() == DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} lists and mappings inside each other");
            self.error(&place, "too-deep", message, "no key needs that depth");
            return Err(Stop);
        }
        self.open.push(Open { place, anchor, content });
        Ok(())
    }

    /// Hands a complete node to the list or mapping it stands in.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor != 0 {
            self.spend(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.attach(node);
        Ok(())
    }

    fn attach(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { members, key, .. } if key.is_some() => {
                // A refused key takes its value with it.
                if let Some(Some(name)) = key.take() {
                    members.push((name, node));
                }
            }
            Content::Map { seen, key, .. } => {
                let (place, text) = (node.place.clone(), node.text().map(str::to_owned));
                let Some(text) = text else {
                    *key = Some(None);
                    self.error(&place, "key-type", "a key has to be a plain or quoted text", "write `key: value`");
                    return;
                };
                if let Some(first) = seen.get(&text) {
                    let message = format!("the key \"{text}\" occurs twice; it stands at {first} already");
                    *key = Some(None);
                    self.error(&place, "duplicate-key", message, "remove one of the two");
                    return;
                }
                seen.insert(text, place);
                *key = Some(Some(node));
            }
        }
    }

    fn alias(&mut self, anchor: usize, place: &Place) -> Result<(), Stop> {
        // An anchor is known once its node is complete: a node cannot contain itself.
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            let help = "an alias may repeat a node that ended before it";
            self.error(place, "alias", "the alias stands inside the node that it names", help);
            return Err(Stop);
        };
        self.spend(&node)?;
        self.attach(node);
        Ok(())
    }

    fn spend(&mut self, node: &Node) -> Result<(), Stop> {
        self.alias_bytes = self.alias_bytes.saturating_add(weight(node));
        if self.alias_bytes <= ALIAS_BYTES_MAX {
            return Ok(());
        }
        let place = node.place.clone();
        self.error(&place, "alias", "the aliases of this file repeat too much", "write the repeated parts out");
        Err(Stop)
    }

    fn refuse_tag(&mut self, tagged: bool, place: &Place) {
        if tagged {
            let help = "take the `!…` off; quote a text that has to stay a text";
            self.error(place, "tag", "tags are not supported", help);
        }
    }

    fn error(&mut self, place: &Place, code: &'static str, message: impl Into<String>, help: &str) {
        self.findings.push(Finding::error(place, code, message, help));
    }

    fn place(&self, at: Marker) -> Place {
        Place { file: self.file.clone(), line: at.line(), col: at.col() + 1 }
    }
}

/// What a copy of `node` costs. The depth is bounded, so recursion is.
fn weight(node: &Node) -> usize {
    NODE_BYTES
        + match &node.value {
            Value::Scalar(scalar) => scalar.text.len(),
            Value::List(items) => items.iter().map(weight).sum(),
            Value::Map(members) => members.iter().map(|(key, value)| weight(key) + weight(value)).sum(),
        }
}
