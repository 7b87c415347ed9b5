//! The request that is explained, from the command line.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::super::ExplainArgs;

/// A request as a client would send it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    /// Without `?`.
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// Why the arguments are no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("\"{0}\" is not a URL; write http://HOST/PATH, or a path that begins with a slash")]
    Url(String),
    #[error("\"{0}\" is not a method")]
    Method(String),
    #[error("\"{0}\" is not a header; write 'Name: value'")]
    Header(String),
}

impl Request {
    pub(super) fn read(args: &ExplainArgs) -> Result<Self, RequestError> {
        let (authority, path, query) = split_url(&args.url).ok_or_else(|| RequestError::Url(args.url.clone()))?;
        let method = match (&args.method, &args.data) {
            (Some(text), _) => Method::from_bytes(text.as_bytes()).map_err(|_| RequestError::Method(text.clone()))?,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut headers = HeaderMap::new();
        for line in &args.headers {
            let (name, value) = field(line).ok_or_else(|| RequestError::Header(line.clone()))?;
            headers.append(name, value);
        }
        if let (Some(authority), false) = (authority, headers.contains_key(header::HOST)) {
            let value = HeaderValue::from_str(authority).map_err(|_| RequestError::Url(args.url.clone()))?;
            headers.insert(header::HOST, value);
        }
        let body = args.data.clone().map(Bytes::from);
        // Nobody types a body here that is anything else.
        if body.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Self { method, path: path.to_owned(), query: query.map(str::to_owned), headers, body })
    }

    pub(super) fn host(&self) -> Option<&str> {
        self.headers.get(header::HOST)?.to_str().ok()
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

/// Authority, path and query, byte for byte; the fragment never leaves a client.
fn split_url(url: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
    if url.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return None;
    }
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (authority, target) = match url.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let host = rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host);
            (Some(host).filter(|host| !host.is_empty())?.into(), &rest[end..])
        }
        _ if url.starts_with('/') => (None, url),
        _ => return None,
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    Some((authority, if path.is_empty() { "/" } else { path }, query))
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_bytes() {
        for (url, parts) in [
            ("/v1/%61?b=%20&", (None, "/v1/%61", Some("b=%20&"))),
            ("http://h:80/a//b/../c", (Some("h:80"), "/a//b/../c", None)),
            ("HTTPS://user:pw@h#fragment", (Some("h"), "/", None)),
            ("http://h?x", (Some("h"), "/", Some("x"))),
            ("//a", (None, "//a", None)),
        ] {
            assert_eq!(split_url(url), Some(parts), "{url}");
        }
        for url in ["", "a", "ftp://h/", "http://", "http:///a", "/a b", "h/path", "not a url"] {
            assert_eq!(split_url(url), None, "{url}");
        }
    }

    #[test]
    fn a_header_has_a_name_and_a_value() {
        assert_eq!(field("X-A:  b c "), Some((HeaderName::from_static("x-a"), HeaderValue::from_static("b c"))));
        assert_eq!(field("X-A:"), Some((HeaderName::from_static("x-a"), HeaderValue::from_static(""))));
        for line in ["", "no colon", ": x", "a b: c", "a: \u{1}"] {
            assert_eq!(field(line), None, "{line:?}");
        }
    }
}
