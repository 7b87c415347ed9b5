//! Server-sent events (WHATWG HTML section 9.2.5 and 9.2.6).

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Unfit, admit, record::Record};

/// Splits at blank lines, whatever ends a line: CR LF, LF or CR.
///
/// Lines before the first `data` go on at once, so that a comment that keeps a connection alive is
/// not held back; from there on the event is held until it is whole.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The beginning of a line that has not arrived whole.
    begun: BytesMut,
    /// Whole lines of an event, from its first `data` on.
    held: Vec<u8>,
    /// The event's type, as far as it is known.
    kind: Vec<u8>,
    /// The last byte was a carriage return: a line feed would belong to it.
    after_return: bool,
    /// A line has been seen, so that no byte order mark comes any more.
    under_way: bool,
}

const MARK: &[u8] = b"\xEF\xBB\xBF";

impl Events {
    /// The next event that is whole and has data; other lines go to `out`.
    pub(super) fn next(&mut self, input: &mut Bytes, cap: usize, out: &mut Vec<u8>) -> Result<Option<Record>, Unfit> {
        if !input.is_empty() && std::mem::take(&mut self.after_return) && input.starts_with(b"\n") {
            input.advance(1);
            if self.held.is_empty() { &mut *out } else { &mut self.held }.push(b'\n');
        }
        while let Some(at) = memchr::memchr2(b'\n', b'\r', input) {
            admit(self.held.len() + self.begun.len() + at, cap)?;
            let end: &'static [u8] = match &input[at..] {
                [b'\n', ..] => b"\n",
                [b'\r', b'\n', ..] => b"\r\n",
                rest => {
                    self.after_return = rest.len() == 1;
                    b"\r"
                }
            };
            let mut text = input.split_to(at);
            input.advance(end.len());
            if !self.begun.is_empty() {
                self.begun.extend_from_slice(&text);
                text = self.begun.split().freeze();
            }
            if let Some(record) = self.line(&text, end, out) {
                return Ok(Some(record));
            }
        }
        admit(self.held.len() + self.begun.len() + input.len(), cap)?;
        self.begun.extend_from_slice(&std::mem::take(input));
        Ok(None)
    }

    /// The last event may have no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Option<Record> {
        let text = self.begun.split();
        if !text.is_empty() {
            self.line(&text, b"", out);
        }
        self.event(b"")
    }

    /// The event that ends with this line, if it has data.
    ///
    /// - `text`: the line without its `end`.
    fn line(&mut self, text: &[u8], end: &'static [u8], out: &mut Vec<u8>) -> Option<Record> {
        let is_first = !std::mem::replace(&mut self.under_way, true);
        let text = match text.strip_prefix(MARK).filter(|_| is_first) {
            None => text,
            Some(text) => {
                out.extend_from_slice(MARK);
                text
            }
        };
        if text.is_empty() {
            let event = self.event(end);
            if event.is_none() {
                out.extend_from_slice(end);
            }
            self.kind.clear();
            return event;
        }
        let (name, value) = field(text);
        if name == b"event" {
            self.kind.clear();
            self.kind.extend_from_slice(value);
        }
        let to = if name == b"data" || !self.held.is_empty() { &mut self.held } else { out };
        to.extend_from_slice(text);
        to.extend_from_slice(end);
        None
    }

    /// The event that is held.
    fn event(&mut self, end: &'static [u8]) -> Option<Record> {
        if self.held.is_empty() {
            return None;
        }
        Some(Record::event(std::mem::take(&mut self.kind), std::mem::take(&mut self.held), end))
    }
}

/// Name and value of a line; one space before the value does not count.
fn field(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', text) {
        None => (text, b""),
        Some(colon) => {
            let value = &text[colon + 1..];
            (&text[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

/// Whole lines, each with its end.
fn lines(mut held: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if held.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', held).unwrap_or(held.len());
        let length = match &held[end..] {
            [b'\r', b'\n', ..] => 2,
            rest => rest.len().min(1),
        };
        let (line, rest) = held.split_at(end + length);
        held = rest;
        Some(line.split_at(end))
    })
}

/// The event's data: the values of its `data` lines with line feeds between them.
pub(super) fn joined(held: &[u8]) -> Bytes {
    let mut values = lines(held).map(|(text, _)| field(text)).filter(|(name, _)| *name == b"data").map(|(_, v)| v);
    let mut data = values.next().unwrap_or_default().to_vec();
    for value in values {
        data.push(b'\n');
        data.extend_from_slice(value);
    }
    data.into()
}

/// Writes `adapted` on one line, in the place of the first `data` line and spelled like it.
pub(super) fn rewrite(held: &[u8], adapted: &[u8], out: &mut Vec<u8>) {
    let mut written = false;
    for (text, end) in lines(held) {
        let (name, value) = field(text);
        if name != b"data" {
            out.extend_from_slice(text);
            out.extend_from_slice(end);
        } else if !written {
            written = true;
            let before = &text[..text.len() - value.len()];
            out.extend_from_slice(if before.contains(&b':') { before } else { b"data:" });
            // Within JSON a line's end is whitespace between tokens: strings have none.
            out.extend(adapted.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
            out.extend_from_slice(end);
        }
    }
}
