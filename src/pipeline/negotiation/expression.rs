//! Version expressions, compiled for speed: usual shapes run as byte compares, others behind a
//! literal prefix check.

use std::ops::Range;

use regex_automata::{
    Input,
    meta::{Builder, Config, Regex},
    util::{primitives::NonMaxUsize, syntax},
};

/// A configured expression. Its first group that takes part in a match is the version.
#[derive(Debug)]
pub(super) struct Expression {
    /// Every match begins with this text, where it is not empty.
    prefix: Box<[u8]>,
    fold: bool,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The prefix, then 1 to `numbers_max` numbers joined by dots, then `end`.
    Numbers { numbers_max: usize, end: End },
    /// Anything else.
    Other { regex: Regex, groups: usize },
}

/// What stands after the version.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// `(?:/|$)`.
    Segment,
    /// This text and the end.
    Text(Box<[u8]>),
}

/// The numbers a group may hold, as people write them.
const NUMBERS: [(&str, usize); 10] = [
    (r"[0-9]+(?:\.[0-9]+){0,2}", 3),
    (r"[0-9]+(?:\.[0-9]+)?(?:\.[0-9]+)?", 3),
    (r"[0-9]+(?:\.[0-9]+)?", 2),
    (r"[0-9]+(?:\.[0-9]+)*", usize::MAX),
    (r"[0-9]+", 1),
    (r"\d+(?:\.\d+){0,2}", 3),
    (r"\d+(?:\.\d+)?(?:\.\d+)?", 3),
    (r"\d+(?:\.\d+)?", 2),
    (r"\d+(?:\.\d+)*", usize::MAX),
    (r"\d+", 1),
];

/// The groups of an expression that are looked at.
const GROUPS_MAX: usize = 8;

impl Expression {
    /// An expression for paths: matches anywhere it says, with case.
    pub(super) fn path(pattern: &str) -> Self {
        let anchored = pattern.strip_prefix('^');
        let literal = anchored.map(literal_prefix);
        if let Some((prefix, rest)) = &literal
            && let Some((numbers_max, rest)) = numbers(rest)
            && matches!(rest, "(?:/|$)" | "(/|$)" | "(?:$|/)")
        {
            return Self {
                prefix: prefix.as_bytes().into(),
                fold: false,
                kind: Kind::Numbers { numbers_max, end: End::Segment },
            };
        }
        // An alternative could begin with other text.
        let prefix = literal.filter(|_| !pattern.contains('|') || !has_top_level_alternative(pattern));
        Self {
            prefix: prefix.map(|(prefix, _)| prefix.into_bytes().into()).unwrap_or_default(),
            fold: false,
            kind: other(&[pattern.to_owned()], false),
        }
    }

    /// An expression for media ranges: matches a whole one, without case (RFC 9110 section 8.3.1).
    pub(super) fn media_range(pattern: &str) -> Self {
        let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
        let (prefix, rest) = literal_prefix(pattern);
        if let Some((numbers_max, rest)) = numbers(rest) {
            let (text, rest) = literal_prefix(rest);
            if matches!(rest, "" | "$") {
                let end = End::Text(text.into_bytes().into());
                let kind = Kind::Numbers { numbers_max, end };
                return Self { prefix: prefix.as_bytes().into(), fold: true, kind };
            }
        }
        let prefix = if has_top_level_alternative(pattern) { String::new() } else { prefix };
        // The line feed ends a comment that the expression may hold in `x` mode.
        let whole = [format!("^(?:{pattern})$"), format!("^(?:{pattern}\n)$")];
        Self { prefix: prefix.into_bytes().into(), fold: true, kind: other(&whole, true) }
    }

    /// Whether some text that begins with `bytes` may match; cheaper than to look.
    pub(super) fn may_begin(&self, bytes: &[u8]) -> bool {
        let head = bytes.get(..self.prefix.len());
        head.is_some_and(|head| if self.fold { head.eq_ignore_ascii_case(&self.prefix) } else { *head == *self.prefix })
    }

