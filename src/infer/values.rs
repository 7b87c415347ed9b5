//! What has another form at the same place: wrap, unwrap, convert, scale, elem_wrap, index, map.

use super::{
    json::{Json, Kind},
    lines::Line,
    scope::{Place, Scope},
    yaml,
};

/// A table with more rows is no table of words.
const MAP_ROWS_MAX: usize = 64;
/// What `scale` takes.
const POW10_MAX: i64 = 18;

/// Ops that bring the values of one place closer to those of the newer version, the surest first.
pub(super) fn propose(scope: &Scope<'_>, place: &Place<'_>) -> Vec<Line> {
    let both: Vec<(&Json, &Json)> = place.both().collect();
    if both.iter().all(|(old, new)| old.same(new)) {
        return Vec::new();
    }
    let path = yaml::text(&scope.pointer(&place.path));
    let changed: Vec<_> = both.iter().copied().filter(|(old, new)| !old.same(new)).collect();
    let mut lines = Vec::new();
    lines.extend(wrap(&changed, &path));
    lines.extend(unwrap(&changed, &path));
    lines.extend(convert(&changed, &path));
    lines.extend(scale(&changed, &path));
    lines.extend(elem_wrap(&changed, &path));
    lines.extend(index(&changed, &path));
    lines.extend(map(&both, &path));
    lines
}

fn line(op: String) -> Line {
    Line::new(String::new(), op)
}

fn wrap(changed: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let fits = |(old, new): &(&Json, &Json)| matches!(new, Json::Array(items) if old.kind() != Kind::Array && (items.len() == 1 || (items.is_empty() && old.kind() == Kind::Null)));
    if !changed.iter().all(fits) {
        return None;
    }
    let nulls = changed.iter().any(|(old, _)| old.kind() == Kind::Null);
    let if_null = if nulls { ", if_null: empty" } else { "" };
    Some(line(format!("wrap: {{path: {path}{if_null}}}")))
}

fn unwrap(changed: &[(&Json, &Json)], path: &str) -> Vec<Line> {
    let items = |json: &Json| if let Json::Array(items) = json { Some(items.clone()) } else { None };
    let Some(lists) = changed.iter().map(|(old, _)| items(old)).collect::<Option<Vec<_>>>() else { return Vec::new() };
    if changed.iter().any(|(_, new)| new.kind() == Kind::Array) {
        return Vec::new();
    }
    let empty = if lists.iter().any(Vec::is_empty) { ", empty: null" } else { "" };
    if lists.iter().all(|items| items.len() <= 1) {
        return vec![line(format!("unwrap: {{path: {path}{empty}}}"))];
    }
    let picked = |pick: fn(&[Json]) -> Option<&Json>| {
        lists.iter().zip(changed).all(|(items, (_, new))| pick(items).is_none_or(|item| item.same(new)))
    };
    let many = if picked(|items| items.first()) {
        "first"
    } else if picked(|items| items.last()) {
        "last"
    } else {
        return Vec::new();
    };
    let line = line(format!("unwrap: {{path: {path}, many: {many}{empty}}}"));
    vec![line.lossy("up", format!("FILL IN why only the {many} element is kept"))]
}

/// `string`, `integer`, `number` or `boolean` for all of these values; none for a mixture.
fn scalar_type<'j>(mut values: impl Iterator<Item = &'j Json>) -> Option<&'static str> {
    let of = |json: &Json| match json {
        Json::Text(_) => Some("string"),
        Json::Boolean(_) => Some("boolean"),
        Json::Number(lexeme) if lexeme.contains(['.', 'e', 'E']) => Some("number"),
        Json::Number(_) => Some("integer"),
        _ => None,
    };
    let first = of(values.next()?)?;
    values.try_fold(first, |found, value| match (found, of(value)?) {
        (found, other) if found == other => Some(found),
        ("integer" | "number", "integer" | "number") => Some("number"),
        _ => None,
    })
}

fn convert(changed: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let from = scalar_type(changed.iter().map(|(old, _)| *old))?;
    let to = scalar_type(changed.iter().map(|(_, new)| *new))?;
    if from == to || matches!((from, to), ("integer" | "number", "integer" | "number")) {
        return None;
    }
    let fits = |(old, new): &(&Json, &Json)| match (old, new) {
        // The number may differ still; that is another op's matter.
        (Json::Text(text), Json::Number(_)) => decimal(text).is_some(),
        (Json::Text(text), Json::Boolean(value)) => *text == value.to_string(),
        (Json::Boolean(value), Json::Text(text)) => *text == value.to_string(),
        (Json::Boolean(value), Json::Number(lexeme)) | (Json::Number(lexeme), Json::Boolean(value)) => {
            lexeme == if *value { "1" } else { "0" }
        }
        (Json::Number(_), Json::Text(text)) => decimal(text).is_some(),
        _ => false,
    };
    // A string of digits is an integer only where every one is.
    let integers = |values: Vec<&Json>| {
        values.iter().all(|json| match json {
            Json::Text(text) | Json::Number(text) => !text.contains(['.', 'e', 'E']) && !text.starts_with("-0"),
            _ => true,
        })
    };
    let all_integers = integers(changed.iter().flat_map(|(old, new)| [*old, *new]).collect());
    let exact =
        |kind: &'static str| if matches!(kind, "integer" | "number") && !all_integers { "number" } else { kind };
    let (from, to) = (exact(from), exact(to));
    changed.iter().all(fits).then(|| line(format!("convert: {{path: {path}, from: {from}, to: {to}}}")))
}

