//! A switch of protocols that a client asks for (RFC 9110 section 7.8).

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header, request::Parts};

use super::websocket::{self, Key};

/// What a server is asked to switch to.
pub(super) struct Upgrade {
    /// The protocols it may choose from.
    pub(super) protocols: HeaderValue,
    /// For the handshake with the server, where the client's protocol has none.
    pub(super) key: Option<Key>,
    /// Of the client's handshake for a WebSocket, where its protocol has one; the server's may have none.
    client_key: Option<HeaderValue>,
}

/// Under these HTTP would go on unread: HTTP/2 after an upgrade, which is obsolete (RFC 9113 section 3.1), and TLS
/// (RFC 2817).
const UNREAD: [&str; 4] = ["h2c", "h2", "http", "tls"];

impl Upgrade {
    /// What a request asks for, without protocols that the gateway does not tunnel; none where nothing is left.
    pub(super) fn read(parts: &Parts) -> Option<Self> {
        // HTTP/1.0 knows no upgrade. Over HTTP/2 it stands for an extended CONNECT: no client can send it.
        let asks = || options(&parts.headers, &header::CONNECTION).any(|o| o.eq_ignore_ascii_case(b"upgrade"));
        if parts.version < Version::HTTP_11 || !asks() {
            return None;
        }
        let tunnelled = options(&parts.headers, &header::UPGRADE).filter(is_tunnelled);
        let protocols = HeaderValue::from_bytes(&tunnelled.collect::<Vec<_>>().join(&b", "[..])).ok()?;
        if protocols.is_empty() {
            return None;
        }
        let key = (parts.version == Version::HTTP_2).then(Key::new);
        let client_key = match key {
            Some(_) => None,
            None => client_key(parts).filter(|_| split(&protocols).any(|p| p.eq_ignore_ascii_case(WEBSOCKET))),
        };
        Some(Self { protocols, key, client_key: client_key.cloned() })
    }

    /// Whether a WebSocket is asked for, which HTTP/2 has its own way for (RFC 8441).
    pub(super) fn is_websocket(&self) -> bool {
        self.key.is_some() || self.client_key.is_some()
    }

    /// What a client has to be told of a WebSocket where its server has done no handshake.
    pub(super) fn proof(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(websocket::proof(self.client_key.as_ref()?.as_bytes())).ok()
    }

    /// What a server says it has switched to; none where that is not among what it was asked for.
    pub(super) fn chosen(&self, fields: &HeaderMap) -> Option<HeaderValue> {
        let asked: Vec<&[u8]> = split(&self.protocols).collect();
        let chosen: Vec<&[u8]> = options(fields, &header::UPGRADE).collect();
        match (&chosen[..], &asked[..]) {
            // Only one can be meant.
            ([], [_]) => Some(self.protocols.clone()),
            ([], _) => None,
            _ if chosen.iter().all(|one| asked.iter().any(|other| one.eq_ignore_ascii_case(other))) => {
                HeaderValue::from_bytes(&chosen.join(&b", "[..])).ok()
            }
            _ => None,
        }
    }
}

const WEBSOCKET: &[u8] = b"websocket";

/// The key of a client's handshake (RFC 6455 section 4.1).
fn client_key(parts: &Parts) -> Option<&HeaderValue> {
    let mut keys = parts.headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| parts.method == Method::GET && keys.next().is_none())?;
    websocket::is_key(key.as_bytes()).then_some(key)
}

/// `protocol-name ["/" protocol-version]`, of a protocol that may be tunnelled.
fn is_tunnelled(protocol: &&[u8]) -> bool {
    let mut parts = protocol.split(|b| *b == b'/');
    let name = parts.next().unwrap_or_default();
    let (version, more) = (parts.next(), parts.next());
    // A name of a field is a token, nothing else.
    let is_token = |text: &[u8]| HeaderName::from_bytes(text).is_ok();
    is_token(name)
        && version.is_none_or(is_token)
        && more.is_none()
        && !UNREAD.iter().any(|unread| name.eq_ignore_ascii_case(unread.as_bytes()))
}

