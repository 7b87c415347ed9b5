//! The fields the gateway adds to an answer, put into a map or written as lines.
//!
//! A map hashes and stores each name, only for it to be found again when the head is written. An HTTP/1
//! answer takes the gateway's own fields as the lines they become, an HTTP/2 answer as what its encoding
//! makes of them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Present, VaryNames, merge_vary};

/// Takes the fields the gateway adds to a head.
pub trait Fields {
    /// Takes the place of what was said under this name.
    fn set(&mut self, name: &HeaderName, value: &HeaderValue);

    /// Joins what was said under this name.
    fn add(&mut self, name: &HeaderName, value: &HeaderValue);

    /// As [`merge_vary`].
    fn vary(&mut self, names: &VaryNames);

    /// Sets and adds all fields of `block`, in its order.
    fn say(&mut self, block: &Block) {
        if let Some((name, value)) = &block.added {
            self.add(name, value);
        }
        for (name, value) in &block.set {
            self.set(name, value);
        }
    }

    /// As [`Fields::add`], with a value put together from `parts`; nothing where that is no value.
    fn add_joined(&mut self, name: &HeaderName, parts: &[&[u8]]) {
        if let Some(value) = joined(parts) {
            self.add(name, &value);
        }
    }
}

fn joined(parts: &[&[u8]]) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from(parts.concat())).ok()
}

/// Fields that are always said together, and the lines of HTTP/1 they make: written once, copied at once.
#[derive(Clone, Debug, Default)]
pub struct Block {
    added: Option<(HeaderName, HeaderValue)>,
    set: Vec<(HeaderName, HeaderValue)>,
    lines: Vec<u8>,
}

impl Block {
    /// - `added`: joins what was said under its name; stands first.
    /// - `set`: take the place of what was said under their names; none may come twice.
    pub fn new(added: Option<(HeaderName, HeaderValue)>, set: Vec<(HeaderName, HeaderValue)>) -> Self {
        let mut lines = Vec::new();
        for (name, value) in added.iter().chain(&set) {
            line(&mut lines, name, value);
        }
        Self { added, set, lines }
    }

    /// Whether nothing is to be said.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl Fields for HeaderMap {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.insert(name, value.clone());
    }

    fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.append(name, value.clone());
    }

    fn vary(&mut self, names: &VaryNames) {
        merge_vary(self, names);
    }
}

/// Whole lines that stand behind the fields of `map`.
#[derive(Debug)]
pub struct Lines<'m> {
    map: &'m mut HeaderMap,
    present: Present,
    /// None for lines of HTTP/1.
    write: Option<Write>,
    text: Vec<u8>,
}

/// Appends a field as another protocol writes it.
pub type Write = fn(&mut Vec<u8>, &HeaderName, &HeaderValue);

/// Appends a field as a line of HTTP/1.
pub fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Room for what is said about an ordinary version; a deprecated one has more to say.
const TEXT_BYTES: usize = 512;

impl<'m> Lines<'m> {
    /// - `map`: the other fields of the head.
    /// - `write`: how the client's protocol writes a field; none for HTTP/1.
    pub fn beside(map: &'m mut HeaderMap, write: Option<Write>) -> Self {
        Self { present: Present::of(map), map, write, text: Vec::with_capacity(TEXT_BYTES) }
    }

    /// The lines, each with its end.
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}

