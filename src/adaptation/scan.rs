//! One pass over a body's text: validates all of it (RFC 8259) and opens what a program names.
//!
//! The state is a counter, a bit per open container and one frame per *opened* container, so no
//! input can make the scanner recurse or hold more than a program asks for.

use super::{
    error::Reason,
    pointer::{Name, Segment},
    tree::{Array, Member, Node, Object, is_named},
};

/// Open containers, objects and arrays together, that a body may have.
const DEPTH_MAX: usize = 128;

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

    fn opens(&self, object: bool) -> bool {
        if object { self.object } else { self.each.is_some() }
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
    /// How many containers are open inside of it.
    depth: usize,
    start: usize,
    touch: &'t Touch,
    content: Content<'a>,
    key: &'a [u8],
    /// What to do with the value that comes next.
    next: Option<&'t Touch>,
}

enum Content<'a> {
    Members(Vec<Member<'a>>),
    Items(Vec<Node<'a>>),
}

struct Scanner<'a, 't> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The innermost container is the lowest bit; 1 is an object.
    kinds: u128,
    frames: Vec<Frame<'a, 't>>,
    /// Depth of the innermost opened container; values directly in it are kept. 0: the body itself.
    kept_depth: usize,
    /// Where the unopened container begins that stands directly in an opened one.
    kept_start: usize,
    root: Option<Node<'a>>,
    root_touch: Option<&'t Touch>,
}

impl<'a, 't> Scanner<'a, 't> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
            kinds: 0,
            frames: Vec::new(),
            kept_depth: 0,
            kept_start: 0,
            root: None,
            root_touch: None,
        }
    }

    fn run(mut self, touch: Option<&'t Touch>) -> Result<Node<'a>, Reason> {
        self.root_touch = touch;
        loop {
            self.begin_value()?;
            while self.depth > 0 {
                // A value has ended inside a container.
                match (self.peek(), self.in_object()) {
                    (Some(b','), object) => {
                        self.at += 1;
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => self.close(),
                    _ => return Err(Reason::Malformed),
                }
            }
            if self.depth == 0 {
                let end = self.peek().is_none();
                return self.root.filter(|_| end).ok_or(Reason::Malformed);
            }
        }
    }

    /// Reads values until one has ended: a scalar or an empty container.
    fn begin_value(&mut self) -> Result<(), Reason> {
        loop {
            let byte = self.peek().ok_or(Reason::Malformed)?;
            let start = self.at;
            match byte {
                b'{' => {
                    self.open(true)?;
                    if self.peek() == Some(b'}') {
                        self.close();
                        return Ok(());
                    }
                    self.key()?;
                    continue;
                }
                b'[' => {
                    self.open(false)?;
                    if self.peek() == Some(b']') {
                        self.close();
                        return Ok(());
                    }
                    continue;
                }
                b'"' => self.string()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            if self.depth == self.kept_depth {
                self.keep(Node::Text(&self.text[start..self.at]));
            }
            return Ok(());
        }
    }

    /// The next byte that is no whitespace; stands on it afterwards.
    fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    fn open(&mut self, object: bool) -> Result<(), Reason> {
        if self.depth == DEPTH_MAX {
            return Err(Reason::Depth);
        }
        if self.depth == self.kept_depth {
            let touch = self.frames.last().map_or(self.root_touch, |frame| frame.next);
            match touch.filter(|touch| touch.opens(object)) {
                Some(touch) => {
                    let content = if object { Content::Members(Vec::new()) } else { Content::Items(Vec::new()) };
                    let next = if object { None } else { touch.each.as_deref() };
                    self.kept_depth = self.depth + 1;
                    let depth = self.kept_depth;
                    self.frames.push(Frame { depth, start: self.at, touch, content, key: b"", next });
                }
                None => self.kept_start = self.at,
            }
        }
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(object);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        let opened = if self.depth == self.kept_depth { self.frames.pop() } else { None };
        self.depth -= 1;
        self.kinds >>= 1;
        if let Some(frame) = opened {
            self.kept_depth = self.frames.last().map_or(0, |frame| frame.depth);
            let text = Some(&self.text[frame.start..self.at]);
            self.keep(match frame.content {
                Content::Members(members) => Node::Object(Object { text, members }),
                Content::Items(items) => Node::Array(Array { text, items }),
            });
        } else if self.depth == self.kept_depth {
            self.keep(Node::Text(&self.text[self.kept_start..self.at]));
        }
    }

    /// Hands a value to the opened container it stands in.
    fn keep(&mut self, value: Node<'a>) {
        match self.frames.last_mut() {
            None => self.root = Some(value),
            Some(frame) => match &mut frame.content {
                Content::Members(members) => members.push(Member { key: frame.key, value }),
                Content::Items(items) => items.push(value),
            },
        }
    }

    /// Reads a name and its colon.
    fn key(&mut self) -> Result<(), Reason> {
        if self.peek() != Some(b'"') {
            return Err(Reason::Malformed);
        }
        let start = self.at;
        self.string()?;
        let key = &self.text[start..self.at];
        if self.depth == self.kept_depth
            && let Some(frame) = self.frames.last_mut()
        {
            frame.key = key;
            frame.next = frame.touch.member(key);
        }
        if self.peek() != Some(b':') {
            return Err(Reason::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string; stands on its first quote before and behind its last one afterwards.
    fn string(&mut self) -> Result<(), Reason> {
        self.at += 1;
        loop {
            self.at = plain_until(self.text, self.at);
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => match self.text.get(self.at + 1) {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                    Some(b'u') => {
                        let digits = self.text.get(self.at + 2..self.at + 6).ok_or(Reason::Malformed)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return Err(Reason::Malformed);
                        }
                        self.at += 6;
                    }
                    _ => return Err(Reason::Malformed),
                },
                _ => return Err(Reason::Malformed),
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Reason> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Reason::Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Reason> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.text.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Reason> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(Reason::Malformed) } else { Ok(()) }
    }
}

/// The first quote, backslash or control character at or behind `at`, eight bytes at a time.
fn plain_until(text: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        // The high bit of a byte is set where the byte is zero (or below 0x20); a borrow can set it
        // wrongly only above a byte where it is set rightly, and the lowest one is what counts.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = quote | backslash | control;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while text.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests;
