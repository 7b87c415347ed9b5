//! Header fields and query parameters: what differs in them, and the edits it comes down to.
//!
//! Both work on what was sent: every line of a field is kept, and a query is cut into its raw
//! pairs, so that order and percent-encoding survive.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::change::Direction;

/// What differs in header fields, written old to new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderOp {
    /// Fields change names, all at once; every line is kept.
    Rename(Vec<(HeaderName, HeaderName)>),
    /// The newer version has one field more.
    Add(HeaderName, HeaderValue),
    /// The older version has one field more; with what it gets on the way down.
    Remove(HeaderName, Option<HeaderValue>),
}

/// What differs in the query, written old to new. Names and values are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryOp {
    /// Parameters change names, all at once; every occurrence is kept.
    Rename(Vec<(String, String)>),
    /// The newer version has one parameter more.
    Add(String, String),
    /// The older version has one parameter more; with what it gets on the way down.
    Remove(String, Option<String>),
    /// Values change by table, old and new; the first that fits wins, others pass.
    Map(String, Vec<(String, String)>),
}

/// One edit, in the direction it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldEdit<N, V> {
    Rename(Vec<(N, N)>),
    Default(N, V),
    Set(N, V),
    Delete(N),
    Map(N, Vec<(V, V)>),
}

/// `rename "q" to "search"`, for people.
impl<N: fmt::Debug, V: fmt::Debug> fmt::Display for FieldEdit<N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rename(pairs) => pairs.iter().enumerate().try_for_each(|(index, (from, to))| {
                write!(f, "{}{from:?} to {to:?}", if index == 0 { "rename " } else { ", " })
            }),
            Self::Default(name, value) => write!(f, "set {name:?} to {value:?} if absent"),
            Self::Set(name, value) => write!(f, "set {name:?} to {value:?}"),
            Self::Delete(name) => write!(f, "delete {name:?}"),
            Self::Map(name, pairs) => write!(f, "map {} values of {name:?}", pairs.len()),
        }
    }
}

pub(crate) type HeaderEdit = FieldEdit<HeaderName, HeaderValue>;
pub(crate) type QueryEdit = FieldEdit<String, String>;

impl HeaderOp {
    pub(crate) fn toward(&self, direction: Direction) -> Option<HeaderEdit> {
        match self {
            Self::Rename(pairs) => Some(FieldEdit::Rename(oriented(pairs, direction))),
            Self::Add(name, value) => add(name, value, direction),
            Self::Remove(name, down) => remove(name, down.as_ref(), direction),
        }
    }
}

impl QueryOp {
    pub(crate) fn toward(&self, direction: Direction) -> Option<QueryEdit> {
        match self {
            Self::Rename(pairs) => Some(FieldEdit::Rename(oriented(pairs, direction))),
            Self::Add(name, value) => add(name, value, direction),
            Self::Remove(name, down) => remove(name, down.as_ref(), direction),
            Self::Map(name, pairs) => Some(FieldEdit::Map(name.clone(), oriented(pairs, direction))),
        }
    }
}

/// Runs `edits` over `headers`.
pub(super) fn edit_headers(edits: &[HeaderEdit], headers: &mut HeaderMap) {
    for edit in edits {
        match edit {
            FieldEdit::Rename(pairs) => rename_headers(pairs, headers),
            FieldEdit::Default(name, value) if !headers.contains_key(name) => {
                headers.insert(name, value.clone());
            }
            FieldEdit::Set(name, value) => {
                headers.insert(name, value.clone());
            }
            FieldEdit::Delete(name) => {
                headers.remove(name);
            }
            FieldEdit::Default(..) | FieldEdit::Map(..) => {}
        }
    }
}

/// Runs `edits` over the raw `query`, without its `?`.
pub(super) fn edit_query<'q>(edits: &[QueryEdit], query: &'q str) -> Cow<'q, str> {
    if edits.is_empty() {
        return Cow::Borrowed(query);
    }
    let mut pairs: Vec<Pair<'q>> =
        if query.is_empty() { Vec::new() } else { query.split('&').map(Pair::read).collect() };
    let mut changed = false;
    for edit in edits {
        changed |= edit_pairs(edit, &mut pairs);
    }
    if !changed {
        return Cow::Borrowed(query);
    }
    Cow::Owned(pairs.iter().map(|pair| pair.raw.as_ref()).collect::<Vec<_>>().join("&"))
}

