//! Paths through a chain: which operation of each change a path belongs to, decided at load for
//! templates, so that a request is matched once however long the chain is.

use std::{collections::HashSet, fmt};

use percent_encoding::percent_decode_str;

use super::change::{Change, Direction, Operation};
use crate::domain::endpoint::{Endpoint, Segment};

/// One segment of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Exactly this text.
    Literal(String),
    /// The client's parameter with this number, counted from the left.
    Param(usize),
}

/// A method and a path whose parameters are numbered by their place in the client's path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Template {
    pub(super) method: String,
    pub(super) parts: Vec<Part>,
}

impl Template {
    fn of(endpoint: &Endpoint) -> Self {
        let mut params = 0;
        let part = |segment: &Segment| match segment {
            Segment::Literal(text) => Part::Literal(text.clone()),
            Segment::Param(_) => {
                params += 1;
                Part::Param(params - 1)
            }
        };
        let parts = endpoint.segments().iter().map(part).collect();
        Self { method: endpoint.method().to_owned(), parts }
    }

    /// The raw texts between the slashes that the parameters stand for; none if `path` does not fit.
    pub(super) fn bind<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut segments = segments(path);
        let mut bound = Vec::new();
        for part in &self.parts {
            let segment = segments.next()?;
            match part {
                Part::Literal(text) if is_spelled(segment, text) => {}
                Part::Param(_) if !segment.is_empty() => bound.push(segment),
                Part::Literal(_) | Part::Param(_) => return None,
            }
        }
        segments.next().is_none().then_some(bound)
    }

    /// Whether `path` fits, without an allocation.
    pub(super) fn fits(&self, path: &str) -> bool {
        let mut segments = segments(path);
        let fits = |part: &Part| match (part, segments.next()) {
            (Part::Literal(text), Some(segment)) => is_spelled(segment, text),
            (Part::Param(_), Some(segment)) => !segment.is_empty(),
            (_, None) => false,
        };
        self.parts.iter().all(fits) && segments.next().is_none()
    }

    /// The path with its parameters filled in; `slash` keeps a trailing slash the client sent.
    pub(super) fn fill(&self, bound: &[&str], slash: bool) -> String {
        let mut path = String::new();
        for part in &self.parts {
            path.push('/');
            path.push_str(match part {
                Part::Literal(text) => text,
                Part::Param(index) => bound.get(*index).copied().unwrap_or_default(),
            });
        }
        if path.is_empty() || slash {
            path.push('/');
        }
        path
    }

    /// `path`, which fits this template, as `other` spells it; none where `other` has a parameter that this one lacks.
    pub(super) fn refill(&self, path: &str, other: &Self) -> Option<String> {
        let bound = self.bind(path)?;
        let numbers =
            self.parts.iter().filter_map(|part| if let Part::Param(number) = part { Some(*number) } else { None });
        let known: Vec<(usize, &str)> = numbers.zip(bound).collect();
        let params =
            other.parts.iter().filter_map(|part| if let Part::Param(number) = part { Some(*number) } else { None });
        let count = params.max().map_or(0, |most| most + 1);
        let value = |number| known.iter().find(|(known, _)| *known == number).map(|(_, value)| *value);
        let values: Vec<&str> = (0..count).map(value).collect::<Option<_>>()?;
        Some(other.fill(&values, path.len() > 1 && path.ends_with('/')))
    }

    /// More specific first: a literal before a parameter, from the left.
    pub(super) fn rank(&self) -> Vec<bool> {
        self.parts.iter().map(|part| matches!(part, Part::Param(_))).collect()
    }
}

/// `GET /models/{1}`, parameters by their number, for people.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if self.parts.is_empty() {
            f.write_str("/")?;
        }
        self.parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => write!(f, "/{text}"),
            Part::Param(index) => write!(f, "/{{{}}}", index + 1),
        })
    }
}

/// What one change does to a path on its way from client to upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'c> {
    pub(super) operation: &'c Operation,
    pub(super) direction: Direction,
}

/// The operation of each change that an endpoint of the client's version belongs to, and the endpoint at the
/// other end. Parameters bear the numbers of their places in the client's path.
pub fn hops<'c>(endpoint: &Endpoint, walk: &[(&'c Change, Direction)]) -> (Vec<Option<&'c Operation>>, Endpoint) {
    let (hops, end) = follow(&Template::of(endpoint), walk);
    // A template is an endpoint by its form.
    let end = Endpoint::parse(&end.to_string()).unwrap_or_else(|_| endpoint.clone());
    (hops.into_iter().map(|hop| hop.map(|hop| hop.operation)).collect(), end)
}

