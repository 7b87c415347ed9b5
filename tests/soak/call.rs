//! One request of the soak. Everything about it follows from its number, so that the backend and the caller know
//! what was asked, how it has to fail, and every byte of what has to come back.

use crate::support::{faulty::Fault, wire::Message};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Adapted: its upstream speaks 2.0.
    One,
    Two,
    Three,
}

impl Version {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::One => "1.0",
            Self::Two => "2.0",
            Self::Three => "3.0",
        }
    }
}

/// What the backend does. Those up to `Goes` leave the exchange whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Length,
    Chunked,
    UntilClose,
    EarlyHints,
    Drip,
    Stray,
    Goes,
    NeverAnswers,
    Garbage,
    NoHead,
    ClosesAtOnce,
    ClosesInHead,
    ClosesInBody,
    ClosesInChunk,
    ResetsAtOnce,
    ResetsInBody,
    StallsInBody,
    InterimStorm,
    BadLength,
    TwoLengths,
    BadCoding,
    BadChunk,
    Status2000,
    Status099,
    NulInValue,
    LargeHead,
    Unasked101,
}

const WHOLE: [Fate; 6] = [Fate::Chunked, Fate::UntilClose, Fate::EarlyHints, Fate::Drip, Fate::Stray, Fate::Goes];

pub(crate) const FAULTS: [Fate; 20] = [
    Fate::NeverAnswers,
    Fate::Garbage,
    Fate::NoHead,
    Fate::ClosesAtOnce,
    Fate::ClosesInHead,
    Fate::ClosesInBody,
    Fate::ClosesInChunk,
    Fate::ResetsAtOnce,
    Fate::ResetsInBody,
    Fate::StallsInBody,
    Fate::InterimStorm,
    Fate::BadLength,
    Fate::TwoLengths,
    Fate::BadCoding,
    Fate::BadChunk,
    Fate::Status2000,
    Fate::Status099,
    Fate::NulInValue,
    Fate::LargeHead,
    Fate::Unasked101,
];

#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) method: &'static str,
    pub(crate) version: Version,
    pub(crate) fate: Fate,
    up: usize,
    down: usize,
}

impl Call {
    pub(crate) fn of(id: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(id);
        let method = ["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD"][random.usize(..7)];
        let version = [Version::One, Version::Two, Version::Three][random.usize(..3)];
        let fate = match random.u8(..100) {
            0..20 => FAULTS[random.usize(..FAULTS.len())],
            20..50 => WHOLE[random.usize(..WHOLE.len())],
            _ => Fate::Length,
        };
        // The slow ones hold a connection for a second: fewer of them exercise more of the rest.
        let slow = matches!(fate, Fate::NeverAnswers | Fate::StallsInBody);
        // An answer to HEAD has no body to stall in: the connection would look idle and be dead.
        let fate = if slow && (random.u8(..4) > 0 || method == "HEAD") { Fate::ClosesInBody } else { fate };
        let mut size =
            || [0, 1, 20, 300, 5_000, 70_000, 200_000][[0, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6][random.usize(..11)]];
        let (up, down) = (size(), size());
        let down = if fate == Fate::Drip { down.min(60) } else { down };
        let down = if matches!(fate, Fate::ClosesInBody | Fate::ResetsInBody | Fate::StallsInBody) {
            down.max(20)
        } else {
            down
        };
        Self { id, method, version, fate, up: if matches!(method, "POST" | "PUT") { up } else { 0 }, down }
    }

    /// The call of a request the backend has read.
    pub(crate) fn read(request: &Message) -> Option<Self> {
        request.line.split(['/', ' ', '?']).find_map(|word| word.strip_prefix("call-")?.parse().ok()).map(Self::of)
    }

    pub(crate) fn target(&self) -> String {
        format!("/items/call-{}", self.id)
    }

    pub(crate) fn request_id(&self) -> String {
        format!("soak-{}", self.id)
    }

    pub(crate) fn is_whole(&self) -> bool {
        !FAULTS.contains(&self.fate)
    }

    /// Whether HEAD hides what is wrong: there is no body to break.
    pub(crate) fn is_harmless(&self) -> bool {
        self.method == "HEAD"
            && matches!(self.fate, Fate::ClosesInBody | Fate::ResetsInBody | Fate::ClosesInChunk | Fate::BadChunk)
    }

