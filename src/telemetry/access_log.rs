//! The access log: one line per request on stdout, written by a thread of its own.
//!
//! Its own module because of what it may cost and what it may show. A worker only moves a [`Record`] into a
//! bounded channel: a full one drops the record and counts it, it never waits. The record holds no query, no
//! field value but the request id, and no body, so none of them can reach a log by mistake.

use std::{
    io::{self, Write},
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, uri::PathAndQuery};
use tracing_subscriber::fmt::MakeWriter;

use super::{access_line::AccessLine, cells::Counter};
use crate::{domain::lifecycle::Phase, problem::Code};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For human readers.
    Text,
}

/// One request (CONTRACT section 8). Cheap to make: everything from the configuration is behind one [`Arc`].
#[derive(Clone, Debug)]
pub struct Record {
    /// When the request's head had arrived, in milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
    /// As in `X-Request-Id`.
    pub request_id: HeaderValue,
    /// The client's address, behind trusted proxies the one they name.
    pub client: IpAddr,
    /// As sent.
    pub method: Method,
    /// The client's target, of which only the path is logged; none where no request line was read.
    pub path: Option<PathAndQuery>,
    /// What the request was resolved to, as far as it was.
    pub target: Option<Arc<Target>>,
    /// `header`, `path`, `query`, `accept` or `default`.
    pub version_source: Option<&'static str>,
    /// Where the version's deprecation stands.
    pub phase: Option<Phase>,
    /// A known consumer's name, never a key.
    pub consumer: Option<Arc<str>>,
    /// As sent; 499 when the client left first.
    pub status: u16,
    /// Why the gateway itself answered.
    pub code: Option<Code>,
    /// From the request's head to the response's last byte.
    pub duration: Duration,
    /// From the request's first byte to the upstream's response head; none where no upstream was asked.
    pub upstream_duration: Option<Duration>,
    /// Bytes of the response's body.
    pub bytes: u64,
}

/// What a request was resolved to. Made at load, one for each endpoint of each version, best by each worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Name of the API.
    pub api: Option<Box<str>>,
    /// The version served.
    pub version: Option<Box<str>>,
    /// A template such as `POST /parse`, or `other`.
    pub endpoint: Option<Box<str>>,
    /// Name of the upstream.
    pub upstream: Option<Box<str>>,
}

/// Records that wait for the log's thread; beyond, they are dropped.
const QUEUE: usize = 4_096;

/// How long the thread rests while there is traffic. A sender wakes it only after [`RESTS_MAX`] empty rests:
/// waking a thread costs more than writing the record.
const REST: Duration = Duration::from_millis(5);
const RESTS_MAX: u32 = 20;

/// The workers' end of the log; clones share it.
#[derive(Clone, Debug)]
pub struct AccessLog {
    sender: SyncSender<Message>,
    dropped: Counter,
    format: Arc<AtomicU8>,
}

// The size of the queue's slots: a flush is rare, and a box a record would cost an allocation a request.
#[allow(clippy::large_enum_variant, reason = "nearly every message is a record")]
enum Message {
    Record(Record),
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Starts the thread that writes to stdout.
    ///
    /// - `dropped`: counts records that were lost.
    /// - Errors when the thread cannot be started.
    pub fn start(format: Format, dropped: Counter) -> io::Result<Self> {
        Self::start_with(format, dropped, io::stdout())
    }

    /// Starts the thread that writes to `out`; records it does not take are lost and counted.
    pub fn start_with(format: Format, dropped: Counter, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let format = Arc::new(AtomicU8::new(format as u8));
        let out = Out { writer: Arc::new(Mutex::new(io::BufWriter::with_capacity(64 << 10, Box::new(out)))) };
        let log = Self { sender, dropped, format: Arc::clone(&format) };
        let dropped = log.dropped.clone();
        thread::Builder::new().name("access-log".into()).spawn(move || write_all(&receiver, out, format, &dropped))?;
        Ok(log)
    }

    /// Hands a record over; drops and counts it when the queue is full. Never waits.
    pub fn write(&self, record: Record) {
        if self.sender.try_send(Message::Record(record)).is_err() {
            self.dropped.inc();
        }
    }

    /// Lines from now on have this format.
    pub fn set_format(&self, format: Format) {
        self.format.store(format as u8, Relaxed);
    }

    /// Waits until everything handed over before has been written, at most `patience`; whether it was.
    pub fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let (done, wait) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) if Instant::now() < until => message = back,
                Err(TrySendError::Full(_)) => return false,
            }
            thread::sleep(Duration::from_millis(1));
        }
        wait.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// The thread: writes until every [`AccessLog`] is gone.
fn write_all(receiver: &Receiver<Message>, out: Out, format: Arc<AtomicU8>, dropped: &Counter) {
    let subscriber = tracing_subscriber::fmt()
        .event_format(AccessLine::new(format))
        .with_writer(out.clone())
        .with_max_level(tracing::Level::INFO)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut rests = 0;
        loop {
            let message = match receiver.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    if out.flush().is_err() {
                        dropped.inc();
                    }
                    if rests < RESTS_MAX {
                        rests += 1;
                        thread::sleep(REST);
                        continue;
                    }
                    match receiver.recv_timeout(Duration::MAX) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            };
            rests = 0;
            match message {
                Message::Record(record) => emit(&record),
                Message::Flush(done) => {
                    if out.flush().is_err() {
                        dropped.inc();
                    }
                    // Whoever asked may have run out of patience.
                    let _ = done.try_send(());
                }
            }
        }
        let _ = out.flush();
    });
}

/// Hands a record to the subscriber; the fields are the line's members, in this order.
fn emit(record: &Record) {
    let target = record.target.as_deref();
    let text = |part: fn(&Target) -> &Option<Box<str>>| target.and_then(|target| part(target).as_deref());
    tracing::info!(
        target: "access",
        time = record.unix_ms,
        request_id = record.request_id.to_str().unwrap_or_default(),
        client = %record.client,
        method = record.method.as_str(),
        path = record.path.as_ref().map(PathAndQuery::path),
        api = text(|target| &target.api),
        version = text(|target| &target.version),
        version_source = record.version_source,
        phase = record.phase.map(Phase::as_str),
        endpoint = text(|target| &target.endpoint),
        consumer = record.consumer.as_deref(),
        upstream = text(|target| &target.upstream),
        status = record.status,
        code = record.code.map(Code::as_str),
        duration_ms = milliseconds(record.duration),
        upstream_ms = record.upstream_duration.map(milliseconds),
        bytes = record.bytes,
    );
}

/// To the microsecond, which is as many digits as a line needs.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// The buffer between lines and stdout, written out when the queue is empty.
#[derive(Clone)]
struct Out {
    writer: Arc<Mutex<io::BufWriter<Box<dyn Write + Send>>>>,
}

impl Out {
    fn flush(&self) -> io::Result<()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The subscriber flushes after every line; the thread knows better when.
        Ok(())
    }
}

impl MakeWriter<'_> for Out {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
