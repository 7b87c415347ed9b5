//! The access log: one line per request on stdout, written by a thread of its own.
//!
//! Its own module because of what it may cost. A worker only moves a [`Record`] into a
//! bounded channel: a full one drops the record and counts it, it never waits.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::{
    Receiver, Sender, channel,
    error::{TryRecvError, TrySendError},
};
use tracing_subscriber::fmt::MakeWriter;

use super::{access_line::AccessLine, cells::Counter, record::Record};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For human readers.
    Text,
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
    /// Takes memory as records come: most gateways never fill it.
    sender: Sender<Message>,
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
        let (sender, mut receiver) = channel(QUEUE);
        let format = Arc::new(AtomicU8::new(format as u8));
        let writer = Arc::new(Mutex::new(io::BufWriter::with_capacity(64 << 10, Box::new(out) as _)));
        let out = Out { writer, lost: dropped.clone() };
        let log = Self { sender, dropped, format: Arc::clone(&format) };
        thread::Builder::new().name("access-log".into()).spawn(move || write_all(&mut receiver, &out, format))?;
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
                Err(TrySendError::Closed(_)) => return false,
                Err(TrySendError::Full(back)) if Instant::now() < until => message = back,
                Err(TrySendError::Full(_)) => return false,
            }
            thread::sleep(Duration::from_millis(1));
        }
        wait.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

/// The thread: writes until every [`AccessLog`] is gone.
fn write_all(receiver: &mut Receiver<Message>, out: &Out, format: Arc<AtomicU8>) {
    let subscriber = tracing_subscriber::fmt()
        .event_format(AccessLine::new(format))
        .with_writer(out.clone())
        .with_max_level(tracing::Level::INFO)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut rests = 0;
        loop {
            match receiver.try_recv() {
                Ok(message) => {
                    rests = 0;
                    take(message, out);
                }
                Err(TryRecvError::Empty) if rests < RESTS_MAX => {
                    out.write_out();
                    rests += 1;
                    thread::sleep(REST);
                }
                Err(TryRecvError::Empty) => match receiver.blocking_recv() {
                    Some(message) => {
                        rests = 0;
                        take(message, out);
                    }
                    None => break,
                },
                Err(TryRecvError::Disconnected) => break,
            }
        }
        out.write_out();
    });
}

fn take(message: Message, out: &Out) {
    match message {
        Message::Record(record) => record.emit(),
        Message::Flush(done) => {
            out.write_out();
            // Whoever asked may have run out of patience.
            let _ = done.try_send(());
        }
    }
}

/// The buffer between lines and stdout, written out when the queue is empty.
#[derive(Clone)]
struct Out {
    writer: Arc<Mutex<io::BufWriter<Box<dyn Write + Send>>>>,
    lost: Counter,
}

impl Out {
    /// What cannot be written now stays in the buffer; what does not fit there is lost and counted.
    fn write_out(&self) {
        let _ = self.writer.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

/// One call is one line.
impl Write for Out {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(line).is_err() {
            self.lost.inc();
        }
        Ok(line.len())
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

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::telemetry::record::tests::record;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// What was written, for looking at.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub(in crate::telemetry) fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("whole").clone()).expect("lines are UTF-8")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_format_may_change_while_the_log_is_open() {
        let page = Page::default();
        let log = AccessLog::start_with(Format::Json, Counter::default(), page.clone()).expect("a thread");
        log.write(record());
        assert!(log.flush(PATIENCE));
        log.set_format(Format::Text);
        log.write(record());
        assert!(log.flush(PATIENCE));
        assert_eq!(page.text().lines().map(|line| line.starts_with('{')).collect::<Vec<_>>(), [true, false]);
    }

    /// Takes nothing until the sender of its channel is dropped.
    struct Stuck(Receiver<()>, Page);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let (release, stuck) = channel();
        let (page, dropped) = (Page::default(), Counter::default());
        let log = AccessLog::start_with(Format::Json, dropped.clone(), Stuck(stuck, page.clone())).expect("a thread");
        // The buffer before the writer holds some lines too, so more than the queue is needed.
        let sent = 2 * QUEUE + 1_000;
        (0..sent).for_each(|_| log.write(record()));
        assert!(dropped.value() > 0);
        assert!(!log.flush(Duration::from_millis(20)), "a stuck log is not flushed");
        drop(release);
        assert!(log.flush(PATIENCE));
        let written = page.text().lines().count() as u64;
        assert_eq!(written + dropped.value(), sent as u64, "every record is written or counted");
    }

    /// A pipe nobody reads.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    #[test]
    fn lines_a_broken_pipe_does_not_take_are_counted() {
        let dropped = Counter::default();
        let log = AccessLog::start_with(Format::Json, dropped.clone(), Broken).expect("a thread");
        (0..1_000).for_each(|_| log.write(record()));
        assert!(log.flush(PATIENCE), "the thread lives on");
        assert!(dropped.value() > 500, "only what the buffer holds is not lost yet: {}", dropped.value());
    }

    #[test]
    fn what_was_handed_over_is_written_when_the_last_handle_goes() {
        let page = Page::default();
        let log = AccessLog::start_with(Format::Json, Counter::default(), page.clone()).expect("a thread");
        (0..100).for_each(|_| log.write(record()));
        drop(log);
        let until = Instant::now() + PATIENCE;
        while page.text().lines().count() < 100 {
            assert!(Instant::now() < until, "{} lines", page.text().lines().count());
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_record_stays_small() {
        assert!(size_of::<Message>() <= 256, "{}", size_of::<Message>());
    }
}
