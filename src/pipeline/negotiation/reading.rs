//! The ways in which lenient backends read a path.
//!
//! Some decode `%2F`, some twice, some take `\` for `/`, some drop parameters; they merge slashes and
//! resolve dot segments in either order, or not at all. Each [`Reading`] is what one of them sees.

use super::path_view::{Oddities, normalise, triplet};

/// A path as a lenient backend may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) path: String,
    /// `;…` was taken off every segment.
    pub(super) without_parameters: bool,
}

/// Bytes of readings one path is worth: four of the longest target, dozens of an ordinary path. Only
/// an attack mixes so many spellings in so long a path, and looking at all of them would cost
/// milliseconds.
const READ_BYTES_MAX: usize = 32 << 10;

/// Every other way of reading `view`, each once; none if there are too many to look at.
pub(super) fn readings(view: &str, odd: Oddities) -> Option<Vec<Reading>> {
    let mut found = Found { view, readings: Vec::new() };
    for reading in structured(view, odd) {
        found.add(reading, false)?;
    }
    // Decoded as often as anyone does.
    let fully = |path: &str| views(&decode_fully(path));
    if odd.nul || odd.double {
        let decoded = normalise(&decode(view, |byte| byte == b'%')).into_owned();
        for text in [view, &decoded] {
            let Some(nul) = text.find("%00") else { continue };
            for decoded in fully(&text[..nul]) {
                found.add(decoded.resolve(Structure::MergeThenDots, false), false)?;
            }
        }
    }
    if odd.parameters {
        let so_far = found.readings.iter().map(|reading| reading.path.clone());
        let so_far: Vec<String> = so_far.chain([view.to_owned()]).collect();
        for decoded in fully(view) {
            found.add(decoded.resolve(Structure::MergeThenDots, true), true)?;
        }
        // Readers that take parameters off before they decode.
        let bare = drop_parameters(view);
        for reading in structured(&bare, Oddities::of(&bare)) {
            found.add(reading, true)?;
        }
        // Readers that do it afterwards, to whom `..;x` was no dot segment, and then tidy up or not.
        for reading in so_far {
            let bare = Decoded { text: drop_parameters(&reading), dot_parameters: false };
            for structure in bare.structures() {
                found.add(bare.resolve(structure, false), true)?;
            }
        }
    }
    Some(found.readings)
}

/// The readings of one path.
struct Found<'v> {
    view: &'v str,
    readings: Vec<Reading>,
}

impl Found<'_> {
    /// None once there are too many.
    fn add(&mut self, path: String, without_parameters: bool) -> Option<()> {
        if path != self.view && !self.readings.iter().any(|known| known.path == path) {
            self.readings.push(Reading { path, without_parameters });
        }
        (self.readings.len() * self.view.len() <= READ_BYTES_MAX).then_some(())
    }
}

/// Each decoding of `path` in each structure that makes a difference.
fn structured(path: &str, odd: Oddities) -> impl Iterator<Item = String> {
    decodings(path, odd).into_iter().flat_map(|decoded| {
        let structures: Vec<_> = decoded.structures().collect();
        structures.into_iter().map(move |structure| decoded.resolve(structure, false))
    })
}

/// Whether dot segments climb above the root in some reading of `view`.
pub(super) fn climbs(view: &str, odd: Oddities) -> bool {
    let bare = odd.parameters.then(|| drop_parameters(view));
    let bare = bare.iter().flat_map(|bare| decodings(bare, Oddities::of(bare)));
    decodings(view, odd).into_iter().chain(bare).any(|decoded| {
        let mut depth = 0usize;
        decoded.text.split('/').any(|segment| match decoded.name(segment) {
            "" | "." => false,
            ".." if depth == 0 => true,
            ".." => {
                depth -= 1;
                false
            }
            _ => {
                depth += 1;
                false
            }
        })
    })
}

/// A path in which a backend sees no more escapes that matter.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    text: String,
    /// `..;x` is a dot segment.
    dot_parameters: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Structure {
    MergeThenDots,
    DotsThenMerge,
    Merge,
    Dots,
    Kept,
}

