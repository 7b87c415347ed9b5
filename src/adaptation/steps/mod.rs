//! The steps of a program: ops in the direction they run, and how a step finds its places.
//!
//! - `member`: rename, set, delete;
//! - `relocate`: move;
//! - `group`: nest and its inverse;
//! - `pieces`: split and its inverse;
//! - `elements`: elem_wrap, index, their inverses, and drop_elems;
//! - `value`: convert, scale, map, wrap and its inverse.
//!
//! `visit` leads them to their places.

mod compile;
mod describe;
mod elements;
mod group;
mod member;
mod pieces;
mod places;
mod reach;
mod relocate;
mod value;
mod visit;

use std::sync::Arc;

use super::{
    error::{AdaptationError, Reason},
    jq::Filter,
    literal::Literal,
    op::{Conflict, Many, Otherwise, Rest, ScalarType},
    pointer::{Name, Pointer, Segment, escape},
    program::Mode,
    scalar::Key,
    scan::Touch,
    stash::Stash,
    tree::{Node, Object},
};
use pieces::Pieces;
pub(super) use reach::meet;
use visit::{Guard, Way, open, visit};

/// One op of one change, in the direction it runs.
#[derive(Debug)]
pub(super) struct Step {
    change: Arc<str>,
    op: &'static str,
    strict: bool,
    conflict: Option<Conflict>,
    /// Where the action works.
    at: Pointer,
    /// The outermost first.
    guards: Vec<Guard>,
    action: Action,
}

/// What a step does at its place.
#[derive(Debug)]
enum Action {
    /// Looks at a member's name only: the op has nothing to do in this direction.
    Look,
    /// Gives members of an object other names.
    Rename(Vec<(Name, Name)>),
    /// Moves a value between two places below an object.
    Move { from: Vec<Name>, to: Vec<Name> },
    /// Puts members of an object into an object of their own.
    Collect { into: Name, members: Vec<(Name, Name)>, merges: bool, always: bool },
    /// Takes such an object apart.
    Scatter { from: Name, members: Vec<(Name, Name)>, rest: Rest, mismatch_is_error: bool },
    /// Writes a member of an object; only where absent, or in any case.
    Set { name: Name, value: Literal, only_absent: bool, replaces_null: bool },
    /// Deletes the value itself.
    Delete { narrows: bool },
    /// Deletes the value itself and keeps it for the response, under this name.
    Stash(Box<str>),
    /// Writes the member that the request's side of the exchange kept under a name, if it did.
    Recall { name: Name, stash: Box<str> },
    /// Changes a scalar's type.
    Convert { from: ScalarType, to: ScalarType, otherwise: Otherwise },
    /// Shifts a number by digits.
    Scale { pow10: i32 },
    /// Changes a scalar's value.
    Map { pairs: Vec<(Key, Literal)>, otherwise: Otherwise },
    /// Makes an array of the value.
    Wrap { null_is_empty: bool },
    /// Makes a value of the array.
    Unwrap { many: Many, empty_is_null: bool },
    /// Cuts a string into members.
    Cut(Pieces),
    /// Joins members into a string.
    Join(Pieces),
    /// Makes an object of one member of each element.
    WrapAll(Name),
    /// Makes each element what its member holds.
    UnwrapAll(Name),
    /// Makes a map of an array.
    Index(Name),
    /// Makes an array of a map.
    List(Name),
    /// Looks at the kinds of elements, and perhaps takes those out that are not listed.
    SortOut { by: Vec<Name>, keep: Vec<Key>, drops: bool },
    /// Gives the value to a program in the jq language.
    Jq(Filter),
}

/// One run of a program over one body.
#[derive(Debug)]
pub(super) struct Run<'s> {
    pub(super) mode: Mode,
    /// Whether data was hidden that the receiving version does not know.
    pub(super) narrowed: bool,
    /// What the exchange keeps between request and response.
    pub(super) stash: &'s mut Stash,
}

/// What an action did to the value it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    Changed,
    /// The value has to go; its parent takes it out.
    Remove,
}

/// Why and where an action refuses a body. The pointer grows on the way back to the root.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    reason: Reason,
    pointer: String,
}

impl Fault {
    fn here(reason: Reason) -> Self {
        Self { reason, pointer: String::new() }
    }

    fn of(reason: Reason, name: &Name) -> Self {
        Self::here(reason).under(name.as_str())
    }

