//! One record, with what surrounds its JSON text.

use bytes::Bytes;

use super::{Programs, Unfit, events};
use crate::adaptation::{AdaptationError, Adapted, Mode, Reason, Stash};
use crate::pipeline::transform::{
    charset::Charset,
    error::{self, Side},
};

/// A record that is whole.
#[derive(Debug)]
pub(super) struct Record {
    /// To be adapted.
    text: Bytes,
    shell: Shell,
}

#[derive(Debug)]
enum Shell {
    /// The text with what ends it.
    Line(Bytes),
    Event {
        /// Empty where it has none.
        kind: Vec<u8>,
        /// Whole lines, from the first `data` on.
        held: Vec<u8>,
        /// The blank line behind it.
        end: &'static [u8],
    },
}

impl Record {
    /// - `length`: of the JSON text that `line` begins with.
    pub(super) fn line(line: Bytes, length: usize) -> Self {
        Self { text: line.slice(..length), shell: Shell::Line(line) }
    }

    pub(super) fn event(kind: Vec<u8>, held: Vec<u8>, end: &'static [u8]) -> Self {
        Self { text: events::joined(&held), shell: Shell::Event { kind, held, end } }
    }

    /// The line in UTF-8; an event is already.
    ///
    /// - `cap`: most bytes of its text as such.
    pub(super) fn transcoded(self, charset: Charset, cap: usize) -> Result<Self, Unfit> {
        let Shell::Line(line) = &self.shell else { return Ok(self) };
        let text = charset.read(&self.text, cap).map_err(|reason| Unfit(AdaptationError::of_body(reason)))?;
        if text == self.text {
            return Ok(self);
        }
        let end = &line[self.text.len()..];
        Ok(Self::line([&text, end].concat().into(), text.len()))
    }

    pub(super) fn text(&self) -> &Bytes {
        &self.text
    }

    /// The type of an event; none for a line.
    pub(super) fn kind(&self) -> Option<&[u8]> {
        match &self.shell {
            Shell::Line(_) => None,
            Shell::Event { kind, .. } => Some(kind),
        }
    }

    /// Writes it as it was `adapted`; none: as it came. So does an event whose data is no JSON, such as `[DONE]`.
    pub(super) fn leave(
        self,
        adapted: Result<Option<Bytes>, AdaptationError>,
        out: &mut Vec<u8>,
    ) -> Result<(), AdaptationError> {
        match self.shell {
            Shell::Line(line) => match adapted? {
                None => out.extend_from_slice(&line),
                Some(adapted) => {
                    out.extend_from_slice(&adapted);
                    out.extend_from_slice(&line[self.text.len()..]);
                }
            },
            Shell::Event { held, end, .. } => {
                match adapted {
                    Ok(Some(adapted)) if adapted != self.text => events::rewrite(&held, &adapted, out),
                    Ok(_) => out.extend_from_slice(&held),
                    Err(error) if error.reason == Reason::Malformed => out.extend_from_slice(&held),
                    Err(error) => return Err(error),
                }
                out.extend_from_slice(end);
            }
        }
        Ok(())
    }
}

/// A record to be adapted elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    text: Bytes,
    kind: Option<Box<[u8]>>,
    side: Side,
    mode: Mode,
    stash: Stash,
}

impl Work {
    pub(super) fn new(record: &Record, side: Side, mode: Mode, stash: Stash) -> Self {
        Self { text: record.text.clone(), kind: record.kind().map(Into::into), side, mode, stash }
    }

    /// Whose message the record is of.
    pub fn side(&self) -> Side {
        self.side
    }

    /// The type of an event; none for a line.
    pub fn kind(&self) -> Option<&[u8]> {
        self.kind.as_deref()
    }

    /// Does it. May take its time.
    pub fn run(mut self, programs: &impl Programs) -> Result<Adapted, AdaptationError> {
        match programs.program(self.kind()) {
            Some(program) => program
                .apply_with(&self.text, self.mode, &mut self.stash)
                .map_err(|error| error::for_caller(self.side, program, error)),
            None => Ok(Adapted { body: self.text, narrowed: false }),
        }
    }
}
