//! Reading HTTP/1 messages, strictly enough to notice what a gateway gets wrong.

use std::io::{self, BufRead, Read};

/// A start line and its fields, as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) fields: Fields,
    pub(crate) raw: String,
}

impl Head {
    /// Every line of a field, in order.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// All lines of a field as one list, or `None` where the field is absent.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.lines(name);
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

/// Reads a head. `None`: the peer closed before the first byte.
pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut raw = Vec::new();
    loop {
        let before = raw.len();
        from.read_until(b'\n', &mut raw)?;
        if raw.is_empty() {
            return Ok(None);
        }
        if raw.len() == before || !raw.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed inside a head"));
        }
        if raw.ends_with(b"\r\n\r\n") || raw == b"\r\n" {
            break;
        }
    }
    let raw = String::from_utf8_lossy(&raw).into_owned();
    let mut lines = raw.split("\r\n").filter(|l| !l.is_empty());
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .map(|l| l.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("field without a colon in {raw:?}")))?;
    Ok(Some(Head { line, fields, raw }))
}

/// Names and values of field lines, in order.
pub(crate) type Fields = Vec<(String, String)>;

/// Chunks to their end: the body and the trailers.
pub(crate) fn read_chunked(from: &mut impl BufRead) -> io::Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("chunk size {size:?}")))?;
        if size == 0 {
            break;
        }
        let before = body.len() as u64;
        from.by_ref().take(size).read_to_end(&mut body)?;
        if body.len() as u64 - before != size || !line(from)?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "cut inside a chunk"));
        }
    }
    let mut trailers = Vec::new();
    loop {
        let text = line(from)?;
        match text.split_once(':') {
            Some((name, value)) => trailers.push((name.to_owned(), value.trim().to_owned())),
            None => return Ok((body, trailers)),
        }
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut raw = Vec::new();
    from.read_until(b'\n', &mut raw)?;
    if !raw.ends_with(b"\r\n") {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "cut inside a chunked body"));
    }
    raw.truncate(raw.len() - 2);
    Ok(String::from_utf8_lossy(&raw).into_owned())
}

/// An answer as the client saw it.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.header(name)
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        self.head.lines(name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not json ({e}): {self:?}"))
    }

    /// The version the gateway says it served.
    pub(crate) fn used(&self) -> Option<String> {
        self.header("X-API-Version-Used")
    }

    /// Asserts that this is the gateway's own problem document for `code`, complete as section 4 asks, and yields it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> serde_json::Value {
        assert_eq!(self.status, status, "{code}: {}{}", self.head.raw, self.text());
        let media = self.header("Content-Type").unwrap_or_default();
        assert!(media.starts_with("application/problem+json"), "{code}: content type {media:?}\n{}", self.head.raw);
        assert_eq!(self.header("Cache-Control").as_deref(), Some("no-store"), "{code}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("/problems/{}", code.replace('_', "-")), "{problem}");
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|t| !t.is_empty()), "{member} is missing in {problem}");
        }
        let id = self.header("X-Request-Id").unwrap_or_else(|| panic!("no X-Request-Id:\n{}", self.head.raw));
        assert_eq!(problem["request_id"], id.as_str(), "{problem}");
        problem
    }
}
