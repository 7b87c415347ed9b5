//! An HTTP/1 request from its bytes.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Uri, Version, header, request::Parts, uri::PathAndQuery};
use memchr::memmem;

use super::{
    framing::Framing,
    head::{self, HeadError, HeadLimits, Progress, Reader},
};
use crate::headers::{spare, spelling};

/// A request head, and what its connection has to know of it.
#[derive(Debug)]
pub struct Head {
    /// The request without its body.
    pub request: Box<Parts>,
    /// Where its body ends.
    pub framing: Framing,
    /// What its answer depends on.
    pub asked: Asked,
    /// Whether the client waits to be told to send the body (RFC 9110 section 10.1.1).
    pub expects: bool,
}

/// What the form of an answer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// HEAD: the answer has no body.
    pub head: bool,
    /// HTTP/1.1: knows chunks and interim responses.
    pub modern: bool,
    /// Whether the client wants to keep the connection.
    pub persists: bool,
    /// `TE: trailers` (RFC 9110 section 6.5.1).
    pub trailers: bool,
}

impl Head {
    /// Stands for a head that was refused.
    pub fn refused(head: bool) -> Self {
        let mut request = spare::head(spare::take(ADDED_FIELDS));
        request.method = if head { Method::HEAD } else { Method::GET };
        let asked = Asked { head, modern: true, persists: false, trailers: false };
        Self { request, framing: Framing::Length(0), asked, expects: false }
    }
}

/// What an ordinary line has at least; a map whose lines are shorter grows.
const LINE_BYTES: usize = 24;
/// Room for what the gateway adds to a head, so that the map need not grow.
const ADDED_FIELDS: usize = 8;

/// Made once: making it takes longer than finding the end of a small head with it.
static END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

/// Takes a head off the front of `buffer`; none while it is incomplete.
///
/// Errors as soon as no continuation could make it good; the buffer is as it was then.
pub fn take(buffer: &mut BytesMut, limits: &HeadLimits) -> Result<Option<Head>, HeadError> {
    let Some(end) = END.find(buffer) else {
        // It may be hopeless already.
        return head::check(buffer, limits).map(|_| None);
    };
    let whole = buffer.split_to(end + 4).freeze();
    read(&whole, limits).map(Some).inspect_err(|_| *buffer = [&whole[..], &buffer[..]].concat()[..].into())
}

fn read(whole: &Bytes, limits: &HeadLimits) -> Result<Head, HeadError> {
    let mut builder = Builder::new(whole);
    match head::walk(whole, limits, &mut builder)? {
        Progress::Complete(_, framing) => Ok(builder.finish(framing)),
        Progress::Partial => Err(HeadError::RequestLine),
    }
}

/// Puts a request together from the parts of its head, as slices of it.
struct Builder<'b> {
    whole: &'b Bytes,
    request: Box<Parts>,
    connection: Connection,
    trailers: bool,
    expects: bool,
}

/// What `Connection` says about the connection itself.
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
}

impl<'b> Builder<'b> {
    fn new(whole: &'b Bytes) -> Self {
        let request = spare::head(spare::take(whole.len() / LINE_BYTES + ADDED_FIELDS));
        Self { whole, request, connection: Connection::default(), trailers: false, expects: false }
    }

    fn finish(self, framing: Framing) -> Head {
        let modern = self.request.version == Version::HTTP_11;
        let Connection { close, keep_alive } = self.connection;
        let asked = Asked {
            head: self.request.method == Method::HEAD,
            modern,
            // What follows a CONNECT may be meant for the tunnel it did not get.
            persists: !close && (modern || keep_alive) && self.request.method != Method::CONNECT,
            trailers: self.trailers,
        };
        let expects = self.expects && modern && !framing.is_done();
        Head { request: self.request, framing, asked, expects }
    }

    fn uri(&self, target: &[u8]) -> Result<Uri, HeadError> {
        let uri = match target {
            b"*" => return Ok(Uri::from(PathAndQuery::from_static("*"))),
            [b'/', ..] => PathAndQuery::from_maybe_shared(self.whole.slice_ref(target)).map(Uri::from),
            _ => Uri::from_maybe_shared(self.whole.slice_ref(target)),
        };
        uri.map_err(|_| HeadError::TargetCharacter)
    }
}

