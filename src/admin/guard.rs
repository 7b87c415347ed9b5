//! Who may use the admin port.
//!
//! Two independent dangers. A stranger who reaches the port: a bearer token, compared in constant time. A web
//! page in the operator's own browser, which reaches what the browser reaches: it cannot choose `Host` (so a
//! name rebound to our address is refused) and cannot hide its `Origin` (so a foreign one is refused).

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts, uri::Authority};
use subtle::ConstantTimeEq;

use super::{
    reply::Reply,
    throttle::{Rate, Throttle, TooMany},
};
use crate::{
    config::checked::{Admin, TOKEN_BYTES_MAX},
    problem::{Code, Problem},
};

/// Seconds whose requests may come at once.
const BURST: u32 = 3;

/// Sent by browsers since 2020-2023; `none` is a person who typed the address.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Where a request comes from, and what is remembered of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'t> {
    /// The peer's address: the port is reached directly.
    pub(super) address: IpAddr,
    /// What all sources did.
    pub(super) throttle: &'t Throttle,
    /// The present instant.
    pub(super) now: Instant,
}

impl Source<'_> {
    /// Errors with 429 where a source asks more often than `admin.requests_per_second`.
    pub(super) fn may_ask(&self, admin: &Admin) -> Result<(), Reply> {
        // An operator's script may ask in bursts.
        let rate =
            Rate { count: admin.requests_per_second.saturating_mul(BURST), period: Duration::from_secs(BURST.into()) };
        let asked = self.throttle.request(self.address, rate, self.now);
        asked.map_err(|wait| too_many(wait, "this source asks more often than admin.requests_per_second"))
    }

    fn failures(admin: &Admin) -> Rate {
        Rate { count: admin.failed_logins_per_minute, period: Duration::from_secs(60) }
    }
}

fn too_many(TooMany(wait): TooMany, detail: &str) -> Reply {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Reply::from(Problem::new(Code::RateLimited, detail).with("retry_after", seconds))
        .with(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// `Authorization: Bearer` has to carry the configured token, if there is one; 401 otherwise.
///
/// A source that presented too many wrong ones is told 429, whatever it presents.
pub(super) fn token(headers: &HeaderMap, admin: &Admin, source: &Source<'_>) -> Result<(), Reply> {
    let Some(token) = &admin.token else { return Ok(()) };
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let presented = match (fields.next(), fields.next()) {
        (Some(field), None) => bearer(field.as_bytes()),
        _ => None,
    };
    if let Some(presented) = presented {
        let Source { address, throttle, now } = *source;
        let rate = Source::failures(admin);
        let too_often = "this source presented more wrong tokens than admin.failed_logins_per_minute";
        throttle.login(address, rate, now).map_err(|wait| too_many(wait, too_often))?;
        let right = same(presented, token.expose());
        throttle.logged_in(address, rate, right, now);
        if right {
            return Ok(());
        }
    }
    let reply = Reply::problem(Code::Unauthorized, "send the admin token as \"Authorization: Bearer …\"");
    Err(reply.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"vergate admin\"")))
}

