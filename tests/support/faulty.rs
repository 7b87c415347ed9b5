//! A backend that keeps every byte it is sent, reads it as strictly as the grammar allows, and answers with whatever
//! bytes its script says, at whatever moment.

use super::wire::{self, Message};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What the backend does about one request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// These bytes once the request is complete; then it goes on reading.
    Says(Vec<u8>),
    /// The same, then a clean close.
    SaysAndCloses(Vec<u8>),
    /// The same, then a reset.
    SaysAndResets(Vec<u8>),
    /// One byte at a time, with this pause after each; then it goes on reading.
    Drips(Vec<u8>, Duration),
    /// These bytes as soon as the head is there, whatever of the body has come; then it goes on reading.
    SaysEarly(Vec<u8>),
    /// As `SaysEarly`, then a clean close.
    SaysEarlyAndCloses(Vec<u8>),
    /// Nothing, ever, on an open connection.
    NeverAnswers,
    /// These bytes, and then nothing on an open connection.
    SaysAndStalls(Vec<u8>),
    /// Two parts with a pause between them; then it goes on reading.
    SaysTwice(Vec<u8>, Duration, Vec<u8>),
    /// The same, then a clean close.
    SaysTwiceAndCloses(Vec<u8>, Duration, Vec<u8>),
}

impl Fault {
    /// The bytes, however they are said.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Says(b)
            | Self::SaysAndCloses(b)
            | Self::SaysAndResets(b)
            | Self::Drips(b, _)
            | Self::SaysEarly(b)
            | Self::SaysEarlyAndCloses(b)
            | Self::SaysAndStalls(b)
            | Self::SaysTwice(b, ..)
            | Self::SaysTwiceAndCloses(b, ..) => b,
            Self::NeverAnswers => b"",
        }
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = match self {
            Self::Says(_) => "says",
            Self::SaysAndCloses(_) => "says and closes",
            Self::SaysAndResets(_) => "says and resets",
            Self::Drips(..) => "drips",
            Self::SaysEarly(_) => "says early",
            Self::SaysEarlyAndCloses(_) => "says early and closes",
            Self::NeverAnswers => "never answers",
            Self::SaysAndStalls(_) => "says and stalls",
            Self::SaysTwice(_, _, more) | Self::SaysTwiceAndCloses(_, _, more) => {
                return write!(f, "says in two parts {:.200?}, {:.100?}", text(self.bytes()), text(more));
            }
        };
        write!(f, "{how} {:.300?}", text(self.bytes()))
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// An honest answer: 200, its length, the request's summary as its body.
pub(crate) fn honest(request: &Message) -> Fault {
    let body = request.summary();
    let shown = if request.line.starts_with("HEAD ") { "" } else { &body };
    Fault::Says(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{shown}", body.len()).into_bytes())
}

/// What one connection brought.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
    /// The complete requests among them.
    pub(crate) requests: Vec<Message>,
    /// Why the bytes are no HTTP/1.1 that a strict reader takes.
    pub(crate) wrong: Option<String>,
}

type Script = dyn Fn(&Message) -> Fault + Send + Sync;

#[derive(Default)]
struct Journal {
    connections: Mutex<Vec<Connection>>,
    /// Second parts that were said.
    second: AtomicUsize,
    /// Connections that ended as their last fault wanted it.
    ended: AtomicUsize,
}

/// A listening backend with its journal; it stops listening when dropped.
pub(crate) struct Faulty {
    pub(crate) addr: SocketAddr,
    journal: Arc<Journal>,
    listening: Arc<AtomicBool>,
}

impl Faulty {
    /// `script` is asked once per request: with the whole of it, or with its head where it answers early.
    pub(crate) fn new(script: impl Fn(&Message) -> Fault + Send + Sync + 'static) -> Self {
        Self::listen(true, script)
    }

    /// As `new`, for long runs: of what comes it keeps only what is wrong.
    pub(crate) fn forgetful(script: impl Fn(&Message) -> Fault + Send + Sync + 'static) -> Self {
        Self::listen(false, script)
    }

