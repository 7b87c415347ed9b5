//! What only one version has: remove, add, and both for a value that became something else.

use super::{
    json::{Json, Kind},
    lines::{Line, Lone},
    scope::{Place, Scope, pointer},
    yaml,
};

/// Ops that take away what the newer version lacks and add what the older one lacks.
pub(super) fn propose(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = scope.places.iter().filter_map(|place| remove(scope, place)).collect();
    lines.extend(scope.places.iter().filter_map(|place| add(scope, place)));
    lines.extend(scope.places.iter().filter_map(|place| replace(scope, place)));
    lines
}

/// Optional members that only the newer version has: they do nothing on the way up.
pub(super) fn optional(scope: &Scope<'_>) -> impl Iterator<Item = Line> {
    scope.places.iter().filter_map(|place| add(scope, place))
}

/// Whether the place above is in both versions.
fn is_topmost(scope: &Scope<'_>, place: &Place<'_>) -> bool {
    !place.path.is_empty()
        && scope.place(place.parent()).is_some_and(|parent| {
            parent.both().any(|(old, new)| old.kind() == Kind::Object && new.kind() == Kind::Object)
        })
}

fn remove(scope: &Scope<'_>, place: &Place<'_>) -> Option<Line> {
    if !place.is_gone() || !is_topmost(scope, place) {
        return None;
    }
    let parents = scope.place(place.parent())?.old.iter().flatten().count();
    let values: Vec<&Json> = place.old.iter().flatten().copied().collect();
    // What is there every time has to be there for callers of the older version.
    let always = values.len() == parents && values.iter().all(|value| value.kind() != Kind::Null);
    let path = yaml::text(&pointer(&place.path));
    let (down, doubt) = match values.first().filter(|_| always) {
        Some(value) => (
            format!(", down: {{value: {}}}", yaml::value(value)),
            Some("on the way down it gets this value, which is the example's"),
        ),
        None => (String::new(), None),
    };
    let mut line = Line::new(scope.at.clone(), format!("remove: {{path: {path}{down}}}"));
    line.unsure.extend(doubt.map(str::to_owned));
    line.lone = Some(lone(scope, place, false));
    let place = scope.pointer(&place.path);
    Some(line.lossy("up", format!("FILL IN why {place} is discarded")))
}

fn add(scope: &Scope<'_>, place: &Place<'_>) -> Option<Line> {
    if !place.is_fresh() || !is_topmost(scope, place) {
        return None;
    }
    let values: Vec<&Json> = place.new.iter().flatten().copied().collect();
    Some(Line { lone: Some(lone(scope, place, true)), ..adding(scope, place, &values, "") })
}

fn lone(scope: &Scope<'_>, place: &Place<'_>, is_new: bool) -> Lone {
    Lone { is_new, pointer: scope.pointer(&place.path), path: pointer(&place.path) }
}

/// Another kind of value at the same place that no other op explains.
fn replace(scope: &Scope<'_>, place: &Place<'_>) -> Option<Line> {
    let changed: Vec<_> = place.both().filter(|(old, new)| !old.same(new)).collect();
    let (old, new) = changed.first()?;
    if place.path.is_empty() || changed.iter().any(|(old, new)| old.kind() == new.kind()) {
        return None;
    }
    if old.kind() == Kind::Null {
        let values: Vec<&Json> = changed.iter().map(|(_, new)| *new).collect();
        return Some(adding(scope, place, &values, ", if_null: replace"));
    }
    // The new value comes with the next look at the place.
    let path = yaml::text(&pointer(&place.path));
    let line = Line::new(scope.at.clone(), format!("remove: {{path: {path}, down: {{value: {}}}}}", yaml::value(old)));
    let doubt = format!("was {}, is {}; nothing was found that leads from one to the other", kind(old), kind(new));
    let at = yaml::text(&scope.pointer(&place.path));
    let program = format!(
        "if it can be computed, a program can: jq: {{at: {at}, up: \"…\", down: \"…\", examples: [{}]}}",
        serde_json::Value::from(old.text())
    );
    Some(
        line.unsure(doubt)
            .unsure(program)
            .lossy("up", format!("FILL IN why {} is discarded", scope.pointer(&place.path))),
    )
}

fn adding(scope: &Scope<'_>, place: &Place<'_>, values: &[&Json], more: &str) -> Line {
    let path = yaml::text(&pointer(&place.path));
    let same = values.iter().all(|value| value.same(values[0]));
    let parents = scope.place(place.parent()).map_or(0, |parent| parent.new.iter().flatten().count());
    if !same || values.len() < parents && more.is_empty() {
        let line = Line::new(scope.at.clone(), format!("add: {{path: {path}}}"));
        let why = if same { "not every example has it" } else { "the examples have different values there" };
        return line.unsure(format!("{why}, so it is taken for an optional member"));
    }
    let value = values.first().map_or("null".to_owned(), |value| yaml::value(value));
    let mut line = Line::new(scope.at.clone(), format!("add: {{path: {path}, value: {value}{more}}}"));
    let speaks = values.first().is_some_and(|value| match value {
        Json::Text(text) => !text.is_empty(),
        Json::Number(lexeme) => lexeme != "0",
        Json::Object(members) => !members.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Null | Json::Boolean(_) => false,
    });
    if speaks {
        line = line.unsure("on the way up it gets this value, which is the example's");
    }
    line
}

fn kind(json: &Json) -> &'static str {
    match json.kind() {
        Kind::Null => "null",
        Kind::Boolean => "a boolean",
        Kind::Number => "a number",
        Kind::Text => "a string",
        Kind::Array => "an array",
        Kind::Object => "an object",
    }
}
