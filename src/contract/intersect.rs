//! What two schemas both permit: `allOf`, and keywords beside a union.

use serde_json::Number;

use super::schema::{
    Arrays, Booleans, Bound, Branch, Doubt, Field, Numbers, Objects, Rest, Schema, Strings, Values, same_number,
};

/// Levels that are compared; deeper ones (of recursive schemas) stay as the first side has them, with a doubt.
const DEPTH_MAX: usize = 8;

/// What both permit; notes of `a` go before those of `b`.
pub fn schemas(a: &Schema, b: &Schema) -> Schema {
    within(a, b, DEPTH_MAX)
}

fn within(a: &Schema, b: &Schema, depth: usize) -> Schema {
    let mut doubts = a.doubts.clone();
    doubts.extend(b.doubts.iter().filter(|doubt| !a.doubts.contains(doubt)).cloned());
    let notes = a.notes.before(&b.notes);
    let keep = |values: &Values| Schema {
        place: a.place.clone(),
        values: values.clone(),
        doubts: doubts.clone(),
        notes: notes.clone(),
    };
    match (&a.values, &b.values) {
        (values, Values::Any) | (Values::Any, values) => return keep(values),
        (Values::Ref(one), Values::Ref(other)) if one.is_same(other) => return keep(&a.values),
        _ => {}
    }
    if depth == 0 {
        return keep(&a.values).doubting("allOf", &b.place);
    }
    let (opened_a, opened_b) = (a.opened(), b.opened());
    let (Values::Branches(left), Values::Branches(right)) = (&opened_a.values, &opened_b.values) else {
        let values = if matches!(opened_a.values, Values::Any) { &opened_b.values } else { &opened_a.values };
        let mut kept = keep(values);
        absorb(&mut kept.doubts, &opened_a.doubts);
        absorb(&mut kept.doubts, &opened_b.doubts);
        return kept;
    };
    let both = left.iter().flat_map(|a| right.iter().filter_map(move |b| branches(a, b, depth)));
    let mut merged = keep(&Values::Branches(both.collect()));
    absorb(&mut merged.doubts, &opened_a.doubts);
    absorb(&mut merged.doubts, &opened_b.doubts);
    merged.notes = opened_a.notes.before(&opened_b.notes);
    merged
}

fn absorb(doubts: &mut Vec<Doubt>, more: &[Doubt]) {
    for doubt in more {
        if !doubts.contains(doubt) {
            doubts.push(doubt.clone());
        }
    }
}

/// What both branches permit; none where that is nothing.
fn branches(a: &Branch, b: &Branch, depth: usize) -> Option<Branch> {
    Some(match (a, b) {
        (Branch::Null, Branch::Null) => Branch::Null,
        (Branch::Boolean(a), Branch::Boolean(b)) => Branch::Boolean(booleans(a, b)?),
        (Branch::Number(a), Branch::Number(b)) => Branch::Number(numbers(a, b)?),
        (Branch::String(a), Branch::String(b)) => Branch::String(strings(a, b)?),
        (Branch::Array(a), Branch::Array(b)) => Branch::Array(arrays(a, b, depth)?),
        (Branch::Object(a), Branch::Object(b)) => Branch::Object(objects(a, b, depth)?),
        _ => return None,
    })
}

fn booleans(a: &Booleans, b: &Booleans) -> Option<Booleans> {
    match (a.only, b.only) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => Some(Booleans { only: one.or(other) }),
    }
}

