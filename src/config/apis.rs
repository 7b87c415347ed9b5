//! `apis:`: each API with its versions, rules and changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::chain::{self, Edge};
use super::changes;
use super::containers::Entry;
use super::finding::{Finding, Place, Severity};
use super::names::Name;
use super::raw;
use super::shape::At;
use super::tree::Node;
use super::upstreams::Upstreams;
use super::versioning::{self, Subject};
use super::versions::{self, Draft};
use crate::adaptation::change::Change;
use crate::domain::{
    api::{Api, HostPattern},
    time::UtcTime,
};

/// What the checks of an API look at beside the API.
pub struct Context<'c> {
    /// The day the rules are checked for.
    pub now: UtcTime,
    /// The folder that files named in the configuration are relative to.
    pub folder: &'c Path,
    /// Gains every file that was read.
    pub files: &'c mut Vec<PathBuf>,
    /// The upstreams.
    pub upstreams: &'c Upstreams,
    /// Global `versioning:`.
    pub versioning: &'c raw::Versioning,
    /// Global `deprecation:`.
    pub deprecation: &'c raw::Deprecation,
}

/// Checks every API.
///
/// - Returns the APIs and the changes of each; an API is left out where findings say why.
pub fn build(
    raw: &raw::Gateway,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> (Vec<Api>, Vec<Vec<Change>>) {
    let entries = raw.apis.value().map_or(&[][..], |apis| &apis.0.entries);
    for entry in entries.iter().filter(|entry| entry.key.value.0 == "none") {
        let message = "an api cannot be called `none`: metrics use that word for requests without one";
        findings.push(Finding::error(&entry.key.place, "name", message, "choose another name"));
    }
    let mut built = Vec::new();
    for entry in entries {
        let first = findings.len();
        if let Some(raw) = entry.value.value() {
            built.extend(api(entry, raw, context, findings));
        }
        for finding in &mut findings[first..] {
            finding.api.get_or_insert_with(|| entry.key.value.0.clone());
        }
    }
    refuse_shared_prefixes(entries, findings);
    built.into_iter().unzip()
}

fn api(
    entry: &Entry<Name, raw::Api>,
    raw: &raw::Api,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> Option<(Api, Vec<Change>)> {
    let endpoints = raw.endpoints.value().map_or_else(Vec::new, |list| versions::endpoints(list, findings));
    let entries = raw.versions.set()?;
    if entries.value.entries.is_empty() && !entries.value.incomplete {
        let help = "add one: `\"1.0\": {upstream: …}`";
        findings.push(Finding::error(&entries.place, "missing-key", "`versions` has no version", help));
        return None;
    }
    let entries = &entries.value;
    let drafts = versions::drafts(entries, context.upstreams, context.deprecation, findings);
    for draft in &drafts {
        versions::check_day(draft, context.now, findings);
    }
    let no_rules = raw::Versioning::default();
    let own = raw.versioning.value().unwrap_or(&no_rules);
    let subject =
        Subject { api: &entry.key.value.0, key: &entry.key.place, drafts: &drafts, incomplete: entries.incomplete };
    let versioning = versioning::build(context.versioning, own, &subject, context.now, findings);
    let (changes, edges, complete) = changes_of(raw, &drafts, entries.incomplete, context, findings);
    let services = chain::services(&drafts, &edges, complete && !entries.incomplete, findings);
    let versions = versions::finish(drafts, services, context.deprecation, findings);
    let api = Api {
        name: entry.key.value.0.clone(),
        hosts: hosts(raw).into_iter().map(|at| at.value.clone()).collect(),
        path: raw.path.value().map_or_else(String::new, |prefix| prefix.0.clone()),
        strip_path: raw.strip_path.value().is_some_and(|flag| flag.0),
        endpoints,
        unlisted: raw.unlisted.value().map_or_else(Default::default, |word| word.0),
        versioning: versioning?,
        versions: versions?,
    };
    Some((api, changes))
}

/// The changes of an API, the versions each one links, and whether all of them could be read.
fn changes_of(
    raw: &raw::Api,
    drafts: &[Draft<'_>],
    incomplete: bool,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> (Vec<Change>, Vec<Option<Edge>>, bool) {
    let Some(At { value: raw::Changes(node), .. }) = raw.changes.set() else {
        return (Vec::new(), Vec::new(), raw.changes.is_absent());
    };
    let first = findings.len();
    let changes = changes::read(node, context.folder, context.files, findings);
    let readable = findings[first..].iter().all(|finding| finding.severity != Severity::Error);
    let mut edges: Vec<Option<Edge>> = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        let found = findings.len();
        let edge = edge(change, node, drafts, incomplete, findings);
        if let Some(first) = edge.and_then(|edge| edges.iter().position(|known| *known == Some(edge))) {
            let place = place_of(node, change, "change");
            let other = place_of(node, &changes[first], "change");
            let message = format!(
                "the change `{}` leads from {} to {} like `{}` at {other}",
                change.name, change.from, change.to, changes[first].name
            );
            findings.push(Finding::error(&place, "duplicate-change", message, "join the two"));
        }
        debug_assert_eq!(edges.len(), index);
        edges.push(edge);
        for finding in &mut findings[found..] {
            finding.change.get_or_insert_with(|| change.name.clone());
        }
    }
    let complete = readable && edges.iter().all(Option::is_some);
    (changes, edges, complete)
}

fn edge(
    change: &Change,
    node: &Node,
    drafts: &[Draft<'_>],
    incomplete: bool,
    findings: &mut Vec<Finding>,
) -> Option<Edge> {
    let mut end = |name, key: &str| {
        let what = format!("`{key}` of the change `{}`", change.name);
        versions::find(name, &place_of(node, change, key), &what, drafts, incomplete, findings)
    };
    let (older, newer) = (end(&change.from, "from"), end(&change.to, "to"));
    let edge = Edge { older: older?, newer: newer? };
    if edge.older >= edge.newer {
        let message =
            format!("the change `{}` leads from {} to {}, which is not newer", change.name, change.from, change.to);
        let help = "changes are written old to new; they run both ways";
        findings.push(Finding::error(&place_of(node, change, "to"), "change-order", message, help));
        return None;
    }
    Some(edge)
}

/// Where `key` of a change stands; the list where the change stands in a file of its own.
fn place_of(changes: &Node, change: &Change, key: &str) -> Place {
    let entries = changes.list().unwrap_or_default();
    let entry = entries.iter().find(|entry| entry.get("change").and_then(Node::text) == Some(change.name.as_str()));
    entry.and_then(|entry| entry.get(key)).unwrap_or_else(|| entries.first().unwrap_or(changes)).place.clone()
}

fn hosts(raw: &raw::Api) -> Vec<At<&HostPattern>> {
    let list = raw.hosts.value().map_or(&[][..], |list| &list.0);
    list.iter().map(|at| At { place: at.place.clone(), value: &at.value.0 }).collect()
}

/// The same host and path twice would leave a request without an owner.
fn refuse_shared_prefixes(entries: &[Entry<Name, raw::Api>], findings: &mut Vec<Finding>) {
    let mut owners: HashMap<(Option<&HostPattern>, &str), (&str, Place)> = HashMap::new();
    for entry in entries {
        let Some(raw) = entry.value.value() else { continue };
        if raw.hosts.is_broken() || raw.path.is_broken() {
            continue;
        }
        let name = entry.key.value.0.as_str();
        let path = raw.path.value().map_or("", |prefix| prefix.0.as_str());
        let place = raw.path.set().map_or(&entry.key.place, |at| &at.place);
        let hosts = hosts(raw);
        let hosts: Vec<Option<&HostPattern>> =
            if hosts.is_empty() { vec![None] } else { hosts.iter().map(|at| Some(at.value)).collect() };
        for host in hosts {
            let Some((owner, other)) = owners.get(&(host, path)) else {
                owners.insert((host, path), (name, place.clone()));
                continue;
            };
            let on = match host {
                None => "any host".to_owned(),
                Some(HostPattern::Exact(host)) => format!("the host {host}"),
                Some(HostPattern::OneLabel(suffix)) => format!("the host *{suffix}"),
            };
            let shown = if path.is_empty() { "/" } else { path };
            let message =
                format!("the api `{name}` owns {shown} on {on}, which the api `{owner}` owns already (at {other})");
            let finding = Finding::error(place, "shared-prefix", message, "give one of them another `path` or `hosts`");
            findings.push(finding.in_api(name));
        }
    }
}
