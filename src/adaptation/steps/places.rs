//! Where a step takes a value to, so that a place of one version can be named in another's terms.

use super::{Action, Step, pieces::Pieces, visit::readable};
use crate::adaptation::{
    pointer::{Name, Segment},
    scan::{self, Touch},
    tree::Node,
};

impl Step {
    /// Where the value at `place` stands after this step; a place the step does not move stays.
    ///
    /// - `place`: the unescaped tokens of a JSON pointer.
    pub(in crate::adaptation) fn follow(&self, place: Vec<String>) -> Vec<String> {
        carried(&place, &self.moves(), |(from, to)| (from, to)).unwrap_or(place)
    }

    /// Where the value at `place` stood before this step.
    pub(in crate::adaptation) fn retrace(&self, place: Vec<String>) -> Vec<String> {
        carried(&place, &self.moves(), |(from, to)| (to, from)).unwrap_or(place)
    }

    /// Whether it makes members of elements, or elements of members.
    pub(in crate::adaptation) fn rekeys(&self) -> bool {
        matches!(self.action, Action::Index(_) | Action::List(_))
    }

    /// As [`Step::retrace`], with the body before this step and after it.
    pub(in crate::adaptation) fn retrace_in(&self, mut place: Vec<String>, before: &[u8], after: &[u8]) -> Vec<String> {
        let (map, at) = match self.action {
            // Elements keep their order.
            Action::Index(_) => (after, self.at.segments()),
            Action::List(_) => (before, self.at.segments()),
            _ => return self.retrace(place),
        };
        if place.len() > at.len()
            && let Some(names) = names_at(map, at, &place)
        {
            let token = &mut place[at.len()];
            let other = match self.action {
                Action::Index(_) => names.iter().position(|name| name == token).map(|index| index.to_string()),
                _ => token.parse().ok().and_then(|index: usize| names.get(index).cloned()),
            };
            *token = other.unwrap_or_else(|| std::mem::take(token));
        }
        place
    }

    /// Whether it does nothing but give values other names and places, whatever they are.
    pub(in crate::adaptation) fn relocates_only(&self) -> bool {
        self.guards.is_empty() && matches!(self.action, Action::Look | Action::Rename(_) | Action::Move { .. })
    }

    /// Whether it moves something within the value at `place`, so that the value looks different afterwards.
    pub(in crate::adaptation) fn moves_within(&self, place: &[String]) -> bool {
        let fits = |(segment, token): (&Segment, &String)| match segment {
            Segment::Name(name) => name.as_str() == token,
            Segment::Each | Segment::Values => true,
        };
        let contains = |at: &[Segment]| place.len() < at.len() && at.iter().zip(place).all(fits);
        self.moves().iter().any(|(from, to)| contains(from) || contains(to))
    }

    /// From and to of everything the step moves.
    fn moves(&self) -> Vec<(Vec<Segment>, Vec<Segment>)> {
        let below = |names: &[&Name]| {
            let names = names.iter().map(|name| Segment::Name((*name).clone()));
            self.at.segments().iter().cloned().chain(names).collect::<Vec<_>>()
        };
        match &self.action {
            Action::Rename(pairs) => pairs.iter().map(|(from, to)| (below(&[from]), below(&[to]))).collect(),
            Action::Move { from, to } => {
                vec![(below(&from.iter().collect::<Vec<_>>()), below(&to.iter().collect::<Vec<_>>()))]
            }
            Action::Collect { into, members, .. } => {
                members.iter().map(|(inner, outer)| (below(&[outer]), below(&[into, inner]))).collect()
            }
            Action::Scatter { from, members, .. } => {
                members.iter().map(|(inner, outer)| (below(&[from, inner]), below(&[outer]))).collect()
            }
            Action::Cut(Pieces { whole, parts, .. }) => {
                // Followed, it is the first part that counts.
                parts.iter().map(|part| (below(&[whole]), below(&[part]))).collect()
            }
            Action::Join(Pieces { whole, parts, .. }) => {
                parts.iter().map(|part| (below(&[part]), below(&[whole]))).collect()
            }
            Action::Wrap { .. } => vec![(below(&[]), below(&[&Name::new("0")]))],
            Action::Unwrap { .. } => vec![(below(&[&Name::new("0")]), below(&[]))],
            Action::WrapAll(key) => vec![(each(below(&[]), None), each(below(&[]), Some(key)))],
            Action::UnwrapAll(key) => vec![(each(below(&[]), Some(key)), each(below(&[]), None))],
            _ => Vec::new(),
        }
    }
}

/// The names of the map at the place `at`, whose wildcards stand for what `place` says.
fn names_at(body: &[u8], at: &[Segment], place: &[String]) -> Option<Vec<String>> {
    let mut touch = Touch::default();
    touch.reach(at).open_object();
    let mut root = scan::read(body, &touch).ok()?;
    let mut node = &mut root;
    for (segment, token) in at.iter().zip(place) {
        node = match (segment, node) {
            (Segment::Name(_) | Segment::Values, Node::Object(object)) => {
                let member = object.members.iter_mut().find(|member| readable(member.key.text) == *token)?;
                &mut member.value
            }
            (Segment::Each, Node::Array(array)) => array.items.get_mut(token.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    let Node::Object(object) = node else { return None };
    Some(object.members.iter().map(|member| readable(member.key.text)).collect())
}

/// Every element of the array at `place`, or a member of each.
fn each(mut place: Vec<Segment>, member: Option<&Name>) -> Vec<Segment> {
    place.push(Segment::Each);
    place.extend(member.cloned().map(Segment::Name));
    place
}

/// `place` with the first source that it begins with replaced by its target.
fn carried<'m>(
    place: &[String],
    moves: &'m [(Vec<Segment>, Vec<Segment>)],
    oriented: impl Fn(&'m (Vec<Segment>, Vec<Segment>)) -> (&'m Vec<Segment>, &'m Vec<Segment>),
) -> Option<Vec<String>> {
    moves.iter().map(oriented).find_map(|(from, to)| {
        let (start, rest) = place.split_at_checked(from.len())?;
        let fits = |(segment, token): (&Segment, &String)| match segment {
            Segment::Name(name) => name.as_str() == token,
            Segment::Each => token.parse::<usize>().is_ok(),
            Segment::Values => true,
        };
        if !from.iter().zip(start).all(fits) {
            return None;
        }
        // Both sides share the wildcards, for they begin with the step's own place.
        let target = to.iter().enumerate().map(|(index, segment)| match segment {
            Segment::Name(name) => name.as_str().to_owned(),
            Segment::Each | Segment::Values => start[index].clone(),
        });
        Some(target.chain(rest.iter().cloned()).collect())
    })
}