/// Every template of the client's version that some change of the walk speaks of, each once.
pub(super) fn entries(walk: &[(&Change, Direction)]) -> Vec<Template> {
    let mut known = HashSet::new();
    let mut entries = Vec::new();
    for (index, (change, direction)) in walk.iter().enumerate() {
        for operation in &change.operations {
            let mut reached = vec![Template::of(near(operation, *direction))];
            for (earlier, direction) in walk[..index].iter().rev() {
                let back = |template: &Template| -> Vec<Template> {
                    earlier.operations.iter().filter_map(|op| before(template, op, *direction)).collect()
                };
                let further: Vec<Template> = reached.iter().flat_map(back).collect();
                reached.extend(further);
            }
            entries.extend(reached.into_iter().map(renumbered).filter(|template| known.insert(template.clone())));
        }
    }
    entries
}

/// The way of a client's template through the walk: what each change does to it, and where it ends.
pub(super) fn follow<'c>(entry: &Template, walk: &[(&'c Change, Direction)]) -> (Vec<Option<Hop<'c>>>, Template) {
    let mut at = entry.clone();
    let mut hops = Vec::with_capacity(walk.len());
    for (change, direction) in walk {
        let fitting = change.operations.iter().filter_map(|operation| {
            after(&at, operation, *direction)
                .map(|next| (Template::of(near(operation, *direction)).rank(), operation, next))
        });
        hops.push(fitting.min_by(|(a, ..), (b, ..)| a.cmp(b)).map(|(_, operation, next)| {
            at = next;
            Hop { operation, direction: *direction }
        }));
    }
    (hops, at)
}

/// The side of an operation that a walk reaches first, and the one behind it.
fn near(operation: &Operation, direction: Direction) -> &Endpoint {
    match direction {
        Direction::Up => &operation.endpoint,
        Direction::Down => operation.to.as_ref().unwrap_or(&operation.endpoint),
    }
}

/// Where an operation takes a template; none if it is about another path.
fn after(template: &Template, operation: &Operation, direction: Direction) -> Option<Template> {
    let (near, far) = (near(operation, direction), near(operation, direction.reverse()));
    if near.method() != template.method || near.segments().len() != template.parts.len() {
        return None;
    }
    let mut bound: Vec<(&str, &Part)> = Vec::new();
    for (segment, part) in near.segments().iter().zip(&template.parts) {
        match (segment, part) {
            (Segment::Literal(text), Part::Literal(other)) if text == other => {}
            (Segment::Param(name), part) => bound.push((name, part)),
            (Segment::Literal(_), _) => return None,
        }
    }
    let part = |segment: &Segment| match segment {
        Segment::Literal(text) => Some(Part::Literal(text.clone())),
        Segment::Param(name) => bound.iter().find(|(known, _)| known == name).map(|(_, part)| (*part).clone()),
    };
    let parts: Option<Vec<Part>> = far.segments().iter().map(part).collect();
    // A path that cannot be written on this side (a parameter the other side lacks) stays as it is.
    Some(match parts {
        Some(parts) => Template { method: far.method().to_owned(), parts },
        None => template.clone(),
    })
}

/// Where a template comes from through an operation that moves paths; none if it does not.
fn before(template: &Template, operation: &Operation, direction: Direction) -> Option<Template> {
    operation.to.as_ref()?;
    after(template, operation, direction.reverse()).filter(|earlier| earlier != template)
}

/// Numbers the parameters from the left; two that are the same one become two.
fn renumbered(mut template: Template) -> Template {
    let mut params = 0;
    for part in &mut template.parts {
        if let Part::Param(index) = part {
            *index = params;
            params += 1;
        }
    }
    template
}

/// The segments of an absolute path; one trailing slash is ignored, `/` has none.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let empty = inner.is_empty();
    inner.split('/').filter(move |_| !empty)
}

/// Whether a raw segment says `text`, percent-encoded or not.
fn is_spelled(segment: &str, text: &str) -> bool {
    segment == text || (segment.contains('%') && percent_decode_str(segment).eq(text.bytes()))
}
