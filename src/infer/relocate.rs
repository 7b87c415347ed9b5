//! What has another name or place: rename, nest, unnest, move.

use std::collections::BTreeMap;

use super::{
    json::{Json, Kind},
    lines::Line,
    names::likeness,
    scope::{Place, Scope, pointer},
    yaml,
};

/// What equal values prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// They are of examples.
    Values,
    /// They stand for what schemas permit: all strings are alike.
    Kinds,
}

/// A value of the older version found at another place of the newer.
#[derive(Clone, Debug)]
struct Match<'s, 'j> {
    from: &'s Place<'j>,
    to: &'s Place<'j>,
    score: f64,
    doubt: Option<String>,
}

/// What an object or array scores that was found again, before its scalars are counted.
const CONTAINER: f64 = 10.0;
/// Beyond this many comparisons only equal names are looked at.
const COMPARISONS_MAX: usize = 250_000;

/// Ops that bring values to the places the newer version has them at, the surest first.
///
/// - `evidence`: what equal values prove.
pub(super) fn propose(scope: &Scope<'_>, evidence: Evidence) -> Vec<Line> {
    let mut lines = rotations(scope);
    let matches = assigned(scope, evidence);
    let mut renames: BTreeMap<&[String], Vec<&Match<'_, '_>>> = BTreeMap::new();
    let mut nests: BTreeMap<&[String], Vec<&Match<'_, '_>>> = BTreeMap::new();
    let mut unnests: BTreeMap<&[String], Vec<&Match<'_, '_>>> = BTreeMap::new();
    let mut moves = Vec::new();
    for found in &matches {
        let (from, to) = (found.from.parent(), found.to.parent());
        let above = |path: &[String]| path.split_last().map(|(_, above)| above.to_vec());
        // Where ops name members, a name with a slash before it reads as a pointer.
        let plain = found.from.path.iter().chain(&found.to.path).all(|name| !name.starts_with('/'));
        if from == to {
            renames.entry(from).or_default().push(found);
        } else if plain && scope.is_new_object(to) && above(to).as_deref() == Some(from) {
            nests.entry(to).or_default().push(found);
        } else if plain && scope.is_old_object(from) && above(from).as_deref() == Some(to) {
            unnests.entry(from).or_default().push(found);
        } else {
            moves.push(found);
        }
    }
    for (parent, group) in renames {
        lines.push(renaming(scope, parent, &group));
        if group.len() > 1 {
            lines.extend(group.iter().map(|found| renaming(scope, parent, &[*found])));
        }
    }
    lines.extend(unnests.into_iter().map(|(container, group)| unnesting(scope, container, &group)));
    lines.extend(nests.into_iter().map(|(container, group)| nesting(scope, container, &group)));
    for found in moves {
        let op = format!(
            "move: {{from: {}, to: {}}}",
            yaml::text(&pointer(&found.from.path)),
            yaml::text(&pointer(&found.to.path))
        );
        lines.push(doubted(Line::new(scope.at.clone(), op), &[found]));
    }
    lines
}

fn renaming(scope: &Scope<'_>, parent: &[String], group: &[&Match<'_, '_>]) -> Line {
    let pairs = group.iter().map(|found| format!("{}: {}", yaml::text(found.from.name()), yaml::text(found.to.name())));
    let op = format!("rename: {{{}}}", pairs.collect::<Vec<_>>().join(", "));
    doubted(Line::new(scope.pointer(parent), op), group)
}

fn nesting(scope: &Scope<'_>, container: &[String], group: &[&Match<'_, '_>]) -> Line {
    let (name, parent) = container.split_last().map_or(("", container), |(name, parent)| (name.as_str(), parent));
    let members = members(group.iter().map(|found| (found.to.name(), found.from.name())));
    let op = format!("nest: {{into: {}, members: {members}}}", yaml::text(name));
    doubted(Line::new(scope.pointer(parent), op), group)
}

fn unnesting(scope: &Scope<'_>, container: &[String], group: &[&Match<'_, '_>]) -> Line {
    let (name, parent) = container.split_last().map_or(("", container), |(name, parent)| (name.as_str(), parent));
    let inner = |place: &Place<'_>| place.parent() == container && !place.path.is_empty();
    // What is left goes with a line of its own, which says that it is lost.
    let taken = scope.places.iter().filter(|place| inner(place) && place.old.iter().any(Option::is_some)).count();
    let rest = if taken > group.len() { ", rest: keep" } else { "" };
    let members = members(group.iter().map(|found| (found.from.name(), found.to.name())));
    let op = format!("unnest: {{from: {}, members: {members}{rest}}}", yaml::text(name));
    doubted(Line::new(scope.pointer(parent), op), group)
}

