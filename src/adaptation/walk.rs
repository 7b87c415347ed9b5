//! The way from one version to another through changes.

use std::collections::VecDeque;

use super::change::{Change, Direction};
use crate::domain::version::ApiVersion;

/// The shortest chain of changes from `from` to `to`, in walking order; empty where they are the same
/// version, none where no chain leads there.
pub fn between<'c>(changes: &'c [Change], from: &ApiVersion, to: &ApiVersion) -> Option<Vec<(&'c Change, Direction)>> {
    /// A version that was reached, and the step that led there.
    struct Reached<'c> {
        version: &'c ApiVersion,
        by: Option<(usize, &'c Change, Direction)>,
    }
    if from == to {
        return Some(Vec::new());
    }
    let start = changes.iter().flat_map(|change| [&change.from, &change.to]).find(|version| *version == from)?;
    let mut reached = vec![Reached { version: start, by: None }];
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        let here = reached[at].version;
        if here == to {
            let mut walk = Vec::new();
            let mut step = reached[at].by;
            while let Some((before, change, direction)) = step {
                walk.push((change, direction));
                step = reached[before].by;
            }
            walk.reverse();
            return Some(walk);
        }
        for change in changes {
            let (next, direction) = match here {
                here if change.from == *here => (&change.to, Direction::Up),
                here if change.to == *here => (&change.from, Direction::Down),
                _ => continue,
            };
            if reached.iter().all(|seen| seen.version != next) {
                queue.push_back(reached.len());
                reached.push(Reached { version: next, by: Some((at, change, direction)) });
            }
        }
    }
    None
}