    /// Where `text` holds the version; none if the expression does not match.
    pub(super) fn find(&self, text: &str) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        if !self.may_begin(bytes) {
            return None;
        }
        match &self.kind {
            Kind::Numbers { numbers_max, end } => {
                let start = self.prefix.len();
                let length = numbers_length(&bytes[start..], *numbers_max)?;
                let after = &bytes[start + length..];
                let fits = match end {
                    End::Segment => matches!(after.first(), None | Some(b'/')),
                    End::Text(text) => after.eq_ignore_ascii_case(text),
                };
                fits.then_some(start..start + length)
            }
            Kind::Other { regex, groups } => {
                let mut slots = [None::<NonMaxUsize>; 2 * (GROUPS_MAX + 1)];
                let used = &mut slots[..2 * (groups + 1)];
                regex.search_slots(&Input::new(text), used)?;
                used.chunks_exact(2).skip(1).find_map(|pair| Some(pair[0]?.get()..pair[1]?.get()))
            }
        }
    }
}

/// Compiles the first of `patterns` that is an expression.
fn other(patterns: &[String], fold: bool) -> Kind {
    let compile = |pattern: &String| {
        let config = Config::new().nfa_size_limit(None);
        let syntax = syntax::Config::new().case_insensitive(fold);
        Builder::new().configure(config).syntax(syntax).build(pattern).ok()
    };
    let regex = patterns.iter().find_map(compile).expect("the configuration compiled this expression before");
    let groups = regex.group_info().group_len(regex_automata::PatternID::ZERO).saturating_sub(1).min(GROUPS_MAX);
    Kind::Other { regex, groups }
}

/// Length of `1`, `1.2`, … at the start of `bytes`; none if there is no number.
///
/// Taking fewer digits or numbers than stand there never helps: what follows is then a digit or a dot.
fn numbers_length(bytes: &[u8], numbers_max: usize) -> Option<usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    if length == 0 {
        return None;
    }
    for _ in 1..numbers_max {
        if bytes.get(length) != Some(&b'.') {
            break;
        }
        match digits(length + 1) {
            0 => break,
            more => length += 1 + more,
        }
    }
    Some(length)
}

/// The text every match of `pattern` starts with, and the rest of the pattern.
fn literal_prefix(pattern: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut rest = pattern;
    loop {
        let mut chars = rest.chars();
        let (character, after) = match (chars.next(), chars.next()) {
            (Some('\\'), Some(escaped)) if ".+-/*?()[]{}|^$".contains(escaped) => (escaped, &rest[2..]),
            (Some(plain), _) if plain.is_ascii_alphanumeric() || "/-_~%!@,;:=\"'<>".contains(plain) => {
                (plain, &rest[1..])
            }
            _ => return (literal, rest),
        };
        // A quantifier speaks of the character before it.
        if after.starts_with(['?', '*', '+', '{']) {
            return (literal, rest);
        }
        literal.push(character);
        rest = after;
    }
}

/// The group of numbers at the start of `pattern`: how many, and the rest of the pattern.
fn numbers(pattern: &str) -> Option<(usize, &str)> {
    let inner = pattern.strip_prefix('(')?;
    NUMBERS.iter().find_map(|(text, max)| Some((*max, inner.strip_prefix(text)?.strip_prefix(')')?)))
}

