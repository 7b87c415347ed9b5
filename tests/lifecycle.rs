use crate::support::{Gateway, Response, Upstream, day, eventually, fill};

/// The example of section 5, its sunset moved far ahead and its phase fixed, so that these bytes never change.
const EXAMPLE: &str = r#"
versioning:
  resolve:
    - header: X-API-Version
    - path: '^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)'
upstreams: {main: <up>, dead: <dead>}
apis:
  shop:
    path: /
    endpoints: [POST /parse]
    versions:
      "1.0":
        status: deprecated
        deprecated: 2025-06-01
        sunset: 2098-06-01
        migration_guide: /docs/migration/v1-to-v2
        current_phase: <phase>
        upstream: main
      "1.1": {deprecated: 2025-06-01, sunset: 2098-06-01, current_phase: <phase>, upstream: dead}
      "2.0": {upstream: main}
      "2.1": {upstream: main}
"#;

fn world(yaml: &str, values: &[(&str, &str)]) -> (Gateway, Upstream) {
    let up = Upstream::new(|a| {
        let status = a.request.target.rsplit('/').next().and_then(|s| s.parse().ok()).unwrap_or(200);
        a.reply(status, &["Content-Type: text/plain"], if status == 304 { "" } else { "hello" })
    });
    let refusing = crate::support::upstream::Refusing::new();
    let mut all = vec![("up", up.url()), ("dead", refusing.url())];
    std::mem::forget(refusing); // The port stays refused for the whole run.
    all.extend(values.iter().map(|(k, v)| (*k, (*v).to_owned())));
    let all: Vec<_> = all.iter().map(|(k, v)| (*k, v.as_str())).collect();
    (Gateway::start(&fill(yaml, &all)), up)
}

#[track_caller]
fn deprecated_headers(answer: &Response, link_path: &str) {
    let is = |name: &str, value: &str| {
        assert_eq!(answer.header(name).as_deref(), Some(value), "{name} in\n{}", answer.head.raw);
    };
    is("Deprecation", "@1748736000");
    is("Sunset", "Sun, 01 Jun 2098 00:00:00 GMT");
    is(
        "Link",
        &format!(
            "</docs/migration/v1-to-v2>; rel=\"deprecation\", </docs/migration/v1-to-v2>; rel=\"sunset\", <{link_path}>; rel=\"successor-version\""
        ),
    );
    is("X-API-Deprecated", "true");
    is("X-API-Sunset-Date", "2098-06-01");
    is("X-API-Migration-Guide", "/docs/migration/v1-to-v2");
}

#[test]
fn the_warning_phase_carries_every_header_byte_for_byte() {
    let (gateway, _up) = world(EXAMPLE, &[("phase", "warning")]);
    let answer = gateway.call("POST", "/parse", &["X-API-Version: 1.0"], "x");
    assert_eq!(answer.status, 200, "{}", answer.text());
    deprecated_headers(&answer, "/v2.1/parse");
    assert_eq!(
        answer.header("Warning").as_deref(),
        Some("299 - \"Version v1.0 is deprecated. Please migrate to v2.1 before 2098-06-01\"")
    );
}

#[test]
fn the_headers_are_on_every_kind_of_answer_of_the_version() {
    let (gateway, _up) = world(EXAMPLE, &[("phase", "warning")]);
    for status in [200, 204, 304, 400, 404, 500, 503] {
        let answer = gateway.get(&format!("/v1.0/{status}"), &[]);
        assert_eq!(answer.status, status);
        deprecated_headers(&answer, &format!("/v2.1/{status}"));
    }
    let head = gateway.call("HEAD", "/v1.0/200", &[], "");
    deprecated_headers(&head, "/v2.1/200");
    // The gateway's own answers too.
    let own = gateway.get("/v1.1/x", &[]);
    own.problem(502, "upstream_unreachable");
    assert_eq!(own.header("Deprecation").as_deref(), Some("@1748736000"));
    assert_eq!(own.header("Sunset").as_deref(), Some("Sun, 01 Jun 2098 00:00:00 GMT"));
    assert_eq!(own.used().as_deref(), Some("1.1"));
}

#[test]
fn the_announcement_phase_has_all_but_warning() {
    let (gateway, _up) = world(EXAMPLE, &[("phase", "announcement")]);
    let answer = gateway.call("POST", "/v1.0/parse", &[], "x");
    deprecated_headers(&answer, "/v2.1/parse");
    assert_eq!(answer.header("Warning"), None);
}

