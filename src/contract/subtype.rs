//! Whether every value of one schema is valid under another: yes, no with reasons, or unknown.

use std::cell::RefCell;

pub use super::mismatch::{Misfit, Mismatch};
use super::{
    bounds,
    schema::{Arrays, Branch, Field, Notes, Numbers, Objects, Reference, Rest, Schema, Strings, Values},
};
use crate::{
    adaptation::pointer::{Name, Pointer, Segment},
    config::finding::Place,
};

/// Whether a value is sent or received: `readOnly` members are not in requests, `writeOnly` ones not in responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// A request body.
    Request,
    /// A response body.
    Response,
}

/// The answer, without its reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every value of the source is valid under the target.
    Yes,
    /// Some value is not.
    No,
    /// It cannot be told.
    Unknown,
}

/// The answer to [`mismatches`].
pub fn answer(source: &Schema, target: &Schema, side: Side) -> Answer {
    let found = mismatches(source, target, side);
    let plain = |mismatch: &Mismatch| {
        mismatch.certain && !matches!(mismatch.reason, Misfit::Ambiguous | Misfit::Doubt(_) | Misfit::Bound(_))
    };
    match found.as_slice() {
        [] => Answer::Yes,
        found if found.iter().any(plain) => Answer::No,
        _ => Answer::Unknown,
    }
}

/// Every reason why a value that is valid under `source` may be invalid under `target`; none: it never is.
///
/// Members that an open source does not name are taken not to bear names that the target knows. `format` says
/// nothing about validity.
pub fn mismatches(source: &Schema, target: &Schema, side: Side) -> Vec<Mismatch> {
    let comparison = Comparison { side, assumed: RefCell::default() };
    let at =
        Spot { pointer: Pointer::default(), certain: true, source: source.place.clone(), target: target.place.clone() };
    let mut found = Vec::new();
    comparison.schemas(source, target, &at, &mut found);
    found
}

struct Comparison {
    side: Side,
    /// Pairs of definitions that are being compared: met again inside of themselves they hold if the rest does.
    assumed: RefCell<Vec<(Reference, Reference)>>,
}

/// Where a comparison stands.
#[derive(Clone)]
struct Spot {
    pointer: Pointer,
    certain: bool,
    source: Place,
    target: Place,
}

impl Spot {
    fn inside(&self, segment: Segment) -> Self {
        Self { pointer: self.pointer.then(segment), ..self.clone() }
    }

    fn misfit(&self, reason: Misfit) -> Mismatch {
        Mismatch {
            pointer: self.pointer.clone(),
            reason,
            certain: self.certain,
            target: self.target.clone(),
            source: self.source.clone(),
        }
    }
}

impl Comparison {
    fn schemas(&self, source: &Schema, target: &Schema, at: &Spot, found: &mut Vec<Mismatch>) {
        if let (Values::Ref(one), Values::Ref(other)) = (&source.values, &target.values) {
            if one.is_same(other) {
                return;
            }
            let pair = (one.clone(), other.clone());
            let known = |(a, b): &(Reference, Reference)| a.is_same(one) && b.is_same(other);
            if self.assumed.borrow().iter().any(known) {
                return;
            }
            self.assumed.borrow_mut().push(pair);
        }
        let (source, target) = (source.opened(), target.opened());
        let at = Spot {
            pointer: at.pointer.clone(),
            certain: at.certain && source.doubts.is_empty(),
            source: source.place.clone(),
            target: target.place.clone(),
        };
        for doubt in &target.doubts {
            let kept = doubt.said.is_some()
                && source.doubts.iter().any(|known| known.keyword == doubt.keyword && known.said == doubt.said);
            if !kept {
                found.push(at.misfit(Misfit::Doubt(doubt.keyword.clone())));
            }
        }
        let Values::Branches(permitted) = &target.values else { return };
        let mut each = |branch: &Branch| self.branch(branch, permitted, &at, found);
        match &source.values {
            Values::Branches(branches) => branches.iter().for_each(&mut each),
            Values::Any | Values::Ref(_) => Branch::all(&source.place).iter().for_each(&mut each),
        }
    }