/// Whether a `|` may stand outside of groups. Says yes when in doubt.
fn has_top_level_alternative(pattern: &str) -> bool {
    let mut depth = 0i32;
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            // A class may hold brackets of its own.
            b'[' if pattern.contains('|') => return true,
            b'|' if depth <= 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex as Reference;

    use super::*;

    fn is_fast(expression: &Expression) -> bool {
        matches!(expression.kind, Kind::Numbers { .. })
    }

    #[test]
    fn the_usual_expressions_run_without_a_regex() {
        for pattern in [r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)", r"^/v([0-9]+)(?:/|$)", r"^/api/v(\d+(?:\.\d+)?)(?:/|$)"]
        {
            assert!(is_fast(&Expression::path(pattern)), "{pattern}");
        }
        assert!(is_fast(&Expression::media_range(r"application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json")));
        assert!(!is_fast(&Expression::path(r"/v([0-9]+)(?:/|$)")));
        assert!(!is_fast(&Expression::path(r"^/v([0-9]+)")));
    }

    #[test]
    fn a_path_expression_finds_the_version() {
        let usual = Expression::path(r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)");
        for (path, found) in [
            ("/v1/x", Some("1")),
            ("/v1.2.3", Some("1.2.3")),
            ("/v1.2.3.4/x", None),
            ("/v1./x", None),
            ("/v/x", None),
            ("/V1/x", None),
            ("/x/v1", None),
            ("/v1x", None),
            ("", None),
        ] {
            assert_eq!(usual.find(path).map(|range| &path[range]), found, "{path}");
        }
        let anywhere = Expression::path(r"/(?:rel-([0-9]+)|v([0-9.]+))/");
        assert_eq!(anywhere.find("/a/v2.1/b"), Some(4..7));
        assert_eq!(anywhere.find("/a/rel-7/b"), Some(7..8));
    }

    #[test]
    fn a_media_range_matches_whole_and_without_case() {
        for pattern in [
            r"application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json",
            r"^application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json$",
            r"application/vnd\.chatdb\.v([0-9.]+)\+json",
            "(?x) application/vnd\\.chatdb\\.v([0-9.]+)\\+json # the version",
        ] {
            let expression = Expression::media_range(pattern);
            for (range, found) in [
                ("application/vnd.chatdb.v2.1+json", Some("2.1")),
                ("Application/VND.ChatDB.V2+JSON", Some("2")),
                ("application/vnd.chatdb.v2+jsonx", None),
                ("xapplication/vnd.chatdb.v2+json", None),
                ("application/json", None),
            ] {
                assert_eq!(expression.find(range).map(|at| &range[at]), found, "{pattern} {range}");
            }
        }
    }

    #[test]
    fn alternatives_and_quantifiers_are_no_literal_prefix() {
        assert_eq!(Expression::path(r"^/va?([0-9]+)").find("/v1"), Some(2..3));
        assert_eq!(Expression::path(r"^/v([0-9]+)/|^/r([0-9]+)/").find("/r1/"), Some(2..3));
        assert_eq!(Expression::media_range(r"a/v([0-9]+)|b/v([0-9]+)").find("b/v1"), Some(3..4));
    }

    proptest! {
        /// Law: every compiled form finds what the expression itself finds.
        #[test]
        fn fast_forms_agree_with_the_expression(
            which in 0usize..7,
            path in r"(/|v|api|[0-9]{1,3}|\.|x|-){0,9}",
        ) {
            let pattern = [
                r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)",
                r"^/v([0-9]+)(?:/|$)",
                r"^/v(\d+(?:\.\d+)*)(/|$)",
                r"^/api/v([0-9]+(?:\.[0-9]+)?)(?:$|/)",
                r"^/x?v([0-9]+)(?:\.|/)",
                r"^/v([0-9]+)|^/x([0-9]+)",
                r"^/v([0-9]+(?:-[a-z0-9.]+)?)(?:/|$)",
            ][which];
            let captures = Reference::new(pattern).expect("an expression").captures(&path);
            let expected = captures.and_then(|found| found.iter().skip(1).find_map(|group| Some(group?.range())));
            prop_assert_eq!(Expression::path(pattern).find(&path), expected);
        }

        #[test]
        fn fast_media_ranges_agree_with_the_expression(range in r"(a/v|A/V|[0-9]{1,2}|\.|\+json|\+JSON|x){0,6}") {
            let pattern = r"a/v([0-9]+(?:\.[0-9]+){0,2})\+json";
            let reference = Reference::new(&format!("(?i)^(?:{pattern})$")).expect("an expression");
            let expected = reference.captures(&range).and_then(|found| Some(found.get(1)?.range()));
            prop_assert_eq!(Expression::media_range(pattern).find(&range), expected);
        }
    }
}
