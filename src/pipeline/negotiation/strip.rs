//! Takes the version off path and query; every other byte stays (CONTRACT section 3, rule 8).

use std::borrow::Cow;

/// Removes whole segments from an absolute path; nothing left is `/`.
///
/// - `drop`: called once for each segment, by its index, in order.
pub(super) fn segments(path: &str, mut drop: impl FnMut(usize) -> bool) -> Cow<'_, str> {
    // Usually the first segments go, and the rest is a slice.
    let mut kept_from = 0;
    let mut at = 0;
    let mut owned: Option<String> = None;
    let mut index = 0;
    while at < path.len() {
        let end = memchr::memchr(b'/', &path.as_bytes()[at + 1..]).map_or(path.len(), |slash| at + 1 + slash);
        match (drop(index), &mut owned) {
            (true, None) if kept_from == at => kept_from = end,
            (true, None) => owned = Some(path[kept_from..at].to_owned()),
            (true, Some(_)) | (false, None) => {}
            (false, Some(text)) => text.push_str(&path[at..end]),
        }
        at = end;
        index += 1;
    }
    match owned {
        Some(text) => Cow::Owned(text),
        None if kept_from == path.len() => Cow::Borrowed("/"),
        None => Cow::Borrowed(&path[kept_from..]),
    }
}

/// Removes parameters from a query, with one `&` each; none if none is left.
///
/// - `drop`: called once for each parameter with its raw text.
pub(super) fn parameters(query: &str, mut drop: impl FnMut(&str) -> bool) -> Option<Cow<'_, str>> {
    // None: nothing kept so far. Parameters that stay are a slice while they are neighbours.
    let mut kept: Option<(usize, usize)> = None;
    let mut owned: Option<String> = None;
    let mut at = 0;
    loop {
        let end = memchr::memchr(b'&', &query.as_bytes()[at..]).map_or(query.len(), |amp| at + amp);
        if !drop(&query[at..end]) {
            match (&mut owned, &mut kept) {
                (Some(text), _) => {
                    text.push('&');
                    text.push_str(&query[at..end]);
                }
                (None, None) => kept = Some((at, end)),
                (None, Some((_, last))) if *last + 1 == at => *last = end,
                (None, Some((first, last))) => owned = Some([&query[*first..*last], "&", &query[at..end]].concat()),
            }
        }
        if end == query.len() {
            break;
        }
        at = end + 1;
    }
    match (owned, kept) {
        (Some(text), _) => Some(Cow::Owned(text)),
        (None, Some((first, last))) => Some(Cow::Borrowed(&query[first..last])),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_segment_goes_with_the_slash_before_it() {
        for (path, index, left) in [
            ("/v2/query", 0, "/query"),
            ("/api/v2/query", 1, "/api/query"),
            ("/v2", 0, "/"),
            ("/v2/", 0, "/"),
            ("/api/v2", 1, "/api"),
            ("/api/v2/", 1, "/api/"),
            ("/v2//a/%2f?", 0, "//a/%2f?"),
        ] {
            assert_eq!(segments(path, |at| at == index), left, "{path}");
        }
        assert_eq!(segments("/a/v1/b/v2/c", |at| at == 1 || at == 3), "/a/b/c");
        assert_eq!(segments("/v1/api/c", |at| at < 2), "/c");
    }

    #[test]
    fn a_parameter_goes_with_one_ampersand() {
        for (query, left) in [
            ("v=1", None),
            ("v=1&v=2", None),
            ("v=1&a=b", Some("a=b")),
            ("a=b&v=1", Some("a=b")),
            ("a=b&v=1&c=d", Some("a=b&c=d")),
            ("a&v=1&b&v=2&c", Some("a&b&c")),
            ("a&&v=1&b", Some("a&&b")),
            ("&v=1", Some("")),
            ("v=1&", Some("")),
            ("", Some("")),
            ("&", Some("&")),
            ("a=%zz&b=+", Some("a=%zz&b=+")),
        ] {
            assert_eq!(parameters(query, |text| text.starts_with("v=")).as_deref(), left, "{query}");
        }
    }

    #[test]
    fn what_stays_together_is_not_copied() {
        let borrowed = |query| matches!(parameters(query, |text| text.starts_with("v=")), Some(Cow::Borrowed(_)));
        assert!(borrowed("a&b") && borrowed("v=1&a&b") && borrowed("a&b&v=1") && !borrowed("a&v=1&b"));
        assert!(matches!(segments("/v1/a/b", |at| at == 0), Cow::Borrowed("/a/b")));
    }

    proptest! {
        /// Law: stripping leaves every other segment and parameter byte for byte, in order.
        #[test]
        fn the_rest_stays_byte_for_byte(parts in prop::collection::vec("[a-c%&=+;.]{0,4}|X", 1..8)) {
            let path: String = parts.iter().map(|part| format!("/{part}")).collect();
            let names: Vec<&str> = path[1..].split('/').collect();
            let left: String =
                names.iter().filter(|name| **name != "X").map(|name| format!("/{name}")).collect();
            let expected = if left.is_empty() { "/" } else { &left };
            prop_assert_eq!(segments(&path, |at| names[at] == "X"), expected);

            let query = parts.join("&");
            let kept: Vec<&str> = query.split('&').filter(|part| *part != "X").collect();
            let expected = (!kept.is_empty()).then(|| kept.join("&"));
            prop_assert_eq!(parameters(&query, |text| text == "X").map(Cow::into_owned), expected);
        }
    }
}
