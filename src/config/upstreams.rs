//! `upstreams:`, and which names an API may use.

use std::collections::HashSet;

use super::checked::Timeouts;
use super::containers::ShortOrLong;
use super::finding::Finding;
use super::raw;
use super::shape::At;
use super::suggest;
use super::url::ServerUrl;
use crate::domain::upstream::{Server, Upstream, UpstreamTimeouts};

const WEIGHT_MAX: usize = 65_535;

/// The upstreams of a configuration.
#[derive(Debug)]
pub struct Upstreams {
    /// Those that could be read, in file order.
    pub list: Vec<Upstream>,
    /// All names that are written, whether or not their upstream could be read.
    names: Vec<String>,
    /// Whether a name could not be read.
    incomplete: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Index into the list.
    Known(usize),
    /// It is or may be there, but findings say why it cannot be used.
    Broken,
}

impl Upstreams {
    /// Checks every upstream.
    pub fn build(raw: &raw::Gateway, timeouts: &Timeouts, findings: &mut Vec<Finding>) -> Self {
        let mut upstreams = Self { list: Vec::new(), names: Vec::new(), incomplete: raw.upstreams.is_broken() };
        let Some(entries) = raw.upstreams.value() else { return upstreams };
        upstreams.incomplete = entries.incomplete;
        for entry in &entries.entries {
            let name = &entry.key.value.0;
            upstreams.names.push(name.clone());
            let built = match entry.value.set() {
                Some(At { value: ShortOrLong::Short(url), .. }) => Some(short(name, url, timeouts)),
                Some(At { value: ShortOrLong::Long(raw), .. }) => long(name, raw, timeouts, findings),
                None => None,
            };
            upstreams.list.extend(built);
        }
        upstreams
    }

    /// Looks a name up, or says that there is none such.
    pub fn find(&self, name: &At<super::names::Name>, findings: &mut Vec<Finding>) -> Named {
        let text = name.value.0.as_str();
        if let Some(index) = self.list.iter().position(|upstream| upstream.name == text) {
            return Named::Known(index);
        }
        if !self.incomplete && !self.names.iter().any(|known| known == text) {
            let help = match self.names.as_slice() {
                [] => format!("add it under `upstreams`: `{text}: http://host:port`"),
                names => suggest::remedy(text, names.iter().map(String::as_str)),
            };
            findings.push(Finding::error(
                &name.place,
                "unknown-upstream",
                format!("there is no upstream `{text}`"),
                help,
            ));
        }
        Named::Broken
    }
}

/// Warns of upstreams that no version uses.
pub fn warn_of_unused(raw: &raw::Gateway, findings: &mut Vec<Finding>) {
    let Some(used) = used_names(raw) else { return };
    for entry in raw.upstreams.value().iter().flat_map(|entries| &entries.entries) {
        let name = entry.key.value.0.as_str();
        if !used.contains(name) {
            let message = format!("no version uses the upstream `{name}`");
            let help = "name it under a version's `upstream`, or take it out";
            findings.push(Finding::warning(&entry.key.place, "unused-upstream", message, help));
        }
    }
}

/// The names that versions use; none where a part that may name one could not be read.
fn used_names(raw: &raw::Gateway) -> Option<HashSet<&str>> {
    let apis = &raw.apis.value()?.0;
    let mut used = HashSet::new();
    let mut complete = !apis.incomplete;
    for api in &apis.entries {
        let versions = api.value.value()?.versions.value()?;
        complete &= !versions.incomplete;
        for version in &versions.entries {
            let upstream = &version.value.value()?.upstream;
            complete &= !upstream.is_broken();
            used.extend(upstream.value().map(|name| name.0.as_str()));
        }
    }
    complete.then_some(used)
}

fn short(name: &str, url: &ServerUrl, timeouts: &Timeouts) -> Upstream {
    let nothing = raw::Upstream::default();
    assemble(name, vec![server(url, 1)], &nothing, timeouts)
}

fn long(name: &str, raw: &raw::Upstream, timeouts: &Timeouts, findings: &mut Vec<Finding>) -> Option<Upstream> {
    let servers = raw.servers.set()?;
    if servers.value.0.is_empty() {
        let message = format!("the upstream `{name}` has no usable server");
        findings.push(Finding::error(&servers.place, "no-server", message, "add a URL such as http://127.0.0.1:9015"));
        return None;
    }
    let mut built: Vec<Server> = Vec::new();
    for at in &servers.value.0 {
        let next = match &at.value {
            ShortOrLong::Short(url) => server(url, 1),
            ShortOrLong::Long(raw) => {
                let weight = raw.weight.set();
                if let Some(heavy) = weight.filter(|weight| weight.value.0 > WEIGHT_MAX) {
                    let message = format!("the weight {} is more than {WEIGHT_MAX}", heavy.value.0);
                    findings.push(Finding::error(&heavy.place, "weight", message, "weights are relative: give less"));
                }
                let weight = weight.map_or(1, |weight| weight.value.0.min(WEIGHT_MAX));
                server(raw.url.value()?, u32::try_from(weight).unwrap_or(u32::MAX))
            }
        };
        let same =
            |known: &&Server| (&known.host, known.port, &known.base_path) == (&next.host, next.port, &next.base_path);
        if built.iter().find(same).is_some() {
            let message = format!("the server {}:{} is listed twice", next.host, next.port);
            findings.push(Finding::error(&at.place, "duplicate-server", message, "give it a `weight` instead"));
        }
        built.push(next);
    }
    Some(assemble(name, built, raw, timeouts))
}

fn server(url: &ServerUrl, weight: u32) -> Server {
    Server { host: url.host.clone(), port: url.port, base_path: url.base_path.clone(), weight }
}

fn assemble(name: &str, servers: Vec<Server>, raw: &raw::Upstream, timeouts: &Timeouts) -> Upstream {
    let (no_retries, no_timeouts) = (raw::Retries::default(), raw::UpstreamTimeouts::default());
    let retries = raw.retries.value().unwrap_or(&no_retries);
    let own = raw.timeouts.value().unwrap_or(&no_timeouts);
    Upstream {
        name: name.to_owned(),
        servers,
        balance: raw.balance.value().map_or_else(Default::default, |rule| rule.0),
        retry_attempts: retries.attempts.value().map_or(1, |attempts| attempts.0),
        retry_budget_percent: retries.budget.value().map_or(20, |percent| percent.0),
        timeouts: UpstreamTimeouts {
            connect: own.connect.value().map_or(timeouts.connect, |span| span.0),
            response: own.response.value().map_or(timeouts.response, |span| span.0),
            pool_idle: own.pool_idle.value().map_or(std::time::Duration::from_secs(30), |span| span.0),
        },
    }
}
