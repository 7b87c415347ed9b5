use crate::support::{Gateway, Response, SOURCES, Upstream, fill};

/// Every kind of version of one API: 0.9 is gone, 3.0-beta.1 is by name only, 4.0 is not open to anybody.
const VERSIONS: &str = r#"
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /items, POST /items]
    versions:
      "0.9": {status: sunset, upstream: main}
      "1.0": {upstream: main, deprecated: 2020-01-01}
      "2.0": {upstream: main}
      "2.1": {upstream: main}
      "2.9": {upstream: main}
      "2.10": {upstream: main}
      "3.0-beta.1": {status: beta, upstream: main}
      "4.0": {status: alpha, upstream: main}
      "5.0": {status: development, upstream: main}
"#;

struct World {
    gateway: Gateway,
    up: Upstream,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// `versioning` lines, indented by two, are added to the usual sources.
    fn with(versioning: &str) -> Self {
        Self::of(&format!("{SOURCES}{versioning}\n{VERSIONS}"))
    }

    fn of(yaml: &str) -> Self {
        let up = Upstream::named("main");
        let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
        Self { gateway, up }
    }

    #[track_caller]
    fn header(&self, value: &str) -> Response {
        self.gateway.get("/items", &[&format!("X-API-Version: {value}")])
    }

    #[track_caller]
    fn serves(&self, target: &str, fields: &[&str], version: &str) -> Response {
        let answer = self.gateway.get(target, fields);
        assert_eq!(answer.status, 200, "{target} {fields:?}: {}{}", answer.head.raw, answer.text());
        assert_eq!(answer.used().as_deref(), Some(version), "{target} {fields:?}");
        answer
    }
}

#[test]
fn every_spelling_of_a_version_in_a_header_is_understood() {
    let world = World::new();
    for (text, version) in [
        ("2.1", "2.1"),
        ("v2.1", "2.1"),
        ("V2.1", "2.1"),
        ("2.1.0", "2.1"),
        ("  2.1  ", "2.1"),
        ("2.0", "2.0"),
        ("3.0-beta.1", "3.0-beta.1"),
        ("v3.0-beta.1", "3.0-beta.1"),
    ] {
        world.serves("/items", &[&format!("X-API-Version: {text}")], version);
    }
}

#[test]
fn a_shorter_request_means_the_newest_stable_version_under_it() {
    let world = World::new();
    // Numeric order: 2.10 is newer than 2.9. 1.0 is deprecated and the only one under 1.
    world.serves("/items", &["X-API-Version: 2"], "2.10");
    world.serves("/items", &["X-API-Version: v2"], "2.10");
    world.serves("/items", &["X-API-Version: 1"], "1.0");
    // Never a pre-release, never a restricted version's name by prefix.
    world.header("3").problem(400, "version_unknown");
    world.header("3.0").problem(400, "version_unknown");
}

#[test]
fn a_prefix_prefers_an_older_stable_version_to_a_newer_deprecated_one() {
    let yaml = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "2.0": {upstream: main}
      "2.1": {upstream: main, deprecated: 2020-01-01}
      "3": {upstream: main}
      "3.1": {upstream: main}
"#;
    let world = World::of(yaml);
    world.serves("/", &["X-API-Version: 2"], "2.0");
    // A version written "3" beats the prefix reading.
    world.serves("/", &["X-API-Version: 3"], "3");
    world.serves("/", &["X-API-Version: 3.1"], "3.1");
}

#[test]
fn dates_are_versions_too() {
    let yaml = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop: {path: /, versions: {"2025-06-01": {upstream: main}, "2026-01-31": {upstream: main}}}
"#;
    let world = World::of(yaml);
    world.serves("/", &["X-API-Version: 2025-06-01"], "2025-06-01");
    world.serves("/", &[], "2026-01-31");
    world.header("2025-06-02").problem(400, "version_unknown");
    world.header("2025-13-01").problem(400, "version_malformed");
}

