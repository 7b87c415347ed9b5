//! The fused list of steps that one body goes through.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    arrays::{self, Arrays, Streamed},
    change::Direction,
    error::{AdaptationError, Reason},
    jq::{Filter, pool::Missed},
    op::Edit,
    pointer,
    scan::{self, Touch},
    stash::Stash,
    steps::{Run, Step},
    tree::{Node, Spare},
};

/// Everything a chain does to one kind of body in one direction; never without a step.
#[derive(Debug)]
pub struct Program {
    first: Pass,
    /// What cannot work on the same tree: each pass reads what the one before wrote.
    more: Vec<Pass>,
}

/// Steps that work on one tree.
#[derive(Debug, Default)]
struct Pass {
    steps: Vec<Step>,
    touch: Touch,
    /// Arrays whose elements are adapted one at a time.
    streamed: Vec<Streamed>,
    /// For each step that works on elements of such an array: how many names lead there.
    depths: Vec<Option<usize>>,
}

/// How much of a resource a body speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of it.
    #[default]
    Whole,
    /// A patch of it (method PATCH or `application/merge-patch+json`): no step supplies a default.
    Patch,
}

/// A body in the other version's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// The body; shares the original's memory where nothing changed.
    pub body: Bytes,
    /// Whether data that the receiving version does not know was left out.
    pub narrowed: bool,
}

