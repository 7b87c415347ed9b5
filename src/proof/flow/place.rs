//! Where an op works: from the body to the places its pointer names, past guards, and what is not there.

use super::{Fate, Flow, Remark};
use crate::{
    adaptation::{
        op::{Edit, Guard},
        pointer::{Name, Pointer, Segment},
    },
    config::{finding::Severity, suggest},
    contract::{
        schema::{Branch, Doubt, Field, Objects, Rest, Schema, Strings, Values},
        unite,
    },
};

/// The code of an op whose place is not there.
const MISSING: &str = "no-such-path";

/// A way to a place, and how far it was found.
struct Way<'w> {
    segments: Vec<Segment>,
    guards: &'w [Guard],
    strict: bool,
    /// Whether the place was reached at least once.
    found: bool,
    /// The most segments that were there, and the names beside the one that was not.
    furthest: (usize, Vec<String>),
}

impl Flow<'_> {
    /// Runs `act` at every value that `at` of the edit and `path` name; remarks if there is none.
    pub(super) fn on_value(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        path: &Pointer,
        mut act: impl FnMut(&mut Self, &mut Schema, &Pointer) -> Fate,
    ) {
        let full = edit.at.join(path);
        let mut way = Way {
            segments: full.segments().to_vec(),
            guards: &edit.guards,
            strict: edit.strict,
            found: false,
            furthest: (0, Vec::new()),
        };
        self.walk(schema, &mut way, 0, 0, &mut |flow, schema| act(flow, schema, &full));
        if !way.found {
            let (depth, known) = way.furthest;
            let missing = Pointer::of_segments(&way.segments[..(depth + 1).min(way.segments.len())]);
            self.missing(edit, &missing, &known);
        }
    }

    /// The same for ops that work on members: `act` is given each object the place may be.
    pub(super) fn on_objects(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        path: &Pointer,
        mut act: impl FnMut(&mut Self, &Objects, &Pointer) -> Vec<Objects>,
    ) {
        let strict = edit.strict;
        let (mut objects_met, mut misses) = (0_usize, Vec::<Remark>::new());
        self.on_value(schema, edit, path, |flow, schema, at| {
            let Values::Branches(branches) = &mut schema.values else {
                flow.unknown(edit, at);
                return Fate::Kept;
            };
            if !branches.iter().any(|branch| matches!(branch, Branch::Object(_))) {
                let message = format!("{}: the value at \"{at}\" is no object in {}", edit.op.name(), flow.source);
                flow.error("op-type", at, message, "let `at` lead to an object");
            }
            let mut made = Vec::with_capacity(branches.len());
            for branch in std::mem::take(branches) {
                match branch {
                    Branch::Object(objects) => {
                        objects_met += 1;
                        let said = flow.remarks.len();
                        made.extend(act(flow, &objects, at).into_iter().map(Branch::Object));
                        misses.extend(flow.remarks.extract_if(said.., |remark| remark.code == MISSING));
                    }
                    Branch::Null => made.push(Branch::Null),
                    other if !strict => made.push(other),
                    _ => {}
                }
            }
            *branches = made;
            Fate::Kept
        });
        // What one alternative lacks is there in another: only what all of them lack is missing.
        for miss in &misses {
            if misses.iter().filter(|other| other.pointer == miss.pointer).count() == objects_met
                && !self.remarks.iter().any(|known| known.code == MISSING && known.pointer == miss.pointer)
            {
                self.remarks.push(miss.clone());
            }
        }
    }

    /// The member an op needs is not there in the version the body comes from.
    pub(super) fn missing(&mut self, edit: &Edit, at: &Pointer, known: &[String]) {
        let message = format!("{}: {} has nothing at \"{at}\"", edit.op.name(), self.source);
        let parent = at.split_name();
        let name = parent.as_ref().map_or("", |(_, name)| name.as_str());
        let help = match suggest::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if known.is_empty() => "correct the pointer".to_owned(),
            None => format!("it has {}", known.join(", ")),
        };
        self.error(MISSING, at, message, help);
    }

    /// The op works on something that the document says nothing about.
    pub(super) fn unknown(&mut self, edit: &Edit, at: &Pointer) {
        let message = format!("{}: {} does not say what stands at \"{at}\"", edit.op.name(), self.source);
        self.remark(Severity::Warning, "unknown", at, message, "describe it in the OpenAPI document");
    }

    fn walk(
        &mut self,
        schema: &mut Schema,
        way: &mut Way<'_>,
        depth: usize,
        guard: usize,
        act: &mut dyn FnMut(&mut Self, &mut Schema) -> Fate,
    ) -> Fate {
        *schema = schema.opened().into_owned();
        // What is changed inside no longer says what it said.
        schema.doubts.iter_mut().for_each(|doubt| doubt.said = None);
        if let Some(next) = way.guards.get(guard).filter(|guard| guard.depth == depth) {
            return self.guarded(schema, &next.clone(), way, depth, guard, act);
        }
        let Some(segment) = way.segments.get(depth).cloned() else {
            way.found = true;
            return act(self, schema);
        };
        let Values::Branches(branches) = &mut schema.values else {
            // Anything may be there, so the place may be, too.
            way.found = true;
            schema.doubts.push(Doubt::new("a schema that permits everything", &schema.place));
            let at = Pointer::of_segments(&way.segments[..=depth]);
            let message = format!("{} does not say what stands at \"{at}\"", self.source);
            self.remark(Severity::Warning, "unknown", &at, message, "describe it in the OpenAPI document");
            return Fate::Kept;
        };
        for branch in branches.iter_mut() {
            match (branch, &segment) {
                (Branch::Object(objects), Segment::Name(name)) => self.step_in(objects, name, way, depth, guard, act),
                (Branch::Object(objects), Segment::Values) => {
                    for field in &mut objects.fields {
                        let fate = self.walk(&mut field.schema, way, depth + 1, guard, act);
                        field.required &= fate == Fate::Kept;
                    }
                    objects.fields.retain(|field| !is_nothing(&field.schema));
                    if let Rest::Each(schema) = &mut objects.rest {
                        self.walk(schema, way, depth + 1, guard, act);
                    } else if matches!(objects.rest, Rest::Open) {
                        way.found = true;
                    }
                }
                (Branch::Array(arrays), Segment::Each) => {
                    self.walk(&mut arrays.items, way, depth + 1, guard, act);
                    arrays.unique = false;
                }
                _ => {}
            }
        }
        if way.strict {
            let fits = |branch: &Branch| match (&segment, branch) {
                (_, Branch::Null) => true,
                (Segment::Each, branch) => matches!(branch, Branch::Array(_)),
                (_, branch) => matches!(branch, Branch::Object(_)),
            };
            branches.retain(fits);
        }
        Fate::Kept
    }

    fn step_in(
        &mut self,
        objects: &mut Objects,
        name: &Name,
        way: &mut Way<'_>,
        depth: usize,
        guard: usize,
        act: &mut dyn FnMut(&mut Self, &mut Schema) -> Fate,
    ) {
        let Some(mut field) = objects.listed(name.as_str()) else {
            if way.furthest.0 <= depth {
                let known = objects.fields.iter().map(|field| field.name.clone());
                let more: Vec<String> = known.filter(|name| !way.furthest.1.contains(name)).collect();
                if way.furthest.0 < depth {
                    way.furthest = (depth, more);
                } else {
                    way.furthest.1.extend(more);
                }
            }
            return;
        };
        match self.walk(&mut field.schema, way, depth + 1, guard, act) {
            Fate::Kept => objects.put(field),
            Fate::Perhaps => objects.put(Field { required: false, ..field }),
            Fate::Gone => objects.take_out(name.as_str()),
        }
    }

    /// Runs where the guard holds, and leaves the rest as it is.
    fn guarded(
        &mut self,
        schema: &mut Schema,
        guard: &Guard,
        way: &mut Way<'_>,
        depth: usize,
        index: usize,
        act: &mut dyn FnMut(&mut Self, &mut Schema) -> Fate,
    ) -> Fate {
        let Values::Branches(branches) = &schema.values else {
            way.found = true;
            return Fate::Kept;
        };
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for branch in branches {
            match branch {
                Branch::Object(objects) => {
                    let (holds, fails) = split_by(objects, &guard.path, guard);
                    inside.extend(holds.map(Branch::Object));
                    outside.extend(fails.map(Branch::Object));
                }
                other => outside.push(other.clone()),
            }
        }
        if inside.is_empty() {
            let at = Pointer::of_segments(&way.segments[..depth]).join(&Pointer::of_names(&guard.path));
            let message = format!("when: in {} nothing at \"{at}\" has one of these values", self.source);
            self.error(MISSING, &at, message, "correct the pointer or the values");
            way.found = true;
            return Fate::Kept;
        }
        let mut held = Schema { values: Values::Branches(inside), ..schema.clone() };
        let fate = self.walk(&mut held, way, depth, index + 1, act);
        schema.doubts.clone_from(&held.doubts);
        match (&held.values, outside.is_empty()) {
            (Values::Branches(changed), _) => {
                let mut all = changed.clone();
                outside.into_iter().for_each(|branch| unite::add(&mut all, branch));
                schema.values = Values::Branches(all);
            }
            (_, _) => schema.values = held.values.clone(),
        }
        fate
    }
}