    fn branch(&self, source: &Branch, permitted: &[Branch], at: &Spot, found: &mut Vec<Mismatch>) {
        let alike: Vec<&Branch> = permitted.iter().filter(|target| source.is_alike(target)).collect();
        match alike.as_slice() {
            [] if *source == Branch::Null => found.push(at.misfit(Misfit::Null)),
            [] => {
                let mut kinds: Vec<&'static str> = permitted.iter().map(Branch::kind).collect();
                kinds.dedup();
                found.push(at.misfit(Misfit::Kind { found: source.kind(), permitted: kinds }));
            }
            [one] => self.pair(source, one, at, found),
            several => self.choose(source, several, at, found),
        }
    }

    /// One branch of the target has to take all of the source's branch, or each of its listed values one of them.
    fn choose(&self, source: &Branch, targets: &[&Branch], at: &Spot, found: &mut Vec<Mismatch>) {
        if is_void(source) {
            return;
        }
        let possible: Vec<&Branch> = targets.iter().copied().filter(|target| !source.is_disjoint(target)).collect();
        for target in &possible {
            let mut tried = Vec::new();
            self.pair(source, target, at, &mut tried);
            if tried.is_empty() {
                return;
            }
        }
        match (possible.as_slice(), parts(source)) {
            ([], _) => found.push(at.misfit(Misfit::Ambiguous)),
            ([one], _) => self.pair(source, one, at, found),
            (_, Some(parts)) => parts.iter().for_each(|part| self.choose(part, &possible, at, found)),
            _ => found.push(at.misfit(Misfit::Ambiguous)),
        }
    }

    fn pair(&self, source: &Branch, target: &Branch, at: &Spot, found: &mut Vec<Mismatch>) {
        match (source, target) {
            (Branch::Boolean(source), Branch::Boolean(target)) => {
                if let Some(only) = target.only.filter(|_| source.only != target.only) {
                    found.push(at.misfit(Misfit::Unlisted(vec![(!only).to_string()])));
                }
            }
            (Branch::Number(source), Branch::Number(target)) => {
                let mut misfits = Vec::new();
                bounds::numbers(source, target, &mut misfits);
                found.extend(misfits.into_iter().map(|misfit| at.misfit(misfit)));
            }
            (Branch::String(source), Branch::String(target)) => {
                let mut misfits = Vec::new();
                bounds::strings(source, target, &mut misfits);
                found.extend(misfits.into_iter().map(|misfit| at.misfit(misfit)));
            }
            (Branch::Array(source), Branch::Array(target)) => self.arrays(source, target, at, found),
            (Branch::Object(source), Branch::Object(target)) => self.objects(source, target, at, found),
            _ => {}
        }
    }

    fn arrays(&self, source: &Arrays, target: &Arrays, at: &Spot, found: &mut Vec<Mismatch>) {
        if source.min_items < target.min_items {
            found.push(at.misfit(Misfit::Bound(format!("minItems {}", target.min_items))));
        }
        if let Some(max) = target.max_items.filter(|max| source.max_items.is_none_or(|own| own > *max)) {
            found.push(at.misfit(Misfit::Bound(format!("maxItems {max}"))));
        }
        if target.unique && !source.unique && source.max_items.is_none_or(|max| max > 1) {
            found.push(at.misfit(Misfit::Bound("uniqueItems".to_owned())));
        }
        if source.max_items != Some(0) {
            self.schemas(&source.items, &target.items, &at.inside(Segment::Each), found);
        }
    }