#[test]
fn a_version_that_is_not_deprecated_has_none_of_them() {
    let (gateway, _up) = world(EXAMPLE, &[("phase", "warning")]);
    let answer = gateway.get("/v2.0/200", &[]);
    for name in
        ["Deprecation", "Sunset", "Link", "Warning", "X-API-Deprecated", "X-API-Sunset-Date", "X-API-Migration-Guide"]
    {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

const DATES: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: <deprecated>, sunset: <sunset>, upstream: main}
      "2.0": {upstream: main}
"#;

fn phase_of(deprecated: &str, sunset: &str) -> Response {
    let (gateway, _up) = world(DATES, &[("deprecated", deprecated), ("sunset", sunset)]);
    let answer = gateway.get("/x", &["X-API-Version: 1.0"]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[test]
fn warnings_begin_six_months_before_the_sunset() {
    // 27 days to a month's edge on either side keep this true on every day of the year.
    assert_eq!(phase_of("2020-01-01", &day(200)).header("Warning"), None);
    assert!(phase_of("2020-01-01", &day(170)).header("Warning").is_some());
    assert!(phase_of("2020-01-01", &day(30)).header("Warning").is_some(), "enforcement still warns");
}

#[test]
fn a_deprecation_in_the_future_is_announced_but_the_version_stays_stable() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {upstream: main}
      "1.1": {deprecated: <deprecated>, sunset: 2098-06-01, upstream: main}
      "0.9": {deprecated: 2020-01-01, upstream: main}
"#,
        &[("deprecated", &day(20))],
    );
    for version in ["1", "1.1"] {
        let answer = gateway.get("/x", &[&format!("X-API-Version: {version}")]);
        assert_eq!(answer.used().as_deref(), Some("1.1"), "a prefix still means it");
        assert!(answer.header("Deprecation").is_some_and(|v| v.starts_with('@')));
        assert_eq!(answer.header("Sunset").as_deref(), Some("Sun, 01 Jun 2098 00:00:00 GMT"));
        assert_eq!(answer.header("X-API-Sunset-Date").as_deref(), Some("2098-06-01"));
        assert_eq!(answer.header("X-API-Deprecated"), None);
        assert_eq!(answer.header("Warning"), None);
    }
    assert_eq!(gateway.get("/x", &[]).used().as_deref(), Some("1.1"), "the default still means it");
}

#[test]
fn a_deprecation_without_a_sunset_warns_without_a_date() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: 2020-06-01, current_phase: warning, upstream: main}
      "2.0": {upstream: main}
  alone:
    path: /alone
    versioning: {default: "1.0"}
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2098-06-01, current_phase: warning, upstream: main}
"#,
        &[],
    );
    let answer = gateway.get("/x", &["X-API-Version: 1.0"]);
    assert_eq!(answer.header("Deprecation").as_deref(), Some("@1590969600"));
    assert_eq!(answer.header("Sunset"), None);
    assert_eq!(answer.header("X-API-Sunset-Date"), None);
    assert_eq!(answer.header("X-API-Migration-Guide"), None);
    assert_eq!(answer.header("Link"), None, "no guide, no path source");
    assert_eq!(
        answer.header("Warning").as_deref(),
        Some("299 - \"Version v1.0 is deprecated. Please migrate to v2.0\"")
    );
    // Without a stable version to go to.
    let answer = gateway.get("/alone", &[]);
    assert_eq!(answer.header("Warning").as_deref(), Some("299 - \"Version v1.0 is deprecated.\""));
    assert!(!answer.header("Link").unwrap_or_default().contains("successor-version"));
}

const SUNSET: &str = r#"
versioning:
  resolve:
    - header: X-API-Version
    - path: '^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)'
upstreams: {main: <up>}
<deprecation>
apis:
  shop:
    path: /
    endpoints: [GET /items]
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2021-06-01, migration_guide: /guide, upstream: main}
      "2.0": {upstream: main}
    changes: [{change: same, from: "1.0", to: "2.0", operations: []}]
"#;

