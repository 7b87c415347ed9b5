//! Bodies of many records, each adapted by itself while the body passes (ADAPTATION section 6,
//! rule 12).
//!
//! A record leaves as soon as it is whole, and never before: it is validated and adapted like a
//! body of its own.

mod events;
mod lines;

use bytes::Bytes;

use self::{events::Events, lines::Lines};
use super::{
    TransformError,
    coding::{Coding, Decoder, Step},
    error::Side,
};
use crate::adaptation::{AdaptationError, Mode, Program, Reason, Stash};

/// How a body is split into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON text on each line.
    Lines,
    /// Server-sent events (WHATWG HTML section 9.2), whose data may be JSON.
    Events,
}

/// The programs of a body.
pub trait Programs {
    /// The program of a record; none where it passes as it came.
    ///
    /// - `event`: the type of a server-sent event; empty where it has none.
    fn program(&self, event: &[u8]) -> Option<&Program>;
}

/// One program for every record.
impl Programs for &Program {
    fn program(&self, _event: &[u8]) -> Option<&Program> {
        Some(self)
    }
}

/// How a body of records is read.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whose message it is.
    pub side: Side,
    /// How it is split.
    pub format: Format,
    /// The coding to take off.
    pub coding: Option<Coding>,
    /// How much each record speaks of.
    pub mode: Mode,
    /// Most bytes of one record.
    pub record_bytes_max: usize,
    /// Most bytes of all of them, decoded.
    pub bytes_max: u64,
}

/// A body of records on its way through.
#[derive(Debug)]
pub struct Records<P> {
    splitter: Splitter,
    adapter: Adapter<P>,
    decoder: Option<Decoder>,
    side: Side,
    /// Decoded bytes that may still come.
    left: u64,
    /// Arrived, not split yet.
    input: Bytes,
    ended: bool,
    /// Comes after what was adapted before it.
    failed: Option<TransformError>,
    done: bool,
}

/// What [`Records::take`] has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Whole records, at least one byte.
    Data(Bytes),
    /// More has to be pushed first.
    Starved,
    /// Nothing yet, but some work is done: ask again, and let others have a turn now and then.
    Working,
    /// That was all.
    End,
}

#[derive(Debug)]
enum Splitter {
    Lines(Lines),
    Events(Events),
}

/// Adapts one record after the other.
#[derive(Debug)]
struct Adapter<P> {
    programs: P,
    stash: Stash,
    mode: Mode,
    cap: usize,
    adapted: bool,
    narrowed: bool,
}

/// Decoded at once: one piece of work.
const TURN_BYTES: usize = 16 * 1024;

impl<P: Programs> Records<P> {
    /// Begins a body.
    ///
    /// - `stash`: what the request of the exchange left for each record of the answer.
    pub fn new(terms: Terms, programs: P, stash: Stash) -> Self {
        let Terms { side, format, coding, mode, record_bytes_max, bytes_max } = terms;
        Self {
            splitter: match format {
                Format::Lines => Splitter::Lines(Lines::default()),
                Format::Events => Splitter::Events(Events::default()),
            },
            adapter: Adapter { programs, stash, mode, cap: record_bytes_max, adapted: false, narrowed: false },
            decoder: coding.map(Decoder::new),
            side,
            left: bytes_max,
            input: Bytes::new(),
            ended: false,
            failed: None,
            done: false,
        }
    }

    /// Adapts a body that is there already.
    pub fn whole(terms: Terms, programs: P, stash: Stash, body: Bytes) -> Result<Bytes, TransformError> {
        let mut records = Self::new(terms, programs, stash);
        records.push(body);
        records.end();
        let mut whole = Vec::new();
        loop {
            match records.take()? {
                Next::Data(data) => whole.extend_from_slice(&data),
                Next::Starved | Next::Working => {}
                Next::End => return Ok(whole.into()),
            }
        }
    }

    /// Gives it more, once [`Records::take`] said it is starved.
    pub fn push(&mut self, data: Bytes) {
        match &mut self.decoder {
            Some(decoder) => decoder.push(data),
            None => self.input = data,
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some(decoder) = &mut self.decoder {
            decoder.end();
        }
    }

    /// Whether some record went through a program, and whether some data was left out.
    pub fn outcome(&self) -> (bool, bool) {
        (self.adapter.adapted, self.adapter.narrowed)
    }

    /// What is whole by now.
    ///
    /// - Errors: the records before the one that failed came out; nothing of that one, and nothing
    ///   after it, ever will.
    pub fn take(&mut self) -> Result<Next, TransformError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.done {
            return Ok(Next::End);
        }
        let mut out = Vec::new();
        let next = match self.advance(&mut out) {
            Ok(next) => next,
            Err(error) if out.is_empty() => {
                self.failed = Some(error.clone());
                return Err(error);
            }
            Err(error) => {
                self.failed = Some(error);
                Next::Working
            }
        };
        self.done = next == Next::End;
        Ok(if out.is_empty() { next } else { Next::Data(out.into()) })
    }

    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Next, TransformError> {
        if let Some(decoder) = &mut self.decoder {
            let mut decoded = vec![0; TURN_BYTES];
            match decoder.read(&mut decoded).map_err(|error| TransformError::undecodable(self.side, error))? {
                Step::Wrote(length) => {
                    decoded.truncate(length);
                    self.input = decoded.into();
                }
                Step::Starved => return Ok(Next::Starved),
                Step::End => {}
            }
        }
        let input = std::mem::take(&mut self.input);
        if input.is_empty() {
            if !self.ended {
                return Ok(Next::Starved);
            }
            self.splitter.finish(&mut self.adapter, out).map_err(|error| error.of(self.side))?;
            return Ok(Next::End);
        }
        match self.left.checked_sub(input.len() as u64) {
            None => return Err(TransformError::too_large(self.side)),
            Some(left) => self.left = left,
        }
        self.splitter.push(input, &mut self.adapter, out).map_err(|error| error.of(self.side))?;
        Ok(Next::Working)
    }
}

impl Splitter {
    fn push<P: Programs>(&mut self, data: Bytes, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match self {
            Self::Lines(lines) => lines.push(data, adapter, out),
            Self::Events(events) => events.push(&data, adapter, out),
        }
    }

    fn finish<P: Programs>(&mut self, adapter: &mut Adapter<P>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match self {
            Self::Lines(lines) => lines.finish(adapter, out),
            Self::Events(events) => events.finish(adapter, out),
        }
    }
}

/// A record that cannot be adapted.
struct Unfit(AdaptationError);

impl Unfit {
    fn too_large() -> Self {
        Self(AdaptationError::of_body(Reason::TooLarge))
    }

    fn of(self, side: Side) -> TransformError {
        TransformError { side, cause: self.0.into() }
    }
}

impl<P: Programs> Adapter<P> {
    /// The record in the other version's shape; none where no program knows it.
    fn adapt(&mut self, record: &Bytes, event: &[u8]) -> Result<Option<Bytes>, AdaptationError> {
        let Some(program) = self.programs.program(event) else { return Ok(None) };
        let adapted = program.apply_with(record, self.mode, &mut self.stash.clone())?;
        self.adapted = true;
        self.narrowed |= adapted.narrowed;
        Ok(Some(adapted.body))
    }

    /// Errors where a record of `length` bytes would be too long.
    fn admit(&self, length: usize) -> Result<(), Unfit> {
        if length > self.cap { Err(Unfit::too_large()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