/// The objects for which a guard holds, and those for which it does not.
fn split_by(objects: &Objects, path: &[Name], guard: &Guard) -> (Option<Objects>, Option<Objects>) {
    let Some((name, rest)) = path.split_first() else { return (Some(objects.clone()), None) };
    let Some(field) = objects.listed(name.as_str()) else { return (None, Some(objects.clone())) };
    let opened = field.schema.opened();
    let Values::Branches(branches) = &opened.values else { return (Some(objects.clone()), Some(objects.clone())) };
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for branch in branches {
        if let (Branch::Object(inner), false) = (branch, rest.is_empty()) {
            let (holds, fails) = split_by(inner, rest, guard);
            inside.extend(holds.map(Branch::Object));
            outside.extend(fails.map(Branch::Object));
        } else if rest.is_empty() {
            let (holds, fails) = split_scalar(branch, guard);
            inside.extend(holds);
            outside.extend(fails);
        } else {
            outside.push(branch.clone());
        }
    }
    let with = |branches: Vec<Branch>, required: bool| {
        let mut objects = objects.clone();
        if branches.is_empty() {
            objects.take_out(name.as_str());
        } else {
            let schema = Schema { values: Values::Branches(branches), ..(*opened).clone() };
            objects.put(Field { schema, required, ..field.clone() });
        }
        objects
    };
    let fails = (!outside.is_empty() || !field.required).then(|| with(outside, field.required));
    ((!inside.is_empty()).then(|| with(inside, true)), fails)
}

