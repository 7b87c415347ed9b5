//! A backend that does what its script says and remembers every byte it was sent.

use super::http::{Head, read_chunked, read_head};
use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What the backend was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    /// Which request of that connection it was, from 0.
    pub(crate) nth: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.header(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What happens to the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
    Reset,
}

/// The side of the script that answers.
pub(crate) struct Answer {
    pub(crate) request: Recorded,
    reader: BufReader<TcpStream>,
}

impl Answer {
    /// Writes raw bytes; a gateway that has gone away is not this test's business.
    pub(crate) fn raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.reader.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// A complete answer with its length. `fields` are whole lines without line ends.
    pub(crate) fn reply(&mut self, status: u16, fields: &[&str], body: impl AsRef<[u8]>) -> Then {
        let body = body.as_ref();
        let reason = if status == 200 { "OK" } else { "Scripted" };
        let mut text = format!("HTTP/1.1 {status} {reason}\r\n");
        for field in fields {
            text.push_str(field);
            text.push_str("\r\n");
        }
        if status != 204 && status != 304 {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        if self.request.method != "HEAD" {
            bytes.extend_from_slice(body);
        }
        if self.raw(bytes) { Then::Keep } else { Then::Close }
    }

    pub(crate) fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.reader
    }

    /// Waits until the gateway closes its side, up to twenty seconds.
    pub(crate) fn until_closed(&mut self) -> bool {
        let mut sink = [0; 4096];
        loop {
            match self.reader.read(&mut sink) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Recorded>>,
    changed: Condvar,
    connections: AtomicUsize,
    closed: AtomicUsize,
}

/// A listening backend; it lives until the test process ends or it is dropped.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    seen: Arc<Seen>,
    listening: Arc<std::sync::atomic::AtomicBool>,
}

impl Upstream {
    /// `script` runs once per request, its body read.
    pub(crate) fn new(script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), true, script)
    }

    /// `script` runs as soon as the head is there and reads the body itself.
    pub(crate) fn streaming(script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), false, script)
    }

    /// As `new`, on an address of the caller's choice.
    pub(crate) fn at(addr: SocketAddr, script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> Self {
        Self::listen(addr, true, script)
    }

    /// 200 with this body for everything, and the backend's name in `X-Backend`.
    pub(crate) fn named(name: &'static str) -> Self {
        let field = format!("X-Backend: {name}");
        Self::new(move |a| a.reply(200, &["Content-Type: text/plain", &field], name))
    }

    /// 200 with a JSON body for everything.
    pub(crate) fn json(body: &'static str) -> Self {
        Self::new(move |a| a.reply(200, &["Content-Type: application/json"], body))
    }

    fn listen(addr: SocketAddr, whole: bool, script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(addr).unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let listening = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let (script, shared, open) = (Arc::new(script), seen.clone(), listening.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (script, seen) = (script.clone(), shared.clone());
                std::thread::spawn(move || {
                    serve(stream, &seen, whole, &*script);
                    seen.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, seen, listening }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.seen.requests.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many of the connections this side has closed.
    pub(crate) fn closed(&self) -> usize {
        self.seen.closed.load(Ordering::SeqCst)
    }

    #[track_caller]
    pub(crate) fn last(&self) -> Recorded {
        self.requests().pop().expect("the upstream was never asked")
    }

    /// Waits until `n` requests have arrived (heads, for a streaming script).
    #[track_caller]
    pub(crate) fn wait(&self, n: usize) {
        let requests = self.seen.requests.lock().unwrap();
        let (requests, late) =
            self.seen.changed.wait_timeout_while(requests, Duration::from_secs(30), |r| r.len() < n).unwrap();
        assert!(!late.timed_out(), "the upstream saw {} requests, not {n}", requests.len());
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listening.store(false, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_millis(200));
    }
}

fn serve(stream: TcpStream, seen: &Seen, whole: bool, script: &(dyn Fn(&mut Answer) -> Then + Send + Sync)) {
    let connection = seen.connections.fetch_add(1, Ordering::SeqCst);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(60)));
    let _ = stream.set_nodelay(true);
    let mut answer = Answer { request: Recorded::default(), reader: BufReader::new(stream) };
    for nth in 0.. {
        let Ok(Some(head)) = read_head(&mut answer.reader) else { return };
        let mut words = head.line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Recorded { connection, nth, method, target, head, body: Vec::new(), trailers: Vec::new() };
        if whole && read_body(&mut request, &mut answer.reader).is_err() {
            return;
        }
        seen.requests.lock().unwrap().push(request.clone());
        seen.changed.notify_all();
        answer.request = request;
        match script(&mut answer) {
            Then::Keep => {}
            Then::Close => return,
            Then::Reset => {
                let _ = socket2::SockRef::from(answer.reader.get_ref()).set_linger(Some(Duration::ZERO));
                return;
            }
        }
    }
}

fn read_body(request: &mut Recorded, reader: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    if request.header("Transfer-Encoding").is_some() {
        (request.body, request.trailers) = read_chunked(reader)?;
    } else if let Some(length) = request.header("Content-Length") {
        let length: usize = length.parse().map_err(|_| std::io::Error::other("length"))?;
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
    }
    Ok(())
}

/// A door a script waits at until the test opens it.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        let _open = self.0.1.wait_timeout_while(open, Duration::from_secs(60), |open| !*open).unwrap();
    }
}

/// A port that refuses every connection and that nobody else can take: bound, never listening.
pub(crate) struct Refusing(socket2::Socket);

impl Refusing {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr())
    }
}

/// A port on which connections are never established: its queue is full, SYNs are dropped.
pub(crate) struct Deaf {
    socket: socket2::Socket,
    _queue: Vec<TcpStream>,
}

impl Deaf {
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(300)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the kernel never stops accepting");
        }
        Self { socket, _queue: queue }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.socket.local_addr().unwrap().as_socket().unwrap())
    }
}
