//! There and back: what a change makes of a document is turned back into it, in both directions.
//!
//! The laws are down(up(o)) = o and up(down(n)) = n. What an op declares to lose, and what its rule says it drops, is
//! excused (ADAPTATION sections 2 and 8); anything else is shown with the smallest document that was found.

use bytes::Bytes;
use serde_json::Value;

use super::{at_once, course::Run, leg::Leg, prove::Subject, trial::is_doubtful};
use crate::{
    adaptation::{
        Mode, Program,
        change::Direction,
        op::{Edit, Group, Op, Otherwise, Rest},
    },
    config::finding::Finding,
    contract::{Schema, directory::Directory, render, sample::Sampler, schema::same_number, subtype::Side},
    domain::version::ApiVersion,
};

/// The same documents every time.
const SEED: u64 = 0xbac6;

/// What does not come back as it went, for every change whose ends have documents.
///
/// - `trials`: documents that are tried for each schema.
pub(super) fn findings(subject: Subject<'_>, directories: &[Option<Directory<'_>>], trials: usize) -> Vec<Finding> {
    let directory = |version: &ApiVersion| {
        let index = subject.api.versions.iter().position(|known| known.name == *version)?;
        directories.get(index)?.as_ref()
    };
    let mut legs = Vec::new();
    for (change, origins) in subject.changes.iter().zip(&subject.origins.changes) {
        let (Some(older), Some(newer)) = (directory(&change.from), directory(&change.to)) else { continue };
        for (operation, origins) in change.operations.iter().zip(&origins.operations) {
            legs.extend(Leg::all(change, operation, origins).into_iter().map(|leg| (leg, older, newer)));
        }
    }
    let of_leg = |(leg, older, newer): &(Leg<'_>, &Directory<'_>, &Directory<'_>)| {
        let ways = [Direction::Up, Direction::Down];
        let of_way = |way: Direction| {
            let bodies = leg.bodies(way, older, newer);
            bodies.iter().filter_map(|body| of_body(leg, body, way, trials)).collect::<Vec<_>>()
        };
        ways.into_iter().flat_map(of_way).collect::<Vec<_>>()
    };
    at_once::each(&legs, of_leg).into_iter().flatten().collect()
}

/// Where a document does not come back.
#[derive(Clone, Debug, PartialEq)]
struct Broken {
    /// Index of the op, in the order the way there runs them.
    op: usize,
    /// Where, in the terms of the side that comes to the op.
    pointer: String,
    /// The whole document that goes, and what comes back of it.
    went: Value,
    came: Value,
}

fn of_body(leg: &Leg<'_>, body: &Schema, way: Direction, trials: usize) -> Option<Finding> {
    let runs = leg.runs(way);
    if runs.is_empty() || trials == 0 || is_doubtful(body) {
        return None;
    }
    let mut sampler = Sampler::new(SEED, leg.side(), false);
    let documents = (0..trials).filter_map(|_| sampler.document(body));
    let found = documents.filter_map(|document| broken(&runs, way, &document));
    let smallest = found.min_by_key(|broken| broken.went.to_string().len())?;
    let smallest = shrunk(smallest, &runs, way, body);
    Some(told(leg, &runs[smallest.op], way, &smallest))
}

fn told(leg: &Leg<'_>, run: &Run<'_>, way: Direction, broken: &Broken) -> Finding {
    let (there, back, from) = match way {
        Direction::Up => ("up", "down", &leg.change.from),
        Direction::Down => ("down", "up", &leg.change.to),
    };
    let bodies = if leg.side() == Side::Request { "requests" } else { "responses" };
    let message = format!(
        "{}: {bodies} of version {from} that go {there} do not come back {back} the same: {} becomes {}",
        run.edit.op.name(),
        broken.went,
        broken.came
    );
    let help = format!(
        "say in the document of {from} that there are no such values, or why they may change: `lossy: {{{there}: the reason}}` beside the op"
    );
    Finding::warning(&run.origin, "not-invertible", message, help)
        .in_change(&leg.change.name)
        .in_operation(&leg.operation.endpoint.to_string())
        .of_op(run.edit.op.name())
        .at_pointer(&broken.pointer)
}

