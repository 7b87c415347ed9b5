//! What a gRPC call says about itself: it may be a stream that lasts as long as both sides like.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A gRPC call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// How long the caller gives the whole call.
    pub timeout: Option<Duration>,
}

impl Call {
    /// None where the request is no gRPC call.
    pub fn read(fields: &HeaderMap) -> Option<Self> {
        let media_type = fields.get(header::CONTENT_TYPE)?.as_bytes();
        let rest = media_type.strip_prefix(b"application/grpc")?;
        let is_call = matches!(rest.first(), None | Some(b'+' | b';'));
        is_call.then(|| Self { timeout: fields.get(GRPC_TIMEOUT).and_then(|value| timeout(value.as_bytes())) })
    }
}

/// One to eight digits and a unit.
fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999S", Some(Duration::from_secs(99_999_999))),
            ("100m", Some(Duration::from_millis(100))),
            ("5u", Some(Duration::from_micros(5))),
            ("7n", Some(Duration::from_nanos(7))),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1s", None),
            ("-1S", None),
        ] {
            assert_eq!(timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_call_is_told_by_its_media_type() {
        for (text, call) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(text));
            assert_eq!(Call::read(&fields).is_some(), call, "{text}");
        }
        assert_eq!(Call::read(&HeaderMap::new()), None);
    }
}