/// The credentials of the scheme `Bearer`, whose name is case-insensitive (RFC 9110 section 11.1).
fn bearer(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = field.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

/// Compares in a time that depends on neither text: both are padded to one length.
fn same(presented: &[u8], token: &[u8]) -> bool {
    let lengths = (presented.len() as u64).ct_eq(&(token.len() as u64));
    let fits = (1..=TOKEN_BYTES_MAX).contains(&token.len());
    bool::from(padded(presented).ct_eq(&padded(token)) & lengths) && fits
}

fn padded(text: &[u8]) -> [u8; TOKEN_BYTES_MAX] {
    let mut padded = [0; TOKEN_BYTES_MAX];
    let bytes = text.len().min(TOKEN_BYTES_MAX);
    padded[..bytes].copy_from_slice(&text[..bytes]);
    padded
}

/// The one authority a request is for; the target's, if it has one, beats `Host` (RFC 9112 section 3.2.2).
///
/// - Errors with 400 for several `Host` lines, and for none in HTTP/1.1 (RFC 9112 section 3.2).
pub(super) fn authority(parts: &Parts) -> Result<Option<Authority>, Reply> {
    let invalid = |detail: &str| Err(Reply::problem(Code::RequestInvalid, detail));
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let host = match (lines.next(), lines.next()) {
        (_, Some(_)) => return invalid("the request has several Host lines"),
        (None, None) if parts.version >= http::Version::HTTP_11 => return invalid("the request has no Host"),
        (host, None) => host,
    };
    if let Some(authority) = parts.uri.authority() {
        return Ok(Some(authority.clone()));
    }
    match host.map(|host| Authority::try_from(host.as_bytes())) {
        None => Ok(None),
        Some(Ok(authority)) if !authority.as_str().contains('@') => Ok(Some(authority)),
        Some(_) => invalid("Host is not a host and a port"),
    }
}

/// `Host` has to be one of ours, and `Origin`, if there is one, the same; 403 otherwise.
///
/// - `local`: the address the connection came in at.
pub(super) fn web_page(
    headers: &HeaderMap,
    authority: Option<&Authority>,
    admin: &Admin,
    local: SocketAddr,
) -> Result<(), Reply> {
    let forbidden = |detail: &str| Err(Reply::problem(Code::Forbidden, detail));
    let Some(authority) = authority.filter(|authority| is_ours(authority, admin, local)) else {
        return forbidden("Host is not a name of this admin port; add it to admin.hosts if it is");
    };
    for origin in headers.get_all(header::ORIGIN) {
        let rest = origin.to_str().ok().and_then(|text| text.split_once("://"));
        let own = rest.is_some_and(|(scheme, rest)| {
            matches!(scheme, "http" | "https") && rest.eq_ignore_ascii_case(authority.as_str())
        });
        if !own {
            return forbidden("the request comes from a page of another origin");
        }
    }
    let site = headers.get_all(SEC_FETCH_SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if site { Ok(()) } else { forbidden("the request comes from a page of another site") }
}

/// The listen address, `localhost`, a loopback address or one of `admin.hosts`. The port is not compared:
/// a forwarded port is a common way here, and a page cannot choose the name.
fn is_ours(authority: &Authority, admin: &Admin, local: SocketAddr) -> bool {
    let host = authority.host();
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = literal.parse::<IpAddr>() {
        let address = address.to_canonical();
        // Listening at every address, the one the connection came in at is meant.
        let listen = if admin.listen.ip().is_unspecified() { local.ip() } else { admin.listen.ip() };
        if address.is_loopback() || address == listen.to_canonical() {
            return true;
        }
    }
    let named = |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority.as_str());
    host.eq_ignore_ascii_case("localhost") || admin.hosts.iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked::Secret;

    fn admin(listen: &str, token: Option<&str>) -> Admin {
        Admin {
            takeover: None,
            listen: listen.parse().expect("an address"),
            token: token.map(|token| Secret::new(token.into())),
            hosts: vec!["ops.example.com".into(), "gate.example.com:8443".into()],
            requests_per_second: 20,
            failed_logins_per_minute: 5,
        }
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).expect("a value");
        let mut headers = HeaderMap::new();
        for (name, text) in fields {
            headers.append(*name, value(text));
        }
        headers
    }

    /// A source that has done nothing yet.
    fn source() -> Source<'static> {
        let throttle = Box::leak(Box::default());
        Source { address: IpAddr::from([192, 0, 2, 1]), throttle, now: Instant::now() }
    }

    #[test]
    fn after_five_wrong_tokens_the_right_one_has_to_wait() {
        let (admin, mut source) = (admin("127.0.0.1:9901", Some("0123456789abcdef")), source());
        let code = |source: &Source<'_>, field: &str| match token(&headers(&[("authorization", field)]), &admin, source)
        {
            Ok(()) => None,
            Err(Reply::Problem(problem, _)) => Some(problem.code),
            Err(other) => panic!("{other:?}"),
        };
        for _ in 0..5 {
            assert_eq!(code(&source, "Bearer wrong"), Some(Code::Unauthorized));
            assert_eq!(code(&source, "Basic eDp5"), Some(Code::Unauthorized), "that is no try");
        }
        assert_eq!(code(&source, "Bearer 0123456789abcdef"), Some(Code::RateLimited));
        source.now += Duration::from_secs(12);
        assert_eq!(code(&source, "Bearer 0123456789abcdef"), None);
    }

    #[test]
    fn only_the_whole_token_fits() {
        let admin = admin("127.0.0.1:9901", Some("0123456789abcdef"));
        for (field, fits) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("BEARER  0123456789abcdef ", true),
            ("Bearer 0123456789abcdeg", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
        ] {
            assert_eq!(token(&headers(&[("authorization", field)]), &admin, &source()).is_ok(), fits, "{field}");
        }
        assert!(token(&HeaderMap::new(), &admin, &source()).is_err());
        let twice = headers(&[("authorization", "Bearer 0123456789abcdef"), ("authorization", "Bearer x")]);
        assert!(token(&twice, &admin, &source()).is_err(), "two credentials are none");
    }

    #[test]
    fn padding_is_not_part_of_a_token() {
        assert!(!same(b"abc\0", b"abc"));
        assert!(!same(b"abc", b"abc\0"));
        assert!(!same(b"", b""), "an empty token fits nothing");
        let long = [b'a'; TOKEN_BYTES_MAX + 1];
        assert!(same(&long[1..], &long[1..]));
        assert!(!same(&long, &long), "what does not fit the padding is not compared");
        assert!(!same(&long, &long[1..]));
    }

    #[test]
    fn a_host_is_ours_or_refused() {
        let local = "192.0.2.7:9901".parse().expect("an address");
        for (listen, host, ours) in [
            ("127.0.0.1:9901", "127.0.0.1:9901", true),
            ("127.0.0.1:9901", "127.0.0.1", true),
            ("127.0.0.1:9901", "127.9.9.9:1", true),
            ("127.0.0.1:9901", "[::1]:9901", true),
            ("127.0.0.1:9901", "[::ffff:127.0.0.1]", true),
            ("127.0.0.1:9901", "LocalHost:9901", true),
            ("127.0.0.1:9901", "ops.example.com", true),
            ("127.0.0.1:9901", "OPS.example.com:443", true),
            ("127.0.0.1:9901", "gate.example.com:8443", true),
            ("127.0.0.1:9901", "gate.example.com:8444", false),
            ("127.0.0.1:9901", "192.0.2.7", false),
            ("192.0.2.7:9901", "192.0.2.7:9901", true),
            ("192.0.2.7:9901", "192.0.2.8:9901", false),
            ("0.0.0.0:9901", "192.0.2.7:9901", true),
            ("0.0.0.0:9901", "192.0.2.8:9901", false),
            ("127.0.0.1:9901", "evil.example", false),
            ("127.0.0.1:9901", "127.0.0.1.evil.example", false),
            ("127.0.0.1:9901", "localhost.evil.example", false),
            ("127.0.0.1:9901", "2130706433", false),
        ] {
            let authority = Authority::try_from(host).expect("an authority");
            let admin = admin(listen, None);
            assert_eq!(web_page(&HeaderMap::new(), Some(&authority), &admin, local).is_ok(), ours, "{listen} {host}");
        }
        assert!(web_page(&HeaderMap::new(), None, &admin("127.0.0.1:9901", None), local).is_err());
    }

    #[test]
    fn an_origin_is_the_own_one_or_refused() {
        let (admin, local) = (admin("127.0.0.1:9901", None), "127.0.0.1:9901".parse().expect("an address"));
        for (host, origin, own) in [
            ("localhost:9901", "http://localhost:9901", true),
            ("localhost:9901", "https://LOCALHOST:9901", true),
            ("ops.example.com", "https://ops.example.com", true),
            ("localhost:9901", "http://localhost:3000", false),
            ("localhost:9901", "http://localhost", false),
            ("localhost:9901", "http://127.0.0.1:9901", false),
            ("localhost:9901", "https://evil.example", false),
            ("localhost:9901", "http://localhost:9901.evil.example", false),
            ("localhost:9901", "ftp://localhost:9901", false),
            ("localhost:9901", "null", false),
            ("localhost:9901", "", false),
        ] {
            let authority = Authority::try_from(host).expect("an authority");
            let fields = headers(&[("origin", origin)]);
            assert_eq!(web_page(&fields, Some(&authority), &admin, local).is_ok(), own, "{host} {origin}");
        }
    }

    #[test]
    fn a_request_from_another_site_is_refused_even_without_an_origin() {
        let (admin, local) = (admin("127.0.0.1:9901", None), "127.0.0.1:9901".parse().expect("an address"));
        let authority = Authority::from_static("localhost:9901");
        for (site, fine) in [("same-origin", true), ("none", true), ("cross-site", false), ("same-site", false)] {
            let fields = headers(&[("sec-fetch-site", site)]);
            assert_eq!(web_page(&fields, Some(&authority), &admin, local).is_ok(), fine, "{site}");
        }
    }

    proptest::proptest! {
        #[test]
        fn tokens_are_the_same_where_all_their_bytes_are(
            token in proptest::collection::vec(0..3u8, 0..4),
            presented in proptest::collection::vec(0..3u8, 0..4),
        ) {
            proptest::prop_assert_eq!(same(&presented, &token), presented == token && !token.is_empty());
        }
    }
}
