//! `deprecation:` as it applies to one version.

use super::finding::Finding;
use super::raw;
use crate::domain::{
    api::{DeprecationRules, LinkRelations},
    lifecycle::{Lead, Phases},
};

/// When phases begin: the version's own word, else the global one.
pub fn phases(raw: &raw::Version, global: &raw::Deprecation, findings: &mut Vec<Finding>) -> Phases {
    let nothing = raw::Phases::default();
    let own = raw.deprecation.value().and_then(|rules| rules.phases.value()).unwrap_or(&nothing);
    let global = global.phases.value().unwrap_or(&nothing);
    let (warning, enforcement) = (own.warning.or(&global.warning), own.enforcement.or(&global.enforcement));
    let default = Phases::default();
    let phases = Phases {
        warning: warning.value().map_or(default.warning, |lead| lead.0),
        enforcement: enforcement.value().map_or(default.enforcement, |lead| lead.0),
    };
    let places = [warning, enforcement].map(|field| field.set().map(|at| &at.place));
    if let Some(place) = places.into_iter().flatten().max().filter(|_| !in_order(phases)) {
        let message = "the enforcement phase would begin before the warning phase";
        findings.push(Finding::error(place, "phases", message, "let `warning` be the longer time before the sunset"));
    }
    phases
}

/// Whether the warning phase can begin first. Mixed units get the benefit of the month's length: 28 to 31 days.
fn in_order(phases: Phases) -> bool {
    let days = |lead: Lead, month: u64| match lead {
        Lead::Months(months) => u64::from(months) * month * 86_400,
        Lead::Exact(duration) => duration.as_secs(),
    };
    match (phases.warning, phases.enforcement) {
        (Lead::Months(warning), Lead::Months(enforcement)) => warning >= enforcement,
        (warning, enforcement) => days(warning, 31) >= days(enforcement, 28),
    }
}

/// What announces and follows a sunset: the version's own word, else the global one, key by key.
pub fn rules(raw: &raw::Version, global: &raw::Deprecation) -> DeprecationRules {
    let (nothing, no_headers) = (raw::Deprecation::default(), raw::AnnounceHeaders::default());
    let own = raw.deprecation.value().unwrap_or(&nothing);
    let own_headers = own.headers.value().unwrap_or(&no_headers);
    let global_headers = global.headers.value().unwrap_or(&no_headers);
    let default = DeprecationRules::default();
    let links = own_headers.links.or(&global_headers.links).value().map(|list| {
        let sent = |relation| list.0.iter().any(|at| at.value.0 == relation);
        LinkRelations {
            deprecation: sent(raw::LinkRelation::Deprecation),
            sunset: sent(raw::LinkRelation::Sunset),
            successor_version: sent(raw::LinkRelation::SuccessorVersion),
        }
    });
    DeprecationRules {
        after_sunset: own.after_sunset.or(&global.after_sunset).value().map_or(default.after_sunset, |word| word.0),
        warning: own_headers.warning.or(&global_headers.warning).value().map_or(default.warning, |flag| flag.0),
        seed: own_headers.seed.or(&global_headers.seed).value().map_or(default.seed, |flag| flag.0),
        links: links.unwrap_or(default.links),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};

    #[test]
    fn phases_are_months_or_an_exact_time_and_in_order() {
        let global = |phases: &str| {
            format!(
                "deprecation: {{phases: {phases}}}\nupstreams: {{u: http://h}}\napis: {{a: {{versions: {{\"2\": {{upstream: u}}}}}}}}\n"
            )
        };
        expect(
            &global("{warning: 6m}"),
            &["g.yaml:1:33: error: `6m`: months or minutes?; write `6 months` or `6 minutes`"],
        );
        expect(&global("{warning: 6}"), &["g.yaml:1:33: error: `6` has no unit"]);
        expect(
            &global("{warning: 1 months}"),
            &["g.yaml:1:33: error: the enforcement phase would begin before the warning phase"],
        );
        expect(&global("{warning: 90 days, enforcement: 90 days}"), &[]);
        expect(&global("{warning: 1 months, enforcement: 32 days}"), &["g.yaml:1:56: error: the enforcement phase"]);
    }

    #[test]
    fn deprecation_is_overridden_key_by_key() {
        let text = "deprecation: {after_sunset: redirect, headers: {warning: false, links: [sunset]}}\nupstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}, \"2\": {upstream: u, deprecation: {headers: {warning: true}}}}}}\n";
        let outcome = outcome(text);
        let versions = &outcome.config.expect("sound").apis[0].versions;
        assert!(!versions[0].deprecation.warning);
        assert!(versions[1].deprecation.warning);
        for version in versions {
            assert_eq!(version.deprecation.after_sunset, crate::domain::api::AfterSunset::Redirect);
            assert!(version.deprecation.seed);
            assert!(version.deprecation.links.sunset && !version.deprecation.links.deprecation);
        }
    }
}
