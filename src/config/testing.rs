//! What the tests of this folder share: a day, and findings as lines.

use std::path::Path;

use super::checked::{Outcome, read};
use crate::domain::time::UtcTime;

/// One upstream and one API; the versions follow from line 5 on, indented by six.
pub(super) const VERSIONS: &str = "upstreams: {u: http://127.0.0.1:1}\napis:\n  a:\n    versions:\n";

/// Reads a text on 2026-01-01, with the variable `SET` in the environment.
pub(super) fn outcome(text: &str) -> Outcome {
    let now = UtcTime::parse("2026-01-01").expect("a day");
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    read(text, Path::new("g.yaml"), &env, now)
}

/// The findings as `check` prints them.
pub(super) fn findings(text: &str) -> Vec<String> {
    outcome(text).findings.iter().map(ToString::to_string).collect()
}

/// Asserts that exactly these findings come, in this order; each is given by its beginning.
#[track_caller]
pub(super) fn expect(text: &str, expected: &[&str]) {
    let found = findings(text);
    let same =
        found.len() == expected.len() && found.iter().zip(expected).all(|(found, start)| found.starts_with(start));
    assert!(same, "{text}\nfound {found:#?}\nexpected {expected:#?}");
}

/// Asserts what [`VERSIONS`] with these versions gives.
#[track_caller]
pub(super) fn expect_versions(versions: &str, expected: &[&str]) {
    expect(&format!("{VERSIONS}{versions}"), expected);
}
