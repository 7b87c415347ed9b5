//! `versioning:` as it applies to one API.

use http::HeaderName;

use super::finding::{Finding, Place};
use super::names::{DefaultName, PathPattern};
use super::raw;
use super::shape::At;
use super::source;
use super::versions::{self, Draft};
use crate::domain::{
    api::{DefaultVersion, OnUnknown, Source, SourcePlace, Versioning},
    lifecycle::{Lifecycle, Status},
    time::UtcTime,
};

/// What resolution needs to know about an API.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The API's name.
    pub api: &'a str,
    /// Where its key stands.
    pub key: &'a Place,
    /// Its versions, ascending.
    pub drafts: &'a [Draft<'a>],
    /// Whether a version's key could not be read.
    pub incomplete: bool,
}

/// The rules of an API: its own key, else the global one, else the default.
pub fn build(
    global: &raw::Versioning,
    own: &raw::Versioning,
    subject: &Subject<'_>,
    now: UtcTime,
    findings: &mut Vec<Finding>,
) -> Option<Versioning> {
    let written = own.default.or(&global.default);
    let on_unknown = own.on_unknown.or(&global.on_unknown);
    if let (Some(fallback), Some(At { value: DefaultName::Required, place })) = (on_unknown.set(), written.set())
        && fallback.value.0 == OnUnknown::Default
    {
        let (later, other) = if *place > fallback.place { (place, &fallback.place) } else { (&fallback.place, place) };
        let message =
            format!("`on_unknown: default` has nothing to fall back to under `default: required` (see {other})");
        let help = "give a default version, or write `on_unknown: reject`";
        findings.push(Finding::error(later, "no-default", message, help));
    }
    let default = match written.set() {
        None if written.is_broken() => None,
        None => Some(latest_stable(subject.key, subject, now, findings)),
        Some(At { place, value }) => match value {
            DefaultName::LatestStable => Some(latest_stable(place, subject, now, findings)),
            DefaultName::Required => Some(DefaultVersion::Required),
            DefaultName::Version(name) => {
                let what = format!("the default of the api `{}`", subject.api);
                versions::find(name, place, &what, subject.drafts, subject.incomplete, findings).map(|index| {
                    check_default(&subject.drafts[index], place, now, findings);
                    DefaultVersion::Version(index)
                })
            }
        },
    };
    let sources = own.resolve.or(&global.resolve);
    let sources = match sources.value() {
        None if sources.is_broken() => None,
        None => default_sources(),
        Some(list) => Some(list.0.iter().map(|at| finished(&at.value)).collect()),
    };
    Some(Versioning {
        sources: sources?,
        default: default?,
        on_conflict: own.on_conflict.or(&global.on_conflict).value().map_or_else(Default::default, |word| word.0),
        on_unknown: on_unknown.value().map_or_else(Default::default, |word| word.0),
    })
}

fn latest_stable(place: &Place, subject: &Subject<'_>, now: UtcTime, findings: &mut Vec<Finding>) -> DefaultVersion {
    let stable = |draft: &Draft<'_>| {
        let stable = |lifecycle: &Lifecycle| lifecycle.standing(now).status == Status::Stable;
        !draft.name.is_pre_release() && draft.lifecycle.as_ref().is_none_or(stable)
    };
    if !subject.incomplete && !subject.drafts.iter().any(stable) {
        let message = format!("the default is latest-stable, but the api `{}` has no stable version", subject.api);
        let help = "name a default version, or write `default: required`";
        findings.push(Finding::error(place, "no-stable-version", message, help));
    }
    DefaultVersion::LatestStable
}

fn check_default(draft: &Draft<'_>, place: &Place, now: UtcTime, findings: &mut Vec<Finding>) {
    let Some(lifecycle) = &draft.lifecycle else { return };
    let status = lifecycle.standing(now).status;
    if status == Status::Sunset {
        let message = format!("the default version {} is retired", draft.name);
        findings.push(Finding::error(
            place,
            "retired-default",
            message,
            "name a version that is served, or latest-stable",
        ));
    } else if !versions::is_open(status) {
        let message = format!(
            "the default version {} is {}: it is not open to callers who do not name it",
            draft.name,
            status.as_str()
        );
        findings.push(Finding::warning(
            place,
            "restricted-default",
            message,
            "name a stable version, or latest-stable",
        ));
    }
}

fn finished(raw: &source::Source) -> Source {
    let place = match &raw.place {
        source::SourcePlace::Header(name) => SourcePlace::Header(name.0.clone()),
        source::SourcePlace::Path(pattern) => SourcePlace::Path(pattern.0.clone()),
        source::SourcePlace::Query(name) => SourcePlace::Query(name.0.clone()),
        source::SourcePlace::Accept(pattern) => SourcePlace::Accept(pattern.0.clone()),
    };
    Source { place, strip: raw.strip }
}

