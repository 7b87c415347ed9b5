//! The request body on its way to the upstream: limited, timed, counted.

use std::{
    error::Error,
    fmt,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::request::Parts;
use http_body::Frame;

use super::{pace::Pace, whole::Whole};
use crate::pipeline::{
    deadline::{Deadlines, TICK, TICK_MS, Timer},
    downstream::body::{Broken, RequestBody},
    filter::{Filter, Filtered, Unfit},
};

/// What is sent upstream.
#[derive(Debug)]
pub enum UpstreamBody {
    /// No content.
    Empty,
    /// A complete body, such as an adapted one.
    Full(Bytes),
    /// The client's body as it comes.
    Stream(Box<Upload>),
}

/// A request on its way upstream.
#[derive(Debug)]
pub struct UpstreamRequest {
    /// Its head; the URI is the path to forward without a server's base path.
    pub head: Box<Parts>,
    /// Its body.
    pub body: UpstreamBody,
}

/// Why the client's body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadFailure {
    /// Longer than `limits.request_body`.
    TooLarge,
    /// Paused longer than `timeouts.request_body`, came slower than `limits.request_body_rate`, or had not ended when
    /// `timeouts.request` had.
    Stalled,
    /// The client closed the connection or broke its framing.
    Broken,
    /// A part of it cannot be adapted; what came before it is on its way.
    Unfit,
}

/// A request body that is forwarded while it arrives.
#[derive(Debug)]
pub struct Upload {
    incoming: RequestBody,
    /// Bytes the limit still allows.
    left: u64,
    idle: Duration,
    pace: Pace,
    deadlines: Rc<Deadlines>,
    timer: Timer,
    /// When the wait for the next piece began, in the worker's milliseconds.
    waiting: Option<u64>,
    /// Present while the server has to ask for the body first: the client sent `Expect: 100-continue`
    /// and it was passed on. A server that ignores the expectation gets the body anyway, when this
    /// expires (RFC 9110 section 10.1.1).
    gate: Option<Timer>,
    /// What rewrites it on its way.
    filter: Option<Box<Filtered>>,
}

/// How long a server may take to say 100.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

impl Upload {
    /// - `limit`: most bytes that are taken.
    /// - `idle`: longest pause.
    /// - `pace`: least speed.
    /// - `expects`: the server has to ask for it first, see [`Upload::open`].
    pub fn new(
        incoming: RequestBody,
        limit: u64,
        (idle, pace): (Duration, Pace),
        deadlines: &Rc<Deadlines>,
        expects: bool,
    ) -> Box<Self> {
        let gate = expects.then(|| {
            let timer = Timer::new(deadlines);
            timer.arm(CONTINUE_WAIT);
            timer
        });
        let timer = Timer::new(deadlines);
        let deadlines = Rc::clone(deadlines);
        Box::new(Self { incoming, left: limit, idle, pace, deadlines, timer, waiting: None, gate, filter: None })
    }

    /// Rewrites the body on its way.
    pub fn through(mut self: Box<Self>, filter: Box<dyn Filter>) -> Box<Self> {
        self.filter = Some(Box::new(Filtered::new(filter)));
        self
    }

    /// The server asked for the body.
    pub fn open(&mut self) {
        self.gate = None;
    }

    /// Its length, where the client said it and nothing changes it.
    pub fn length(&self) -> Option<u64> {
        if self.filter.is_some() { None } else { self.incoming.length() }
    }

    /// The next piece, within limit and time.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let Some(mut filter) = self.filter.take() else { return self.poll_incoming(cx) };
        let polled = filter.poll_frame(cx, |cx| self.poll_incoming(cx));
        self.filter = Some(filter);
        polled
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Some(gate) = &self.gate {
            if !gate.expired(cx) {
                return Poll::Pending;
            }
            self.gate = None;
        }
        match self.incoming.poll_frame(cx) {
            Poll::Pending => self.poll_pause(cx),
            Poll::Ready(frame) => {
                if let Some(since) = self.waiting.take() {
                    self.pace.waited(self.deadlines.now().saturating_sub(since));
                }
                self.take(frame)
            }
        }
    }

    /// Reads the rest.
    pub async fn collect(&mut self) -> Result<Bytes, UploadFailure> {
        let mut whole = Whole::new(self.length().unwrap_or_default().min(self.left));
        while let Some(frame) = std::future::poll_fn(|cx| self.poll_frame(cx)).await {
            if let Ok(data) = frame.map_err(|UploadError(failure)| failure)?.into_data() {
                whole.push(data);
            }
        }
        Ok(whole.into_bytes())
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.waiting.is_none() {
            let now = self.deadlines.now();
            self.waiting = Some(now);
            let after = |wait: Duration| now.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            let paced = self.pace.until(now).map(|at| at.saturating_add(TICK_MS));
            self.timer.arm_at(after(self.idle + TICK).min(paced.unwrap_or(u64::MAX)));
        }
        if self.timer.expired(cx) { fail(UploadFailure::Stalled) } else { Poll::Pending }
    }

    fn take(&mut self, frame: Option<Result<Frame<Bytes>, Broken>>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match frame {
            None => Poll::Ready(None),
            Some(Err(_)) => fail(UploadFailure::Broken),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.pace.received(length);
                match self.left.checked_sub(length) {
                    None => fail(UploadFailure::TooLarge),
                    Some(left) => {
                        self.left = left;
                        Poll::Ready(Some(Ok(frame)))
                    }
                }
            }
        }
    }
}

fn fail(failure: UploadFailure) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
    Poll::Ready(Some(Err(UploadError(failure))))
}

/// The client's body did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadError(pub UploadFailure);

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            UploadFailure::TooLarge => "the request body is larger than the limit",
            UploadFailure::Stalled => "the request body stopped arriving, or arrived too slowly",
            UploadFailure::Unfit => "a part of the request body cannot be adapted",
            UploadFailure::Broken => "the client closed the connection within the request body, or broke its framing",
        })
    }
}

impl Error for UploadError {}

/// Whoever answers knows why: it is told by the filter.
impl From<Unfit> for UploadError {
    fn from(_: Unfit) -> Self {
        Self(UploadFailure::Unfit)
    }
}
