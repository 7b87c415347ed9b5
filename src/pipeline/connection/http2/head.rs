//! A request, or trailers, from the fields of a header block (RFC 9113 sections 8.1 to 8.3).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header,
    request::Parts,
    uri::{Authority, PathAndQuery},
};

use super::hpack::field::{Name, Seen};
use crate::{
    headers::spare,
    pipeline::downstream::{
        head::{HeadError, HeadLimits},
        pseudo::{self, Pseudo},
    },
};

/// A request head, and what its stream has to know of it.
#[derive(Debug)]
pub struct Head {
    /// The request without its body. Where it was refused, a harmless one stands for it.
    pub request: Box<Parts>,
    /// The length of the body, where the client said it.
    pub length: Option<u64>,
    /// Whether the client waits to be told to send the body (RFC 9110 section 10.1.1).
    pub expects: bool,
    /// Whether its stream is to become a tunnel: what comes on it is no body (RFC 8441).
    pub tunnel: bool,
    /// Why it is refused, with a line that says what was asked for.
    pub refused: Option<(HeadError, Vec<u8>)>,
}

/// No message can have this head (RFC 9113 section 8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Room for an ordinary head and what the gateway adds to it.
const FIELDS: usize = 24;

/// Takes the fields of a block in.
#[derive(Debug)]
pub struct HeadReader {
    limits: HeadLimits,
    method: Option<Method>,
    scheme: Option<HeaderValue>,
    authority: Option<HeaderValue>,
    path: Option<Bytes>,
    protocol: Option<HeaderValue>,
    fields: HeaderMap,
    length: Option<u64>,
    /// Whether the same length was said twice.
    repeats: bool,
    expects: bool,
    /// What the fields count together.
    size: usize,
    malformed: bool,
    /// Whether a field has come that is none of the pseudo-fields.
    regular: bool,
}

