//! Entity tags of adapted bodies (RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2).
//!
//! Adapted bytes need a validator of their own: the upstream's tag with `~` and the program's
//! fingerprint before the closing quote. What comes back from a client loses it again.

use http::{
    HeaderMap, HeaderValue, Method,
    header::{ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH},
};

/// `~` and eight hexadecimal digits.
const SUFFIX_BYTES: usize = 9;

/// An entity tag; the text stands between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    text: &'a [u8],
}

/// Gives the response's `ETag` the suffix of the program; a weak tag stays weak.
///
/// A value that is no entity tag is removed: it would name the upstream's bytes.
pub(super) fn suffix_etag(headers: &mut HeaderMap, fingerprint: u32) {
    let Some(value) = headers.get(ETAG) else { return };
    let suffixed = match tags(value.as_bytes()).as_deref() {
        Some([tag]) => HeaderValue::from_bytes(&render(&[*tag], &suffix(fingerprint))).ok(),
        _ => None,
    };
    match suffixed {
        Some(value) => drop(headers.insert(ETAG, value)),
        None => drop(headers.remove(ETAG)),
    }
}

/// Makes the response's `ETag` weak.
pub(super) fn weaken_etag(headers: &mut HeaderMap) {
    let Some(value) = headers.get(ETAG).filter(|value| !value.as_bytes().starts_with(b"W/")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", value.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

/// Turns `If-None-Match` back into the upstream's tags.
///
/// On GET and HEAD a tag without this program's suffix is dropped: it names other bytes, so a 304
/// to it would be wrong. Other methods keep every tag, because there it guards a write. `*` stays.
pub(super) fn restore_if_none_match(method: &Method, headers: &mut HeaderMap, fingerprint: u32) {
    let Some(line) = joined(headers, IF_NONE_MATCH) else { return };
    let reads = method == Method::GET || method == Method::HEAD;
    if line.trim_ascii() == b"*" {
        return;
    }
    let suffix = suffix(fingerprint);
    let kept = match tags(&line) {
        Some(tags) => tags
            .into_iter()
            .filter_map(|tag| match tag.text.strip_suffix(suffix.as_slice()) {
                Some(text) => Some(Tag { text, ..tag }),
                None => (!reads).then_some(tag),
            })
            .collect::<Vec<_>>(),
        None if reads => Vec::new(),
        None => return,
    };
    if kept.is_empty() {
        headers.remove(IF_NONE_MATCH);
        // It counts only where no If-None-Match stands beside it (RFC 9110 section 13.1.3);
        // alone it would bring a 304 for bytes of another shape.
        headers.remove(IF_MODIFIED_SINCE);
    } else if let Ok(value) = HeaderValue::from_bytes(&render(&kept, b"")) {
        headers.insert(IF_NONE_MATCH, value);
    }
}

/// Takes the suffix of any program off the tags of `If-Match`.
///
/// It guards the state of the resource, not its shape, so no tag is ever dropped: that would turn
/// a guarded write into a blind one.
pub(super) fn restore_if_match(headers: &mut HeaderMap) {
    let Some(line) = joined(headers, IF_MATCH) else { return };
    let Some(tags) = tags(&line) else { return };
    let bare: Vec<_> = tags.into_iter().map(|tag| Tag { text: without_any_suffix(tag.text), ..tag }).collect();
    if let Ok(value) = HeaderValue::from_bytes(&render(&bare, b"")) {
        headers.insert(IF_MATCH, value);
    }
}

fn suffix(fingerprint: u32) -> Vec<u8> {
    format!("~{fingerprint:08x}").into_bytes()
}

fn without_any_suffix(text: &[u8]) -> &[u8] {
    match text.split_at_checked(text.len().wrapping_sub(SUFFIX_BYTES)) {
        Some((bare, [b'~', digits @ ..])) if digits.iter().all(u8::is_ascii_hexdigit) => bare,
        _ => text,
    }
}

/// All lines of a list field as one (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: http::HeaderName) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

/// Reads `1#entity-tag`, tolerating empty members; none for anything else, `*` included.
fn tags(line: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut rest = line.trim_ascii();
    loop {
        while let Some(after) = rest.strip_prefix(b",") {
            rest = after.trim_ascii_start();
        }
        if rest.is_empty() {
            break;
        }
        let (weak, opened) = match rest.strip_prefix(b"W/") {
            Some(strong) => (true, strong),
            None => (false, rest),
        };
        let opened = opened.strip_prefix(b"\"")?;
        let end = opened.iter().position(|byte| *byte == b'"')?;
        let text = &opened[..end];
        // etagc: visible ASCII but the quote, and obs-text.
        if text.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return None;
        }
        tags.push(Tag { weak, text });
        rest = opened[end + 1..].trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

fn render(tags: &[Tag<'_>], suffix: &[u8]) -> Vec<u8> {
    let one = |tag: &Tag<'_>| [if tag.weak { b"W/\"" } else { &b"\""[..] }, tag.text, suffix, b"\""].concat();
    tags.iter().map(one).collect::<Vec<_>>().join(&b", "[..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROGRAM: u32 = 0xdead_beef;

    fn field(name: http::HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a field value");
        HeaderMap::from_iter([(name, value)])
    }

    fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
        headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).expect("UTF-8"))
    }

    #[test]
    fn an_adapted_answer_has_a_tag_of_its_own() {
        for (etag, suffixed) in [
            ("\"v1\"", Some("\"v1~deadbeef\"")),
            ("W/\"v1\"", Some("W/\"v1~deadbeef\"")),
            ("\"\"", Some("\"~deadbeef\"")),
            ("\"a,b\"", Some("\"a,b~deadbeef\"")),
            ("\"v1~0badcafe\"", Some("\"v1~0badcafe~deadbeef\"")),
            ("v1", None),
            ("w/\"v1\"", None),
            ("\"v1", None),
            ("\"v1\", \"v2\"", None),
            ("", None),
        ] {
            let mut headers = field(ETAG, etag);
            suffix_etag(&mut headers, PROGRAM);
            assert_eq!(text(&headers, ETAG), suffixed, "{etag}");
        }
    }

    #[test]
    fn a_small_fingerprint_still_has_eight_digits() {
        let mut headers = field(ETAG, "\"v1\"");
        suffix_etag(&mut headers, 0xab);
        assert_eq!(text(&headers, ETAG), Some("\"v1~000000ab\""));
    }

    #[test]
    fn a_read_asks_the_upstream_only_for_tags_of_this_program() {
        for (sent, forwarded) in [
            ("\"v1~deadbeef\", \"v2~00000000\"", Some("\"v1\"")),
            ("W/\"v1~deadbeef\"", Some("W/\"v1\"")),
            ("\"v1\"", None),
            ("\"v1~DEADBEEF\"", None),
            ("\"~deadbeef\"", Some("\"\"")),
            ("*", Some("*")),
            (" , \"a~deadbeef\" ,, \"b~deadbeef\" ", Some("\"a\", \"b\"")),
            ("nonsense", None),
            ("\"a~deadbeef\" \"b\"", None),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let mut headers = field(IF_NONE_MATCH, sent);
                restore_if_none_match(&method, &mut headers, PROGRAM);
                assert_eq!(text(&headers, IF_NONE_MATCH), forwarded, "{method} {sent}");
            }
        }
    }

    #[test]
    fn a_guarded_write_keeps_every_tag() {
        for (sent, forwarded) in [
            ("\"v1~deadbeef\", \"v2~00000000\", \"v3\"", "\"v1\", \"v2~00000000\", \"v3\""),
            ("*", "*"),
            ("nonsense", "nonsense"),
        ] {
            let mut headers = field(IF_NONE_MATCH, sent);
            restore_if_none_match(&Method::PUT, &mut headers, PROGRAM);
            assert_eq!(text(&headers, IF_NONE_MATCH), Some(forwarded));
        }
    }

    #[test]
    fn a_date_does_not_step_in_for_dropped_tags() {
        let date = HeaderValue::from_static("Mon, 01 Jun 2026 00:00:00 GMT");
        for (sent, date_stays) in [("\"old\"", false), ("\"v1~deadbeef\"", true)] {
            let mut headers = field(IF_NONE_MATCH, sent);
            headers.insert(IF_MODIFIED_SINCE, date.clone());
            restore_if_none_match(&Method::GET, &mut headers, PROGRAM);
            assert_eq!(headers.contains_key(IF_MODIFIED_SINCE), date_stays, "{sent}");
        }
        let mut alone = field(IF_MODIFIED_SINCE, "Mon, 01 Jun 2026 00:00:00 GMT");
        restore_if_none_match(&Method::GET, &mut alone, PROGRAM);
        assert!(alone.contains_key(IF_MODIFIED_SINCE));
    }

    #[test]
    fn if_match_loses_every_suffix_and_no_tag() {
        for (sent, forwarded) in [
            ("\"v1~deadbeef\", W/\"v2~00000000\", \"v3\"", "\"v1\", W/\"v2\", \"v3\""),
            ("\"v1~deadbee\", \"v1~deadbeefs\", \"deadbeef\"", "\"v1~deadbee\", \"v1~deadbeefs\", \"deadbeef\""),
            ("\"v1~xxxxxxxx\"", "\"v1~xxxxxxxx\""),
            ("\"~deadbeef\"", "\"\""),
            ("*", "*"),
            ("nonsense", "nonsense"),
        ] {
            let mut headers = field(IF_MATCH, sent);
            restore_if_match(&mut headers);
            assert_eq!(text(&headers, IF_MATCH), Some(forwarded), "{sent}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = field(IF_MATCH, "\"v1~deadbeef\"");
        headers.append(IF_MATCH, HeaderValue::from_static("\"v2~deadbeef\""));
        restore_if_match(&mut headers);
        assert_eq!(text(&headers, IF_MATCH), Some("\"v1\", \"v2\""));
        assert_eq!(headers.get_all(IF_MATCH).iter().count(), 1);
    }

    proptest! {
        #[test]
        fn what_was_added_is_taken_off_again(
            list in proptest::collection::vec((any::<bool>(), "[!#-~é]{0,12}"), 1..5),
            program: u32,
        ) {
            let plain: Vec<Tag<'_>> = list.iter().map(|(weak, text)| Tag { weak: *weak, text: text.as_bytes() }).collect();
            let sent = HeaderValue::from_bytes(&render(&plain, &suffix(program))).expect("tags");
            let expected = render(&plain, b"");
            for method in [Method::GET, Method::PUT] {
                let mut headers = HeaderMap::from_iter([(IF_NONE_MATCH, sent.clone())]);
                restore_if_none_match(&method, &mut headers, program);
                prop_assert_eq!(headers[IF_NONE_MATCH].as_bytes(), &expected[..]);
            }
            let mut headers = HeaderMap::from_iter([(IF_MATCH, sent)]);
            restore_if_match(&mut headers);
            prop_assert_eq!(headers[IF_MATCH].as_bytes(), &expected[..]);
        }

        #[test]
        fn no_tag_list_from_the_network_panics(line in proptest::collection::vec(0x20u8..=0xff, 0..40)) {
            prop_assume!(HeaderValue::from_bytes(&line).is_ok());
            let value = HeaderValue::from_bytes(&line).expect("assumed");
            for name in [IF_MATCH, IF_NONE_MATCH, ETAG] {
                let mut headers = HeaderMap::from_iter([(name, value.clone())]);
                suffix_etag(&mut headers, PROGRAM);
                restore_if_match(&mut headers);
                restore_if_none_match(&Method::GET, &mut headers, PROGRAM);
            }
        }
    }
}
