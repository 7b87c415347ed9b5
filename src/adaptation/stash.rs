//! What an exchange keeps of its request for its response: `down: {stash: name}`.

use std::sync::Arc;

/// Values by change and name. Empty, and without an allocation, unless a change stashes something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stash(Vec<Kept>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    change: Arc<str>,
    name: Box<str>,
    /// Valid JSON text.
    value: Vec<u8>,
}

impl Stash {
    /// Keeps a value; a later one under the same name takes its place.
    pub(super) fn put(&mut self, change: &Arc<str>, name: &str, value: Vec<u8>) {
        match self.0.iter_mut().find(|kept| kept.is(change, name)) {
            Some(kept) => kept.value = value,
            None => self.0.push(Kept { change: change.clone(), name: name.into(), value }),
        }
    }

    /// The value that a change keeps under a name.
    pub(super) fn get(&self, change: &str, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|kept| kept.is(change, name)).map(|kept| kept.value.as_slice())
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Kept {
    fn is(&self, change: &str, name: &str) -> bool {
        *self.change == *change && *self.name == *name
    }
}
