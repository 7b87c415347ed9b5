//! References in an answer to resources that the changes moved: `Location`, `Content-Location` and
//! `Link` (RFC 9110 sections 10.2.2 and 8.7, RFC 8288).

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_LOCATION, Entry, LINK, LOCATION},
};

/// Whether there is something to [rewrite].
pub fn has_references(headers: &HeaderMap) -> bool {
    [LOCATION, CONTENT_LOCATION, LINK].iter().any(|name| headers.contains_key(name))
}

/// Rewrites references to the upstream's paths into the client's.
///
/// Paths without a host and those on the client's own host are looked at. Relative ones stay: where
/// they lead is a matter of the path the client asked for.
///
/// - `host`: as the client named it.
/// - `back`: the client's path for one of the upstream's; none where it stays.
pub fn rewrite(headers: &mut HeaderMap, host: Option<&str>, back: &dyn Fn(&str) -> Option<String>) {
    let moved = |reference: &str| reference_back(reference, host, back);
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

/// One URI reference (RFC 3986 section 4.1), its path rewritten.
fn reference_back(reference: &str, host: Option<&str>, back: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let path_at = match authority(reference) {
        Some((start, end)) => {
            host.filter(|host| host.eq_ignore_ascii_case(&reference[start..end]))?;
            end
        }
        None => 0,
    };
    let (before, rest) = reference.split_at(path_at);
    let (path, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if !path.starts_with('/') {
        return None;
    }
    Some([before, &back(path)?, after].concat())
}

/// Where the authority stands, if there is one.
fn authority(reference: &str) -> Option<(usize, usize)> {
    let schemes = ["//", "http://", "https://"];
    let is = |scheme: &&&str| reference.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let start = schemes.iter().find(is)?.len();
    let length = reference[start..].find(['/', '?', '#']).unwrap_or(reference.len() - start);
    Some((start, start + length))
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

    /// `/v2/models/7/info` is `/models/7` for the client.
    fn back(path: &str) -> Option<String> {
        Some(format!("/models/{}", path.strip_prefix("/v2/models/")?.strip_suffix("/info")?))
    }

    fn rewritten(name: http::HeaderName, value: &str) -> String {
        let value = HeaderValue::from_str(value).expect("a value");
        let mut headers = HeaderMap::from_iter([(name.clone(), value)]);
        assert!(has_references(&headers));
        rewrite(&mut headers, Some("api.test:8080"), &back);
        headers[name].to_str().expect("text").to_owned()
    }

    #[test]
    fn references_on_the_own_host_are_rewritten_and_others_stay() {
        for (reference, expected) in [
            ("/v2/models/7/info", "/models/7"),
            ("/v2/models/7/info?a=/v2/models/8/info#x", "/models/7?a=/v2/models/8/info#x"),
            ("http://api.test:8080/v2/models/7/info", "http://api.test:8080/models/7"),
            ("HTTPS://API.test:8080/v2/models/7/info#x", "HTTPS://API.test:8080/models/7#x"),
            ("//api.test:8080/v2/models/7/info", "//api.test:8080/models/7"),
            ("http://api.test/v2/models/7/info", "http://api.test/v2/models/7/info"),
            ("http://other.test/v2/models/7/info", "http://other.test/v2/models/7/info"),
            ("http://api.test:8080", "http://api.test:8080"),
            ("/v2/other", "/v2/other"),
            ("v2/models/7/info", "v2/models/7/info"),
            ("../models/7/info", "../models/7/info"),
            ("mailto:/v2/models/7/info", "mailto:/v2/models/7/info"),
            ("", ""),
        ] {
            assert_eq!(rewritten(LOCATION, reference), expected, "{reference}");
            assert_eq!(rewritten(CONTENT_LOCATION, reference), expected, "{reference}");
        }
    }

    #[test]
    fn every_target_of_a_link_is_rewritten_and_its_parameters_stay() {
        for (line, expected) in [
            ("</v2/models/7/info>; rel=next", "</models/7>; rel=next"),
            (
                "</v2/models/7/info>; rel=\"next\"; title=\"</v2/models/1/info>, \\\"x\", </v2/models/8/info>",
                "</models/7>; rel=\"next\"; title=\"</v2/models/1/info>, \\\"x\", </models/8>",
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
        rewrite(&mut headers, None, &back);
        assert!(headers.get_all(LINK).iter().all(|line| line == "</models/7>"), "{headers:?}");
        assert!(!has_references(&HeaderMap::new()));
    }
}
