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
    let newest_stable = api.latest_stable(now);
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
            let detail = format!("Version {name} of {} is no longer served.{}", api.name, instead("migrate to"));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::policy::fixture::{PATH, api, at, example};

    fn verdicts(api: &Api, now: &str) -> Vec<Verdict> {
        compile(api, at(now)).into_iter().map(|policy| policy.verdict).collect()
    }

    fn members(policy: &Policy) -> Value {
        let problem = policy.refusal().expect("a refusal");
        problem.extensions.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn captured(path: &str) -> Captured {
        let expression = regex::Regex::new(PATH).expect("an expression");
        let range = expression.captures(path).and_then(|found| found.get(1)).expect("a version").range();
        Captured { source: 1, range }
    }

    #[test]
    fn a_version_is_gone_at_its_sunset_second_not_before() {
        let api = example(AfterSunset::Gone);
        assert_eq!(verdicts(&api, "2026-05-31T23:59:59Z")[0], Verdict::Serve);
        assert_eq!(verdicts(&api, "2026-06-01T00:00:00Z")[0], Verdict::Gone);
    }

    #[test]
    fn a_later_sunset_in_the_file_brings_a_version_back() {
        let before = api(None, &["1.0 2025-06-01 2026-06-01", "2.0"]);
        let after = api(None, &["1.0 2025-06-01 2026-12-01", "2.0"]);
        assert_eq!(verdicts(&before, "2026-07-01")[0], Verdict::Gone);
        assert_eq!(verdicts(&after, "2026-07-01")[0], Verdict::Serve);
    }

    #[test]
    fn development_and_alpha_are_restricted_and_beta_is_served() {
        let api = api(None, &["1.0", "2.0 status=beta", "3.0 status=alpha", "4.0 status=development"]);
        let expected = [Verdict::Serve, Verdict::Serve, Verdict::Restricted, Verdict::Restricted];
        assert_eq!(verdicts(&api, "2026-01-01"), expected);
        let policies = compile(&api, at("2026-01-01"));
        assert_eq!(policies[2].refusal().map(|problem| problem.code), Some(Code::VersionRestricted));
        assert_eq!(members(&policies[2]), serde_json::json!({"supported_versions": ["1.0", "2.0"]}));
        assert!(policies[1].refusal().is_none());
    }

    #[test]
    fn the_successor_is_the_newest_version_that_is_stable_on_the_day() {
        let api = api(None, &["1.0", "2.0 2026-03-01", "2.1 status=beta", "3.0 status=alpha"]);
        let successors = |now| compile(&api, at(now)).into_iter().map(|policy| policy.successor).collect::<Vec<_>>();
        // Announced for March, 2.0 is stable until then, and no version succeeds itself.
        assert_eq!(successors("2026-02-28"), [Some(1), None, Some(1), Some(1)]);
        assert_eq!(successors("2026-03-01"), [None, Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn after_its_sunset_a_version_can_redirect_or_fall_forward() {
        assert_eq!(verdicts(&example(AfterSunset::Redirect), "2026-05-31")[0], Verdict::Serve);
        assert_eq!(verdicts(&example(AfterSunset::Redirect), "2026-06-01")[0], Verdict::Redirect);
        let forward = Verdict::FallForward { successor: 2 };
        assert_eq!(verdicts(&example(AfterSunset::FallForward), "2026-06-01")[0], forward);
    }

    #[test]
    fn without_a_stable_version_a_sunset_one_is_gone() {
        for after in [AfterSunset::Redirect, AfterSunset::FallForward] {
            let mut api = api(Some(PATH), &["1.0 2025-06-01 2026-06-01", "2.0 status=beta"]);
            api.versions[0].deprecation.after_sunset = after;
            let policy = compile(&api, at("2026-06-01")).swap_remove(0);
            assert_eq!(policy.verdict, Verdict::Gone);
            assert!(members(&policy).get("migrate_to").is_none());
        }
    }

    #[test]
    fn status_sunset_without_a_date_is_sunset_at_once() {
        let api = api(None, &["1.0 status=sunset", "2.0"]);
        let policy = compile(&api, at("2026-01-01")).swap_remove(0);
        assert_eq!(policy.verdict, Verdict::Gone);
        assert!(members(&policy).get("sunset").is_none());
    }

    #[test]
    fn a_gone_version_says_where_to_go() {
        let policy = compile(&example(AfterSunset::Redirect), at("2026-06-01")).swap_remove(0);
        let problem = policy.refusal().expect("a refusal");
        assert_eq!(problem.code, Code::VersionSunset);
        assert_eq!(problem.detail, "Version v1.0 of query-parser is no longer served. Please migrate to v2.1.");
        let expected = serde_json::json!({
            "supported_versions": ["2.0", "2.1", "3.0"],
            "sunset": "2026-06-01",
            "migrate_to": "2.1",
            "migration_guide": "/docs/migration/v1-to-v2",
        });
        assert_eq!(members(&policy), expected);
    }

    #[test]
    fn a_redirect_keeps_path_and_query() {
        let policy = compile(&example(AfterSunset::Redirect), at("2026-06-01")).swap_remove(0);
        let to = |path: &str, query| policy.location(path, query, &captured(path), &|_| None);
        assert_eq!(to("/v1.0/parse", Some("a=%20&a")), Some(HeaderValue::from_static("/v2.1/parse?a=%20&a")));
        assert_eq!(to("/v1", None), Some(HeaderValue::from_static("/v2.1")));
        assert_eq!(to("/v1//evil.example", None), Some(HeaderValue::from_static("/v2.1//evil.example")));
    }

    #[test]
    fn a_redirect_follows_the_changes() {
        let policy = compile(&example(AfterSunset::Redirect), at("2026-06-01")).swap_remove(0);
        let moved = |path: &str| (path == "/parse").then(|| "/analyze".to_owned());
        let location = policy.location("/v1.0/parse", Some("q=1"), &captured("/v1.0/parse"), &moved);
        assert_eq!(location, Some(HeaderValue::from_static("/v2.1/analyze?q=1")));
    }

    #[test]
    fn a_link_that_is_switched_off_does_not_switch_off_the_redirect() {
        let mut api = example(AfterSunset::Redirect);
        api.versions[0].deprecation.links.successor_version = false;
        let policy = compile(&api, at("2026-06-01")).swap_remove(0);
        let place = captured("/v1.0/parse");
        assert_eq!(policy.link_target("/v1.0/parse", Some(&place), &|_| None), None);
        assert!(policy.location("/v1.0/parse", None, &place, &|_| None).is_some());
    }

    proptest! {
        #[test]
        fn a_location_is_always_a_path_on_this_host(path in "/v1(/[ -~é]{0,20}){0,3}", query in "[ -~é]{0,20}") {
            let policy = compile(&example(AfterSunset::Redirect), at("2026-06-01")).swap_remove(0);
            let location = policy.location(&path, Some(&query), &Captured { source: 1, range: 2..3 }, &|_| None).expect("a location");
            let text = location.to_str().expect("ASCII");
            prop_assert!(text.starts_with("/v2.1"));
            prop_assert!(text.parse::<http::Uri>().is_ok(), "{}", text);
        }
    }
}
