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

use serde_json::{Value, json};

use crate::{
    config::Config,
    domain::{
        api::{Api, DefaultVersion, HostPattern, Unlisted, Version},
        lifecycle::{Phase, Status},
        time::UtcTime,
    },
};

/// All APIs in file order.
pub(super) fn list(config: &Config, now: UtcTime) -> Value {
    let apis: Vec<Value> = config.apis.iter().map(|api| summary(api, now)).collect();
    json!({"apis": apis})
}

/// The versions of one API, ascending; none where there is no such API.
pub(super) fn versions(config: &Config, name: &str, now: UtcTime) -> Option<Value> {
    let api = config.apis.iter().find(|api| api.name == name)?;
    let default = default_version(api, now);
    let versions: Vec<Value> = (0..)
        .zip(&api.versions)
        .map(|(index, version)| row(config, api, version, default == Some(index), now))
        .collect();
    Some(json!({"api": api.name, "versions": versions}))
}

fn summary(api: &Api, now: UtcTime) -> Value {
    let host = |host: &HostPattern| match host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::OneLabel(rest) => format!("*{rest}"),
    };
    let unlisted = match api.unlisted {
        Unlisted::Forward => "forward",
        Unlisted::Reject => "reject",
    };
    let name = |index: usize| api.versions.get(index).map(|version| version.name.as_str());
    json!({
        "name": api.name,
        "hosts": api.hosts.iter().map(host).collect::<Vec<_>>(),
        "path": if api.path.is_empty() { "/" } else { &api.path },
        "strip_path": api.strip_path,
        "unlisted": unlisted,
        "endpoints": api.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "default": default_version(api, now).and_then(name),
        "versions": api.versions.iter().map(|version| version.name.as_str()).collect::<Vec<_>>(),
    })
}

fn row(config: &Config, api: &Api, version: &Version, default: bool, now: UtcTime) -> Value {
    let standing = version.lifecycle.standing(now);
    let through = api.versions.get(version.service.through).filter(|through| through.name != version.name);
    json!({
        "version": version.name.as_str(),
        "status": standing.status.as_str(),
        "phase": standing.phase.map(Phase::as_str),
        "default": default,
        "deprecated": version.lifecycle.deprecation().map(|at| at.to_string()),
        "sunset": version.lifecycle.sunset().map(|at| at.to_string()),
        "upstream": config.upstreams.get(version.service.upstream).map(|upstream| &upstream.name),
        "served_through": through.map(|through| through.name.as_str()),
    })
}

/// What a request that names no version gets now (CONTRACT section 3, rule 6).
fn default_version(api: &Api, now: UtcTime) -> Option<usize> {
    match api.versioning.default {
        DefaultVersion::Required => None,
        DefaultVersion::Version(index) => Some(index),
        DefaultVersion::LatestStable => {
            api.versions.iter().rposition(|version| version.lifecycle.standing(now).status == Status::Stable)
        }
    }
}
