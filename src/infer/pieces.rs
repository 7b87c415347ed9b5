//! Strings that are cut into members, and members that are joined into one: split and merge.

use super::{
    json::Json,
    lines::Line,
    scope::{Place, Scope},
    yaml,
};

/// Members of one object that are looked at; more would take too many tries.
const SIBLINGS_MAX: usize = 8;
/// Parts of a string.
const PARTS_MAX: usize = 4;

/// Ops that cut what the older version has as one string, or join what it has as several.
pub(super) fn propose(scope: &Scope<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for parent in scope.places.iter().filter(|place| place.both().next().is_some()) {
        let inside = |place: &&Place<'_>| {
            !place.path.is_empty() && place.parent() == parent.path && !place.name().starts_with('/')
        };
        let siblings = || scope.places.iter().filter(inside);
        // A part may bear the name of the whole.
        let olds: Vec<_> = siblings().filter(|place| place.is_gone() || place.differs()).collect();
        let news: Vec<_> = siblings().filter(|place| place.is_fresh() || place.differs()).collect();
        let at = scope.pointer(&parent.path);
        for whole in &olds {
            if let Some((parts, separator)) = cut(texts(&whole.old), &news, |place| texts(&place.new)) {
                let op = format!(
                    "split: {{from: {}, into: {}, sep: {}}}",
                    yaml::text(whole.name()),
                    names(&parts),
                    yaml::text(&separator)
                );
                lines.push(line(&at, op, "down", &separator));
            }
        }
        for whole in &news {
            if let Some((parts, separator)) = cut(texts(&whole.new), &olds, |place| texts(&place.old)) {
                let op = format!(
                    "merge: {{from: {}, into: {}, sep: {}}}",
                    names(&parts),
                    yaml::text(whole.name()),
                    yaml::text(&separator)
                );
                lines.push(line(&at, op, "up", &separator));
            }
        }
    }
    lines
}

fn line(at: &str, op: String, direction: &'static str, separator: &str) -> Line {
    Line::new(at.to_owned(), op).lossy(direction, format!("FILL IN why no part but the last holds {separator:?}"))
}

fn names(parts: &[&str]) -> String {
    format!("[{}]", parts.iter().map(|name| yaml::text(name)).collect::<Vec<_>>().join(", "))
}

/// The string of each example; none where one has another value, or nothing.
fn texts<'j>(values: &[Option<&'j Json>]) -> Option<Vec<&'j str>> {
    values.iter().map(|value| if let Some(Json::Text(text)) = value { Some(text.as_str()) } else { None }).collect()
}

/// The parts that make up the whole in every example, and what stands between them.
fn cut<'s, 'j: 's>(
    whole: Option<Vec<&'j str>>,
    places: &[&'s Place<'j>],
    of: impl Fn(&'s Place<'j>) -> Option<Vec<&'j str>>,
) -> Option<(Vec<&'s str>, String)> {
    let whole = whole?;
    let parts = places.iter().filter_map(|place| Some((place.name(), of(place)?)));
    // An empty string is part of everything.
    let parts: Vec<(&str, Vec<&str>)> =
        parts.filter(|(_, texts)| texts.iter().all(|text| !text.is_empty())).take(SIBLINGS_MAX).collect();
    let starts =
        parts.iter().filter(|(_, texts)| texts.iter().zip(&whole).all(|(part, whole)| whole.starts_with(part)));
    starts.clone().find_map(|first| {
        // The first part ends where the separator begins, which is as long as some second part says.
        let rest = &whole[0][first.1[0].len()..];
        let separators = rest.char_indices().skip(1).map(|(end, _)| &rest[..end]);
        let plain = separators.take_while(|text| text.chars().all(|c| !c.is_alphanumeric()));
        plain.into_iter().find_map(|separator| {
            let chain = (2..=PARTS_MAX).rev().find_map(|count| in_order(&whole, &parts, separator, count))?;
            Some((chain, separator.to_owned()))
        })
    })
}

/// The names of `count` parts that the separator cuts every whole into.
fn in_order<'s>(whole: &[&str], parts: &[(&'s str, Vec<&str>)], separator: &str, count: usize) -> Option<Vec<&'s str>> {
    let pieces: Vec<Vec<&str>> = whole.iter().map(|whole| whole.splitn(count, separator).collect()).collect();
    if pieces.iter().any(|pieces| pieces.len() != count) {
        return None;
    }
    let mut chosen: Vec<&'s str> = Vec::new();
    for index in 0..count {
        let fits = |(name, texts): &&(&'s str, Vec<&str>)| {
            !chosen.contains(name) && texts.iter().zip(&pieces).all(|(text, pieces)| *text == pieces[index])
        };
        chosen.push(parts.iter().find(fits)?.0);
    }
    Some(chosen)
}