impl HeadReader {
    /// Reads with the limits of the connection.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            protocol: None,
            fields: spare::take(FIELDS),
            length: None,
            repeats: false,
            expects: false,
            size: 0,
            malformed: false,
            regular: false,
        }
    }

    /// Takes the next field.
    pub fn show(&mut self, seen: Seen<'_>) {
        self.size = self.size.saturating_add(seen.size);
        // What is beyond the limit is not kept.
        if self.is_too_large() || self.malformed {
            return;
        }
        if self.take(seen).is_none() {
            self.malformed = true;
        }
    }

    fn is_too_large(&self) -> bool {
        self.size > self.limits.header_bytes
    }

    fn take(&mut self, seen: Seen<'_>) -> Option<()> {
        let Name::Field(name) = seen.name else {
            return if self.regular { None } else { self.pseudo(seen) };
        };
        self.regular = true;
        let value = seen.field_value()?;
        let bytes = value.as_bytes();
        if matches!(bytes, [b' ' | b'\t', ..] | [.., b' ' | b'\t']) {
            return None;
        }
        match *name {
            header::CONTENT_LENGTH => return self.content_length(value),
            header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE => return None,
            header::TE if bytes != b"trailers" => return None,
            header::EXPECT => self.expects |= bytes.eq_ignore_ascii_case(b"100-continue"),
            _ if is_of_connection(name) => return None,
            _ => {}
        }
        // Beyond what a map can hold the limits have been left behind.
        self.fields.try_append(name.clone(), value).ok().map(|_| ())
    }

    fn pseudo(&mut self, seen: Seen<'_>) -> Option<()> {
        match seen.name {
            Name::Method => once(&mut self.method, Method::from_bytes(seen.bytes()?).ok()?),
            Name::Scheme => once(&mut self.scheme, seen.field_value()?),
            Name::Authority => once(&mut self.authority, seen.field_value()?),
            Name::Path => match seen.bytes()? {
                [] => None,
                b"/" => once(&mut self.path, Bytes::from_static(b"/")),
                path => once(&mut self.path, Bytes::copy_from_slice(path)),
            },
            Name::Protocol => once(&mut self.protocol, seen.field_value()?),
            Name::Status | Name::Field(_) | Name::Malformed(_) => None,
        }
    }

    fn content_length(&mut self, value: HeaderValue) -> Option<()> {
        let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        let length = digits.parse().ok()?;
        if let Some(before) = self.length.replace(length) {
            self.repeats = true;
            return (before == length).then_some(());
        }
        self.fields.try_append(header::CONTENT_LENGTH, value).ok().map(|_| ())
    }

    /// The trailers of a request.
    pub fn trailers(self) -> Result<HeaderMap, Malformed> {
        let pseudo = self.method.is_some()
            || self.scheme.is_some()
            || self.authority.is_some()
            || self.path.is_some()
            || self.protocol.is_some();
        if self.malformed || pseudo || self.is_too_large() { Err(Malformed) } else { Ok(self.fields) }
    }

    /// The request.
    ///
    /// - `ends`: whether it has no body.
    pub fn request(mut self, ends: bool) -> Result<Head, Malformed> {
        let Some(method) = self.method.take().filter(|_| !self.malformed) else { return Err(Malformed) };
        let refused = if self.is_too_large() || self.fields.len() > self.limits.fields {
            Err(HeadError::TooLarge)
        } else {
            self.check(&method, ends)?
        };
        match refused.and_then(|()| self.uri(&method)) {
            Ok(uri) => {
                if let Some(authority) = self.authority {
                    self.fields.insert(header::HOST, authority);
                }
                // Any other protocol stays what it is, a CONNECT, which the gateway does not serve.
                let tunnel =
                    self.protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
                let method = if tunnel { ask_for_websocket(&mut self.fields) } else { method };
                let expects = self.expects && !ends && !tunnel;
                let request = request(method, uri, self.fields);
                Ok(Head { request, length: self.length, expects, tunnel, refused: None })
            }
            Err(error) => {
                let line = self.line(&method);
                let method = if method == Method::HEAD { method } else { Method::GET };
                let request = request(method, Uri::default(), self.fields);
                let refused = Some((error, line));
                Ok(Head { request, length: self.length, expects: false, tunnel: false, refused })
            }
        }
    }

    /// Whether the request is one, and if so, whether it is acceptable.
    fn check(&self, method: &Method, ends: bool) -> Result<Result<(), HeadError>, Malformed> {
        let connects = *method == Method::CONNECT;
        let whole = match &self.protocol {
            // A tunnel has no body that could have a length (RFC 8441 section 4).
            Some(_) => connects && self.scheme.is_some() && self.path.is_some() && self.authority.is_some(),
            None if connects => self.scheme.is_none() && self.path.is_none() && self.authority.is_some(),
            None => self.scheme.is_some() && self.path.is_some(),
        } && (self.protocol.is_none() || self.length.is_none());
        if !whole || (ends && self.length.is_some_and(|length| length > 0)) {
            return Err(Malformed);
        }
        if self.repeats {
            return Ok(Err(HeadError::ContentLength));
        }
        if self.path.as_ref().is_some_and(|path| path.len() > self.limits.target_bytes) {
            return Ok(Err(HeadError::TargetTooLong));
        }
        let pseudo = Pseudo {
            method,
            scheme: self.scheme.as_ref().map(HeaderValue::as_bytes),
            authority: self.authority.as_ref().map(HeaderValue::as_bytes),
            path: self.path.as_deref(),
        };
        Ok(pseudo::check(pseudo, &self.fields))
    }

    /// The target alone: what `:authority` says is in `Host`.
    fn uri(&self, method: &Method) -> Result<Uri, HeadError> {
        match &self.path {
            Some(path) if path == "/" => Ok(Uri::from(PathAndQuery::from_static("/"))),
            Some(path) if path == "*" => Ok(Uri::from(PathAndQuery::from_static("*"))),
            Some(path) => {
                PathAndQuery::from_maybe_shared(path.clone()).map(Uri::from).map_err(|_| HeadError::TargetCharacter)
            }
            None => {
                debug_assert_eq!(*method, Method::CONNECT, "others have a path");
                let authority = self.authority.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
                Authority::try_from(authority).map(Uri::from).map_err(|_| HeadError::Host)
            }
        }
    }

    /// What was asked for, as HTTP/1 says it.
    fn line(&self, method: &Method) -> Vec<u8> {
        [method.as_str().as_bytes(), b" ", self.path.as_deref().unwrap_or_default(), b" "].concat()
    }
}

