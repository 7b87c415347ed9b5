//! Who called, through which proxies: `Forwarded`, `X-Forwarded-*` and `Via` (RFC 7239, RFC 9110
//! section 7.6.3).

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use ipnet::IpNet;

use super::link::{Link, Scheme};
use crate::headers::{Present, present::is_forwarded};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client's certificate, and the chain behind it (RFC 9440).
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

impl Scheme {
    fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Whether what `peer` says about earlier hops is kept.
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
}

/// Tells the upstream who called: in fields that join the peer's own, or in lines to put beside them.
///
/// - `present`: what may be among `headers`.
/// - `trusted`: the peer's own fields are appended to; else they are removed, and the lines returned
///   take their place.
/// - `host`: as the client asked for it.
pub fn set(headers: &mut HeaderMap, present: Present, link: &Link, trusted: bool, host: Option<&HeaderValue>) -> Bytes {
    if trusted {
        let mut hop = Vec::with_capacity(128);
        element(&mut hop, link, host);
        append(headers, header::FORWARDED, &hop);
        hop.clear();
        address(&mut hop, client_address(link));
        append(headers, X_FORWARDED_FOR, &hop);
        headers.entry(X_FORWARDED_PROTO).or_insert(link.scheme.value());
        if let Some(host) = host {
            headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        if let Some(certificate) = &link.client_certificate {
            headers.insert(CLIENT_CERT, HeaderValue::clone(certificate));
            headers.remove(CLIENT_CERT_CHAIN);
        }
        return Bytes::new();
    }
    if present.has(Present::FORWARDED) {
        let claims = |name: &HeaderName| {
            is_forwarded(name.as_str()) || [header::FORWARDED, CLIENT_CERT, CLIENT_CERT_CHAIN].contains(name)
        };
        while let Some(name) = headers.keys().find(|name| claims(name)).cloned() {
            headers.remove(name);
        }
    }
    link.forwarded(host, || lines(link, host))
}

/// All fields about an untrusted peer, as they stand in a head.
fn lines(link: &Link, host: Option<&HeaderValue>) -> Bytes {
    let mut lines = Vec::with_capacity(256);
    let out = &mut lines;
    out.extend_from_slice(b"forwarded: ");
    element(out, link, host);
    out.extend_from_slice(b"\r\nx-forwarded-for: ");
    address(out, client_address(link));
    out.extend_from_slice(b"\r\nx-forwarded-proto: ");
    out.extend_from_slice(link.scheme.name().as_bytes());
    if let Some(host) = host {
        out.extend_from_slice(b"\r\nx-forwarded-host: ");
        out.extend_from_slice(host.as_bytes());
    }
    if let Some(certificate) = &link.client_certificate {
        out.extend_from_slice(b"\r\nclient-cert: ");
        out.extend_from_slice(certificate.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    lines.into()
}

/// This hop as `Forwarded` writes it: `for=192.0.2.1;host=api.example;proto=http`,
/// `for="[2001:db8::1]";proto=http` (RFC 7239 section 6).
fn element(out: &mut Vec<u8>, link: &Link, host: Option<&HeaderValue>) {
    let client = client_address(link);
    let (open, close): (&[u8], &[u8]) = if client.is_ipv6() { (b"for=\"[", b"]\"") } else { (b"for=", b"") };
    out.extend_from_slice(open);
    address(out, client);
    out.extend_from_slice(close);
    // Hosts are visible ASCII by now.
    if let Some(host) = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty()) {
        out.extend_from_slice(b";host=");
        quote(host, out);
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(link.scheme.name().as_bytes());
}

fn client_address(link: &Link) -> IpAddr {
    link.peer.ip().to_canonical()
}

/// `192.0.2.1`, `2001:db8::1`.
fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        // Nearly all of them, and once for each connection: by hand.
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                if octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        IpAddr::V6(address) => out.extend_from_slice(address.to_string().as_bytes()),
    }
}

/// The address that called first, as far as trusted proxies tell: the rightmost entry of
/// `X-Forwarded-For` that is no trusted proxy itself.
pub fn client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(client, trusted) {
        return client;
    }
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

/// Adds this hop to `Via`, naming the protocol the request came in: in the field if there is one, else
/// as a line to put beside the fields.
pub fn via(headers: &mut HeaderMap, present: Present, version: Version) -> &'static [u8] {
    let (hop, line): (&[u8], &[u8]) = match version {
        Version::HTTP_10 => (b"1.0 vergate", b"via: 1.0 vergate\r\n"),
        Version::HTTP_2 => (b"2 vergate", b"via: 2 vergate\r\n"),
        _ => (b"1.1 vergate", b"via: 1.1 vergate\r\n"),
    };
    if !present.has(Present::VIA) {
        return line;
    }
    append(headers, header::VIA, hop);
    b""
}

/// Adds to a list field, in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    let lines = headers.get_all(&name);
    let lines = lines.iter().map(HeaderValue::as_bytes).chain([value]);
    // Valid values joined by visible text are a valid value.
    if let Ok(joined) = HeaderValue::from_bytes(&lines.collect::<Vec<_>>().join(&b", "[..])) {
        headers.insert(name, joined);
    }
}

