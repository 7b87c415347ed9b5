//! `upstreams:`, and which names an API may use.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use super::checked::Timeouts;
use super::containers::ShortOrLong;
use super::finding::{Finding, Place};
use super::pem::Files;
use super::raw;
use super::shape::At;
use super::suggest;
use super::upstream::{long, short};
use super::url::ServerUrl;
use crate::domain::upstream::{Protocol, Upstream, is_own};

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
    pub fn build(raw: &raw::Gateway, timeouts: &Timeouts, files: &mut Files<'_>, findings: &mut Vec<Finding>) -> Self {
        let mut upstreams = Self { list: Vec::new(), names: Vec::new(), incomplete: raw.upstreams.is_broken() };
        let Some(entries) = raw.upstreams.value() else { return upstreams };
        upstreams.incomplete = entries.incomplete;
        for entry in &entries.entries {
            let name = &entry.key.value.0;
            upstreams.names.push(name.clone());
            let built = match entry.value.set() {
                Some(At { value: ShortOrLong::Short(url), place }) => {
                    short(name, &At { place: place.clone(), value: url }, timeouts, files, findings)
                }
                Some(At { value: ShortOrLong::Long(raw), .. }) => {
                    long(name, (raw, &entry.key.place), timeouts, files, findings)
                }
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

/// An upstream that is the gateway itself would be asked for ever. `raw`: the whole file.
pub fn refuse_own(raw: &raw::Gateway, own: &[SocketAddr], findings: &mut Vec<Finding>) {
    for entry in raw.upstreams.value().iter().flat_map(|entries| &entries.entries) {
        let mut urls: Vec<(&ServerUrl, &Place)> = Vec::new();
        match entry.value.set() {
            Some(At { value: ShortOrLong::Short(url), place }) => urls.push((url, place)),
            Some(At { value: ShortOrLong::Long(upstream), .. }) => {
                let servers = upstream.servers.value().into_iter().flat_map(|servers| &servers.0);
                urls.extend(servers.filter_map(|at| match &at.value {
                    ShortOrLong::Short(url) => Some((url, &at.place)),
                    ShortOrLong::Long(server) => server.url.set().map(|url| (&url.value, &url.place)),
                }));
            }
            None => {}
        }
        for (url, place) in urls {
            let ip = if url.host == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { url.host.parse() };
            let Ok(ip) = ip else { continue };
            if own.iter().any(|own| is_own(*own, SocketAddr::new(ip, url.port))) {
                let message = format!("{} is one of the gateway's own addresses", url.text());
                let help = "name the backend; a request to the gateway itself would come back for ever";
                findings.push(Finding::error(place, "own-address", message, help));
            }
        }
    }
}

/// Over HTTP/2 each worker has connections of its own. `raw`: the whole file.
pub fn refuse_small_caps(raw: &raw::Gateway, workers: usize, findings: &mut Vec<Finding>) {
    for entry in raw.upstreams.value().iter().flat_map(|entries| &entries.entries) {
        let Some(ShortOrLong::Long(upstream)) = entry.value.value() else { continue };
        let protocol = upstream.protocol.value().map_or_else(Default::default, |word| word.0);
        let Some(At { value: max, place }) = upstream.max_connections.set() else { continue };
        if protocol != Protocol::Http1 && max.0 < workers {
            let message = format!("`max_connections` is {}, fewer than the {workers} workers", max.0);
            let help = "over HTTP/2 each worker needs one of its own: write more, or set `workers`";
            findings.push(Finding::error(place, "max-connections", message, help));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};

    /// An API served by the upstream `u`, which is given.
    fn with(upstream: &str) -> String {
        format!("upstreams:\n  u: {upstream}\napis: {{a: {{versions: {{\"1\": {{upstream: u}}}}}}}}\n")
    }

    #[test]
    fn the_gateways_own_listeners_are_no_upstreams() {
        let text =
            format!("{}listen: 127.0.0.1:8080\nadmin: {{listen: 127.0.0.1:9901}}\n", with("http://127.0.0.1:8080"));
        expect(&text, &["g.yaml:2:6: error: http://127.0.0.1:8080 is one of the gateway's own addresses"]);
        expect(&with("http://127.0.0.1:9901"), &["g.yaml:2:6: error: http://127.0.0.1:9901 is one of"]);
        // Nothing is written: 0.0.0.0:8080.
        expect(&with("http://localhost:8080"), &["g.yaml:2:6: error: http://localhost:8080 is one of"]);
        expect(&with("http://127.0.0.1:8081"), &[]);
    }

    #[test]
    fn an_upstream_that_nobody_uses_is_a_warning() {
        let text = "upstreams: {u: http://h, spare: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";
        expect(text, &["g.yaml:1:26: warning: no version uses the upstream `spare`"]);
        assert!(outcome(text).config.is_some());
    }
}