fn split_scalar(branch: &Branch, guard: &Guard) -> (Option<Branch>, Option<Branch>) {
    let listed: Vec<serde_json::Value> =
        guard.values.iter().filter_map(|literal| serde_json::from_slice(literal.as_bytes()).ok()).collect();
    match branch {
        Branch::String(strings) => {
            let texts: Vec<&str> = listed.iter().filter_map(serde_json::Value::as_str).collect();
            match &strings.only {
                Some(only) => {
                    let (inside, outside): (Vec<_>, Vec<_>) =
                        only.iter().cloned().partition(|text| texts.contains(&text.as_str()));
                    let with = |only: Vec<String>| {
                        (!only.is_empty()).then(|| Branch::String(Strings { only: Some(only), ..strings.clone() }))
                    };
                    (with(inside), with(outside))
                }
                None if texts.is_empty() => (None, Some(branch.clone())),
                None => {
                    let only = texts.iter().map(|text| (*text).to_owned()).collect();
                    (Some(Branch::String(Strings { only: Some(only), ..Strings::default() })), Some(branch.clone()))
                }
            }
        }
        Branch::Null => {
            if listed.contains(&serde_json::Value::Null) {
                (Some(Branch::Null), None)
            } else {
                (None, Some(Branch::Null))
            }
        }
        Branch::Boolean(_) | Branch::Number(_) => (Some(branch.clone()), Some(branch.clone())),
        Branch::Array(_) | Branch::Object(_) => (None, Some(branch.clone())),
    }
}

/// Whether nothing is valid.
fn is_nothing(schema: &Schema) -> bool {
    matches!(&schema.values, Values::Branches(branches) if branches.is_empty())
}

impl Objects {
    /// The member of this name as a field, if there may be one: a map has one for every name.
    pub(super) fn listed(&self, name: &str) -> Option<Field> {
        match (self.field(name), &self.rest) {
            (Some(field), _) => Some(field.clone()).filter(|field| !is_nothing(&field.schema)),
            (None, Rest::Each(schema)) => {
                Some(Field { name: name.to_owned(), schema: (**schema).clone(), required: false })
            }
            (None, Rest::Open | Rest::Closed) => None,
        }
    }

    /// Makes a member what `field` says.
    pub(super) fn put(&mut self, field: Field) {
        match self.fields.iter_mut().find(|known| known.name == field.name) {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
    }

    /// There is no such member any more.
    pub(super) fn take_out(&mut self, name: &str) {
        let place = self.field(name).map(|field| field.schema.place.clone());
        self.fields.retain(|field| field.name != name);
        // A map would have one again.
        if let Rest::Each(schema) = &self.rest {
            let place = place.unwrap_or_else(|| schema.place.clone());
            let schema = Schema::new(&place, Values::Branches(Vec::new()));
            self.fields.push(Field { name: name.to_owned(), schema, required: false });
        }
        // Whatever the bounds were about, it is one member less.
        self.min_members = self.min_members.saturating_sub(1);
    }
}
