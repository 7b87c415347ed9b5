//! An operation of an API: a method and a path template, such as `GET /models/{id}`.

use std::fmt;

/// A method and a path template without the version.
///
/// `{id}` stands for one non-empty segment. A trailing slash in the template changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Upper-case method.
    method: String,
    /// The template's segments, without the slashes.
    segments: Vec<Segment>,
}

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Matches exactly this text.
    Literal(String),
    /// `{name}`: matches one non-empty segment.
    Param(String),
}

/// Why a text is not an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not `METHOD /path`.
    #[error("an endpoint is a method and an absolute path, such as \"POST /parse\"")]
    Form,
    /// `{` and `}` do not enclose one whole segment, or the name is empty.
    #[error("\"{0}\" is not a template segment; write a whole segment as {{name}}")]
    Segment(String),
    /// The same parameter name twice.
    #[error("the parameter {{{0}}} occurs twice")]
    Repeated(String),
}

impl Endpoint {
    /// Reads `METHOD /path/{param}`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let (method, path) = text.trim().split_once(' ').ok_or(EndpointError::Form)?;
        let path = path.trim();
        let named = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if !named || !path.starts_with('/') || path.contains(['?', '#', ' ']) {
            return Err(EndpointError::Form);
        }
        let mut segments = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for part in split(path) {
            let param = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match param {
                Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                    if names.contains(&name) {
                        return Err(EndpointError::Repeated(name.to_owned()));
                    }
                    names.push(name);
                    segments.push(Segment::Param(name.to_owned()));
                }
                None if !part.is_empty() && !part.contains(['{', '}']) => {
                    segments.push(Segment::Literal(part.to_owned()));
                }
                _ => return Err(EndpointError::Segment(part.to_owned())),
            }
        }
        Ok(Self { method: method.to_owned(), segments })
    }

    /// The method, upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The template's segments in order; none for `/`.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether `path` (absolute, without query) fits the template. A trailing slash is ignored.
    pub fn matches_path(&self, path: &str) -> bool {
        let mut parts = split(path);
        for segment in &self.segments {
            match (segment, parts.next()) {
                (Segment::Literal(text), Some(part)) if text == part => {}
                (Segment::Param(_), Some(part)) if !part.is_empty() => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// The path template, `/models/{id}`.
    pub fn template(&self) -> String {
        if self.segments.is_empty() {
            return "/".to_owned();
        }
        let mut text = String::new();
        for segment in &self.segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Param(name) => {
                    text.push('{');
                    text.push_str(name);
                    text.push('}');
                }
            }
        }
        text
    }
}

/// `POST /parse`, also the metric label.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template())
    }
}

/// The segments of an absolute path; one trailing slash is ignored, `/` has none.
fn split(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let empty = inner.is_empty();
    inner.split('/').filter(move |_| !empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_matches_whole_non_empty_segments() {
        let endpoint = Endpoint::parse("GET /models/{id}").expect("a template");
        for (path, fits) in [
            ("/models/7", true),
            ("/models/7/", true),
            ("/models/", false),
            ("/models", false),
            ("/models//", false),
            ("/models/7/metrics", false),
            ("/Models/7", false),
        ] {
            assert_eq!(endpoint.matches_path(path), fits, "{path}");
        }
        assert_eq!(endpoint.to_string(), "GET /models/{id}");
    }

    #[test]
    fn a_trailing_slash_in_a_template_changes_nothing() {
        assert_eq!(Endpoint::parse("POST /parse/"), Endpoint::parse("POST /parse"));
        assert!(Endpoint::parse("GET /").expect("the root").matches_path("/"));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "/parse",
            "POST",
            "POST parse",
            "post /parse",
            "GET /a{b}",
            "GET /{}",
            "GET /{a}/{a}",
            "GET /a//b",
            "GET /a?b",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