    fn objects(&self, source: &Objects, target: &Objects, at: &Spot, found: &mut Vec<Mismatch>) {
        let named = |name: &str| at.inside(Segment::Name(Name::new(name)));
        for field in &target.fields {
            let at = named(&field.name);
            let own = source.field(&field.name).filter(|own| !is_impossible(&own.schema));
            // Where it has to be there and cannot be, there is no object that lacks it.
            if self.is_required(field) && !source.field(&field.name).is_some_and(|own| self.is_required(own)) {
                let at = Spot { target: field.schema.place.clone(), ..at.clone() };
                found.push(at.misfit(Misfit::Missing));
            }
            match (own, &source.rest) {
                (Some(own), _) => self.schemas(&own.schema, &field.schema, &at, found),
                (None, Rest::Each(schema)) if source.field(&field.name).is_none() => {
                    self.schemas(schema, &field.schema, &at, found);
                }
                (None, _) => {}
            }
        }
        let unknown = |field: &&Field| target.field(&field.name).is_none() && !is_impossible(&field.schema);
        for field in source.fields.iter().filter(unknown) {
            match &target.rest {
                Rest::Open => {}
                Rest::Closed => found.push(named(&field.name).misfit(Misfit::Extra(Some(field.name.clone())))),
                Rest::Each(schema) => self.schemas(&field.schema, schema, &named(&field.name), found),
            }
        }
        match (&source.rest, &target.rest) {
            (Rest::Closed, _) | (_, Rest::Open) => {}
            (_, Rest::Closed) => found.push(at.misfit(Misfit::Extra(None))),
            (Rest::Each(source), Rest::Each(target)) => {
                self.schemas(source, target, &at.inside(Segment::Values), found)
            }
            (Rest::Open, Rest::Each(target)) => {
                self.schemas(&Schema::any(&at.source), target, &at.inside(Segment::Values), found);
            }
        }
        self.counts(source, target, at, found);
    }

    fn counts(&self, source: &Objects, target: &Objects, at: &Spot, found: &mut Vec<Mismatch>) {
        let required = source.fields.iter().filter(|field| self.is_required(field)).count() as u64;
        if source.min_members.max(required) < target.min_members {
            found.push(at.misfit(Misfit::Bound(format!("minProperties {}", target.min_members))));
        }
        let named = source.fields.iter().filter(|field| !is_impossible(&field.schema)).count() as u64;
        let most = match (source.max_members, &source.rest) {
            (Some(max), Rest::Closed) => Some(max.min(named)),
            (None, Rest::Closed) => Some(named),
            (max, _) => max,
        };
        if let Some(max) = target.max_members.filter(|max| most.is_none_or(|most| most > *max)) {
            found.push(at.misfit(Misfit::Bound(format!("maxProperties {max}"))));
        }
    }

    /// Whether a field has to be there on this side.
    fn is_required(&self, field: &Field) -> bool {
        field.required && is_seen(&field.schema.opened().notes, self.side)
    }
}

/// Whether members with these notes travel on this side.
pub fn is_seen(notes: &Notes, side: Side) -> bool {
    match side {
        Side::Request => !notes.read_only,
        Side::Response => !notes.write_only,
    }
}

/// Whether nothing is valid: such a field is never there.
pub fn is_impossible(schema: &Schema) -> bool {
    matches!(&schema.opened().values, Values::Branches(branches) if branches.is_empty())
}

/// Whether something has to be there that cannot be: there is no such object.
fn is_void(branch: &Branch) -> bool {
    matches!(branch, Branch::Object(objects) if objects.fields.iter().any(|field| field.required && is_impossible(&field.schema)))
}

