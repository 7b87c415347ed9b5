//! Members of objects: rename, move, add, remove.

use super::{Fate, Flow, Kept, of_literal};
use crate::{
    adaptation::{
        op::{Comeback, Conflict, Edit},
        pointer::{Name, Pointer, Segment},
    },
    config::finding::{Place, Severity},
    contract::{
        schema::{Branch, Field, Objects, Rest, Schema, Values},
        unite,
    },
};

/// What an op writes where something is absent, or in any case.
pub(super) struct Default {
    pub(super) value: Schema,
    pub(super) only_absent: bool,
    pub(super) replaces_null: bool,
}

impl Flow<'_> {
    pub(super) fn rename(
        &mut self,
        objects: &Objects,
        pairs: &[(Name, Name)],
        edit: &Edit,
        at: &Pointer,
    ) -> Vec<Objects> {
        let mut made = objects.relaxed();
        let mut moved = Vec::new();
        for (from, to) in pairs {
            match objects.listed(from.as_str()) {
                Some(field) => moved.push((field, from, to)),
                None => self.missing(edit, &at.then(Segment::Name(from.clone())), &names(objects)),
            }
        }
        moved.iter().for_each(|(_, from, _)| made.take_out(from.as_str()));
        for (field, _, to) in moved {
            self.write(&mut made, objects, to, field, edit, at);
        }
        vec![made]
    }

    /// Puts a value where the op writes it; a stray there goes if the value is there, and stays otherwise.
    ///
    /// - `before`: the object as it was, for what is said about strays.
    pub(super) fn write(
        &mut self,
        made: &mut Objects,
        before: &Objects,
        to: &Name,
        field: Field,
        edit: &Edit,
        at: &Pointer,
    ) {
        let target = at.then(Segment::Name(to.clone()));
        let mut field = Field { name: to.as_str().to_owned(), ..field };
        match made.listed(to.as_str()) {
            Some(stray) => {
                if edit.conflict.is_none() {
                    let message = format!("{}: {} has a member at \"{target}\" already", edit.op.name(), self.source);
                    let help = "take that one away first, or write conflict: replace or conflict: error beside the op";
                    self.error("target-exists", &target, message, help);
                }
                if !field.required && edit.conflict != Some(Conflict::Error) {
                    field.required = stray.required;
                    field.schema = unite::schemas(field.schema, &stray.schema);
                } else if !field.required {
                    // Without the source the stray stays.
                    field.schema = unite::schemas(field.schema, &stray.schema);
                }
            }
            None if !field.required && made.rest == Rest::Open && before.field(to.as_str()).is_none() => {
                let message = format!(
                    "{}: {} permits members of any name; one called \"{}\" would be taken for the op's, where the op has nothing to write",
                    edit.op.name(),
                    self.source,
                    to.as_str()
                );
                let help = "write additionalProperties: false in that OpenAPI document if there is none";
                self.remark(Severity::Warning, "capture", &target, message, help);
            }
            None => {}
        }
        made.put(field);
    }

    pub(super) fn relocate(
        &mut self,
        objects: &Objects,
        from: &[Name],
        to: &[Name],
        edit: &Edit,
        at: &Pointer,
    ) -> Vec<Objects> {
        let mut made = objects.relaxed();
        let Some(taken) = take(&mut made, from) else {
            let missing = at.join(&Pointer::of_names(from));
            self.missing(edit, &missing, &names(objects));
            return vec![objects.clone()];
        };
        self.store(&mut made, objects, to, taken, edit, at);
        vec![made]
    }

    fn store(&mut self, made: &mut Objects, before: &Objects, to: &[Name], field: Field, edit: &Edit, at: &Pointer) {
        let Some((name, rest)) = to.split_first() else { return };
        if rest.is_empty() {
            self.write(made, before, name, field, edit, at);
            return;
        }
        let inside = at.then(Segment::Name(name.clone()));
        let Some(parent) = made.listed(name.as_str()) else {
            // Parents are made where there is something to store.
            let place = field.schema.place.clone();
            let (required, alone) = (field.required, only(rest, Field { required: true, ..field }, &place));
            made.put(Field { name: name.as_str().to_owned(), schema: alone, required });
            return;
        };
        let opened = parent.schema.opened().into_owned();
        let Values::Branches(branches) = opened.values.clone() else {
            self.unknown(edit, &inside);
            return;
        };
        let mut branches_made: Vec<Branch> = Vec::new();
        let place = field.schema.place.clone();
        for branch in branches {
            match branch {
                Branch::Object(mut inner) => {
                    let was = inner.clone();
                    inner = inner.relaxed();
                    self.store(&mut inner, &was, rest, field.clone(), edit, &inside);
                    unite::add(&mut branches_made, Branch::Object(inner));
                }
                Branch::Null => {
                    // Null counts as absent where there is something to store.
                    only(rest, Field { required: true, ..field.clone() }, &place)
                        .branches()
                        .into_iter()
                        .for_each(|branch| unite::add(&mut branches_made, branch));
                    if !field.required {
                        unite::add(&mut branches_made, Branch::Null);
                    }
                }
                other => {
                    let message = format!(
                        "{}: the value at \"{inside}\" may be {} in {}",
                        edit.op.name(),
                        other.kind(),
                        self.source
                    );
                    self.error("op-type", &inside, message, "only objects can take what is moved there");
                    unite::add(&mut branches_made, other);
                }
            }
        }
        if !parent.required {
            only(rest, Field { required: true, ..field.clone() }, &place)
                .branches()
                .into_iter()
                .for_each(|branch| unite::add(&mut branches_made, branch));
        }
        let mut schema = Schema { values: Values::Branches(branches_made), ..opened };
        schema.doubts.iter_mut().for_each(|doubt| doubt.said = None);
        made.put(Field { schema, required: parent.required || field.required, ..parent });
    }

    /// `add` on the way up, and `remove` with a value on the way down.
    pub(super) fn set(&mut self, schema: &mut Schema, edit: &Edit, path: &Pointer, default: Default) {
        let Some((parent, name)) = path.split_name() else { return };
        let name = name.clone();
        if self.patch {
            self.look(schema, edit, path);
            return;
        }
        self.on_objects(schema, edit, &parent, |flow, objects, at| {
            let mut made = objects.relaxed();
            let written = Field { name: name.as_str().to_owned(), schema: default.value.clone(), required: true };
            let Some(field) = objects.listed(name.as_str()) else {
                made.put(written);
                return vec![made];
            };
            let target = at.then(Segment::Name(name.clone()));
            let nullable = field.schema.is_nullable();
            if default.only_absent && edit.conflict.is_none() {
                if field.required && !(default.replaces_null && nullable) {
                    let message = format!("{}: {} has a member at \"{target}\" already", edit.op.name(), flow.source);
                    flow.error("target-exists", &target, message, "take the op out, or name another place");
                }
                let mut kept = field.schema.opened().into_owned();
                if default.replaces_null && nullable {
                    if let Values::Branches(branches) = &mut kept.values {
                        branches.retain(|branch| *branch != Branch::Null);
                    }
                    kept = unite::schemas(kept, &default.value);
                } else if !field.required {
                    kept = unite::schemas(field.schema.clone(), &default.value);
                } else {
                    kept = field.schema.clone();
                }
                made.put(Field { schema: kept, required: true, ..field });
            } else {
                made.put(written);
            }
            vec![made]
        });
    }

    pub(super) fn remove(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        path: &Pointer,
        down: &Comeback,
        up: bool,
        origin: &Place,
    ) {
        if up {
            if let Comeback::Stash(name) = down {
                self.put_aside(schema, edit, path, name);
            }
            self.delete(schema, edit, path);
            return;
        }
        match down {
            Comeback::Absent => self.look(schema, edit, path),
            Comeback::Value(value) => {
                let value = of_literal(value, origin);
                self.set(schema, edit, path, Default { value, only_absent: false, replaces_null: false });
            }
            Comeback::Stash(name) => {
                let Some(kept) = self.stash.get(&(self.change.to_owned(), name.to_string())).cloned() else { return };
                let Some((parent, name)) = path.split_name() else { return };
                let name = name.clone();
                self.on_objects(schema, edit, &parent, |flow, objects, at| {
                    let mut made = objects.relaxed();
                    let field =
                        Field { name: name.as_str().to_owned(), schema: kept.schema.clone(), required: kept.always };
                    flow.write(&mut made, objects, &name, field, edit, at);
                    vec![made]
                });
            }
        }
    }

    /// Remembers what a request has at a place that its response gets back.
    fn put_aside(&mut self, schema_of: &Schema, edit: &Edit, path: &Pointer, name: &str) {
        let mut copy = schema_of.clone();
        let mut found = None;
        let silent = self.remarks.len();
        self.on_value(&mut copy, edit, path, |_, schema, _| {
            found = Some(match found.take() {
                None => schema.clone(),
                Some(known) => unite::schemas(known, schema),
            });
            Fate::Kept
        });
        // The op that takes it away says the same.
        self.remarks.truncate(silent);
        if let Some(schema) = found {
            let full = edit.at.join(path);
            let always = edit.guards.is_empty() && full.names().is_some_and(|names| is_always_there(schema_of, &names));
            self.stash.insert((self.change.to_owned(), name.to_owned()), Kept { schema, always });
        }
    }

    pub(super) fn delete(&mut self, schema: &mut Schema, edit: &Edit, path: &Pointer) {
        self.on_value(schema, edit, path, |_, _, _| Fate::Gone);
    }

    /// The op does nothing here; the object it would work on has to be there all the same.
    pub(super) fn look(&mut self, schema: &Schema, edit: &Edit, path: &Pointer) {
        if let Some((parent, _)) = path.split_name() {
            self.on_value(&mut schema.clone(), edit, &parent, |_, _, _| Fate::Kept);
        }
    }
}