#[test]
fn anything_else_in_a_header_is_malformed_never_guessed() {
    let world = World::new();
    let long = "1".repeat(65);
    for text in [
        "",
        "v",
        "x",
        "latest",
        "02",
        "2.01",
        "2.1.0.0",
        "2.",
        ".2",
        "2..1",
        "-2",
        "+2",
        "2.1-",
        "2 1",
        "vv2",
        "2,1.x",
        "2;q=1",
        "0x2",
        "\u{ff12}",
        &long,
        "2.1+build",
    ] {
        let answer = world.header(text);
        assert_eq!(answer.status, 400, "{text:?}: {}", answer.text());
        answer.problem(400, "version_malformed");
    }
    assert_eq!(world.up.requests().len(), 0, "nothing malformed was forwarded");
}

#[test]
fn a_number_too_large_to_hold_is_unknown_up_to_64_bytes() {
    let world = World::new();
    world.header(&"9".repeat(64)).problem(400, "version_unknown");
    world.header(&"9".repeat(65)).problem(400, "version_malformed");
}

#[test]
fn the_same_source_naming_two_versions_is_ambiguous() {
    let world = World::new();
    for fields in [
        &["X-API-Version: 2.0", "X-API-Version: 2.1"][..],
        &["X-API-Version: 2.0, 2.1"],
        &["X-API-Version: 2.0", "x-api-version: 9.9"],
        &["X-API-Version: 8.8, 9.9"],
    ] {
        world.gateway.get("/items", fields).problem(400, "version_ambiguous");
    }
    world.gateway.get("/items?version=2.0&version=2.1", &[]).problem(400, "version_ambiguous");
    // A malformed one among several makes it malformed.
    world.gateway.get("/items", &["X-API-Version: 2.0, x"]).problem(400, "version_malformed");
    world.gateway.get("/items?version=2.0&version=", &[]).problem(400, "version_malformed");
}

#[test]
fn spellings_of_one_version_collapse() {
    let world = World::new();
    world.serves("/items", &["X-API-Version: 2.1", "X-API-Version: v2.1.0"], "2.1");
    world.serves("/items", &["X-API-Version: 2.1, V2.1"], "2.1");
    world.serves("/items?version=2.1&version=v2.1", &[], "2.1");
}

#[test]
fn sources_are_tried_in_their_order() {
    let world = World::new();
    let accept = "Accept: application/vnd.chatdb.v1.0+json";
    world.serves("/v2.0/items?version=2.1", &["X-API-Version: 2.9", accept], "2.9");
    world.serves("/v2.0/items?version=2.1", &[accept], "2.0");
    world.serves("/items?version=2.1", &[accept], "2.1");
    world.serves("/items", &[accept], "1.0");
    world.serves("/items", &[], "2.10");
}

#[test]
fn an_api_may_order_its_own_sources_and_keep_the_rest() {
    let yaml = r"
  default: required
  on_conflict: reject
"
    .to_owned();
    let own = VERSIONS.replace(
        "    path: /\n",
        "    path: /\n    versioning: {resolve: [{query: v}, {header: X-Shop-Version}], on_conflict: precedence}\n",
    );
    let world = World::of(&format!("{SOURCES}{yaml}\n{own}"));
    // `resolve` is replaced as a whole, `on_conflict` by key, `default: required` stays the global one.
    world.serves("/items?v=2.0", &["X-Shop-Version: 2.1"], "2.0");
    world.serves("/items", &["X-Shop-Version: 2.1"], "2.1");
    world.gateway.get("/items", &["X-API-Version: 2.1"]).problem(400, "version_required");
    assert_eq!(world.up.last().header("X-Shop-Version").as_deref(), Some("2.1"), "the name of the first header source");
}

#[test]
fn what_the_first_present_source_names_is_not_rescued_by_a_lower_one() {
    let world = World::new();
    world.gateway.get("/v2.0/items", &["X-API-Version: 9.9"]).problem(400, "version_unknown");
    world.gateway.get("/v2.0/items", &["X-API-Version: x"]).problem(400, "version_malformed");
    world.gateway.get("/v9.9/items?version=2.0", &[]).problem(404, "version_unknown");
    world.gateway.get("/v0.9/items?version=2.0", &[]).problem(410, "version_sunset");
}

