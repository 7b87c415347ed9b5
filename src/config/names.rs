//! Scalars with a form of their own: version names, header names, expressions, endpoints, guides.

use http::HeaderName;
use regex::{Regex, RegexBuilder};

use super::finding::Finding;
use super::forms::{Refusal, form, text_schema};
use super::shape::{Read, quoted, wrong_type};
use super::tree::{Node, Value};
use crate::{
    domain::{endpoint::Endpoint, version::ApiVersion},
    headers,
};

/// Any text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

/// A quoted version name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionName(pub ApiVersion);

/// `latest-stable`, `required` or a quoted version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultName {
    /// The newest stable version of the day.
    LatestStable,
    /// A request has to name one.
    Required,
    /// This one.
    Version(ApiVersion),
}

/// The name of an API or upstream: letters, digits, `.`, `_`, `-`; at most 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

/// The name of a header field that may carry a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub HeaderName);

/// The name of a field that may follow a request body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailerName(pub HeaderName);

/// An expression whose first group captures the version in a path.
#[derive(Clone, Debug)]
pub struct PathPattern(pub Regex);

/// An expression for a whole media range, whatever its case, whose first group captures the version.
#[derive(Clone, Debug)]
pub struct AcceptPattern(pub Regex);

/// The name of a header field that holds the key of a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyField(pub HeaderName);

/// The name of a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(pub String);

/// The path of a health check, perhaps with a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPath(pub String);

/// `POST /parse`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointText(pub Endpoint);

/// A URI reference, percent-encoded where a header field could not hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide(pub String);

/// Longest expression that is accepted, and the most memory its compiled form may take.
const PATTERN_BYTES_MAX: usize = 256;
const COMPILED_BYTES_MAX: usize = 1 << 20;
const NAME_BYTES_MAX: usize = 64;

form!(Text, "a text", schemars::json_schema!({ "type": ["string", "number", "boolean"] }));
form!(Name, "a name", text_schema("^[A-Za-z0-9._-]{1,64}$", "Letters, digits, `.`, `_` and `-`."));
form!(FieldName, "the name of a header field", text_schema("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "A header field's name."));
form!(
    TrailerName,
    "the name of a trailer field",
    text_schema("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "A trailer field's name.")
);
form!(PathPattern, "an expression", text_schema("\\(", "An expression whose first group captures the version."));
form!(
    AcceptPattern,
    "an expression",
    text_schema("\\(", "An expression for a whole media range, whose first group captures the version.")
);
form!(EndpointText, "an endpoint such as POST /parse", text_schema("^[A-Z-]+ +/", "A method and a path template."));
form!(KeyField, "the name of a header field", text_schema("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "A header field's name."));
form!(CookieName, "the name of a cookie", text_schema("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "A cookie's name."));
form!(CheckPath, "a path such as /healthz", text_schema("^/[!-~]*$", "A path, perhaps with a query."));
form!(Guide, "a URI or a path", text_schema(".", "A URI or a path."));

/// Reads a version name, which has to be quoted: a plain `2.10` would become `2.1`.
///
/// - Returns nothing where a finding was added.
pub fn version(node: &Node, findings: &mut Vec<Finding>) -> Option<ApiVersion> {
    let text = quoted_text(node, &VersionName::expected(), findings)?;
    match ApiVersion::parse(text) {
        Ok(version) => Some(version),
        Err(error) => {
            let help = "names look like \"2.1\", \"2.1-rc.1\" or \"2027-06-01\"";
            findings.push(Finding::error(&node.place, "version", format!("{}: {error}", quoted(text)), help));
            None
        }
    }
}

/// The text of a scalar that YAML does not take for a number.
fn quoted_text<'n>(node: &'n Node, expected: &str, findings: &mut Vec<Finding>) -> Option<&'n str> {
    let scalar = match &node.value {
        Value::Scalar(scalar) if !node.is_null() => scalar,
        _ => {
            findings.push(wrong_type(node, expected));
            return None;
        }
    };
    let text = scalar.text.as_str();
    let number = text.bytes().next().is_some_and(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-'))
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'_' | b'e' | b'E'));
    if !scalar.quoted && number {
        let message = format!("the version {text} is an unquoted number");
        let help = format!("quote it: \"{text}\" (2.10 would become 2.1)");
        findings.push(Finding::error(&node.place, "unquoted-version", message, help));
        return None;
    }
    Some(text)
}

impl Read for VersionName {
    fn expected() -> String {
        "a quoted version such as \"2.1\"".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        version(node, findings).map(Self)
    }
}

impl schemars::JsonSchema for VersionName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VersionName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        text_schema(VERSION_FORM, "A version, quoted: \"2.1\", \"2.1-rc.1\" or \"2027-06-01\".")
    }
}

/// The schema's form of a version name.
pub const VERSION_FORM: &str = "^[0-9]+(\\.[0-9]+){0,2}(-[0-9A-Za-z.-]+)?$";

impl Read for DefaultName {
    fn expected() -> String {
        "latest-stable, required or a quoted version".to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        match quoted_text(node, &Self::expected(), findings)? {
            "latest-stable" => Some(Self::LatestStable),
            "required" => Some(Self::Required),
            text if !text.starts_with(|c: char| c.is_ascii_digit()) => {
                let known = ["latest-stable", "required"];
                let help = super::suggest::remedy(text, known.into_iter());
                let message = format!("expected {}, found {}", Self::expected(), quoted(text));
                findings.push(Finding::error(&node.place, "type", message, help));
                None
            }
            _ => version(node, findings).map(Self::Version),
        }
    }
}

impl schemars::JsonSchema for DefaultName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DefaultName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let form = format!("^(latest-stable|required)$|{VERSION_FORM}");
        text_schema(&form, "latest-stable, required, or a quoted version.")
    }
}

