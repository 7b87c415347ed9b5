//! What HTTP/1 says in its first line and `Host`, HTTP/2 says in pseudo-fields (RFC 9113 section 8.3).
//!
//! The protocol's parser reads them as parts of a URI and is more lenient than a request line may be:
//! what passes there could say something else once it is written as HTTP/1.

use http::{HeaderMap, Method, Uri, header};

use super::head::{HeadError, is_authority, is_target};

/// Checks what will become a request line and `Host`.
pub fn check(method: &Method, uri: &Uri, fields: &HeaderMap) -> Result<(), HeadError> {
    if method.as_str().len() > 64 {
        return Err(HeadError::RequestLine);
    }
    if uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return Err(HeadError::TargetForm);
    }
    authority(uri, fields)?;
    if *method != Method::CONNECT {
        target(method, uri)?;
    }
    // Lines that differ end the stream before this; the same one twice is one too many to pass on.
    if fields.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(HeadError::ContentLength);
    }
    Ok(())
}

/// Exactly one host, without a user; `Host` may only repeat it (RFC 9113 section 8.3.1).
fn authority(uri: &Uri, fields: &HeaderMap) -> Result<(), HeadError> {
    let mut hosts = fields.get_all(header::HOST).iter();
    let (host, second) = (hosts.next().map(|host| host.as_bytes()), hosts.next());
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    let agree = match (authority, host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => true,
    };
    match authority.or(host) {
        Some(name) if agree && second.is_none() && !name.is_empty() && is_authority(name) => Ok(()),
        _ => Err(HeadError::Host),
    }
}

fn target(method: &Method, uri: &Uri) -> Result<(), HeadError> {
    let target = uri.path_and_query().map_or("", |target| target.as_str()).as_bytes();
    match target {
        [b'/', ..] => {}
        b"*" if *method == Method::OPTIONS => {}
        _ => return Err(HeadError::TargetForm),
    }
    if target.iter().all(|b| is_target(*b)) { Ok(()) } else { Err(HeadError::TargetCharacter) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(method: &str, uri: &str, host: &[&'static str]) -> Result<(), HeadError> {
        let mut fields = HeaderMap::new();
        for host in host {
            fields.append(header::HOST, HeaderValue::from_static(host));
        }
        check(&Method::from_bytes(method.as_bytes()).expect("a method"), &uri.parse().expect("a URI"), &fields)
    }

    #[test]
    fn what_a_request_line_may_say_passes() {
        for (method, uri, host) in [
            ("GET", "http://a/b?c=d", &[][..]),
            ("GET", "https://a:8080/", &["A:8080"]),
            ("OPTIONS", "*", &["a"]),
            ("GET", "/b", &["[::1]:80"]),
            ("CONNECT", "a:443", &[]),
        ] {
            assert_eq!(checked(method, uri, host), Ok(()), "{method} {uri} {host:?}");
        }
    }

    #[test]
    fn what_could_say_something_else_in_http_1_is_refused() {
        for (method, uri, host, error) in [
            ("GET", "ftp://a/", &[][..], HeadError::TargetForm),
            ("GET", "http://u@a/", &[], HeadError::Host),
            ("GET", "http://u:p@a/", &[], HeadError::Host),
            ("GET", "/", &[], HeadError::Host),
            ("GET", "http://a/", &["b"], HeadError::Host),
            ("GET", "http://a/", &["a", "a"], HeadError::Host),
            ("GET", "/", &["a", "a"], HeadError::Host),
            ("GET", "/", &["a/b"], HeadError::Host),
            ("GET", "/", &["a b"], HeadError::Host),
            ("GET", "*", &["a"], HeadError::TargetForm),
            ("GET", "http://a/b\\c", &[], HeadError::TargetCharacter),
        ] {
            assert_eq!(checked(method, uri, host), Err(error), "{method} {uri} {host:?}");
        }
    }

    #[test]
    fn a_length_may_stand_once() {
        let mut fields = HeaderMap::new();
        fields.append(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        let uri = "http://a/".parse().expect("a URI");
        assert_eq!(check(&Method::POST, &uri, &fields), Ok(()));
        fields.append(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        assert_eq!(check(&Method::POST, &uri, &fields), Err(HeadError::ContentLength));
    }
}
