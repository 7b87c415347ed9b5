//! `vergate docs`: what the changes give away for free, as text for people and tools.
//!
//! Everything is made of the changes and the OpenAPI documents, and of nothing else: the same input gives the same
//! bytes, so that a build can tell whether the files are up to date. Examples are made by the programs that adapt
//! real bodies.

mod changelog;
mod migration;
mod openapi;
mod sample;
mod words;

#[cfg(test)]
mod tests;

pub use self::{changelog::changelog, migration::migration, openapi::older};
use crate::{
    adaptation::{
        change::{Change, Operation, StatusKey},
        op::{Edit, Op},
        pointer::Pointer,
    },
    contract::Document,
    domain::{api::Api, endpoint::Endpoint},
};

/// The first line of everything that is written.
const NOTICE: &str = "Written by `vergate docs` from the changes and the OpenAPI documents; edit those instead.";

/// Two versions of an API, and what lies between them.
#[derive(Clone, Copy, Debug)]
pub struct Journey<'g> {
    /// The API.
    pub api: &'g Api,
    /// Index of the older version.
    pub from: usize,
    /// Index of the newer version.
    pub to: usize,
    /// From the older version to the newer one.
    pub chain: &'g [&'g Change],
    /// The documents of both, if they have any.
    pub documents: [Option<&'g Document>; 2],
}

/// What a chain does to one operation of the older version.
#[derive(Debug)]
struct Route<'g> {
    /// In the older version's terms.
    old: Endpoint,
    /// In the newer version's terms.
    new: Endpoint,
    /// In chain order.
    hops: Vec<(&'g Change, &'g Operation)>,
}

/// The operations that changes of a chain speak of, in the order they do, and those that came on the way.
fn routes<'g>(chain: &[&'g Change]) -> (Vec<Route<'g>>, Vec<(&'g Change, &'g Operation)>) {
    let same = |a: &Endpoint, b: &Endpoint| a.method() == b.method() && crate::contract::document::same_path(a, b);
    let (mut routes, mut added): (Vec<Route<'g>>, Vec<(&Change, &Operation)>) = (Vec::new(), Vec::new());
    for change in chain {
        for operation in &change.operations {
            if operation.since.is_some() {
                added.push((change, operation));
                continue;
            }
            let new = operation.to.clone().unwrap_or_else(|| operation.endpoint.clone());
            // What came on the way belongs to no caller of the older version.
            if added.iter().any(|(_, came)| same(&came.endpoint, &operation.endpoint)) {
                continue;
            }
            match routes.iter_mut().find(|route| same(&route.new, &operation.endpoint)) {
                Some(route) => {
                    route.new = new;
                    route.hops.push((change, operation));
                }
                None => routes.push(Route { old: operation.endpoint.clone(), new, hops: vec![(change, operation)] }),
            }
        }
    }
    (routes, added)
}

/// Edits without those that come to nothing: what an older change adds and a newer one removes again concerns nobody
/// who goes all the way.
fn settled<V>(edits: Vec<(&Edit, V)>) -> Vec<(&Edit, V)> {
    let place = |edit: &Edit, path: &Pointer| edit.at.join(path);
    let mut settled: Vec<(&Edit, V)> = Vec::new();
    for (edit, version) in edits {
        if let Op::Remove { path, .. } = &edit.op {
            let adds = |(other, _): &(&Edit, V)| matches!(&other.op, Op::Add { path: added, .. } if place(other, added) == place(edit, path));
            if let Some(at) = settled.iter().position(adds) {
                settled.remove(at);
                continue;
            }
        }
        settled.push((edit, version));
    }
    settled
}

/// `200`, `2xx` or `default`.
fn status_name(status: StatusKey) -> String {
    match status {
        StatusKey::Exact(status) => status.to_string(),
        StatusKey::Class(class) => format!("{class}xx"),
        StatusKey::Default => "default".to_owned(),
    }
}
