//! Bodies of many records, each adapted by itself while the body passes (ADAPTATION section 6,
//! rule 12).
//!
//! A record leaves as soon as it is whole, and never before: it is validated and adapted like a
//! body of its own.

mod events;
mod lines;
mod programs;
mod record;

use bytes::Bytes;
use http::HeaderMap;

use self::{events::Events, lines::Lines, record::Record};
pub use self::{
    programs::{Chosen, Programs},
    record::Work,
};
use super::{
    TransformError,
    charset::{Charset, Transcoder},
    coding::{Coding, Decoder, Step},
    error::{self, Side},
};
use crate::{
    adaptation::{AdaptationError, Adapted, Mode, Reason, Stash},
    domain::api::BodyRules,
};

/// How a body is split into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON text on each line.
    Lines,
    /// Server-sent events (WHATWG HTML section 9.2), whose data may be JSON.
    Events,
}

impl Format {
    /// What records may be in, if not in UTF-8. Events never are anything else, whatever the media
    /// type says (WHATWG HTML section 9.2.5).
    pub fn charset(self, headers: &HeaderMap, rules: BodyRules) -> Option<Charset> {
        if self == Self::Lines { Charset::of(headers, rules) } else { None }
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
    /// What they may be in, if not in UTF-8.
    pub charset: Option<Charset>,
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
    /// Reads what comes before it is split.
    transcoder: Option<Transcoder>,
    /// What each record may be in.
    charset: Option<Charset>,
    side: Side,
    /// Decoded bytes that may still come.
    left: u64,
    /// Pushed, and not counted yet.
    pushed: Bytes,
    /// Arrived, not split yet.
    input: Bytes,
    ended: bool,
    aside: Option<Aside>,
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
    /// A record that only a thread of its own may adapt: run it there and [settle](Records::settle) it.
    Aside(Work),
    /// That was all.
    End,
}

/// A record that is adapted elsewhere; those behind it wait for it.
#[derive(Debug)]
enum Aside {
    Waits(Record),
    Settled(Record, Result<Adapted, AdaptationError>),
}

#[derive(Debug)]
enum Splitter {
    Lines(Lines),
    Events(Events),
}

/// Adapts one record after the other.
#[derive(Debug)]
struct Adapter<P> {
    side: Side,
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
        let Terms { side, format, coding, charset, mode, record_bytes_max, bytes_max } = terms;
        Self {
            splitter: match format {
                Format::Lines => Splitter::Lines(Lines::default()),
                Format::Events => Splitter::Events(Events::default()),
            },
            adapter: Adapter { side, programs, stash, mode, cap: record_bytes_max, adapted: false, narrowed: false },
            decoder: coding.map(Decoder::new),
            transcoder: charset.and_then(Charset::transcoder),
            charset: charset.and_then(Charset::of_lines),
            side,
            left: bytes_max,
            pushed: Bytes::new(),
            input: Bytes::new(),
            ended: false,
            aside: None,
            failed: None,
            done: false,
        }
    }

    /// Adapts a body that is there already, for callers that may block.
    pub fn whole(terms: Terms, programs: P, stash: Stash, body: Bytes) -> Result<Bytes, TransformError> {
        let mut records = Self::new(terms, programs, stash);
        records.push(body);
        records.end();
        let mut whole = Vec::new();
        loop {
            match records.take()? {
                Next::Data(data) => whole.extend_from_slice(&data),
                Next::Starved | Next::Working => {}
                Next::Aside(work) => {
                    let done = work.run(&records.adapter.programs);
                    records.settle(done);
                }
                Next::End => return Ok(whole.into()),
            }
        }
    }