#[test]
fn lower_sources_that_disagree_are_ignored_under_precedence() {
    let world = World::new();
    world.serves("/v2.0/items?version=nonsense", &["X-API-Version: 2.1"], "2.1");
    let before = world.gateway.metrics().sum("vergate_version_conflicts_total", &[]);
    world.serves("/v2.0/items", &["X-API-Version: 2.1"], "2.1");
    let after = world.gateway.metrics().sum("vergate_version_conflicts_total", &[]);
    assert!(after > before, "a different served version below counts as a conflict: {before} {after}");
    // A newer spelling of the same version is none.
    world.serves("/v2.1/items", &["X-API-Version: 2.1.0"], "2.1");
    assert_eq!(world.gateway.metrics().sum("vergate_version_conflicts_total", &[]), after);
}

#[test]
fn lower_sources_that_disagree_are_refused_under_reject() {
    let world = World::with("  on_conflict: reject");
    world.gateway.get("/v2.0/items", &["X-API-Version: 2.1"]).problem(400, "version_conflict");
    world.gateway.get("/v9.9/items", &["X-API-Version: 2.1"]).problem(400, "version_conflict");
    world.gateway.get("/items?version=x", &["X-API-Version: 2.1"]).problem(400, "version_malformed");
    world.serves("/v2.1/items?version=v2.1.0", &["X-API-Version: 2.1"], "2.1");
    world.serves("/v2/items", &["X-API-Version: 2.10"], "2.10");
}

#[test]
fn an_unknown_version_answers_by_its_source_and_lists_what_is_served() {
    let world = World::new();
    let served = serde_json::json!(["1.0", "2.0", "2.1", "2.9", "2.10", "3.0-beta.1"]);
    for (target, fields, status) in [
        ("/items", &["X-API-Version: 7.7"][..], 400),
        ("/items?version=7.7", &[], 400),
        ("/v7.7/items", &[], 404),
        ("/items", &["Accept: application/vnd.chatdb.v7.7+json"], 406),
    ] {
        let problem = world.gateway.get(target, fields).problem(status, "version_unknown");
        assert_eq!(problem["supported_versions"], served, "{target} {fields:?}");
    }
    assert_eq!(world.up.requests().len(), 0);
}

#[test]
fn unknown_versions_fall_back_to_the_default_only_where_configured_and_say_so() {
    let world = World::with("  on_unknown: default");
    for (target, fields) in [
        ("/items", &["X-API-Version: 7.7"][..]),
        ("/items?version=7.7", &[]),
        ("/v7.7/items", &[]),
        ("/items", &["Accept: application/vnd.chatdb.v7.7+json"]),
    ] {
        let answer = world.serves(target, fields, "2.10");
        assert_eq!(answer.header("X-API-Version-Fallback").as_deref(), Some("true"), "{target} {fields:?}");
        assert_eq!(world.up.last().header("X-API-Version").as_deref(), Some("2.10"), "{target} {fields:?}");
    }
    assert_eq!(world.serves("/items", &["X-API-Version: 2.0"], "2.0").header("X-API-Version-Fallback"), None);
    world.header("x").problem(400, "version_malformed");
    world.header("8.8, 9.9").problem(400, "version_ambiguous");
    world.header("0.9").problem(410, "version_sunset");
}

#[test]
fn an_error_of_the_default_says_as_well_that_another_version_was_asked_for() {
    let up = Upstream::named("main");
    let yaml = fill(
        r#"
versioning: {resolve: [{path: '^/v([0-9.]+)(?:/|$)'}], on_unknown: default}
upstreams: {main: <up>}
apis: {shop: {path: /, endpoints: [GET /items], unlisted: reject, versions: {"2.0": {upstream: main}}}}
"#,
        &[("up", &up.url())],
    );
    let gateway = Gateway::start(&yaml);
    for (target, fallback) in [("/v9/other", Some("true")), ("/v2.0/other", None)] {
        let answer = gateway.get(target, &[]);
        answer.problem(404, "endpoint_unknown");
        assert_eq!(answer.used().as_deref(), Some("2.0"));
        assert_eq!(answer.header("X-API-Version-Fallback").as_deref(), fallback, "{target}");
        let line = gateway.log_line(|line| line["path"] == target);
        assert_eq!(line["version_source"], "path", "{target}");
    }
}

