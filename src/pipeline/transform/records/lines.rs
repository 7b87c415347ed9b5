//! A JSON text on each line.

use bytes::{Bytes, BytesMut};

use super::{Unfit, admit, record::Record};

/// Splits at line feeds; a carriage return before one belongs to the line's end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that has not arrived whole.
    begun: BytesMut,
}

impl Lines {
    /// The next line that is whole and not blank; blank ones go to `out`.
    pub(super) fn next(&mut self, input: &mut Bytes, cap: usize, out: &mut Vec<u8>) -> Result<Option<Record>, Unfit> {
        while let Some(end) = memchr::memchr(b'\n', input) {
            admit(self.begun.len() + end, cap)?;
            let mut line = input.split_to(end + 1);
            if !self.begun.is_empty() {
                self.begun.extend_from_slice(&line);
                line = self.begun.split().freeze();
            }
            if let Some(record) = record(line, out) {
                return Ok(Some(record));
            }
        }
        admit(self.begun.len() + input.len(), cap)?;
        self.begun.extend_from_slice(&std::mem::take(input));
        Ok(None)
    }

    /// The last line may have no end.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Option<Record> {
        record(self.begun.split().freeze(), out)
    }
}

/// One line with its end. A blank one stays as it is, and so does its end.
fn record(line: Bytes, out: &mut Vec<u8>) -> Option<Record> {
    let length = line.trim_ascii_end().len();
    if line[..length].trim_ascii_start().is_empty() {
        out.extend_from_slice(&line);
        return None;
    }
    Some(Record::line(line, length))
}