/// One `name=value` as sent.
struct Pair<'q> {
    raw: Cow<'q, str>,
    /// Decoded.
    name: String,
}

impl<'q> Pair<'q> {
    fn read(raw: &'q str) -> Self {
        let name = raw.split_once('=').map_or(raw, |(name, _)| name);
        Self { raw: Cow::Borrowed(raw), name: decode(name) }
    }

    fn new(name: &str, value: &str) -> Self {
        Self { raw: Cow::Owned(format!("{}={}", encode(name), encode(value))), name: name.to_owned() }
    }

    /// Everything after the name, `=` included.
    fn tail(&self) -> &str {
        self.raw.find('=').map_or("", |at| &self.raw[at..])
    }
}

fn edit_pairs(edit: &QueryEdit, pairs: &mut Vec<Pair<'_>>) -> bool {
    match edit {
        FieldEdit::Rename(renames) => rename_pairs(renames, pairs),
        FieldEdit::Default(name, value) => {
            let absent = !pairs.iter().any(|pair| &pair.name == name);
            if absent {
                pairs.push(Pair::new(name, value));
            }
            absent
        }
        FieldEdit::Set(name, value) => {
            pairs.retain(|pair| &pair.name != name);
            pairs.push(Pair::new(name, value));
            true
        }
        FieldEdit::Delete(name) => {
            let before = pairs.len();
            pairs.retain(|pair| &pair.name != name);
            pairs.len() != before
        }
        FieldEdit::Map(name, table) => {
            let mut changed = false;
            for pair in pairs.iter_mut().filter(|pair| &pair.name == name) {
                let value = decode(pair.tail().get(1..).unwrap_or_default());
                if let Some((_, new)) = table.iter().find(|(old, _)| *old == value) {
                    let sent_name = pair.raw.split('=').next().unwrap_or_default();
                    pair.raw = Cow::Owned(format!("{sent_name}={}", encode(new)));
                    changed = true;
                }
            }
            changed
        }
    }
}

/// A present source wins over what stands at its target; without one the stray stays.
fn rename_pairs(renames: &[(String, String)], pairs: &mut Vec<Pair<'_>>) -> bool {
    let present: Vec<bool> = renames.iter().map(|(from, _)| pairs.iter().any(|pair| &pair.name == from)).collect();
    if !present.contains(&true) {
        return false;
    }
    pairs.retain_mut(|pair| {
        if let Some((_, to)) = renames.iter().find(|(from, _)| *from == pair.name) {
            pair.raw = Cow::Owned(format!("{}{}", encode(to), pair.tail()));
            pair.name.clone_from(to);
            return true;
        }
        !renames.iter().zip(&present).any(|((_, to), present)| *present && *to == pair.name)
    });
    true
}

fn rename_headers(renames: &[(HeaderName, HeaderName)], headers: &mut HeaderMap) {
    let taken: Vec<Vec<HeaderValue>> =
        renames.iter().map(|(from, _)| headers.get_all(from).iter().cloned().collect()).collect();
    for ((from, _), _) in renames.iter().zip(&taken).filter(|(_, values)| !values.is_empty()) {
        headers.remove(from);
    }
    for ((_, to), values) in renames.iter().zip(taken).filter(|(_, values)| !values.is_empty()) {
        headers.remove(to);
        for value in values {
            headers.append(to, value);
        }
    }
}