    fn listen(keeps: bool, script: impl Fn(&Message) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (journal, listening) = (Arc::new(Journal::default()), Arc::new(AtomicBool::new(true)));
        let (shared, open, script) = (journal.clone(), listening.clone(), Arc::new(script) as Arc<Script>);
        std::thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| open.load(Ordering::SeqCst)) {
                let Ok(stream) = stream else { continue };
                let (journal, script) = (shared.clone(), script.clone());
                std::thread::spawn(move || serve(stream, &journal, keeps, &*script));
            }
        });
        Self { addr, journal, listening }
    }

    /// Answers everything honestly.
    pub(crate) fn honest() -> Self {
        Self::new(honest)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.journal.connections.lock().unwrap().clone()
    }

    /// Every complete request, connection by connection.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.connections().into_iter().flat_map(|c| c.requests).collect()
    }

    /// How many second parts have been said so far.
    pub(crate) fn second_parts(&self) -> usize {
        self.journal.second.load(Ordering::SeqCst)
    }

    /// How many connections were closed behind an answer so far.
    pub(crate) fn ended(&self) -> usize {
        self.journal.ended.load(Ordering::SeqCst)
    }

    /// Forgets what came until now; connections that are open stay so.
    pub(crate) fn forget(&self) {
        for connection in self.journal.connections.lock().unwrap().iter_mut() {
            connection.bytes.clear();
            connection.requests.clear();
        }
    }

    /// What is wrong with the bytes that came, over all connections.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.connections().into_iter().filter_map(|c| c.wrong).collect()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.listening.store(false, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_millis(200));
    }
}

fn serve(mut stream: TcpStream, journal: &Journal, keeps: bool, script: &Script) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(20)));
    let _ = stream.set_nodelay(true);
    let index = {
        let mut connections = journal.connections.lock().unwrap();
        connections.push(Connection::default());
        connections.len() - 1
    };
    let note = |change: &mut dyn FnMut(&mut Connection)| {
        change(&mut journal.connections.lock().unwrap()[index]);
    };
    let mut pending: Vec<u8> = Vec::new();
    // The head that comes next has been answered already.
    let mut early = false;
    let mut buffer = vec![0; 65_536];
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(n @ 1..) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return,
        };
        pending.extend_from_slice(&buffer[..n]);
        if keeps {
            note(&mut |c| c.bytes.extend_from_slice(&buffer[..n]));
        }
        loop {
            if !early && let Some(head) = head_only(&pending) {
                let fault = script(&head);
                if matches!(fault, Fault::SaysEarly(_) | Fault::SaysEarlyAndCloses(_)) {
                    early = true;
                    if !act(&mut stream, &fault, journal) {
                        return;
                    }
                }
            }
            match wire::request(&pending) {
                Ok(None) => break,
                Ok(Some((request, length))) => {
                    pending.drain(..length);
                    if keeps {
                        note(&mut |c| c.requests.push(request.clone()));
                    }
                    if std::mem::take(&mut early) {
                        continue;
                    }
                    let fault = script(&request);
                    let goes_on = act(&mut stream, &fault, journal);
                    if matches!(fault, Fault::SaysTwice(..)) {
                        journal.second.fetch_add(1, Ordering::SeqCst);
                    }
                    if !goes_on {
                        return;
                    }
                }
                Err(why) => {
                    let seen = String::from_utf8_lossy(&pending).into_owned();
                    note(&mut |c| c.wrong = Some(format!("{why} in {seen:.400?}")));
                    return;
                }
            }
        }
    }
}

/// The head at the start of `bytes` once it is complete, as a message without its body.
fn head_only(bytes: &[u8]) -> Option<Message> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n").map(str::to_owned);
    let line = lines.next()?;
    let fields = lines.filter_map(|l| l.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()))).collect();
    Some(Message { line, fields, ..Message::default() })
}

/// Does what the fault says; whether the connection goes on.
fn act(stream: &mut TcpStream, fault: &Fault, journal: &Journal) -> bool {
    let bytes = fault.bytes();
    match fault {
        Fault::Drips(_, pause) => {
            for byte in bytes {
                if stream.write_all(&[*byte]).is_err() {
                    return false;
                }
                std::thread::sleep(*pause);
            }
            true
        }
        _ if stream.write_all(bytes).is_err() => false,
        Fault::Says(_) | Fault::SaysEarly(_) => true,
        Fault::SaysTwice(_, pause, more) => {
            std::thread::sleep(*pause);
            // A gateway that has gone is what many of these provoke.
            stream.write_all(more).is_ok()
        }
        Fault::SaysAndCloses(_) | Fault::SaysEarlyAndCloses(_) | Fault::SaysTwiceAndCloses(..) => {
            if let Fault::SaysTwiceAndCloses(_, pause, more) = fault {
                std::thread::sleep(*pause);
                let _ = stream.write_all(more);
            }
            // A clean close: what the gateway still sends is taken, so that no reset overtakes the answer.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            journal.ended.fetch_add(1, Ordering::SeqCst);
            let _ = std::io::copy(stream, &mut std::io::sink());
            false
        }
        Fault::SaysAndResets(_) => {
            let _ = socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
            false
        }
        Fault::NeverAnswers | Fault::SaysAndStalls(_) => {
            let _ = std::io::copy(stream, &mut std::io::sink());
            false
        }
    }
}
