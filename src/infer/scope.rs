//! Where ops can work: the whole body, the elements of each array, and the values of each map, with every place below.

use std::collections::HashMap;

use super::json::{Json, Kind};

/// The whole body, or all elements of an array or values of a map that both versions have.
#[derive(Debug)]
pub(super) struct Scope<'j> {
    /// The pointer of it: empty, or one that ends in `/[]` or `/{}`.
    pub(super) at: String,
    /// Every place that is reached through objects; the scope's own comes first, parents before children.
    pub(super) places: Vec<Place<'j>>,
}

/// One place of a scope, with what the pairs have there.
#[derive(Debug)]
pub(super) struct Place<'j> {
    pub(super) path: Vec<String>,
    /// By pair.
    pub(super) old: Vec<Option<&'j Json>>,
    /// By pair.
    pub(super) new: Vec<Option<&'j Json>>,
}

impl<'j> Place<'j> {
    /// Only the older version has it.
    pub(super) fn is_gone(&self) -> bool {
        self.new.iter().all(Option::is_none)
    }

    /// Only the newer version has it.
    pub(super) fn is_fresh(&self) -> bool {
        self.old.iter().all(Option::is_none)
    }

    /// What both have, pair by pair.
    pub(super) fn both(&self) -> impl Iterator<Item = (&'j Json, &'j Json)> {
        self.old.iter().zip(&self.new).filter_map(|(old, new)| Some(((*old)?, (*new)?)))
    }

    /// An object in one version and something else in the other.
    pub(super) fn clashes(&self) -> bool {
        self.both()
            .any(|(old, new)| (old.kind() == Kind::Object) != (new.kind() == Kind::Object) && old.kind() != Kind::Array)
    }

    /// Whether the pairs that have both differ there.
    pub(super) fn differs(&self) -> bool {
        self.both().any(|(old, new)| !old.same(new))
    }

    pub(super) fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    pub(super) fn parent(&self) -> &[String] {
        self.path.split_last().map_or(&[], |(_, parent)| parent)
    }
}

impl<'j> Scope<'j> {
    /// All scopes of all examples, outer ones first.
    pub(super) fn all(examples: impl Iterator<Item = (&'j Json, &'j Json)>) -> Vec<Self> {
        let mut scopes = vec![Self::of(String::new(), examples.collect())];
        let mut next = 0;
        while let Some(scope) = scopes.get(next) {
            let inner = |place| scope.elements(place).or_else(|| scope.values(place));
            let inner: Vec<_> = scope.places.iter().filter_map(inner).collect();
            scopes.extend(inner);
            next += 1;
        }
        scopes
    }

    fn of(at: String, pairs: Vec<(&'j Json, &'j Json)>) -> Self {
        let mut found = Found { places: Vec::new(), known: HashMap::new(), pairs: pairs.len() };
        for (index, (old, new)) in pairs.iter().enumerate() {
            found.look(old, &mut Vec::new(), index, |place| &mut place.old);
            found.look(new, &mut Vec::new(), index, |place| &mut place.new);
        }
        // What is in a map belongs to a scope of its own.
        let maps: Vec<Vec<String>> =
            found.places.iter().filter(|place| is_map(place)).map(|p| p.path.clone()).collect();
        let inside = |path: &[String]| maps.iter().any(|map| path.len() > map.len() && path.starts_with(map));
        found.places.retain(|place| !inside(&place.path));
        Self { at, places: found.places }
    }

    /// The scope of a map's values.
    fn values(&self, place: &Place<'j>) -> Option<Self> {
        if !is_map(place) {
            return None;
        }
        let both = place.both().flat_map(|(old, new)| {
            let members = old.members().unwrap_or_default().iter();
            members.filter_map(|(name, old)| Some((old, new.get(name)?)))
        });
        Some(Self::of(format!("{}/{{}}", self.pointer(&place.path)), both.collect()))
    }