    /// Gives it more, once [`Records::take`] said it is starved.
    pub fn push(&mut self, data: Bytes) {
        match &mut self.decoder {
            Some(decoder) => decoder.push(data),
            None => self.pushed = data,
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some(decoder) = &mut self.decoder {
            decoder.end();
        }
    }

    /// Says what became of the [work](Next::Aside) that was given out.
    pub fn settle(&mut self, done: Result<Adapted, AdaptationError>) {
        if let Some(Aside::Waits(record)) = self.aside.take() {
            self.aside = Some(Aside::Settled(record, done));
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
        match self.aside.take() {
            None => {}
            Some(Aside::Settled(record, done)) => {
                self.adapter.leave(record, done.map(Some), out).map_err(|error| error.of(self.side))?;
                return Ok(Next::Working);
            }
            Some(Aside::Waits(record)) => {
                let work = self.adapter.work(&record);
                self.aside = Some(Aside::Waits(record));
                return Ok(Next::Aside(work));
            }
        }
        if self.input.is_empty() {
            if let Some(decoder) = &mut self.decoder {
                let mut decoded = vec![0; TURN_BYTES];
                match decoder.read(&mut decoded).map_err(|error| TransformError::undecodable(self.side, error))? {
                    Step::Wrote(length) => {
                        decoded.truncate(length);
                        self.arrived(decoded.into())?;
                        if self.input.is_empty() {
                            // Half a character: what follows it may be there already.
                            return Ok(Next::Working);
                        }
                    }
                    Step::Starved => return Ok(Next::Starved),
                    Step::End => {}
                }
            } else {
                let data = std::mem::take(&mut self.pushed);
                self.arrived(data)?;
            }
        }
        if !self.input.is_empty() {
            self.split(out).map_err(|error| error.of(self.side))?;
            return Ok(Next::Working);
        }
        if !self.ended {
            return Ok(Next::Starved);
        }
        if let Some(transcoder) = self.transcoder.take() {
            self.input = transcoder.end().map_err(|reason| TransformError::of_body(self.side, reason))?;
            return Ok(Next::Working);
        }
        match self.splitter.finish(out) {
            None => Ok(Next::End),
            Some(record) => {
                self.adapt(record, out).map_err(|error| error.of(self.side))?;
                Ok(Next::Working)
            }
        }
    }

    /// Counts what there is to split.
    fn arrived(&mut self, data: Bytes) -> Result<(), TransformError> {
        let data = match &mut self.transcoder {
            None => data,
            Some(transcoder) => transcoder.push(data).map_err(|reason| TransformError::of_body(self.side, reason))?,
        };
        self.left = self.left.checked_sub(data.len() as u64).ok_or_else(|| TransformError::too_large(self.side))?;
        self.input = data;
        Ok(())
    }

    /// Adapts what is whole in the input, up to a record that has to wait.
    fn split(&mut self, out: &mut Vec<u8>) -> Result<(), Unfit> {
        while let Some(record) = self.splitter.next(&mut self.input, self.adapter.cap, out)? {
            self.adapt(record, out)?;
            if self.aside.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn adapt(&mut self, record: Record, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let record = match self.charset {
            None => record,
            Some(charset) => record.transcoded(charset, self.adapter.cap)?,
        };
        if self.adapter.is_opaque(&record) {
            self.aside = Some(Aside::Waits(record));
            return Ok(());
        }
        let done = self.adapter.adapt(&record);
        self.adapter.leave(record, done, out)
    }
}

impl Splitter {
    /// The next record that is whole; what stands between records goes to `out`. None once the input is used up.
    ///
    /// - `cap`: most bytes of a record.
    fn next(&mut self, input: &mut Bytes, cap: usize, out: &mut Vec<u8>) -> Result<Option<Record>, Unfit> {
        match self {
            Self::Lines(lines) => lines.next(input, cap, out),
            Self::Events(events) => events.next(input, cap, out),
        }
    }

    /// The last record, if it had no end.
    fn finish(&mut self, out: &mut Vec<u8>) -> Option<Record> {
        match self {
            Self::Lines(lines) => lines.finish(out),
            Self::Events(events) => events.finish(out),
        }
    }
}

/// A record that cannot be adapted.
struct Unfit(AdaptationError);

impl Unfit {
    fn of(self, side: Side) -> TransformError {
        TransformError { side, cause: self.0.into() }
    }
}

/// Errors where a record of `length` bytes would be too long.
fn admit(length: usize, cap: usize) -> Result<(), Unfit> {
    if length > cap { Err(Unfit(AdaptationError::of_body(Reason::TooLarge))) } else { Ok(()) }
}

impl<P: Programs> Adapter<P> {
    /// Whether adapting it may take its time.
    fn is_opaque(&self, record: &Record) -> bool {
        self.programs.program(record.kind()).is_some_and(|program| program.is_opaque())
    }

    /// The record in the other version's shape; none where no program knows it.
    fn adapt(&self, record: &Record) -> Result<Option<Adapted>, AdaptationError> {
        let Some(program) = self.programs.program(record.kind()) else { return Ok(None) };
        let adapted = program.apply_with(record.text(), self.mode, &mut self.stash.clone());
        adapted.map(Some).map_err(|error| error::for_caller(self.side, program, error))
    }

    /// The same as something that can be done elsewhere.
    fn work(&self, record: &Record) -> Work {
        Work::new(record, self.side, self.mode, self.stash.clone())
    }

    /// Writes what became of a record.
    fn leave(
        &mut self,
        record: Record,
        done: Result<Option<Adapted>, AdaptationError>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        if let Ok(Some(adapted)) = &done {
            self.adapted = true;
            self.narrowed |= adapted.narrowed;
        }
        record.leave(done.map(|adapted| adapted.map(|adapted| adapted.body)), out).map_err(Unfit)
    }
}

#[cfg(test)]
mod tests;
