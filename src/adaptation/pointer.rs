//! Where an op works: JSON pointers (RFC 6901) with two segments of their own, `[]` and `{}`.

use std::fmt;

use super::literal::quote;

/// A member name, with the JSON text it is written as.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    text: Box<str>,
    json: Box<[u8]>,
    mark: u64,
}

impl Name {
    /// Takes the name as it reads, without escapes.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), json: quote(text).into(), mark: mark(text.as_bytes()) }
    }

    /// The name as it reads.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name as minimal JSON, with its quotes.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// What every text that says the name has in common with it, and few others have: see [`mark`].
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }
}

/// The length and three bytes of a name as it reads: what tells most names of an object apart.
pub(super) fn mark(text: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return 0 };
    // Longer ones may have the same length here: this only saves comparisons.
    #[expect(clippy::cast_possible_truncation, reason = "its lowest byte is meant")]
    let length = text.len() as u8;
    u64::from(u32::from_le_bytes([length, *first, text[text.len() / 2], *last]))
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// One segment of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A member of an object. A number is a name too, never an index.
    Name(Name),
    /// `[]`: every element of an array.
    Each,
    /// `{}`: every member's value of an object used as a map.
    Values,
}

impl Segment {
    /// The member's name; none for `[]` and `{}`.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Name(name) => Some(name),
            Self::Each | Self::Values => None,
        }
    }
}

/// The place of one value, or of one in every element of an array or map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Vec<Segment>);

/// Why a text is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// Neither empty nor with a leading slash.
    #[error("a pointer is empty or begins with \"/\"")]
    Relative,
    /// RFC 6901 section 3.
    #[error("\"~\" has to be followed by 0 (for \"~\") or 1 (for \"/\")")]
    Escape,
    /// More segments than a body may have levels.
    #[error("a pointer has at most {SEGMENTS_MAX} segments")]
    TooLong,
}

/// A body is at most this deep, so no longer pointer can reach anything.
const SEGMENTS_MAX: usize = 128;

impl Pointer {
    /// Reads `""`, `/a/b`, `/items/[]/id`, `/by_name/{}`; `~0` is `~` and `~1` is `/`.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let inner = text.strip_prefix('/').ok_or(PointerError::Relative)?;
        let segments: Vec<_> = inner.split('/').map(segment).collect::<Result<_, _>>()?;
        if segments.len() > SEGMENTS_MAX { Err(PointerError::TooLong) } else { Ok(Self(segments)) }
    }

    /// A single member.
    pub fn member(name: &str) -> Self {
        Self(vec![Segment::Name(Name::new(name))])
    }

    /// Members inside each other; none means the whole body.
    pub fn of_names(names: &[Name]) -> Self {
        Self(names.iter().cloned().map(Segment::Name).collect())
    }

    /// Segments inside each other.
    pub fn of_segments(segments: &[Segment]) -> Self {
        Self(segments.to_vec())
    }

    /// The segments; none means the whole body.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// `inner`, seen from this place.
    #[must_use]
    pub fn join(&self, inner: &Self) -> Self {
        Self(self.0.iter().chain(&inner.0).cloned().collect())
    }

    /// The place of `segment` inside of this one.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        Self(self.0.iter().cloned().chain([segment]).collect())
    }

    /// The parent's place and the last segment's name; none if the last segment is no name.
    pub fn split_name(&self) -> Option<(Self, &Name)> {
        match self.0.split_last() {
            Some((Segment::Name(name), parent)) => Some((Self(parent.to_vec()), name)),
            _ => None,
        }
    }

    /// The names, if every segment is one.
    pub fn names(&self) -> Option<Vec<Name>> {
        self.0.iter().map(|segment| segment.name().cloned()).collect()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Name(name) => write!(f, "/{}", escape(name.as_str())),
            Segment::Each => f.write_str("/[]"),
            Segment::Values => f.write_str("/{}"),
        })
    }
}

/// The names and indexes of a plain JSON pointer, without escapes.
pub(super) fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// A plain JSON pointer.
pub(super) fn written(tokens: &[String]) -> String {
    tokens.iter().map(|token| format!("/{}", escape(token))).collect()
}

/// A name as a pointer spells it.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn segment(text: &str) -> Result<Segment, PointerError> {
    match text {
        "[]" => return Ok(Segment::Each),
        "{}" => return Ok(Segment::Values),
        _ => {}
    }
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('~');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (sign, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err(PointerError::Escape),
        };
        name.push(sign);
        name.push_str(rest);
    }
    Ok(Segment::Name(Name::new(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reads_and_prints_its_escapes() {
        for text in ["", "/a", "/a~1b/c~0d", "/items/[]/id", "/m/{}", "/", "/0"] {
            assert_eq!(Pointer::parse(text).map(|pointer| pointer.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(Pointer::parse("/~01").ok(), Some(Pointer::member("~1")));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        assert_eq!(Pointer::parse("a"), Err(PointerError::Relative));
        assert_eq!(Pointer::parse("/a~"), Err(PointerError::Escape));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerError::Escape));
        assert_eq!(Pointer::parse(&"/a".repeat(129)), Err(PointerError::TooLong));
    }
}
