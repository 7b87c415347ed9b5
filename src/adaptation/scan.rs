//! One pass over a body's text: validates all of it (RFC 8259) and opens what a program names.
//!
//! The state is one frame per *opened* container, so no input can make the scanner recurse or hold
//! more than a program asks for.

use super::{
    error::Reason,
    lexer::{self, Again, DEPTH_MAX},
    pointer::{Name, Segment},
    tree::{Array, Key, Member, Node, Object, Spare},
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
    /// The number of the array whose elements are handed over one at a time, if the value is one.
    stream: Option<usize>,
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

    /// Hands the elements of the array that the value is over one at a time.
    pub(super) fn stream(&mut self, index: usize) {
        self.open_array();
        self.stream = Some(index);
    }

    /// What to do with the member `key`, if it is to be opened.
    fn member(&self, key: Key<'_>) -> Option<&Self> {
        let named = self.names.iter().find(|(name, _)| key.says(name)).map(|(_, touch)| touch);
        named.or(self.values.as_deref()).filter(|touch| touch.object || touch.each.is_some())
    }
}

/// Reads a whole body, without a byte order mark.
pub(super) fn read<'a>(body: &'a [u8], touch: &Touch) -> Result<Node<'a>, Reason> {
    read_with(body, touch, &mut KeepAll)
}

/// Reads a whole body, without a byte order mark, and hands elements of arrays to `adapt` where `touch` says so.
pub(super) fn read_with<'a>(body: &'a [u8], touch: &Touch, adapt: &mut impl Adapt<'a>) -> Result<Node<'a>, Reason> {
    match std::str::from_utf8(body) {
        Ok(_) => Scanner::new(body, adapt).run(Some(touch)),
        // Too deep before the first bad byte is too deep; everything else is malformed.
        Err(error) => match Scanner::new(&body[..error.valid_up_to()], &mut KeepAll).run(None) {
            Err(Reason::Depth) => Err(Reason::Depth),
            _ => Err(Reason::Malformed),
        },
    }
}

/// Opens one container whose text was validated before.
pub(super) fn open(text: &[u8]) -> Option<Node<'_>> {
    let touch = Touch { object: true, each: Some(Box::default()), ..Touch::default() };
    Scanner::new(text, &mut KeepAll).run(Some(&touch)).ok()
}

/// What elements of arrays are handed to.
pub(super) trait Adapt<'a> {
    /// Whether there are any.
    const STREAMS: bool;

    /// Takes the element `index` of the array that was numbered `stream`.
    fn element(&mut self, stream: usize, index: usize, element: &mut Node<'a>) -> Element;
}

/// What became of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// It is as it was.
    Same,
    /// It is another.
    Changed,
    /// The body will be refused; its array is not kept.
    Refused,
}

/// Nothing is handed over: all elements are kept.
struct KeepAll;

impl<'a> Adapt<'a> for KeepAll {
    const STREAMS: bool = false;

    fn element(&mut self, _: usize, _: usize, _: &mut Node<'a>) -> Element {
        Element::Same
    }
}

/// A container being opened.
struct Frame<'a, 't> {
    /// The text from its first bracket on.
    start: &'a [u8],
    touch: &'t Touch,
    content: Content<'a>,
    /// The name of the member that is being read, if that is opened.
    key: Key<'a>,
    /// Whether something in it was adapted already.
    changed: bool,
}

enum Content<'a> {
    Members(Vec<Member<'a>>),
    Items(Vec<Node<'a>>),
    Streamed(Box<Streamed>),
}

/// An array whose elements are written as they come.
struct Streamed {
    stream: usize,
    seen: usize,
    out: Vec<u8>,
    changed: bool,
    refused: bool,
}

/// Reads the containers that are opened; all else is skipped by the lexer.
struct Scanner<'a, 't, 'h, A> {
    /// What has not been read yet.
    rest: &'a [u8],
    frames: Vec<Frame<'a, 't>>,
    spare: Spare<'a>,
    keys: Keys<'a, 't>,
    adapt: &'h mut A,
    root: Option<Node<'a>>,
}

