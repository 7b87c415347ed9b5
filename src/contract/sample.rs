//! Documents that a schema permits: deterministic, and fond of edges.

use fastrand::Rng;
use serde_json::{Map, Number, Value, json};

use super::{
    schema::{Arrays, Branch, Numbers, Objects, Rest, Schema, Strings, Values, is_integer},
    subtype::{Side, is_impossible, is_seen},
};

/// Levels below which only what has to be there is made.
const DEPTH_MAX: usize = 6;
/// Levels at which recursive schemas are given up.
const DEPTH_END: usize = 24;
/// A name that no document lists.
const UNLISTED: &str = "x-unlisted";

/// A source of documents.
#[derive(Debug)]
pub struct Sampler {
    rng: Rng,
    side: Side,
    /// Whether open objects get members that they do not list.
    strays: bool,
}

impl Sampler {
    /// The same seed gives the same documents.
    pub fn new(seed: u64, side: Side, strays: bool) -> Self {
        Self { rng: Rng::with_seed(seed), side, strays }
    }

    /// One document; none where none is found, such as for a pattern that nothing at hand matches.
    pub fn document(&mut self, schema: &Schema) -> Option<Value> {
        self.value(schema, 0)
    }

    fn value(&mut self, schema: &Schema, depth: usize) -> Option<Value> {
        if depth > DEPTH_END {
            return None;
        }
        let opened = schema.opened();
        let Values::Branches(branches) = &opened.values else {
            let any = [json!(null), json!(true), json!(7), json!("any"), json!([1]), json!({"any": 1})];
            return Some(self.one_of(&any));
        };
        let mut order: Vec<&Branch> = branches.iter().collect();
        self.rng.shuffle(&mut order);
        if depth > DEPTH_MAX {
            // Scalars end what would not end otherwise.
            order.sort_by_key(|branch| matches!(branch, Branch::Array(_) | Branch::Object(_)));
        }
        order.into_iter().find_map(|branch| self.branch(branch, depth))
    }

    fn branch(&mut self, branch: &Branch, depth: usize) -> Option<Value> {
        match branch {
            Branch::Null => Some(Value::Null),
            Branch::Boolean(booleans) => Some(booleans.only.unwrap_or_else(|| self.rng.bool()).into()),
            Branch::Number(numbers) => self.number(numbers),
            Branch::String(strings) => self.string(strings),
            Branch::Array(arrays) => self.array(arrays, depth),
            Branch::Object(objects) => self.object(objects, depth),
        }
    }