impl Text {
    /// Reads a text.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::value("empty", "the text is empty", "write one, or leave the key out"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Name {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !plain {
            let message = format!("{} is not usable as a name", quoted(text));
            return Err(Refusal::value("name", message, "use at most 64 letters, digits, `.`, `_` and `-`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl KeyField {
    /// Reads the name of a field that is still there when a server is chosen.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        const TAKEN_OFF: [&str; 6] = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| Refusal::form("use letters, digits and `-`, such as X-User-Id"))?;
        if TAKEN_OFF.contains(&name.as_str()) {
            let message = format!("`{text}` says nothing about who asks");
            return Err(Refusal::value("header", message, "use a field such as X-User-Id or Authorization"));
        }
        Ok(Self(name))
    }
}

impl CookieName {
    /// Reads a token (RFC 6265 section 4.1.1).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        // A field's name is a token, too.
        let token = HeaderName::from_bytes(text.as_bytes()).is_ok();
        token.then(|| Self(text.to_owned())).ok_or_else(|| Refusal::form("use letters, digits, `-` and `_`"))
    }
}

impl CheckPath {
    /// Reads a path that can stand in a request line.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let plain = text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let help = "begin with `/`; percent-encode spaces and what is not ASCII";
        plain.then(|| Self(text.to_owned())).ok_or_else(|| Refusal::form(help))
    }
}

impl FieldName {
    /// Reads a field name. Fields that frame or route a message cannot carry a version.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        const TAKEN: [&str; 13] = [
            "accept",
            "authorization",
            "connection",
            "content-length",
            "content-type",
            "cookie",
            "host",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "via",
        ];
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| Refusal::form("use letters, digits and `-`, such as X-API-Version"))?;
        if TAKEN.contains(&name.as_str()) {
            let message = format!("`{text}` has a meaning of its own");
            return Err(Refusal::value(
                "header",
                message,
                "use a field such as X-API-Version; for Accept write `accept:`",
            ));
        }
        Ok(Self(name))
    }
}

impl TrailerName {
    /// Reads a field name that [may follow a body](headers::may_trail).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| Refusal::form("use letters, digits and `-`, such as X-Checksum"))?;
        if !headers::may_trail(&name) {
            let message = format!("`{text}` decides how a request is treated and cannot come after its body");
            return Err(Refusal::value("header", message, "list fields about the body only, such as X-Checksum"));
        }
        Ok(Self(name))
    }
}

impl PathPattern {
    /// Compiles the expression.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        compile(text, text, false).map(Self)
    }
}

impl AcceptPattern {
    /// Compiles the expression; it has to match a whole media range, in any case.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        compile(text, text, true)?;
        compile(text, &format!("^(?:{text})$"), true).map(Self)
    }
}