fn request(method: Method, uri: Uri, fields: HeaderMap) -> Box<Parts> {
    let mut request = spare::head(fields);
    request.method = method;
    request.uri = uri;
    request.version = Version::HTTP_2;
    request
}

/// Says what the client wants as HTTP/1.1 says it: a GET that asks for an upgrade. Only here can a request of HTTP/2 get
/// these fields.
fn ask_for_websocket(fields: &mut HeaderMap) -> Method {
    fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    Method::GET
}

/// Sets what may be said once.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// Fields of HTTP/1 that speak of its connection, beyond those the match above knows (section 8.2.2).
fn is_of_connection(name: &HeaderName) -> bool {
    matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::checked::ChunkLimits,
        pipeline::connection::http2::hpack::{Decoder, encoder},
    };

    const LIMITS: HeadLimits = HeadLimits {
        target_bytes: 40,
        header_bytes: 500,
        fields: 6,
        chunked: ChunkLimits { extension_bytes: 16, trailer_bytes: 16, trailer_fields: 2 },
    };

    fn reader(fields: &[(&str, &str)]) -> HeadReader {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                super::super::hpack::integer::write(&mut block, 0, 7, text.len());
                block.extend_from_slice(text.as_bytes());
            }
        }
        let mut reader = HeadReader::new(LIMITS);
        assert_eq!(Decoder::default().block(&block, |seen| reader.show(seen)), Ok(()));
        reader
    }

    const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/a?b"), (":authority", "h")];

    fn with(more: &[(&str, &str)]) -> Vec<(&'static str, &'static str)> {
        let leak = |text: &str| -> &'static str { text.to_owned().leak() };
        GET.iter().chain(more).map(|(name, value)| (leak(name), leak(value))).collect()
    }

    #[test]
    fn a_request_names_its_host_like_one_of_http_1() {
        let head = reader(&with(&[("x", "1"), ("x", "2"), ("content-length", "3"), ("expect", "100-Continue")]));
        let head = head.request(false).expect("a request");
        assert_eq!((&head.request.method, head.request.uri.to_string()), (&Method::GET, "/a?b".to_owned()));
        assert_eq!(head.request.headers["host"], "h");
        assert_eq!(head.request.headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((head.length, head.expects, head.refused), (Some(3), true, None));
        let tunnel = reader(&[(":method", "CONNECT"), (":authority", "h:1")]).request(true).expect("a request");
        assert_eq!((tunnel.request.uri.to_string(), tunnel.refused), ("h:1".to_owned(), None));
    }

    const CONNECT: [(&str, &str); 5] = [
        (":method", "CONNECT"),
        (":protocol", "WebSocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "h"),
    ];

    #[test]
    fn a_websocket_is_asked_for_as_http_1_does() {
        let head = reader(&CONNECT).request(false).expect("a request");
        assert!(head.tunnel && head.refused.is_none());
        let (method, uri, fields) = (&head.request.method, &head.request.uri, &head.request.headers);
        assert_eq!((method, uri.to_string().as_str()), (&Method::GET, "/chat"));
        assert_eq!(
            (&fields["upgrade"], &fields["connection"]),
            (&"websocket".parse().expect("a value"), &"upgrade".parse().expect("a value"))
        );
        let mut other = CONNECT;
        other[1].1 = "connect-udp";
        let head = reader(&other).request(false).expect("a request");
        assert_eq!((head.tunnel, &head.request.method), (false, &Method::CONNECT));
        assert!(head.request.headers.get("upgrade").is_none());
        for missing in [0, 2, 3, 4] {
            let mut fields = CONNECT.to_vec();
            fields.remove(missing);
            assert_eq!(reader(&fields).request(false).map(|head| head.refused), Err(Malformed), "{missing}");
        }
        let mut get = CONNECT.to_vec();
        get[0].1 = "GET";
        let twice = [&CONNECT[..2], &CONNECT[1..]].concat();
        let length = [&CONNECT[..], &[("content-length", "5")]].concat();
        for fields in [get, twice, length] {
            assert_eq!(reader(&fields).request(false).map(|head| head.refused), Err(Malformed), "{fields:?}");
        }
    }

    #[test]
    fn no_message_can_have_these_heads() {
        for fields in [
            vec![],
            GET[1..].to_vec(),
            [&GET[..1], &GET[2..]].concat(),
            [&GET[..2], &GET[3..]].concat(),
            with(&[(":path", "/")]),
            with(&[("x", "y"), (":scheme", "http")]),
            with(&[(":status", "200")]),
            with(&[(":protocol", "websocket")]),
            with(&[("X", "y")]),
            with(&[("x", " y")]),
            with(&[("x", "y\t")]),
            with(&[("x", "a\nb")]),
            with(&[("connection", "close")]),
            with(&[("keep-alive", "1")]),
            with(&[("proxy-connection", "x")]),
            with(&[("transfer-encoding", "chunked")]),
            with(&[("upgrade", "x")]),
            with(&[("te", "trailers, gzip")]),
            with(&[("content-length", "1"), ("content-length", "2")]),
            with(&[("content-length", "+1")]),
            with(&[("content-length", "1")]),
            vec![(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "h")],
            vec![(":method", "G T"), (":scheme", "http"), (":path", "/"), (":authority", "h")],
            vec![(":method", "CONNECT"), (":scheme", "http"), (":path", "/"), (":authority", "h")],
            vec![(":method", "CONNECT")],
        ] {
            assert_eq!(reader(&fields).request(true).map(|head| head.refused), Err(Malformed), "{fields:?}");
        }
        assert_eq!(reader(&GET[..1]).trailers(), Err(Malformed));
        assert_eq!(reader(&[("x", "y")]).trailers().map(|fields| fields.len()), Ok(1));
    }

    #[test]
    fn what_the_gateway_does_not_take_is_refused_with_what_was_asked_for() {
        let long = "x".repeat(60);
        for (fields, error) in [
            (with(&[("content-length", "0"), ("content-length", "0")]), HeadError::ContentLength),
            (with(&[("host", "other")]), HeadError::Host),
            (with(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", ""), ("g", "")]), HeadError::TooLarge),
            (with(&[("a", &long), ("b", &long), ("c", &long), ("d", &long), ("X", "")]), HeadError::TooLarge),
        ] {
            let head = reader(&fields).request(true).expect("a head");
            assert_eq!(head.refused, Some((error, b"GET /a?b ".to_vec())), "{fields:?}");
            assert_eq!((head.request.version, head.request.uri.path()), (Version::HTTP_2, "/"));
        }
        let path = format!("/{}", "x".repeat(40));
        let fields = [(":method", "HEAD"), (":scheme", "http"), (":path", &path), (":authority", "h")];
        let head = reader(&fields).request(true).expect("a head");
        assert_eq!(head.request.method, Method::HEAD);
        assert_eq!(head.refused.map(|(error, _)| error), Some(HeadError::TargetTooLong));
    }

    #[test]
    fn what_nobody_may_keep_stays_so() {
        let mut value = HeaderValue::from_static("x");
        value.set_sensitive(true);
        let mut block = Vec::new();
        encoder::field(&mut block, &header::AUTHORIZATION, &value);
        let mut reader = HeadReader::new(LIMITS);
        assert_eq!(Decoder::default().block(&block, |seen| reader.show(seen)), Ok(()));
        let fields = reader.trailers().expect("fields");
        assert!(fields[header::AUTHORIZATION].is_sensitive());
    }
}