#[test]
fn after_its_sunset_a_version_is_gone_and_says_where_to_go() {
    let (gateway, up) = world(SUNSET, &[("deprecation", "")]);
    for answer in [gateway.get("/v1.0/items", &[]), gateway.get("/items", &["X-API-Version: 1.0"])] {
        let problem = answer.problem(410, "version_sunset");
        assert_eq!(problem["migrate_to"], "2.0");
        assert_eq!(problem["migration_guide"], "/guide");
        assert!(problem["sunset"].as_str().is_some_and(|s| s.starts_with("2021-06-01")), "{problem}");
        assert_eq!(answer.header("Deprecation").as_deref(), Some("@1590969600"));
        assert_eq!(answer.header("Sunset").as_deref(), Some("Tue, 01 Jun 2021 00:00:00 GMT"));
        assert_eq!(
            answer.header("Link").as_deref(),
            Some("</guide>; rel=\"deprecation\", </guide>; rel=\"sunset\", </v2.0/items>; rel=\"successor-version\"")
        );
        assert_eq!(answer.header("X-API-Deprecated").as_deref(), Some("true"));
        assert_eq!(answer.header("X-API-Sunset-Date").as_deref(), Some("2021-06-01"));
        assert_eq!(answer.header("X-API-Migration-Guide").as_deref(), Some("/guide"));
        assert_eq!(answer.header("Warning"), None);
        assert_eq!(answer.used().as_deref(), Some("1.0"));
    }
    let head = gateway.call("HEAD", "/v1.0/items", &[], "");
    assert_eq!(head.status, 410);
    assert!(head.header("Sunset").is_some());
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn a_redirect_leads_to_the_successors_path_where_the_path_alone_named_the_version() {
    let (gateway, up) = world(SUNSET, &[("deprecation", "deprecation: {after_sunset: redirect}")]);
    let answer = gateway.get("/v1.0/items", &[]);
    assert_eq!(answer.status, 308, "{}", answer.text());
    assert_eq!(answer.header("Location").as_deref(), Some("/v2.0/items"));
    assert_eq!(answer.header("Deprecation").as_deref(), Some("@1590969600"));
    assert_eq!(answer.header("Sunset").as_deref(), Some("Tue, 01 Jun 2021 00:00:00 GMT"));
    assert!(answer.header("Link").is_some_and(|l| l.contains("successor-version")));
    gateway.get("/items", &["X-API-Version: 1.0"]).problem(410, "version_sunset");
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn fall_forward_serves_the_successor_and_says_so() {
    let (gateway, up) = world(SUNSET, &[("deprecation", "deprecation: {after_sunset: fall_forward}")]);
    let answer = gateway.get("/v1.0/items", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.used().as_deref(), Some("2.0"));
    assert!(answer.header("X-API-Version-Fallback").is_some());
    assert_eq!(answer.header("Deprecation").as_deref(), Some("@1590969600"));
    assert_eq!(answer.header("Sunset").as_deref(), Some("Tue, 01 Jun 2021 00:00:00 GMT"));
    assert!(answer.header("Link").is_some_and(|l| l.contains("</v2.0/items>; rel=\"successor-version\"")));
    assert_eq!(up.last().header("X-API-Version").as_deref(), Some("2.0"));
    // The version asked for is the one counted, once the answer has left.
    let requests = |labels: &[(&str, &str)]| gateway.metrics().sum("api_requests_by_version_total", labels);
    eventually("it is counted", || (requests(&[]) == 1.0).then_some(()));
    assert_eq!(requests(&[("version", "1.0"), ("status_code", "200")]), 1.0);
}

#[test]
fn fall_forward_keeps_to_the_endpoints_of_the_successor() {
    let (gateway, up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
deprecation: {after_sunset: fall_forward}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /items]
    unlisted: reject
    versions: {"1.0": {status: sunset, upstream: main, endpoints: [GET /old]}, "2.0": {upstream: main}}
"#,
        &[],
    );
    assert_eq!(gateway.get("/items", &["X-API-Version: 1.0"]).status, 200);
    let forwarded = up.requests().len();
    let answer = gateway.get("/old", &["X-API-Version: 1.0"]);
    answer.problem(404, "endpoint_unknown");
    assert_eq!(answer.used().as_deref(), Some("2.0"));
    assert_eq!(answer.header("X-API-Version-Fallback").as_deref(), Some("true"), "it is not the version asked for");
    assert_eq!(up.requests().len(), forwarded);
}

#[test]
fn an_unlisted_endpoint_of_a_deprecated_version_links_its_successor_too() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{path: '^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)'}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /items]
    unlisted: reject
    versions: {"1.0": {deprecated: 2020-06-01, upstream: main}, "2.0": {upstream: main}}
"#,
        &[],
    );
    let answer = gateway.get("/v1.0/other", &[]);
    answer.problem(404, "endpoint_unknown");
    assert_eq!(answer.used().as_deref(), Some("1.0"));
    assert!(answer.header("Link").is_some_and(|l| l.contains("</v2.0/other>; rel=\"successor-version\"")));
}

#[test]
fn status_sunset_without_a_date_is_gone_at_once_without_a_sunset_field() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis: {shop: {path: /, versions: {"1.0": {status: sunset, upstream: main}, "2.0": {upstream: main}}}}
"#,
        &[],
    );
    let answer = gateway.get("/", &["X-API-Version: 1.0"]);
    answer.problem(410, "version_sunset");
    assert_eq!(answer.header("Sunset"), None);
}

