//! What becomes of a request for a version: served, refused, redirected or answered by another.

use http::HeaderValue;
use serde_json::Value;

use super::{
    announce::{Announcement, label},
    reference,
    successor::{Captured, SuccessorPath},
};
use crate::{
    domain::{
        api::{AfterSunset, Api, DeprecationRules, Version},
        lifecycle::{Standing, Status},
        time::UtcTime,
    },
    problem::{Code, Problem},
};

/// What becomes of a request for one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The version answers.
    Serve,
    /// 403: not open to callers yet.
    Restricted,
    /// 410.
    Gone,
    /// 308 to [`Policy::location`] where the path alone named the version, else 410.
    Redirect,
    /// The successor answers and says so.
    FallForward {
        /// Index of the version that answers.
        successor: usize,
    },
}

/// Everything the lifecycle has to say about one version, while its standing lasts.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What becomes of a request.
    pub verdict: Verdict,
    /// What responses carry.
    pub announcement: Announcement,
    /// Status and phase.
    pub standing: Standing,
    /// Index of the newest stable version; none if there is none, or if it is this one.
    pub successor: Option<usize>,
    successor_path: Option<SuccessorPath>,
    refusal: Option<Box<Problem>>,
}

/// Decides for every version of `api`, in the order of [`Api::versions`], as of `now`.
pub fn compile(api: &Api, now: UtcTime) -> Vec<Policy> {
    let standings: Vec<Standing> = api.versions.iter().map(|version| version.lifecycle.standing(now)).collect();
    let newest_stable = standings.iter().rposition(|standing| standing.status == Status::Stable);
    let policy = |(index, version): (usize, &Version)| {
        let standing = standings[index];
        let successor = newest_stable.filter(|stable| *stable != index);
        let verdict = decide(standing, &version.deprecation, successor);
        let announcement = Announcement::compile(version, standing, successor.map(|at| &api.versions[at].name));
        Policy {
            verdict,
            announcement: match verdict {
                Verdict::FallForward { .. } => announcement.brief(),
                _ => announcement,
            },
            standing,
            successor,
            successor_path: successor.and_then(|successor| SuccessorPath::compile(api, successor)),
            refusal: refusal(api, index, &standings, verdict, successor).map(Box::new),
        }
    };
    api.versions.iter().enumerate().map(policy).collect()
}

impl Policy {
    /// The path of the same resource in the successor, for the `Link`; see [`SuccessorPath::path`].
    ///
    /// None as well where the announcement has no use for it.
    pub fn link_target(
        &self,
        path: &str,
        captured: Option<&Captured>,
        moved: &dyn Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let rule = self.successor_path.as_ref().filter(|_| self.announcement.links_successor())?;
        rule.path(path, captured, moved)
    }

    /// The `Location` of a request whose path alone named this version, for [`Verdict::Redirect`].
    ///
    /// - `query`: the client's, without `?`; kept byte for byte.
    /// - None where there is no such place: the request is refused as gone.
    pub fn location(
        &self,
        path: &str,
        query: Option<&str>,
        captured: &Captured,
        moved: &dyn Fn(&str) -> Option<String>,
    ) -> Option<HeaderValue> {
        let target = self.successor_path.as_ref()?.path(path, Some(captured), moved)?;
        reference::location(&target, query)
    }

    /// The 403 or 410 that [`Verdict::Restricted`], [`Verdict::Gone`] and, where there is no place
    /// to go, [`Verdict::Redirect`] answer with; none for a version that is answered.
    pub fn refusal(&self) -> Option<&Problem> {
        self.refusal.as_deref()
    }
}

fn decide(standing: Standing, rules: &DeprecationRules, successor: Option<usize>) -> Verdict {
    match standing.status {
        Status::Development | Status::Alpha => Verdict::Restricted,
        Status::Beta | Status::Stable | Status::Deprecated => Verdict::Serve,
        Status::Sunset => match (rules.after_sunset, successor) {
            (AfterSunset::Redirect, Some(_)) => Verdict::Redirect,
            (AfterSunset::FallForward, Some(successor)) => Verdict::FallForward { successor },
            (AfterSunset::Gone, _) | (_, None) => Verdict::Gone,
        },
    }
}

fn refusal(
    api: &Api,
    index: usize,
    standings: &[Standing],
    verdict: Verdict,
    successor: Option<usize>,
) -> Option<Problem> {
    let version = &api.versions[index];
    let name = label(&version.name);
    let target = successor.map(|at| &api.versions[at].name);
    let instead = |verb: &str| target.map(|name| format!(" Please {verb} {}.", label(name))).unwrap_or_default();
    let problem = match verdict {
        Verdict::Serve | Verdict::FallForward { .. } => return None,
        Verdict::Restricted => {
            let detail = format!("Version {name} of {} is not open to callers yet.{}", api.name, instead("use"));
            Problem::new(Code::VersionRestricted, detail)
        }
        Verdict::Gone | Verdict::Redirect => {
            let since = version.lifecycle.sunset().map(|at| format!(" since {}", at.date())).unwrap_or_default();
            let moved = instead("migrate to");
            let detail = format!("Version {name} of {} is no longer served{since}.{moved}", api.name);
            let problem = Problem::new(Code::VersionSunset, detail);
            let members = [
                ("sunset", version.lifecycle.sunset().map(UtcTime::date)),
                ("migrate_to", target.map(ToString::to_string)),
                ("migration_guide", version.migration_guide.as_deref().map(|guide| reference::guide(guide).into())),
            ];
            let known = members.into_iter().filter_map(|(member, value)| Some((member, value?)));
            known.fold(problem, |problem, (member, value)| problem.with(member, value))
        }
    };
    Some(problem.with("supported_versions", supported_versions(api, standings)))
}

/// The served versions, ascending, without restricted and sunset ones (CONTRACT section 3, rule 7).
fn supported_versions(api: &Api, standings: &[Standing]) -> Value {
    let is_served = |status: Status| (Status::Beta..Status::Sunset).contains(&status);
    let served = api.versions.iter().zip(standings).filter(|(_, standing)| is_served(standing.status));
    served.map(|(version, _)| Value::from(version.name.as_str())).collect()
}