#[test]
fn alpha_and_development_versions_are_restricted() {
    let world = World::new();
    for version in ["4.0", "5.0"] {
        let answer = world.header(version);
        answer.problem(403, "version_restricted");
        assert_eq!(answer.used().as_deref(), Some(version), "the version is known, so it is named");
    }
    assert_eq!(world.up.requests().len(), 0);
}

#[test]
fn a_prefix_under_which_everything_is_gone_is_410() {
    let world = World::new();
    let answer = world.header("0");
    answer.problem(410, "version_sunset");
    assert_eq!(answer.used().as_deref(), Some("0.9"));
}

#[test]
fn defaults_named_required_and_latest_stable() {
    // latest-stable is the newest stable one: not the beta, not the alpha.
    World::new().serves("/items", &[], "2.10");
    let named = World::with("  default: \"2.0\"");
    named.serves("/items", &[], "2.0");
    let required = World::with("  default: required");
    let problem = required.gateway.get("/items", &[]).problem(400, "version_required");
    assert_eq!(problem["supported_versions"][0], "1.0");
    required.serves("/items?version=2.0", &[], "2.0");
}

#[test]
fn the_version_segment_is_taken_off_and_the_rest_stays_byte_for_byte() {
    let world = World::with("  default: \"2.0\"");
    for (sent, forwarded) in [
        ("/v2.1/items", "/items"),
        ("/v2.1", "/"),
        ("/v2.1/", "/"),
        ("/v2.1?a=b", "/?a=b"),
        ("/v2.1/it%65ms/%7Eme?q=%20+a&&b=", "/it%65ms/%7Eme?q=%20+a&&b="),
        ("/v2.1/items?", "/items?"),
        ("/items/v2.1/x", "/items/v2.1/x"),
        ("/v2.1x/items", "/v2.1x/items"),
    ] {
        let answer = world.gateway.get(sent, &[]);
        assert_eq!(answer.status, 200, "{sent}: {}", answer.text());
        assert_eq!(world.up.last().target, forwarded, "{sent}");
    }
}

#[test]
fn every_occurrence_of_the_version_parameter_is_taken_off() {
    let world = World::new();
    for (sent, forwarded) in [
        ("/items?version=2.1", "/items"),
        ("/items?version=2.1&a=1", "/items?a=1"),
        ("/items?a=1&version=2.1", "/items?a=1"),
        ("/items?a=%20&version=2.1&b=+", "/items?a=%20&b=+"),
        ("/items?version=2.1&a=1&version=v2.1", "/items?a=1"),
        ("/items?%76ersion=2.1&x=y", "/items?x=y"),
        ("/items?a=1&&version=2.1&&b", "/items?a=1&&&b"),
        ("/items?versions=9&Version=8&version=2.1", "/items?versions=9&Version=8"),
    ] {
        world.serves(sent, &[], "2.1");
        assert_eq!(world.up.last().target, forwarded, "{sent}");
    }
    // Also where another source won.
    world.serves("/v2.0/items?version=2.1&a=1", &["X-API-Version: 2.9"], "2.9");
    assert_eq!(world.up.last().target, "/items?a=1");
}

#[test]
fn a_query_parameter_without_a_value_is_present_and_malformed() {
    let world = World::new();
    world.gateway.get("/items?version", &[]).problem(400, "version_malformed");
    world.gateway.get("/items?version=", &[]).problem(400, "version_malformed");
    // Names and values are percent-decoded, a plus is a space, and spaces around are ignored.
    world.serves("/items?version=%32%2E1", &[], "2.1");
    world.serves("/items?version=+2.1+", &[], "2.1");
}