fn compile(written: &str, pattern: &str, ignore_case: bool) -> Result<Regex, Refusal> {
    if written.len() > PATTERN_BYTES_MAX {
        let message = format!("the expression has {} bytes, more than {PATTERN_BYTES_MAX}", written.len());
        return Err(Refusal::value("regex", message, "a version needs far less"));
    }
    let built = RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            Refusal::value("regex", "the expression takes more than 1 MiB", "use smaller repetitions")
        }
        error => {
            // The last line says what is wrong; the ones before draw the place, which a list of findings cannot.
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Refusal::value("regex", format!("not a valid expression: {reason}"), "see docs.rs/regex for the syntax")
        }
    })?;
    if regex.captures_len() < 2 {
        let help = "put the version in a group: ^/v([0-9]+(?:\\.[0-9]+){0,2})(?:/|$)";
        return Err(Refusal::value("regex", "the expression captures nothing", help));
    }
    Ok(regex)
}

impl EndpointText {
    /// Reads `METHOD /path/{param}`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Endpoint::parse(text).map(Self).map_err(|error| {
            let message = format!("{}: {error}", quoted(text));
            Refusal::value("endpoint", message, "write an upper-case method and an absolute path without the version")
        })
    }
}

impl Guide {
    /// Takes a URI reference; what a header field could not hold is percent-encoded.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Err(Refusal::value("empty", "the guide is empty", "write a path or a URL, or leave the key out"));
        }
        Ok(Self(encode_reference(text)))
    }
}

/// Percent-encodes what RFC 3986 does not allow in a URI reference; escapes that are there stay.
fn encode_reference(text: &str) -> String {
    use std::fmt::Write as _;
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (index, &byte) in bytes.iter().enumerate() {
        let escape =
            byte == b'%' && bytes.get(index + 1..index + 3).is_some_and(|next| next.iter().all(u8::is_ascii_hexdigit));
        if escape || byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_is_encoded_where_a_header_could_not_hold_it() {
        for (text, encoded) in [
            ("/docs/migration/v1-to-v2", "/docs/migration/v1-to-v2"),
            ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
            ("/a b>c", "/a%20b%3Ec"),
            ("/é", "/%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/100%", "/100%25"),
            ("/a\r\nX: y", "/a%0D%0AX:%20y"),
            ("/\"", "/%22"),
        ] {
            assert_eq!(Guide::parse(text), Ok(Guide(encoded.to_owned())), "{text}");
        }
    }

    #[test]
    fn expressions_are_bounded_and_capture_something() {
        assert!(PathPattern::parse(r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)").is_ok());
        for text in ["^/v[0-9]+", "(", "^/v(\\d+", "((((\\w{100}){100}){100}))"] {
            assert_eq!(PathPattern::parse(text).err().map(|refusal| refusal.code), Some("regex"), "{text}");
        }
        assert!(PathPattern::parse(&format!("({})", "a".repeat(254))).is_ok());
        assert!(PathPattern::parse(&format!("({})", "a".repeat(255))).is_err());
    }

    #[test]
    fn an_accept_expression_matches_the_whole_range_in_any_case() {
        let AcceptPattern(regex) = AcceptPattern::parse(r"application/vnd\.chatdb\.v([0-9]+)\+json").expect("valid");
        assert!(regex.is_match("Application/VND.chatdb.v2+json"));
        assert!(!regex.is_match("xapplication/vnd.chatdb.v2+json"));
        assert!(!regex.is_match("application/vnd.chatdb.v2+jsonx"));
    }

    #[test]
    fn a_field_that_decides_something_cannot_be_a_trailer() {
        for (text, fits) in [
            ("X-Checksum", true),
            ("grpc-status", true),
            ("Host", false),
            ("X-API-Version", false),
            ("X-Forwarded-For", false),
            ("If-Match", false),
            ("Authorization", false),
            ("a b", false),
        ] {
            assert_eq!(TrailerName::parse(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_field_that_frames_the_message_cannot_name_a_version() {
        for (text, fits) in [("X-API-Version", true), ("Connection", false), ("Content-Length", false), ("a b", false)]
        {
            assert_eq!(FieldName::parse(text).is_ok(), fits, "{text}");
        }
    }
}
