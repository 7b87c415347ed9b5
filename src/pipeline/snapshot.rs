//! Everything a request needs, compiled when the configuration loads; immutable.
//!
//! A snapshot is compiled for an instant: which versions are stable, deprecated or gone is settled in
//! it. When the next phase of any version begins, another one takes its place.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{
    negotiation::Negotiator,
    policy::{self, Policy},
};
use crate::{
    adaptation::{
        change::{Change, Direction},
        plan::Plan,
        walk,
    },
    config::Config,
    domain::{
        api::{Api, Version},
        endpoint::Endpoint,
        time::UtcTime,
    },
};

/// The compiled configuration of one instant.
#[derive(Debug)]
pub struct Snapshot {
    /// What it was compiled from.
    pub config: Arc<Config>,
    /// The instant it was compiled for.
    pub at: UtcTime,
    /// Finds API, version and endpoint.
    pub negotiator: Negotiator,
    /// By API index.
    pub apis: Vec<ApiEntry>,
}

/// One API, compiled.
#[derive(Debug)]
pub struct ApiEntry {
    /// By version index.
    pub versions: Vec<VersionEntry>,
}

/// One version of an API, compiled.
#[derive(Debug)]
pub struct VersionEntry {
    /// Whether it is served, and what is said about it.
    pub policy: Policy,
    /// `X-API-Version-Used`.
    pub used: HeaderValue,
    /// The version its upstream speaks.
    pub speaks: HeaderValue,
    /// The header line that tells the upstream so.
    pub speaks_line: Box<[u8]>,
    /// Index into the configuration's upstreams.
    pub upstream: usize,
    /// How its calls differ from what the upstream speaks; none where no change has operations.
    pub plan: Option<Plan>,
    /// How its paths differ from the newest stable version's, for the successor link.
    pub to_successor: Option<Plan>,
}

impl Snapshot {
    /// Compiles `config` for the instant `now`.
    pub fn compile(config: Arc<Config>, now: UtcTime) -> Self {
        let negotiator = Negotiator::compile(&config.apis, now);
        let apis = config
            .apis
            .iter()
            .enumerate()
            .map(|(index, api)| compile_api(&config, index, api, now, negotiator.version_header(index)));
        let apis = apis.collect();
        Self { at: now, negotiator, apis, config }
    }

    /// The entry of a version.
    pub fn version(&self, api: usize, version: usize) -> &VersionEntry {
        &self.apis[api].versions[version]
    }

    /// The endpoints of a version: its own list, or the API's.
    pub fn endpoints(&self, api: usize, version: usize) -> &[Endpoint] {
        endpoints(&self.config.apis[api], version)
    }
}

/// The endpoints of a version: its own list, or the API's.
pub fn endpoints(api: &Api, version: usize) -> &[Endpoint] {
    api.versions[version].endpoints.as_deref().unwrap_or(&api.endpoints)
}

fn compile_api(config: &Config, index: usize, api: &Api, now: UtcTime, version_header: &HeaderName) -> ApiEntry {
    let changes = &config.changes[index];
    let policies = policy::compile(api, now);
    let entry = |(version, policy): (&Version, Policy)| VersionEntry {
        used: name(version),
        speaks: name(&api.versions[version.service.speaks]),
        speaks_line: format!("{version_header}: {}\r\n", api.versions[version.service.speaks].name).into_bytes().into(),
        upstream: version.service.upstream,
        plan: plan(version, &version.service.chain, changes),
        to_successor: policy.successor.and_then(|to| to_successor(version, &api.versions[to], changes)),
        policy,
    };
    ApiEntry { versions: api.versions.iter().zip(policies).map(entry).collect() }
}

fn name(version: &Version) -> HeaderValue {
    // Only letters, digits, dots and hyphens make a version.
    HeaderValue::from_str(version.name.as_str()).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

fn plan(version: &Version, chain: &[usize], changes: &[Change]) -> Option<Plan> {
    let mut at = &version.name;
    let mut walk = Vec::with_capacity(chain.len());
    for index in chain {
        let change = &changes[*index];
        let up = change.from == *at;
        at = if up { &change.to } else { &change.from };
        walk.push((change, if up { Direction::Up } else { Direction::Down }));
    }
    let plan = Plan::compile(&walk, &version.name);
    (!plan.is_empty()).then_some(plan)
}

fn to_successor(version: &Version, successor: &Version, changes: &[Change]) -> Option<Plan> {
    let plan = Plan::compile(&walk::between(changes, &version.name, &successor.name)?, &version.name);
    (!plan.is_empty()).then_some(plan)
}
