//! One request on one stream.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, client::ResponseFuture, ext::Protocol};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header, request::Parts,
    response, uri,
};

use super::{Multiplexed, Slot, answer::Stream, pump::Pump, tunnel::Tunnel};
use crate::{
    config::checked::Limits,
    domain::upstream::Server,
    pipeline::{
        stall::Stall,
        upstream::{
            body::{Upload, UploadFailure, UpstreamBody, UpstreamRequest},
            cap::Place,
            client::{Answer, Arrival, Failure, Rules, Terms},
            error::UpstreamError,
            lease::Active,
            pump::PumpError,
            wire::{body::Decoder, response::Head},
        },
    },
};

/// Sends `request` and waits for the head of its answer.
///
/// A streamed body is taken out of the request, and put back where the server has not seen it.
pub async fn send(
    connection: Rc<Multiplexed>,
    (server, name): (&Server, &str),
    (active, place): (Active, Option<Place>),
    request: &mut UpstreamRequest,
    (terms, rules): (&Terms<'_>, Rules<'_>),
) -> Result<Answer, Failure> {
    let slot = Slot::take(Rc::clone(&connection), terms.deadlines);
    let reset = |error: io::Error| UpstreamError::Reset { server: name.to_owned(), source: Some(error) };
    let empty = matches!(request.body, UpstreamBody::Empty);
    let tunnel = terms.websocket && empty && connection.takes_tunnels().await;
    let Some(head) = terms.trace.with_lines(terms.lines, |lines| head(&request.head, server, lines, tunnel)) else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "the request does not fit into HTTP/2");
        return Err(Failure::Begun(reset(error)));
    };
    connection.used.set(true);
    let streamed = matches!(request.body, UpstreamBody::Stream(_));
    let mut sender = connection.sender.clone();
    let opened = match std::future::poll_fn(|cx| sender.poll_ready(cx)).await {
        Ok(()) => sender.send_request(head, empty && !tunnel),
        Err(error) => Err(error),
    };
    let (response, stream) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // It ended, or takes no further requests (GOAWAY): nothing was sent.
            connection.retire();
            return Err(Failure::NotSent(reset(io::Error::other(error))));
        }
    };
    let mut stream = Some(stream);
    let pump = stream.take_if(|_| !empty).map(|stream| {
        let stall = Stall::new(Rc::clone(terms.deadlines), rules.write);
        Pump::new(stream, taken(&mut request.body), rules.trailers, stall)
    });
    match pump {
        None => terms.patience.sent(),
        Some(_) => terms.patience.sending(),
    }
    let mut sending = Sending { response, pump, streamed, interims: 0, failed: None, limits: rules.limits };
    match std::future::poll_fn(|cx| sending.poll(terms, cx)).await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            if !is_sound(parts.status, &parts.headers, rules.limits) {
                return Err(Failure::Begun(UpstreamError::Invalid { server: name.to_owned(), source: None }));
            }
            let (slot, active, place) = match stream.filter(|_| tunnel) {
                Some(stream) if parts.status.is_success() => {
                    let tunnel = Tunnel::new((stream, body), (slot, active, place));
                    return Ok(Answer { head: answered(parts), arrival: Arrival::Tunnel(Box::new(tunnel)) });
                }
                Some(mut stream) => {
                    // Refused: there is nothing to send. That it has gone already is as well.
                    let _ = stream.send_data(Bytes::new(), true);
                    (slot, active, place)
                }
                None => (slot, active, place),
            };
            let bodiless = request.head.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
            let stream = Stream::new(body, sending.pump, (&parts.headers, bodiless), (slot, active, place));
            Ok(Answer { head: answered(parts), arrival: Arrival::Http2(Box::new(stream)) })
        }
        Err(Trouble::Late) => {
            // Perhaps nobody is there any more: others had better not be sent there.
            if !terms.patience.excuses() {
                connection.retire();
            }
            Err(Failure::Begun(UpstreamError::Timeout { server: name.to_owned() }))
        }
        Err(Trouble::Upload(failure)) => Err(Failure::Begun(UpstreamError::Upload(failure))),
        Err(Trouble::Malformed) => {
            Err(Failure::Begun(UpstreamError::Invalid { server: name.to_owned(), source: None }))
        }
        Err(Trouble::Stream(error)) => {
            if error.is_reset() && error.is_remote() {
                active.reset();
            }
            Err(sending.failure(error, request, &connection, name))
        }
    }
}