/// `[a, b]` where inner and outer names are the same, else `{inner: outer}`.
fn members<'n>(pairs: impl Iterator<Item = (&'n str, &'n str)> + Clone) -> String {
    if pairs.clone().all(|(inner, outer)| inner == outer) {
        return format!("[{}]", pairs.map(|(inner, _)| yaml::text(inner)).collect::<Vec<_>>().join(", "));
    }
    let pairs = pairs.map(|(inner, outer)| format!("{}: {}", yaml::text(inner), yaml::text(outer)));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

fn doubted(mut line: Line, group: &[&Match<'_, '_>]) -> Line {
    line.unsure.extend(group.iter().filter_map(|found| found.doubt.clone()));
    line
}

/// Names that go round within one object (`a` and `b` swapped, or `a` to `b` while `b` goes to `c`).
fn rotations(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let differing = |place: &&Place<'_>| !place.path.is_empty() && place.differs();
    let mut parents: Vec<&[String]> = scope.places.iter().filter(differing).map(Place::parent).collect();
    parents.dedup();
    for parent in parents {
        let siblings = || scope.places.iter().filter(|place| !place.path.is_empty() && place.parent() == parent);
        let olds: Vec<_> = siblings().filter(|place| place.is_gone() || place.differs()).collect();
        let mut news: Vec<_> = siblings().filter(|place| place.is_fresh() || place.differs()).collect();
        let mut pairs = Vec::new();
        for old in &olds {
            let same = |new: &&Place<'_>| {
                let mut both =
                    old.old.iter().zip(&new.new).filter_map(|(old, new)| Some(((*old)?, (*new)?))).peekable();
                old.path != new.path
                    && both.peek().is_some()
                    && both.all(|(old, new)| old.same(new) && !old.is_common())
            };
            if let Some(index) = news.iter().position(same) {
                pairs.push((old.name(), news.remove(index).name()));
            }
        }
        // A lone new name is a rename like any other.
        if pairs.len() > 1 {
            let pairs = pairs.iter().map(|(old, new)| format!("{}: {}", yaml::text(old), yaml::text(new)));
            let op = format!("rename: {{{}}}", pairs.collect::<Vec<_>>().join(", "));
            lines.push(Line::new(scope.pointer(parent), op));
        }
    }
    lines
}

/// The best matches that do not stand in each other's way.
fn assigned<'s, 'j>(scope: &'s Scope<'j>, evidence: Evidence) -> Vec<Match<'s, 'j>> {
    let olds: Vec<_> = scope.places.iter().filter(|place| place.is_gone() || place.clashes()).collect();
    let news: Vec<_> = scope.places.iter().filter(|place| place.is_fresh() || place.clashes()).collect();
    let all = olds.len() * news.len() <= COMPARISONS_MAX;
    let pairs = olds.iter().flat_map(|from| news.iter().map(move |to| (*from, *to)));
    let mut matches: Vec<_> = pairs
        .filter(|(from, to)| from.path != to.path && !from.path.is_empty() && !to.path.is_empty())
        .filter(|(from, to)| all || from.name() == to.name())
        .filter_map(|(from, to)| judged(from, to, evidence))
        .collect();
    matches.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut chosen: Vec<Match<'s, 'j>> = Vec::new();
    for found in matches {
        let apart = |a: &Place<'_>, b: &Place<'_>| !a.path.starts_with(&b.path) && !b.path.starts_with(&a.path);
        if chosen.iter().all(|other| apart(other.from, found.from) && apart(other.to, found.to)) {
            chosen.push(found);
        }
    }
    // Members in the order the older version has them.
    chosen.sort_by_key(|found| scope.places.iter().position(|place| std::ptr::eq(place, found.from)));
    chosen
}

