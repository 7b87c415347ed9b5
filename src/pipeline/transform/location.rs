//! References in an answer to resources that the changes moved: `Location`, `Content-Location` and
//! `Link` (RFC 9110 sections 10.2.2 and 8.7, RFC 8288).

use super::reference::{Reference, resolve};
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LOCATION, Entry, LINK, LOCATION},
};

/// Whether there is something to [rewrite].
pub fn has_references(headers: &HeaderMap) -> bool {
    [LOCATION, CONTENT_LOCATION, LINK].iter().any(|name| headers.contains_key(name))
}

/// Where references of an answer start from, and where they lead to.
pub struct Places<'p> {
    /// As the client named it.
    pub host: Option<&'p str>,
    /// The path the client asked for.
    pub path: &'p str,
    /// The path the upstream was asked for, without the base path of its URL.
    pub asked: &'p str,
    /// The base path of the upstream's URL; empty where it has none.
    pub base: &'p str,
    /// The client's path for one of the upstream's without base path, where the changes moved it.
    pub moved: &'p dyn Fn(&str) -> Option<String>,
    /// The client's path for one of the upstream's that they did not move; none where the client has none.
    pub kept: &'p dyn Fn(&str) -> Option<String>,
}

/// Rewrites references to the upstream's paths into the client's.
///
/// Those on the client's own host are looked at. A relative one is resolved as the upstream meant it, and stays as it
/// is where the client, who asked for another path, comes to the same place.
pub fn rewrite(headers: &mut HeaderMap, places: &Places<'_>) {
    let moved = |reference: &str| places.back(reference);
    for (name, edit) in
        [(LOCATION, &moved as &dyn Fn(&str) -> _), (CONTENT_LOCATION, &moved), (LINK, &|line| links(line, &moved))]
    {
        let Entry::Occupied(mut lines) = headers.entry(name) else { continue };
        for line in lines.iter_mut() {
            let edited = std::str::from_utf8(line.as_bytes()).ok().and_then(edit);
            if let Some(edited) = edited.and_then(|text| HeaderValue::try_from(text).ok()) {
                *line = edited;
            }
        }
    }
}

impl Places<'_> {
    /// One reference, its path rewritten; none where it stays.
    fn back(&self, text: &str) -> Option<String> {
        let reference = Reference::parse(text)?;
        if let Some(authority) = reference.authority {
            self.host.filter(|host| host.eq_ignore_ascii_case(authority))?;
        }
        // The very resource, or another query of it: the client's own path says that.
        if reference.path.is_empty() {
            return None;
        }
        let path = if reference.is_relative() { self.relative(&reference)? } else { self.absolute(&reference)? };
        Some([reference.origin, &path, reference.rest].concat())
    }

    fn absolute(&self, reference: &Reference<'_>) -> Option<String> {
        let target = resolve("/", reference.path);
        // Servers that know nothing of their base path leave it out.
        (self.moved)(self.without_base(&target).unwrap_or(&target))
    }

    fn relative(&self, reference: &Reference<'_>) -> Option<String> {
        let asked = [self.base, self.asked].concat();
        let target = resolve(&asked, reference.path);
        let target = self.without_base(&target)?;
        let path = (self.moved)(target).or_else(|| (self.kept)(target))?;
        (resolve(self.path, reference.path) != path).then_some(path)
    }

    /// None outside of what the upstream serves here.
    fn without_base<'t>(&self, target: &'t str) -> Option<&'t str> {
        target.strip_prefix(self.base).filter(|rest| rest.starts_with('/'))
    }
}

