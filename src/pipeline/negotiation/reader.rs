//! What each configured source of a request says (CONTRACT section 3, rules 1 to 3).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header::ACCEPT};

use super::{expression::Expression, media_type, selector::Resolver, trace::Finding};
use crate::{
    domain::version::{RequestedVersion, VersionText},
    headers::has,
};

/// What one source says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    /// The source is not there.
    Absent,
    /// A declared version, by index.
    Version { index: usize, text: VersionText },
    /// The form of a version, but not a declared one.
    Unknown { text: VersionText },
    /// Something that is no version.
    Malformed,
    /// Different versions.
    Ambiguous { first: VersionText, second: VersionText },
}

impl Named {
    /// Takes one more value of the same source into account.
    ///
    /// Malformed outweighs everything, differing values are ambiguous, spellings of one version are one.
    fn and(self, value: &str, resolver: &Resolver) -> Self {
        let Some(asked) = RequestedVersion::read(value) else { return Self::Malformed };
        let resolved = resolver.resolve(&asked, false);
        let same = match (self, resolved) {
            (Self::Absent, Some(index)) => return Self::Version { index, text: asked.text() },
            (Self::Absent, None) => return Self::Unknown { text: asked.text() },
            (Self::Malformed | Self::Ambiguous { .. }, _) => true,
            (Self::Version { index, .. }, resolved) => resolved == Some(index),
            (Self::Unknown { text }, resolved) => resolved.is_none() && spell_the_same(&text, &asked),
        };
        match self {
            Self::Version { text, .. } | Self::Unknown { text } if !same => {
                Self::Ambiguous { first: text, second: asked.text() }
            }
            _ => self,
        }
    }

    pub(super) fn finding(&self) -> Finding {
        match self {
            Self::Absent => Finding::Absent,
            Self::Version { index, text } => Finding::Version { text: text.to_string(), version: *index },
            Self::Unknown { text } => Finding::Unknown { text: text.to_string() },
            Self::Malformed => Finding::Malformed,
            Self::Ambiguous { first, second } => {
                Finding::Ambiguous { first: first.to_string(), second: second.to_string() }
            }
        }
    }
}

fn spell_the_same(text: &VersionText, asked: &RequestedVersion<'_>) -> bool {
    RequestedVersion::read(text.as_str()).is_some_and(|known| known.spells_the_same(asked))
}

/// Every line of a header field, and every member of a line, is a value.
pub(super) fn header(resolver: &Resolver, name: &HeaderName, headers: &HeaderMap) -> Named {
    let mut named = Named::Absent;
    if !has(headers, name) {
        return named;
    }
    for line in headers.get_all(name) {
        let Ok(line) = line.to_str() else { return Named::Malformed };
        for value in line.split(',') {
            named = named.and(value, resolver);
        }
    }
    named
}

/// The text a path source found.
pub(super) fn path(resolver: &Resolver, text: Option<&str>) -> Named {
    text.map_or(Named::Absent, |text| Named::Absent.and(text, resolver))
}

/// Every parameter of the name is a value; without `=` it is empty.
pub(super) fn query(resolver: &Resolver, name: &str, query: Option<&str>) -> Named {
    let mut named = Named::Absent;
    for parameter in query.unwrap_or_default().split('&') {
        let Some(raw) = value_of(parameter, name) else { continue };
        named = match decoded(raw) {
            Some(value) => named.and(&value, resolver),
            None => Named::Malformed,
        };
    }
    named
}

/// Every media range with q > 0 that matches is a value; which counts is decided by weight.
pub(super) fn accept(resolver: &Resolver, expression: &Expression, headers: &HeaderMap) -> Named {
    if !has(headers, &ACCEPT) {
        return Named::Absent;
    }
    let mut best: Option<Weighed> = None;
    let mut unknown = None;
    for line in headers.get_all(ACCEPT) {
        for range in media_type::ranges(line.as_bytes()) {
            let Some(found) = expression.find(range.name).filter(|_| range.weight > 0) else { continue };
            let Some(asked) = RequestedVersion::read(&range.name[found]) else { return Named::Malformed };
            let Some(index) = resolver.resolve(&asked, true) else {
                unknown.get_or_insert_with(|| asked.text());
                continue;
            };
            let candidate = Weighed {
                live: !resolver.is_sunset(index),
                weight: range.weight,
                index,
                text: asked.text(),
                other: None,
            };
            best = Some(match best {
                Some(best) => best.or(candidate),
                None => candidate,
            });
        }
    }
    // The rest of the header is read even where the best is known: a malformed version makes it malformed.
    match (best, unknown) {
        (Some(Weighed { text, other: Some(second), .. }), _) => Named::Ambiguous { first: text, second },
        (Some(Weighed { index, text, .. }), _) => Named::Version { index, text },
        (None, Some(text)) => Named::Unknown { text },
        (None, None) => Named::Absent,
    }
}

/// A version one or more media ranges ask for.
#[derive(Clone, Copy)]
struct Weighed {
    /// A sunset version counts only if nothing else is left.
    live: bool,
    weight: u16,
    index: usize,
    text: VersionText,
    /// Another version of the same weight.
    other: Option<VersionText>,
}

impl Weighed {
    fn or(self, candidate: Self) -> Self {
        match (candidate.live, candidate.weight).cmp(&(self.live, self.weight)) {
            std::cmp::Ordering::Greater => candidate,
            std::cmp::Ordering::Equal if candidate.index != self.index => {
                Self { other: self.other.or(Some(candidate.text)), ..self }
            }
            _ => self,
        }
    }
}

/// The raw value of a parameter if its decoded name is `name`.
pub(super) fn value_of<'q>(parameter: &'q str, name: &str) -> Option<&'q str> {
    let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let plain = key.len() == name.len() && key == name;
    let escaped = || key.bytes().any(|byte| matches!(byte, b'%' | b'+')) && decoded(key).is_some_and(|key| key == name);
    (plain || escaped()).then_some(value)
}

/// Percent-decoded, `+` a space; none if that is not UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(bytes.into_owned()))
}
