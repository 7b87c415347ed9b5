//! What HTTP/1 says in its first line and `Host`, HTTP/2 says in pseudo-fields (RFC 9113 section 8.3).
//!
//! A value that is harmless there could say something else once it is written as HTTP/1.

use http::{HeaderMap, Method, header};

use super::{
    head::HeadError,
    target::{is_authority, is_target},
};

/// What stands in front of the fields.
#[derive(Clone, Copy, Debug)]
pub struct Pseudo<'p> {
    /// `:method`
    pub method: &'p Method,
    /// `:scheme`
    pub scheme: Option<&'p [u8]>,
    /// `:authority`
    pub authority: Option<&'p [u8]>,
    /// `:path`
    pub path: Option<&'p [u8]>,
}

/// Checks what will become a request line and `Host`.
pub fn check(pseudo: Pseudo<'_>, fields: &HeaderMap) -> Result<(), HeadError> {
    if pseudo.method.as_str().len() > 64 {
        return Err(HeadError::RequestLine);
    }
    if pseudo.scheme.is_some_and(|scheme| !matches!(scheme, b"http" | b"https")) {
        return Err(HeadError::TargetForm);
    }
    host(pseudo.authority, fields)?;
    match pseudo.path {
        Some(path) => target(pseudo.method, path),
        None => Ok(()),
    }
}

/// Exactly one host, without a user; `Host` may only repeat it (RFC 9113 section 8.3.1).
fn host(authority: Option<&[u8]>, fields: &HeaderMap) -> Result<(), HeadError> {
    let mut hosts = fields.get_all(header::HOST).iter();
    let (host, second) = (hosts.next().map(|host| host.as_bytes()), hosts.next());
    let agree = match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => true,
    };
    match authority.or(host) {
        Some(name) if agree && second.is_none() && !name.is_empty() && is_authority(name) => Ok(()),
        _ => Err(HeadError::Host),
    }
}

fn target(method: &Method, target: &[u8]) -> Result<(), HeadError> {
    match target {
        [b'/', ..] => {}
        b"*" if *method == Method::OPTIONS => {}
        _ => return Err(HeadError::TargetForm),
    }
    if is_target(target) { Ok(()) } else { Err(HeadError::TargetCharacter) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(
        method: &str,
        scheme: &str,
        authority: &str,
        path: &str,
        host: &[&'static str],
    ) -> Result<(), HeadError> {
        let mut fields = HeaderMap::new();
        for host in host {
            fields.append(header::HOST, HeaderValue::from_static(host));
        }
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let some = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
        let [scheme, authority, path] = [scheme, authority, path].map(|text| some(String::leak(text.to_owned())));
        check(Pseudo { method: &method, scheme, authority, path }, &fields)
    }

    #[test]
    fn what_a_request_line_may_say_passes() {
        for (method, scheme, authority, path, host) in [
            ("GET", "http", "a", "/b?c=d", &[][..]),
            ("GET", "https", "a:8080", "/", &["A:8080"]),
            ("OPTIONS", "http", "", "*", &["a"]),
            ("GET", "http", "", "/b", &["[::1]:80"]),
            ("CONNECT", "", "a:443", "", &[]),
        ] {
            assert_eq!(checked(method, scheme, authority, path, host), Ok(()), "{method} {authority} {path} {host:?}");
        }
    }

    #[test]
    fn what_could_say_something_else_in_http_1_is_refused() {
        for (method, scheme, authority, path, host, error) in [
            ("GET", "ftp", "a", "/", &[][..], HeadError::TargetForm),
            ("GET", "http", "u@a", "/", &[], HeadError::Host),
            ("GET", "http", "u:p@a", "/", &[], HeadError::Host),
            ("GET", "http", "a b", "/", &[], HeadError::Host),
            ("GET", "http", "", "/", &[], HeadError::Host),
            ("GET", "http", "a", "/", &["b"], HeadError::Host),
            ("GET", "http", "a", "/", &["a", "a"], HeadError::Host),
            ("GET", "http", "", "/", &["a", "a"], HeadError::Host),
            ("GET", "http", "", "/", &["a/b"], HeadError::Host),
            ("GET", "http", "", "/", &["a b"], HeadError::Host),
            ("GET", "http", "a", "*", &[], HeadError::TargetForm),
            ("GET", "http", "a", "x", &[], HeadError::TargetForm),
            ("GET", "http", "a", "/b\\c", &[], HeadError::TargetCharacter),
            ("GET", "http", "a", "/b c", &[], HeadError::TargetCharacter),
            ("GET", "http", "a", "/b HTTP/1.1\r\nx: y", &[], HeadError::TargetCharacter),
            ("GET", "http", "a", "/\u{e9}", &[], HeadError::TargetCharacter),
            ("GET", "http", "a", "/b#c", &[], HeadError::TargetCharacter),
        ] {
            assert_eq!(
                checked(method, scheme, authority, path, host),
                Err(error),
                "{method} {authority} {path} {host:?}"
            );
        }
    }
}
