//! The header fields that tell callers of a version how long it will live (CONTRACT section 5).

use http::{
    HeaderName, HeaderValue,
    header::{LINK, WARNING},
};

use super::reference;
use crate::{
    domain::{
        api::Version,
        lifecycle::{Phase, Standing, Status},
        version::ApiVersion,
    },
    headers::{self, Fields, lines::Block},
};

/// What every response of one version carries, rendered when the snapshot is built.
#[derive(Clone, Debug, Default)]
pub struct Announcement {
    /// `Deprecation` and `Sunset`.
    dates: Block,
    /// The links that are the same for every path.
    links: Option<HeaderValue>,
    /// Whether a link to the successor joins them.
    links_successor: bool,
    /// Everything else.
    rest: Block,
}

impl Announcement {
    /// Renders what is to be said about `version`, which stands at `standing`.
    ///
    /// - `successor`: the newest stable version, if there is one to move to.
    pub fn compile(version: &Version, standing: Standing, successor: Option<&ApiVersion>) -> Self {
        let life = &version.lifecycle;
        let is_deprecated = standing.status >= Status::Deprecated;
        if !is_deprecated && life.deprecation().is_none() || standing.status < Status::Beta {
            return Self::default();
        }
        let rules = &version.deprecation;
        let guide = version.migration_guide.as_deref().map(reference::guide);
        let is_warned = matches!(standing.phase, Some(Phase::Warning | Phase::Enforcement));
        let ends = life.sunset().is_some() || standing.status == Status::Sunset;
        let relations = [(rules.links.deprecation, "deprecation"), (rules.links.sunset && ends, "sunset")];
        let links = guide.as_deref().and_then(|guide| {
            let shown = relations.iter().filter(|(shown, _)| *shown);
            let links: Vec<_> = shown.map(|(_, relation)| format!("<{guide}>; rel=\"{relation}\"")).collect();
            (!links.is_empty()).then(|| visible(&links.join(", ")))
        });
        let dates = [
            (headers::DEPRECATION, life.deprecation().map(headers::deprecation)),
            (headers::SUNSET, life.sunset().map(headers::sunset)),
        ];
        let seed = [
            (headers::X_API_DEPRECATED, (rules.seed && is_deprecated).then_some(headers::TRUE)),
            (headers::X_API_SUNSET_DATE, life.sunset().filter(|_| rules.seed).map(headers::day)),
            (headers::X_API_MIGRATION_GUIDE, guide.filter(|_| rules.seed).map(|guide| visible(&guide))),
        ];
        let warning = (rules.warning && is_warned).then(|| (WARNING, warning(version, successor)));
        Self {
            dates: Block::new(None, said(dates)),
            links,
            links_successor: rules.links.successor_version,
            rest: Block::new(warning, said(seed)),
        }
    }

    /// Whether nothing is to be said, as for every version without a deprecation date.
    pub fn is_empty(&self) -> bool {
        self.dates.is_empty() && self.links.is_none() && !self.links_successor && self.rest.is_empty()
    }

    /// Whether [`Announcement::apply`] makes use of a successor's path.
    pub fn links_successor(&self) -> bool {
        self.links_successor
    }

    /// Adds all fields to a response.
    ///
    /// `Link` and `Warning` join those of the upstream; every other field takes the place of the
    /// upstream's.
    ///
    /// - `successor_path`: from [`super::SuccessorPath::path`], already percent-encoded.
    pub fn apply(&self, fields: &mut impl Fields, successor_path: Option<&str>) {
        self.apply_brief(fields, successor_path);
        fields.say(&self.rest);
    }

    /// Adds `Deprecation`, `Sunset` and `Link` alone: what a redirect says.
    pub fn apply_brief(&self, fields: &mut impl Fields, successor_path: Option<&str>) {
        fields.say(&self.dates);
        match (&self.links, successor_path.filter(|_| self.links_successor)) {
            (None, None) => {}
            (Some(links), None) => fields.add(&LINK, links),
            (links, Some(path)) => {
                let links = links.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
                let separator: &[u8] = if links.is_empty() { b"" } else { b", " };
                // The path is percent-encoded.
                let parts = [links, separator, b"<", path.as_bytes(), b">; rel=\"successor-version\""];
                fields.add_joined(&LINK, &parts);
            }
        }
    }

    /// The announcement of a version that its successor answers for: `Deprecation`, `Sunset` and
    /// `Link` stay.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { rest: Block::default(), ..self }
    }
}

