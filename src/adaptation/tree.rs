//! A body while it is adapted: slices of its text, opened only where a step has to look inside.

use super::{
    pointer::{self, Name},
    scalar, scan,
};

/// Texts from here on are not copied if it can be helped.
const LARGE_BYTES: usize = 16 * 1024;

/// A JSON value.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    /// Valid JSON text without surrounding whitespace: a slice of the body or of the program.
    Text(&'a [u8]),
    /// Valid JSON text that steps made: of a scalar, or of an array that no later step opens.
    Made(Vec<u8>),
    /// An object that was opened.
    Object(Object<'a>),
    /// An array that was opened.
    Array(Array<'a>),
}

/// An object that was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Object<'a> {
    /// The text it was opened from, as long as nothing in it changed.
    pub(super) text: Option<&'a [u8]>,
    /// In document order; names may repeat.
    pub(super) members: Vec<Member<'a>>,
}

/// A member of an opened object.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    /// The name.
    pub(super) key: Key<'a>,
    /// The value.
    pub(super) value: Node<'a>,
}

/// A member's name as it is spelled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Key<'a> {
    /// JSON text, quotes included.
    pub(super) text: &'a [u8],
    mark: u64,
}

/// An array that was opened.
#[derive(Clone, Debug, Default)]
pub(super) struct Array<'a> {
    /// The text it was opened from, as long as nothing in it changed.
    pub(super) text: Option<&'a [u8]>,
    /// In order.
    pub(super) items: Vec<Node<'a>>,
}

/// Empty lists of values that were written, for those to come.
#[derive(Debug, Default)]
pub(super) struct Spare<'a> {
    pub(super) members: Vec<Vec<Member<'a>>>,
    pub(super) items: Vec<Vec<Node<'a>>>,
}

impl<'a> Spare<'a> {
    fn members(&mut self, mut members: Vec<Member<'a>>) {
        members.clear();
        self.members.push(members);
    }

    fn items(&mut self, mut items: Vec<Node<'a>>) {
        items.clear();
        self.items.push(items);
    }
}

/// A name that occurs twice where a step looks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duplicate;

impl<'a> Node<'a> {
    /// The text of a value that was not opened.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// Whether this is `null`.
    pub(super) fn is_null(&self) -> bool {
        self.text() == Some(b"null")
    }

    /// Whether this is an array, opened or not.
    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Array(_)) || self.text().is_some_and(|text| text.first() == Some(&b'['))
    }

    /// Whether a member of the root, or the root itself, is text that was made of most of a body of `bytes`.
    pub(super) fn is_mostly_made(&self, bytes: usize) -> bool {
        let is_large = |node: &Self| matches!(node, Self::Made(text) if text.len() > bytes / 2);
        match self {
            Self::Object(object) => object.members.iter().any(|member| is_large(&member.value)),
            node => is_large(node),
        }
    }

    /// Opens an object; none for other values.
    pub(super) fn object(&mut self) -> Option<&mut Object<'a>> {
        if let Self::Text(text @ [b'{', ..]) = *self {
            *self = scan::open(text)?;
        }
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Opens an array; none for other values.
    pub(super) fn array(&mut self) -> Option<&mut Array<'a>> {
        if let Self::Text(text @ [b'[', ..]) = *self {
            *self = scan::open(text)?;
        }
        if let Self::Array(array) = self { Some(array) } else { None }
    }

    /// Writes the value as [`Node::write`] does and keeps what it was made of for the next one.
    pub(super) fn write_out(&mut self, out: &mut Vec<u8>, spare: &mut Spare<'a>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text),
            Self::Made(text) => write_made(std::mem::take(text), out),
            Self::Object(object) => {
                match object.text {
                    Some(text) => out.extend_from_slice(text),
                    None => {
                        let mut before = b'{';
                        for Member { key, value } in &mut object.members {
                            out.push(before);
                            out.extend_from_slice(key.text);
                            out.push(b':');
                            match value {
                                Self::Text(text) => out.extend_from_slice(text),
                                value => value.write_out(out, spare),
                            }
                            before = b',';
                        }
                        // They own nothing any more: that need not be found out for each.
                        object.members.drain(..).for_each(std::mem::forget);
                        out.extend_from_slice(if before == b'{' { b"{}" } else { b"}" });
                    }
                }
                spare.members(std::mem::take(&mut object.members));
            }
            Self::Array(array) => {
                match array.text {
                    Some(text) => out.extend_from_slice(text),
                    None => {
                        let mut before = b'[';
                        for item in &mut array.items {
                            out.push(before);
                            item.write_out(out, spare);
                            before = b',';
                        }
                        out.extend_from_slice(if before == b'[' { b"[]" } else { b"]" });
                    }
                }
                spare.items(std::mem::take(&mut array.items));
            }
        }
    }

    /// Writes the value as JSON: what did not change as it came, all else without whitespace.
    ///
    /// Recurses over opened values only, and those are as deep as the program's pointers.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text),
            Self::Made(text) => out.extend_from_slice(text),
            Self::Object(Object { text: Some(text), .. }) | Self::Array(Array { text: Some(text), .. }) => {
                out.extend_from_slice(text);
            }
            Self::Object(object) => {
                out.push(b'{');
                for (index, member) in object.members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(member.key.text);
                    out.push(b':');
                    member.value.write(out);
                }
                out.push(b'}');
            }
            Self::Array(array) => {
                out.push(b'[');
                for (index, item) in array.items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }
}

/// Appends text, or makes it the whole where that copies less.
fn write_made(mut text: Vec<u8>, out: &mut Vec<u8>) {
    if text.len() > out.len() && text.len() > LARGE_BYTES {
        text.splice(..0, out.iter().copied());
        *out = text;
    } else {
        out.extend_from_slice(&text);
    }
}

impl<'a> Object<'a> {
    /// Where the member `name` stands; refuses a second one.
    pub(super) fn find(&self, name: &Name) -> Result<Option<usize>, Duplicate> {
        let mut found = None;
        for (index, member) in self.members.iter().enumerate() {
            if member.key.says(name) && found.replace(index).is_some() {
                return Err(Duplicate);
            }
        }
        Ok(found)
    }

    /// Takes the member at `index` out.
    pub(super) fn take(&mut self, index: usize) -> Node<'a> {
        self.text = None;
        self.members.remove(index).value
    }

    /// Adds a member at the end.
    pub(super) fn push(&mut self, name: &'a Name, value: Node<'a>) {
        self.text = None;
        self.members.push(Member { key: name.into(), value });
    }
}

impl<'a> Key<'a> {
    /// - `text`: a JSON string, valid.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, mark: scalar::unquote(text).map_or(0, |name| pointer::mark(&name)) }
    }

    /// Whether it is a spelling of `name`: escapes count as what they mean, and nothing else does.
    #[inline]
    pub(super) fn says(&self, name: &Name) -> bool {
        self.mark == name.mark() && (self.text == name.json() || means(self.text, name))
    }
}

impl<'a> From<&'a Name> for Key<'a> {
    fn from(name: &'a Name) -> Self {
        Self { text: name.json(), mark: name.mark() }
    }
}

#[inline(never)]
fn means(key: &[u8], name: &Name) -> bool {
    memchr::memchr(b'\\', key).is_some() && scalar::unquote(key).is_some_and(|text| *text == *name.as_str().as_bytes())
}