fn scale(changed: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let mut shifts = changed.iter().map(|(old, new)| match (old, new) {
        (Json::Number(old), Json::Number(new)) => {
            let (old, new) = (decimal(old)?, decimal(new)?);
            (old.negative == new.negative && old.digits == new.digits).then_some(new.exponent - old.exponent)
        }
        _ => None,
    });
    let shift = shifts.next()??;
    if shift == 0 || shift.abs() > POW10_MAX || !shifts.all(|other| other == Some(shift)) {
        return None;
    }
    let line = line(format!("scale: {{path: {path}, pow10: {shift}}}"));
    Some(if changed.len() == 1 { line.unsure(format!("one example shows the factor 10^{shift}")) } else { line })
}

/// A decimal number: digits without zeros at either end, times a power of ten.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Reads a JSON number; none for anything else.
fn decimal(text: &str) -> Option<Decimal> {
    serde_json::from_str::<serde_json::Number>(text).ok()?;
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let zeros = i64::try_from(all.len() - kept.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    Some(Decimal {
        negative,
        digits: kept.trim_start_matches('0').to_owned(),
        exponent: if kept.is_empty() { 0 } else { exponent.checked_add(zeros)? },
    })
}

/// `["a"]` and `[{key: "a"}]`.
fn elem_wrap(changed: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let mut key: Option<&str> = None;
    for (old, new) in changed {
        let (Json::Array(old), Json::Array(new)) = (old, new) else { return None };
        for (old, new) in old.iter().zip(new) {
            let [(name, value)] = new.members()? else { return None };
            let taken = name.starts_with('/') || key.is_some_and(|key| key != name);
            if old.kind() == Kind::Object && !value.same(old) || taken {
                return None;
            }
            key = Some(name);
        }
    }
    Some(line(format!("elem_wrap: {{path: {path}, key: {}}}", yaml::text(key?))))
}

/// `[{id: "a", …}]` and `{a: {…}}`.
fn index(changed: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let (Json::Array(items), Json::Object(_)) = changed.first()? else { return None };
    let names =
        items.first()?.members()?.iter().filter(|(name, value)| value.kind() == Kind::Text && !name.starts_with('/'));
    let key = names.map(|(name, _)| name).find(|name| {
        changed.iter().all(|(old, new)| match (old, new) {
            (Json::Array(items), Json::Object(members)) => {
                items.len() == members.len()
                    && items
                        .iter()
                        .all(|item| matches!(item.get(name), Some(Json::Text(key)) if new.get(key).is_some()))
            }
            _ => false,
        })
    })?;
    Some(line(format!("index: {{path: {path}, key: {}}}", yaml::text(key))))
}

fn map(both: &[(&Json, &Json)], path: &str) -> Option<Line> {
    let scalar = |json: &Json| !matches!(json.kind(), Kind::Array | Kind::Object);
    let mut rows: Vec<(&Json, &Json)> = Vec::new();
    for (old, new) in both {
        if !scalar(old) || !scalar(new) {
            // What stays may be anything.
            if old.same(new) { continue } else { return None }
        }
        match rows.iter().find(|(known, _)| known.same(old)) {
            Some((_, other)) if !other.same(new) => return None,
            Some(_) => {}
            None => rows.push((old, new)),
        }
    }
    let seen = rows.len();
    // A value that stays needs no row, unless another becomes the same.
    let kept: Vec<_> = rows
        .iter()
        .filter(|(old, new)| !old.same(new) || rows.iter().filter(|(_, other)| other.same(new)).count() > 1)
        .collect();
    if kept.is_empty() || kept.len() > MAP_ROWS_MAX {
        return None;
    }
    let collides = kept.iter().enumerate().any(|(n, (_, new))| kept[..n].iter().any(|(_, other)| other.same(new)));
    let pairs = kept.iter().map(|(old, new)| format!("[{}, {}]", yaml::value(old), yaml::value(new)));
    let op = format!("map: {{path: {path}, pairs: [{}]}}", pairs.collect::<Vec<_>>().join(", "));
    let values = if seen == 1 { "one value was seen".to_owned() } else { format!("{seen} values were seen") };
    let doubt = format!("{values}; list all there are, or drop this op if the examples merely hold different data");
    let line = line(op).unsure(doubt);
    Some(if collides { line.lossy("up", "FILL IN why several old values become one".to_owned()) } else { line })
}
