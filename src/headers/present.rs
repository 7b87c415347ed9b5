//! Which fields a head has of those a gateway cares about.
//!
//! Asking the map costs a hash of the name each time, and most heads have hardly any of these fields:
//! one look at all names answers every question at once.

use std::ops::BitOr;

use http::{HeaderMap, HeaderName, header};

use super::disguise::is_disguise;

/// A set of kinds of fields. Fields removed since it was made are still in it, so it says what may be
/// there and what is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(u16);

impl Present {
    /// `Connection`.
    pub const CONNECTION: Self = Self(1);
    /// The other fields of one connection (RFC 9110 section 7.6.1).
    pub const HOP_BY_HOP: Self = Self(1 << 1);
    /// `Upgrade`, which is hop-by-hop as well.
    pub const UPGRADE: Self = Self(1 << 2);
    /// `Host`.
    pub const HOST: Self = Self(1 << 3);
    /// `Accept`.
    pub const ACCEPT: Self = Self(1 << 4);
    /// `Content-Type`.
    pub const CONTENT_TYPE: Self = Self(1 << 5);
    /// What proxies say of a client: `Forwarded`, everything that begins with `X-Forwarded-`, `Client-Cert` and
    /// `Client-Cert-Chain`.
    pub const FORWARDED: Self = Self(1 << 6);
    /// `Via`.
    pub const VIA: Self = Self(1 << 7);
    /// `X-Request-Id`.
    pub const REQUEST_ID: Self = Self(1 << 8);
    /// Everything that begins with `X-API-`.
    pub const API: Self = Self(1 << 9);
    /// `Trailer`.
    pub const TRAILER: Self = Self(1 << 11);
    /// `Vary`.
    pub const VARY: Self = Self(1 << 10);

    /// `Deprecation` and `Sunset`.
    pub const LIFECYCLE: Self = Self(1 << 12);

    /// A name that backends may take for one of the gateway's own.
    pub const DISGUISE: Self = Self(1 << 13);

    /// What `fields` have.
    pub fn of(fields: &HeaderMap) -> Self {
        fields.keys().fold(Self::default(), |present, name| present | Self::kind(name))
    }

    /// Whether any of `kinds` may be there.
    pub fn has(self, kinds: Self) -> bool {
        self.0 & kinds.0 != 0
    }

    /// Whether the field `name` may be there; also where it is of no kind.
    pub fn may_have(self, name: &HeaderName) -> bool {
        let kind = Self::kind(name);
        kind == Self::default() || self.has(kind)
    }

    /// The kind of one field. Lengths first: hardly any other name has the same.
    fn kind(name: &HeaderName) -> Self {
        let text = name.as_str();
        match text.len() {
            2 if *name == header::TE => Self::HOP_BY_HOP,
            3 if *name == header::VIA => Self::VIA,
            4 if *name == header::HOST => Self::HOST,
            4 if *name == header::VARY => Self::VARY,
            6 if *name == super::SUNSET => Self::LIFECYCLE,
            6 if *name == header::ACCEPT => Self::ACCEPT,
            7 if *name == header::TRAILER => Self::TRAILER,
            7 if *name == header::UPGRADE => Self::UPGRADE | Self::HOP_BY_HOP,
            9 if *name == header::FORWARDED => Self::FORWARDED,
            10 if *name == header::CONNECTION => Self::CONNECTION,
            10 if text == "keep-alive" => Self::HOP_BY_HOP,
            11 if *name == super::DEPRECATION => Self::LIFECYCLE,
            11 if text == "client-cert" => Self::FORWARDED,
            12 if *name == header::CONTENT_TYPE => Self::CONTENT_TYPE,
            12 if *name == super::X_REQUEST_ID => Self::REQUEST_ID,
            16 if text == "proxy-connection" => Self::HOP_BY_HOP,
            17 if *name == header::TRANSFER_ENCODING => Self::HOP_BY_HOP,
            17 if text == "client-cert-chain" => Self::FORWARDED,
            18 if *name == header::PROXY_AUTHENTICATE => Self::HOP_BY_HOP,
            19 if *name == header::PROXY_AUTHORIZATION => Self::HOP_BY_HOP,
            _ if text.starts_with("x-api-") => Self::API,
            15..=17 if is_forwarded(text) && is_disguise(text) => Self::FORWARDED | Self::DISGUISE,
            _ if is_forwarded(text) => Self::FORWARDED,
            10..=19 if is_disguise(text) => Self::DISGUISE,
            _ => Self::default(),
        }
    }
}

/// Whether a name begins with `x-forwarded-`. Many backends read `_` as `-`.
pub fn is_forwarded(name: &str) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let same = |(sent, own): (u8, &u8)| sent == *own || (sent == b'_' && *own == b'-');
    name.len() > PREFIX.len() && name.bytes().zip(PREFIX).all(same)
}

impl BitOr for Present {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn each_field_is_of_its_kind_and_of_no_other() {
        for (name, kind) in [
            ("connection", Present::CONNECTION),
            ("te", Present::HOP_BY_HOP),
            ("keep-alive", Present::HOP_BY_HOP),
            ("proxy-connection", Present::HOP_BY_HOP),
            ("transfer-encoding", Present::HOP_BY_HOP),
            ("proxy-authenticate", Present::HOP_BY_HOP),
            ("proxy-authorization", Present::HOP_BY_HOP),
            ("upgrade", Present::UPGRADE | Present::HOP_BY_HOP),
            ("trailer", Present::TRAILER),
            ("host", Present::HOST),
            ("accept", Present::ACCEPT),
            ("content-type", Present::CONTENT_TYPE),
            ("forwarded", Present::FORWARDED),
            ("x-forwarded-for", Present::FORWARDED),
            ("x-forwarded-anything", Present::FORWARDED),
            ("client-cert", Present::FORWARDED),
            ("client-cert-chain", Present::FORWARDED),
            ("x_forwarded_for", Present::FORWARDED | Present::DISGUISE),
            ("x-forwarded_proto", Present::FORWARDED | Present::DISGUISE),
            ("x_forwarded_port", Present::FORWARDED),
            ("client_cert", Present::DISGUISE),
            ("client-cert_chain", Present::DISGUISE),
            ("x_request_id", Present::DISGUISE),
            ("keep_alive", Present::DISGUISE),
            ("proxy_authorization", Present::DISGUISE),
            ("content_length", Present::DISGUISE),
            ("user_agent", Present::default()),
            ("x-forwarded-", Present::default()),
            ("x-forward-for-me", Present::default()),
            ("via", Present::VIA),
            ("x-request-id", Present::REQUEST_ID),
            ("x-api-version", Present::API),
            ("x-api-deprecated", Present::API),
            ("vary", Present::VARY),
            ("deprecation", Present::LIFECYCLE),
            ("sunset", Present::LIFECYCLE),
            ("date", Present::default()),
            ("accept-encoding", Present::default()),
            ("x-apiversion", Present::default()),
        ] {
            let fields = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("1"))]);
            assert_eq!(Present::of(&fields), kind, "{name}");
        }
    }

    #[test]
    fn a_head_has_what_any_of_its_fields_is() {
        let names = [header::DATE, header::HOST, header::VIA];
        let present = Present::of(&names.into_iter().map(|name| (name, HeaderValue::from_static("1"))).collect());
        assert!(present.has(Present::HOST) && present.has(Present::VIA | Present::ACCEPT));
        assert!(!present.has(Present::ACCEPT | Present::UPGRADE));
        assert_eq!(Present::of(&HeaderMap::new()), Present::default());
    }
}
