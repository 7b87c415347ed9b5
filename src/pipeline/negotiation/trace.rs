//! The steps of one decision, for `vergate explain`.
//!
//! The decision itself reports them, through an observer that costs nothing when nobody looks, so
//! that an explanation can never differ from what the data path does.

use super::{Chosen, Refusal};
use crate::problem::NamedBy;

/// A decision and how it came about.
#[derive(Clone, Debug)]
pub struct Trace<'h> {
    /// In the order they were taken.
    pub steps: Vec<Step>,
    /// What [`super::Negotiator::negotiate`] returns for the same head.
    pub outcome: Result<Chosen<'h>, Refusal>,
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The host was looked up.
    Host {
        /// As compared: lower case, without port; none if the request has none.
        host: Option<String>,
        /// How many APIs it leaves.
        candidates: usize,
        /// Whether they are named by it, exactly or by wildcard.
        named: bool,
    },
    /// The path differs from the one that decides.
    Normalised {
        /// The path that decides.
        path: String,
    },
    /// The path was read as a lenient backend might, to see whether that changes anything.
    Reading {
        /// The path so read.
        path: String,
        /// Whether it means the same.
        same: bool,
    },
    /// Dot segments of what would be forwarded lead above its root.
    Climbs,
    /// The prefix was looked up.
    Route {
        /// The API that owns the path, by index.
        api: Option<usize>,
        /// The path without the version.
        path: String,
    },
    /// A source was read.
    Source {
        /// Index into the API's sources.
        index: usize,
        /// Its kind.
        by: NamedBy,
        /// What was found there.
        finding: Finding,
    },
    /// Nothing was named, or what was named does not exist: the default applies.
    Default {
        /// Index into the API's versions; none if there is no default.
        version: Option<usize>,
        /// A CORS preflight is let through on it (CONTRACT section 3, rule 11).
        preflight: bool,
    },
    /// The endpoint was looked up.
    Endpoint {
        /// Index into the version's list.
        endpoint: Option<usize>,
        /// The path, without the version, it was looked up with.
        path: String,
    },
}

/// What one source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing: the next source is asked.
    Absent,
    /// A version.
    Version {
        /// As written.
        text: String,
        /// Index into the API's versions.
        version: usize,
    },
    /// The form of a version, but none that exists.
    Unknown {
        /// As written.
        text: String,
    },
    /// Not the form of a version.
    Malformed,
    /// Different versions.
    Ambiguous {
        /// One of them, as written.
        first: String,
        /// Another, as written.
        second: String,
    },
}

/// Receives the steps of a decision.
pub(super) trait Observer {
    /// Takes a step; `make` runs only if somebody looks.
    fn step(&mut self, make: impl FnOnce() -> Step);
}

/// Nobody looks.
pub(super) struct Silent;

impl Observer for Silent {
    #[inline]
    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

/// Keeps every step.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) steps: Vec<Step>,
}

impl Observer for Recorder {
    fn step(&mut self, make: impl FnOnce() -> Step) {
        self.steps.push(make());
    }
}
