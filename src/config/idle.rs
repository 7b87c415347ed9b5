//! What a file says without effect: sound, but hardly what its author meant.

use super::finding::{Finding, Place};
use super::names::EndpointText;
use super::origins::ApiOrigins;
use super::raw;
use super::shape::{At, Field};
use super::source::{Source, SourcePlace};
use super::versions::Draft;
use crate::adaptation::change::Change;
use crate::domain::{
    api::{self, AfterSunset, Versioning},
    endpoint::{Endpoint, Segment},
};

/// Warns of endpoints that lie outside the API's path, and of redirects that cannot be made.
pub fn warn(
    raw: &raw::Api,
    (name, versioning): (&str, Option<&Versioning>),
    drafts: &[Draft<'_>],
    global: &raw::Deprecation,
    findings: &mut Vec<Finding>,
) {
    let path = raw.path.value().map_or("", |prefix| &prefix.0);
    let lists = drafts.iter().filter_map(|draft| draft.raw?.endpoints.value());
    for At { place, value: EndpointText(endpoint) } in raw.endpoints.value().into_iter().chain(lists).flat_map(|l| &l.0)
    {
        if !is_below(endpoint, path) {
            let message = format!("no request fits {endpoint}: the api owns what lies below {path}");
            let help = format!("write the whole path, `{} {path}{}`", endpoint.method(), endpoint.template());
            findings.push(Finding::warning(place, "unreachable-endpoint", message, help));
        }
    }
    let is_path = |source: &api::Source| matches!(source.place, api::SourcePlace::Path(_));
    let has_path = versioning.is_none_or(|rules| rules.sources.iter().any(is_path));
    let mut places: Vec<&Place> = Vec::new();
    for draft in drafts.iter().filter(|_| !has_path) {
        let own = draft.raw.and_then(|version| version.deprecation.value());
        let own = own.map_or(&Field::Absent, |rules| &rules.after_sunset);
        let ends = draft.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.sunset().is_some());
        let rule = if own.is_absent() && ends { &global.after_sunset } else { own };
        if let Some(at) = rule.set().filter(|at| at.value.0 == AfterSunset::Redirect)
            && !places.contains(&&at.place)
        {
            places.push(&at.place);
            let message = format!(
                "nothing is redirected in the api `{name}`: only a path that names its version can be, and no path source \
                 is configured"
            );
            let help = "write `fall_forward` or `gone`, or add a path source to `resolve`";
            findings.push(Finding::warning(&at.place, "no-effect", message, help));
        }
    }
}

/// Warns of header and query sources that stand in a list twice.
pub fn repeated(rules: &raw::Versioning, findings: &mut Vec<Finding>) {
    let Some(list) = rules.resolve.value() else { return };
    let name = |source: &Source| match &source.place {
        SourcePlace::Header(name) => Some(format!("the header {}", name.0)),
        SourcePlace::Query(name) => Some(format!("the query parameter {}", name.0)),
        SourcePlace::Path(_) | SourcePlace::Accept(_) => None,
    };
    for (index, later) in list.0.iter().enumerate() {
        let Some(what) = name(&later.value) else { continue };
        if let Some(first) = list.0[..index].iter().find(|first| name(&first.value).as_ref() == Some(&what)) {
            let message = format!("{what} is a source already (at {})", first.place);
            findings.push(Finding::warning(&later.place, "no-effect", message, "take one of the two out"));
        }
    }
}

/// Warns of operations whose `match` lies outside the API's path: no request to it comes here.
pub fn operations(raw: &raw::Api, changes: &[Change], origins: &ApiOrigins, findings: &mut Vec<Finding>) {
    let prefix = raw.path.value().map_or("", |prefix| &prefix.0);
    for (change, places) in changes.iter().zip(&origins.changes) {
        let operations = change.operations.iter().zip(&places.operations);
        for (operation, places) in operations.filter(|(operation, _)| !is_below(&operation.endpoint, prefix)) {
            let endpoint = operation.endpoint.to_string();
            let (method, path) = (operation.endpoint.method(), operation.endpoint.template());
            let message = format!("no request comes to {endpoint}: the paths of this api begin with {prefix}");
            let help = format!("write `match: {method} {prefix}{path}`");
            let finding = Finding::warning(&places.place, "unknown-operation", message, help);
            findings.push(finding.in_change(&change.name).in_operation(&endpoint));
        }
    }
}

/// Whether some path that fits `endpoint` lies below `prefix`.
fn is_below(endpoint: &Endpoint, prefix: &str) -> bool {
    let mut segments = endpoint.segments().iter();
    prefix.split('/').filter(|part| !part.is_empty()).all(|part| match segments.next() {
        Some(Segment::Literal(text)) => text == part,
        Some(Segment::Param(_)) => true,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::testing::expect;

    fn api(rules: &str, keys: &str, version: &str) -> String {
        format!(
            "{rules}\nupstreams: {{u: http://h}}\napis: {{a: {{{keys} versions: {{\"1\": {{upstream: u{version}}}, \"2\": {{upstream: u}}}}}}}}\n"
        )
    }

    #[test]
    fn an_endpoint_lies_below_the_path_of_its_api() {
        expect(&api("", "path: /api, endpoints: [GET /api, GET /api/x, 'GET /{any}/y'],", ""), &[]);
        expect(&api("", "path: /, endpoints: [GET /, GET /x],", ""), &[]);
        expect(
            &api("", "path: /api/v, endpoints: [GET /other, GET /api, GET /apis/v/x],", ", endpoints: [GET /z]"),
            &[
                "g.yaml:3:38: warning: no request fits GET /other: the api owns what lies below /api/v; write the whole path, `GET /api/v/other`",
                "g.yaml:3:50: warning: no request fits GET /api",
                "g.yaml:3:60: warning: no request fits GET /apis/v/x",
                "g.yaml:3:118: warning: no request fits GET /z",
            ],
        );
    }

    #[test]
    fn only_a_path_that_names_its_version_is_redirected() {
        let header = "versioning: {resolve: [{header: X-V}]}";
        let own = ", deprecation: {after_sunset: redirect}";
        expect(&api("", "", own), &[]);
        expect(
            &api(header, "", own),
            &["g.yaml:3:71: warning: nothing is redirected in the api `a`: only a path that names its version can be"],
        );
        let global = format!("{header}\ndeprecation: {{after_sunset: redirect}}");
        expect(&api(&global, "", ""), &[]);
        let dates = ", deprecated: 2026-06-01, sunset: 2027-06-01";
        expect(&api(&global, "", dates), &["g.yaml:2:29: warning: nothing is redirected in the api `a`"]);
        expect(&api(&global, "", &format!("{dates}, deprecation: {{after_sunset: gone}}")), &[]);
    }

    #[test]
    fn a_source_stands_in_its_list_once() {
        let rules = |list: &str| format!("versioning: {{resolve: [{list}]}}");
        expect(&api(&rules("{header: X-V}, {query: v}, {query: V}, {header: X-W}"), "", ""), &[]);
        expect(
            &api(&rules("{header: X-V}, {query: v}, {header: x-v}, {query: v}"), "", ""),
            &[
                "g.yaml:1:51: warning: the header x-v is a source already (at g.yaml:1:24); take one of the two out",
                "g.yaml:1:66: warning: the query parameter v is a source already (at g.yaml:1:39)",
            ],
        );
        expect(
            &api("", "versioning: {resolve: [{header: X-V}, {header: X-V}]},", ""),
            &["g.yaml:3:50: warning: the header x-v is a source already (at g.yaml:3:35)"],
        );
    }
}
