//! The path as it is decided on, and the ways in which a backend might read it differently
//! (CONTRACT section 3, rule 9).
//!
//! Its own module because this is where requests are smuggled past a gateway: what is routed has to
//! be what is forwarded, whoever reads it. The *view* decodes what every reader decodes (unreserved
//! characters, RFC 3986 section 2.3) and nothing that changes the structure. Dots, separators and
//! parameters are left as sent, and a path that has any in question is also decided in every
//! [`Reading`](super::reading::Reading) a lenient backend may make of it; all of them have to mean the same.

use std::{borrow::Cow, ops::Range};

/// What is unusual about a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    /// The view differs from the path.
    encoded: bool,
    /// A `.` or `..` segment, also with parameters (`..;x`).
    pub(super) dot_segment: bool,
    pub(super) doubled_slash: bool,
    /// `%2E`.
    pub(super) dot: bool,
    /// `%2F`.
    pub(super) slash: bool,
    /// `%5C`.
    pub(super) backslash: bool,
    /// `%25`, or a stray `%`, before what may be hexadecimal digits.
    pub(super) double: bool,
    /// `;`.
    pub(super) parameters: bool,
    /// `%00`.
    pub(super) nul: bool,
}

impl Oddities {
    /// Looks at every byte of `path` once.
    pub(super) fn of(path: &str) -> Self {
        let bytes = path.as_bytes();
        let mut odd = Self::default();
        let mut previous = 0;
        for (at, byte) in bytes.iter().copied().enumerate() {
            match byte {
                b'/' if previous == b'/' => odd.doubled_slash = true,
                b'.' if previous == b'/' => odd.dot_segment |= starts_with_dot_segment(&bytes[at..]),
                b';' => odd.parameters = true,
                b'%' => odd.escape(&bytes[at..]),
                0x21..=0x7e => {}
                _ => odd.encoded = true,
            }
            previous = byte;
        }
        odd
    }

    fn escape(&mut self, bytes: &[u8]) {
        self.encoded = true;
        match triplet(bytes) {
            Some(b'.') => self.dot = true,
            Some(b'/') => self.slash = true,
            Some(b'\\') => self.backslash = true,
            Some(0) => self.nul = true,
            Some(b'%') => self.double |= may_be_digit(bytes.get(3)),
            // It is escaped in the view, like what is escaped twice.
            None => self.double |= may_be_digit(bytes.get(1)),
            _ => {}
        }
    }

    /// Whether the path itself is its view.
    pub(super) fn is_its_own_view(self) -> bool {
        !self.encoded
    }

    /// Whether a backend may read something else.
    pub(super) fn is_ambiguous(self) -> bool {
        self.is_structural() || self.parameters || self.nul
    }

    /// Whether separators or dot segments are in question, not only parameters or a NUL.
    pub(super) fn is_structural(self) -> bool {
        self.dot_segment || self.doubled_slash || self.dot || self.slash || self.backslash || self.double
    }
}

/// Whether a hexadecimal digit stands there, perhaps as an escape.
fn may_be_digit(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b'%')
}

/// The view of a path or a part of one: unreserved characters but the dot decoded, escapes in upper
/// case, everything that is no visible ASCII and every stray `%` escaped.
///
/// Idempotent, and one segment for one segment.
pub(super) fn normalise(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'%') {
        return Cow::Borrowed(path);
    }
    let mut text = String::with_capacity(path.len() + 8);
    for unit in Units(path.as_bytes()) {
        match unit {
            Unit::Plain(byte) | Unit::Decoded(byte) => text.push(char::from(byte)),
            Unit::Kept(byte) | Unit::Escaped(byte) => push_escape(&mut text, byte),
        }
    }
    Cow::Owned(text)
}

/// Where `range` of the view of `path` stands in `path` itself.
pub(super) fn range_in_path(path: &str, range: &Range<usize>) -> Range<usize> {
    let (mut in_path, mut in_view) = (0, 0);
    let mut found = 0..path.len();
    for unit in Units(path.as_bytes()) {
        if in_view == range.start {
            found.start = in_path;
        }
        if in_view == range.end {
            found.end = in_path;
            break;
        }
        in_path += unit.bytes_in_path();
        in_view += unit.bytes_in_view();
    }
    found
}

/// What the bytes of a path become in its view.
enum Unit {
    /// A byte that stays.
    Plain(u8),
    /// An escape that is decoded.
    Decoded(u8),
    /// An escape that stays.
    Kept(u8),
    /// A byte that is escaped.
    Escaped(u8),
}