fn decodings(view: &str, odd: Oddities) -> Vec<Decoded> {
    let mut found: Vec<Decoded> = Vec::new();
    let mut add = |text: &str| {
        for decoded in views(text) {
            if !found.contains(&decoded) {
                found.push(decoded);
            }
        }
    };
    if odd.is_structural() {
        add(view);
    }
    if odd.dot {
        add(&decode(view, |byte| byte == b'.'));
    }
    if odd.slash || odd.backslash {
        add(&decode_once(view));
    }
    if odd.double {
        add(&decode_fully(view));
    }
    found
}

/// What is decoded as it is seen by those to whom `\` is a separator and those to whom it is not, `..;x` a dot segment
/// or not: each for itself.
fn views(text: &str) -> impl Iterator<Item = Decoded> + use<> {
    let separated = text.contains('\\').then(|| text.replace('\\', "/"));
    let texts = separated.into_iter().chain([text.to_owned()]);
    let dots = if text.contains(';') { &[true, false][..] } else { &[false] };
    texts.flat_map(|text| dots.iter().map(move |&dot_parameters| Decoded { text: text.clone(), dot_parameters }))
}

fn decode_once(view: &str) -> String {
    decode(view, |byte| matches!(byte, b'.' | b'/' | b'\\'))
}

/// Twice: what a backend behind another decoder sees.
fn decode_fully(view: &str) -> String {
    let once = decode(view, |byte| byte == b'%');
    decode_once(&normalise(&once))
}

impl Decoded {
    /// The structures that make a difference.
    fn structures(&self) -> impl Iterator<Item = Structure> + use<> {
        let doubled = self.text.contains("//");
        let dots = self.text.split('/').any(|segment| matches!(self.name(segment), "." | ".."));
        let all = [
            (Structure::MergeThenDots, doubled && dots),
            (Structure::DotsThenMerge, doubled && dots),
            (Structure::Merge, doubled),
            (Structure::Dots, dots),
            (Structure::Kept, true),
        ];
        all.into_iter().filter_map(|(structure, applies)| applies.then_some(structure))
    }

    /// The segment as it is compared with `.` and `..`.
    fn name<'s>(&self, segment: &'s str) -> &'s str {
        if self.dot_parameters { without_parameters(segment) } else { segment }
    }

    fn resolve(&self, structure: Structure, drop_parameters: bool) -> String {
        use Structure::*;
        let merge_first = matches!(structure, MergeThenDots | Merge);
        let dots = matches!(structure, MergeThenDots | DotsThenMerge | Dots);
        let mut kept: Vec<&str> = Vec::new();
        let mut segments = self.text.strip_prefix('/').unwrap_or(&self.text).split('/').peekable();
        while let Some(mut segment) = segments.next() {
            let last = segments.peek().is_none();
            if drop_parameters {
                segment = without_parameters(segment);
            }
            match self.name(segment) {
                "" if segment.is_empty() && merge_first && !last => {}
                name @ ("." | "..") if dots => {
                    if name == ".." {
                        kept.pop();
                    }
                    if last {
                        kept.push("");
                    }
                }
                _ => kept.push(segment),
            }
        }
        if structure == DotsThenMerge {
            let last = kept.pop();
            kept.retain(|segment| !segment.is_empty());
            kept.extend(last);
        }
        let mut text = String::with_capacity(self.text.len());
        for segment in kept {
            text.push('/');
            text.push_str(segment);
        }
        if text.is_empty() { "/".to_owned() } else { text }
    }
}

fn without_parameters(segment: &str) -> &str {
    memchr::memchr(b';', segment.as_bytes()).map_or(segment, |semicolon| &segment[..semicolon])
}

/// `;…` taken off every segment, and nothing else done.
fn drop_parameters(path: &str) -> String {
    path.split_inclusive('/').fold(String::with_capacity(path.len()), |mut text, segment| {
        let name = without_parameters(segment);
        text.push_str(name);
        if name.len() < segment.len() && segment.ends_with('/') {
            text.push('/');
        }
        text
    })
}