fn numbers(a: &Numbers, b: &Numbers) -> Option<Numbers> {
    let tighter = |a: Option<Bound>, b: Option<Bound>, lower: bool| match (a, b) {
        (Some(a), Some(b)) if a.value == b.value => {
            Some(Bound { value: a.value, exclusive: a.exclusive || b.exclusive })
        }
        (Some(a), Some(b)) => Some(if (a.value > b.value) == lower { a } else { b }),
        (one, other) => one.or(other),
    };
    let multiple_of = match (a.multiple_of, b.multiple_of) {
        // The least common multiple of two that are not multiples of each other is not worth its while here.
        (Some(a), Some(b)) => Some(if (a / b).fract() == 0.0 { a } else { b }),
        (one, other) => one.or(other),
    };
    let merged = Numbers {
        integer: a.integer || b.integer,
        min: tighter(a.min, b.min, true),
        max: tighter(a.max, b.max, false),
        multiple_of,
        format: a.format.clone().or_else(|| b.format.clone()),
        only: common(a.only.as_deref(), b.only.as_deref(), same_number),
    };
    merged.settled()
}

fn strings(a: &Strings, b: &Strings) -> Option<Strings> {
    let mut patterns = a.patterns.clone();
    patterns.extend(b.patterns.iter().filter(|pattern| !a.patterns.contains(pattern)).cloned());
    let merged = Strings {
        min_length: a.min_length.max(b.min_length),
        max_length: least(a.max_length, b.max_length),
        patterns,
        format: a.format.clone().or_else(|| b.format.clone()),
        only: common(a.only.as_deref(), b.only.as_deref(), String::eq),
    };
    merged.settled()
}

fn arrays(a: &Arrays, b: &Arrays, depth: usize) -> Option<Arrays> {
    let merged = Arrays {
        items: Box::new(within(&a.items, &b.items, depth - 1)),
        min_items: a.min_items.max(b.min_items),
        max_items: least(a.max_items, b.max_items),
        unique: a.unique || b.unique,
    };
    merged.max_items.is_none_or(|max| max >= merged.min_items).then_some(merged)
}

fn objects(a: &Objects, b: &Objects, depth: usize) -> Option<Objects> {
    let mut fields = Vec::new();
    for field in &a.fields {
        fields.extend(met(field, b, depth)?);
    }
    for field in b.fields.iter().filter(|field| a.field(&field.name).is_none()) {
        fields.extend(met(field, a, depth)?);
    }
    let rest = match (&a.rest, &b.rest) {
        (Rest::Closed, _) | (_, Rest::Closed) => Rest::Closed,
        (Rest::Open, rest) | (rest, Rest::Open) => rest.clone(),
        (Rest::Each(a), Rest::Each(b)) => Rest::Each(Box::new(within(a, b, depth - 1))),
    };
    let merged = Objects {
        fields,
        rest,
        min_members: a.min_members.max(b.min_members),
        max_members: least(a.max_members, b.max_members),
    };
    merged.max_members.is_none_or(|max| max >= merged.min_members).then_some(merged)
}

/// A field as the other side has it, too: nothing inside if there is no such member, none if there has to be one.
fn met(field: &Field, other: &Objects, depth: usize) -> Option<Option<Field>> {
    let Some(schema) = other.member(&field.name, &field.schema.place) else {
        return if field.required { None } else { Some(None) };
    };
    let schema = within(&field.schema, &schema, depth - 1);
    let required = field.required || other.field(&field.name).is_some_and(|field| field.required);
    let impossible = matches!(&schema.values, Values::Branches(branches) if branches.is_empty());
    match (impossible, required) {
        (true, true) => None,
        // The field stays with a schema that permits nothing: the rest of an open object must not let it in again.
        _ => Some(Some(Field { name: field.name.clone(), schema, required })),
    }
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

fn common<T: Clone>(a: Option<&[T]>, b: Option<&[T]>, same: impl Fn(&T, &T) -> bool) -> Option<Vec<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.iter().filter(|one| b.iter().any(|other| same(one, other))).cloned().collect()),
        (one, other) => one.or(other).map(<[T]>::to_vec),
    }
}