impl Reader for Builder<'_> {
    fn line(&mut self, method: &[u8], target: &[u8], old: bool) -> Result<(), HeadError> {
        self.request.method = Method::from_bytes(method).map_err(|_| HeadError::RequestLine)?;
        self.request.uri = self.uri(target)?;
        self.request.version = if old { Version::HTTP_10 } else { Version::HTTP_11 };
        Ok(())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let name = spelling::name(name).map_err(|_| HeadError::Line)?;
        if name == header::CONNECTION {
            for option in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                self.connection.close |= option.eq_ignore_ascii_case(b"close");
                self.connection.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        } else if name == header::TE {
            let mut codings = value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
            self.trailers |= codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
        } else if name == header::CONTENT_LENGTH && self.request.headers.contains_key(&name) {
            // The same number again (RFC 9110 section 8.6): the next reader shall see it once.
            return Ok(());
        } else if name == header::EXPECT {
            self.expects |= value.eq_ignore_ascii_case(b"100-continue");
        }
        let value = if value.is_empty() {
            // An empty slice may point anywhere.
            HeaderValue::from_static("")
        } else {
            HeaderValue::from_maybe_shared(self.whole.slice_ref(value)).map_err(|_| HeadError::ControlCharacter)?
        };
        self.request.headers.try_append(name, value).map_err(|_| HeadError::TooLarge)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::checked::ChunkLimits;

    const LIMITS: HeadLimits = HeadLimits {
        target_bytes: 64,
        header_bytes: 400,
        fields: 10,
        chunked: ChunkLimits { extension_bytes: 16, trailer_bytes: 16, trailer_fields: 2 },
    };

    fn whole(head: &str) -> Head {
        take(&mut BytesMut::from(head), &LIMITS).expect("good").expect("whole")
    }

    #[test]
    fn a_head_becomes_a_request_and_what_follows_stays() {
        let mut buffer = BytesMut::from(
            &b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-A:  1\r\nx-a:\t2\t\r\nX-E:\r\nContent-Length: 3\r\n\r\nabcGET"[..],
        );
        let head = take(&mut buffer, &LIMITS).expect("good").expect("whole");
        assert_eq!(&buffer[..], b"abcGET");
        assert_eq!((&head.request.method, head.request.uri.to_string().as_str()), (&Method::POST, "/a?b=c"));
        let values: Vec<_> = head.request.headers.get_all("x-a").iter().collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(head.request.headers["x-e"], "");
        assert_eq!(head.framing, Framing::Length(3));
    }

    #[test]
    fn every_form_of_target_is_read() {
        for (target, path, authority) in [("/", "/", None), ("*", "*", None), ("http://a:8/b?c", "/b", Some("a:8"))] {
            let method = if target == "*" { "OPTIONS" } else { "GET" };
            let head = whole(&format!("{method} {target} HTTP/1.1\r\nHost: a:8\r\n\r\n"));
            let uri = &head.request.uri;
            assert_eq!((uri.path(), uri.authority().map(|a| a.as_str())), (path, authority), "{target}");
        }
    }

    #[test]
    fn a_connection_persists_as_its_version_and_options_say() {
        for (version, option, persists) in [
            ("1.1", "", true),
            ("1.1", "Connection: x, Close\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = whole(&format!("GET / HTTP/{version}\r\nHost: x\r\n{option}\r\n"));
            assert_eq!(head.asked.persists, persists, "{version} {option}");
        }
    }

    #[test]
    fn a_length_is_told_once() {
        let head = whole("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(head.request.headers.get_all("content-length").iter().count(), 1);
        assert_eq!(head.framing, Framing::Length(5));
    }

    #[test]
    fn only_a_body_is_waited_for_and_only_by_http_1_1() {
        for (version, length, expects) in [("1.1", 3, true), ("1.1", 0, false), ("1.0", 3, false)] {
            let head =
                format!("PUT / HTTP/{version}\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(whole(&head).expects, expects, "{version} {length}");
        }
    }

    #[test]
    fn a_refused_head_stays_in_the_buffer_to_be_told_about() {
        let mut buffer = BytesMut::from("GET / HTTP/1.1\r\n\r\nrest");
        assert_eq!(take(&mut buffer, &LIMITS).map(|_| ()), Err(HeadError::Host));
        assert!(buffer.starts_with(b"GET / HTTP/1.1\r\n"));
    }

    proptest! {
        #[test]
        fn building_accepts_and_refuses_what_checking_does(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "[GHP/ *?a\\x00-\\xff]{0,12} [/*a-z?#\\\\%\"{}|\\^`:@.-]{0,12} HTTP/1.[01]\r\n(([A-Za-z -]|[ -\\xff]){0,8}:[ -\\xff\\t]{0,8}\r\n){0,3}(Host: ?[a-z.:@\\[\\]%]{0,8}\r\n)?\r\n".prop_map(String::into_bytes),
        ]) {
            let checked = head::check(&bytes, &LIMITS);
            let built = take(&mut BytesMut::from(&bytes[..]), &LIMITS);
            match (checked, built) {
                (Ok(Progress::Complete(..)), Ok(Some(_))) | (Ok(Progress::Partial), Ok(None)) => {}
                (Err(checked), Err(built)) => prop_assert_eq!(checked, built),
                (checked, built) => prop_assert!(false, "{:?} {:?} {}", checked, built.map(|head| head.is_some()), bytes.escape_ascii()),
            }
        }
    }
}