#[test]
fn a_source_with_strip_false_is_left_as_sent() {
    let yaml = format!(
        "versioning: {{resolve: [{{path: '^/v([0-9.]+)(?:/|$)', strip: false}}, {{query: version, strip: false}}]}}\n{VERSIONS}"
    );
    let world = World::of(&yaml);
    world.serves("/v2.1/items?version=2.0&a=1", &[], "2.1");
    assert_eq!(world.up.last().target, "/v2.1/items?version=2.0&a=1");
}

#[test]
fn a_version_inside_the_path_is_taken_off_there() {
    let yaml = format!("versioning: {{resolve: [{{path: '^/api/v([0-9.]+)(?:/|$)'}}]}}\n{VERSIONS}");
    let world = World::of(&yaml);
    world.serves("/api/v2.1/query?x=1", &[], "2.1");
    assert_eq!(world.up.last().target, "/api/query?x=1");
    world.gateway.get("/api/v2..1/query", &[]).problem(400, "version_malformed");
}

#[test]
fn accept_is_negotiated_by_quality() {
    let world = World::new();
    for (accept, version) in [
        ("application/vnd.chatdb.v2.0+json", "2.0"),
        ("APPLICATION/VND.CHATDB.V2.0+JSON", "2.0"),
        ("text/html, application/vnd.chatdb.v2.0+json;q=0.1", "2.0"),
        ("application/vnd.chatdb.v2.0+json;q=0.5, application/vnd.chatdb.v2.1+json;q=0.9", "2.1"),
        ("application/vnd.chatdb.v2+json", "2.10"),
        // Ranges that resolve to nothing are dropped first.
        ("application/vnd.chatdb.v7.7+json, application/vnd.chatdb.v2.0+json;q=0.2", "2.0"),
        // A sunset version counts only if nothing else is left.
        ("application/vnd.chatdb.v0.9+json, application/vnd.chatdb.v2.0+json;q=0.2", "2.0"),
        // q=0 means not this one; the source is then absent.
        ("application/vnd.chatdb.v2.0+json;q=0", "2.10"),
        ("*/*", "2.10"),
        ("application/json", "2.10"),
        // Two spellings of one version at one quality.
        ("application/vnd.chatdb.v2.1+json, application/vnd.chatdb.v2.1.0+json", "2.1"),
    ] {
        world.serves("/items", &[&format!("Accept: {accept}")], version);
    }
    let accept = |value: &str| world.gateway.get("/items", &[&format!("Accept: {value}")]);
    accept("application/vnd.chatdb.v2.0+json, application/vnd.chatdb.v2.1+json").problem(400, "version_ambiguous");
    accept("application/vnd.chatdb.v0.9+json").problem(410, "version_sunset");
    accept("application/vnd.chatdb.v7.7+json, text/html").problem(406, "version_unknown");
}

#[test]
fn a_malformed_version_in_any_matching_range_is_malformed() {
    let yaml =
        format!("versioning: {{resolve: [{{accept: 'application/vnd\\.chatdb\\.v([^+]+)\\+json'}}]}}\n{VERSIONS}");
    let world = World::of(&yaml);
    let answer = world
        .gateway
        .get("/items", &["Accept: application/vnd.chatdb.vX+json;q=0.1, application/vnd.chatdb.v2.0+json"]);
    answer.problem(400, "version_malformed");
}

#[test]
fn the_upstream_sees_one_version_only() {
    let world = World::new();
    world.serves("/v2.0/items?version=2.1", &["X-API-Version: 2"], "2.10");
    let seen = world.up.last();
    assert_eq!(seen.head.lines("X-API-Version"), ["2.10"]);
    assert_eq!(seen.target, "/items");
    // Also when nothing was named.
    world.serves("/items", &[], "2.10");
    assert_eq!(world.up.last().head.lines("X-API-Version"), ["2.10"]);
}