/// Takes the member at `path` out, and parents that may be left empty.
fn take(objects: &mut Objects, path: &[Name]) -> Option<Field> {
    let (name, rest) = path.split_first()?;
    let mut field = objects.listed(name.as_str())?;
    if rest.is_empty() {
        objects.take_out(name.as_str());
        return Some(field);
    }
    let opened = field.schema.opened().into_owned();
    let Values::Branches(branches) = opened.values.clone() else { return None };
    let mut taken: Option<Field> = None;
    let (mut all, mut may_go) = (true, false);
    let mut left = Vec::new();
    for branch in branches {
        let Branch::Object(mut inner) = branch else {
            all = false;
            left.push(branch);
            continue;
        };
        inner = inner.relaxed();
        let mut emptied = false;
        match take(&mut inner, rest) {
            Some(more) => {
                all &= more.required;
                may_go |= !inner.fields.iter().any(|field| field.required);
                // A parent that never holds anything else is always emptied.
                emptied = more.required && inner.fields.is_empty() && inner.rest == Rest::Closed;
                taken = Some(match taken {
                    None => more,
                    Some(known) => Field { schema: unite::schemas(known.schema, &more.schema), ..known },
                });
            }
            None => all = false,
        }
        if !emptied {
            left.push(Branch::Object(inner));
        }
    }
    let taken = taken?;
    let required = all && field.required;
    if left.is_empty() {
        objects.take_out(name.as_str());
        return Some(Field { required, ..taken });
    }
    field.schema = Schema { values: Values::Branches(left), ..opened };
    field.schema.doubts.iter_mut().for_each(|doubt| doubt.said = None);
    field.required &= !may_go;
    objects.put(field);
    Some(Field { required, ..taken })
}

/// Whether every value has a member at this place.
fn is_always_there(schema: &Schema, path: &[Name]) -> bool {
    let Some((name, rest)) = path.split_first() else { return true };
    let Values::Branches(branches) = &schema.opened().values else { return false };
    branches.iter().all(|branch| {
        let Branch::Object(objects) = branch else { return false };
        objects.field(name.as_str()).is_some_and(|field| field.required && is_always_there(&field.schema, rest))
    })
}

/// An object that holds nothing but `field` at `path`.
fn only(path: &[Name], field: Field, place: &Place) -> Schema {
    let Some((name, rest)) = path.split_first() else { return field.schema };
    let schema = only(rest, field, place);
    let fields = vec![Field { name: name.as_str().to_owned(), schema, required: true }];
    Schema::new(place, Values::Branches(vec![Branch::Object(Objects { fields, rest: Rest::Closed, ..Objects::any() })]))
}

/// The names an object lists.
pub(super) fn names(objects: &Objects) -> Vec<String> {
    objects.fields.iter().map(|field| field.name.clone()).collect()
}

impl Objects {
    /// The same without bounds on how many members there are: ops change that.
    pub(super) fn relaxed(&self) -> Self {
        Self { min_members: 0, max_members: None, ..self.clone() }
    }
}
