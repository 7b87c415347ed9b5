//! A JSON text on each line.

use bytes::{Bytes, BytesMut};

use super::{Adapter, Programs, Unfit};

/// Splits at line feeds; a carriage return before one belongs to the line's end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that has not arrived whole.
    begun: BytesMut,
}

impl Lines {
    pub(super) fn push<P: Programs>(
        &mut self,
        mut data: Bytes,
        adapter: &mut Adapter<P>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        while let Some(end) = memchr::memchr(b'\n', &data) {
            adapter.admit(self.begun.len() + end)?;
            let mut line = data.split_to(end + 1);
            if !self.begun.is_empty() {
                self.begun.extend_from_slice(&line);
                line = self.begun.split().freeze();
            }
            record(&line, adapter, out)?;
        }
        adapter.admit(self.begun.len() + data.len())?;
        self.begun.extend_from_slice(&data);
        Ok(())
    }

    /// The last line may have no end.
    pub(super) fn finish<P: Programs>(&mut self, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        record(&self.begun.split().freeze(), adapter, out)
    }
}

/// One line with its end. A blank one stays as it is, and so does its end.
fn record<P: Programs>(line: &Bytes, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let text = line.trim_ascii_end().len();
    if line[..text].trim_ascii_start().is_empty() {
        out.extend_from_slice(line);
        return Ok(());
    }
    match adapter.adapt(&line.slice(..text), b"").map_err(Unfit)? {
        Some(adapted) => {
            out.extend_from_slice(&adapted);
            out.extend_from_slice(&line[text..]);
        }
        None => out.extend_from_slice(line),
    }
    Ok(())
}
