//! URI references (RFC 3986 section 4): taken apart, and their paths resolved (section 5.2).

use std::borrow::Cow;

/// A reference, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'r> {
    /// Scheme and authority with their marks, as written; empty where there are none.
    pub(super) origin: &'r str,
    /// The authority; none where there is none.
    pub(super) authority: Option<&'r str>,
    /// The path.
    pub(super) path: &'r str,
    /// Query and fragment with their marks.
    pub(super) rest: &'r str,
}

impl<'r> Reference<'r> {
    /// Takes a reference apart; none for other schemes than http and https, and for `http:` without an authority.
    pub(super) fn parse(text: &'r str) -> Option<Self> {
        let scheme = match text.find([':', '/', '?', '#']) {
            Some(at) if text[at..].starts_with(':') => at + 1,
            _ => 0,
        };
        let known = ["", "http:", "https:"];
        if !known.iter().any(|known| known.eq_ignore_ascii_case(&text[..scheme])) {
            return None;
        }
        let authority = text[scheme..].strip_prefix("//");
        if scheme > 0 && authority.is_none() {
            return None;
        }
        let authority = authority.map(|rest| &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]);
        let (origin, rest) = text.split_at(scheme + authority.map_or(0, |authority| authority.len() + 2));
        let (path, rest) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        Some(Self { origin, authority, path, rest })
    }

    /// Whether its path depends on where it is found.
    pub(super) fn is_relative(&self) -> bool {
        self.authority.is_none() && !self.path.starts_with('/')
    }
}

/// The path that a reference's `path` means where `base` was asked for (RFC 3986 section 5.2.2).
///
/// - `base`: absolute.
pub(super) fn resolve<'p>(base: &'p str, path: &'p str) -> Cow<'p, str> {
    if path.is_empty() {
        return base.into();
    }
    if path.starts_with('/') {
        return without_dots(path.into());
    }
    // Section 5.2.3.
    let folder = base.rfind('/').map_or("/", |last| &base[..=last]);
    without_dots([folder, path].concat().into())
}

/// Takes `.` and `..` out of an absolute path (section 5.2.4).
fn without_dots(path: Cow<'_, str>) -> Cow<'_, str> {
    if !path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return path;
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(&path);
    let mut ends_open = false;
    for segment in segments.split('/') {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    // What a dot segment leaves behind ends in a slash.
    if ends_open {
        kept.push("");
    }
    format!("/{}", kept.join("/")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `http://a/b/c/d;p?q` as the base, and what each reference leads to: path, query and fragment (section 5.4).
    fn target(reference: &str) -> Option<String> {
        let base = "/b/c/d;p";
        let parsed = Reference::parse(reference)?;
        let rest = match parsed.path {
            // Only the client needs the base's query: what has no path stays as it is.
            "" if parsed.is_relative() && !parsed.rest.starts_with('?') => format!("?q{}", parsed.rest),
            _ => parsed.rest.to_owned(),
        };
        let path = if parsed.authority.is_some() { parsed.path.into() } else { resolve(base, parsed.path) };
        Some(format!("{}{path}{rest}", parsed.origin))
    }

    #[test]
    fn the_normal_examples_of_rfc_3986_section_5_4_1() {
        for (reference, expected) in [
            ("g", "/b/c/g"),
            ("./g", "/b/c/g"),
            ("g/", "/b/c/g/"),
            ("/g", "/g"),
            ("//g", "//g"),
            ("?y", "/b/c/d;p?y"),
            ("g?y", "/b/c/g?y"),
            ("#s", "/b/c/d;p?q#s"),
            ("g#s", "/b/c/g#s"),
            ("g?y#s", "/b/c/g?y#s"),
            (";x", "/b/c/;x"),
            ("g;x", "/b/c/g;x"),
            ("g;x?y#s", "/b/c/g;x?y#s"),
            ("", "/b/c/d;p?q"),
            (".", "/b/c/"),
            ("./", "/b/c/"),
            ("..", "/b/"),
            ("../", "/b/"),
            ("../g", "/b/g"),
            ("../..", "/"),
            ("../../", "/"),
            ("../../g", "/g"),
        ] {
            assert_eq!(target(reference).as_deref(), Some(expected), "{reference}");
        }
        assert_eq!(target("g:h"), None, "another scheme");
    }

    #[test]
    fn the_abnormal_examples_of_rfc_3986_section_5_4_2() {
        for (reference, expected) in [
            ("../../../g", "/g"),
            ("../../../../g", "/g"),
            ("/./g", "/g"),
            ("/../g", "/g"),
            ("g.", "/b/c/g."),
            (".g", "/b/c/.g"),
            ("g..", "/b/c/g.."),
            ("..g", "/b/c/..g"),
            ("./../g", "/b/g"),
            ("./g/.", "/b/c/g/"),
            ("g/./h", "/b/c/g/h"),
            ("g/../h", "/b/c/h"),
            ("g;x=1/./y", "/b/c/g;x=1/y"),
            ("g;x=1/../y", "/b/c/y"),
            ("g?y/./x", "/b/c/g?y/./x"),
            ("g?y/../x", "/b/c/g?y/../x"),
            ("g#s/./x", "/b/c/g#s/./x"),
            ("g#s/../x", "/b/c/g#s/../x"),
        ] {
            assert_eq!(target(reference).as_deref(), Some(expected), "{reference}");
        }
        assert_eq!(target("http:g"), None, "strict: a scheme of its own");
    }

    #[test]
    fn a_reference_is_taken_apart_as_it_is_written() {
        for (text, origin, authority, path, rest) in [
            ("HTTP://h:1/p?q#f", "HTTP://h:1", Some("h:1"), "/p", "?q#f"),
            ("//h?q", "//h", Some("h"), "", "?q"),
            ("/p:q", "", None, "/p:q", ""),
            ("./p:q", "", None, "./p:q", ""),
            ("?a:b", "", None, "", "?a:b"),
        ] {
            let expected = Reference { origin, authority, path, rest };
            assert_eq!(Reference::parse(text), Some(expected), "{text}");
        }
        for text in ["mailto:a@b", "urn:x", "ftp://h/p", "p:q"] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }
}