#[test]
fn client_sent_answers_of_the_gateway_are_removed() {
    let world = World::new();
    world.serves("/items", &["X-API-Version-Used: 9", "X-API-Version-Fallback: true"], "2.10");
    let seen = world.up.last();
    assert_eq!(seen.header("X-API-Version-Used"), None);
    assert_eq!(seen.header("X-API-Version-Fallback"), None);
}

#[test]
fn vendor_media_types_are_rewritten_to_what_the_upstream_speaks_and_back() {
    let up = Upstream::new(|a| {
        let media = a.request.header("Accept").unwrap_or_default();
        let media = media.split([',', ';']).next().unwrap().trim().to_owned();
        a.reply(200, &[&format!("Content-Type: {media}; charset=utf-8")], "{}")
    });
    let yaml = r#"
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {upstream: main, speaks: "2.0"}
      "2.0": {upstream: main}
    changes: [{change: none, from: "1.0", to: "2.0", operations: []}]
"#;
    let gateway = Gateway::start(&fill(&format!("{SOURCES}{yaml}"), &[("up", &up.url())]));
    let accept = "Accept: application/vnd.chatdb.v1+json, application/vnd.chatdb.v9+json;q=0.1, text/plain;q=0.2";
    let answer = gateway.get("/items", &[accept]);
    assert_eq!(answer.used().as_deref(), Some("1.0"));
    let seen = up.last();
    assert_eq!(seen.header("X-API-Version").as_deref(), Some("2.0"), "the version the upstream speaks");
    let sent = seen.header("Accept").unwrap();
    assert!(sent.starts_with("application/vnd.chatdb.v2.0+json"), "{sent}");
    assert!(sent.contains("text/plain") && !sent.contains("v9") && !sent.contains("v1+"), "{sent}");
    // Back to the text the client used.
    let media = answer.header("Content-Type").unwrap();
    assert!(media.starts_with("application/vnd.chatdb.v1+json"), "{media}");
    assert!(media.contains("charset=utf-8"), "{media}");
}

#[test]
fn a_vendor_type_in_the_answer_becomes_the_served_versions_where_accept_named_none() {
    let up = Upstream::new(|a| a.reply(200, &["Content-Type: application/vnd.chatdb.v2.0+json"], "{}"));
    let yaml = r#"
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions: {"1.0": {upstream: main, speaks: "2.0"}, "2.0": {upstream: main}}
    changes: [{change: none, from: "1.0", to: "2.0", operations: []}]
"#;
    let gateway = Gateway::start(&fill(&format!("{SOURCES}{yaml}"), &[("up", &up.url())]));
    let answer = gateway.get("/v1.0/items", &[]);
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/vnd.chatdb.v1.0+json"));
}

#[test]
fn spellings_that_change_the_verdict_are_refused() {
    let world = World::of(&format!(
        "{SOURCES}{}",
        VERSIONS
            .replace("    endpoints: [GET /items, POST /items]", "    endpoints: [GET /items]\n    unlisted: reject")
    ));
    for target in [
        "/x/../v2.0/items",
        "/v2.0/../v2.1/items",
        "/v2.0/x/..;/items",
        "//v2.0/items",
        "/v2.0//items",
        "/v2.0%2Fitems",
        "/v2.0%2fitems",
        "/%252e%252e/v2.0/items",
        "/v2.0/x/%2e%2e/items",
        "/v2.0/./items",
        "/v2.0%5citems",
        "/.%2e/items",
    ] {
        let answer = world.gateway.get(target, &[]);
        assert!(
            answer.status == 400 || answer.status == 404,
            "{target} reached {}: {}",
            world.up.last().target,
            answer.text()
        );
    }
    world.gateway.get("/v2.0/x/../items", &[]).problem(400, "path_invalid");
    world.gateway.get("/v2.0//items", &[]).problem(400, "path_invalid");
    world.gateway.get("/v2.0\\items", &[]).problem(400, "request_invalid");
    assert_eq!(world.up.requests().len(), 0, "none of them got round the endpoint list");
}

