//! The request that is explained, from the command line.

use std::io::Read as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

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
    /// What the upstream answers, if that is to be explained too.
    pub(super) answer: Option<Answer>,
    /// Bodies that are taken as JSON because nothing was said of them: the request's and the answer's.
    pub(super) assumed: [bool; 2],
}

/// An answer as an upstream would send it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
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
    #[error("cannot read the body from {0}: {1}")]
    Body(String, String),
    #[error("only one body can come from stdin")]
    StdinTwice,
}

impl Request {
    pub(super) fn read(args: &ExplainArgs) -> Result<Self, RequestError> {
        let (authority, path, query) = split_url(&args.url).ok_or_else(|| RequestError::Url(args.url.clone()))?;
        let method = match (&args.method, &args.data) {
            (Some(text), _) => Method::from_bytes(text.as_bytes()).map_err(|_| RequestError::Method(text.clone()))?,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut headers = fields(&args.headers)?;
        if let (Some(authority), false) = (authority, headers.contains_key(header::HOST)) {
            let value = HeaderValue::from_str(authority).map_err(|_| RequestError::Url(args.url.clone()))?;
            headers.insert(header::HOST, value);
        }
        if args.data.as_deref() == Some("-") && args.response.as_deref() == Some("-") {
            return Err(RequestError::StdinTwice);
        }
        let body = args.data.as_deref().map(body).transpose()?;
        let mut assumed = [body.is_some() && assume_json(&mut headers), false];
        let answer = match &args.response {
            None => None,
            Some(text) => {
                let mut headers = fields(&args.response_headers)?;
                assumed[1] = assume_json(&mut headers);
                Some(Answer { status: args.status, headers, body: self::body(text)? })
            }
        };
        Ok(Self { method, path: path.to_owned(), query: query.map(str::to_owned), headers, body, answer, assumed })
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

fn fields(lines: &[String]) -> Result<HeaderMap, RequestError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = field(line).ok_or_else(|| RequestError::Header(line.clone()))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Nobody types a body here that is anything else. Whether nothing was said of it.
fn assume_json(headers: &mut HeaderMap) -> bool {
    let is_missing = !headers.contains_key(header::CONTENT_TYPE);
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    is_missing
}

/// The body itself, the content of the file `@NAME`, or stdin for `-`.
fn body(text: &str) -> Result<Bytes, RequestError> {
    let failed = |error: std::io::Error| RequestError::Body(text.to_owned(), error.to_string());
    if text == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        return Ok(bytes.into());
    }
    match text.strip_prefix('@') {
        Some(name) => std::fs::read(name).map(Bytes::from).map_err(failed),
        None => Ok(Bytes::copy_from_slice(text.as_bytes())),
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
