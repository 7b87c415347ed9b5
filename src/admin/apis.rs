//! `GET /api/v1/apis` and `GET /api/v1/apis/{api}/versions`: what is configured, as of now.
//!
//! ```json
//! {"apis": [{"name": "query-parser", "hosts": ["api.chatdb.com"], "path": "/", "strip_path": false,
//!            "unlisted": "forward", "endpoints": ["POST /parse"], "default": "1.5", "versions": ["1.0", "1.5"]}]}
//! ```
//! ```json
//! {"api": "query-parser", "versions": [
//!   {"version": "1.0", "status": "deprecated", "phase": "warning", "default": false,
//!    "deprecated": "2026-06-01T00:00:00Z", "sunset": "2027-06-01T00:00:00Z",
//!    "upstream": "query-parser-1.5", "served_through": "1.5"},
//!   {"version": "1.5", "status": "stable", "phase": null, "default": true,
//!    "deprecated": null, "sunset": null, "upstream": "query-parser-1.5", "served_through": null}]}
//! ```
//!
//! - `status`, `phase`: by declaration and dates at this instant; `phase` is null before the deprecation date.
//! - `default`: what a request that names no version gets.
//! - `deprecated`, `sunset`: RFC 3339, also when they lie ahead.
//! - `upstream`: the one requests go to.
//! - `served_through`: the newer version whose upstream that is; null where the version has its own.

use serde::Serialize;

use crate::{
    config::Config,
    domain::{
        api::{Api, DefaultVersion, HostPattern, Unlisted, Version},
        lifecycle::Phase,
        time::UtcTime,
    },
};

/// `GET /api/v1/apis`.
#[derive(Serialize)]
pub(super) struct Apis<'a> {
    apis: Vec<Summary<'a>>,
}

#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    hosts: Vec<String>,
    path: &'a str,
    strip_path: bool,
    unlisted: &'static str,
    endpoints: Vec<String>,
    default: Option<&'a str>,
    versions: Vec<&'a str>,
}

/// `GET /api/v1/apis/{api}/versions`.
#[derive(Serialize)]
pub(super) struct Versions<'a> {
    api: &'a str,
    versions: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    version: &'a str,
    status: &'static str,
    phase: Option<&'static str>,
    default: bool,
    deprecated: Option<String>,
    sunset: Option<String>,
    upstream: Option<&'a str>,
    served_through: Option<&'a str>,
}

/// All APIs in file order.
pub(super) fn list(config: &Config, now: UtcTime) -> Apis<'_> {
    Apis { apis: config.apis.iter().map(|api| summary(api, now)).collect() }
}

/// The versions of one API, ascending; none where there is no such API.
pub(super) fn versions<'a>(config: &'a Config, name: &str, now: UtcTime) -> Option<Versions<'a>> {
    let api = config.apis.iter().find(|api| api.name == name)?;
    let default = default_version(api, now);
    let row = |(index, version)| row(config, api, version, default == Some(index), now);
    Some(Versions { api: &api.name, versions: (0..).zip(&api.versions).map(row).collect() })
}

fn summary(api: &Api, now: UtcTime) -> Summary<'_> {
    let host = |host: &HostPattern| match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::OneLabel(rest) => format!("*{rest}"),
    };
    Summary {
        name: &api.name,
        hosts: api.hosts.iter().map(host).collect(),
        path: if api.path.is_empty() { "/" } else { &api.path },
        strip_path: api.strip_path,
        unlisted: match api.unlisted {
            Unlisted::Forward => "forward",
            Unlisted::Reject => "reject",
        },
        endpoints: api.endpoints.iter().map(ToString::to_string).collect(),
        default: default_version(api, now)
            .and_then(|index| api.versions.get(index))
            .map(|version| version.name.as_str()),
        versions: api.versions.iter().map(|version| version.name.as_str()).collect(),
    }
}

fn row<'a>(config: &'a Config, api: &'a Api, version: &'a Version, default: bool, now: UtcTime) -> Row<'a> {
    let standing = version.lifecycle.standing(now);
    let through = api.versions.get(version.service.through).filter(|through| through.name != version.name);
    Row {
        version: version.name.as_str(),
        status: standing.status.as_str(),
        phase: standing.phase.map(Phase::as_str),
        default,
        deprecated: version.lifecycle.deprecation().map(|at| at.to_string()),
        sunset: version.lifecycle.sunset().map(|at| at.to_string()),
        upstream: config.upstreams.get(version.service.upstream).map(|upstream| upstream.name.as_str()),
        served_through: through.map(|through| through.name.as_str()),
    }
}

/// What a request that names no version gets now (CONTRACT section 3, rule 6).
fn default_version(api: &Api, now: UtcTime) -> Option<usize> {
    match api.versioning.default {
        DefaultVersion::Required => None,
        DefaultVersion::Version(index) => Some(index),
        DefaultVersion::LatestStable => api.latest_stable(now),
    }
}
