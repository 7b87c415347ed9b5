//! Members in an object of their own, and strings in parts: nest, unnest, split, merge.

use super::{Flow, members::names};
use crate::{
    adaptation::{
        op::{Edit, Group, Pieces, Rest as Leftover},
        pointer::{Pointer, Segment},
    },
    config::finding::Place,
    contract::{
        schema::{Branch, Field, Objects, Rest, Schema, Strings, Values},
        unite,
    },
};

/// Joined strings that are listed one by one; more are any string.
const LISTED_MAX: usize = 256;

impl Flow<'_> {
    pub(super) fn group(&mut self, schema: &mut Schema, edit: &Edit, group: &Group, collects: bool, origin: &Place) {
        let origin = origin.clone();
        self.on_objects(schema, edit, &Pointer::default(), |flow, objects, at| {
            if collects {
                vec![flow.collect(objects, group, edit, at, &origin)]
            } else {
                flow.scatter(objects, group, edit, at)
            }
        });
    }

    fn collect(&mut self, objects: &Objects, group: &Group, edit: &Edit, at: &Pointer, origin: &Place) -> Objects {
        let mut made = objects.relaxed();
        let mut fields = Vec::new();
        for (inner, outer) in &group.members {
            match objects.listed(outer.as_str()) {
                Some(field) => fields.push(Field { name: inner.as_str().to_owned(), ..field }),
                None => self.missing(edit, &at.then(Segment::Name(outer.clone())), &names(objects)),
            }
            made.take_out(outer.as_str());
        }
        let always = group.always && !self.patch;
        if fields.is_empty() && !always {
            return made;
        }
        let required = always || fields.iter().any(|field| field.required);
        let mut collected = Objects { fields, rest: Rest::Closed, ..Objects::any() };
        let stray = made.listed(group.container.as_str());
        if let (Leftover::Keep, Some(stray)) = (group.rest, &stray) {
            // What stands there already is merged with what is collected.
            let Some(old) = stray.schema.object() else {
                self.unknown(edit, &at.then(Segment::Name(group.container.clone())));
                return made;
            };
            for field in &old.fields {
                if collected.field(&field.name).is_none() {
                    collected.put(Field { required: field.required && stray.required, ..field.clone() });
                } else if let Some(known) = collected.fields.iter_mut().find(|known| known.name == field.name)
                    && !known.required
                {
                    known.schema = unite::schemas(known.schema.clone(), &field.schema);
                    known.required = field.required && stray.required;
                }
            }
            collected.rest = old.rest.clone();
            made.take_out(group.container.as_str());
            let schema = Schema::new(origin, Values::Branches(vec![Branch::Object(collected)]));
            made.put(Field { name: group.container.as_str().to_owned(), schema, required: required || stray.required });
            return made;
        }
        // Of no members no object is made.
        collected.min_members = u64::from(!always);
        let schema = Schema::new(origin, Values::Branches(vec![Branch::Object(collected)]));
        let field = Field { name: group.container.as_str().to_owned(), schema, required };
        self.write(&mut made, objects, &group.container, field, edit, at);
        made
    }

    /// One object for each kind of container.
    fn scatter(&mut self, objects: &Objects, group: &Group, edit: &Edit, at: &Pointer) -> Vec<Objects> {
        let inside = at.then(Segment::Name(group.container.clone()));
        let Some(container) = objects.listed(group.container.as_str()) else {
            self.missing(edit, &inside, &names(objects));
            return vec![objects.clone()];
        };
        let opened = container.schema.opened();
        let Values::Branches(branches) = &opened.values else {
            self.unknown(edit, &inside);
            return vec![objects.clone()];
        };
        let mut without = objects.relaxed();
        without.take_out(group.container.as_str());
        if !branches.iter().any(|branch| matches!(branch, Branch::Object(_))) {
            let message = format!("{}: the value at \"{inside}\" is no object in {}", edit.op.name(), self.source);
            self.error("op-type", &inside, message, "name the object that holds the members");
        }
        for (inner, _) in &group.members {
            let known = |branch: &Branch| matches!(branch, Branch::Object(inner_objects) if inner_objects.listed(inner.as_str()).is_some());
            if !branches.iter().any(known) {
                let known = branches
                    .iter()
                    .flat_map(|branch| if let Branch::Object(objects) = branch { names(objects) } else { Vec::new() });
                self.missing(edit, &inside.then(Segment::Name(inner.clone())), &known.collect::<Vec<_>>());
            }
        }
        let mut made = Vec::new();
        // An absent container leaves all of its members absent, and a null one goes.
        if !container.required || branches.contains(&Branch::Null) {
            made.push(without.clone());
        }
        for branch in branches {
            match branch {
                Branch::Null => {}
                Branch::Object(inner) => made.push(self.spread(&without, objects, inner, group, edit, at)),
                _ if group.mismatch_is_error || edit.strict => {}
                other => {
                    let mut kept = without.clone();
                    let schema = Schema { values: Values::Branches(vec![other.clone()]), ..(*opened).clone() };
                    kept.put(Field { schema, required: true, ..container.clone() });
                    made.push(kept);
                }
            }
        }
        made
    }

    fn spread(
        &mut self,
        without: &Objects,
        before: &Objects,
        inner: &Objects,
        group: &Group,
        edit: &Edit,
        at: &Pointer,
    ) -> Objects {
        let mut made = without.clone();
        let mut left = inner.relaxed();
        let mut moved = Vec::new();
        for (name, outer) in &group.members {
            if let Some(field) = inner.listed(name.as_str()) {
                moved.push((field, outer));
            }
            left.take_out(name.as_str());
        }
        let nothing_left = left.rest == Rest::Closed && left.fields.is_empty();
        if group.rest == Leftover::Keep && !nothing_left {
            let required = left.fields.iter().any(|field| field.required);
            left.min_members = 1;
            let place = moved.first().map_or_else(|| at_place(before), |(field, _)| field.schema.place.clone());
            let schema = Schema::new(&place, Values::Branches(vec![Branch::Object(left)]));
            made.put(Field { name: group.container.as_str().to_owned(), schema, required });
        }
        for (field, outer) in moved {
            self.write(&mut made, before, outer, field, edit, at);
        }
        made
    }

    pub(super) fn pieces(&mut self, schema: &mut Schema, edit: &Edit, pieces: &Pieces, cuts: bool) {
        self.on_objects(schema, edit, &Pointer::default(), |flow, objects, at| {
            vec![if cuts { flow.cut(objects, pieces, edit, at) } else { flow.join(objects, pieces, edit, at) }]
        });
    }

    fn cut(&mut self, objects: &Objects, pieces: &Pieces, edit: &Edit, at: &Pointer) -> Objects {
        let mut made = objects.relaxed();
        let Some(whole) = objects.listed(pieces.whole.as_str()) else {
            self.missing(edit, &at.then(Segment::Name(pieces.whole.clone())), &names(objects));
            return made;
        };
        made.take_out(pieces.whole.as_str());
        let opened = whole.schema.opened().into_owned();
        let (strings, others): (Vec<Branch>, Vec<Branch>) =
            whole.schema.branches().into_iter().partition(|branch| matches!(branch, Branch::String(_)));
        if strings.is_empty() {
            let message = format!(
                "{}: the value at \"{at}/{}\" is no string in {}",
                edit.op.name(),
                pieces.whole.as_str(),
                self.source
            );
            self.error("op-type", at, message, "only strings are cut");
        }
        for (index, part) in pieces.parts.iter().enumerate() {
            let (values, always) = cut_values(&strings, pieces, index);
            if values.is_empty() {
                continue;
            }
            let schema = Schema { place: opened.place.clone(), ..Schema::new(&opened.place, Values::Branches(values)) };
            let required = whole.required && others.is_empty() && always;
            self.write(&mut made, objects, part, Field { name: String::new(), schema, required }, edit, at);
        }
        if !others.is_empty() && !edit.strict {
            let required = whole.required && strings.is_empty();
            made.put(Field { schema: Schema { values: Values::Branches(others), ..opened }, required, ..whole });
        }
        made
    }

    fn join(&mut self, objects: &Objects, pieces: &Pieces, edit: &Edit, at: &Pointer) -> Objects {
        let mut made = objects.relaxed();
        let mut required = false;
        let mut longest = Some(0u64);
        let mut place = None;
        for part in &pieces.parts {
            let Some(field) = objects.listed(part.as_str()) else {
                self.missing(edit, &at.then(Segment::Name(part.clone())), &names(objects));
                continue;
            };
            made.take_out(part.as_str());
            let (strings, others): (Vec<Branch>, Vec<Branch>) =
                field.schema.branches().into_iter().partition(|branch| matches!(branch, Branch::String(_)));
            place.get_or_insert_with(|| field.schema.place.clone());
            required |= field.required && others.is_empty();
            longest = longest
                .zip(longest_of(&strings))
                .map(|(sum, more)| sum + more + pieces.separator.chars().count() as u64);
            if !others.is_empty() {
                let schema = Schema { values: Values::Branches(others), ..field.schema.opened().into_owned() };
                made.put(Field { schema, required: field.required && strings.is_empty(), ..field });
            }
        }
        let Some(place) = place else { return made };
        let separators = pieces.separator.chars().count() as u64;
        let strings = match joined(objects, pieces) {
            Some(listed) => Strings { only: Some(listed), ..Strings::default() },
            None => Strings { max_length: longest.map(|sum| sum.saturating_sub(separators)), ..Strings::default() },
        };
        let schema = Schema::new(&place, Values::Branches(vec![Branch::String(strings)]));
        self.write(&mut made, objects, &pieces.whole, Field { name: String::new(), schema, required }, edit, at);
        made
    }
}