/// The first op that does not give back what came to it, and need not be excused.
fn broken(runs: &[Run<'_>], way: Direction, document: &Value) -> Option<Broken> {
    let text = Bytes::from(document.to_string());
    // Most documents come back: only the others are followed op by op.
    let there = through(runs.iter(), way, &text)?;
    let came = read(&through(runs.iter().rev(), way.reverse(), &there)?)?;
    if differences(document, &came).is_empty() {
        return None;
    }
    let mut at = text;
    for (op, run) in runs.iter().enumerate() {
        let next = through(std::iter::once(run), way, &at)?;
        let (before, after) = (read(&at)?, read(&through(std::iter::once(run), way.reverse(), &next)?)?);
        let open = differences(&before, &after).into_iter().find(|found| !is_excused(run.edit, way, found));
        if let Some(difference) = open {
            return Some(Broken { op, pointer: difference.pointer(), went: document.clone(), came });
        }
        at = next;
    }
    None
}

/// Less of a document that still does not come back, for as long as it is valid.
fn shrunk(mut broken_one: Broken, runs: &[Run<'_>], way: Direction, body: &Schema) -> Broken {
    let Ok(validator) = jsonschema::validator_for(&render::standalone(body)) else { return broken_one };
    'smaller: loop {
        for less in lesser(&broken_one.went) {
            if validator.is_valid(&less)
                && let Some(smaller) = broken(runs, way, &less).filter(|found| found.op == broken_one.op)
            {
                broken_one = smaller;
                continue 'smaller;
            }
        }
        return broken_one;
    }
}

/// The value without one of its members or elements, at any depth.
fn lesser(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => {
            let without = members.keys().map(|name| {
                let mut less = members.clone();
                less.remove(name);
                Value::Object(less)
            });
            let inside = members.iter().flat_map(|(name, inner)| {
                lesser(inner).into_iter().map(|less| {
                    let mut all = members.clone();
                    all.insert(name.clone(), less);
                    Value::Object(all)
                })
            });
            without.chain(inside).collect()
        }
        Value::Array(items) => {
            let without = (0..items.len()).map(|index| {
                let mut less = items.clone();
                less.remove(index);
                Value::Array(less)
            });
            let inside = items.iter().enumerate().flat_map(|(index, inner)| {
                lesser(inner).into_iter().map(move |less| {
                    let mut all = items.clone();
                    all[index] = less;
                    Value::Array(all)
                })
            });
            without.chain(inside).collect()
        }
        _ => Vec::new(),
    }
}

/// What ops make of a document; none if one refuses it. It stays text: numbers keep all their digits on the way.
fn through<'r, 'c: 'r>(runs: impl Iterator<Item = &'r Run<'c>>, way: Direction, document: &Bytes) -> Option<Bytes> {
    let lists = runs.map(|run| (run.change.name.as_str(), std::slice::from_ref(run.edit), way));
    match Program::fuse(lists) {
        Some(program) => Some(program.apply(document, Mode::Whole).ok()?.body),
        None => Some(document.clone()),
    }
}

fn read(document: &Bytes) -> Option<Value> {
    serde_json::from_slice(document).ok()
}

/// A place where two documents differ, and what was there; none: nothing was.
#[derive(Debug)]
struct Difference<'v> {
    path: Vec<&'v str>,
    before: Option<&'v Value>,
}

impl Difference<'_> {
    fn pointer(&self) -> String {
        let escaped = |name: &&str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.path.iter().map(escaped).collect()
    }
}

fn differences<'v>(before: &'v Value, after: &'v Value) -> Vec<Difference<'v>> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), &mut Vec::new(), &mut found);
    found
}

fn compare<'v>(
    before: Option<&'v Value>,
    after: Option<&'v Value>,
    path: &mut Vec<&'v str>,
    found: &mut Vec<Difference<'v>>,
) {
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                path.push(name);
                compare(a.get(name), b.get(name), path, found);
                path.pop();
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (one, other) in a.iter().zip(b) {
                path.push("[]");
                compare(Some(one), Some(other), path, found);
                path.pop();
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) if same_number(a, b) => {}
        (a, b) if a == b => {}
        (before, _) => found.push(Difference { path: path.clone(), before }),
    }
}

