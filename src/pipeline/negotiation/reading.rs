//! The ways in which lenient backends read a path.
//!
//! Some decode `%2F`, some twice, some take `\\` for `/`, some drop parameters; they merge slashes and
//! resolve dot segments in either order, or not at all. Each [`Reading`] is one of them.

use std::borrow::Cow;

use super::path_view::{Oddities, normalise, triplet};

impl Oddities {
    /// Every way of reading this path otherwise, the likeliest first.
    pub(super) fn readings(self) -> impl Iterator<Item = Reading> {
        let levels = [
            (Decoded::Nothing, self.is_structural()),
            (Decoded::Dots, self.dot),
            (Decoded::Once, self.separator),
            (Decoded::Twice, self.double),
        ];
        let lenient = if self.parameters || self.separator || self.double { &[false, true][..] } else { &[false][..] };
        let readings = levels.into_iter().filter(|(_, applies)| *applies).flat_map(move |(decoded, _)| {
            lenient.iter().flat_map(move |lenient| {
                STRUCTURES.into_iter().map(move |structure| Reading {
                    decoded,
                    lenient: *lenient,
                    structure,
                    without_parameters: false,
                    cut_at_nul: false,
                })
            })
        });
        let full = Reading {
            decoded: Decoded::Twice,
            lenient: true,
            structure: Structure::MergeThenDots,
            without_parameters: false,
            cut_at_nul: false,
        };
        let without_parameters = self.parameters.then_some(Reading { without_parameters: true, ..full });
        readings.chain(self.nul.then_some(Reading { cut_at_nul: true, ..full })).chain(without_parameters)
    }
}

/// One way of reading a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    decoded: Decoded,
    /// `\` separates segments, `..;x` is a dot segment.
    lenient: bool,
    structure: Structure,
    /// `;…` is taken off every segment.
    pub(super) without_parameters: bool,
    cut_at_nul: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Decoded {
    Nothing,
    Dots,
    Once,
    Twice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Structure {
    MergeThenDots,
    DotsThenMerge,
    Merge,
    Dots,
    Kept,
}

const STRUCTURES: [Structure; 5] =
    [Structure::MergeThenDots, Structure::DotsThenMerge, Structure::Merge, Structure::Dots, Structure::Kept];

impl Reading {
    /// What this reading makes of a view, and whether its dot segments climb above the root.
    pub(super) fn read(self, view: &str) -> (String, bool) {
        let mut path = Cow::Borrowed(view);
        if self.cut_at_nul
            && let Some(nul) = path.find("%00")
        {
            path.to_mut().truncate(nul);
        }
        match self.decoded {
            Decoded::Nothing => {}
            Decoded::Dots => path = decode(&path, |byte| byte == b'.').into(),
            Decoded::Once | Decoded::Twice => {
                if self.decoded == Decoded::Twice {
                    path = normalise(&decode(&path, |byte| byte == b'%')).into_owned().into();
                }
                let lenient = self.lenient;
                path = decode(&path, |byte| matches!(byte, b'.' | b'/') || (lenient && byte == b'\\')).into();
            }
        }
        if self.lenient && path.contains('\\') {
            path = path.replace('\\', "/").into();
        }
        self.resolve(&path)
    }

    fn resolve(self, path: &str) -> (String, bool) {
        use Structure::*;
        let merge_first = matches!(self.structure, MergeThenDots | Merge);
        let dots = matches!(self.structure, MergeThenDots | DotsThenMerge | Dots);
        let mut kept: Vec<&str> = Vec::new();
        let mut climbs = false;
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
        while let Some(mut segment) = segments.next() {
            let last = segments.peek().is_none();
            let bare = segment.split(';').next().unwrap_or_default();
            if self.without_parameters {
                segment = bare;
            }
            let name = if self.lenient { bare } else { segment };
            match name {
                "" if segment.is_empty() && merge_first && !last => {}
                "." | ".." if dots => {
                    climbs |= name == ".." && kept.pop().is_none();
                    if last {
                        kept.push("");
                    }
                }
                _ => kept.push(segment),
            }
        }
        if self.structure == DotsThenMerge {
            let last = kept.pop();
            kept.retain(|segment| !segment.is_empty());
            kept.extend(last);
        }
        let mut text = String::with_capacity(path.len());
        for segment in kept {
            text.push('/');
            text.push_str(segment);
        }
        if text.is_empty() {
            text.push('/');
        }
        (text, climbs)
    }
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
            ("/v2/..;a=b/v1/x", "/v1/x"),
            ("/v2/.;/x", "/v2/x"),
            ("//v1/x", "/v1/x"),
            ("/a//../v1/x", "/a/v1/x"),
            ("/a//../v1/x", "/v1/x"),
            ("/%25761/x", "/v1/x"),
            ("/v1;a/x;b", "/v1/x"),
            ("/v1%00.png", "/v1"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/..", "/"),
        ] {
            let readings: Vec<_> =
                Oddities::of(path).readings().map(|reading| reading.read(&normalise(path)).0).collect();
            assert!(readings.iter().any(|reading| reading == read), "{path}: {readings:?}");
        }
    }

    #[test]
    fn dot_segments_may_climb_above_the_root() {
        for (path, climbs) in [("/../x", true), ("/a/../../x", true), ("/a/../x", false), ("/a//../../x", true)] {
            let any = Oddities::of(path).readings().any(|reading| reading.read(path).1);
            assert_eq!(any, climbs, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_reading_reads_itself_the_same_way(path in "/(/|%2e|%2F|%5c|a|b|\\.|\\.\\.|;x){0,12}") {
            let full = |text: &str| Reading {
                decoded: Decoded::Once, lenient: true, structure: Structure::MergeThenDots,
                without_parameters: true, cut_at_nul: false,
            }.read(&normalise(text)).0;
            let once = full(&path);
            prop_assert_eq!(full(&once), once);
        }
    }
}
