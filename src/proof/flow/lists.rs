//! Arrays: wrap and unwrap, elem_wrap, index, drop_elems.

use super::{Fate, Flow};
use crate::{
    adaptation::{
        literal::Literal,
        op::{Edit, List},
        pointer::{Name, Pointer, Segment},
    },
    contract::{
        schema::{Arrays, Branch, Field, Numbers, Objects, Rest, Schema, Strings, Values, same_number},
        unite,
    },
};

impl Flow<'_> {
    pub(super) fn wrapping(&mut self, schema: &mut Schema, edit: &Edit, list: &List, wraps: bool) {
        self.on_value(schema, edit, &list.path, |flow, schema, at| {
            if wraps { flow.wrap(schema, edit, list, at) } else { flow.unwrap(schema, edit, list, at) }
        });
    }

    fn wrap(&mut self, schema: &mut Schema, edit: &Edit, list: &List, at: &Pointer) -> Fate {
        let Some(branches) = self.of_kind(schema, edit, at, "something else than an array", |branch| {
            !matches!(branch, Branch::Array(_) | Branch::Null)
        }) else {
            return Fate::Kept;
        };
        let (mut made, mut single) = (Vec::new(), Vec::new());
        for branch in branches {
            match branch {
                Branch::Array(_) => made.push(branch),
                Branch::Null if list.null_is_empty && !self.patch => {
                    let items = Box::new(Schema::new(&schema.place, Values::Branches(Vec::new())));
                    made.push(Branch::Array(Arrays { items, min_items: 0, max_items: Some(0), unique: false }));
                }
                Branch::Null => made.push(Branch::Null),
                other => single.push(other),
            }
        }
        if !single.is_empty() {
            let items = Box::new(Schema::new(&schema.place, Values::Branches(single)));
            made.push(Branch::Array(Arrays { items, min_items: 1, max_items: Some(1), unique: true }));
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    fn unwrap(&mut self, schema: &mut Schema, edit: &Edit, list: &List, at: &Pointer) -> Fate {
        let Some(branches) = self.arrays_of(schema, edit, at) else { return Fate::Kept };
        let (mut made, mut fate) = (Vec::new(), Fate::Kept);
        for branch in branches {
            match branch {
                Branch::Array(arrays) => {
                    if arrays.min_items == 0 && list.empty_is_null {
                        unite::add(&mut made, Branch::Null);
                    } else if arrays.min_items == 0 {
                        fate = Fate::Perhaps;
                    }
                    if arrays.max_items != Some(0) {
                        arrays.items.branches().into_iter().for_each(|branch| unite::add(&mut made, branch));
                        inherit(schema, &arrays.items);
                    }
                }
                Branch::Null => unite::add(&mut made, Branch::Null),
                other if !edit.strict => unite::add(&mut made, other),
                _ => {}
            }
        }
        schema.values = Values::Branches(made);
        fate
    }

    pub(super) fn elements(&mut self, schema: &mut Schema, edit: &Edit, key: &Name, wraps: bool, at: &Pointer) -> Fate {
        let Some(branches) = self.arrays_of(schema, edit, at) else { return Fate::Kept };
        let key = key.as_str();
        let mut made = Vec::new();
        for branch in branches {
            let Branch::Array(mut arrays) = branch else {
                self.pass(&mut made, branch, edit);
                continue;
            };
            if wraps {
                let field = Field { name: key.to_owned(), schema: (*arrays.items).clone(), required: true };
                let objects = Objects { fields: vec![field], rest: Rest::Closed, ..Objects::any() };
                *arrays.items = Schema::new(&arrays.items.place, Values::Branches(vec![Branch::Object(objects)]));
            } else {
                let mut items = Vec::new();
                let opened = arrays.items.opened().into_owned();
                let mut inner = Schema { values: Values::Branches(Vec::new()), ..opened };
                let mut found = false;
                for item in arrays.items.branches() {
                    match item {
                        Branch::Object(objects) => match objects.listed(key) {
                            Some(field) => {
                                found = true;
                                if !field.required {
                                    arrays.min_items = 0;
                                }
                                field.schema.branches().into_iter().for_each(|branch| unite::add(&mut items, branch));
                                inherit(&mut inner, &field.schema);
                            }
                            None => arrays.min_items = 0,
                        },
                        other => self.pass(&mut items, other, edit),
                    }
                }
                if !found {
                    self.missing(edit, &at.join(&Pointer::member(key)), &[]);
                }
                inner.values = Values::Branches(items);
                *arrays.items = inner;
                arrays.unique = false;
            }
            made.push(Branch::Array(arrays));
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    pub(super) fn index(&mut self, schema: &mut Schema, edit: &Edit, key: &Name, up: bool, at: &Pointer) -> Fate {
        let Some(branches) = (if up {
            self.arrays_of(schema, edit, at)
        } else {
            self.of_kind(schema, edit, at, "a map", |branch| matches!(branch, Branch::Object(_)))
        }) else {
            return Fate::Kept;
        };
        let key = key.as_str();
        let mut made = Vec::new();
        for branch in branches {
            match branch {
                Branch::Array(arrays) if up => {
                    let mut values = Vec::new();
                    let mut inner = arrays.items.opened().into_owned();
                    self.elements_with_key(&arrays.items, key, edit, at);
                    for item in arrays.items.branches() {
                        let Branch::Object(objects) = item else { continue };
                        let mut objects = objects.relaxed();
                        objects.take_out(key);
                        values.push(Branch::Object(objects));
                    }
                    inner.doubts.iter_mut().for_each(|doubt| doubt.said = None);
                    inner.values = Values::Branches(values);
                    let (min_members, max_members) = (arrays.min_items, arrays.max_items);
                    made.push(Branch::Object(Objects {
                        fields: Vec::new(),
                        rest: Rest::Each(Box::new(inner)),
                        min_members,
                        max_members,
                    }));
                }
                Branch::Object(objects) if !up => {
                    let list = self.listing(&objects, key, schema);
                    let is_objects = matches!(&list.items.values, Values::Branches(items) if !items.is_empty());
                    if !is_objects && list.max_items != Some(0) {
                        self.unfit(edit, &at.then(Segment::Values), "an object");
                    }
                    made.push(Branch::Array(list));
                }
                other => self.pass(&mut made, other, edit),
            }
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    /// Some elements have to be objects with a string to go by: with any other one the message is refused.
    fn elements_with_key(&mut self, items: &Schema, key: &str, edit: &Edit, at: &Pointer) {
        let inside = at.then(Segment::Each);
        let Values::Branches(branches) = &items.opened().values else { return };
        let objects: Vec<&Objects> = branches
            .iter()
            .filter_map(|item| if let Branch::Object(objects) = item { Some(objects) } else { None })
            .collect();
        if objects.is_empty() && !branches.is_empty() {
            self.unfit(edit, &inside, "an object");
            return;
        }
        let keys: Vec<Field> = objects.iter().filter_map(|objects| objects.listed(key)).collect();
        let place = inside.join(&Pointer::member(key));
        if keys.is_empty() && !objects.is_empty() {
            let names = objects.iter().flat_map(|objects| super::members::names(objects)).collect::<Vec<_>>();
            self.missing(edit, &place, &names);
        } else if !keys.iter().any(|field| field.schema.branches().iter().any(|one| matches!(one, Branch::String(_)))) {
            self.unfit(edit, &place, "a string");
        }
    }

    /// What stands there is never what the op needs.
    fn unfit(&mut self, edit: &Edit, at: &Pointer, wanted: &str) {
        let message = format!("{}: the value at \"{at}\" is never {wanted} in {}", edit.op.name(), self.source);
        self.error("op-type", at, message, "every message with such a value would be refused; take the op out");
    }

    /// The array of a map, each element with its name as a member.
    fn listing(&self, objects: &Objects, key: &str, schema: &Schema) -> Arrays {
        let mut values: Vec<Schema> = objects.fields.iter().map(|field| field.schema.clone()).collect();
        values.extend(unite::rest(&objects.rest, schema));
        let mut items = Vec::new();
        let mut inner = Schema::new(&schema.place, Values::Branches(Vec::new()));
        for value in &values {
            for branch in value.branches() {
                // Elements that are no objects are refused.
                let Branch::Object(element) = branch else { continue };
                let mut element = element.relaxed();
                let name = Schema::new(&value.place, Values::Branches(vec![Branch::String(Strings::default())]));
                element.put(Field { name: key.to_owned(), schema: name, required: true });
                unite::add(&mut items, Branch::Object(element));
            }
            inherit(&mut inner, value);
        }
        inner.values = Values::Branches(items);
        let required = objects.fields.iter().filter(|field| field.required).count() as u64;
        let most = match objects.rest {
            Rest::Closed => Some(objects.fields.len() as u64),
            Rest::Open | Rest::Each(_) => objects.max_members,
        };
        Arrays { items: Box::new(inner), min_items: objects.min_members.max(required), max_items: most, unique: true }
    }

    pub(super) fn drop_elements(
        &mut self,
        schema: &mut Schema,
        edit: &Edit,
        by: &[Name],
        keep: &[Literal],
        up: bool,
        at: &Pointer,
    ) -> Fate {
        let Some(branches) = self.arrays_of(schema, edit, at) else { return Fate::Kept };
        if up {
            return Fate::Kept;
        }
        let mut made = Vec::new();
        for branch in branches {
            let Branch::Array(mut arrays) = branch else {
                self.pass(&mut made, branch, edit);
                continue;
            };
            let items: Vec<Branch> = arrays
                .items
                .branches()
                .into_iter()
                .filter_map(|item| if let Branch::Object(objects) = item { kept(&objects, by, keep) } else { None })
                .map(Branch::Object)
                .collect();
            let mut inner = arrays.items.opened().into_owned();
            inner.values = Values::Branches(items);
            *arrays.items = inner;
            arrays.min_items = 0;
            made.push(Branch::Array(arrays));
        }
        schema.values = Values::Branches(made);
        Fate::Kept
    }

    fn arrays_of(&mut self, schema: &Schema, edit: &Edit, at: &Pointer) -> Option<Vec<Branch>> {
        self.of_kind(schema, edit, at, "an array", |branch| matches!(branch, Branch::Array(_)))
    }

    /// The branches of a value, one of which has to be of the kind the op works on.
    fn of_kind(
        &mut self,
        schema: &Schema,
        edit: &Edit,
        at: &Pointer,
        wanted: &str,
        fits: impl Fn(&Branch) -> bool,
    ) -> Option<Vec<Branch>> {
        let Values::Branches(branches) = &schema.values else {
            self.unknown(edit, at);
            return None;
        };
        if !branches.iter().any(fits) && !branches.is_empty() {
            let kinds: Vec<&str> = branches.iter().map(Branch::kind).collect();
            let message =
                format!("{}: in {} the value at \"{at}\" is {}", edit.op.name(), self.source, kinds.join(" or "));
            self.error("op-type", at, message, format!("the op works on {wanted}"));
        }
        Some(branches.clone())
    }

    fn pass(&self, made: &mut Vec<Branch>, branch: Branch, edit: &Edit) {
        if branch == Branch::Null || !edit.strict {
            unite::add(made, branch);
        }
    }
}

/// Takes the doubts of a schema over, without what they say.
fn inherit(schema: &mut Schema, from: &Schema) {
    for doubt in &from.opened().doubts {
        let mut doubt = doubt.clone();
        doubt.said = None;
        if !schema.doubts.contains(&doubt) {
            schema.doubts.push(doubt);
        }
    }
}

/// The objects whose tag is listed.
fn kept(objects: &Objects, by: &[Name], keep: &[Literal]) -> Option<Objects> {
    let (name, rest) = by.split_first()?;
    let field = objects.listed(name.as_str())?;
    let listed: Vec<serde_json::Value> =
        keep.iter().filter_map(|literal| serde_json::from_slice(literal.as_bytes()).ok()).collect();
    let mut branches = Vec::new();
    for branch in field.schema.branches() {
        match branch {
            Branch::Object(inner) if !rest.is_empty() => branches.extend(kept(&inner, rest, keep).map(Branch::Object)),
            _ if !rest.is_empty() => {}
            Branch::String(strings) => {
                let texts = listed.iter().filter_map(serde_json::Value::as_str).map(str::to_owned);
                let only: Vec<String> =
                    texts.filter(|text| strings.only.as_ref().is_none_or(|only| only.contains(text))).collect();
                if !only.is_empty() {
                    branches.push(Branch::String(Strings { only: Some(only), ..Strings::default() }));
                }
            }
            Branch::Number(numbers) => {
                let tags = listed
                    .iter()
                    .filter_map(|value| if let serde_json::Value::Number(n) = value { Some(n.clone()) } else { None });
                let only: Vec<_> = tags
                    .filter(|tag| {
                        numbers.only.as_ref().is_none_or(|only| only.iter().any(|known| same_number(known, tag)))
                    })
                    .collect();
                if !only.is_empty() {
                    branches.push(Branch::Number(Numbers {
                        integer: numbers.integer,
                        only: Some(only),
                        ..Numbers::default()
                    }));
                }
            }
            Branch::Boolean(_) => branches.push(branch),
            Branch::Null if listed.contains(&serde_json::Value::Null) => branches.push(branch),
            Branch::Null | Branch::Array(_) | Branch::Object(_) => {}
        }
    }
    if branches.is_empty() {
        return None;
    }
    let mut objects = objects.clone();
    let schema = Schema { values: Values::Branches(branches), ..field.schema.opened().into_owned() };
    objects.put(Field { schema, required: true, ..field });
    Some(objects)
}