impl Numbers {
    /// With the listed numbers held against the bounds; none if none is left.
    pub(super) fn settled(mut self) -> Option<Self> {
        let Some(only) = self.only.take() else {
            let empty = match (self.min, self.max) {
                (Some(min), Some(max)) => {
                    min.value > max.value || (min.value == max.value && (min.exclusive || max.exclusive))
                }
                _ => false,
            };
            return (!empty).then_some(self);
        };
        let left: Vec<Number> = only.into_iter().filter(|number| self.admits(number)).collect();
        let integer = left.iter().all(super::schema::is_integer);
        let format = self.format;
        (!left.is_empty()).then_some(Self { integer, format, only: Some(left), ..Self::default() })
    }

    /// Whether a number is within the bounds.
    pub fn admits(&self, number: &Number) -> bool {
        let Some(value) = number.as_f64() else { return false };
        let above = self.min.is_none_or(|min| value > min.value || (value == min.value && !min.exclusive));
        let below = self.max.is_none_or(|max| value < max.value || (value == max.value && !max.exclusive));
        let whole = !self.integer || super::schema::is_integer(number);
        let multiple = self.multiple_of.is_none_or(|step| ((value / step) - (value / step).round()).abs() < 1e-9);
        let listed = self.only.as_ref().is_none_or(|only| only.iter().any(|known| same_number(known, number)));
        above && below && whole && multiple && listed
    }
}

impl Strings {
    /// With the listed strings held against the lengths; none if none is left.
    pub(super) fn settled(mut self) -> Option<Self> {
        let Some(only) = self.only.take() else {
            return self.max_length.is_none_or(|max| max >= self.min_length).then_some(self);
        };
        let fits = |text: &String| {
            let length = text.chars().count() as u64;
            length >= self.min_length && self.max_length.is_none_or(|max| length <= max)
        };
        let left: Vec<String> = only.into_iter().filter(fits).collect();
        (!left.is_empty()).then_some(Self { only: Some(left), min_length: 0, max_length: None, ..self })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::contract::read::testing::{render, schema};

    #[test]
    fn all_of_permits_what_every_part_permits() {
        let merged = schema(
            "allOf:
             - {type: object, required: [a], properties: {a: {type: string, minLength: 1}, b: {}}}
             - {type: object, required: [b], properties: {a: {type: string, maxLength: 3}, b: {type: [integer, 'null']}}}",
        );
        assert_eq!(
            render(&merged),
            json!({"type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "string", "minLength": 1, "maxLength": 3},
                "b": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            }})
        );
    }

    #[test]
    fn a_closed_part_forbids_what_another_one_names() {
        let merged = schema(
            "allOf:
             - {type: object, additionalProperties: false, properties: {a: {type: string}}}
             - {type: object, properties: {a: {}, b: {type: string}}}",
        );
        assert_eq!(
            render(&merged),
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false})
        );
        let nothing = schema(
            "allOf:
             - {type: object, additionalProperties: false, properties: {a: {type: string}}}
             - {type: object, required: [b]}",
        );
        assert_eq!(render(&nothing), json!(false));
    }

    #[test]
    fn listed_values_are_held_against_the_bounds() {
        assert_eq!(
            render(&schema("{type: integer, enum: [1, 2.0, 3.5, 9], maximum: 5}")),
            json!({"type": "integer", "enum": [1, 2.0]})
        );
        assert_eq!(
            render(&schema("{type: string, enum: [a, bb], minLength: 2}")),
            json!({"type": "string", "enum": ["bb"]})
        );
        assert_eq!(
            render(&schema("{enum: [a, 1, null]}")),
            json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer", "enum": [1]}, {"type": "null"}]})
        );
        assert_eq!(render(&schema("{type: number, minimum: 3, maximum: 2}")), json!(false));
    }

    #[test]
    fn keywords_beside_a_union_hold_for_every_branch() {
        let merged =
            schema("{type: object, properties: {a: {type: string}}, oneOf: [{required: [a]}, {required: [b]}]}");
        let branches = merged.branches();
        assert_eq!(branches.len(), 2);
        assert_eq!(merged.doubts.len(), 1, "an object with both is valid under none: {:?}", merged.doubts);
    }
}