    fn under(mut self, segment: &str) -> Self {
        self.pointer = format!("/{}{}", escape(segment), self.pointer);
        self
    }
}

impl Step {
    /// Runs over a whole body; says whether something changed.
    pub(super) fn run<'a>(&'a self, root: &mut Node<'a>, run: &mut Run<'_>) -> Result<bool, AdaptationError> {
        let mut act = |node: &mut Node<'a>| self.act(node, run);
        match visit(root, self.way(), 0, &mut act) {
            Ok(outcome) => Ok(outcome == Outcome::Changed),
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Runs over one element of the array at `place`, which is where the first `[]` of the step's pointer is.
    ///
    /// What the step finds on the way to the array is [`Step::approach`]'s.
    pub(super) fn run_on_element<'a>(
        &'a self,
        element: &mut Node<'a>,
        (place, index): (&[Name], usize),
        run: &mut Run<'_>,
    ) -> Result<bool, AdaptationError> {
        let way = self.way();
        let outcome = match place.len() + 1 {
            // Most ops work on the element itself.
            depth if depth == way.path.len() && way.guards.is_empty() => self.act(element, run),
            depth => visit(element, way, depth, &mut |node: &mut Node<'a>| self.act(node, run)),
        };
        outcome.map(|outcome| outcome == Outcome::Changed).map_err(|fault| {
            let fault = fault.under(&index.to_string());
            self.error(place.iter().rev().fold(fault, |fault, name| fault.under(name.as_str())))
        })
    }

    /// Goes to the array whose elements were adapted one at a time, and refuses what [`Step::run`] would
    /// refuse on the way.
    ///
    /// - `depth`: how many names lead there.
    pub(super) fn approach(&self, root: &mut Node<'_>, depth: usize) -> Result<(), AdaptationError> {
        let mut look = |node: &mut Node<'_>| match self.strict && !node.is_null() && !node.is_array() {
            true => Err(Fault::here(Reason::Shape)),
            false => Ok(Outcome::Same),
        };
        let names = self.at.segments().get(..depth).unwrap_or_default();
        visit(root, Way { path: names, ..self.way() }, 0, &mut look).map(drop).map_err(|fault| self.error(fault))
    }

    fn way(&self) -> Way<'_> {
        Way { path: self.at.segments(), guards: &self.guards, strict: self.strict }
    }

    fn error(&self, Fault { reason, pointer }: Fault) -> AdaptationError {
        let (change, op) = (Some(self.change.clone()), Some(self.op));
        AdaptationError { change, op, pointer: Some(pointer), ..AdaptationError::of_body(reason) }
    }

    /// Names what the step will look into.
    pub(super) fn touch(&self, touch: &mut Touch) {
        for guard in &self.guards {
            let place = touch.reach(&self.at.segments()[..guard.depth]);
            place.reach(Pointer::of_names(&guard.path).segments());
        }
        let place = touch.reach(self.at.segments());
        match &self.action {
            Action::Rename(_)
            | Action::Collect { .. }
            | Action::Set { .. }
            | Action::Recall { .. }
            | Action::Cut(_)
            | Action::Join(_) => place.open_object(),
            Action::Scatter { from, .. } => place.reach(&[Segment::Name(from.clone())]).open_object(),
            Action::Move { from, to } => {
                for path in [from, to] {
                    let segments: Vec<_> = path.iter().cloned().map(Segment::Name).collect();
                    place.reach(&segments);
                }
            }
            Action::Unwrap { .. } | Action::WrapAll(_) => place.open_array(),
            Action::UnwrapAll(_) | Action::Index(_) => place.reach(&[Segment::Each]).open_object(),
            Action::List(_) => place.reach(&[Segment::Values]).open_object(),
            Action::SortOut { by, .. } => {
                place.reach(&[Segment::Each]).reach(Pointer::of_names(by).segments());
            }
            Action::Look
            | Action::Delete { .. }
            | Action::Stash(_)
            | Action::Convert { .. }
            | Action::Scale { .. }
            | Action::Map { .. }
            | Action::Wrap { .. }
            | Action::Jq(_) => {}
        }
    }

    fn act<'a>(&'a self, node: &mut Node<'a>, run: &mut Run<'_>) -> Result<Outcome, Fault> {
        match &self.action {
            Action::Look => Ok(Outcome::Same),
            Action::Delete { narrows } => {
                run.narrowed |= narrows;
                Ok(Outcome::Remove)
            }
            Action::Stash(name) => {
                let mut value = Vec::new();
                node.write(&mut value);
                run.stash.put(&self.change, name, value);
                Ok(Outcome::Remove)
            }
            Action::Convert { from, to, otherwise } => value::convert(node, *from, *to, otherwise, self.strict),
            Action::Scale { pow10 } => value::scale(node, *pow10, self.strict),
            Action::Map { pairs, otherwise } => value::map(node, pairs, otherwise, self.strict),
            Action::Wrap { null_is_empty } => Ok(value::wrap(node, *null_is_empty && run.mode == Mode::Whole)),
            Action::Unwrap { many, empty_is_null } => value::unwrap(node, *many, *empty_is_null, self.strict),
            Action::Move { from, to } => relocate::relocate(node, from, to, self.refuses(), self.strict),
            Action::WrapAll(key) => elements::wrap_all(node, key, self.strict),
            Action::UnwrapAll(key) => elements::unwrap_all(node, key, self.strict, &mut run.narrowed),
            Action::Index(key) => elements::index(node, key, self.strict),
            Action::List(key) => elements::list(node, key, self.refuses(), self.strict),
            Action::SortOut { by, keep, drops } => {
                elements::sort_out(node, by, keep, *drops, self.strict, &mut run.narrowed)
            }
            Action::Jq(filter) => value::filter(node, filter),
            Action::Rename(_)
            | Action::Collect { .. }
            | Action::Scatter { .. }
            | Action::Set { .. }
            | Action::Recall { .. }
            | Action::Cut(_)
            | Action::Join(_) => match open(node, self.strict)? {
                Some(object) => self.act_on_members(object, run),
                None => Ok(Outcome::Same),
            },
        }
    }

    fn act_on_members<'a>(&'a self, object: &mut Object<'a>, run: &mut Run<'_>) -> Result<Outcome, Fault> {
        match &self.action {
            Action::Rename(pairs) => member::rename(object, pairs, self.refuses()),
            Action::Collect { into, members, merges, always } => {
                let always = *always && run.mode == Mode::Whole;
                group::collect(
                    object,
                    into,
                    members,
                    group::Collect { merges: *merges, always, refuses: self.refuses() },
                )
            }
            Action::Scatter { from, members, rest, mismatch_is_error } => {
                let rule = group::Scatter {
                    rest: *rest,
                    mismatch_is_error: *mismatch_is_error || self.strict,
                    refuses: self.refuses(),
                };
                group::scatter(object, from, members, rule, &mut run.narrowed)
            }
            Action::Set { name, value, only_absent, replaces_null } => {
                let rule =
                    member::Set { only_absent: *only_absent, replaces_null: *replaces_null, conflict: self.conflict };
                let value = (run.mode == Mode::Whole).then(|| Node::Text(value.as_bytes()));
                member::set(object, name, value, rule)
            }
            Action::Recall { name, stash } => {
                let rule = member::Set { only_absent: false, replaces_null: false, conflict: self.conflict };
                let kept = run.stash.get(&self.change, stash).filter(|_| run.mode == Mode::Whole);
                member::set(object, name, kept.map(|value| Node::Made(value.to_vec())), rule)
            }
            Action::Cut(pieces) => pieces::cut(object, pieces, self.refuses(), self.strict),
            Action::Join(pieces) => pieces::join(object, pieces, self.refuses(), self.strict),
            _ => Ok(Outcome::Same),
        }
    }

    /// Whether the step may write strings of its own making, which cannot become names in the same pass.
    pub(super) fn makes_text(&self) -> bool {
        matches!(
            self.action,
            Action::Convert { .. } | Action::Scale { .. } | Action::Recall { .. } | Action::Cut(_) | Action::Join(_)
        )
    }

    /// The jq program it runs, if it does: no later step can look into what that made, in the same pass.
    pub(super) fn filter(&self) -> Option<&Filter> {
        if let Action::Jq(filter) = &self.action { Some(filter) } else { None }
    }

    /// The step as what refused a body, at its own place.
    pub(super) fn fault(&self, reason: Reason) -> AdaptationError {
        self.error(Fault { reason, pointer: self.at.to_string() })
    }

    /// Whether the step makes names of strings.
    pub(super) fn names_by_text(&self) -> bool {
        matches!(self.action, Action::Index(_))
    }

    /// Whether a member that stands where the step writes is an error.
    fn refuses(&self) -> bool {
        self.conflict == Some(Conflict::Error)
    }
}

#[cfg(test)]
mod tests;