/// Decodes the escapes of the bytes that `wanted` accepts; all of them are ASCII.
fn decode(path: &str, wanted: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match triplet(rest.as_bytes()) {
            Some(byte) if wanted(byte) => {
                text.push(char::from(byte));
                3
            }
            _ => {
                text.push('%');
                1
            }
        };
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_readings_are_those_of_lenient_backends() {
        for (path, read) in [
            ("/v2/../v1/x", "/v1/x"),
            ("/v2/%2e%2e/v1/x", "/v1/x"),
            ("/v2/..%2fv1/x", "/v1/x"),
            ("/v2/..%5cv1/x", "/v1/x"),
            ("/v2/%252e%252e%252fv1/x", "/v1/x"),
            ("/v0%2%46x", "/v0/x"),
            ("/v0%%32%66x", "/v0/x"),
            ("/v2/..%25%32fv1/x", "/v1/x"),
            ("/v2/..%252%66v1/x", "/v1/x"),
            ("/v2%255cx/%252e%252e%252fv1/x", "/v1/x"),
            ("/v2%255cx/%252e%252e%252fv1/x", "/v2/v1/x"),
            ("/v2%5cx/..%2fv1%00", "/v1"),
            ("/v2/..;a=b/v1/x", "/v1/x"),
            ("/v2/.;/x", "/v2/x"),
            ("//./%5c/v1/..;/", "/v1/..;/"),
            ("//./%5c/v1/..;/", "/"),
            ("/a%5cb/..;/v1", "/v1"),
            ("//v1/x", "/v1/x"),
            ("/a//../v1/x", "/a/v1/x"),
            ("/a//../v1/x", "/v1/x"),
            ("/%25761/x", "/v1/x"),
            ("/v1;a/x;b", "/v1/x"),
            ("/v1;a/x/..;b/../y", "/v1/x/y"),
            ("/v1;a/x/..;b/../y", "/y"),
            ("/v1;a/../y", "/v1/../y"),
            ("/v1;a%2F..%2Fb/y", "/v1/y"),
            ("/a/../;b/v1%2F..;c", "/v1/.."),
            ("/v1%00.png", "/v1"),
            ("/v1%2500.png", "/v1"),
            ("/v1;a%00/../b", "/v1"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
        ] {
            let readings = readings(&normalise(path), Oddities::of(path)).expect("a short path");
            assert!(readings.iter().any(|reading| reading.path == read), "{path}: {readings:?}");
        }
    }

    #[test]
    fn a_long_path_that_mixes_every_spelling_is_not_looked_at() {
        let mixed = "/a%2E;%252F%5C//./b".repeat(430);
        assert_eq!(readings(&mixed, Oddities::of(&mixed)), None);
        let plain = format!("/proxy/https%3A%2F%2Fexample.com{}", "%2Fpath".repeat(1100));
        assert_eq!(readings(&plain, Oddities::of(&plain)).map(|readings| readings.len()), Some(2));
        let short = "/a%2E;%252F%5C//./b";
        assert!(readings(short, Oddities::of(short)).is_some_and(|readings| readings.len() > 10));
    }

    #[test]
    fn dot_segments_may_climb_above_the_root() {
        for (path, climbs) in [
            ("/../x", true),
            ("/a/../../x", true),
            ("/a/../x", false),
            ("/a//../../x", true),
            ("/a;%2Fb/..%2F..", true),
        ] {
            assert_eq!(super::climbs(path, Oddities::of(path)), climbs, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_reading_reads_itself_the_same_way(path in "/(/|%2e|%2F|%5c|a|b|\\.|\\.\\.|;x){0,12}") {
            let full = |text: &str| {
                let text = decode_once(&normalise(text)).replace('\\', "/");
                let decoded = Decoded { text, dot_parameters: true };
                decoded.resolve(Structure::MergeThenDots, true)
            };
            let once = full(&path);
            prop_assert_eq!(full(&once), once);
        }
    }
}
