//! One request on one HTTP/1.1 connection.

use std::{
    io,
    rc::Rc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, Method, StatusCode};

use super::{
    body::{UploadFailure, UpstreamRequest},
    cap::Place,
    client::{Answer, Arrival, Failure, Rules, Terms},
    error::UpstreamError,
    lease::{Active, Lease},
    pump::{Pump, PumpError},
    server::{Connection, ServerPool},
    wire::response::{self, Head, Malformed},
};
use crate::config::checked::Limits;

/// Sends `request` and waits for the head of its answer.
///
/// A streamed body is taken out of the request, and put back where nothing of it was sent.
pub async fn send(
    pool: &Rc<ServerPool>,
    (mut connection, place): (Box<Connection>, Option<Place>),
    request: &mut UpstreamRequest,
    (terms, rules): (&Terms<'_>, Rules<'_>),
) -> Result<Answer, Failure> {
    terms.patience.sending();
    let lead = connection.take_lead();
    let base = &pool.server.base_path;
    let pump = terms.trace.with_lines(terms.lines, |lines| Pump::new(request, base, lines, rules.trailers, lead));
    let mut lease = Lease { active: Active::new(pool), connection, place, keep_alive: false };
    let mut sending = Sending { pump: Some(pump), interims: 0, heard: false, failed: None, limits: rules.limits };
    let method = &request.head.method;
    let outcome = std::future::poll_fn(|cx| sending.poll(&mut lease.connection, method, terms, cx)).await;
    let server = || pool.name.clone();
    match outcome {
        Ok(head) => {
            let status = head.status.as_u16();
            // A switch nobody asked for, or a status no client knows (RELIABILITY risk 11).
            if status > 599 || (status == 101 && !terms.upgrade) {
                return Err(Failure::Begun(UpstreamError::Invalid { server: server(), source: None }));
            }
            lease.keep_alive = head.keep_alive;
            lease.connection.kept_for = kept_for(&head.headers);
            Ok(Answer { head, arrival: Arrival::Http1(lease, sending.pump.map(Box::new)) })
        }
        Err(Trouble::Late) => Err(Failure::Begun(UpstreamError::Timeout { server: server() })),
        Err(Trouble::Malformed(error)) => {
            Err(Failure::Begun(UpstreamError::Invalid { server: server(), source: Some(error) }))
        }
        Err(Trouble::Upload(failure)) => Err(Failure::Begun(UpstreamError::Upload(failure))),
        Err(Trouble::Lost(source)) => {
            let begun = sending.pump.as_ref().is_none_or(|pump| pump.has_begun());
            if let Some(pump) = sending.pump.filter(|_| !begun) {
                pump.give_back(request);
            }
            let error = UpstreamError::Reset { server: server(), source };
            Err(match (begun, sending.heard) {
                (_, true) => Failure::Begun(error),
                (false, false) => Failure::NotSent(error),
                (true, false) => Failure::Lost(error),
            })
        }
    }
}

/// Milliseconds for which the server keeps the connection without a request, where it says so.
fn kept_for(fields: &HeaderMap) -> Option<u64> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let mut options = fields.get(KEEP_ALIVE)?.to_str().ok()?.split(',');
    let seconds = options.find_map(|option| {
        let (name, seconds) = option.trim().split_once('=')?;
        name.eq_ignore_ascii_case("timeout").then_some(seconds)
    })?;
    seconds.parse::<u64>().ok()?.checked_mul(1000)
}

/// A request being written and its answer's head being read, at the same time.
struct Sending<'g> {
    /// None once the request is written.
    pump: Option<Pump>,
    interims: usize,
    /// Whether the server has said anything.
    heard: bool,
    /// Why writing ended early; the server may have answered all the same.
    failed: Option<io::Error>,
    limits: &'g Limits,
}

/// What came in the way of a head.
enum Trouble {
    Late,
    Malformed(Malformed),
    Upload(UploadFailure),
    /// The connection ended; none for an orderly close.
    Lost(Option<io::Error>),
}

/// Read at once while a head is waited for.
const HEAD_ROOM: usize = 8 * 1024;

impl Sending<'_> {
    fn poll(
        &mut self,
        connection: &mut Connection,
        method: &Method,
        terms: &Terms<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, Trouble>> {
        loop {
            if let Err(trouble) = self.write(connection, terms, cx) {
                return Poll::Ready(Err(trouble));
            }
            match connection.poll_fill(cx, HEAD_ROOM) {
                Poll::Ready(Ok(1..)) => {
                    self.heard = true;
                    match self.head(connection, method, terms) {
                        Err(error) => return Poll::Ready(Err(Trouble::Malformed(error))),
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Ok(None) => {}
                    }
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Trouble::Lost(self.failed.take()))),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Trouble::Lost(Some(error)))),
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

    /// Writes as much of the request as goes now.
    fn write(&mut self, connection: &mut Connection, terms: &Terms<'_>, cx: &mut Context<'_>) -> Result<(), Trouble> {
        if self.failed.is_some() {
            return Ok(());
        }
        let Some(pump) = &mut self.pump else { return Ok(()) };
        match pump.poll(connection, cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                connection.keep_lead(self.pump.take().map(|pump| pump.into_lead()));
                terms.patience.sent();
                Ok(())
            }
            Poll::Ready(Err(PumpError::Upload(failure))) => Err(Trouble::Upload(failure)),
            Poll::Ready(Err(PumpError::Io(error))) if error.kind() == io::ErrorKind::TimedOut => Err(Trouble::Late),
            Poll::Ready(Err(PumpError::Io(error))) => {
                // It may have refused the body and said why: what it sent is read first.
                self.failed = Some(error);
                terms.patience.sent();
                Ok(())
            }
        }
    }

    /// The answer's head, if it has arrived; interim responses before it are counted and passed on.
    fn head(
        &mut self,
        connection: &mut Connection,
        method: &Method,
        terms: &Terms<'_>,
    ) -> Result<Option<Head>, Malformed> {
        while let Some(head) = response::take(&mut connection.buffer, method, self.limits)? {
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(head));
            }
            self.interims += 1;
            if self.interims > self.limits.interim_responses {
                return Err(Malformed::TooLarge);
            }
            if head.status != StatusCode::CONTINUE {
                (terms.interim)(head.status, head.headers);
            } else if let Some(pump) = &mut self.pump {
                // The client is asked for its body when it is read.
                pump.open();
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_server_says_how_long_it_keeps_a_connection() {
        for (text, ms) in [
            ("timeout=5", Some(5000)),
            ("max=100, Timeout=75", Some(75_000)),
            ("timeout=0", Some(0)),
            ("timeout=x", None),
            ("timeout", None),
            ("max=5", None),
            ("timeout=99999999999999999999", None),
        ] {
            let fields =
                [(HeaderName::from_static("keep-alive"), HeaderValue::from_static(text))].into_iter().collect();
            assert_eq!(kept_for(&fields), ms, "{text}");
        }
        assert_eq!(kept_for(&HeaderMap::new()), None);
    }
}
