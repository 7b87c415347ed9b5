//! Raw bytes at the front, a strict backend behind: what both saw of each case of a table.

use super::{Gateway, faulty::Faulty, plain, wire};
use std::time::Duration;

/// What has to come of some bytes.
#[derive(Debug, Clone)]
pub(crate) enum Expect {
    /// One answer with this status, then a close. Not a byte reaches the backend.
    Refused(u16),
    /// An error answer or none, then a close. Not a byte reaches the backend.
    RefusedSomehow,
    /// An error answer or none, then a close. The backend may have seen a beginning, never a whole request.
    Broken,
    /// The backend sees exactly these (`METHOD target body`), each is answered, and the connection is in step after it.
    Served(Vec<&'static str>),
    /// Refused, or served as these: the standards leave it open. Nothing else.
    Either(Vec<&'static str>),
    /// These and nothing else are served, then the gateway closes.
    ServedAndClosed(Vec<&'static str>),
    /// These are served, then one 4xx and a close.
    ServedThenRefused(Vec<&'static str>),
    /// These are served; what follows may be refused or skipped.
    ServedThenEither(Vec<&'static str>),
}

/// Bytes of a client and what has to come of them.
pub(crate) struct Case {
    bytes: Vec<u8>,
    expect: Expect,
}

/// Follows every case on its connection: served only if the gateway and the client agree where the case ended.
const AFTER: &str = "GET /after HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// A request nobody may ever be served: it hides behind the bytes of another.
pub(crate) const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

pub(crate) struct Duel {
    pub(crate) gateway: Gateway,
    pub(crate) backend: Faulty,
}

impl Duel {
    /// One version on an honest backend; whatever is not complete ends soon. What has not begun may take longer: a busy
    /// machine may let a client wait between connecting and its first byte.
    pub(crate) fn new() -> Self {
        let backend = Faulty::honest();
        let gateway = Gateway::start(&format!(
            "workers: 1\ntimeouts: {{request_header: 400ms, request_body: 400ms, keep_alive: 3s}}\n{}",
            plain(&backend.url())
        ));
        Self { gateway, backend }
    }

    /// Runs a table on one connection per case. All that went wrong is said at once.
    #[track_caller]
    pub(crate) fn check(&self, cases: impl IntoIterator<Item = Case>) {
        let mut wrong = Vec::new();
        let mut count = 0;
        for case in cases {
            count += 1;
            if let Err(why) = self.play(&case) {
                wrong.push(format!("{:.300?}\n    wanted {:?}\n    {why}", lossy(&case.bytes), case.expect));
            }
        }
        // Whatever was on its way has arrived once these have.
        assert!(count > 0);
        assert!(self.play(&served(["GET /last"], "GET /last HTTP/1.1\r\nHost: h\r\n\r\n")).is_ok(), "it still serves");
        wrong.extend(self.backend.complaints());
        assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn play(&self, case: &Case) -> Result<(), String> {
        self.backend.forget();
        let mut client = self.gateway.client();
        client.stream().set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let _ = client.try_write([&case.bytes, AFTER.as_bytes()].concat());
        let (said, closed) = client.read_while_it_comes();
        let answers = answers(&said, case.bytes.starts_with(b"HEAD "))?;
        let seen: Vec<String> = self.backend.requests().iter().map(wire::Message::summary).collect();
        let statuses: Vec<u16> = answers.iter().map(wire::Message::status).filter(|s| *s >= 200).collect();
        let ill = answers.last().filter(|a| a.status() >= 400 && !is_problem(a)).map(|a| (&a.line, &a.fields));
        let report = format!("client saw {statuses:?} closed={closed} no-problem={ill:?}, backend saw {seen:?}");
        let silent = self.backend.connections().iter().all(|c| c.bytes.is_empty());
        let error = matches!(statuses[..], [] | [400..=499 | 501 | 505]);
        let exactly = |wanted: &[&str]| seen == wanted && statuses == vec![200; wanted.len()];
        let in_step = |wanted: &[&'static str]| exactly(&[wanted, &["GET /after"]].concat());
        let then_refused = |wanted: &[&str]| {
            seen == wanted
                && matches!(statuses.split_at_checked(wanted.len()), Some((ok, [400..=499])) if ok.iter().all(|s| *s == 200))
        };
        let good = closed
            && match &case.expect {
                Expect::Refused(status) => silent && statuses == [*status] && is_problem(&answers[0]),
                Expect::RefusedSomehow => silent && error,
                Expect::Broken => seen.is_empty() && error,
                Expect::Served(wanted) => in_step(wanted),
                Expect::Either(wanted) => (silent && error) || in_step(wanted),
                Expect::ServedAndClosed(wanted) => exactly(wanted),
                Expect::ServedThenRefused(wanted) => then_refused(wanted),
                Expect::ServedThenEither(wanted) => in_step(wanted) || exactly(wanted) || then_refused(wanted),
            };
        if good { Ok(()) } else { Err(report) }
    }
}

fn lossy(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// Every answer in these bytes; an error where they are anything else.
pub(crate) fn answers(mut bytes: &[u8], of_head: bool) -> Result<Vec<wire::Message>, String> {
    let mut all: Vec<wire::Message> = Vec::new();
    while !bytes.is_empty() {
        let first = !all.iter().any(|a| a.status() >= 200);
        match wire::answer(bytes, of_head && first, true)? {
            Some((answer, length)) => {
                bytes = &bytes[length..];
                all.push(answer);
            }
            None => return Err(format!("an answer without end: {:.300?}", lossy(bytes))),
        }
    }
    Ok(all)
}

/// The gateway's own error answer, which says that the connection ends; one before a large body only ends it.
fn is_problem(answer: &wire::Message) -> bool {
    answer.header("Content-Type").is_some_and(|v| v.starts_with("application/problem+json"))
        && (answer.status() == 413 || answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close")))
}

pub(crate) fn refused(status: u16, bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::Refused(status) }
}

pub(crate) fn refused_somehow(bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::RefusedSomehow }
}

pub(crate) fn broken(bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::Broken }
}

pub(crate) fn served<const N: usize>(seen: [&'static str; N], bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::Served(seen.to_vec()) }
}

pub(crate) fn either<const N: usize>(seen: [&'static str; N], bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::Either(seen.to_vec()) }
}

pub(crate) fn served_and_closed<const N: usize>(seen: [&'static str; N], bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::ServedAndClosed(seen.to_vec()) }
}

pub(crate) fn served_then_refused<const N: usize>(seen: [&'static str; N], bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::ServedThenRefused(seen.to_vec()) }
}

pub(crate) fn served_then_either<const N: usize>(seen: [&'static str; N], bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expect: Expect::ServedThenEither(seen.to_vec()) }
}

/// A POST with these field lines (joined by CRLF, none at the end) and whatever follows its head.
pub(crate) fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"POST /items HTTP/1.1\r\nHost: h\r\n", fields.as_ref(), b"\r\n\r\n", body.as_ref()].concat()
}

/// A GET with these field lines.
pub(crate) fn get(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET /items HTTP/1.1\r\nHost: h\r\n", fields.as_ref(), b"\r\n\r\n"].concat()
}

/// A chunked POST.
pub(crate) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked", body)
}