impl Program {
    /// Fuses lists of several changes, in the order and directions they run.
    ///
    /// - `lists`: change name, list as written, direction.
    /// - Returns none where there is no op: then bodies are not parsed.
    pub fn fuse<'c>(lists: impl IntoIterator<Item = (&'c str, &'c [Edit], Direction)>) -> Option<Self> {
        let mut passes = Vec::new();
        let mut pass = Pass::default();
        for (change, edits, direction) in lists {
            let change: Arc<str> = change.into();
            let mut add = |edit: &Edit| {
                let step = Step::of(edit, &change, direction);
                let names_text = step.names_by_text() && pass.steps.iter().any(Step::makes_text);
                let behind_filter = pass.steps.last().is_some_and(|step| step.filter().is_some());
                let looks_into = |earlier: &Step| step.looks_into_recalled(earlier);
                if names_text || behind_filter || pass.steps.iter().any(looks_into) {
                    passes.push(std::mem::take(&mut pass));
                }
                step.touch(&mut pass.touch);
                pass.steps.push(step);
            };
            match direction {
                Direction::Up => edits.iter().for_each(&mut add),
                Direction::Down => edits.iter().rev().for_each(&mut add),
            }
        }
        passes.push(pass);
        passes.iter_mut().for_each(Pass::find_arrays);
        let first = passes.remove(0);
        (!first.steps.is_empty()).then_some(Self { first, more: passes })
    }

    /// Adapts a whole body, with nothing kept from another one.
    ///
    /// Parameters and errors as in [`Program::apply_with`].
    pub fn apply(&self, body: &Bytes, mode: Mode) -> Result<Adapted, AdaptationError> {
        self.apply_with(body, mode, &mut Stash::default())
    }

    /// Adapts a whole body.
    ///
    /// - `body`: JSON in UTF-8; a leading byte order mark is removed.
    /// - `stash`: what the exchange keeps of its request for its response.
    /// - Errors: not one byte of a body that is malformed, too deep or refused by an op comes out.
    pub fn apply_with(&self, body: &Bytes, mode: Mode, stash: &mut Stash) -> Result<Adapted, AdaptationError> {
        let mut run = Run { mode, narrowed: false, stash };
        let mut body = self.first.apply(&without_mark(body), &mut run)?;
        let mut before = self.first.steps.len();
        for pass in &self.more {
            body = pass.apply(&body, &mut run).map_err(|error| error.behind(before))?;
            before += pass.steps.len();
        }
        Ok(Adapted { body, narrowed: run.narrowed })
    }

    /// Whether jq programs are among the steps: then [`Program::apply`] can block, and on the way of a
    /// request only [`jq::pool`](super::jq::pool) may call it.
    pub fn is_opaque(&self) -> bool {
        self.steps().any(|step| step.filter().is_some())
    }

    /// What is said of a body that was not adapted in time. Counts that against the jq program that is
    /// still running, if the body had a turn.
    pub fn missed(&self, missed: Missed) -> AdaptationError {
        let opaque = || self.steps().enumerate().filter(|(_, step)| step.filter().is_some());
        let late = opaque().find(|(_, step)| missed == Missed::Deadline && step.filter().is_some_and(Filter::blame));
        let blamed = late.or_else(|| opaque().next());
        let error = blamed.map(|(index, step)| AdaptationError { step: Some(index), ..step.fault(Reason::Jq) });
        error.unwrap_or_else(|| AdaptationError::of_body(Reason::Jq))
    }

    /// One line per step, for people.
    pub fn describe(&self) -> Vec<String> {
        self.steps().map(ToString::to_string).collect()
    }

    /// Runs step by step and shows the body after each, with the step's line.
    ///
    /// - Errors: as [`Program::apply`].
    pub fn trace(&self, body: &Bytes, mode: Mode) -> Result<Vec<(String, Bytes)>, AdaptationError> {
        let mut lines = Vec::new();
        self.watch(body, mode, &mut Stash::default(), &mut |line, body| lines.push((line, body)))?;
        Ok(lines)
    }

    /// Runs step by step and shows each step's line with the body after it, up to the step that refuses it.
    ///
    /// - Errors: as [`Program::apply`].
    pub fn watch(
        &self,
        body: &Bytes,
        mode: Mode,
        stash: &mut Stash,
        show: &mut dyn FnMut(String, Bytes),
    ) -> Result<(), AdaptationError> {
        let mut run = Run { mode, narrowed: false, stash };
        let (mut body, mut before) = (without_mark(body), 0);
        for pass in self.passes() {
            body = pass.watch(&body, &mut run, show).map_err(|error| error.behind(before))?;
            before += pass.steps.len();
        }
        Ok(())
    }

    /// Tells the sender of the body what was refused: by its place in the body as it came in.
    #[must_use]
    pub fn for_sender(&self, error: AdaptationError) -> AdaptationError {
        self.translated(error, |step, place| {
            let before: Vec<&Step> = self.steps().take(step).collect();
            before.into_iter().rev().fold(place, |place, step| step.retrace(place))
        })
    }

    /// The same with the body at hand, where elements of an array became members of a map: only it says which is which.
    ///
    /// - `body`: as it came in. A large one is not run through once more.
    #[must_use]
    pub fn for_sender_of(&self, error: AdaptationError, body: &Bytes, mode: Mode) -> AdaptationError {
        let rekeys = |step: usize| self.steps().take(step).any(Step::rekeys);
        let worth_it = body.len() <= RERUN_BYTES_MAX && !self.is_opaque() && error.step.is_some_and(rekeys);
        if !worth_it {
            return self.for_sender(error);
        }
        let mut bodies = vec![without_mark(body)];
        // It fails as it did before: what it came to until then is of interest.
        let _ = self.watch(body, mode, &mut Stash::default(), &mut |_, body| bodies.push(body));
        self.translated(error, |step, place| {
            let before: Vec<(usize, &Step)> = self.steps().take(step).enumerate().collect();
            before.into_iter().rev().fold(place, |place, (index, step)| match bodies.get(index..index + 2) {
                Some([earlier, later]) => step.retrace_in(place, earlier, later),
                _ => step.retrace(place),
            })
        })
    }

    /// Tells the receiver of the body what was refused: by its place in the body as it would have gone out.
    #[must_use]
    pub fn for_receiver(&self, error: AdaptationError) -> AdaptationError {
        self.translated(error, |step, place| self.steps().skip(step).fold(place, |place, step| step.follow(place)))
    }

    fn translated(
        &self,
        error: AdaptationError,
        translate: impl Fn(usize, Vec<String>) -> Vec<String>,
    ) -> AdaptationError {
        let (Some(step), Some(pointer)) = (error.step, error.pointer.as_deref()) else { return error };
        let place = pointer::written(&translate(step, pointer::tokens(pointer)));
        let caller_pointer = (place != pointer).then_some(place);
        AdaptationError { caller_pointer, ..error }
    }

    fn passes(&self) -> impl Iterator<Item = &Pass> {
        [&self.first].into_iter().chain(&self.more)
    }

    /// In the order they run.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.passes().flat_map(|pass| &pass.steps)
    }
}