/// Whether an op need not give this back: it says so, its rule does, or the laws leave it out.
///
/// - `way`: the direction that goes first.
fn is_excused(edit: &Edit, way: Direction, difference: &Difference<'_>) -> bool {
    if edit.lossy.up.is_some() || edit.lossy.down.is_some() {
        return true;
    }
    let up_first = way == Direction::Up;
    match &edit.op {
        // What only one version has; the other way round it is a stray.
        Op::Add { .. } | Op::Remove { .. } => true,
        Op::Nest(group) => !up_first && is_rest(group, difference),
        Op::Unnest(group) => up_first && is_rest(group, difference),
        Op::Wrap(_) | Op::Unwrap(_) => {
            let was_list = matches!(difference.before, Some(Value::Array(_)));
            let is_empty = matches!(difference.before, Some(Value::Array(items)) if items.is_empty());
            // A list of lists, or a list where one value was expected, reads as another one.
            let wraps_first = matches!(edit.op, Op::Wrap(_)) == up_first;
            is_empty || (wraps_first && was_list)
        }
        Op::Convert { on_error, .. } => matches!(on_error, Otherwise::Value(_)),
        Op::Map { up_else, down_else, .. } => {
            matches!(up_else, Otherwise::Value(_)) || matches!(down_else, Otherwise::Value(_))
        }
        // Elements that the older version does not know, and members of elements it has no place for.
        Op::DropElems { .. } | Op::ElemWrap { .. } => !up_first,
        Op::Jq { .. } => true,
        Op::Rename(_) | Op::Move { .. } | Op::Split(_) | Op::Merge(_) | Op::Index { .. } | Op::Scale { .. } => false,
    }
}

