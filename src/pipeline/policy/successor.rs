//! Where a caller of an old version finds the same resource in its successor (RFC 5829 section 3.3).

use std::{borrow::Cow, ops::Range};

use regex::Regex;
use regex_syntax::hir::{Hir, HirKind, Look};

use super::reference;
use crate::domain::{
    api::{Api, SourcePlace},
    version::ApiVersion,
};

/// Where the path of a request holds the version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Index into the API's sources; that source is a path expression.
    pub source: usize,
    /// The bytes of the path that the expression captured, with a `v` if it captured one.
    pub range: Range<usize>,
}

/// How paths of an API are turned into paths of its newest stable version.
///
/// Exists only where the API has a path source: without one a path names no version.
#[derive(Clone, Debug)]
pub struct SuccessorPath {
    /// What stands for the successor in a path that a source reads: `2.1`, or a shorter prefix where
    /// the expression reads no more; a source that reads none is missing.
    names: Vec<(usize, String)>,
    insertion: Option<Insertion>,
}

/// What a path source would take off, where the text before its capture is literal.
#[derive(Clone, Debug)]
struct Insertion {
    /// What stays before the version's segment: empty for `^/v(`, `/api` for `^/api/v(`.
    before: String,
    /// `/v2.1`.
    segment: String,
}

impl SuccessorPath {
    /// Compiles the path sources of `api` for the version at index `successor`.
    pub fn compile(api: &Api, successor: usize) -> Option<Self> {
        let names = names(api, successor);
        let mut compiled: Option<Self> = None;
        for (index, source) in api.versioning.sources.iter().enumerate() {
            let SourcePlace::Path(expression) = &source.place else { continue };
            let rule = compiled.get_or_insert(Self { names: Vec::new(), insertion: None });
            let Some(literal) = literal_before_capture(expression) else {
                // Nothing to try a spelling on: the name as written is the likeliest.
                rule.names.extend(names.first().map(|name| (index, name.clone())));
                continue;
            };
            let spelled =
                |name: &String| ["", "v"].into_iter().find(|letter| reads(expression, &literal, letter, name));
            let Some((name, letter)) = names.iter().find_map(|name| Some((name, spelled(name)?))) else { continue };
            rule.names.push((index, name.clone()));
            if let (None, Some((before, letters))) = (&rule.insertion, split_at_segment(&literal)) {
                rule.insertion =
                    Some(Insertion { before: before.to_owned(), segment: [letters, letter, name].concat() });
            }
        }
        compiled
    }

    /// The path of the same resource in the successor, fit for a header; no query.
    ///
    /// - `path`: the client's path without query.
    /// - `captured`: where the path names a version; none if it names none.
    /// - `moved`: the path the changes lead to, given the one without a version; none where it stays.
    /// - None where it cannot be said: no expression reads a spelling of the successor, or the place
    ///   of the version is not known.
    pub fn path(
        &self,
        path: &str,
        captured: Option<&Captured>,
        moved: &dyn Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let target = match captured {
            Some(captured) => self.replace(path, captured, moved),
            None => self.insert(path, moved),
        }?;
        // `//host/` would be a reference to another host (RFC 3986 section 4.2).
        let is_local = target.starts_with('/') && !target.starts_with("//");
        if !is_local {
            return None;
        }
        match reference::path(&target) {
            Cow::Borrowed(_) => Some(target),
            Cow::Owned(encoded) => Some(encoded),
        }
    }

    fn replace(&self, path: &str, captured: &Captured, moved: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let (_, name) = self.names.iter().find(|(source, _)| *source == captured.source)?;
        // A `v` that was captured stays in front of the new name.
        let letter = usize::from(path.get(captured.range.clone())?.starts_with(['v', 'V']));
        let (head, tail) = (&path[..captured.range.start + letter], &path[captured.range.end..]);
        // The segment that holds the version, with the slash before it, is what is taken off.
        let (before, opening) = split_at_segment(head)?;
        let (closing, after) = tail.split_at(tail.find('/').unwrap_or(tail.len()));
        let segment = [opening, name, closing].concat();
        let bare = match (before, after) {
            ("", "") => Cow::Borrowed("/"),
            ("", after) => Cow::Borrowed(after),
            _ => Cow::Owned([before, after].concat()),
        };
        match moved(&bare) {
            None => Some([before, &segment, after].concat()),
            Some(to) => place(before, &segment, &to),
        }
    }

    fn insert(&self, path: &str, moved: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let Insertion { before, segment } = self.insertion.as_ref()?;
        place(before, segment, moved(path).as_deref().unwrap_or(path))
    }
}

/// Splits before the slash that opens the last segment.
fn split_at_segment(text: &str) -> Option<(&str, &str)> {
    Some(text.split_at(text.rfind('/')?))
}

