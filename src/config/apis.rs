//! `apis:`: each API with its versions, rules and changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use super::chain::{self, Edge};
use super::changes;
use super::containers::Entry;
use super::finding::{Finding, Place, Severity};
use super::idle;
use super::names::Name;
use super::origins::{ApiOrigins, ChangeOrigins, NamedDocument};
use super::raw;
use super::shape::At;
use super::tree::Node;
use super::upstreams::Upstreams;
use super::versioning::{self, Subject};
use super::versions::{self, Draft};
use crate::adaptation::change::Change;
use crate::domain::{
    api::{Api, BodyRules, HostPattern},
    time::UtcTime,
    version::ApiVersion,
};

/// What the checks of an API look at beside the API.
pub struct Context<'c> {
    /// The day the rules are checked for.
    pub now: UtcTime,
    /// The folder that files named in the configuration are relative to.
    pub folder: &'c Path,
    /// Gains every file that was read.
    pub files: &'c mut Vec<PathBuf>,
    /// The upstreams.
    pub upstreams: &'c Upstreams,
    /// Global `versioning:`.
    pub versioning: &'c raw::Versioning,
    /// Global `deprecation:`.
    pub deprecation: &'c raw::Deprecation,
}

/// Checks every API.
///
/// - Returns the APIs, the changes of each, and where both stand; an API is left out where findings say why.
pub fn build(
    raw: &raw::Gateway,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<(Api, Vec<Change>, ApiOrigins)> {
    let entries = raw.apis.value().map_or(&[][..], |apis| &apis.0.entries);
    for entry in entries.iter().filter(|entry| entry.key.value.0 == "none") {
        let message = "an api cannot be called `none`: metrics use that word for requests without one";
        findings.push(Finding::error(&entry.key.place, "name", message, "choose another name"));
    }
    idle::repeated(context.versioning, findings);
    let mut built = Vec::new();
    for entry in entries {
        let first = findings.len();
        if let Some(raw) = entry.value.value() {
            built.extend(api(entry, raw, context, findings));
        }
        for finding in &mut findings[first..] {
            finding.api.get_or_insert_with(|| entry.key.value.0.clone());
        }
    }
    refuse_shared_prefixes(entries, findings);
    built
}

fn api(
    entry: &Entry<Name, raw::Api>,
    raw: &raw::Api,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> Option<(Api, Vec<Change>, ApiOrigins)> {
    let endpoints = raw.endpoints.value().map_or_else(Vec::new, |list| versions::endpoints(list, findings));
    let entries = raw.versions.set()?;
    if entries.value.entries.is_empty() && !entries.value.incomplete {
        let help = "add one: `\"1.0\": {upstream: …}`";
        findings.push(Finding::error(&entries.place, "missing-key", "`versions` has no version", help));
        return None;
    }
    let entries = &entries.value;
    let drafts = versions::drafts(entries, context.upstreams, context.deprecation, findings);
    for draft in &drafts {
        versions::check_day(draft, context.now, findings);
    }
    let no_rules = raw::Versioning::default();
    let own = raw.versioning.value().unwrap_or(&no_rules);
    let subject =
        Subject { api: &entry.key.value.0, key: &entry.key.place, drafts: &drafts, incomplete: entries.incomplete };
    idle::repeated(own, findings);
    let versioning = versioning::build(context.versioning, own, &subject, context.now, findings);
    let (changes, origins, edges, complete) = changes_of(raw, &drafts, entries.incomplete, context, findings);
    let services = chain::services(&drafts, &edges, complete && !entries.incomplete, findings);
    let origins =
        ApiOrigins { changes: origins, documents: drafts.iter().map(|draft| document(draft, context)).collect() };
    refuse_undescribed_losses(&changes, &origins, &drafts, findings);
    idle::operations(raw, &changes, &origins, findings);
    idle::warn(raw, (&entry.key.value.0, versioning.as_ref()), &drafts, context.deprecation, findings);
    let versions = versions::finish(drafts, services, context.deprecation, findings);
    let api = Api {
        name: entry.key.value.0.clone(),
        hosts: hosts(raw).into_iter().map(|at| at.value.clone()).collect(),
        path: raw.path.value().map_or_else(String::new, |prefix| prefix.0.clone()),
        strip_path: raw.strip_path.value().is_some_and(|flag| flag.0),
        endpoints,
        unlisted: raw.unlisted.value().map_or_else(Default::default, |word| word.0),
        bodies: bodies(raw),
        versioning: versioning?,
        versions: versions?,
    };
    Some((api, changes, origins))
}

/// What only schemas can excuse has to be declared where a version has no document; `check` reads those that there are.
fn refuse_undescribed_losses(
    changes: &[Change],
    origins: &ApiOrigins,
    drafts: &[Draft<'_>],
    findings: &mut Vec<Finding>,
) {
    let is_described = |version: &ApiVersion| {
        let index = drafts.iter().position(|draft| draft.name == *version);
        index.is_some_and(|index| origins.documents.get(index).is_some_and(Option::is_some))
    };
    for (change, places) in changes.iter().zip(&origins.changes) {
        if !(is_described(&change.from) && is_described(&change.to)) {
            findings.extend(changes::separated(change, places).into_iter().map(|separated| separated.finding));
        }
    }
}

/// `adaptation:` of an API.
fn bodies(raw: &raw::Api) -> BodyRules {
    let no_rules = raw::Adaptation::default();
    let raw = raw.adaptation.value().unwrap_or(&no_rules);
    BodyRules {
        untyped: raw.untyped.value().map_or_else(Default::default, |word| word.0),
        no_transform: raw.no_transform.value().map_or_else(Default::default, |word| word.0),
        signed: raw.signed.value().map_or_else(Default::default, |word| word.0),
        charset: raw.charset.value().map_or_else(Default::default, |word| word.0),
    }
}

/// The changes of an API, the versions each one links, and whether all of them could be read.
fn changes_of(
    raw: &raw::Api,
    drafts: &[Draft<'_>],
    incomplete: bool,
    context: &mut Context<'_>,
    findings: &mut Vec<Finding>,
) -> (Vec<Change>, Vec<ChangeOrigins>, Vec<Option<Edge>>, bool) {
    let Some(At { value: raw::Changes(node), .. }) = raw.changes.set() else {
        return (Vec::new(), Vec::new(), Vec::new(), raw.changes.is_absent());
    };
    let first = findings.len();
    let (changes, origins): (Vec<_>, Vec<_>) =
        changes::read(node, context.folder, context.files, findings).into_iter().unzip();
    let readable = findings[first..].iter().all(|finding| finding.severity != Severity::Error);
    let mut edges: Vec<Option<Edge>> = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        let found = findings.len();
        // Every entry gave a change if none has an error: then they stand in the same order.
        let entry = node.list().and_then(|entries| entries.get(index)).filter(|_| readable).unwrap_or(node);
        edges.push(edge(change, entry, drafts, incomplete, findings));
        for finding in &mut findings[found..] {
            finding.change.get_or_insert_with(|| change.name.clone());
        }
    }
    let complete = readable && edges.iter().all(Option::is_some);
    (changes, origins, edges, complete)
}

/// `openapi:` of a version.
fn document(draft: &Draft<'_>, context: &Context<'_>) -> Option<NamedDocument> {
    let At { place, value } = draft.raw?.openapi.set()?;
    Some(NamedDocument { path: context.folder.join(&value.0), place: place.clone() })
}

/// The versions a change leads from and to. Its order and uniqueness are checked where it is read.
fn edge(
    change: &Change,
    entry: &Node,
    drafts: &[Draft<'_>],
    incomplete: bool,
    findings: &mut Vec<Finding>,
) -> Option<Edge> {
    let mut end = |name, key: &str| {
        let what = format!("`{key}` of the change `{}`", change.name);
        // A change in a file of its own is known by the entry that names the file.
        let place = &entry.get(key).unwrap_or(entry).place;
        versions::find(name, place, &what, drafts, incomplete, findings)
    };
    let (older, newer) = (end(&change.from, "from"), end(&change.to, "to"));
    let edge = Edge { older: older?, newer: newer? };
    (edge.older < edge.newer).then_some(edge)
}

fn hosts(raw: &raw::Api) -> Vec<At<&HostPattern>> {
    let list = raw.hosts.value().map_or(&[][..], |list| &list.0);
    list.iter().map(|at| At { place: at.place.clone(), value: &at.value.0 }).collect()
}

/// The same host and path twice would leave a request without an owner.
fn refuse_shared_prefixes(entries: &[Entry<Name, raw::Api>], findings: &mut Vec<Finding>) {
    let mut owners: HashMap<(Option<&HostPattern>, &str), (&str, Place)> = HashMap::new();
    for entry in entries {
        let Some(raw) = entry.value.value() else { continue };
        if raw.hosts.is_broken() || raw.path.is_broken() {
            continue;
        }
        let name = entry.key.value.0.as_str();
        let path = raw.path.value().map_or("", |prefix| prefix.0.as_str());
        let place = raw.path.set().map_or(&entry.key.place, |at| &at.place);
        let hosts = hosts(raw);
        let hosts: Vec<Option<&HostPattern>> =
            if hosts.is_empty() { vec![None] } else { hosts.iter().map(|at| Some(at.value)).collect() };
        for host in hosts {
            let Some((owner, other)) = owners.get(&(host, path)) else {
                owners.insert((host, path), (name, place.clone()));
                continue;
            };
            let on = match host {
                None => "any host".to_owned(),
                Some(HostPattern::Exact(host)) => format!("the host {host}"),
                Some(HostPattern::OneLabel(suffix)) => format!("the host *{suffix}"),
            };
            let shown = if path.is_empty() { "/" } else { path };
            let message =
                format!("the api `{name}` owns {shown} on {on}, which the api `{owner}` owns already (at {other})");
            let finding = Finding::error(place, "shared-prefix", message, "give one of them another `path` or `hosts`");
            findings.push(finding.in_api(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};

    /// Two APIs, `a` and `b`, with these keys each.
    fn two(a: &str, b: &str) -> String {
        let api = |name: &str, keys: &str| format!("  {name}: {{{keys}versions: {{\"1\": {{upstream: u}}}}}}\n");
        format!("upstreams: {{u: http://h}}\napis:\n{}{}", api("a", a), api("b", b))
    }

    #[test]
    fn the_same_host_and_path_twice_names_the_later_place_and_the_other() {
        expect(
            &two("", ""),
            &["g.yaml:4:3: error: the api `b` owns / on any host, which the api `a` owns already (at g.yaml:3:3)"],
        );
        expect(
            &two("path: /x/, ", "path: /x, "),
            &["g.yaml:4:13: error: the api `b` owns /x on any host, which the api `a` owns already (at g.yaml:3:13)"],
        );
        expect(
            &two("hosts: [a.com, '*.b.com'], ", "hosts: [c.com, '*.B.com'], "),
            &[
                "g.yaml:4:3: error: the api `b` owns / on the host *.b.com, which the api `a` owns already (at g.yaml:3:3)",
            ],
        );
        for (a, b) in [
            ("path: /x, ", "path: /xy, "),
            ("hosts: [a.com], ", "hosts: [b.com], "),
            ("hosts: [a.com], ", ""),
            ("hosts: [a.com], ", "hosts: ['*.com'], "),
        ] {
            expect(&two(a, b), &[]);
        }
    }

    #[test]
    fn only_documents_excuse_a_loss_that_hangs_on_a_separator() {
        let api = |one: &str, other: &str| {
            format!(
                "upstreams: {{u: http://h}}\napis:\n  a:\n    versions: {{\"1\": {{{one}}}, \"2\": {{upstream: u{other}}}}}\n    changes:\n      - change: c\n        from: \"1\"\n        to: \"2\"\n        operations: [{{match: POST /p, request: [{{split: {{from: n, into: [a, b], sep: ' '}}}}]}}]\n"
            )
        };
        expect(&api("openapi: 1.yaml", ", openapi: 2.yaml"), &[]);
        for text in [api("", ""), api("openapi: 1.yaml", ""), api("", ", openapi: 2.yaml")] {
            expect(
                &text,
                &[
                    "g.yaml:9:50: error: split cuts a text elsewhere than it was joined if a part holds the separator, and does not say why",
                ],
            );
        }
    }

    #[test]
    fn findings_about_an_api_carry_its_name() {
        let found = outcome(&two("path: x, ", "")).findings;
        assert_eq!(found[0].api.as_deref(), Some("a"));
        let found = outcome("apis: {a: {versions: {\"1\": {}}}}\n").findings;
        assert_eq!(found[0].api.as_deref(), Some("a"));
    }

    #[test]
    fn the_word_for_no_api_is_taken() {
        expect(
            "upstreams: {u: http://h}\napis: {none: {versions: {\"1\": {upstream: u}}}}\n",
            &["g.yaml:2:8: error: an api cannot be called `none`"],
        );
        expect(
            "upstreams: {u: http://h}\napis: {'a b': {versions: {\"1\": {upstream: u}}}}\n",
            &["g.yaml:2:8: error: \"a b\" is not usable as a name"],
        );
    }

    #[test]
    fn a_match_that_no_request_of_the_api_comes_to_is_worth_a_word() {
        let of = |path: &str, matches: &str| {
            let text = format!(
                "upstreams: {{u: http://h}}\napis: {{a: {{path: {path}, versions: {{\"1\": {{}}, \"2\": {{upstream: u}}}},\n  changes: [{{change: c, from: \"1\", to: \"2\", operations: [{{match: {matches}}}]}}]}}}}\n"
            );
            outcome(&text).findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for (path, matches) in [("/n", "POST /n/a"), ("/n", "POST /n"), ("/n/m", "'POST /n/{x}/a'"), ("/", "POST /a")] {
            assert_eq!(of(path, matches), [] as [&str; 0], "{path} {matches}");
        }
        for (path, matches) in [("/n", "POST /m/a"), ("/n", "POST /na"), ("/n/m", "POST /n"), ("/n", "POST /")] {
            let found = of(path, matches);
            assert!(found.len() == 1 && found[0].contains("3:66: warning: no request comes to POST"), "{found:?}");
        }
    }

    #[test]
    fn a_file_without_apis_is_an_error() {
        expect("workers: 1\n", &["g.yaml:1:1: error: `apis` is missing"]);
        expect("apis:\n", &["g.yaml:1:1: error: `apis` is empty"]);
        expect("apis: {}\n", &["g.yaml:1:7: error: `apis` has no API"]);
        expect("", &["g.yaml:1:1: error: the file is empty"]);
        expect("[]\n", &["g.yaml:1:1: error: expected a mapping, found a list"]);
    }

    #[test]
    fn keys_of_later_days_are_known_and_refused() {
        let not_yet = |text: &str, place: &str, key: &str| {
            expect(text, &[&format!("g.yaml:{place}: error: `{key}` is not supported yet")]);
            assert_eq!(outcome(text).findings[0].code, "not-supported-yet");
        };
        let api = "upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";
        for key in ["consumers", "flags"] {
            not_yet(&format!("{api}{key}: {{}}\n"), "3:1", key);
        }
        for key in ["rate_limit", "new_consumers", "brownouts"] {
            not_yet(&format!("{api}deprecation: {{{key}: x}}\n"), "3:15", key);
        }
        not_yet(&two("path: /a, rollout: 1, ", ""), "3:17", "rollout");
        not_yet(&api.replace("{upstream: u}", "{upstream: u, rollout: 1}"), "2:42", "rollout");
    }

    #[test]
    fn an_unknown_key_asks_did_you_mean() {
        expect(
            "upstrems: {u: http://h}\nupstreams: {u: http://h}\napis: {a: {pth: /, versions: {\"1\": {upstream: u, sunnset: 2027-01-01}}}}\n",
            &[
                "g.yaml:1:1: error: unknown key `upstrems`; did you mean `upstreams`?",
                "g.yaml:3:12: error: unknown key `pth`; did you mean `path`?",
                "g.yaml:3:50: error: unknown key `sunnset`; did you mean `sunset`?",
            ],
        );
    }

    #[test]
    fn findings_of_every_stage_come_together_in_the_order_of_their_places() {
        expect(
            "workers: 0\nworkers: 1\nlisten: ${MISSING}\nupstreams: {u: http://h}\napis:\n  a:\n    versions:\n      \"1\": {upstream: v}\n      \"2\": {sunset: 2027-01-01, upstream: u}\n",
            &[
                "g.yaml:1:10: error: the number is 0",
                "g.yaml:2:1: error: the key \"workers\" occurs twice; it stands at g.yaml:1:1 already",
                "g.yaml:3:9: error: the environment variable MISSING is not set",
                "g.yaml:8:23: error: there is no upstream `v`",
                "g.yaml:9:21: error: a sunset date needs a deprecation date",
            ],
        );
    }

    #[test]
    fn an_optional_value_that_expands_to_nothing_is_as_if_absent() {
        let text = "workers: ${MISSING:-}\nadmin: {token: \"${MISSING:-}\"}\nupstreams: {u: http://h}\napis: {a: {hosts: ['${MISSING:-}'], versions: {\"1\": {upstream: u}}}}\n";
        let config = outcome(text).config.expect("sound");
        assert!(config.admin.token.is_none());
        assert!(config.apis[0].hosts.is_empty());
    }

    #[test]
    fn a_change_between_versions_that_do_not_exist_is_an_error() {
        expect(
            "upstreams: {u: http://h}\napis:\n  a:\n    versions: {\"1\": {upstream: u}}\n    changes:\n      - {change: x, from: \"1\", to: \"2\", operations: []}\n",
            &["g.yaml:6:36: error: `to` of the change `x` names version \"2\", which does not exist"],
        );
    }
}