impl Unit {
    fn bytes_in_path(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Escaped(_) => 1,
            Self::Decoded(_) | Self::Kept(_) => 3,
        }
    }

    fn bytes_in_view(&self) -> usize {
        match self {
            Self::Plain(_) | Self::Decoded(_) => 1,
            Self::Kept(_) | Self::Escaped(_) => 3,
        }
    }
}

struct Units<'p>(&'p [u8]);

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let byte = *self.0.first()?;
        let unit = match (byte, triplet(self.0)) {
            (b'%', Some(b'.')) => Unit::Kept(b'.'),
            (b'%', Some(inner)) if inner.is_ascii_alphanumeric() || b"-_~".contains(&inner) => Unit::Decoded(inner),
            (b'%', Some(inner)) => Unit::Kept(inner),
            // A stray percent sign must not make an escape with what is decoded behind it.
            (b'%', None) => Unit::Escaped(b'%'),
            (0x21..=0x7e, _) => Unit::Plain(byte),
            _ => Unit::Escaped(byte),
        };
        self.0 = &self.0[unit.bytes_in_path()..];
        Some(unit)
    }
}

/// The byte an escape at the start of `bytes` stands for.
pub(super) fn triplet(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    if bytes.first() != Some(&b'%') {
        return None;
    }
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

fn push_escape(text: &mut String, byte: u8) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    text.push('%');
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 15)]);
}

/// `.` or `..`, then the segment's end or its parameters.
fn starts_with_dot_segment(bytes: &[u8]) -> bool {
    let dots = bytes.iter().take_while(|byte| **byte == b'.').count();
    dots <= 2 && matches!(bytes.get(dots), None | Some(b'/' | b';'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_view_decodes_what_is_unreserved_and_keeps_the_rest() {
        for (path, view) in [
            ("/v2/parse", "/v2/parse"),
            ("/%762/p%61rse", "/v2/parse"),
            ("/a%2fb%5c%2e", "/a%2Fb%5C%2E"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/café", "/caf%C3%A9"),
            ("/100%", "/100%25"),
            ("/%%34%31", "/%2541"),
            ("/%7Eme/%20", "/~me/%20"),
            ("/a;b=c/!$&'()*+,=:@", "/a;b=c/!$&'()*+,=:@"),
        ] {
            assert_eq!(normalise(path), view, "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_its_own_view_and_read_in_one_way() {
        for path in ["/", "/v2.1/parse", "/.well-known/x", "/a/...", "/a..b/.c/", "/~x/!$&'()*+,=:@-_"] {
            let odd = Oddities::of(path);
            assert!(odd.is_its_own_view() && !odd.is_ambiguous(), "{path}");
        }
        for path in ["/a//b", "/./a", "/a/..", "/a/.", "/..;x/a", "/a;b"] {
            let odd = Oddities::of(path);
            assert!(odd.is_its_own_view() && odd.is_ambiguous(), "{path}");
        }
        for path in ["/%2e/a", "/a%2Fb", "/a%5cb", "/a%252fb", "/%2541", "/a%00"] {
            let odd = Oddities::of(path);
            assert!(!odd.is_its_own_view() && odd.is_ambiguous(), "{path}");
        }
        let odd = Oddities::of("/%761/caf%C3%A9/100%25");
        assert!(!odd.is_its_own_view() && !odd.is_ambiguous());
    }

    #[test]
    fn a_range_of_the_view_is_found_in_the_path() {
        let path = "/é/%761%2E0/x";
        let view = normalise(path);
        assert_eq!(view, "/%C3%A9/v1%2E0/x");
        let version = view.find("1%2E0").expect("the version");
        let range = range_in_path(path, &(version..version + 5));
        assert_eq!(&path[range], "1%2E0");
        assert_eq!(range_in_path("/v1", &(2..3)), 2..3);
    }

    proptest! {
        #[test]
        fn the_view_is_idempotent_and_keeps_the_segments(path in "(/|%|2|5|e|f|F|a|v|1|\\.|;|é|\u{7f}|[ -~]){0,24}") {
            let view = normalise(&path).into_owned();
            prop_assert_eq!(normalise(&view), view.as_str());
            prop_assert_eq!(view.matches('/').count(), path.matches('/').count());
            prop_assert!(view.is_ascii());
            if Oddities::of(&path).is_its_own_view() {
                prop_assert_eq!(view, path);
            }
        }
    }
}