/// A streamed body, taken out of its request, or a copy of a complete one.
fn taken(body: &mut UpstreamBody) -> (Bytes, Option<Box<Upload>>) {
    match std::mem::replace(body, UpstreamBody::Empty) {
        UpstreamBody::Stream(upload) => (Bytes::new(), Some(upload)),
        UpstreamBody::Full(data) => {
            *body = UpstreamBody::Full(data.clone());
            (data, None)
        }
        UpstreamBody::Empty => (Bytes::new(), None),
    }
}

/// The head as one of HTTP/1.1 would be.
fn answered(parts: response::Parts) -> Head {
    let (status, headers) = (parts.status, parts.headers);
    Head { status, headers, reason: None, decoder: Decoder::Done, keep_alive: true }
}

/// A status no client knows, or more fields than allowed (RELIABILITY risk 11).
fn is_sound(status: StatusCode, headers: &HeaderMap, limits: &Limits) -> bool {
    (200..600).contains(&status.as_u16()) && headers.len() <= limits.response_header_fields
}

/// A request being written and its answer's head being waited for, at the same time.
struct Sending<'g> {
    response: ResponseFuture,
    /// None once the request is written.
    pump: Option<Pump>,
    /// Whether the body came from the client as it was sent.
    streamed: bool,
    interims: usize,
    /// Why writing ended early; the server may have answered all the same.
    failed: Option<io::Error>,
    limits: &'g Limits,
}

/// What came in the way of a head.
enum Trouble {
    Late,
    Malformed,
    Upload(UploadFailure),
    Stream(h2::Error),
}

