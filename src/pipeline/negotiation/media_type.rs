//! Versions in media types: what an upstream sees in `Accept`, what a client sees in `Content-Type`
//! (CONTRACT section 3, rule 10).

use http::{HeaderMap, HeaderValue, header::ACCEPT};

use super::{
    Negotiator,
    expression::Expression,
    selector::{Place, Resolver},
};
use crate::domain::version::RequestedVersion;

impl Negotiator {
    /// Makes `Accept` name the version the upstream speaks and no other.
    ///
    /// The range that asked for the chosen version, else the one with the highest weight, is rewritten;
    /// other ranges of that kind go. Everything else stays; a field with nothing left is removed.
    ///
    /// - `version`: index of the chosen version.
    /// - `speaks`: name of the version the upstream speaks.
    pub fn rewrite_accept(&self, api: usize, version: usize, speaks: &str, headers: &mut HeaderMap) {
        let resolver = &self.resolvers[api];
        for expression in resolver.accept_expressions() {
            rewrite_accept(resolver, expression, version, speaks, headers);
        }
    }

    /// Makes a vendor media type in a response's `Content-Type` name the version the client asked for.
    ///
    /// - `text`: what the client used ([`super::Chosen::media_type_text`]), else the served version's name.
    pub fn content_type_back(&self, api: usize, text: &str, content_type: &mut HeaderValue) {
        let resolver = &self.resolvers[api];
        let rewritten = resolver.accept_expressions().find_map(|expression| {
            let value = content_type.as_bytes();
            // Most answers are of another type altogether.
            if value.first().is_some_and(u8::is_ascii_alphabetic) && !expression.may_begin(value) {
                return None;
            }
            let range = ranges(value).next()?;
            let found = expression.find(range.name)?;
            Some(replaced(content_type.to_str().ok()?, range.start + found.start, found.len(), text))
        });
        if let Some(Ok(value)) = rewritten.map(HeaderValue::try_from) {
            *content_type = value;
        }
    }
}

impl Resolver {
    fn accept_expressions(&self) -> impl Iterator<Item = &Expression> {
        self.sources.iter().filter_map(|source| match &source.place {
            Place::Accept(expression) => Some(expression),
            Place::Header(_) | Place::Path(_) | Place::Query(_) => None,
        })
    }
}

/// A vendor range: the line and the member it stands at, its weight, and whether it asks for the version.
struct Vendor {
    line: usize,
    member: usize,
    weight: u16,
    asks: bool,
}

fn rewrite_accept(resolver: &Resolver, expression: &Expression, version: usize, speaks: &str, headers: &mut HeaderMap) {
    let mut vendors = Vec::new();
    for (line, value) in headers.get_all(ACCEPT).iter().enumerate() {
        for (member, range) in ranges(value.as_bytes()).enumerate() {
            let Some(found) = expression.find(range.name) else { continue };
            let asked = RequestedVersion::read(&range.name[found]);
            let asks = asked.and_then(|asked| resolver.resolve(&asked, true)) == Some(version);
            vendors.push(Vendor { line, member, weight: range.weight, asks });
        }
    }
    if vendors.is_empty() {
        return;
    }
    // The first of the heaviest; what the client does not accept at all is not offered.
    let wanted = vendors.iter().filter(|vendor| vendor.weight > 0);
    let kept = wanted.rev().max_by_key(|vendor| (vendor.asks, vendor.weight)).map(|kept| (kept.line, kept.member));
    let lines: Vec<HeaderValue> = headers.get_all(ACCEPT).iter().cloned().collect();
    headers.remove(ACCEPT);
    for (line, value) in lines.into_iter().enumerate() {
        if !vendors.iter().any(|vendor| vendor.line == line) {
            headers.append(ACCEPT, value);
            continue;
        }
        let mut members: Vec<Vec<u8>> = Vec::new();
        for (member, range) in ranges(value.as_bytes()).enumerate() {
            match expression.find(range.name) {
                None => members.push(range.text.to_vec()),
                Some(found) if kept == Some((line, member)) => {
                    let at = range.start + found.start - range.text_start;
                    let text = String::from_utf8_lossy(range.text);
                    members.push(replaced(&text, at, found.len(), speaks).into_bytes());
                }
                Some(_) => {}
            }
        }
        if !members.is_empty()
            && let Ok(value) = HeaderValue::from_bytes(&members.join(&b", "[..]))
        {
            headers.append(ACCEPT, value);
        }
    }
}

/// `text` with `length` bytes at `at` replaced by a version; a captured `v` stays.
fn replaced(text: &str, at: usize, length: usize, version: &str) -> String {
    let letter = usize::from(text[at..].starts_with(['v', 'V']));
    [&text[..at + letter], version, &text[at + length..]].concat()
}

/// A media range with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MediaRange<'a> {
    /// `type/subtype`, trimmed; empty if it is not ASCII.
    pub(super) name: &'a str,
    /// Where the name begins in the line.
    start: usize,
    /// The whole member, trimmed.
    text: &'a [u8],
    text_start: usize,
    /// Thousandths; 1000 without a `q`, or with one that cannot be read.
    pub(super) weight: u16,
}