#[test]
fn current_phase_overrides_the_dates() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2098-06-01, current_phase: sunset, upstream: main}
      "1.1": {deprecated: 2020-06-01, sunset: 2098-06-01, current_phase: enforcement, upstream: main}
      "2.0": {upstream: main}
"#,
        &[],
    );
    gateway.get("/", &["X-API-Version: 1.0"]).problem(410, "version_sunset");
    let answer = gateway.get("/", &["X-API-Version: 1.1"]);
    assert_eq!(answer.status, 200);
    assert!(answer.header("Warning").is_some());
}

#[test]
fn phases_and_headers_can_be_configured() {
    let (gateway, _up) = world(
        &DATES.replace(
            "apis:",
            "deprecation: {phases: {warning: 12 months, enforcement: 2 months}, headers: {seed: false}}\napis:",
        ),
        &[("deprecated", "2020-01-01"), ("sunset", &day(300))],
    );
    let answer = gateway.get("/x", &["X-API-Version: 1.0"]);
    assert!(answer.header("Warning").is_some(), "300 days are within 12 months");
    assert_eq!(answer.header("X-API-Deprecated"), None);
    assert_eq!(answer.header("X-API-Sunset-Date"), None);
    assert!(answer.header("Sunset").is_some());
    drop(gateway);
    let (gateway, _up) = world(
        &DATES.replace("apis:", "deprecation: {headers: {warning: false}}\napis:"),
        &[("deprecated", "2020-01-01"), ("sunset", &day(100))],
    );
    let answer = gateway.get("/x", &["X-API-Version: 1.0"]);
    assert_eq!(answer.header("Warning"), None);
    assert_eq!(answer.header("X-API-Deprecated").as_deref(), Some("true"));
}

#[test]
fn an_upstreams_link_and_warning_stay_and_its_dates_give_way() {
    let up = Upstream::new(|a| {
        a.reply(
            200,
            &[
                "Link: </next>; rel=\"next\"",
                "Warning: 199 - \"mine\"",
                "Deprecation: @1",
                "Sunset: Thu, 01 Jan 1970 00:00:00 GMT",
            ],
            "",
        )
    });
    let yaml = fill(EXAMPLE, &[("up", &up.url()), ("dead", &up.url()), ("phase", "warning")]);
    let gateway = Gateway::start(&yaml);
    let answer = gateway.call("POST", "/v1.0/parse", &[], "x");
    let link = answer.header("Link").unwrap();
    assert!(link.starts_with("</next>; rel=\"next\""), "{link}");
    assert!(
        link.contains("rel=\"deprecation\"") && link.contains("</v2.1/parse>; rel=\"successor-version\""),
        "{link}"
    );
    let warning = answer.header("Warning").unwrap();
    assert!(warning.starts_with("199 - \"mine\"") && warning.contains("299 - "), "{warning}");
    assert_eq!(answer.lines("Deprecation"), ["@1748736000"]);
    assert_eq!(answer.lines("Sunset"), ["Sun, 01 Jun 2098 00:00:00 GMT"]);
    // A version that is not deprecated keeps the upstream's own.
    let answer = gateway.get("/v2.0/x", &[]);
    assert_eq!(answer.lines("Deprecation"), ["@1"]);
}

#[test]
fn the_successor_link_encodes_what_a_path_cannot_hold_and_drops_the_query() {
    let (gateway, _up) = world(EXAMPLE, &[("phase", "warning")]);
    let link = |target: &str| gateway.get(target, &[]).header("Link").unwrap_or_default();
    let one = link("/v1.0/a%20b/c;d=e:f@g?query=secret");
    assert!(one.contains("</v2.1/a%20b/c;d=e:f@g>; rel=\"successor-version\""), "{one}");
    let two = link("/v1.0/a\"b|c");
    assert!(two.contains("</v2.1/a%22b%7Cc>; rel=\"successor-version\""), "{two}");
}

#[test]
fn a_guide_is_encoded_where_a_header_could_not_hold_it() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: 2020-06-01, migration_guide: '/docs/über uns>', upstream: main}
      "2.0": {upstream: main}
"#,
        &[],
    );
    let answer = gateway.get("/", &["X-API-Version: 1.0"]);
    assert_eq!(answer.header("X-API-Migration-Guide").as_deref(), Some("/docs/%C3%BCber%20uns%3E"));
    assert!(answer.header("Link").unwrap().starts_with("</docs/%C3%BCber%20uns%3E>; rel=\"deprecation\""));
}