#[test]
fn no_spelling_gets_round_a_sunset() {
    let world = World::new();
    for target in ["/v0.9/items", "/%760.9/items", "/v0%2E9/items", "//v0.9/items", "/x/../v0.9/items", "/./v0.9/items"]
    {
        let answer = world.gateway.get(target, &[]);
        assert!(matches!(answer.status, 410 | 400), "{target}: {} {}", answer.status, answer.text());
    }
    // Unreserved letters spelt as escapes are the same path.
    world.gateway.get("/%760.9/items", &[]).problem(410, "version_sunset");
    assert_eq!(world.up.requests().len(), 0);
}

#[test]
fn odd_spellings_that_change_nothing_go_on_as_sent() {
    let world = World::new();
    for target in ["/files/a%2Fb", "/files/%C3%A9", "/files/a;b=c", "/files/a:b@c", "/files/%7Euser"] {
        let answer = world.gateway.get(target, &[]);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(world.up.last().target, target);
    }
}

#[test]
fn a_preflight_without_a_version_goes_to_the_default() {
    let preflight = ["Origin: https://app.example", "Access-Control-Request-Method: POST"];
    let world = World::new();
    let answer = world.gateway.call("OPTIONS", "/items", &preflight, "");
    assert_eq!((answer.status, answer.used().as_deref()), (200, Some("2.10")));
    // Under `required` to the newest stable version; an OPTIONS that is no preflight has to name one.
    let world = World::with("  default: required");
    let answer = world.gateway.call("OPTIONS", "/items", &preflight, "");
    assert_eq!((answer.status, answer.used().as_deref()), (200, Some("2.10")), "{}", answer.text());
    world.gateway.call("OPTIONS", "/items", &[], "").problem(400, "version_required");
}

#[test]
fn vary_names_the_sources_that_are_configured_once() {
    let yaml = format!("{SOURCES}{VERSIONS}");
    let up = Upstream::new(|a| match a.request.target.as_str() {
        "/star" => a.reply(200, &["Vary: *"], ""),
        "/merged" => a.reply(200, &["Vary: Origin, accept", "Vary: x-api-version"], ""),
        _ => a.reply(200, &[], ""),
    });
    let gateway = Gateway::start(&fill(&yaml, &[("up", &up.url())]));
    let names = |target: &str| {
        let vary = gateway.get(target, &[]).header("Vary").unwrap_or_default().to_ascii_lowercase();
        let mut names: Vec<_> = vary.split(',').map(|n| n.trim().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("/items"), ["accept", "x-api-version"]);
    assert_eq!(names("/merged"), ["accept", "origin", "x-api-version"]);
    assert_eq!(names("/star"), ["*"]);
    // On errors too.
    assert_eq!(names("/v7.7/items"), ["accept", "x-api-version"]);
    assert_eq!(names("/v0.9/items"), ["accept", "x-api-version"]);
    // Neither where no such source is configured.
    let own = VERSIONS.replace("    path: /\n", "    path: /\n    versioning: {resolve: [{query: version}]}\n");
    let gateway = Gateway::start(&fill(&format!("{SOURCES}{own}"), &[("up", &up.url())]));
    assert_eq!(gateway.get("/items", &[]).header("Vary"), None);
}

#[test]
fn a_version_field_with_bytes_that_are_no_text_is_malformed() {
    let world = World::new();
    let mut client = world.gateway.client();
    client.write(b"GET /items HTTP/1.1\r\nHost: h\r\nX-API-Version: \xff\xfe\r\n\r\n");
    client.read().problem(400, "version_malformed");
}

#[test]
fn without_a_header_source_the_upstream_is_told_in_x_api_version() {
    let world = World::of(&format!("versioning: {{resolve: [{{query: version}}]}}\n{VERSIONS}"));
    // Nobody asked for it, so a client's own field decides nothing and does not reach the upstream.
    world.serves("/items?version=2.1", &["X-API-Version: 2.0"], "2.1");
    assert_eq!(world.up.last().head.lines("X-API-Version"), ["2.1"]);
}
