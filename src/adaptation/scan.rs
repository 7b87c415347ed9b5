//! One pass over a body's text: validates all of it (RFC 8259) and opens what a program names.
//!
//! The state is one frame per *opened* container, so no input can make the scanner recurse or hold
//! more than a program asks for.

use super::{
    error::Reason,
    lexer::{self, DEPTH_MAX},
    pointer::{Name, Segment},
    tree::{Array, Member, Node, Object, is_named},
};

/// Which values to open, as a tree of names. A hint: steps open what they meet, so a value too few
/// costs time and a value too many costs memory, and neither changes an outcome.
#[derive(Debug, Default)]
pub(super) struct Touch {
    names: Vec<(Name, Self)>,
    each: Option<Box<Self>>,
    values: Option<Box<Self>>,
    /// Whether the value itself is opened if it is an object.
    object: bool,
}

impl Touch {
    /// The value at `path`, reached from here; everything on the way is opened.
    pub(super) fn reach(&mut self, path: &[Segment]) -> &mut Self {
        path.iter().fold(self, |touch, segment| match segment {
            Segment::Name(name) => {
                touch.object = true;
                let index = touch.names.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    touch.names.push((name.clone(), Self::default()));
                    touch.names.len() - 1
                });
                &mut touch.names[index].1
            }
            Segment::Each => touch.each.get_or_insert_default(),
            Segment::Values => {
                touch.object = true;
                touch.values.get_or_insert_default()
            }
        })
    }

    /// Opens the value itself if it is an object.
    pub(super) fn open_object(&mut self) {
        self.object = true;
    }

    /// Opens the value itself if it is an array.
    pub(super) fn open_array(&mut self) {
        self.each.get_or_insert_default();
    }

    fn member(&self, key: &[u8]) -> Option<&Self> {
        let named = self.names.iter().find(|(name, _)| is_named(key, name)).map(|(_, touch)| touch);
        named.or(self.values.as_deref())
    }
}

/// Reads a whole body, without a byte order mark.
pub(super) fn read<'a>(body: &'a [u8], touch: &Touch) -> Result<Node<'a>, Reason> {
    match std::str::from_utf8(body) {
        Ok(_) => Scanner::new(body).run(Some(touch)),
        // Too deep before the first bad byte is too deep; everything else is malformed.
        Err(error) => match Scanner::new(&body[..error.valid_up_to()]).run(None) {
            Err(Reason::Depth) => Err(Reason::Depth),
            _ => Err(Reason::Malformed),
        },
    }
}

/// Opens one container whose text was validated before.
pub(super) fn open(text: &[u8]) -> Option<Node<'_>> {
    let touch = Touch { object: true, each: Some(Box::default()), ..Touch::default() };
    Scanner::new(text).run(Some(&touch)).ok()
}

/// A container being opened.
struct Frame<'a, 't> {
    start: usize,
    touch: &'t Touch,
    content: Content<'a>,
    key: &'a [u8],
}

enum Content<'a> {
    Members(Vec<Member<'a>>),
    Items(Vec<Node<'a>>),
}

/// Reads the containers that are opened; all else is skipped by the lexer.
struct Scanner<'a, 't> {
    text: &'a [u8],
    at: usize,
    frames: Vec<Frame<'a, 't>>,
}

impl<'a, 't> Scanner<'a, 't> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, frames: Vec::new() }
    }

    /// - `touch`: what to do with the root; none: it stays closed.
    fn run(mut self, touch: Option<&'t Touch>) -> Result<Node<'a>, Reason> {
        self.at = lexer::past_space(self.text, 0);
        let mut next = touch;
        loop {
            let mut value = match self.opened(next)? {
                Opened::Empty(value) => value,
                Opened::Inside(inner) => {
                    next = inner;
                    continue;
                }
                Opened::No => {
                    let start = self.at;
                    self.at = lexer::value(self.text, start, self.frames.len())?;
                    Node::Text(&self.text[start..self.at])
                }
            };
            // A value has ended: the container it stands in goes on, or ends too.
            loop {
                self.at = lexer::past_space(self.text, self.at);
                let Some(frame) = self.frames.last_mut() else {
                    return if self.at == self.text.len() { Ok(value) } else { Err(Reason::Malformed) };
                };
                let touch = frame.touch;
                let is_object = frame.keep(value);
                match self.text.get(self.at) {
                    Some(b',') => {
                        self.at = lexer::past_space(self.text, self.at + 1);
                        next = if is_object { self.key(touch)? } else { touch.each.as_deref() };
                        break;
                    }
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return Err(Reason::Malformed),
                }
                self.at += 1;
                value = self.close().ok_or(Reason::Malformed)?;
            }
        }
    }

    /// Opens the container that begins here, if one does and it is to be opened.
    fn opened(&mut self, touch: Option<&'t Touch>) -> Result<Opened<'a, 't>, Reason> {
        let Some(touch) = touch else { return Ok(Opened::No) };
        let is_object = match self.text.get(self.at) {
            Some(b'{') if touch.object => true,
            Some(b'[') if touch.each.is_some() => false,
            _ => return Ok(Opened::No),
        };
        if self.frames.len() == DEPTH_MAX {
            return Err(Reason::Depth);
        }
        let content = if is_object { Content::Members(Vec::new()) } else { Content::Items(Vec::new()) };
        self.frames.push(Frame { start: self.at, touch, content, key: b"" });
        self.at = lexer::past_space(self.text, self.at + 1);
        if self.text.get(self.at) == Some(if is_object { &b'}' } else { &b']' }) {
            self.at += 1;
            return self.close().map(Opened::Empty).ok_or(Reason::Malformed);
        }
        Ok(Opened::Inside(if is_object { self.key(touch)? } else { touch.each.as_deref() }))
    }

    /// The innermost container, behind its last bracket.
    fn close(&mut self) -> Option<Node<'a>> {
        let frame = self.frames.pop()?;
        let text = Some(&self.text[frame.start..self.at]);
        Some(match frame.content {
            Content::Members(members) => Node::Object(Object { text, members }),
            Content::Items(items) => Node::Array(Array { text, items }),
        })
    }

    /// Reads a name and its colon; says what to do with the member's value.
    fn key(&mut self, touch: &'t Touch) -> Result<Option<&'t Touch>, Reason> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(Reason::Malformed);
        }
        let start = self.at;
        self.at = lexer::string(self.text, start + 1)?;
        let key = &self.text[start..self.at];
        if let Some(frame) = self.frames.last_mut() {
            frame.key = key;
        }
        self.at = lexer::colon(self.text, self.at)?;
        Ok(touch.member(key))
    }
}

/// What became of the value that begins at the scanner's place.
enum Opened<'a, 't> {
    /// It stays closed.
    No,
    /// It is an empty container.
    Empty(Node<'a>),
    /// The scanner stands on its first value, with which this is to be done.
    Inside(Option<&'t Touch>),
}

impl<'a> Frame<'a, '_> {
    /// Takes a value that stands in it; says whether it is an object.
    fn keep(&mut self, value: Node<'a>) -> bool {
        match &mut self.content {
            Content::Members(members) => {
                members.push(Member { key: self.key, value });
                true
            }
            Content::Items(items) => {
                items.push(value);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