impl Sending<'_> {
    fn poll(&mut self, terms: &Terms<'_>, cx: &mut Context<'_>) -> Poll<Result<Response<h2::RecvStream>, Trouble>> {
        loop {
            if let Err(trouble) = self.write(terms, cx) {
                return Poll::Ready(Err(trouble));
            }
            match self.response.poll_informational(cx) {
                Poll::Ready(Some(Ok(interim))) => {
                    self.interims += 1;
                    let switches = interim.status() == StatusCode::SWITCHING_PROTOCOLS;
                    if switches || self.interims > self.limits.interim_responses {
                        return Poll::Ready(Err(Trouble::Malformed));
                    }
                    if interim.status() != StatusCode::CONTINUE {
                        let (parts, ()) = interim.into_parts();
                        (terms.interim)(parts.status, parts.headers);
                    } else if let Some(pump) = &mut self.pump {
                        pump.open();
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Trouble::Stream(error))),
                Poll::Ready(None) => {
                    let answer = std::pin::Pin::new(&mut self.response).poll(cx);
                    return answer.map_err(Trouble::Stream);
                }
                Poll::Pending if terms.patience.expired(cx) => return Poll::Ready(Err(self.late())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The time is over: who took it?
    fn late(&self) -> Trouble {
        let waits = self.pump.as_ref().is_some_and(Pump::waits_for_client);
        if waits && self.failed.is_none() { Trouble::Upload(UploadFailure::Stalled) } else { Trouble::Late }
    }

    /// Writes as much of the body as goes now.
    fn write(&mut self, terms: &Terms<'_>, cx: &mut Context<'_>) -> Result<(), Trouble> {
        let Some(pump) = self.pump.as_mut().filter(|_| self.failed.is_none()) else { return Ok(()) };
        match pump.poll(cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => self.pump = None,
            Poll::Ready(Err(PumpError::Upload(failure))) => return Err(Trouble::Upload(failure)),
            Poll::Ready(Err(PumpError::Io(error))) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(Trouble::Late);
            }
            // It may have refused the body and said why: its answer is waited for.
            Poll::Ready(Err(PumpError::Io(error))) => self.failed = Some(error),
        }
        terms.patience.sent();
        Ok(())
    }

    /// What a broken stream means for the request.
    fn failure(self, error: h2::Error, request: &mut UpstreamRequest, connection: &Multiplexed, name: &str) -> Failure {
        let server = name.to_owned();
        if error.is_library() {
            // Its answer breaks the rules of HTTP/2, or is too large.
            return Failure::Begun(UpstreamError::Invalid { server, source: None });
        }
        let leaves = error.is_go_away() || error.is_io();
        if leaves {
            connection.retire();
        }
        // Streams above the last one a GOAWAY names, and refused ones, were not looked at (RFC 9113 section 8.7).
        let refused = error.reason() == Some(Reason::REFUSED_STREAM) && error.is_reset();
        let untouched = error.is_remote() && (error.is_go_away() || refused);
        let is_io = error.is_io();
        let error = UpstreamError::Reset { server, source: Some(io::Error::other(error)) };
        let whole = match self.pump.map(Pump::give_back) {
            Some(Some(upload)) => {
                request.body = UpstreamBody::Stream(upload);
                true
            }
            // No body, or one that the request still has.
            None | Some(None) => !self.streamed,
        };
        match (untouched, is_io) {
            (true, _) if whole => Failure::Refused(error),
            (false, true) => Failure::Lost(error),
            _ => Failure::Begun(error),
        }
    }
}

/// The head as HTTP/2 writes it; none where the target or the host do not fit.
///
/// - `tunnel`: asks for a WebSocket as HTTP/2 does, without the handshake of HTTP/1.1 (RFC 8441 section 5).
fn head(asked: &Parts, server: &Server, lines: &[&[u8]], tunnel: bool) -> Option<Request<()>> {
    let target = asked.uri.path_and_query().map_or("/", |target| target.as_str());
    let host = asked.headers.get(header::HOST);
    let authority = host.and_then(|host| uri::Authority::try_from(host.as_bytes()).ok());
    let authority = match authority {
        Some(authority) => authority,
        None => uri::Authority::try_from(server.authority()).ok()?,
    };
    let mut head = Request::new(());
    *head.method_mut() = if tunnel { Method::CONNECT } else { asked.method.clone() };
    *head.version_mut() = Version::HTTP_2;
    let scheme = if server.tls.is_some() { uri::Scheme::HTTPS } else { uri::Scheme::HTTP };
    let target = [&server.base_path, target].concat();
    *head.uri_mut() = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().ok()?;
    if tunnel {
        head.extensions_mut().insert(Protocol::from_static("websocket"));
    }
    let fields = head.headers_mut();
    let stays = |name: &HeaderName| OF_HTTP1.contains(name) || (tunnel && *name == header::SEC_WEBSOCKET_KEY);
    for (name, value) in asked.headers.iter().filter(|(name, _)| !stays(name)) {
        fields.append(name.clone(), value.clone());
    }
    let lines = lines.concat();
    for line in lines.split(|b| *b == b'\n').filter_map(|line| line.strip_suffix(b"\r")) {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        fields.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(head)
}

/// What HTTP/2 says otherwise, or not at all (RFC 9113 section 8.2.2).
const OF_HTTP1: [HeaderName; 6] = [
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_its_host_in_the_target_and_has_no_field_of_the_connection() {
        let (mut request, ()) = Request::new(()).into_parts();
        request.uri = Uri::from_static("/a?b");
        for (name, value) in [
            ("host", "api.example:8080"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
            ("x-a", "1"),
            ("x-a", "2"),
        ] {
            request.headers.append(name, HeaderValue::from_static(value));
        }
        let server =
            Server { host: "svc".into(), port: 80, base_path: "/v1".into(), weight: 1, tls: None, link_local: false };
        let sent = head(&request, &server, &[b"via: 2 vergate\r\nx-b: ", b"3", b"\r\n", b""], false).expect("a head");
        assert_eq!(sent.uri(), "http://api.example:8080/v1/a?b");
        let fields: Vec<(&str, &[u8])> = sent.headers().iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        assert_eq!(
            fields,
            [("te", &b"trailers"[..]), ("x-a", b"1"), ("x-a", b"2"), ("via", b"2 vergate"), ("x-b", b"3"),]
        );
        request.headers.insert("host", HeaderValue::from_static("a b"));
        assert_eq!(head(&request, &server, &[], false).expect("a head").uri().authority().expect("one"), "svc");
    }
}