/// The sources that need no knowledge of the API's media types.
fn default_sources() -> Option<Vec<Source>> {
    let path = PathPattern::parse(r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)").ok()?;
    let places = [
        SourcePlace::Header(HeaderName::from_static("x-api-version")),
        SourcePlace::Path(path.0),
        SourcePlace::Query("version".to_owned()),
    ];
    Some(places.map(|place| Source { place, strip: true }).into())
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};
    use crate::domain::api::{DefaultVersion, OnConflict, SourcePlace};

    /// An API with versions 1 (retired), 2 (stable) and 3 (beta), and these rules on line 1.
    fn text(rules: &str) -> String {
        format!(
            "versioning: {rules}\nupstreams: {{u: http://h}}\napis:\n  a:\n    versions:\n      \"1\": {{status: sunset, upstream: u}}\n      \"2\": {{upstream: u}}\n      \"3\": {{status: beta, upstream: u}}\n"
        )
    }

    #[test]
    fn a_default_exists_and_is_served() {
        expect(&text("{default: \"2\"}"), &[]);
        expect(&text("{default: required}"), &[]);
        expect(
            &text("{default: \"4\"}"),
            &["g.yaml:1:23: error: the default of the api `a` names version \"4\", which does not exist"],
        );
        expect(&text("{default: \"1\"}"), &["g.yaml:1:23: error: the default version 1 is retired"]);
        expect(&text("{default: \"3\"}"), &["g.yaml:1:23: warning: the default version 3 is beta"]);
        expect(
            &text("{default: latest_stable}"),
            &[
                "g.yaml:1:23: error: expected latest-stable, required or a quoted version, found \"latest_stable\"; did you mean `latest-stable`?",
            ],
        );
    }

    #[test]
    fn latest_stable_needs_a_stable_version_on_the_day() {
        let api =
            "upstreams: {u: http://h}\napis:\n  a:\n    versions:\n      \"1\": {deprecated: DATE, upstream: u}\n";
        let expected = "error: the default is latest-stable, but the api `a` has no stable version";
        expect(&api.replace("DATE", "2026-01-01"), &[&format!("g.yaml:3:3: {expected}")]);
        expect(&api.replace("DATE", "2026-01-02"), &[]);
        let written = format!("versioning: {{default: latest-stable}}\n{}", api.replace("DATE", "2026-01-01"));
        expect(&written, &[&format!("g.yaml:1:23: {expected}")]);
    }

    #[test]
    fn falling_back_needs_a_default() {
        expect(
            &text("{default: required, on_unknown: default}"),
            &[
                "g.yaml:1:45: error: `on_unknown: default` has nothing to fall back to under `default: required` (see g.yaml:1:23)",
            ],
        );
        expect(
            &text("{on_unknown: default, default: required}"),
            &[
                "g.yaml:1:44: error: `on_unknown: default` has nothing to fall back to under `default: required` (see g.yaml:1:26)",
            ],
        );
    }

    #[test]
    fn an_expression_compiles_captures_and_is_bounded() {
        let source = |source: &str| text(&format!("{{resolve: [{source}]}}"));
        expect(&source("path: '^/v('"), &["g.yaml:1:30: error: not a valid expression: unclosed group"]);
        expect(&source("path: '^/v2'"), &["g.yaml:1:30: error: the expression captures nothing"]);
        expect(&source("accept: '((\\w{99}){99}){99}'"), &["g.yaml:1:32: error: the expression takes more than 1 MiB"]);
        let long = format!("path: '({})'", "a".repeat(255));
        expect(&source(&long), &["g.yaml:1:30: error: the expression has 257 bytes, more than 256"]);
    }

    #[test]
    fn a_source_names_one_place() {
        let source = |source: &str| text(&format!("{{resolve: [{source}]}}"));
        expect(&source("{header: X-V, query: v}"), &["g.yaml:1:24: error: a source names exactly one of"]);
        expect(&source("{strip: false}"), &["g.yaml:1:24: error: a source names exactly one of"]);
        expect(
            &source("{cookie: v}"),
            &["g.yaml:1:25: error: unknown key `cookie`; known are accept, header, path, query, strip"],
        );
        expect(&source("header: 'a b'"), &["g.yaml:1:32: error: expected the name of a header field"]);
    }

    #[test]
    fn strip_has_an_effect_on_paths_and_queries_only() {
        let source = |source: &str| text(&format!("{{resolve: [{source}]}}"));
        let warning = "warning: `strip: false` has no effect on a header or accept source";
        expect(&source("{header: X-V, strip: false}"), &[&format!("g.yaml:1:45: {warning}")]);
        expect(&source("{accept: 'a/v(\\d)', strip: false}"), &[&format!("g.yaml:1:51: {warning}")]);
        expect(&source("{query: v, strip: false}"), &[]);
        expect(&source("{path: '^/(\\d)', strip: false}"), &[]);
        expect(&source("{header: X-V, strip: true}"), &[]);
    }

    #[test]
    fn an_api_overrides_key_by_key_and_resolve_as_a_whole() {
        let text = "versioning: {resolve: [header: X-V, query: v], on_conflict: reject}\nupstreams: {u: http://h}\napis:\n  a: {path: /a, versioning: {default: required, resolve: [query: w]}, versions: {\"1\": {upstream: u}}}\n  b: {path: /b, versions: {\"1\": {upstream: u}}}\n";
        let config = outcome(text).config.expect("sound");
        let (a, b) = (&config.apis[0].versioning, &config.apis[1].versioning);
        assert!(
            matches!(a.sources.as_slice(), [source] if matches!(&source.place, SourcePlace::Query(name) if name == "w"))
        );
        assert_eq!(a.default, DefaultVersion::Required);
        assert_eq!(a.on_conflict, OnConflict::Reject);
        assert_eq!(b.sources.len(), 2);
        assert_eq!(b.default, DefaultVersion::LatestStable);
    }

    #[test]
    fn without_a_word_header_path_and_query_are_looked_at() {
        let text = "upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";
        let config = outcome(text).config.expect("sound");
        let kinds: Vec<&str> = config.apis[0]
            .versioning
            .sources
            .iter()
            .map(|source| match &source.place {
                SourcePlace::Header(_) => "header",
                SourcePlace::Path(_) => "path",
                SourcePlace::Query(_) => "query",
                SourcePlace::Accept(_) => "accept",
            })
            .collect();
        assert_eq!(kinds, ["header", "path", "query"]);
    }
}
