//! The URL of an upstream's server.

use std::net::Ipv6Addr;

use super::finding::Finding;
use super::forms::{Refusal, read_scalar, text_schema};
use super::places::is_host_name;
use super::shape::{Read, quoted};
use super::tree::Node;

/// `http://host[:port][/base]` or `https://…`: where a server is, and the path put before every forwarded path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether it is an `https://` URL.
    pub secure: bool,
    /// Lower-case host name or address literal, without brackets.
    pub host: String,
    /// 80, or 443 for `https://`, unless the URL names one.
    pub port: u16,
    /// Without a trailing slash; empty for none.
    pub base_path: String,
}

const EXPECTED: &str = "a URL such as http://127.0.0.1:9015";

impl Read for ServerUrl {
    fn expected() -> String {
        EXPECTED.to_owned()
    }

    fn read(node: &Node, findings: &mut Vec<Finding>) -> Option<Self> {
        read_scalar(node, EXPECTED, Self::parse, findings)
    }
}

impl schemars::JsonSchema for ServerUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServerUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        text_schema(
            "^https?://[^/?#@]+(/[^?#]*)?$",
            "http://host[:port][/base], or https://; a path is put before every forwarded path.",
        )
    }
}

impl ServerUrl {
    /// As it is written, without the path.
    pub fn text(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        match self.host.contains(':') {
            true => format!("{scheme}://[{}]:{}", self.host, self.port),
            false => format!("{scheme}://{}:{}", self.host, self.port),
        }
    }

    /// Reads `http://host[:port][/base]`, or the same with `https://`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let url = |message: String, help: &str| Refusal::value("url", message, help);
        let (secure, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            (None, None) => return Err(Refusal::form("write http:// or https://, the host and the port")),
        };
        if rest.contains(['?', '#']) {
            return Err(url(
                format!("{} has a query or fragment", quoted(text)),
                "take it off; callers bring their own",
            ));
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('@') {
            // Not shown: it may be a password.
            return Err(url("the URL holds a user name".to_owned(), "take it off; credentials are not supported here"));
        }
        let (host, port) = split_port(authority, if secure { 443 } else { 80 })
            .ok_or_else(|| url(format!("{} has no valid port", quoted(text)), "ports go from 1 to 65535"))?;
        let host = host.to_ascii_lowercase();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let valid = match inner {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => is_host_name(&host),
        };
        if !valid {
            return Err(url(
                format!("{} has no valid host", quoted(text)),
                "write a name, an address or an [IPv6 address]",
            ));
        }
        let base_path = path.trim_end_matches('/').to_owned();
        if !is_path(&base_path) {
            let help = "use plain segments without `..`; percent-encode what is not ASCII";
            return Err(url(format!("{} has no valid path", quoted(text)), help));
        }
        Ok(Self { secure, host: inner.map_or_else(|| host.clone(), str::to_owned), port, base_path })
    }
}

/// Host and port; none if the port is not one.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let after_literal = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_literal..].find(':') {
        None => Some((authority, default)),
        Some(colon) => {
            let (host, port) = authority.split_at(after_literal + colon);
            let port = port.strip_prefix(':').filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?;
            Some((host, port.parse().ok().filter(|port| *port != 0)?))
        }
    }
}

/// Empty, or segments of pchar without dot segments (RFC 3986 section 3.3).
fn is_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&b);
    let escapes = path
        .split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|escape| escape.iter().all(u8::is_ascii_hexdigit)));
    let segment = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain);
    path.is_empty() || (escapes && path.split('/').skip(1).all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_host_port_and_base_path() {
        for (text, secure, host, port, base) in [
            ("http://127.0.0.1:9015", false, "127.0.0.1", 9015, ""),
            ("http://SVC", false, "svc", 80, ""),
            ("http://svc/", false, "svc", 80, ""),
            ("http://svc:8000/v1/", false, "svc", 8000, "/v1"),
            ("http://[::1]:8000/a/b", false, "::1", 8000, "/a/b"),
            ("http://[::1]", false, "::1", 80, ""),
            ("https://svc/v1", true, "svc", 443, "/v1"),
            ("https://[::1]:8443", true, "::1", 8443, ""),
        ] {
            let expected = ServerUrl { secure, host: host.into(), port, base_path: base.into() };
            assert_eq!(ServerUrl::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        for text in [
            "",
            "svc",
            "svc:80",
            "ftp://svc",
            "http://",
            "http://:80",
            "https://",
            "HTTPS://svc",
            "https://u:p@svc",
            "httpss://svc",
            "http://svc:0",
            "http://svc:65536",
            "http://svc:x",
            "http://svc:",
            "http://u:p@svc",
            "http://svc?x",
            "http://svc/#x",
            "http://svc/a b",
            "http://svc/a//b",
            "http://svc/../x",
            "http://svc/%zz",
            "http://[::1",
            "http://[x]",
            "http://::1",
            "http://a b",
            "http:///x",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let refusal = ServerUrl::parse("http://me:secret@svc").expect_err("a user name");
        assert!(!format!("{refusal:?}").contains("secret"));
    }
}