/// The members of a list, over all its lines.
fn options<'f>(fields: &'f HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'f [u8]> {
    fields.get_all(name).into_iter().flat_map(split)
}

fn split(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(version: Version, fields: &[(&'static str, &'static str)]) -> Option<Upgrade> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.version = version;
        for (name, value) in fields {
            parts.headers.append(*name, HeaderValue::from_static(value));
        }
        Upgrade::read(&parts)
    }

    #[test]
    fn what_would_carry_http_unread_is_taken_off_every_list() {
        for (lines, passed) in [
            (&["websocket"][..], Some("websocket")),
            (&["WebSocket/13"], Some("WebSocket/13")),
            (&["foo, websocket"], Some("foo, websocket")),
            (&["h2c"], None),
            (&["H2C"], None),
            (&["foo, h2c"], Some("foo")),
            (&["h2c,websocket"], Some("websocket")),
            (&["websocket", "h2c"], Some("websocket")),
            (&["h2c/1, h2, HTTP/2.0, TLS/1.0"], None),
            (&["websocket h2c"], None),
            (&["foo/h2c/1"], None),
            (&[", ,"], None),
        ] {
            let mut fields = vec![("connection", "keep-alive, Upgrade")];
            fields.extend(lines.iter().map(|line| ("upgrade", *line)));
            let upgrade = asked(Version::HTTP_11, &fields);
            assert_eq!(upgrade.map(|upgrade| upgrade.protocols), passed.map(HeaderValue::from_static), "{lines:?}");
        }
    }

    #[test]
    fn an_upgrade_is_asked_for_in_connection_and_not_by_http_1_0() {
        let fields = [("connection", "upgrade"), ("upgrade", "websocket")];
        assert!(asked(Version::HTTP_11, &fields).is_some_and(|upgrade| upgrade.key.is_none()));
        assert!(asked(Version::HTTP_2, &fields).is_some_and(|upgrade| upgrade.key.is_some()));
        assert!(asked(Version::HTTP_10, &fields).is_none());
        assert!(asked(Version::HTTP_11, &fields[1..]).is_none());
        assert!(asked(Version::HTTP_11, &fields[..1]).is_none());
    }

    #[test]
    fn a_websocket_is_asked_for_with_a_key() {
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let ask = |upgrade, more: &[_]| {
            let fields = [&[("connection", "upgrade"), ("upgrade", upgrade)], more].concat();
            asked(Version::HTTP_11, &fields).expect("an upgrade")
        };
        let one = ask("foo, WebSocket", &[key]);
        // RFC 6455 section 1.3.
        assert_eq!(one.proof().expect("a proof"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(one.is_websocket());
        for other in [
            ask("foo", &[key]),
            ask("websocket", &[]),
            ask("websocket", &[key, key]),
            ask("websocket", &[("sec-websocket-key", "c2hvcnQ=")]),
        ] {
            assert!(!other.is_websocket() && other.proof().is_none());
        }
        let two = asked(Version::HTTP_2, &[("connection", "upgrade"), ("upgrade", "websocket"), key]).expect("one");
        assert!(two.is_websocket() && two.proof().is_none(), "no client of HTTP/2 waits for a proof");
    }

    #[test]
    fn a_server_switches_to_what_it_was_asked_for() {
        for (wanted, told, chosen) in [
            ("websocket", &["WebSocket"][..], Some("WebSocket")),
            ("websocket", &[], Some("websocket")),
            ("foo, bar/1", &["bar/1"], Some("bar/1")),
            ("foo, bar/1", &["foo", "bar/1"], Some("foo, bar/1")),
            ("foo, bar/1", &[], None),
            ("foo, bar/1", &["bar"], None),
            ("websocket", &["h2c"], None),
            ("websocket", &["websocket, h2c"], None),
            ("websocket", &["websocket", "h2c"], None),
        ] {
            let upgrade = Upgrade { protocols: HeaderValue::from_static(wanted), key: None, client_key: None };
            let fields = told.iter().map(|line| (header::UPGRADE, HeaderValue::from_static(line))).collect();
            assert_eq!(upgrade.chosen(&fields), chosen.map(HeaderValue::from_static), "{wanted} {told:?}");
        }
    }
}