impl<'a, 't, 'h, A: Adapt<'a>> Scanner<'a, 't, 'h, A> {
    fn new(text: &'a [u8], adapt: &'h mut A) -> Self {
        Self { rest: text, frames: Vec::new(), spare: Spare::default(), keys: Keys::default(), adapt, root: None }
    }

    /// - `touch`: what to do with the root; none: it stays closed.
    fn run(mut self, touch: Option<&'t Touch>) -> Result<Node<'a>, Reason> {
        self.rest = lexer::past_space(self.rest);
        let mut next = touch;
        loop {
            let mut value = match self.opened(next)? {
                Opened::Whole(value) => value,
                Opened::Inside(inner) => {
                    next = inner;
                    continue;
                }
                Opened::No => {
                    let start = self.rest;
                    self.rest = lexer::value(start, self.frames.len())?;
                    Node::Text(read_of(start, self.rest))
                }
            };
            // A value has ended: the container it stands in goes on, or ends too.
            loop {
                self.rest = lexer::past_space(self.rest);
                let Some((is_object, touch)) = self.keep(value) else {
                    return self.root.filter(|_| self.rest.is_empty()).ok_or(Reason::Malformed);
                };
                match self.rest {
                    [b',', ..] if is_object => {
                        if let Some(inner) = self.members(touch)? {
                            next = Some(inner);
                            break;
                        }
                    }
                    [b',', tail @ ..] => {
                        self.rest = lexer::past_space(tail);
                        next = touch.each.as_deref();
                        break;
                    }
                    [b'}', tail @ ..] if is_object => self.rest = tail,
                    [b']', tail @ ..] if !is_object => self.rest = tail,
                    _ => return Err(Reason::Malformed),
                }
                value = self.close().ok_or(Reason::Malformed)?;
            }
        }
    }

    /// Opens the container that begins here, if one does and it is to be opened.
    fn opened(&mut self, touch: Option<&'t Touch>) -> Result<Opened<'a, 't>, Reason> {
        let Some(touch) = touch else { return Ok(Opened::No) };
        let start = self.rest;
        let (content, tail) = match start {
            [b'{', tail @ ..] if touch.object => (Content::Members(self.spare.members.pop().unwrap_or_default()), tail),
            [b'[', tail @ ..] if touch.each.is_some() => match touch.stream.filter(|_| A::STREAMS) {
                Some(stream) => (Content::Streamed(Box::new(Streamed::new(stream, start.len()))), tail),
                None => (Content::Items(self.spare.items.pop().unwrap_or_default()), tail),
            },
            _ => return Ok(Opened::No),
        };
        if self.frames.len() == DEPTH_MAX {
            return Err(Reason::Depth);
        }
        let is_object = matches!(content, Content::Members(_));
        self.frames.push(Frame { start, touch, content, key: Key::default(), changed: false });
        match (lexer::past_space(tail), is_object) {
            ([b'}', tail @ ..], true) | ([b']', tail @ ..], false) => self.rest = tail,
            (_, true) => {
                if let Some(inner) = self.members(touch)? {
                    return Ok(Opened::Inside(Some(inner)));
                }
            }
            (first, false) => {
                self.rest = first;
                return Ok(Opened::Inside(touch.each.as_deref()));
            }
        }
        self.close().map(Opened::Whole).ok_or(Reason::Malformed)
    }

    /// Hands a value to the innermost container; says whether that is an object, and what is opened in it.
    ///
    /// None where no container is open: the value is the body.
    fn keep(&mut self, mut value: Node<'a>) -> Option<(bool, &'t Touch)> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(value);
            return None;
        };
        match &mut frame.content {
            Content::Members(members) => {
                members.push(Member { key: frame.key, value });
                return Some((true, frame.touch));
            }
            Content::Items(items) => items.push(value),
            Content::Streamed(array) => {
                let outcome = self.adapt.element(array.stream, array.seen, &mut value);
                array.write(value, outcome, &mut self.spare);
            }
        }
        Some((false, frame.touch))
    }

    /// The innermost container, behind its last bracket.
    fn close(&mut self) -> Option<Node<'a>> {
        let frame = self.frames.pop()?;
        let text = read_of(frame.start, self.rest);
        let kept = Some(text).filter(|_| !frame.changed);
        let value = match frame.content {
            Content::Members(members) => Node::Object(Object { text: kept, members }),
            Content::Items(items) => Node::Array(Array { text: kept, items }),
            Content::Streamed(array) => array.close().map_or(Node::Text(text), Node::Made),
        };
        if let Some(outer) = self.frames.last_mut() {
            outer.changed |= frame.changed || matches!(value, Node::Made(_));
        }
        Some(value)
    }

    /// Reads members of the innermost container, from the bracket or comma before the first one: up to the value
    /// of one that is opened, with what is to be done with it, or behind the closing bracket.
    fn members(&mut self, touch: &'t Touch) -> Result<Option<&'t Touch>, Reason> {
        let depth = self.frames.len();
        let Some(Frame { content: Content::Members(members), key: pending, .. }) = self.frames.last_mut() else {
            return Err(Reason::Malformed);
        };
        let mut rest = self.rest;
        loop {
            let value = self.keys.read(rest, touch).ok_or(Reason::Malformed)?;
            let key = self.keys.key;
            if self.keys.inner.is_some() {
                *pending = key;
                self.rest = value;
                return Ok(self.keys.inner);
            }
            rest = match value {
                [b'"', tail @ ..] => lexer::string(tail).ok_or(Reason::Malformed)?,
                _ => lexer::value(value, depth)?,
            };
            members.push(Member { key, value: Node::Text(read_of(value, rest)) });
            rest = lexer::past_space(rest);
            match rest {
                [b',', ..] => {}
                [b'}', tail @ ..] => {
                    self.rest = tail;
                    return Ok(None);
                }
                _ => return Err(Reason::Malformed),
            }
        }
    }
}