/// The targets of a `Link` line, between `<` and `>` and outside of quotes; none where none moves.
fn links(line: &str, moved: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (mut out, mut rest, mut changed) = (String::with_capacity(line.len()), line, false);
    while let Some(at) = rest.find(['<', '"']) {
        let (before, opened) = rest.split_at(at + 1);
        out.push_str(before);
        if before.ends_with('"') {
            let end = quoted_end(opened)?;
            out.push_str(&opened[..end]);
            rest = &opened[end..];
        } else {
            let end = opened.find('>')?;
            let target = moved(&opened[..end]);
            changed |= target.is_some();
            out.push_str(target.as_deref().unwrap_or(&opened[..end]));
            rest = &opened[end..];
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// Behind the quote that closes a quoted string.
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    let close = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/v2/models/7/info` is `/v1/models/7` for the client.
    fn back(path: &str) -> Option<String> {
        Some(format!("/v1/models/{}", path.strip_prefix("/v2/models/")?.strip_suffix("/info")?))
    }

    /// The client, who named version 1 in the path, and the upstream were asked for these paths.
    fn places<'p>(path: &'p str, asked: &'p str, base: &'p str) -> Places<'p> {
        let kept = &|path: &str| Some(format!("/v1{path}"));
        Places { host: Some("api.test:8080"), path, asked, base, moved: &back, kept }
    }

    fn rewritten(name: http::HeaderName, value: &str) -> String {
        let value = HeaderValue::from_str(value).expect("a value");
        let mut headers = HeaderMap::from_iter([(name.clone(), value)]);
        assert!(has_references(&headers));
        rewrite(&mut headers, &places("/v1/models/9", "/v2/models/9/info", ""));
        headers[name].to_str().expect("text").to_owned()
    }

    #[test]
    fn references_on_the_own_host_are_rewritten_and_others_stay() {
        for (reference, expected) in [
            ("/v2/models/7/info", "/v1/models/7"),
            ("/v2/models/7/info?a=/v2/models/8/info#x", "/v1/models/7?a=/v2/models/8/info#x"),
            ("http://api.test:8080/v2/models/7/info", "http://api.test:8080/v1/models/7"),
            ("HTTPS://API.test:8080/v2/models/7/info#x", "HTTPS://API.test:8080/v1/models/7#x"),
            ("//api.test:8080/v2/models/7/info", "//api.test:8080/v1/models/7"),
            ("http://api.test/v2/models/7/info", "http://api.test/v2/models/7/info"),
            ("http://other.test/v2/models/7/info", "http://other.test/v2/models/7/info"),
            ("http://api.test:8080", "http://api.test:8080"),
            ("/v2/other", "/v2/other"),
            ("/v2/x/../models/7/info", "/v1/models/7"),
            ("mailto:/v2/models/7/info", "mailto:/v2/models/7/info"),
            ("", ""),
        ] {
            assert_eq!(rewritten(LOCATION, reference), expected, "{reference}");
            assert_eq!(rewritten(CONTENT_LOCATION, reference), expected, "{reference}");
        }
    }

    #[test]
    fn relative_references_lead_where_the_upstream_meant_them_to() {
        let (item, list) = (("/v1/models/9", "/v2/models/9/info"), ("/v1/models", "/v2/models"));
        for ((path, asked), base, reference, expected) in [
            (item, "", "../7/info", "/v1/models/7"),
            (item, "", "../7/info?a=1#x", "/v1/models/7?a=1#x"),
            (item, "", "info", "/v1/models/9"),
            (item, "", "./info", "/v1/models/9"),
            (list, "", "models/7/info", "/v1/models/7"),
            (item, "/base", "../7/info", "/v1/models/7"),
            (item, "/base", "../../../../base/v2/models/7/info", "/v1/models/7"),
            // What moved to nowhere else has the client's prefix.
            (item, "", "parts/1", "/v1/v2/models/9/parts/1"),
            (item, "", "../../x", "/v1/v2/x"),
            (("/v1/a/b", "/a/b"), "", "../x", "../x"),
            (("/v1/a/b", "/a/b"), "", "c", "c"),
            (("/v1/a/b", "/a/b"), "/base", "c", "c"),
            // Outside of what the upstream serves here.
            (item, "/base", "../../../../other", "../../../../other"),
            // The same resource.
            (item, "", "", ""),
            (item, "", "?page=2", "?page=2"),
            (item, "", "#x", "#x"),
            (item, "/base", "/base/v2/models/7/info", "/v1/models/7"),
            (item, "/base", "/v2/models/7/info", "/v1/models/7"),
            (item, "/base", "/basement/v2/models/7/info", "/basement/v2/models/7/info"),
            (item, "/base", "http://api.test:8080/base/v2/models/7/info", "http://api.test:8080/v1/models/7"),
            (item, "", "mailto:info", "mailto:info"),
        ] {
            let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(reference))]);
            rewrite(&mut headers, &places(path, asked, base));
            assert_eq!(headers[LOCATION], expected, "{reference} from {base}{asked}");
        }
    }

    #[test]
    fn every_target_of_a_link_is_rewritten_and_its_parameters_stay() {
        for (line, expected) in [
            ("</v2/models/7/info>; rel=next", "</v1/models/7>; rel=next"),
            (
                "</v2/models/7/info>; rel=\"next\"; title=\"</v2/models/1/info>, \\\"x\", </v2/models/8/info>",
                "</v1/models/7>; rel=\"next\"; title=\"</v2/models/1/info>, \\\"x\", </v1/models/8>",
            ),
            ("</v2/models/7/info>; title=\"open", "</v2/models/7/info>; title=\"open"),
            ("</v2/models/7/info", "</v2/models/7/info"),
            ("<http://other.test/v2/models/7/info>", "<http://other.test/v2/models/7/info>"),
        ] {
            assert_eq!(rewritten(LINK, line), expected, "{line}");
        }
    }

    #[test]
    fn every_line_is_rewritten() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(LINK, HeaderValue::from_static("</v2/models/7/info>"));
        }
        rewrite(&mut headers, &places("/v1/models", "/v2/models", ""));
        assert!(headers.get_all(LINK).iter().all(|line| line == "</v1/models/7>"), "{headers:?}");
        assert!(!has_references(&HeaderMap::new()));
    }
}
