//! The `charset` parameter of a media type.

use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_TYPE, Entry},
};

/// Whether `Content-Type` names a charset other than UTF-8.
pub(in super::super) fn names_foreign(headers: &HeaderMap) -> bool {
    foreign(headers).is_some()
}

/// The first charset that `Content-Type` names and is not UTF-8.
pub(super) fn foreign(headers: &HeaderMap) -> Option<&[u8]> {
    let lines = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let mut parameters = lines.filter(|line| line.contains(&b';')).flat_map(parameters);
    parameters.find_map(foreign_charset)
}

/// Takes charsets other than UTF-8 out of `Content-Type`: none is defined for JSON (RFC 8259
/// section 11), and the text is no longer in it.
pub(in super::super) fn remove_foreign(headers: &mut HeaderMap) {
    if !names_foreign(headers) {
        return;
    }
    if let Entry::Occupied(mut lines) = headers.entry(CONTENT_TYPE) {
        for line in lines.iter_mut() {
            if let Some(value) = without_foreign(line.as_bytes()) {
                *line = value;
            }
        }
    }
}

/// The parameters of a media type, as written, without the semicolons between them.
fn parameters(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    let parts = value.split(move |byte| {
        let ends = !quoted && *byte == b';';
        if quoted && !escaped && *byte == b'\\' {
            escaped = true;
            return false;
        }
        if *byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = false;
        ends
    });
    parts.skip(1).map(<[u8]>::trim_ascii)
}

/// What a parameter names, if it is a charset other than UTF-8.
fn foreign_charset(parameter: &[u8]) -> Option<&[u8]> {
    let mut halves = parameter.splitn(2, |byte| *byte == b'=');
    let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    let is_foreign = name.trim_ascii().eq_ignore_ascii_case(b"charset")
        && !value.eq_ignore_ascii_case(b"utf-8")
        && !value.eq_ignore_ascii_case(b"utf8");
    is_foreign.then_some(value)
}

fn without_foreign(value: &[u8]) -> Option<HeaderValue> {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let kept = parameters(value).filter(|parameter| foreign_charset(parameter).is_none());
    let parts: Vec<&[u8]> = std::iter::once(essence).chain(kept).collect();
    HeaderValue::from_bytes(&parts.join(&b"; "[..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (CONTENT_TYPE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_charset_is_named_in_any_case_and_in_quotes() {
        for (value, charset) in [
            ("application/json", None),
            ("application/json; charset=utf-8", None),
            ("application/json; v=1;charset=\"UTF8\"", None),
            ("application/json; charset=latin1", Some("latin1")),
            ("application/json;Charset=\"Shift_JIS\";v=1", Some("Shift_JIS")),
            ("application/json; charset=", Some("")),
            ("application/json; v=\";charset=latin1\"", None),
            ("application/json; charset=utf-8; charset=latin1", Some("latin1")),
        ] {
            assert_eq!(foreign(&typed(&[value])), charset.map(str::as_bytes), "{value}");
        }
        assert_eq!(foreign(&typed(&["text/plain", "application/json; charset=x"])), Some(&b"x"[..]));
        assert_eq!(foreign(&HeaderMap::new()), None);
    }

    #[test]
    fn a_false_charset_goes_and_the_rest_stays() {
        for (value, described) in [
            ("application/json", "application/json"),
            ("application/json; charset=UTF-8", "application/json; charset=UTF-8"),
            ("application/json;charset=\"utf-8\";v=2", "application/json;charset=\"utf-8\";v=2"),
            ("application/json; charset=latin1", "application/json"),
            (
                "application/json; v=\"a;charset=x\\\";\"; Charset=\"utf-16\"; w=1",
                "application/json; v=\"a;charset=x\\\";\"; w=1",
            ),
        ] {
            let mut headers = typed(&[value]);
            remove_foreign(&mut headers);
            assert_eq!(headers, typed(&[described]));
        }
    }

    #[test]
    fn of_several_lines_none_gets_lost() {
        let mut headers = typed(&["text/plain; charset=latin1", "application/json;charset=x"]);
        remove_foreign(&mut headers);
        assert_eq!(headers, typed(&["text/plain", "application/json"]));
    }
}