    /// Whether it may be sent twice: doing so changes nothing, and no body is gone with the first try.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.method != "POST" && self.up == 0
    }

    fn adapts(&self) -> bool {
        self.version == Version::One && self.method == "POST"
    }

    /// What the caller sends.
    pub(crate) fn asks(&self) -> Vec<u8> {
        if self.adapts() { json(self.id, "old", self.up) } else { text(self.id, self.up) }
    }

    /// What the backend has to see.
    pub(crate) fn arrives(&self) -> Vec<u8> {
        if self.adapts() { json(self.id, "new", self.up) } else { text(self.id, self.up) }
    }

    /// What the backend answers.
    fn says(&self) -> Vec<u8> {
        if self.adapts() { json(!self.id, "new", self.down) } else { text(!self.id, self.down) }
    }

    /// What the caller has to see.
    pub(crate) fn hears(&self) -> Vec<u8> {
        match (self.method, self.adapts()) {
            ("HEAD", _) => Vec::new(),
            (_, true) => json(!self.id, "old", self.down),
            (_, false) => text(!self.id, self.down),
        }
    }

    /// The request for a connection of HTTP/1.1.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.asks();
        let (chunked, media) = (
            self.id.is_multiple_of(3) && !body.is_empty(),
            if self.adapts() { "application/json" } else { "text/plain" },
        );
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: soak.example\r\nX-API-Version: {}\r\nX-Request-Id: {}\r\nContent-Type: {media}\r\n",
            self.method,
            self.target(),
            self.version.text(),
            self.request_id()
        )
        .into_bytes();
        if chunked {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(7_000) {
                bytes.extend_from_slice(format!("{:x};n={}\r\n", chunk.len(), self.id).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(&body);
        }
        bytes
    }

    /// What the backend does about it.
    pub(crate) fn fault(&self) -> Fault {
        let body = self.says();
        let shown: &[u8] = if self.method == "HEAD" { b"" } else { &body };
        let media = if self.adapts() { "application/json" } else { "text/plain" };
        let head = |line: &str, fields: String| {
            format!("HTTP/1.1 {line}\r\nContent-Type: {media}\r\nX-Call: {}\r\n{fields}\r\n", self.id).into_bytes()
        };
        let length = format!("Content-Length: {}\r\n", body.len());
        let whole = [&head("200 OK", length.clone())[..], shown].concat();
        let with = |fields: String| [&head("200 OK", fields)[..], shown].concat();
        let half = whole.len() - shown.len() + shown.len() / 2;
        let chunks = || {
            let mut bytes = head("200 OK", "Transfer-Encoding: chunked\r\n".to_owned());
            for chunk in shown.chunks(5_000) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes
        };
        match self.fate {
            Fate::Length => Fault::Says(whole),
            Fate::Chunked if self.method == "HEAD" => Fault::Says(chunks()),
            Fate::Chunked => Fault::Says([&chunks()[..], b"0\r\n\r\n"].concat()),
            Fate::UntilClose => Fault::SaysAndCloses(with("Connection: close\r\n".to_owned())),
            Fate::EarlyHints => Fault::Says([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", &whole[..]].concat()),
            Fate::Drip => Fault::Drips(whole, Duration::from_micros(50)),
            Fate::Stray => Fault::Says([&whole[..], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"].concat()),
            Fate::Goes => Fault::SaysAndCloses(whole),
            Fate::NeverAnswers => Fault::NeverAnswers,
            Fate::Garbage => Fault::Says([b"\0\xff\xfegarbage\r\n\r\n", shown].concat()),
            Fate::NoHead => Fault::SaysAndCloses([b"<html>", shown].concat()),
            Fate::ClosesAtOnce => Fault::SaysAndCloses(Vec::new()),
            Fate::ClosesInHead => Fault::SaysAndCloses(whole[..30].to_vec()),
            Fate::ClosesInBody => Fault::SaysAndCloses(whole[..half].to_vec()),
            Fate::ClosesInChunk => Fault::SaysAndCloses(chunks()),
            Fate::ResetsAtOnce => Fault::SaysAndResets(Vec::new()),
            Fate::ResetsInBody => Fault::SaysAndResets(whole[..half].to_vec()),
            Fate::StallsInBody => Fault::SaysAndStalls(whole[..half].to_vec()),
            Fate::InterimStorm => Fault::Says(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(500)),
            Fate::BadLength => Fault::Says(with("Content-Length: 1x\r\n".to_owned())),
            Fate::TwoLengths => Fault::Says(with(format!("{length}Content-Length: {}\r\n", body.len() + 1))),
            Fate::BadCoding => Fault::Says(with("Transfer-Encoding: gzip\r\n".to_owned())),
            Fate::BadChunk => Fault::SaysAndCloses([&chunks()[..], b"xyz\r\n"].concat()),
            Fate::Status2000 => Fault::Says([&head("2000 OK", length)[..], shown].concat()),
            Fate::Status099 => Fault::Says([&head("099 Low", length)[..], shown].concat()),
            Fate::NulInValue => Fault::Says(with(format!("X: a\0b\r\n{length}"))),
            Fate::LargeHead => Fault::Says(with(format!("X: {}\r\n{length}", "x".repeat(80_000)))),
            Fate::Unasked101 => Fault::Says(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello".to_vec(),
            ),
        }
    }
}

/// Text in which every position says whose it is and where it stands.
fn text(id: u64, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 32);
    while text.len() < size {
        text.extend_from_slice(format!("{id:x}.{:x};", text.len()).as_bytes());
    }
    text.truncate(size);
    text
}

fn json(id: u64, name: &str, size: usize) -> Vec<u8> {
    format!("{{\"id\":{id},\"{name}\":\"{}\"}}", String::from_utf8_lossy(&text(id, size))).into_bytes()
}