/// A token as it is, anything else as a quoted string (RFC 7239 section 4).
fn quote(text: &[u8], out: &mut Vec<u8>) {
    let token = text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b));
    if token {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for b in text {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::downstream::link::tests::link;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        map
    }

    const UNDERSCORED: [(&str, &str); 3] =
        [("x_forwarded_for", "6.6.6.6"), ("x-forwarded_proto", "https"), ("x_forwarded-prefix", "/evil")];
    const SPOOFED: [(&str, &str); 5] = [
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-port", "1"),
    ];

    #[test]
    fn what_an_untrusted_peer_says_is_replaced() {
        let mut headers = map(&[&SPOOFED[..], &UNDERSCORED].concat());
        let link = link("192.0.2.1:5");
        let present = Present::of(&headers);
        for _ in 0..2 {
            let lines = set(&mut headers, present, &link, false, Some(&HeaderValue::from_static("api.example:8080")));
            assert_eq!(
                lines,
                "forwarded: for=192.0.2.1;host=\"api.example:8080\";proto=http\r\nx-forwarded-for: 192.0.2.1\r\n\
                 x-forwarded-proto: http\r\nx-forwarded-host: api.example:8080\r\n"
            );
            assert!(headers.is_empty());
        }
        let other = set(&mut headers, Present::default(), &link, false, None);
        assert_eq!(
            other,
            "forwarded: for=192.0.2.1;proto=http\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\n"
        );
    }

    #[test]
    fn what_a_trusted_peer_says_is_kept_and_appended_to() {
        let mut headers = map(&SPOOFED);
        let (present, link) = (Present::of(&headers), link("[2001:db8::1]:5"));
        let lines = set(&mut headers, present, &link, true, Some(&HeaderValue::from_static("a")));
        assert!(lines.is_empty());
        assert_eq!(headers["forwarded"], "for=6.6.6.6, for=\"[2001:db8::1]\";host=a;proto=http");
        assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 2001:db8::1");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "evil");
    }

    #[test]
    fn addresses_are_written_as_everybody_writes_them() {
        for text in ["0.0.0.0", "9.10.99.100", "255.199.1.20", "::1", "2001:db8::1"] {
            let mut out = Vec::new();
            address(&mut out, text.parse().expect("an address"));
            assert_eq!(String::from_utf8(out).expect("text"), text);
        }
    }

    #[test]
    fn the_scheme_is_that_of_the_connection() {
        let link = link("192.0.2.1:5").over_tls(None);
        let lines = set(&mut HeaderMap::new(), Present::default(), &link, false, None);
        assert_eq!(
            lines,
            "forwarded: for=192.0.2.1;proto=https\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: https\r\n"
        );
        // A trusted proxy knows what the client spoke; its own hop is what we saw.
        let mut headers = map(&[("forwarded", "for=6.6.6.6;proto=http"), ("x-forwarded-proto", "http")]);
        set(&mut headers, Present::FORWARDED, &link, true, None);
        assert_eq!(headers["forwarded"], "for=6.6.6.6;proto=http, for=192.0.2.1;proto=https");
        assert_eq!(headers["x-forwarded-proto"], "http");
    }

    #[test]
    fn only_the_gateway_says_which_certificate_it_has_verified() {
        const CLAIMED: [(&str, &str); 2] = [("client-cert", ":MTIz:"), ("client-cert-chain", ":MTIz:")];
        let shown = link("192.0.2.1:5").over_tls(Some(HeaderValue::from_static(":YWJj:")));
        let mut headers = map(&CLAIMED);
        let lines = set(&mut headers, Present::FORWARDED, &shown, false, None);
        assert!(lines.ends_with(b"\r\nclient-cert: :YWJj:\r\n"), "{}", lines.escape_ascii());
        assert!(headers.is_empty());
        for unasked in [link("192.0.2.1:5"), link("192.0.2.1:5").over_tls(None)] {
            let mut headers = map(&CLAIMED);
            let lines = set(&mut headers, Present::FORWARDED, &unasked, false, None);
            assert!(!lines.windows(11).any(|part| part == b"client-cert") && headers.is_empty());
            // A proxy that is trusted may have verified a certificate itself.
            let mut headers = map(&CLAIMED);
            set(&mut headers, Present::FORWARDED, &unasked, true, None);
            assert_eq!(headers["client-cert"], ":MTIz:");
        }
        let mut headers = map(&CLAIMED);
        set(&mut headers, Present::FORWARDED, &shown, true, None);
        assert_eq!(headers["client-cert"], ":YWJj:");
        assert!(!headers.contains_key("client-cert-chain"));
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("a network")];
        let headers = map(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "10.0.0.9")]);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(client(&headers, ip("10.0.0.1"), &trusted), ip("2.2.2.2"));
        assert_eq!(client(&headers, ip("192.0.2.1"), &trusted), ip("192.0.2.1"));
        assert_eq!(client(&map(&[]), ip("10.0.0.1"), &trusted), ip("10.0.0.1"));
    }

    #[test]
    fn via_names_the_protocol_received_and_keeps_earlier_hops() {
        let mut headers = map(&[("via", "1.0 old"), ("via", "1.1 edge")]);
        assert!(via(&mut headers, Present::VIA, Version::HTTP_2).is_empty());
        assert_eq!(via(&mut HeaderMap::new(), Present::default(), Version::HTTP_11), b"via: 1.1 vergate\r\n");
        assert_eq!(headers["via"], "1.0 old, 1.1 edge, 2 vergate");
        assert_eq!(headers.get_all("via").iter().count(), 1);
    }
}