/// The fields that have something to say.
fn said<const N: usize>(fields: [(HeaderName, Option<HeaderValue>); N]) -> Vec<(HeaderName, HeaderValue)> {
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// RFC 7234 section 5.5, with the miscellaneous persistent code 299.
fn warning(version: &Version, successor: Option<&ApiVersion>) -> HeaderValue {
    let mut text = format!("299 - \"Version {} is deprecated.", label(&version.name));
    if let Some(successor) = successor {
        text += &format!(" Please migrate to {}", label(successor));
        if let Some(sunset) = version.lifecycle.sunset() {
            text += &format!(" before {}", sunset.date());
        }
    }
    text.push('"');
    visible(&text)
}

/// `v2.1`; a date stands as it is, because nobody writes a `v` before one.
pub(super) fn label(name: &ApiVersion) -> String {
    if name.is_date() { name.to_string() } else { format!("v{name}") }
}

fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("version names, dates and encoded guides are visible ASCII")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::{
        domain::api::{AfterSunset, Api, LinkRelations},
        pipeline::policy::{
            compile,
            fixture::{PATH, api, at, example},
        },
    };

    /// What a response without fields of its own carries, one `name: value` a line.
    fn announced(api: &Api, now: &str, successor_path: Option<&str>) -> String {
        applied(api, now, successor_path, HeaderMap::new())
    }

    fn applied(api: &Api, now: &str, successor_path: Option<&str>, mut headers: HeaderMap) -> String {
        compile(api, at(now))[0].announcement.apply(&mut headers, successor_path);
        written(&headers)
    }

    fn written(headers: &HeaderMap) -> String {
        let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
            format!("{name}: {}\n", value.to_str().expect("visible ASCII"))
        };
        headers.iter().map(line).collect()
    }

    /// Which fields stand at `now`, by one letter each: Deprecation, Sunset, Link, Warning,
    /// X-API-dEprecated, X-API-Sunset-dAte, X-API-Migration-Guide.
    fn fields(api: &Api, now: &str) -> String {
        let announced = announced(api, now, Some("/v2.1/parse"));
        let letters = [
            ("deprecation:", 'D'),
            ("sunset:", 'S'),
            ("link:", 'L'),
            ("warning:", 'W'),
            ("x-api-deprecated:", 'E'),
            ("x-api-sunset-date:", 'A'),
            ("x-api-migration-guide:", 'G'),
        ];
        letters
            .iter()
            .filter(|(name, _)| announced.lines().any(|line| line.starts_with(name)))
            .map(|(_, l)| l)
            .collect()
    }

    #[test]
    fn the_headers_are_those_of_the_contract_byte_for_byte() {
        let expected = r#"deprecation: @1748736000
sunset: Mon, 01 Jun 2026 00:00:00 GMT
link: </docs/migration/v1-to-v2>; rel="deprecation", </docs/migration/v1-to-v2>; rel="sunset", </v2.1/parse>; rel="successor-version"
warning: 299 - "Version v1.0 is deprecated. Please migrate to v2.1 before 2026-06-01"
x-api-deprecated: true
x-api-sunset-date: 2026-06-01
x-api-migration-guide: /docs/migration/v1-to-v2
"#;
        assert_eq!(announced(&example(AfterSunset::Gone), "2026-01-01", Some("/v2.1/parse")), expected);
    }

    #[test]
    fn each_phase_adds_its_fields_in_its_first_second() {
        for (now, gone, forward) in [
            ("2025-05-31T23:59:59Z", "DSLAG", "DSLAG"),
            ("2025-06-01T00:00:00Z", "DSLEAG", "DSLEAG"),
            ("2025-11-30T23:59:59Z", "DSLEAG", "DSLEAG"),
            ("2025-12-01T00:00:00Z", "DSLWEAG", "DSLWEAG"),
            ("2026-03-01T00:00:00Z", "DSLWEAG", "DSLWEAG"),
            ("2026-05-31T23:59:59Z", "DSLWEAG", "DSLWEAG"),
            ("2026-06-01T00:00:00Z", "DSLEAG", "DSL"),
        ] {
            assert_eq!(fields(&example(AfterSunset::Gone), now), gone, "{now}");
            assert_eq!(fields(&example(AfterSunset::FallForward), now), forward, "{now}");
        }
    }

    #[test]
    fn a_redirect_says_dates_and_links_and_the_410_beside_it_everything_but_warning() {
        let api = example(AfterSunset::Redirect);
        let policy = compile(&api, at("2026-06-01")).swap_remove(0);
        assert_eq!(fields(&api, "2026-06-01"), "DSLEAG");
        let mut headers = HeaderMap::new();
        policy.announcement.apply_brief(&mut headers, Some("/v2.1/parse"));
        assert_eq!(headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["deprecation", "sunset", "link"]);
    }

    #[test]
    fn a_version_without_dates_says_nothing() {
        let api = api(Some(PATH), &["1.0", "2.0"]);
        let policies = compile(&api, at("2026-01-01"));
        assert!(policies.iter().all(|policy| policy.announcement.is_empty()));
        assert_eq!(announced(&api, "2026-01-01", Some("/v2.0/x")), "");
    }

    #[test]
    fn a_restricted_version_says_nothing_and_a_beta_announces_its_end() {
        let beta = api(None, &["1.0-b 2027-01-01 status=beta", "2.0"]);
        assert_eq!(fields(&beta, "2026-01-01"), "DLG");
        let alpha = api(None, &["1.0-a 2027-01-01 status=alpha", "2.0"]);
        assert_eq!(fields(&alpha, "2026-01-01"), "");
    }

    #[test]
    fn without_a_stable_version_the_warning_ends_early_and_no_link_leads_on() {
        let api = api(Some(PATH), &["1.0 2025-06-01 2026-06-01", "2.0 status=beta"]);
        let announced = announced(&api, "2026-01-01", None);
        assert!(announced.contains("warning: 299 - \"Version v1.0 is deprecated.\"\n"), "{announced}");
        assert!(announced.contains("; rel=\"sunset\"\n"), "{announced}");
    }

    #[test]
    fn without_a_sunset_date_the_warning_names_no_day() {
        let api = api(Some(PATH), &["1.0 2025-06-01 phase=warning", "2.1"]);
        let announced = announced(&api, "2026-01-01", None);
        let warning = "warning: 299 - \"Version v1.0 is deprecated. Please migrate to v2.1\"\n";
        assert!(announced.contains(warning), "{announced}");
        assert!(!announced.contains("sunset"), "{announced}");
    }

    #[test]
    fn status_sunset_without_dates_has_no_sunset_field() {
        let api = api(None, &["1.0 status=sunset", "2.0"]);
        assert_eq!(fields(&api, "2026-01-01"), "LEG");
    }

    #[test]
    fn a_date_version_is_warned_about_by_its_date() {
        let api = api(None, &["2025-01-01 2025-06-01 2026-06-01", "2026-01-01"]);
        let announced = announced(&api, "2026-01-01", None);
        let text = "Version 2025-01-01 is deprecated. Please migrate to 2026-01-01 before 2026-06-01";
        assert!(announced.contains(text), "{announced}");
    }

    #[test]
    fn fields_and_relations_can_be_switched_off() {
        let now = "2026-01-01";
        let mut api = example(AfterSunset::Gone);
        api.versions[0].deprecation.warning = false;
        assert_eq!(fields(&api, now), "DSLEAG");
        api.versions[0].deprecation.seed = false;
        assert_eq!(fields(&api, now), "DSL");
        let relations =
            |deprecation, sunset, successor_version| LinkRelations { deprecation, sunset, successor_version };
        for (links, expected) in [
            (relations(true, false, false), Some("</docs/migration/v1-to-v2>; rel=\"deprecation\"")),
            (relations(false, true, false), Some("</docs/migration/v1-to-v2>; rel=\"sunset\"")),
            (relations(false, false, true), Some("</v2.1/x>; rel=\"successor-version\"")),
            (relations(false, false, false), None),
        ] {
            api.versions[0].deprecation.links = links;
            let announced = announced(&api, now, Some("/v2.1/x"));
            let link = announced.lines().find_map(|line| line.strip_prefix("link: "));
            assert_eq!(link, expected, "{links:?}");
        }
    }

    #[test]
    fn without_a_guide_only_the_successor_is_linked() {
        let mut api = example(AfterSunset::Gone);
        api.versions[0].migration_guide = None;
        assert_eq!(fields(&api, "2026-01-01"), "DSLWEA");
        assert!(
            announced(&api, "2026-01-01", Some("/v2.1/x")).contains("link: </v2.1/x>; rel=\"successor-version\"\n")
        );
        assert!(!announced(&api, "2026-01-01", None).contains("link:"));
    }

    #[test]
    fn a_guide_that_no_header_could_hold_is_encoded() {
        let mut api = example(AfterSunset::Gone);
        api.versions[0].migration_guide = Some("/guide für>v2".to_owned());
        let announced = announced(&api, "2026-01-01", None);
        assert!(announced.contains("x-api-migration-guide: /guide%20f%C3%BCr%3Ev2\n"), "{announced}");
        assert!(announced.contains("link: </guide%20f%C3%BCr%3Ev2>; rel=\"deprecation\""), "{announced}");
    }

    #[test]
    fn link_and_warning_join_the_upstreams_and_its_dates_give_way() {
        let mut upstream = HeaderMap::new();
        for (name, value) in [
            ("link", "</next>; rel=\"next\""),
            ("warning", "110 - \"stale\""),
            ("deprecation", "true"),
            ("sunset", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("x-api-deprecated", "false"),
        ] {
            upstream.append(http::HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        upstream.append("deprecation", HeaderValue::from_static("@1"));
        let announced = applied(&example(AfterSunset::Gone), "2026-01-01", None, upstream);
        for once in ["link: </next>; rel=\"next\"\n", "warning: 110 - \"stale\"\n", "warning: 299 - ", "link: </docs"] {
            assert_eq!(announced.matches(once).count(), 1, "{announced}");
        }
        for (name, value) in
            [("\ndeprecation: ", "@1748736000"), ("\nx-api-deprecated: ", "true"), ("sunset: ", "Mon,")]
        {
            assert_eq!(announced.matches(name).count(), 1, "{announced}");
            assert!(announced.contains(&[name, value].concat()), "{announced}");
        }
    }
}