/// Puts `segment` into `path` after `before`; none where `path` does not lie under `before`.
fn place(before: &str, segment: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix(before)?;
    match rest {
        "" | "/" => Some([before, segment].concat()),
        _ if rest.starts_with('/') => Some([before, segment, rest].concat()),
        _ => None,
    }
}

/// What may be written for the version at index `successor`, the full name first.
///
/// A prefix (`2` for 2.1) means the newest stable version under it, which is this one, unless a
/// version is written just so (CONTRACT section 3, rule 4).
fn names(api: &Api, successor: usize) -> Vec<String> {
    let name = &api.versions[successor].name;
    let mut names = vec![name.as_str().to_owned()];
    if name.is_date() || name.is_pre_release() {
        return names;
    }
    let numbers = name.numbers().map(|number| number.to_string());
    for written in (1..name.written()).rev() {
        let equals = |other: &ApiVersion| {
            let given = name.numbers().into_iter().take(written.into()).chain([0; 3]);
            !other.is_pre_release() && other.written() <= written && other.numbers().into_iter().eq(given.take(3))
        };
        if !api.versions.iter().any(|version| equals(&version.name)) {
            names.push(numbers[..written.into()].join("."));
        }
    }
    names
}

/// Whether `expression` reads `letter` and `name` back from a path that has them after `literal`.
fn reads(expression: &Regex, literal: &str, letter: &str, name: &str) -> bool {
    [format!("{literal}{letter}{name}/x"), format!("{literal}{letter}{name}")].iter().any(|path| {
        let read = expression.captures(path).and_then(|captures| captures.get(1));
        read.and_then(|text| text.as_str().strip_prefix(letter)).is_some_and(|read| read == name)
    })
}

