//! The fused list of steps that one body goes through.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    change::Direction,
    error::AdaptationError,
    op::Edit,
    pointer,
    scan::{self, Touch},
    steps::{Run, Step},
    tree::Node,
};

/// Everything a chain does to one kind of body in one direction; never without a step.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Step>,
    touch: Touch,
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
        let mut steps = Vec::new();
        for (change, edits, direction) in lists {
            let change: Arc<str> = change.into();
            let step = |edit: &Edit| Step::of(edit, &change, direction);
            match direction {
                Direction::Up => steps.extend(edits.iter().map(step)),
                Direction::Down => steps.extend(edits.iter().rev().map(step)),
            }
        }
        let mut touch = Touch::default();
        steps.iter().for_each(|step| step.touch(&mut touch));
        (!steps.is_empty()).then_some(Self { steps, touch })
    }

    /// Adapts a whole body.
    ///
    /// - `body`: JSON in UTF-8; a leading byte order mark is removed.
    /// - Errors: not one byte of a body that is malformed, too deep or refused by an op comes out.
    pub fn apply(&self, body: &Bytes, mode: Mode) -> Result<Adapted, AdaptationError> {
        let body = without_mark(body);
        let mut root = self.read(&body)?;
        let mut run = Run { mode, narrowed: false };
        let mut changed = false;
        for step in &self.steps {
            changed |= step.run(&mut root, &mut run)?;
        }
        let body = if changed { written(&root, body.len()) } else { body.clone() };
        Ok(Adapted { body, narrowed: run.narrowed })
    }

    /// One line per step, for people.
    pub fn describe(&self) -> Vec<String> {
        self.steps.iter().map(ToString::to_string).collect()
    }

    /// Runs step by step and shows the body after each, with the step's line.
    ///
    /// - Errors: as [`Program::apply`].
    pub fn trace(&self, body: &Bytes, mode: Mode) -> Result<Vec<(String, Bytes)>, AdaptationError> {
        let mut lines = Vec::with_capacity(self.steps.len());
        self.watch(body, mode, &mut |line, body| lines.push((line, body)))?;
        Ok(lines)
    }

    /// Runs step by step and shows each step's line with the body after it, up to the step that refuses it.
    ///
    /// - Errors: as [`Program::apply`].
    pub fn watch(&self, body: &Bytes, mode: Mode, show: &mut dyn FnMut(String, Bytes)) -> Result<(), AdaptationError> {
        let body = without_mark(body);
        let mut root = self.read(&body)?;
        let mut run = Run { mode, narrowed: false };
        let mut shown = body.clone();
        for step in &self.steps {
            if step.run(&mut root, &mut run)? {
                shown = written(&root, body.len());
            }
            show(step.to_string(), shown.clone());
        }
        Ok(())
    }

    /// Where a place that step `index` complains of stands in the body as it came in.
    ///
    /// - `pointer`: RFC 6901.
    pub fn place_before(&self, index: usize, pointer: &str) -> String {
        let before = self.steps.iter().take(index).rev();
        pointer::written(&before.fold(pointer::tokens(pointer), |place, step| step.retrace(place)))
    }

    /// Where a place that step `index` complains of would stand in the body as it goes out.
    ///
    /// - `pointer`: RFC 6901.
    pub fn place_after(&self, index: usize, pointer: &str) -> String {
        let after = self.steps.iter().skip(index);
        pointer::written(&after.fold(pointer::tokens(pointer), |place, step| step.follow(place)))
    }

    fn read<'b>(&self, body: &'b [u8]) -> Result<Node<'b>, AdaptationError> {
        scan::read(body, &self.touch).map_err(AdaptationError::of_body)
    }
}

/// RFC 8259 section 8.1 lets a reader ignore the mark and forbids sending it.
fn without_mark(body: &Bytes) -> Bytes {
    if body.starts_with(b"\xEF\xBB\xBF") { body.slice(3..) } else { body.clone() }
}

fn written(root: &Node<'_>, hint: usize) -> Bytes {
    // Most changes add little: an eighth of room saves the second allocation.
    let mut out = Vec::with_capacity(hint + hint / 8 + 64);
    root.write(&mut out);
    out.into()
}