fn oriented<T: Clone>(pairs: &[(T, T)], direction: Direction) -> Vec<(T, T)> {
    match direction {
        Direction::Up => pairs.to_vec(),
        Direction::Down => pairs.iter().map(|(old, new)| (new.clone(), old.clone())).collect(),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the same shape as `remove`")]
fn add<N: Clone, V: Clone>(name: &N, value: &V, direction: Direction) -> Option<FieldEdit<N, V>> {
    Some(match direction {
        Direction::Up => FieldEdit::Default(name.clone(), value.clone()),
        Direction::Down => FieldEdit::Delete(name.clone()),
    })
}

fn remove<N: Clone, V: Clone>(name: &N, down: Option<&V>, direction: Direction) -> Option<FieldEdit<N, V>> {
    match direction {
        Direction::Up => Some(FieldEdit::Delete(name.clone())),
        Direction::Down => down.map(|value| FieldEdit::Set(name.clone(), value.clone())),
    }
}

/// RFC 3986 section 2.3: what never needs an escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// As forms write it: `+` is a space.
fn decode(raw: &str) -> String {
    percent_decode(raw.replace('+', " ").as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(ops: &[QueryOp], direction: Direction, sent: &str) -> String {
        let edits: Vec<_> = ops.iter().filter_map(|op| op.toward(direction)).collect();
        edit_query(&edits, sent).into_owned()
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn a_query_keeps_the_order_and_the_percent_text_of_what_it_does_not_name() {
        let ops = [QueryOp::Rename(vec![(text("q"), text("search"))])];
        assert_eq!(query(&ops, Direction::Up, "a=%20+&q=%C3%A9&&b"), "a=%20+&search=%C3%A9&&b");
        assert_eq!(query(&ops, Direction::Up, "%71=1&q=2&q"), "search=1&search=2&search");
        assert_eq!(query(&ops, Direction::Down, "search=x+y"), "q=x+y");
        assert_eq!(query(&ops, Direction::Up, "q=1&search=2"), "search=1");
        assert_eq!(query(&ops, Direction::Up, "search=2"), "search=2");
        let swap = [QueryOp::Rename(vec![(text("a"), text("b")), (text("b"), text("a"))])];
        assert_eq!(query(&swap, Direction::Up, "a=1&b=2"), "b=1&a=2");
    }

    #[test]
    fn query_parameters_are_added_removed_and_mapped() {
        let add = [QueryOp::Add(text("page_size"), text("2 0"))];
        assert_eq!(query(&add, Direction::Up, ""), "page_size=2%200");
        assert_eq!(query(&add, Direction::Up, "page_size"), "page_size");
        assert_eq!(query(&add, Direction::Down, "a=1&page_size=3"), "a=1");
        let remove = [QueryOp::Remove(text("debug"), Some(text("0")))];
        assert_eq!(query(&remove, Direction::Up, "debug=1&debug"), "");
        assert_eq!(query(&remove, Direction::Down, "x=1"), "x=1&debug=0");
        assert_eq!(query(&[QueryOp::Remove(text("debug"), None)], Direction::Down, "x=1"), "x=1");
        let map = [QueryOp::Map(text("sort"), vec![(text("asc"), text("+name"))])];
        assert_eq!(query(&map, Direction::Up, "sort=asc&sort=desc"), "sort=%2Bname&sort=desc");
        assert_eq!(query(&map, Direction::Down, "sort=%2Bname"), "sort=asc");
    }

    #[test]
    fn every_line_of_a_renamed_header_is_kept_and_strays_go() {
        let (old, new) = (HeaderName::from_static("x-user"), HeaderName::from_static("x-subject"));
        let edits: Vec<_> =
            HeaderOp::Rename(vec![(old.clone(), new.clone())]).toward(Direction::Up).into_iter().collect();
        let mut headers = HeaderMap::new();
        headers.append(&old, HeaderValue::from_static("a, b"));
        headers.append(&old, HeaderValue::from_static("c"));
        headers.append(&new, HeaderValue::from_static("stray"));
        edit_headers(&edits, &mut headers);
        assert_eq!(headers.get_all(&new).iter().collect::<Vec<_>>(), ["a, b", "c"]);
        assert!(!headers.contains_key(&old));
        edit_headers(&edits, &mut headers);
        assert_eq!(headers.get_all(&new).iter().count(), 2, "a stray without its source stays");
    }

    #[test]
    fn headers_are_added_where_absent_and_removed_with_a_value_for_the_way_back() {
        let name = HeaderName::from_static("x-tenant");
        let value = HeaderValue::from_static("t0");
        let run = |op: &HeaderOp, direction, sent: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                headers.insert(&name, HeaderValue::from_static(sent));
            }
            edit_headers(&op.toward(direction).into_iter().collect::<Vec<_>>(), &mut headers);
            headers.get(&name).map(|value| value.to_str().expect("ASCII").to_owned())
        };
        let add = HeaderOp::Add(name.clone(), value.clone());
        assert_eq!(run(&add, Direction::Up, None).as_deref(), Some("t0"));
        assert_eq!(run(&add, Direction::Up, Some("own")).as_deref(), Some("own"));
        assert_eq!(run(&add, Direction::Down, Some("own")), None);
        let remove = HeaderOp::Remove(name.clone(), Some(value));
        assert_eq!(run(&remove, Direction::Up, Some("own")), None);
        assert_eq!(run(&remove, Direction::Down, None).as_deref(), Some("t0"));
        assert_eq!(run(&remove, Direction::Down, Some("stray")).as_deref(), Some("t0"));
    }
}
