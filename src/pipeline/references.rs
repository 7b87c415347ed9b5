//! Where references in an answer lead the client, when changes moved the paths of an API.

use http::{HeaderMap, HeaderValue};

use super::{
    negotiation::Chosen,
    snapshot::Snapshot,
    transform::location::{self, Places},
};
use crate::domain::api::Api;

/// What the client's references to resources are made of.
#[derive(Debug)]
pub struct References {
    /// As the client named it.
    host: Option<HeaderValue>,
    /// The path it asked for.
    path: Box<str>,
    /// The path the upstream is asked for, without the base path of its URL.
    asked: Box<str>,
    /// What stands before the segment that named the version in the path, and that segment; none
    /// where the path named none.
    version: Option<(Box<str>, Box<str>)>,
}

impl References {
    /// - `path`: the client's.
    /// - `host`: as the client named it.
    /// - `asked`: the path the upstream is asked for, without the base path of its URL.
    pub fn of(chosen: &Chosen<'_>, path: &str, host: Option<HeaderValue>, asked: &str) -> Self {
        let segment = chosen.path_capture.as_ref().filter(|_| chosen.unversioned_path != path).and_then(|capture| {
            let start = path.get(..capture.range.start)?.rfind('/')?;
            let rest = path.get(capture.range.end..)?;
            let end = path.len() - rest.len() + rest.find('/').unwrap_or(rest.len());
            Some((path[..start].into(), path[start..end].into()))
        });
        Self { host, path: path.into(), asked: asked.into(), version: segment }
    }

    /// Makes references to the upstream's paths lead to the client's.
    ///
    /// - `api`, `version`: what answers.
    pub fn rewrite(&self, snapshot: &Snapshot, (api, version): (usize, usize), headers: &mut HeaderMap) {
        if !location::has_references(headers) {
            return;
        }
        let back = |path: &str, moved| self.path_back(snapshot, (api, version), path, moved);
        let places = Places {
            host: self.host.as_ref().and_then(|host| host.to_str().ok()),
            path: &self.path,
            asked: &self.asked,
            base: base_path(snapshot, (api, version)),
            moved: &|path| back(path, true),
            kept: &|path| back(path, false),
        };
        location::rewrite(headers, &places);
    }

    /// The client's path for one of the upstream's; none where the client has none.
    ///
    /// - `moved`: the changes moved it, or there is none; else it is taken as one that they left where it is.
    fn path_back(
        &self,
        snapshot: &Snapshot,
        (api, version): (usize, usize),
        path: &str,
        moved: bool,
    ) -> Option<String> {
        let owner = &snapshot.config.apis[api];
        let prefix = if owner.strip_path { owner.path.as_str() } else { "" };
        let plan = snapshot.version(api, version).plan.as_ref()?;
        let path = [prefix, path].concat();
        let path = if moved { plan.path_back(&path)? } else { path };
        match &self.version {
            None => Some(path),
            Some((before, segment)) => Some([&**before, &**segment, path.strip_prefix(&**before)?].concat()),
        }
    }
}

/// The base path of the upstream's URL; empty where its servers have different ones.
fn base_path(snapshot: &Snapshot, (api, version): (usize, usize)) -> &str {
    let servers = &snapshot.config.upstreams[snapshot.version(api, version).upstream].servers;
    let base = servers.first().map_or("", |server| &server.base_path);
    if servers.iter().all(|server| server.base_path == base) { base } else { "" }
}

/// A path of the API as its upstream gets it.
pub fn without_prefix<'p>(api: &Api, path: &'p str) -> &'p str {
    let stripped = if api.strip_path { path.strip_prefix(&*api.path).unwrap_or(path) } else { path };
    if stripped.is_empty() { "/" } else { stripped }
}
