//! A caller that writes exactly the bytes it is told to.

use super::http::{Response, read_chunked, read_head};
use std::{
    io::{self, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

/// One connection to the gateway.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    /// Interim answers seen before the last final one.
    pub(crate) interim: Vec<u16>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).unwrap()
    }

    /// As `connect`, where nobody may be listening.
    pub(crate) fn try_connect(to: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(to).map(Self::on)
    }

    /// On a connection that somebody else has made.
    pub(crate) fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream), interim: Vec::new() }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// What comes next, for tests that read chunks one by one.
    pub(crate) fn reader(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.reader
    }

    #[track_caller]
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_write(bytes).unwrap();
        self
    }

    pub(crate) fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.stream().shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Closes with a reset, as a caller that crashed.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.stream()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next final answer. Panics where there is none.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Response {
        match self.try_read(false) {
            Ok(Some(response)) => response,
            Ok(None) => panic!("closed without an answer"),
            Err(e) => panic!("no answer: {e}"),
        }
    }

    /// The next final answer to a HEAD request.
    #[track_caller]
    pub(crate) fn read_of_head(&mut self) -> Response {
        self.try_read(true).unwrap().expect("closed without an answer")
    }

    /// The next final answer; `None` where the gateway closed instead.
    pub(crate) fn try_read(&mut self, of_head: bool) -> io::Result<Option<Response>> {
        self.interim.clear();
        loop {
            let Some(response) = self.read_head()? else { return Ok(None) };
            if (100..200).contains(&response.status) && response.status != 101 {
                self.interim.push(response.status);
                continue;
            }
            return self.read_body(response, of_head).map(Some);
        }
    }

    /// Only a head, interim ones included; the body is left to the caller.
    pub(crate) fn read_head(&mut self) -> io::Result<Option<Response>> {
        let Some(head) = read_head(&mut self.reader)? else { return Ok(None) };
        let status = head
            .line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| head.line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("status line {:?}", head.line)))?;
        Ok(Some(Response { status, head, body: Vec::new(), trailers: Vec::new() }))
    }

    /// The body of an answer whose head was read.
    pub(crate) fn read_body(&mut self, mut response: Response, of_head: bool) -> io::Result<Response> {
        if of_head || matches!(response.status, 101 | 204 | 304) {
            return Ok(response);
        }
        let chunked = response.header("Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        if chunked {
            assert!(response.header("Content-Length").is_none(), "both framings: {}", response.head.raw);
            (response.body, response.trailers) = read_chunked(&mut self.reader)?;
        } else if let Some(length) = response.header("Content-Length") {
            let length: usize = length.parse().map_err(|_| io::Error::other(format!("content length {length:?}")))?;
            response.body = vec![0; length];
            self.reader.read_exact(&mut response.body)?;
        } else {
            self.reader.read_to_end(&mut response.body)?;
        }
        Ok(response)
    }

    /// Exactly `n` bytes, after an upgrade or while streaming.
    #[track_caller]
    pub(crate) fn read_bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Everything until the gateway closes; a reset counts as closing.
    #[track_caller]
    pub(crate) fn read_to_close(&mut self) -> Vec<u8> {
        let (bytes, closed) = self.read_while_it_comes();
        assert!(closed, "the connection was not closed; got {:?}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// Everything until the gateway closes or the read timeout passes, and which of the two it was.
    pub(crate) fn read_while_it_comes(&mut self) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return (bytes, true),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                // By a test run that was suspended and goes on.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return (bytes, e.kind() == io::ErrorKind::ConnectionReset),
            }
        }
    }
}
