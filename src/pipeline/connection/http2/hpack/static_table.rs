//! Fields every client knows from the start (RFC 7541 appendix A).

use http::{HeaderName, HeaderValue, header};

use super::field::{Field, Name, OVERHEAD};

/// How many there are; they are numbered from 1.
pub const FIELDS: usize = 61;

/// The field with this number.
pub fn field(index: usize) -> Option<&'static Field> {
    TABLE.get(index.checked_sub(1)?)
}

/// The number of the first field of this name.
pub fn index(name: &HeaderName) -> Option<usize> {
    let name = name.as_str();
    // By length first: almost every name is told apart by it, or by one comparison more.
    let index = match name.len() {
        3 => match name {
            "age" => 21,
            "via" => 60,
            _ => return None,
        },
        4 => match name {
            "date" => 33,
            "etag" => 34,
            "from" => 37,
            "host" => 38,
            "link" => 45,
            "vary" => 59,
            _ => return None,
        },
        5 => match name {
            "allow" => 22,
            "range" => 50,
            _ => return None,
        },
        6 => match name {
            "accept" => 19,
            "cookie" => 32,
            "expect" => 35,
            "server" => 54,
            _ => return None,
        },
        7 => match name {
            "expires" => 36,
            "referer" => 51,
            "refresh" => 52,
            _ => return None,
        },
        8 => match name {
            "if-match" => 39,
            "if-range" => 42,
            "location" => 46,
            _ => return None,
        },
        10 => match name {
            "set-cookie" => 55,
            "user-agent" => 58,
            _ => return None,
        },
        11 if name == "retry-after" => 53,
        12 => match name {
            "content-type" => 31,
            "max-forwards" => 47,
            _ => return None,
        },
        13 => match name {
            "accept-ranges" => 18,
            "authorization" => 23,
            "cache-control" => 24,
            "content-range" => 30,
            "if-none-match" => 41,
            "last-modified" => 44,
            _ => return None,
        },
        14 => match name {
            "accept-charset" => 15,
            "content-length" => 28,
            _ => return None,
        },
        15 => match name {
            "accept-encoding" => 16,
            "accept-language" => 17,
            _ => return None,
        },
        16 => match name {
            "content-encoding" => 26,
            "content-language" => 27,
            "content-location" => 29,
            "www-authenticate" => 61,
            _ => return None,
        },
        17 => match name {
            "if-modified-since" => 40,
            "transfer-encoding" => 57,
            _ => return None,
        },
        18 if name == "proxy-authenticate" => 48,
        19 => match name {
            "content-disposition" => 25,
            "if-unmodified-since" => 43,
            "proxy-authorization" => 49,
            _ => return None,
        },
        25 if name == "strict-transport-security" => 56,
        27 if name == "access-control-allow-origin" => 20,
        _ => return None,
    };
    Some(index)
}

const fn pseudo(name: Name, value: &'static str) -> Field {
    let size = name_length(&name) + value.len() + OVERHEAD;
    Field { name, value: Some(HeaderValue::from_static(value)), size }
}

const fn name_length(name: &Name) -> usize {
    match name {
        Name::Path => 5,
        Name::Authority => 10,
        _ => 7,
    }
}

const fn named(name: HeaderName, length: usize) -> Field {
    valued(name, length, "")
}

const fn valued(name: HeaderName, length: usize, value: &'static str) -> Field {
    let size = length + value.len() + OVERHEAD;
    Field { name: Name::Field(name), value: Some(HeaderValue::from_static(value)), size }
}

static TABLE: [Field; FIELDS] = [
    pseudo(Name::Authority, ""),
    pseudo(Name::Method, "GET"),
    pseudo(Name::Method, "POST"),
    pseudo(Name::Path, "/"),
    pseudo(Name::Path, "/index.html"),
    pseudo(Name::Scheme, "http"),
    pseudo(Name::Scheme, "https"),
    pseudo(Name::Status, "200"),
    pseudo(Name::Status, "204"),
    pseudo(Name::Status, "206"),
    pseudo(Name::Status, "304"),
    pseudo(Name::Status, "400"),
    pseudo(Name::Status, "404"),
    pseudo(Name::Status, "500"),
    named(header::ACCEPT_CHARSET, 14),
    valued(header::ACCEPT_ENCODING, 15, "gzip, deflate"),
    named(header::ACCEPT_LANGUAGE, 15),
    named(header::ACCEPT_RANGES, 13),
    named(header::ACCEPT, 6),
    named(header::ACCESS_CONTROL_ALLOW_ORIGIN, 27),
    named(header::AGE, 3),
    named(header::ALLOW, 5),
    named(header::AUTHORIZATION, 13),
    named(header::CACHE_CONTROL, 13),
    named(header::CONTENT_DISPOSITION, 19),
    named(header::CONTENT_ENCODING, 16),
    named(header::CONTENT_LANGUAGE, 16),
    named(header::CONTENT_LENGTH, 14),
    named(header::CONTENT_LOCATION, 16),
    named(header::CONTENT_RANGE, 13),
    named(header::CONTENT_TYPE, 12),
    named(header::COOKIE, 6),
    named(header::DATE, 4),
    named(header::ETAG, 4),
    named(header::EXPECT, 6),
    named(header::EXPIRES, 7),
    named(header::FROM, 4),
    named(header::HOST, 4),
    named(header::IF_MATCH, 8),
    named(header::IF_MODIFIED_SINCE, 17),
    named(header::IF_NONE_MATCH, 13),
    named(header::IF_RANGE, 8),
    named(header::IF_UNMODIFIED_SINCE, 19),
    named(header::LAST_MODIFIED, 13),
    named(header::LINK, 4),
    named(header::LOCATION, 8),
    named(header::MAX_FORWARDS, 12),
    named(header::PROXY_AUTHENTICATE, 18),
    named(header::PROXY_AUTHORIZATION, 19),
    named(header::RANGE, 5),
    named(header::REFERER, 7),
    named(header::REFRESH, 7),
    named(header::RETRY_AFTER, 11),
    named(header::SERVER, 6),
    named(header::SET_COOKIE, 10),
    named(header::STRICT_TRANSPORT_SECURITY, 25),
    named(header::TRANSFER_ENCODING, 17),
    named(header::USER_AGENT, 10),
    named(header::VARY, 4),
    named(header::VIA, 3),
    named(header::WWW_AUTHENTICATE, 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_number_and_every_field_its_size() {
        for at in 1..=FIELDS {
            let field = field(at).expect("a field");
            let value = field.value.as_ref().expect("a value");
            assert_eq!(field.size, field.name.length() + value.len() + OVERHEAD, "{at}");
            if let Name::Field(name) = &field.name {
                assert_eq!(index(name), Some(at), "{name}");
            }
        }
        assert_eq!(index(&HeaderName::from_static("x-other")), None);
        assert_eq!(index(&HeaderName::from_static("datum")), None);
        assert!(field(0).is_none() && field(FIELDS + 1).is_none());
    }
}