/// What a refusal may cost beyond itself: larger bodies are not read again for the sake of a pointer.
const RERUN_BYTES_MAX: usize = 64 * 1024;

impl Pass {
    /// Finds the arrays whose elements can be adapted one at a time.
    fn find_arrays(&mut self) {
        self.streamed = arrays::find(&self.steps);
        for (index, streamed) in self.streamed.iter().enumerate() {
            streamed.touch(&mut self.touch, index);
        }
        let depth = |index| self.streamed.iter().find_map(|streamed| streamed.depth_for(index));
        self.depths = (0..self.steps.len()).map(depth).collect();
    }

    fn apply(&self, body: &Bytes, run: &mut Run<'_>) -> Result<Bytes, AdaptationError> {
        let mut arrays = Arrays::new(&self.steps, &self.streamed, run);
        let mut root = scan::read_with(body, &self.touch, &mut arrays).map_err(AdaptationError::of_body)?;
        let mut changed = arrays.changed();
        let mut faults = arrays.into_faults();
        for (index, (step, depth)) in self.steps.iter().zip(&self.depths).enumerate() {
            match *depth {
                None => changed |= step.run(&mut root, run).map_err(by(index))?,
                Some(depth) => {
                    step.approach(&mut root, depth).map_err(by(index))?;
                    if let Some(at) = faults.iter().position(|(by, _)| *by == index) {
                        return Err(by(index)(faults.swap_remove(at).1));
                    }
                }
            }
        }
        Ok(if changed { written(root, body.len()) } else { body.clone() })
    }

    fn watch(
        &self,
        body: &Bytes,
        run: &mut Run<'_>,
        show: &mut dyn FnMut(String, Bytes),
    ) -> Result<Bytes, AdaptationError> {
        let mut root = self.read(body)?;
        let mut shown = body.clone();
        for (index, step) in self.steps.iter().enumerate() {
            if step.run(&mut root, run).map_err(by(index))? {
                let mut text = Vec::new();
                root.write(&mut text);
                shown = text.into();
            }
            show(step.to_string(), shown.clone());
        }
        Ok(shown)
    }

    fn read<'b>(&self, body: &'b [u8]) -> Result<Node<'b>, AdaptationError> {
        scan::read(body, &self.touch).map_err(AdaptationError::of_body)
    }
}

/// Says which step an error is of.
fn by(index: usize) -> impl Fn(AdaptationError) -> AdaptationError {
    move |error| AdaptationError { step: Some(index), ..error }
}

/// RFC 8259 section 8.1 lets a reader ignore the mark and forbids sending it.
fn without_mark(body: &Bytes) -> Bytes {
    if body.starts_with(b"\xEF\xBB\xBF") { body.slice(3..) } else { body.clone() }
}

fn written(mut root: Node<'_>, hint: usize) -> Bytes {
    // Most changes add little: an eighth of room saves the second allocation. A text that is most of the body
    // brings its own.
    let room = if root.is_mostly_made(hint) { 0 } else { hint + hint / 8 + 64 };
    let mut out = Vec::with_capacity(room);
    root.write_out(&mut out, &mut Spare::default());
    out.into()
}
