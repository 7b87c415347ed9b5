//! A change as an operator writes it: how one version of an API differs from the one before.

use crate::domain::{endpoint::Endpoint, version::ApiVersion};

use super::{
    fields::{HeaderOp, QueryOp},
    op::Edit,
};

/// How version `to` differs from version `from`, written old to new.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its name, unique within an API.
    pub name: String,
    /// The older version.
    pub from: ApiVersion,
    /// The newer version.
    pub to: ApiVersion,
    /// One sentence for people.
    pub summary: Option<String>,
    /// What differs; empty says "these two do not differ".
    pub operations: Vec<Operation>,
}

/// What a change does to one operation of the API. Shapes are resolved: lists hold edits only.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `match`: method and path without version, with the API's prefix; the older ones where `to` differs.
    pub endpoint: Endpoint,
    /// `to`: the newer version's method and path; its parameters are bound by `match`.
    pub to: Option<Endpoint>,
    /// The operation does not exist in versions before this one.
    pub since: Option<ApiVersion>,
    /// What differs in request bodies, old to new.
    pub request: Vec<Edit>,
    /// What differs in response bodies, old to new, by the status they belong to; keys differ.
    pub responses: Vec<(StatusKey, Vec<Edit>)>,
    /// What differs in the data of server-sent events, old to new, by the type of the event; types differ.
    ///
    /// Other types go by the list of the answer's status.
    pub events: Vec<(Box<str>, Vec<Edit>)>,
    /// Statuses that differ, older and newer; the first pair that fits a status decides, either way.
    ///
    /// Lists in `responses` are chosen by the newer status, in both directions.
    pub statuses: Vec<(u16, u16)>,
    /// What differs in the query, old to new.
    pub query: Vec<QueryOp>,
    /// What differs in request header fields, old to new.
    pub request_headers: Vec<HeaderOp>,
    /// What differs in response header fields, old to new.
    pub response_headers: Vec<HeaderOp>,
}

/// The type of an event that names none (WHATWG HTML section 9.2.6).
pub const MESSAGE: &str = "message";

impl Operation {
    /// All lists for answers.
    pub fn response_lists(&self) -> impl Iterator<Item = &[Edit]> {
        let by_status = self.responses.iter().map(|(_, edits)| edits.as_slice());
        by_status.chain(self.events.iter().map(|(_, edits)| edits.as_slice()))
    }

    /// Index of the most specific response list for a status of the newer version.
    pub fn list_for(&self, status: StatusKey) -> Option<usize> {
        let find = |key| self.responses.iter().position(|(known, _)| *known == key);
        [status, status.class(), StatusKey::Default].into_iter().find_map(find)
    }

    /// The status on the other side, walked in `direction`; a class or `default` stays what it is.
    pub fn mapped_status(&self, status: StatusKey, direction: Direction) -> StatusKey {
        let StatusKey::Exact(from) = status else { return status };
        let oriented = |(older, newer): &(u16, u16)| match direction {
            Direction::Up => (*older, *newer),
            Direction::Down => (*newer, *older),
        };
        let pair = self.statuses.iter().map(oriented).find(|(near, _)| *near == from);
        StatusKey::Exact(pair.map_or(from, |(_, far)| far))
    }
}

/// Which statuses a response list is for; a more specific key of the same change wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusKey {
    /// `200`.
    Exact(u16),
    /// `4xx`, as its first digit.
    Class(u8),
    /// `default`.
    Default,
}

impl StatusKey {
    /// Reads `200`, `2xx` or `default`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.as_bytes() {
            b"default" => Some(Self::Default),
            [class @ b'1'..=b'5', b'x', b'x'] => Some(Self::Class(class - b'0')),
            [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => text.parse().ok().map(Self::Exact),
            _ => None,
        }
    }

    /// The class of a status; a class and `default` are their own.
    #[must_use]
    pub fn class(self) -> Self {
        match self {
            Self::Exact(status) => Self::Class(u8::try_from(status / 100).unwrap_or(0)),
            other => other,
        }
    }
}

/// Which way a change is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the older to the newer version.
    Up,
    /// From the newer to the older version.
    Down,
}

impl Direction {
    /// The way back.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_key_is_a_status_a_class_or_default() {
        assert_eq!(StatusKey::parse("200"), Some(StatusKey::Exact(200)));
        assert_eq!(StatusKey::parse("4xx"), Some(StatusKey::Class(4)));
        assert_eq!(StatusKey::parse("default"), Some(StatusKey::Default));
        for text in ["", "20", "2000", "6xx", "0xx", "600", "2XX", "2x", "+20"] {
            assert_eq!(StatusKey::parse(text), None, "{text}");
        }
    }
}