/// The members of a line of `Accept`, commas in quoted strings aside (RFC 9110 section 12.5.1).
pub(super) fn ranges(line: &[u8]) -> impl Iterator<Item = MediaRange<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < line.len() {
            let start = at;
            let end = start + end_of_member(&line[start..]);
            at = end + 1;
            let text = line[start..end].trim_ascii();
            if !text.is_empty() {
                let text_start = start + line[start..end].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                return Some(media_range(text, text_start));
            }
        }
        None
    })
}

fn media_range(text: &[u8], text_start: usize) -> MediaRange<'_> {
    let semicolon = memchr::memchr(b';', text);
    let name = text[..semicolon.unwrap_or(text.len())].trim_ascii_end();
    let weight = semicolon.map_or(1000, |at| weight(&text[at..]));
    let name = std::str::from_utf8(name).ok().filter(|name| name.is_ascii()).unwrap_or_default();
    MediaRange { name, start: text_start, text, text_start, weight }
}

/// Bytes up to the next comma outside of a quoted string.
fn end_of_member(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b',' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The weight among parameters, in thousandths (RFC 9110 section 12.4.2).
fn weight(parameters: &[u8]) -> u16 {
    for parameter in parameters.split(|byte| *byte == b';') {
        let parameter = parameter.trim_ascii();
        if let [b'q' | b'Q', b'=', value @ ..] = parameter {
            return quality(value).unwrap_or(1000);
        }
    }
    1000
}

/// `0`, `0.5`, `1.000`; up to three decimals.
fn quality(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1000;
    let mut unit = 100;
    for digit in decimals {
        thousandths += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * unit;
        unit /= 10;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::lifecycle::Status,
        pipeline::negotiation::fixture::{api, now},
    };

    fn negotiator() -> Negotiator {
        let versions = [("1.0", Status::Stable), ("1.5", Status::Stable), ("2.0", Status::Stable)];
        Negotiator::compile(&[api("qp").usual_sources().versions(&versions).build()], now())
    }

    fn rewritten(lines: &[&'static str], version: usize, speaks: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, HeaderValue::from_static(line));
        }
        negotiator().rewrite_accept(0, version, speaks, &mut headers);
        headers.get_all(ACCEPT).iter().map(|line| line.to_str().expect("ASCII").to_owned()).collect()
    }

    #[test]
    fn the_vendor_range_names_the_version_the_upstream_speaks_and_others_of_its_kind_go() {
        for (lines, left) in [
            (&["application/vnd.chatdb.v1.0+json"][..], &["application/vnd.chatdb.v1.5+json"][..]),
            (
                &["application/vnd.chatdb.v2.0+json;q=0.4, Application/VND.ChatDB.v1.0+json; q=0.9 , text/html;q=0.1"],
                &["Application/VND.ChatDB.v1.5+json; q=0.9, text/html;q=0.1"],
            ),
            (
                &["text/html", "application/vnd.chatdb.v2.0+json", "application/vnd.chatdb.v2+json;q=0.3"],
                &["text/html", "application/vnd.chatdb.v1.5+json"],
            ),
            (&["application/vnd.chatdb.v01+json, */*;q=0.1"], &["application/vnd.chatdb.v1.5+json, */*;q=0.1"]),
            (&["application/vnd.chatdb.v1.0+json;q=0, text/plain"], &["text/plain"]),
            (&["application/vnd.chatdb.v1.0+json;q=0"], &[]),
            (&["application/json,  text/html"], &["application/json,  text/html"]),
            (
                &[r#"a/b;x="1,2", application/vnd.chatdb.v1+json"#],
                &[r#"a/b;x="1,2", application/vnd.chatdb.v1.5+json"#],
            ),
            (&[], &[]),
        ] {
            assert_eq!(rewritten(lines, 0, "1.5"), left, "{lines:?}");
        }
    }

    #[test]
    fn a_content_type_names_the_version_the_client_asked_for() {
        for (sent, text, seen) in [
            ("application/vnd.chatdb.v1.5+json; charset=utf-8", "1", "application/vnd.chatdb.v1+json; charset=utf-8"),
            ("application/vnd.chatdb.v1.5+json", "1.0", "application/vnd.chatdb.v1.0+json"),
            ("application/json", "1.0", "application/json"),
            ("application/vnd.other.v1.5+json", "1.0", "application/vnd.other.v1.5+json"),
        ] {
            let mut value = HeaderValue::from_static(sent);
            negotiator().content_type_back(0, text, &mut value);
            assert_eq!(value, seen, "{sent}");
        }
    }

    #[test]
    fn a_weight_has_three_decimals() {
        for (text, thousandths) in [
            ("a/b", 1000),
            ("a/b;q=0", 0),
            ("a/b;q=0.0", 0),
            ("a/b ; Q=0.25", 250),
            ("a/b;x=1;q=0.001", 1),
            ("a/b;q=1.000", 1000),
            ("a/b;q=1.001", 1000),
            ("a/b;q=", 1000),
            ("a/b;q=0.1234", 1000),
            ("a/b;q=-1", 1000),
        ] {
            assert_eq!(ranges(text.as_bytes()).next().map(|range| range.weight), Some(thousandths), "{text}");
        }
    }
}