/// How sure it is that what stood at `from` stands at `to` now; none for not at all.
fn judged<'s, 'j>(from: &'s Place<'j>, to: &'s Place<'j>, evidence: Evidence) -> Option<Match<'s, 'j>> {
    let both: Vec<(&Json, &Json)> =
        from.old.iter().zip(&to.new).filter_map(|(old, new)| Some(((*old)?, (*new)?))).collect();
    let alone = from.old.iter().zip(&to.new).filter(|(old, new)| old.is_some() != new.is_some()).count();
    if both.is_empty() || alone > both.len() {
        return None;
    }
    let alike = likeness(from.name(), to.name());
    let near = if from.parent() == to.parent() { 0.3 } else { 0.0 };
    let names = || format!("{} and {}", yaml::text(&pointer(&from.path)), yaml::text(&pointer(&to.path)));
    let found = |score: f64, doubt: Option<String>| Some(Match { from, to, score: score + alike + near, doubt });
    if both.iter().all(|(old, new)| old.same(new)) {
        let whole = both.iter().map(|(old, _)| shared_leaves(old, old).0).fold(0.0, f64::max);
        return if both.iter().any(|(old, _)| old.size() > 1) {
            // An object is found before what is in it.
            found(CONTAINER + whole - alike / 2.0, None)
        } else if !is_common(&both) {
            found(3.0, None)
        } else if alike >= 0.6 {
            found(1.5, None)
        } else if near > 0.0 && evidence == Evidence::Values {
            found(0.3, Some(format!("{} hold the same value, but it is a common one", names())))
        } else if evidence == Evidence::Kinds && (near > 0.0 || is_one_apart(from, to)) {
            found(0.2, Some(format!("{} are of the same kind, and no other is left", names())))
        } else {
            None
        };
    }
    let kinds = |old: Kind, new: Kind| both.iter().all(|(a, b)| a.kind() == old && b.kind() == new);
    if kinds(Kind::Object, Kind::Object) {
        let (count, most) = both
            .iter()
            .map(|(old, new)| shared_leaves(old, new))
            .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let shared = if most == 0.0 { 0.0 } else { count / most };
        let fits = shared >= 0.5 || (alike >= 0.75 && shared > 0.0) || alike >= 0.99;
        return fits.then(|| found(CONTAINER + count / both.len() as f64 + 0.4 - alike / 2.0, None)).flatten();
    }
    let telling = !is_common(&both);
    if both.iter().all(|(old, new)| same_digits(old, new) || wrapped(old, new)) && (alike >= 0.5 || telling) {
        return found(if telling { 2.0 } else { 1.0 }, None);
    }
    let same_kind = both.iter().all(|(old, new)| old.kind() == new.kind() || old.kind() == Kind::Null);
    if alike >= 0.75 && (same_kind || alike >= 0.99) {
        let doubt = format!("{} are matched by their names alone; their values differ", names());
        return found(0.5, (alike < 0.99).then_some(doubt));
    }
    None
}

/// Whether one stands in an object beside the other.
fn is_one_apart(from: &Place<'_>, to: &Place<'_>) -> bool {
    let inside = |inner: &[String], outer: &[String]| inner.split_last().is_some_and(|(_, above)| above == outer);
    inside(to.parent(), from.parent()) || inside(from.parent(), to.parent())
}

/// Whether equal values may be a coincidence.
fn is_common(both: &[(&Json, &Json)]) -> bool {
    let varied = both.len() >= 3 && both.iter().any(|(old, _)| !old.same(both[0].0));
    !varied && both.iter().all(|(old, _)| old.is_common())
}

/// How many scalars both have as deep, and how many the one with more has.
fn shared_leaves(old: &Json, new: &Json) -> (f64, f64) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    leaves(old, 0, &mut left);
    leaves(new, 0, &mut right);
    let most = left.len().max(right.len());
    let mut found =
        |leaf: &(usize, String)| right.iter().position(|other| other == leaf).map(|at| right.swap_remove(at));
    let shared = left.iter().filter(|leaf| found(leaf).is_some()).count();
    (shared as f64, most as f64)
}

fn leaves(json: &Json, depth: usize, out: &mut Vec<(usize, String)>) {
    match json {
        Json::Array(items) => items.iter().for_each(|item| leaves(item, depth + 1, out)),
        Json::Object(members) => members.iter().for_each(|(_, value)| leaves(value, depth + 1, out)),
        scalar => out.push((depth, scalar.text())),
    }
}

/// `"1.50"` and `1.50`.
fn same_digits(old: &Json, new: &Json) -> bool {
    match (old, new) {
        (Json::Text(text), Json::Number(lexeme)) | (Json::Number(lexeme), Json::Text(text)) => text == lexeme,
        (Json::Boolean(value), Json::Text(text)) | (Json::Text(text), Json::Boolean(value)) => {
            *text == value.to_string()
        }
        (old, new) => old.same(new),
    }
}

/// A value and the array of it alone.
fn wrapped(old: &Json, new: &Json) -> bool {
    match (old, new) {
        (Json::Array(items), value) | (value, Json::Array(items)) if items.len() == 1 => items[0].same(value),
        (old, new) => old.same(new),
    }
}
