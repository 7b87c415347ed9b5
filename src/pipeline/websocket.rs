//! The handshake of a WebSocket where one side speaks HTTP/2 and does none (RFC 6455 sections 4.1 and 4.2.2, RFC 8441
//! section 5).
//!
//! A server that speaks HTTP/1.1 is asked with a key of the gateway's own, and has to show that it understood. A client
//! that speaks HTTP/1.1 gets its proof from the gateway.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ring::digest;

/// What every server puts behind the key.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key that was made for one handshake.
#[derive(Debug)]
pub(super) struct Key(String);

impl Key {
    /// A new one: sixteen random bytes.
    pub(super) fn new() -> Self {
        Self(STANDARD.encode(fastrand::u128(..).to_ne_bytes()))
    }

    /// Puts it into a request, in the place of whatever stands there.
    pub(super) fn put(&self, fields: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            fields.insert(header::SEC_WEBSOCKET_KEY, value);
        }
    }

    /// Takes the server's proof out of its answer; whether it fits.
    pub(super) fn accepts(&self, fields: &mut HeaderMap) -> bool {
        let wanted = proof(self.0.as_bytes());
        let told =
            |name: &HeaderName| fields.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().concat();
        let fits = told(&header::SEC_WEBSOCKET_ACCEPT) == wanted.as_bytes();
        fields.remove(header::SEC_WEBSOCKET_ACCEPT);
        fits
    }
}

/// Whether a client may have made `key`: the base64 of sixteen bytes (RFC 6455 section 4.2.1).
pub(super) fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// What shows that `key` was understood.
pub(super) fn proof(key: &[u8]) -> String {
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, SUFFIX.as_bytes()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_to_answer_to_the_key() {
        // RFC 6455 section 1.3.
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".into());
        for (accept, fits) in
            [("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", true), ("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", false), ("", false)]
        {
            let mut fields = HeaderMap::new();
            fields.insert(header::SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(key.accepts(&mut fields), fits, "{accept}");
            assert!(fields.is_empty(), "it is the gateway's business");
        }
        assert!(!key.accepts(&mut HeaderMap::new()));
    }

    #[test]
    fn no_two_keys_are_the_same_and_the_clients_own_is_replaced() {
        let mut fields = HeaderMap::new();
        fields.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("x"));
        let (one, two) = (Key::new(), Key::new());
        one.put(&mut fields);
        assert_eq!(fields[header::SEC_WEBSOCKET_KEY], one.0);
        assert!(one.0 != two.0 && STANDARD.decode(&one.0).expect("base64").len() == 16);
    }
}
