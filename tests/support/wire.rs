//! Reading HTTP/1.1 as its grammar says and no wider: what a strict peer makes of the bytes a gateway wrote.
//!
//! Both readings fail loudly where a laxer peer could see another message than a strict one: a gateway that encodes
//! anew has no reason to write such a thing.

use super::http::Fields;

/// One request or answer, complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The start line without its end.
    pub(crate) line: String,
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Fields,
}

impl Message {
    /// Every line of a field, in order.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.lines(name);
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    pub(crate) fn status(&self) -> u16 {
        self.line.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// `METHOD target`, and the body where there is one.
    pub(crate) fn summary(&self) -> String {
        let asked = self.line.strip_suffix(" HTTP/1.1").unwrap_or(&self.line);
        if self.body.is_empty() { asked.to_owned() } else { format!("{asked} {}", String::from_utf8_lossy(&self.body)) }
    }
}

/// A message and how many bytes it took; `None` while its end has not come; what is wrong with it.
pub(crate) type Reading = Result<Option<(Message, usize)>, String>;

/// The request at the start of `bytes`.
pub(crate) fn request(bytes: &[u8]) -> Reading {
    let Some((mut message, at)) = head(bytes)? else { return Ok(None) };
    let words: Vec<&str> = message.line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err(format!("request line {:?}", message.line)) };
    if !is_token(method) || target.is_empty() || !target.bytes().all(|b| b > b' ' && b < 0x7f) {
        return Err(format!("request line {:?}", message.line));
    }
    if message.lines("Host").len() != 1 {
        return Err(format!("Host lines {:?}", message.lines("Host")));
    }
    let framing = framing(&message)?;
    body(&mut message, bytes, at, framing.unwrap_or(Framing::Length(0)), false)
}

/// The answer at the start of `bytes`, to a HEAD request or another; `closed` once no more will come.
pub(crate) fn answer(bytes: &[u8], of_head: bool, closed: bool) -> Reading {
    let Some((mut message, at)) = head(bytes)? else { return Ok(None) };
    // HTTP/1.0 where the client spoke it: its own version is allowed as well.
    let good = (message.line.starts_with("HTTP/1.1 ") || message.line.starts_with("HTTP/1.0 "))
        && message.line.as_bytes().get(12) == Some(&b' ')
        && (100..600).contains(&message.status());
    if !good {
        return Err(format!("status line {:?}", message.line));
    }
    let framing = framing(&message)?;
    let bare = of_head || message.status() < 200 || matches!(message.status(), 204 | 304);
    let framing = if bare { Framing::Length(0) } else { framing.unwrap_or(Framing::Close) };
    body(&mut message, bytes, at, framing, closed)
}

enum Framing {
    Length(usize),
    Chunked,
    Close,
}

fn head(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        // Without an end there is still something to say: no line of ours is this long.
        return if bytes.len() > 1 << 20 { Err("a head without end".to_owned()) } else { Ok(None) };
    };
    // Decoded without loss: every byte is one character.
    let text: String = bytes[..end].iter().map(|b| char::from(*b)).collect();
    let mut lines = text.split("\r\n");
    let mut message = Message { line: lines.next().unwrap_or_default().to_owned(), ..Message::default() };
    for line in lines {
        message.fields.push(field(line)?);
    }
    // A CR or LF that is left stood alone.
    match text.split("\r\n").find(|l| l.chars().any(|c| (c < ' ' && c != '\t') || c == '\u{7f}')) {
        Some(line) => Err(format!("control character in {line:?}")),
        None => Ok(Some((message, end + 4))),
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if is_token(name) => Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned())),
        _ => Err(format!("field line {text:?}")),
    }
}

fn framing(message: &Message) -> Result<Option<Framing>, String> {
    match (&message.lines("Transfer-Encoding")[..], &message.lines("Content-Length")[..]) {
        ([], []) => Ok(None),
        (["chunked"], []) => Ok(Some(Framing::Chunked)),
        ([], [length]) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().map(|n| Some(Framing::Length(n))).map_err(|e| format!("length {length:?}: {e}"))
        }
        (coding, length) => Err(format!("codings {coding:?}, lengths {length:?}")),
    }
}

fn body(message: &mut Message, bytes: &[u8], mut at: usize, framing: Framing, closed: bool) -> Reading {
    match framing {
        Framing::Length(n) if bytes.len() - at < n => return Ok(None),
        Framing::Length(n) => {
            message.body = bytes[at..at + n].to_vec();
            at += n;
        }
        Framing::Close if !closed => return Ok(None),
        Framing::Close => {
            message.body = bytes[at..].to_vec();
            at = bytes.len();
        }
        Framing::Chunked => loop {
            let Some((size, data)) = line(bytes, at)? else { return Ok(None) };
            let hex = !size.is_empty() && size.len() <= 16 && size.bytes().all(|b| b.is_ascii_hexdigit());
            let size = usize::from_str_radix(&size, 16).ok().filter(|_| hex).ok_or(format!("chunk size {size:?}"))?;
            if size == 0 {
                at = data;
                break;
            }
            let Some(chunk) = bytes.get(data..data + size + 2) else { return Ok(None) };
            let Some(chunk) = chunk.strip_suffix(b"\r\n") else { return Err("no CRLF after a chunk".to_owned()) };
            message.body.extend_from_slice(chunk);
            at = data + size + 2;
        },
    }
    if message.lines("Transfer-Encoding").is_empty() || matches!(framing, Framing::Length(_)) {
        return Ok(Some((std::mem::take(message), at)));
    }
    loop {
        let Some((text, after)) = line(bytes, at)? else { return Ok(None) };
        at = after;
        if text.is_empty() {
            return Ok(Some((std::mem::take(message), at)));
        }
        message.trailers.push(field(&text)?);
    }
}

/// The line at `at` without its CRLF, and where the next begins.
fn line(bytes: &[u8], at: usize) -> Result<Option<(String, usize)>, String> {
    let Some(length) = bytes[at..].iter().position(|b| *b == b'\n') else { return Ok(None) };
    match bytes[at..at + length].strip_suffix(b"\r") {
        Some(line) => Ok(Some((String::from_utf8_lossy(line).into_owned(), at + length + 1))),
        None => Err("a bare line feed in chunk framing".to_owned()),
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