    fn number(&mut self, numbers: &Numbers) -> Option<Value> {
        if let Some(only) = &numbers.only {
            return Some(Value::Number(self.one_of(only)));
        }
        let step = numbers.multiple_of.unwrap_or(if numbers.integer { 1.0 } else { 0.25 });
        let mut candidates = vec![0.0, 1.0, -1.0, 7.0, 1000.0, -250.0, 9_007_199_254_740_991.0];
        if !numbers.integer {
            candidates.extend([0.5, -2.75, 12.5]);
        }
        for bound in [numbers.min, numbers.max].into_iter().flatten() {
            candidates.extend([
                bound.value,
                bound.value + step,
                bound.value - step,
                (bound.value / step).ceil() * step,
            ]);
        }
        if let Some(step) = numbers.multiple_of {
            candidates.extend([step, step * 3.0, step * -2.0]);
        }
        let whole = |value: f64| value.fract() == 0.0 && value.abs() < 9.1e15;
        // Three times 0.1 is 0.3 to whoever writes it down.
        let decimals =
            numbers.multiple_of.map(|step| step.to_string()).and_then(|text| Some(text.split_once('.')?.1.len()));
        let rounded = |value: f64| match decimals {
            Some(decimals) => format!("{value:.decimals$}").parse().unwrap_or(value),
            None => value,
        };
        let number = |value: f64| {
            let value = rounded(value);
            if whole(value) { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
        };
        let fitting: Vec<Number> =
            candidates.into_iter().filter_map(number).filter(|number| numbers.admits(number)).collect();
        let fitting: Vec<Number> =
            fitting.into_iter().filter(|number| !numbers.integer || is_integer(number)).collect();
        (!fitting.is_empty()).then(|| Value::Number(self.one_of(&fitting)))
    }

    fn string(&mut self, strings: &Strings) -> Option<Value> {
        let at_hand = [
            "",
            "a",
            "7",
            "-12",
            "0.5",
            "true",
            "é",
            "x y",
            "a-b",
            "a:b",
            "null",
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "00000000-0000-4000-8000-000000000000",
            "a@example.com",
            "https://example.com/",
            "ABC",
            "abc123",
            "\"\\\n",
        ];
        let mut candidates: Vec<String> = match &strings.only {
            Some(only) => only.clone(),
            None => at_hand.iter().map(|text| (*text).to_owned()).collect(),
        };
        if strings.only.is_none() {
            let shortest = usize::try_from(strings.min_length.min(10_000)).unwrap_or(0);
            let longest =
                usize::try_from(strings.max_length.unwrap_or(strings.min_length + 3).min(10_000)).unwrap_or(0);
            candidates.extend(["é".repeat(shortest), "x".repeat(longest), "7".repeat(shortest.max(1))]);
        }
        let patterns: Option<Vec<regex::Regex>> =
            strings.patterns.iter().map(|pattern| regex::Regex::new(pattern).ok()).collect();
        let patterns = patterns?;
        candidates.retain(|text| {
            let length = text.chars().count() as u64;
            let fits = length >= strings.min_length && strings.max_length.is_none_or(|max| length <= max);
            fits && patterns.iter().all(|pattern| pattern.is_match(text))
        });
        (!candidates.is_empty()).then(|| Value::String(self.one_of(&candidates)))
    }

    fn array(&mut self, arrays: &Arrays, depth: usize) -> Option<Value> {
        let more = if depth > DEPTH_MAX { 0 } else { self.rng.u64(0..3) };
        let wanted = (arrays.min_items + more).min(arrays.max_items.unwrap_or(u64::MAX)).min(1000);
        let mut items: Vec<Value> = Vec::new();
        let mut tries = 0;
        while (items.len() as u64) < wanted && tries < wanted * 4 + 8 {
            tries += 1;
            match self.value(&arrays.items, depth + 1) {
                Some(item) if arrays.unique && items.contains(&item) => {}
                Some(item) => items.push(item),
                None => break,
            }
        }
        (items.len() as u64 >= arrays.min_items).then_some(Value::Array(items))
    }

    fn object(&mut self, objects: &Objects, depth: usize) -> Option<Value> {
        let mut members = Map::new();
        for field in &objects.fields {
            if is_impossible(&field.schema) || !is_seen(&field.schema.opened().notes, self.side) {
                if field.required && is_impossible(&field.schema) {
                    return None;
                }
                continue;
            }
            let wanted = field.required || (depth <= DEPTH_MAX && self.rng.bool());
            if !wanted {
                continue;
            }
            match self.value(&field.schema, depth + 1) {
                Some(value) => drop(members.insert(field.name.clone(), value)),
                None if field.required => return None,
                None => {}
            }
        }
        let room = |members: &Map<String, Value>| objects.max_members.is_none_or(|max| (members.len() as u64) < max);
        match &objects.rest {
            Rest::Each(schema) => {
                for name in ["one", "two"] {
                    if objects.field(name).is_none() && room(&members) && self.rng.bool() {
                        members.extend(self.value(schema, depth + 1).map(|value| (name.to_owned(), value)));
                    }
                }
            }
            Rest::Open if self.strays && room(&members) && self.rng.u8(0..4) == 0 => {
                members.insert(UNLISTED.to_owned(), json!([1, {"a": null}]));
            }
            Rest::Open | Rest::Closed => {}
        }
        // Optional members make up for what is missing.
        for field in &objects.fields {
            if (members.len() as u64) < objects.min_members && !members.contains_key(&field.name) {
                members.extend(self.value(&field.schema, depth + 1).map(|value| (field.name.clone(), value)));
            }
        }
        let count = members.len() as u64;
        let fits = count >= objects.min_members && objects.max_members.is_none_or(|max| count <= max);
        fits.then_some(Value::Object(members))
    }

    fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.rng.usize(0..values.len())].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{read::testing::schema, render::standalone};

    #[test]
    fn multiples_of_a_decimal_are_written_as_people_write_them() {
        let schema = schema("{type: number, multipleOf: 0.1, minimum: 0, maximum: 1}");
        let mut sampler = Sampler::new(1, Side::Request, true);
        let made: Vec<Value> = (0..40).filter_map(|_| sampler.document(&schema)).collect();
        assert!(made.contains(&json!(0.3)));
        assert!(made.iter().all(|value| value.to_string().len() <= 3), "{made:?}");
    }

    #[test]
    fn what_is_made_is_valid_and_the_same_every_time() {
        for text in [
            "{type: [string, 'null'], minLength: 2, maxLength: 4}",
            "{type: integer, minimum: 3, exclusiveMaximum: 5}",
            "{type: number, multipleOf: 0.5, minimum: -1}",
            "{type: number, multipleOf: 0.1, minimum: 0.3}",
            "{type: string, pattern: '^[0-9]+$'}",
            "{type: array, items: {enum: [a, b, c]}, minItems: 2, uniqueItems: true}",
            "{type: object, required: [a], properties: {a: {const: 7}, b: {type: boolean}}, additionalProperties: {type: integer}, minProperties: 2}",
            "{type: object, required: [a], properties: {a: {}, b: {}, c: {}}, additionalProperties: false, maxProperties: 2, minProperties: 2}",
        ] {
            let schema = schema(text);
            let validator = jsonschema::validator_for(&standalone(&schema)).expect("a schema");
            let documents = |seed| {
                let mut sampler = Sampler::new(seed, Side::Request, true);
                (0..40).filter_map(|_| sampler.document(&schema)).collect::<Vec<Value>>()
            };
            let made = documents(1);
            assert!(made.len() > 20, "{text}: {made:?}");
            made.iter().for_each(|value| assert!(validator.is_valid(value), "{value} under {text}"));
            assert_eq!(made, documents(1));
        }
    }
}
