//! An example of what a schema permits, for people to read.

use crate::{
    contract::{
        Branch, Schema,
        schema::{Notes, Numbers, Strings},
        subtype::{Side, is_seen},
    },
    infer::Json,
};

/// Levels that are shown; recursive schemas would have no end.
const DEPTH_MAX: usize = 8;

/// How many kinds of JSON values there are.
const KINDS: usize = 6;

/// A value that `schema` permits as far as its bounds are easy to keep: its example, its default, or one made up.
pub(super) fn of(schema: &Schema, side: Side) -> Json {
    value(schema, "", side, DEPTH_MAX)
}

/// - `name`: of the member, which is what a made-up text says.
fn value(schema: &Schema, name: &str, side: Side, depth: usize) -> Json {
    let opened = schema.opened();
    if let Some(said) = said(&opened.notes) {
        return said;
    }
    let branches = opened.branches();
    if branches.len() == KINDS {
        // Nothing is known of it.
        return Json::Null;
    }
    let Some(branch) = branches.iter().find(|branch| **branch != Branch::Null).or(branches.first()) else {
        return Json::Null;
    };
    match branch {
        Branch::Null => Json::Null,
        Branch::Boolean(booleans) => Json::Boolean(booleans.only.unwrap_or(true)),
        Branch::Number(numbers) => Json::Number(number(numbers)),
        Branch::String(strings) => Json::Text(text(strings, name)),
        Branch::Array(arrays) if depth == 0 || arrays.max_items == Some(0) => Json::Array(Vec::new()),
        Branch::Array(arrays) => {
            let count = arrays.min_items.clamp(1, 3);
            Json::Array((0..count).map(|_| value(&arrays.items, name, side, depth - 1)).collect())
        }
        Branch::Object(objects) => {
            let seen = objects.fields.iter().filter(|field| is_seen(&field.schema.opened().notes, side));
            // Deep down only what has to be there: a recursive schema ends.
            let shown = seen.filter(|field| field.required || depth > 0);
            let shown = shown.filter(|field| field.required || !crate::contract::subtype::is_impossible(&field.schema));
            let member = |field: &crate::contract::schema::Field| {
                (field.name.clone(), value(&field.schema, &field.name, side, depth.saturating_sub(1)))
            };
            if depth == 0 { Json::Object(Vec::new()) } else { Json::Object(shown.map(member).collect()) }
        }
    }
}

fn said(notes: &Notes) -> Option<Json> {
    let value = notes.example.as_ref().or(notes.default.as_ref())?;
    Json::read(&value.to_string()).ok()
}

fn number(numbers: &Numbers) -> String {
    if let Some(first) = numbers.only.as_ref().and_then(|only| only.first()) {
        return first.to_string();
    }
    let step = numbers.multiple_of.unwrap_or(1.0);
    let low = numbers.min.map(|bound| if bound.exclusive { bound.value + step } else { bound.value });
    let high = numbers.max.map(|bound| if bound.exclusive { bound.value - step } else { bound.value });
    let wanted = match (low, high) {
        (Some(low), _) if low > 1.0 => low,
        (_, Some(high)) if high < 1.0 => high.max(low.unwrap_or(high)),
        _ => step,
    };
    // `1.0` is no integer to every reader.
    if wanted.fract() == 0.0 { format!("{wanted:.0}") } else { wanted.to_string() }
}

fn text(strings: &Strings, name: &str) -> String {
    if let Some(first) = strings.only.as_ref().and_then(|only| only.first()) {
        return first.clone();
    }
    let made_up = match strings.format.as_deref() {
        Some("date-time") => "2027-06-01T12:00:00Z",
        Some("date") => "2027-06-01",
        Some("time") => "12:00:00Z",
        Some("uuid") => "6f9619ff-8b86-4d11-b42d-00c04fc964ff",
        Some("email") => "ann@example.com",
        Some("uri" | "url") => "https://example.com/",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("hostname") => "example.com",
        _ if name.is_empty() => "text",
        _ => name,
    };
    let mut text = made_up.to_owned();
    let (shortest, longest) = (strings.min_length as usize, strings.max_length.map(|most| most as usize));
    while text.chars().count() < shortest {
        text.push('x');
    }
    match longest {
        Some(longest) => text.chars().take(longest).collect(),
        None => text,
    }
}
