//! The changes between the version that is asked for and the one that is spoken.

use serde::Serialize;

use crate::{
    adaptation::change::Change,
    domain::api::{Api, Service},
};

/// One change a request passes.
#[derive(Debug, Serialize)]
pub(super) struct Link {
    pub(super) change: String,
    pub(super) from: String,
    pub(super) to: String,
    /// `up` towards newer versions, `down` towards older ones.
    pub(super) direction: &'static str,
    pub(super) summary: Option<String>,
}

impl Link {
    /// The changes from the served version to the spoken one, in the order a request passes them.
    pub(super) fn chain(api: &Api, served: usize, service: &Service, changes: &[Change]) -> Vec<Self> {
        let mut at = &api.versions[served].name;
        let mut links = Vec::new();
        for index in &service.chain {
            let change = &changes[*index];
            let up = change.from == *at;
            let (from, to) = if up { (&change.from, &change.to) } else { (&change.to, &change.from) };
            links.push(Self {
                change: change.name.clone(),
                from: from.to_string(),
                to: to.to_string(),
                direction: if up { "up" } else { "down" },
                summary: change.summary.clone(),
            });
            at = to;
        }
        links
    }
}