#[test]
fn the_successors_path_follows_the_changes_that_were_applied() {
    let (gateway, up) = world(
        r#"
versioning: {resolve: [{path: '^/v([0-9.]+)(?:/|$)'}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: ['GET /models/{id}']
    versions:
      "1.0": {deprecated: 2020-06-01}
      "2.0": {upstream: main, endpoints: ['GET /engines/{id}/info']}
    changes:
      - change: moved
        from: "1.0"
        to: "2.0"
        operations: [{match: 'GET /models/{id}', to: 'GET /engines/{id}/info'}]
"#,
        &[],
    );
    let answer = gateway.get("/v1.0/models/m7", &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(up.last().target, "/engines/m7/info");
    let link = answer.header("Link").unwrap();
    assert!(link.contains("</v2.0/engines/m7/info>; rel=\"successor-version\""), "{link}");
}

#[test]
fn a_version_overrides_the_global_rules_key_by_key() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{path: '^/v([0-9.]+)(?:/|$)'}]}
upstreams: {main: <up>}
deprecation: {after_sunset: fall_forward, headers: {seed: false, links: [successor-version]}}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: 2021-06-01, upstream: main, deprecation: {after_sunset: redirect}}
      "1.1": {deprecated: 2020-06-01, sunset: 2021-06-01, upstream: main}
      "1.2": {deprecated: 2020-06-01, sunset: 2021-06-01, upstream: main, deprecation: {after_sunset: gone}}
      "1.3": {deprecated: 2020-06-01, upstream: main, migration_guide: /guide}
      "1.4": {deprecated: 2020-06-01, upstream: main, migration_guide: /guide, deprecation: {headers: {links: [deprecation]}}}
      "2.0": {upstream: main}
"#,
        &[],
    );
    assert_eq!(gateway.get("/v1.0/x", &[]).status, 308);
    assert_eq!(gateway.get("/v1.1/x", &[]).used().as_deref(), Some("2.0"));
    assert_eq!(gateway.get("/v1.2/x", &[]).status, 410);
    let link = |path: &str| gateway.get(path, &[]).header("Link").unwrap();
    assert_eq!(link("/v1.3/x"), "</v2.0/x>; rel=\"successor-version\"");
    assert_eq!(link("/v1.4/x"), "</guide>; rel=\"deprecation\"");
    // `seed: false` still holds where the version says nothing of it.
    assert_eq!(gateway.get("/v1.4/x", &[]).header("X-API-Deprecated"), None);
}

#[test]
fn a_date_in_the_past_wins_over_a_milder_status() {
    let (gateway, _up) = world(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {status: stable, deprecated: 2020-06-01, upstream: main}
      "1.1": {status: deprecated, deprecated: 2020-06-01, sunset: 2021-06-01, upstream: main}
      "2.0": {upstream: main}
"#,
        &[],
    );
    assert_eq!(gateway.get("/", &["X-API-Version: 1.0"]).header("X-API-Deprecated").as_deref(), Some("true"));
    gateway.get("/", &["X-API-Version: 1.1"]).problem(410, "version_sunset");
}

#[test]
fn a_successor_is_linked_only_where_the_path_can_name_it() {
    let yaml = |resolve: &str| {
        format!(
            "versioning: {{resolve: [{resolve}]}}\nupstreams: {{main: <up>}}\napis:\n  shop:\n    path: /\n    versions:\n      \
             \"1.0\": {{deprecated: 2020-06-01, upstream: main}}\n      \"2.0\": {{upstream: main}}\n"
        )
    };
    let link = |resolve: &str, target: &str, fields: &[&str]| {
        let (gateway, _up) = world(&yaml(resolve), &[]);
        let answer = gateway.get(target, fields);
        assert_eq!(answer.used().as_deref(), Some("1.0"), "{target}");
        answer.header("Link")
    };
    let old = &["X-API-Version: 1.0"];
    assert_eq!(link("{header: X-API-Version}", "/x", old), None);
    // Named elsewhere, and the text before the capture is literal: inserted.
    let both = "{header: X-API-Version}, {path: '^/api/v([0-9.]+)(?:/|$)'}";
    assert_eq!(link(both, "/api/v1.0/x", &[]).as_deref(), Some("</api/v2.0/x>; rel=\"successor-version\""));
    // Not literal: no guess is made.
    let loose = "{header: X-API-Version}, {path: '^/[a-z]+/v([0-9.]+)(?:/|$)'}";
    assert_eq!(link(loose, "/shop/v1.0/x", &[]).as_deref(), Some("</shop/v2.0/x>; rel=\"successor-version\""));
    assert_eq!(link(loose, "/x", old), None);
}