/// Joined strings that are listed: every part is always there and lists its own.
fn joined(objects: &Objects, pieces: &Pieces) -> Option<Vec<String>> {
    let mut joined = vec![String::new()];
    for (index, part) in pieces.parts.iter().enumerate() {
        let field = objects.field(part.as_str()).filter(|field| field.required)?;
        let branches = field.schema.branches();
        let [Branch::String(Strings { only: Some(texts), .. })] = branches.as_slice() else { return None };
        let separator = if index == 0 { "" } else { &pieces.separator };
        joined =
            joined.iter().flat_map(|text| texts.iter().map(move |more| format!("{text}{separator}{more}"))).collect();
        if joined.len() > LISTED_MAX {
            return None;
        }
    }
    joined.sort_unstable();
    joined.dedup();
    Some(joined)
}

/// What the part with this number may be, and whether every string has one.
fn cut_values(strings: &[Branch], pieces: &Pieces, index: usize) -> (Vec<Branch>, bool) {
    let (mut values, mut always) = (Vec::new(), true);
    for branch in strings {
        let Branch::String(strings) = branch else { continue };
        match &strings.only {
            Some(texts) => {
                for text in texts {
                    match text.splitn(pieces.parts.len(), &pieces.separator).nth(index) {
                        Some(piece) => unite::add(
                            &mut values,
                            Branch::String(Strings { only: Some(vec![piece.to_owned()]), ..Strings::default() }),
                        ),
                        None => always = false,
                    }
                }
            }
            None => {
                always &= index == 0;
                values.push(Branch::String(Strings { max_length: strings.max_length, ..Strings::default() }));
            }
        }
    }
    (values, always)
}

/// The longest string among these; none if there is no limit.
fn longest_of(strings: &[Branch]) -> Option<u64> {
    let length = |branch: &Branch| match branch {
        Branch::String(Strings { only: Some(texts), .. }) => texts.iter().map(|text| text.chars().count() as u64).max(),
        Branch::String(strings) => strings.max_length,
        _ => None,
    };
    strings.iter().map(length).try_fold(0, |longest, length| length.map(|length| longest.max(length)))
}

fn at_place(objects: &Objects) -> Place {
    objects.fields.first().map_or_else(
        || Place { file: std::path::Path::new("").into(), line: 0, col: 0 },
        |field| field.schema.place.clone(),
    )
}