/// The text an expression demands between the start of the path and its first capture group.
///
/// None where it is not fixed (`^/(?:api/)?v(`), or does not begin with a slash.
fn literal_before_capture(expression: &Regex) -> Option<String> {
    let hir = regex_syntax::parse(expression.as_str()).ok()?;
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let mut literal = Vec::new();
    for part in parts {
        match part.kind() {
            HirKind::Look(Look::Start) => {}
            HirKind::Literal(text) => literal.extend_from_slice(&text.0),
            HirKind::Capture(_) => break,
            _ => return None,
        }
    }
    let captures = parts.iter().any(|part: &Hir| matches!(part.kind(), HirKind::Capture(_)));
    String::from_utf8(literal).ok().filter(|text| captures && text.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::policy::fixture::{PATH, api};

    /// The successor's path of `path`, read by `expression`, where the newest of `versions` succeeds.
    fn target(expression: &str, versions: &[&str], path: &str) -> Option<String> {
        moved(expression, versions, path, &|_| None)
    }

    fn moved(expression: &str, versions: &[&str], path: &str, to: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let api = api(Some(expression), versions);
        let rule = SuccessorPath::compile(&api, versions.len() - 1).expect("a path source");
        let found = Regex::new(expression).expect("an expression").captures(path).and_then(|found| found.get(1));
        let captured = found.map(|found| Captured { source: 1, range: found.range() });
        rule.path(path, captured.as_ref(), to)
    }

    #[test]
    fn a_named_version_is_replaced_and_a_missing_one_inserted() {
        for (path, expected) in [
            ("/v1.0/parse", "/v2.1/parse"),
            ("/v1/parse/", "/v2.1/parse/"),
            ("/v1.0", "/v2.1"),
            ("/v1.0/", "/v2.1/"),
            ("/parse", "/v2.1/parse"),
            ("/", "/v2.1"),
            ("/v1.0/a b%20c/<x>", "/v2.1/a%20b%20c/%3Cx%3E"),
        ] {
            assert_eq!(target(PATH, &["1.0", "2.1"], path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn without_a_path_source_there_is_no_path() {
        assert!(SuccessorPath::compile(&api(None, &["1.0", "2.1"]), 1).is_none());
    }

    #[test]
    fn a_version_is_inserted_only_after_literal_text() {
        for (expression, expected) in [
            (r"^/v([0-9.]+)(?:/|$)", Some("/v2.1/api/parse")),
            (r"^/api/v([0-9.]+)(?:/|$)", Some("/api/v2.1/parse")),
            (r"^/a\x70i/([0-9.]+)(?:/|$)", Some("/api/2.1/parse")),
            (r"/(v[0-9.]+)", Some("/v2.1/api/parse")),
            (r"^/(?:api/)?v([0-9.]+)", None),
            (r"(?i)^/v([0-9.]+)", None),
            (r"^/v(?:ersion)?([0-9.]+)", None),
            (r"v([0-9.]+)", None),
            (r"^/other/v([0-9.]+)", None),
            (r"^(?:/v([0-9.]+)|/x)", None),
        ] {
            assert_eq!(target(expression, &["1.0", "2.1"], "/api/parse").as_deref(), expected, "{expression}");
        }
    }

    #[test]
    fn a_captured_letter_stays() {
        let expression = r"^/(v?[0-9.]+)(?:/|$)";
        assert_eq!(target(expression, &["1.0", "2.1"], "/v1.0/x").as_deref(), Some("/v2.1/x"));
        assert_eq!(target(expression, &["1.0", "2.1"], "/1.0/x").as_deref(), Some("/2.1/x"));
        assert_eq!(target(r"^/(v[0-9.]+)(?:/|$)", &["1.0", "2.1"], "/v1.0/x").as_deref(), Some("/v2.1/x"));
    }

    #[test]
    fn each_path_source_spells_the_successor_its_own_way() {
        let mut api = api(Some(r"^/v([0-9]+)(?:/|$)"), &["1.0", "2.1"]);
        let full = SourcePlace::Path(Regex::new(r"^/exact/([0-9.]+)/").expect("an expression"));
        api.versioning.sources.push(crate::domain::api::Source { place: full, strip: true });
        let rule = SuccessorPath::compile(&api, 1).expect("a path source");
        let path = |path: &str, source, range| rule.path(path, Some(&Captured { source, range }), &|_| None);
        assert_eq!(path("/v1/x", 1, 2..3).as_deref(), Some("/v2/x"));
        assert_eq!(path("/exact/1.0/x", 2, 7..10).as_deref(), Some("/exact/2.1/x"));
        // A range that is none of the path's, or a source that is no path, leads nowhere.
        assert_eq!(path("/v1/x", 1, 2..30), None);
        assert_eq!(path("/v1/x", 0, 2..3), None);
    }

    #[test]
    fn an_expression_of_majors_gets_a_major() {
        let majors = r"^/v([0-9]+)(?:/|$)";
        assert_eq!(target(majors, &["1.0", "2.0", "2.1"], "/v1/x").as_deref(), Some("/v2/x"));
        assert_eq!(target(majors, &["1.0", "2.0", "2.1"], "/x").as_deref(), Some("/v2/x"));
        // `2` is the name of another version here: it would lead there.
        assert_eq!(target(majors, &["1.0", "2", "2.1"], "/v1/x"), None);
        assert_eq!(target(majors, &["1.0", "2.1-rc.1"], "/v1/x"), None);
    }

    #[test]
    fn the_changes_move_the_path_between_prefix_and_version() {
        let to = |path: &str| path.strip_prefix("/api/parse").map(|rest| format!("/api/analyze{rest}"));
        let expression = r"^/api/v([0-9.]+)(?:/|$)";
        let versions = ["1.0", "2.1"];
        assert_eq!(moved(expression, &versions, "/api/v1.0/parse/x", &to).as_deref(), Some("/api/v2.1/analyze/x"));
        assert_eq!(moved(expression, &versions, "/api/parse", &to).as_deref(), Some("/api/v2.1/analyze"));
        // Moved out of the prefix the version has no place.
        assert_eq!(moved(expression, &versions, "/api/v1.0/parse", &|_| Some("/x".into())), None);
        assert_eq!(moved(PATH, &versions, "/v1.0/a", &|_| Some("/".into())).as_deref(), Some("/v2.1"));
    }

    #[test]
    fn the_path_given_to_the_changes_holds_no_version() {
        for (path, bare) in [("/v1.0/a/b", "/a/b"), ("/v1.0", "/"), ("/v1.0/", "/"), ("/a", "/a")] {
            let seen = std::cell::RefCell::new(String::new());
            moved(PATH, &["1.0", "2.1"], path, &|path| {
                path.clone_into(&mut seen.borrow_mut());
                None
            });
            assert_eq!(seen.into_inner(), bare, "{path}");
        }
    }

    #[test]
    fn a_date_is_its_own_only_spelling() {
        let dates = r"^/([0-9]{4}-[0-9]{2}-[0-9]{2})(?:/|$)";
        let versions = ["2026-01-01", "2026-06-01"];
        assert_eq!(target(dates, &versions, "/2026-01-01/x").as_deref(), Some("/2026-06-01/x"));
        assert_eq!(target(dates, &versions, "/x").as_deref(), Some("/2026-06-01/x"));
    }

    proptest! {
        #[test]
        fn a_target_is_always_a_path_on_this_host(path in "/[ -~é/]{0,30}", to in proptest::option::of("[ -~é/]{0,20}")) {
            for expression in [PATH, r"/([0-9]+)", r"^/api/v([0-9]+)/"] {
                if let Some(target) = moved(expression, &["1", "2"], &path, &|_| to.clone()) {
                    prop_assert!(target.starts_with('/') && !target.starts_with("//"));
                    let parsed = target.parse::<http::Uri>();
                    prop_assert_eq!(parsed.map(|uri| uri.path() == target && uri.query().is_none()).ok(), Some(true));
                    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b);
                    prop_assert!(target.bytes().all(allowed), "{}", target);
                }
            }
        }
    }
}