/// Names that came before, each with the one that came behind it: elements of an array mostly have the same.
#[derive(Default)]
struct Keys<'a, 't> {
    /// The name that was read.
    key: Key<'a>,
    /// What to do with its value, if that is to be opened.
    inner: Option<&'t Touch>,
    known: Vec<Known<'a, 't>>,
    /// The last one of them that was read.
    last: usize,
    /// The one that came behind it the last time.
    next: usize,
}

/// A name that was read.
#[derive(Clone, Copy)]
struct Known<'a, 't> {
    /// From the bracket or comma before it to the value behind it.
    text: Again<'a>,
    touch: &'t Touch,
    key: Key<'a>,
    inner: Option<&'t Touch>,
    /// Which one came behind it the last time.
    next: usize,
}

/// Names remembered: more than most objects have.
const KEYS_MAX: usize = 32;

impl<'a, 't> Keys<'a, 't> {
    /// Reads a name and its colon behind a bracket or comma; what is left begins with the value.
    #[inline]
    fn read(&mut self, rest: &'a [u8], touch: &'t Touch) -> Option<&'a [u8]> {
        if let Some(known) = self.known.get(self.next)
            && std::ptr::eq(known.touch, touch)
            && let Some(value) = known.text.skip(rest)
        {
            (self.key, self.inner) = (known.key, known.inner);
            (self.last, self.next) = (self.next, known.next);
            return Some(value);
        }
        self.read_anew(rest, touch)
    }

    #[inline(never)]
    fn read_anew(&mut self, rest: &'a [u8], touch: &'t Touch) -> Option<&'a [u8]> {
        let quote = lexer::past_space(rest.get(1..)?);
        let [b'"', tail @ ..] = quote else { return None };
        let behind = lexer::string(tail)?;
        let value = lexer::colon(behind)?;
        self.key = Key::new(read_of(quote, behind));
        self.inner = touch.member(self.key);
        if let Some(text) = Again::new(rest, value) {
            self.note(Known { text, touch, key: self.key, inner: self.inner, next: 0 });
        }
        Some(value)
    }

    /// Remembers a name that was not foreseen, and that it came behind the last one.
    fn note(&mut self, key: Known<'a, 't>) {
        let is_same =
            |known: &Known<'_, '_>| std::ptr::eq(known.touch, key.touch) && known.text.text() == key.text.text();
        let index = self.known.iter().position(is_same).unwrap_or(self.known.len());
        if index == KEYS_MAX {
            return;
        }
        if index == self.known.len() {
            self.known.push(key);
        }
        if let Some(last) = self.known.get_mut(self.last) {
            last.next = index;
        }
        self.last = index;
        self.next = self.known.get(index).map_or(0, |known| known.next);
    }
}

/// The text between two places: `rest` is what is left of `start`.
fn read_of<'a>(start: &'a [u8], rest: &[u8]) -> &'a [u8] {
    start.get(..start.len() - rest.len()).unwrap_or_default()
}

impl Streamed {
    /// - `room`: bytes that the array has at most; most changes add little to them.
    fn new(stream: usize, room: usize) -> Self {
        let out = Vec::with_capacity(room + room / 16);
        Self { stream, seen: 0, out, changed: false, refused: false }
    }

    fn write<'a>(&mut self, mut element: Node<'a>, outcome: Element, spare: &mut Spare<'a>) {
        self.changed |= outcome == Element::Changed;
        self.refused |= outcome == Element::Refused;
        if self.refused {
            self.out = Vec::new();
        } else {
            self.out.push(if self.seen == 0 { b'[' } else { b',' });
            element.write_out(&mut self.out, spare);
        }
        self.seen += 1;
    }

    /// The array's new text; none if no element changed, or one was refused.
    fn close(mut self) -> Option<Vec<u8>> {
        if !self.changed || self.refused {
            return None;
        }
        self.out.push(b']');
        if self.out.capacity() / 2 > self.out.len() {
            self.out.shrink_to_fit();
        }
        Some(self.out)
    }
}

/// What became of the value that begins at the scanner's place.
enum Opened<'a, 't> {
    /// It stays closed.
    No,
    /// It is a container that ends without a value that is opened.
    Whole(Node<'a>),
    /// The scanner stands on a value in it, with which this is to be done.
    Inside(Option<&'t Touch>),
}

#[cfg(test)]
mod tests;