impl Fields for Lines<'_> {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        if self.present.may_have(name) {
            self.map.remove(name);
        }
        self.add(name, value);
    }

    fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.write.unwrap_or(line)(&mut self.text, name, value);
    }

    fn vary(&mut self, names: &VaryNames) {
        if self.present.has(Present::VARY) {
            merge_vary(self.map, names);
        } else if let Some(joined) = &names.joined {
            self.add(&http::header::VARY, joined);
        }
    }

    fn say(&mut self, block: &Block) {
        for (name, _) in &block.set {
            if self.present.may_have(name) {
                self.map.remove(name);
            }
        }
        match self.write {
            None => self.text.extend_from_slice(&block.lines),
            Some(write) => {
                block.added.iter().chain(&block.set).for_each(|(name, value)| write(&mut self.text, name, value));
            }
        }
    }

    fn add_joined(&mut self, name: &HeaderName, parts: &[&[u8]]) {
        // What could end the line, or be anything but text, is left to the type that knows what a value is.
        let is_plain = parts.iter().all(|part| part.iter().fold(true, |plain, b| plain & matches!(b, b' '..=b'~')));
        match self.write {
            None if is_plain => {
                self.text.extend_from_slice(name.as_str().as_bytes());
                self.text.extend_from_slice(b": ");
                parts.iter().for_each(|part| self.text.extend_from_slice(part));
                self.text.extend_from_slice(b"\r\n");
            }
            _ => {
                if let Some(value) = joined(parts) {
                    self.add(name, &value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::headers::{DEPRECATION, SUNSET, X_API_DEPRECATED, X_API_VERSION, X_REQUEST_ID};

    fn say(fields: &mut impl Fields, steps: &[(u8, usize)]) {
        let names = [DEPRECATION, SUNSET, X_API_DEPRECATED, X_REQUEST_ID, http::header::LINK, http::header::AGE];
        let vary = VaryNames::new([X_API_VERSION, http::header::ACCEPT]);
        let block = [(http::header::DATE, 1), (X_API_VERSION, 2)].map(|(name, value)| (name, HeaderValue::from(value)));
        let block = Block::new(Some((http::header::WARNING, HeaderValue::from(3))), block.to_vec());
        for (step, at) in steps {
            match step {
                // Each is set once: lines that were written stay.
                0 => fields.set(&names[*at], &HeaderValue::from(*at)),
                1 => fields.add(&http::header::WARNING, &HeaderValue::from(*at)),
                2 => fields.vary(&vary),
                3 => fields.say(&block),
                _ => fields.add_joined(&http::header::LINK, &[&b"</a"[..], [&b">"[..], b"\r\nx: y", b"\xff>"][*at]]),
            }
        }
    }

    fn sorted(map: &HeaderMap, lines: &[u8]) -> Vec<String> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut all: Vec<String> = map.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        all.extend(String::from_utf8_lossy(lines).split_terminator("\r\n").map(str::to_owned));
        all.sort();
        all
    }

    proptest! {
        /// Law: lines beside a map say what the map alone would say.
        #[test]
        fn lines_and_fields_say_the_same(
            upstream in prop::collection::vec("deprecation|sunset|x-api-version|x-api-deprecated|x-request-id|link|age|warning|vary|date", 0..6),
            set in prop::sample::subsequence(vec![0usize, 1, 2, 3, 4, 5], 0..=6),
            warnings in 0usize..3,
            vary in any::<bool>(),
            block in any::<bool>(),
            write in prop::sample::select(vec![None, Some(line as Write)]),
            link in prop::option::of(0usize..3),
        ) {
            let sent = upstream.iter().enumerate().map(|(at, name)| {
                (HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_str(&format!("x{at}")).expect("a value"))
            });
            let mut alone = HeaderMap::new();
            for (name, value) in sent {
                alone.append(name, value);
            }
            let mut map = alone.clone();
            let mut steps: Vec<(u8, usize)> = set.into_iter().map(|at| (0, at)).collect();
            steps.extend((0..warnings).map(|at| (1, at)));
            steps.extend(vary.then_some((2, 0)));
            steps.extend(block.then_some((3, 0)));
            steps.extend(link.map(|at| (4, at)));
            say(&mut alone, &steps);
            let mut lines = Lines::beside(&mut map, write);
            say(&mut lines, &steps);
            let text = lines.into_text();
            prop_assert_eq!(sorted(&map, &text), sorted(&alone, b""));
        }
    }
}