/// Whether it is a container that held no listed member, or what `rest: drop` drops.
fn is_rest(group: &Group, difference: &Difference<'_>) -> bool {
    let listed = |name: &str| group.members.iter().any(|(inner, _)| inner.as_str() == name);
    let container = group.container.as_str();
    let inside = difference.path.iter().position(|name| *name == container).map(|at| &difference.path[at + 1..]);
    match inside {
        Some([]) => match difference.before {
            Some(Value::Object(members)) => !members.keys().any(|name| listed(name)),
            before => before.is_none_or(Value::is_null),
        },
        Some([name, ..]) => group.rest == Rest::Drop && !listed(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::proof::testing::{document, gateway, tried};

    /// `pointer: went becomes came` of every finding about round trips.
    fn found(old: &str, new: &str, ops: &str) -> Vec<String> {
        let config = gateway(&format!("[{{match: POST /p, request: {ops}}}]"));
        let findings = tried(&config, &[("1.yaml", &document(old, "true")), ("2.yaml", &document(new, "true"))], 64);
        let about = findings.iter().filter(|found| found.code == "not-invertible");
        let shown = about.map(|found| {
            let example = found.message.split_once("the same: ").map_or("", |(_, example)| example);
            format!("{}: {example}", found.pointer.as_deref().unwrap_or_default())
        });
        shown.collect()
    }

    fn one(name: &str, schema: &str) -> String {
        format!("{{type: object, required: [{name}], properties: {{{name}: {schema}}}, additionalProperties: false}}")
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn ops_that_fit_their_schemas_come_back() {
        let text = one("a", "{type: string}");
        assert_eq!(found(&text, &one("b", "{type: string}"), "[{rename: {a: b}}]"), NONE);
        assert_eq!(
            found(
                &text,
                &one("a", "{type: array, items: {type: string}, minItems: 1, maxItems: 1}"),
                "[{wrap: {path: /a}}]"
            ),
            NONE
        );
        let nested = one("o", &one("x", "{type: string}"));
        assert_eq!(found(&text, &nested, "[{nest: {into: o, members: {x: a}}}]"), NONE);
        let (seconds, millis) = (one("a", "{type: number}"), one("a", "{type: number}"));
        assert_eq!(found(&seconds, &millis, "[{scale: {path: /a, pow10: 3}}]"), NONE);
        let numbers = one("a", "{type: integer}");
        let digits = one("a", "{type: string, pattern: '^-?(0|[1-9][0-9]*)$'}");
        assert_eq!(found(&numbers, &digits, "[{convert: {path: /a, from: integer, to: string}}]"), NONE);
        assert_eq!(
            found(
                &one("a", "{enum: [x, y]}"),
                &one("a", "{enum: [1, 2]}"),
                "[{map: {path: /a, pairs: [[x, 1], [y, 2]]}}]"
            ),
            NONE
        );
    }

    #[test]
    fn a_value_that_another_one_becomes_too_does_not_come_back() {
        assert_eq!(
            found(&one("a", "{enum: [x, y]}"), &one("a", "{enum: [y]}"), "[{map: {path: /a, pairs: [[x, y]]}}]"),
            [r#"/a: {"a":"y"} becomes {"a":"x"}"#]
        );
        assert_eq!(
            found(
                &one("a", "{type: [string, integer]}"),
                &one("a", "{type: [integer, string]}"),
                "[{convert: {path: /a, from: integer, to: string}}]"
            )
            .len(),
            2,
            "digits in quotes and without are told apart in neither direction"
        );
    }

    #[test]
    fn parts_that_may_be_absent_are_joined_for_good() {
        let clear = "{type: string, pattern: '^[a-z0-9]*$'}";
        let old = format!("{{type: object, properties: {{h: {clear}, p: {clear}}}, additionalProperties: false}}");
        let new = "{type: object, properties: {a: {type: string}}, additionalProperties: false}";
        let merge = "{merge: {from: [h, p], into: a, sep: ':'}}";
        let found_here = found(&old, new, &format!("[{merge}]"));
        assert_eq!(found_here.len(), 1, "{found_here:?}");
        assert!(found_here[0].starts_with(r#"/p: {"p":""#), "{found_here:?}");
        let declared = merge.replace("}}", "}, lossy: {up: why}}");
        assert_eq!(found(&old, new, &format!("[{declared}]")), NONE);
    }

    #[test]
    fn what_an_op_drops_by_its_rule_is_excused() {
        let both = "{type: object, required: [a, z], properties: {a: {type: string}, z: {type: string}}, additionalProperties: false}";
        let text = one("a", "{type: string}");
        assert_eq!(found(&text, both, "[{add: {path: /z, value: x}}]"), NONE);
        assert_eq!(found(both, &text, "[{remove: {path: /z, down: {value: x}}, lossy: {up: why}}]"), NONE);
        let nested = one("o", both);
        assert_eq!(found(&text, &nested, "[{nest: {into: o, members: [a]}}, {add: {path: /o/z, value: x}}]"), NONE);
        let tagged = |tags: &str| {
            one(
                "l",
                &format!(
                    "{{type: array, items: {{type: object, required: [t], properties: {{t: {{enum: [{tags}]}}}}, additionalProperties: false}}}}"
                ),
            )
        };
        let drop = "[{drop_elems: {path: /l, by: t, keep: [x]}}]";
        assert_eq!(found(&tagged("x"), &tagged("x, y"), drop), NONE);
        assert_eq!(found(&tagged("x, y"), &tagged("x, y"), drop), [r#"/l: {"l":[{"t":"y"}]} becomes {"l":[]}"#]);
    }

    #[test]
    fn a_finding_names_the_op_and_what_to_write() {
        let config = gateway("[{match: POST /p, request: [{rename: {b: c}}, {map: {path: /a, pairs: [[x, y]]}}]}]");
        let old = "{type: object, required: [a], properties: {a: {enum: [x, y]}, b: {type: string}}, additionalProperties: false}";
        let new = old.replace("b:", "c:").replace("[x, y]", "[y]");
        let findings = tried(&config, &[("1.yaml", &document(old, "true")), ("2.yaml", &document(&new, "true"))], 64);
        let found = findings.iter().find(|found| found.code == "not-invertible").expect("y was y before");
        assert_eq!(
            found.to_string(),
            "gateway.yaml:9:68: warning: map: requests of version 1 that go up do not come back down the same: {\"a\":\"y\"} becomes {\"a\":\"x\"}; say in the document of 1 that there are no such values, or why they may change: `lossy: {up: the reason}` beside the op"
        );
        assert_eq!((found.change.as_deref(), found.operation.as_deref()), (Some("c"), Some("POST /p")));
    }
}