    /// The scope of an array's elements, where they belong together one by one.
    fn elements(&self, place: &Place<'j>) -> Option<Self> {
        let mut pairs = Vec::new();
        for (old, new) in place.both() {
            let (Json::Array(old), Json::Array(new)) = (old, new) else { return None };
            if old.len() != new.len() {
                return None;
            }
            pairs.extend(old.iter().zip(new));
        }
        (!pairs.is_empty()).then(|| Self::of(format!("{}/[]", self.pointer(&place.path)), pairs))
    }

    /// The pointer of a path, from the root.
    pub(super) fn pointer(&self, path: &[String]) -> String {
        format!("{}{}", self.at, pointer(path))
    }

    pub(super) fn place(&self, path: &[String]) -> Option<&Place<'j>> {
        self.places.iter().find(|place| place.path == path)
    }

    /// Whether only the newer version has an object there.
    pub(super) fn is_new_object(&self, path: &[String]) -> bool {
        self.place(path).is_some_and(|place| place.is_fresh() || place.clashes())
            && self.place(path).is_some_and(|place| place.new.iter().flatten().any(|new| new.kind() == Kind::Object))
    }

    /// Whether only the older version has an object there.
    pub(super) fn is_old_object(&self, path: &[String]) -> bool {
        self.place(path).is_some_and(|place| place.is_gone() || place.clashes())
            && self.place(path).is_some_and(|place| place.old.iter().flatten().any(|old| old.kind() == Kind::Object))
    }
}

/// Whether objects there are maps in both versions: of the same names, which are data. That shows where the names
/// change from example to example, or where all values are objects of the same members.
fn is_map(place: &Place<'_>) -> bool {
    let pairs: Vec<_> = place.both().collect();
    let both: Vec<_> = pairs.iter().filter_map(|(old, new)| Some((old.members()?, new.members()?))).collect();
    let complete = place.old.iter().zip(&place.new).all(|(old, new)| old.is_some() == new.is_some());
    if !complete || both.is_empty() || both.len() != pairs.len() {
        return false;
    }
    let sorted = |members: &[(String, Json)]| {
        let mut names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    };
    let same_names = both.iter().all(|(old, new)| sorted(old) == sorted(new));
    let mut of_pairs: Vec<Vec<String>> = both.iter().map(|(old, _)| sorted(old)).collect();
    of_pairs.sort_unstable();
    of_pairs.dedup();
    let apart =
        of_pairs.len() > 1 && of_pairs.windows(2).all(|pair| pair[0].iter().all(|name| !pair[1].contains(name)));
    let alike = |members: &[(String, Json)]| {
        let inner: Vec<_> = members.iter().map(|(_, value)| value.members().map(sorted)).collect();
        inner.len() > 1 && inner.iter().all(|names| names.is_some() && names == &inner[0])
    };
    same_names && (apart || both.iter().all(|(old, new)| alike(old) && alike(new)))
}

struct Found<'j> {
    places: Vec<Place<'j>>,
    known: HashMap<Vec<String>, usize>,
    pairs: usize,
}

impl<'j> Found<'j> {
    /// The depth of an example is bounded by its reader.
    fn look(
        &mut self,
        value: &'j Json,
        path: &mut Vec<String>,
        index: usize,
        side: for<'p> fn(&'p mut Place<'j>) -> &'p mut Vec<Option<&'j Json>>,
    ) {
        let at = *self.known.entry(path.clone()).or_insert_with(|| {
            let none = || vec![None; self.pairs];
            self.places.push(Place { path: path.clone(), old: none(), new: none() });
            self.places.len() - 1
        });
        side(&mut self.places[at])[index] = Some(value);
        for (name, member) in value.members().unwrap_or_default() {
            path.push(name.clone());
            self.look(member, path, index, side);
            path.pop();
        }
    }
}

/// A path as RFC 6901 spells it.
pub(super) fn pointer(path: &[String]) -> String {
    path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}
