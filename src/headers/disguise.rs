//! Names that many backends take for others: CGI, WSGI and their kin read `-` and `_` as one (RFC 3875
//! section 4.1.18). A client that may not say `Client-Cert` may not say `client_cert` either.

use http::{HeaderMap, HeaderName};

/// What the gateway takes off requests or says itself, and what tells where their body ends. Fields of versions are
/// the API's own affair, everything under `X-Forwarded-` that of [`super::present::is_forwarded`].
const OWN: [&str; 12] = [
    "keep-alive",
    "client-cert",
    "x-request-id",
    "content-length",
    "x-forwarded-for",
    "x-forwarded-host",
    "proxy-connection",
    "x-forwarded-proto",
    "client-cert-chain",
    "transfer-encoding",
    "proxy-authenticate",
    "proxy-authorization",
];

/// Whether a backend may take `name` for one of the gateway's, which it is not.
pub fn is_disguise(name: &str) -> bool {
    name.as_bytes().contains(&b'_') && OWN.iter().any(|own| is_same(name, own))
}

/// Whether a backend may take `name` for `own`.
pub fn is_same(name: &str, own: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == own.len() && name.bytes().zip(own.bytes()).all(|(a, b)| folded(a) == folded(b))
}

/// Removes every disguise.
pub fn remove(fields: &mut HeaderMap) {
    while let Some(name) = fields.keys().find(|name: &&HeaderName| is_disguise(name.as_str())).cloned() {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_a_backend_may_mistake_is_removed() {
        let kept = ["client-cert", "x-request-id", "content-length", "user_agent", "x_request", "client_certs", "_"];
        let gone = [
            "client_cert",
            "client_cert_chain",
            "client-cert_chain",
            "client_cert-chain",
            "x_request_id",
            "x-request_id",
            "content_length",
            "transfer_encoding",
            "keep_alive",
            "proxy_connection",
            "proxy_authorization",
            "x_forwarded_for",
            "x-forwarded_proto",
        ];
        let names = kept.iter().chain(&gone).map(|name| HeaderName::from_static(name));
        let mut fields: HeaderMap = names.map(|name| (name, HeaderValue::from_static("1"))).collect();
        remove(&mut fields);
        let left: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, kept);
    }
}