/// A branch cut by the values it lists, or by those of one of its members; none if there is nothing to cut.
fn parts(branch: &Branch) -> Option<Vec<Branch>> {
    match branch {
        Branch::String(strings) => {
            let texts = strings.only.as_ref().filter(|texts| texts.len() > 1)?;
            let one = |text: &String| Branch::String(Strings { only: Some(vec![text.clone()]), ..strings.clone() });
            Some(texts.iter().map(one).collect())
        }
        Branch::Number(numbers) => {
            let listed = numbers.only.as_ref().filter(|listed| listed.len() > 1)?;
            let one = |number: &serde_json::Number| {
                Branch::Number(Numbers { only: Some(vec![number.clone()]), ..numbers.clone() })
            };
            Some(listed.iter().map(one).collect())
        }
        Branch::Object(objects) => {
            objects.fields.iter().enumerate().filter(|(_, field)| field.required).find_map(|(index, field)| {
                let branches = field.schema.branches();
                let pieces: Vec<Branch> = match branches.as_slice() {
                    [one @ Branch::String(_)] => parts(one)?,
                    several if several.len() > 1 => several.to_vec(),
                    _ => return None,
                };
                let one = |piece: Branch| {
                    let mut objects = objects.clone();
                    let schema = Schema { values: Values::Branches(vec![piece]), ..field.schema.opened().into_owned() };
                    objects.fields[index] = Field { schema, ..field.clone() };
                    Branch::Object(objects)
                };
                Some(pieces.into_iter().map(one).collect())
            })
        }
        Branch::Null | Branch::Boolean(_) | Branch::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::read::testing::schema;

    fn compare(source: &str, target: &str) -> Vec<String> {
        let found = mismatches(&schema(source), &schema(target), Side::Response);
        found.iter().map(|m| format!("{}: {}", m.pointer, m.reason)).collect()
    }

    #[track_caller]
    fn fits(source: &str, target: &str) {
        assert_eq!(compare(source, target), [] as [&str; 0], "{source} under {target}");
    }

    #[track_caller]
    fn misfit(source: &str, target: &str, expected: &str) {
        assert_eq!(compare(source, target), [expected], "{source} under {target}");
    }

    #[test]
    fn scalars_fit_where_their_bounds_are_kept() {
        fits("{type: integer}", "{type: number}");
        misfit("{type: number}", "{type: integer}", ": may be number and has to be integer");
        fits("{type: integer, minimum: 3}", "{type: integer, exclusiveMinimum: 2}");
        misfit("{type: integer, minimum: 2}", "{type: integer, exclusiveMinimum: 2}", ": may break exclusiveMinimum 2");
        fits("{type: integer}", "{type: number, multipleOf: 0.5}");
        fits("{type: string, enum: [a]}", "{type: string, enum: [b, a]}");
        misfit("{type: string, enum: [a, c]}", "{type: string, enum: [b, a]}", ": may be \"c\", which is not listed");
        misfit("{type: string}", "{type: string, enum: [a]}", ": may be anything, and only \"a\" are listed");
        misfit("{type: string}", "{type: string, maxLength: 3}", ": may break maxLength 3");
        fits("{type: string, enum: [abc]}", "{type: string, maxLength: 3, pattern: '^a'}");
        misfit("{type: [string, 'null']}", "{type: string}", ": may be null and must not be");
        fits("{type: string}", "{anyOf: [{type: 'null'}, {type: string}]}");
        fits("{}", "{}");
        misfit("{type: boolean}", "{const: true}", ": may be false, which is not listed");
    }

    #[test]
    fn objects_fit_by_their_members() {
        fits(
            "{type: object, required: [a, b], properties: {a: {type: string}, b: {}}}",
            "{type: object, required: [a], properties: {a: {type: string}}}",
        );
        misfit(
            "{type: object, properties: {a: {type: string}}}",
            "{type: object, required: [a], properties: {a: {type: string}}}",
            "/a: may be absent and is required",
        );
        misfit(
            "{type: object, properties: {a: {type: string}}, additionalProperties: false}",
            "{type: object, additionalProperties: false}",
            "/a: may be there and is not permitted",
        );
        misfit(
            "{type: object}",
            "{type: object, additionalProperties: false}",
            ": may have members of any name, and only listed ones are permitted",
        );
        misfit(
            "{type: object, additionalProperties: {type: string}}",
            "{type: object, additionalProperties: {type: integer}}",
            "/{}: may be string and has to be integer",
        );
        misfit(
            "{type: array, items: {type: string}}",
            "{type: array, items: {type: integer}}",
            "/[]: may be string and has to be integer",
        );
    }

    #[test]
    fn a_union_is_taken_apart_by_what_tells_its_branches_apart() {
        let target = "oneOf:
          - {type: object, required: [kind, x], properties: {kind: {const: a}, x: {type: string}}}
          - {type: object, required: [kind], properties: {kind: {const: b}}}";
        fits("{type: object, required: [kind, x], properties: {kind: {enum: [a, b]}, x: {type: string}}}", target);
        misfit(
            "{type: object, required: [kind], properties: {kind: {enum: [a, b]}}}",
            target,
            "/x: may be absent and is required",
        );
        misfit(
            "{type: object, required: [kind], properties: {kind: {const: c}}}",
            target,
            ": fits none of several alternatives for sure",
        );
        let void = "anyOf: [{type: object, required: [z], additionalProperties: false}, {type: object, required: [x], properties: {x: {}}}, {type: object, required: [y], properties: {y: {}}}]";
        fits(void, void);
        let impossible = "{type: object, required: [z], additionalProperties: false}";
        fits(impossible, impossible);
        let doubtful = "{oneOf: [{type: object, properties: {a: {}}}, {type: object, properties: {b: {}}}]}";
        misfit("{type: object}", doubtful, ": is held against oneOf, which is not followed");
    }

    #[test]
    fn what_is_not_followed_holds_only_where_both_say_the_same() {
        let even = "{type: integer, not: {const: 0}}";
        fits(even, even);
        misfit("{type: integer}", even, ": is held against not, which is not followed");
        let uncertain = mismatches(
            &schema("{type: [string, integer], not: {type: string}}"),
            &schema("{type: integer}"),
            Side::Request,
        );
        assert!(!uncertain[0].certain);
    }

    #[test]
    fn what_is_not_followed_says_the_same_only_with_all_that_decides_what_it_says() {
        let same = |text: &str| fits(text, text);
        let doubtful = |source: &str, target: &str, keyword: &str| {
            let found = compare(source, target);
            let expected = format!("is held against {keyword}, which is not followed");
            assert!(found.iter().any(|reason| reason.ends_with(&expected)), "{source} under {target}: {found:?}");
        };
        for (source, target, keyword) in [
            ("{if: {type: string}, then: {}}", "{if: {type: string}, then: {maxLength: 2}}", "if"),
            ("{if: {type: string}, else: {}}", "{if: {type: string}, else: {type: integer}}", "if"),
            ("{type: array, contains: {const: x}}", "{type: array, contains: {const: x}, minContains: 3}", "contains"),
            ("{type: array, contains: {const: x}}", "{type: array, contains: {const: x}, maxContains: 1}", "contains"),
            (
                "{type: array, prefixItems: [{type: string}], items: {type: string}}",
                "{type: array, prefixItems: [{type: string}], items: false}",
                "prefixItems",
            ),
            (
                "{type: object, patternProperties: {'^x': {type: string}}}",
                "{type: object, patternProperties: {'^x': {type: string}}, additionalProperties: false}",
                "patternProperties",
            ),
            (
                "{type: object, oneOf: [{required: [a]}, {required: [b]}], unevaluatedProperties: false}",
                "{type: object, oneOf: [{required: [a]}, {required: [c]}], unevaluatedProperties: false}",
                "unevaluatedProperties",
            ),
            (
                "{anyOf: [{type: object, required: [c], properties: {c: {type: string}}}, {type: object, dependentRequired: {a: [d]}}]}",
                "{anyOf: [{type: object, required: [c], properties: {c: {type: integer}}}, {type: object, dependentRequired: {a: [d]}}]}",
                "dependentRequired",
            ),
        ] {
            doubtful(source, target, keyword);
            same(source);
            same(target);
        }
        same("{oneOf: [{type: object, properties: {a: {}}}, {type: object, properties: {b: {}}}]}");
        // Elements that prefixItems describes are not what `items` says.
        doubtful("{type: array}", "{type: array, prefixItems: [{type: string}]}", "prefixItems");
        misfit(
            "{type: array, prefixItems: [{type: integer}], items: {type: string}}",
            "{type: array, items: {type: [string, object, array, 'null', boolean]}}",
            "/[]: may be integer and has to be string or object or array or null or boolean",
        );
    }

    #[test]
    fn members_of_the_other_side_are_not_missed() {
        let (open, needs) = (
            schema("{type: object}"),
            schema("{type: object, required: [id], properties: {id: {type: string, readOnly: true}}}"),
        );
        assert_eq!(answer(&open, &needs, Side::Request), Answer::Yes);
        assert_eq!(answer(&open, &needs, Side::Response), Answer::No);
    }
}
