//! What a step touches at most: whether an array can be adapted before all else depends on it.

use super::{Action, Step};
use crate::adaptation::{
    op::Rest,
    pointer::{Name, Segment},
};

impl Step {
    /// The names that lead to the array whose elements the step works on, each for itself; none if it does not.
    pub(in crate::adaptation) fn array(&self) -> Option<&[Segment]> {
        let segments = self.at.segments();
        let depth = segments.iter().position(|segment| segment.name().is_none())?;
        // What is kept for the response is the last of all; what a guard outside says may be changed by other steps.
        let is_alone = !matches!(self.action, Action::Stash(_) | Action::Recall { .. })
            && self.guards.iter().all(|guard| guard.depth > depth);
        (is_alone && segments[depth] == Segment::Each).then_some(&segments[..depth])
    }

    /// The one member that the step renames in a value `depth` segments down, if that is all it does.
    pub(in crate::adaptation) fn renames_one(&self, depth: usize) -> Option<(&Name, &Name)> {
        match (&self.action, self.guards.is_empty() && self.at.segments().len() == depth) {
            (Action::Rename(pairs), true) => match pairs.as_slice() {
                [(from, to)] => Some((from, to)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the step, whatever it does, does not look into an array.
    pub(in crate::adaptation) fn passes_arrays(&self) -> bool {
        let is_named = self.at.segments().iter().all(|segment| segment.name().is_some());
        is_named
            && match &self.action {
                Action::Look
                | Action::Rename(_)
                | Action::Move { .. }
                | Action::Collect { .. }
                | Action::Scatter { .. }
                | Action::Set { .. }
                | Action::Delete { .. }
                | Action::Convert { .. }
                | Action::Scale { .. }
                | Action::Map { .. }
                | Action::Wrap { .. } => true,
                Action::Stash(_)
                | Action::Recall { .. }
                | Action::Unwrap { .. }
                | Action::Cut(_)
                | Action::Join(_)
                | Action::WrapAll(_)
                | Action::UnwrapAll(_)
                | Action::Index(_)
                | Action::List(_)
                | Action::SortOut { .. }
                | Action::Jq(_) => false,
            }
    }

    /// Whether the step may look into what an earlier one recalled, which has not been read yet.
    pub(in crate::adaptation) fn looks_into_recalled(&self, earlier: &Self) -> bool {
        let recalled = matches!(earlier.action, Action::Recall { .. });
        recalled && self.places().iter().any(|place| earlier.places().iter().any(|other| meet(place, other)))
    }

    /// Every place the step may read or write; it touches nothing outside of them.
    pub(in crate::adaptation) fn places(&self) -> Vec<Vec<Segment>> {
        let below = |depth: usize, names: &[&Name]| -> Vec<Segment> {
            let at = self.at.segments().iter().take(depth).cloned();
            at.chain(names.iter().map(|&name| Segment::Name(name.clone()))).collect()
        };
        let here = |names: &[&Name]| below(usize::MAX, names);
        let group = |members: &[(Name, Name)], container: &Name| {
            members.iter().map(|(_, outer)| here(&[outer])).chain([here(&[container])]).collect()
        };
        let mut places = match &self.action {
            Action::Rename(pairs) => pairs.iter().flat_map(|(from, to)| [here(&[from]), here(&[to])]).collect(),
            Action::Collect { into, members, .. } => group(members, into),
            // What is kept of a container may have any name.
            Action::Scatter { from, members, rest, .. } if *rest != Rest::Keep => group(members, from),
            Action::Set { name, .. } | Action::Recall { name, .. } => vec![here(&[name])],
            Action::Move { from, to } => [from, to].map(|path| here(&path.iter().collect::<Vec<_>>())).into(),
            _ => vec![here(&[])],
        };
        let guard = |guard: &super::Guard| below(guard.depth, &guard.path.iter().collect::<Vec<_>>());
        places.extend(self.guards.iter().map(guard));
        places
    }
}

/// Whether one place may be the other, or lie in it.
pub(in crate::adaptation) fn meet(one: &[Segment], other: &[Segment]) -> bool {
    one.iter().zip(other).all(|(one, other)| match (one, other) {
        (Segment::Name(one), Segment::Name(other)) => one == other,
        (Segment::Each, Segment::Each) | (Segment::Values, _) | (_, Segment::Values) => true,
        (Segment::Each, Segment::Name(_)) | (Segment::Name(_), Segment::Each) => false,
    })
}
