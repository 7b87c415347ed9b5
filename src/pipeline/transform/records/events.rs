//! Server-sent events (WHATWG HTML section 9.2.5 and 9.2.6).

use bytes::{Bytes, BytesMut};

use super::{Adapter, Programs, Unfit};
use crate::adaptation::Reason;

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
    pub(super) fn push<P: Programs>(
        &mut self,
        mut data: &[u8],
        adapter: &mut Adapter<P>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        if std::mem::take(&mut self.after_return)
            && let Some(rest) = data.strip_prefix(b"\n")
        {
            data = rest;
            if self.held.is_empty() { &mut *out } else { &mut self.held }.push(b'\n');
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', data) {
            adapter.admit(self.held.len() + self.begun.len() + end)?;
            let length = match &data[end..] {
                [b'\r', b'\n', ..] => end + 2,
                [b'\r'] => {
                    self.after_return = true;
                    end + 1
                }
                _ => end + 1,
            };
            let (line, rest) = data.split_at(length);
            data = rest;
            if self.begun.is_empty() {
                self.line(&line[..end], line, adapter, out)?;
            } else {
                self.begun.extend_from_slice(line);
                let line = self.begun.split();
                self.line(&line[..line.len() - (length - end)], &line, adapter, out)?;
            }
        }
        adapter.admit(self.held.len() + self.begun.len() + data.len())?;
        self.begun.extend_from_slice(data);
        Ok(())
    }

    /// The last event may have no end.
    pub(super) fn finish<P: Programs>(&mut self, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let line = self.begun.split();
        if !line.is_empty() {
            self.line(&line, &line, adapter, out)?;
        }
        self.event(adapter, out)
    }

    /// - `text`: the line without its end; `line`: with it.
    fn line<P: Programs>(
        &mut self,
        text: &[u8],
        line: &[u8],
        adapter: &mut Adapter<P>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let is_first = !std::mem::replace(&mut self.under_way, true);
        let (text, line) = match text.strip_prefix(MARK).filter(|_| is_first) {
            None => (text, line),
            Some(text) => {
                out.extend_from_slice(MARK);
                (text, &line[MARK.len()..])
            }
        };
        if text.is_empty() {
            self.event(adapter, out)?;
            out.extend_from_slice(line);
            self.kind.clear();
            return Ok(());
        }
        let (name, value) = field(text);
        if name == b"event" {
            self.kind.clear();
            self.kind.extend_from_slice(value);
        }
        if name == b"data" || !self.held.is_empty() { &mut self.held } else { out }.extend_from_slice(line);
        Ok(())
    }

    /// Writes the event that is held. Data that is no JSON, such as `[DONE]`, passes as it came.
    fn event<P: Programs>(&mut self, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        if self.held.is_empty() {
            return Ok(());
        }
        let data = joined(&self.held);
        match adapter.adapt(&data, &self.kind) {
            Ok(Some(adapted)) if adapted != data => rewrite(&self.held, &adapted, out),
            Ok(_) => out.extend_from_slice(&self.held),
            Err(error) if error.reason == Reason::Malformed => out.extend_from_slice(&self.held),
            Err(error) => return Err(Unfit(error)),
        }
        self.held.clear();
        Ok(())
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
fn joined(held: &[u8]) -> Bytes {
    let mut values = lines(held).map(|(text, _)| field(text)).filter(|(name, _)| *name == b"data").map(|(_, v)| v);
    let mut data = values.next().unwrap_or_default().to_vec();
    for value in values {
        data.push(b'\n');
        data.extend_from_slice(value);
    }
    data.into()
}

/// Writes `adapted` on one line, in the place of the first `data` line and spelled like it.
fn rewrite(held: &[u8], adapted: &[u8], out: &mut Vec<u8>) {
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
