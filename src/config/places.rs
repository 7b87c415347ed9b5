//! Where things are: hosts, addresses, networks and path prefixes.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::forms::{Refusal, form, text_schema};
use crate::domain::api::HostPattern;

/// A host name, or `*.` before one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(pub HostPattern);

/// An address and port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(pub IpNet);

/// A path prefix, without its trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(pub String);

form!(Host, "a host name", text_schema("^[^/ ]+$", "A host name, or `*.` before one for any one label."));
form!(Address, "an address such as 127.0.0.1:8080", text_schema(":[0-9]+$", "An address and port: 127.0.0.1:8080."));
form!(Network, "a network such as 10.0.0.0/8", text_schema("^[0-9a-fA-F.:]+(/[0-9]+)?$", "A network: 10.0.0.0/8."));
form!(Prefix, "a path such as /api", text_schema("^/", "An absolute path."));

impl Host {
    /// Reads a host name, with `*.` for any one label.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        if lower.starts_with('[') || lower.parse::<IpAddr>().is_ok() {
            let inner = lower.trim_start_matches('[').trim_end_matches(']');
            return match inner.parse::<IpAddr>() {
                Ok(address) => Ok(Self(HostPattern::Exact(address.to_string()))),
                Err(_) => Err(Refusal::form("write an address without a port")),
            };
        }
        let (wild, name) = match lower.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, lower),
        };
        if !is_host_name(name) {
            return Err(Refusal::form(
                "write a name such as api.example.com or *.example.com, without scheme and port",
            ));
        }
        Ok(Self(if wild { HostPattern::OneLabel(format!(".{name}")) } else { HostPattern::Exact(name.to_owned()) }))
    }
}

/// Labels of letters, digits, `-` and `_`, apart by single dots.
pub fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

impl Address {
    /// Reads `ADDRESS:PORT`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        text.parse().map(Self).map_err(|_| {
            let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
            Refusal::form(match port {
                Some(port) if text.starts_with("localhost") => {
                    format!("names are not looked up; write 127.0.0.1:{port}")
                }
                Some(port) => format!("write an IP address and a port, such as 0.0.0.0:{port} or '[::]:{port}'"),
                None => "write an IP address and a port, such as 0.0.0.0:8080 or '[::]:8080'".to_owned(),
            })
        })
    }
}

impl Network {
    /// Reads `ADDRESS/BITS` or one address.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let network = text.parse::<IpNet>().ok().or_else(one);
        network
            .map(|network| Self(network.trunc()))
            .ok_or_else(|| Refusal::form("write an address and a number of bits"))
    }
}

impl Prefix {
    /// Reads an absolute path; `/` becomes the empty prefix.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let help = "write an absolute path of plain segments, such as /api; a prefix has no {parameters}";
        if text == "/" {
            return Ok(Self(String::new()));
        }
        let inner = text.strip_prefix('/').ok_or_else(|| Refusal::form(help))?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let segment = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b))
        };
        if !inner.split('/').all(segment) {
            return Err(Refusal::form(help));
        }
        Ok(Self(format!("/{inner}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_scheme_and_port() {
        let host = |text| Host::parse(text).ok().map(|host| host.0);
        assert_eq!(host("API.chatdb.com."), Some(HostPattern::Exact("api.chatdb.com".into())));
        assert_eq!(host("*.Example.com"), Some(HostPattern::OneLabel(".example.com".into())));
        assert_eq!(host("127.0.0.1"), Some(HostPattern::Exact("127.0.0.1".into())));
        assert_eq!(host("[::1]"), Some(HostPattern::Exact("::1".into())));
        for text in ["", "*", "*.", "a.*.b", "http://a", "a:80", "a b", "a..b", "[::1]:80", "a/b"] {
            assert_eq!(host(text), None, "{text}");
        }
    }

    #[test]
    fn a_trailing_slash_of_a_prefix_changes_nothing() {
        let prefix = |text| Prefix::parse(text).ok().map(|prefix| prefix.0);
        assert_eq!(prefix("/"), Some(String::new()));
        assert_eq!(prefix("/ml/"), Some("/ml".to_owned()));
        assert_eq!(prefix("/ml"), Some("/ml".to_owned()));
        for text in ["", "ml", "/a//b", "//", "/a/../b", "/a?b", "/a%2fb", "/{id}", "/a b"] {
            assert_eq!(prefix(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_and_networks_are_numbers() {
        for (text, fits) in
            [("127.0.0.1:0", true), ("[::]:80", true), ("localhost:80", false), (":80", false), ("80", false)]
        {
            assert_eq!(Address::parse(text).is_ok(), fits, "{text}");
        }
        for (text, fits) in
            [("10.0.0.0/8", true), ("10.1.2.3", true), ("::1/128", true), ("10.0.0.0/33", false), ("x", false)]
        {
            assert_eq!(Network::parse(text).is_ok(), fits, "{text}");
        }
    }
}
