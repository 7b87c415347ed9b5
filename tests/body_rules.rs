use crate::{
    adaptation::{OLD, one},
    support::{Gateway, Upstream, fill},
};

const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    adaptation: {<rules>}
    versions: {"1": {}, "2": {upstream: main}}
    changes:
      - {change: c, from: "1", to: "2", operations: [{match: POST /p, request: [{rename: {a: b}}], response: {2xx: [{rename: {a: b}}]}}]}
"#;

/// An API with these rules whose upstream answers `{"b":1}` with these fields.
fn shop(rules: &str, fields: &'static [&'static str]) -> (Gateway, Upstream) {
    let up = Upstream::new(move |a| a.reply(200, fields, r#"{"b":1}"#));
    (Gateway::start(&fill(YAML, &[("up", &up.url()), ("rules", rules)])), up)
}

const JSON: &str = "Content-Type: application/json";
const FORBIDS: &str = "Cache-Control: private, no-transform";

#[test]
fn no_transform_is_adapted_and_counted_or_bypassed_or_refused() {
    let request = |rules: &str| {
        let (gateway, up) = shop(rules, &[JSON, FORBIDS, "ETag: \"v1\""]);
        let answer = gateway.post_json("/p", &[OLD, FORBIDS], r#"{"a":1}"#);
        let counted = |direction| gateway.metrics().sum("vergate_no_transform_total", &[("direction", direction)]);
        let counts = (counted("request"), counted("response"));
        (answer, up.requests().pop().map(|seen| seen.text()), counts)
    };
    let (answer, seen, counts) = request("");
    assert_eq!((answer.text().as_str(), seen.as_deref(), counts), (r#"{"a":1}"#, Some(r#"{"b":1}"#), (1.0, 1.0)));
    let (answer, seen, counts) = request("no_transform: bypass");
    assert_eq!((answer.text().as_str(), seen.as_deref(), counts), (r#"{"b":1}"#, Some(r#"{"a":1}"#), (1.0, 1.0)));
    assert!(answer.header("ETag").unwrap().starts_with("\"v1~"), "a tag that comes back is known again");
    let (answer, seen, _) = request("no_transform: fail");
    assert_eq!(answer.problem(400, "adaptation_request_failed")["reason"], "no_transform");
    assert_eq!(seen, None);
    let (gateway, _up) = shop("no_transform: fail", &[JSON, FORBIDS]);
    let answer = gateway.post_json("/p", &[OLD], "{}");
    assert_eq!(answer.problem(502, "adaptation_response_failed")["reason"], "no_transform");
}

#[test]
fn what_is_bypassed_can_be_asked_for_again() {
    let yaml = YAML.replace("POST /p", "GET /p").replace("request: [{rename: {a: b}}], ", "");
    let up = Upstream::new(|a| match a.request.header("If-None-Match").as_deref() {
        Some("\"v1\"") => a.reply(304, &[FORBIDS, "ETag: \"v1\""], ""),
        _ => a.reply(200, &[JSON, FORBIDS, "ETag: \"v1\""], r#"{"b":1}"#),
    });
    let gateway = Gateway::start(&fill(&yaml, &[("up", &up.url()), ("rules", "no_transform: bypass")]));
    let first = gateway.get("/p", &[OLD]);
    let tag = first.header("ETag").unwrap();
    assert_eq!((first.status, first.text().as_str()), (200, r#"{"b":1}"#));
    let again = gateway.get("/p", &[OLD, &format!("If-None-Match: {tag}")]);
    assert_eq!((again.status, again.header("ETag")), (304, Some(tag)));
}

#[test]
fn bodies_without_a_type_are_json_where_the_api_says_so() {
    let (gateway, up) = shop("untyped: json", &[]);
    let answer = gateway.call("POST", "/p", &[OLD], r#"{"a":1}"#);
    assert_eq!((up.last().text().as_str(), answer.text().as_str()), (r#"{"b":1}"#, r#"{"a":1}"#));
    gateway.call("POST", "/p", &[OLD], "a=1").problem(400, "adaptation_request_failed");
    assert_eq!(gateway.call("POST", "/p", &[OLD, "Content-Type: text/plain"], "a=1").status, 200);
    assert_eq!(gateway.call("POST", "/p", &[OLD, "Content-Length: 0"], "").status, 200, "nothing was promised");
}

#[test]
fn a_signature_over_the_digest_refuses_or_gives_way() {
    let signed = [OLD, "Signature-Input: s=(\"content-digest\");keyid=\"k\"", "Content-Digest: sha-256=:x:"];
    let (gateway, _up) = shop("", &[JSON]);
    let problem = gateway.post_json("/p", &signed, r#"{"a":1}"#).problem(400, "adaptation_request_failed");
    assert_eq!(problem["reason"], "signature");
    let (gateway, up) = shop("signed: adapt", &[JSON]);
    assert_eq!(gateway.post_json("/p", &signed, r#"{"a":1}"#).status, 200);
    assert_eq!((up.last().text().as_str(), up.last().header("Content-Digest")), (r#"{"b":1}"#, None));
}

#[test]
fn a_json_patch_is_adapted_where_values_only_move() {
    const PATCH: &str = "Content-Type: application/json-patch+json";
    let (gateway, up) = one("{match: PATCH /p, request: [{rename: {a: b}}]}", |a| a.reply(204, &[], ""));
    let patch = |body: &str| gateway.call("PATCH", "/p", &[OLD, PATCH], body);
    let old = r#"[{"op":"add","path":"/a","value":{"a":1.0}},{"op":"move","from":"/a/x","path":"/c"}]"#;
    assert_eq!(patch(old).status, 204);
    let new = r#"[{"op":"add","path":"/b","value":{"a":1.0}},{"op":"move","from":"/b/x","path":"/c"}]"#;
    assert_eq!(up.last().text(), new);
    let problem = patch(r#"[{"op":"replace","path":"","value":{"a":1}}]"#).problem(415, "content_coding_unsupported");
    assert_eq!(problem["reason"], "json_patch");
    patch("{}").problem(400, "adaptation_request_failed");
    let (gateway, _up) = one("{match: PATCH /p, request: [{add: {path: /c, value: 1}}]}", |a| a.reply(204, &[], ""));
    gateway.call("PATCH", "/p", &[OLD, PATCH], "[]").problem(415, "content_coding_unsupported");
}

#[test]
fn references_in_an_answer_follow_the_paths_that_moved() {
    let up = Upstream::new(|a| {
        let host = a.request.header("Host").unwrap();
        let absolute = format!("Content-Location: http://{host}/v2/models/7/info?x=1");
        let fields = [
            "Location: /v2/models/m%207/info#top",
            &absolute,
            "Link: </v2/models/8/info>; rel=\"next\", <http://elsewhere.test/v2/models/8/info>; rel=other",
        ];
        a.reply(201, &fields, "")
    });
    let yaml = r#"
versioning: {resolve: [{header: X-API-Version}, {path: '^/v([0-9]+)(?:/|$)'}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /models, 'GET /models/{id}']
    versions: {"1": {}, "2": {upstream: main, endpoints: [POST /models, 'GET /v2/models/{id}/info']}}
    changes:
      - {change: c, from: "1", to: "2", operations: [{match: 'GET /models/{id}', to: 'GET /v2/models/{id}/info'}]}
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    for (target, fields, before) in [("/models", &[OLD][..], ""), ("/v1/models", &[], "/v1")] {
        let answer = gateway.call("POST", target, fields, "");
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.header("Location"), Some(format!("{before}/models/m%207#top")));
        let content_location = answer.header("Content-Location").unwrap();
        assert!(content_location.ends_with(&format!("{before}/models/7?x=1")), "{content_location}");
        let links = answer.lines("Link").join(", ");
        assert!(links.contains(&format!("<{before}/models/8>; rel=\"next\"")), "{links}");
        assert!(links.contains("<http://elsewhere.test/v2/models/8/info>; rel=other"), "{links}");
    }
    // The version that is not adapted keeps them.
    let answer = gateway.call("POST", "/models", &["X-API-Version: 2"], "");
    assert_eq!(answer.header("Location").as_deref(), Some("/v2/models/m%207/info#top"));
}

/// `../7/info` means another model of the upstream's; the client asked for another path.
#[test]
fn relative_references_lead_where_the_upstream_meant_them_to() {
    let up = Upstream::new(|a| {
        let fields = [
            "Location: ../8/info?x=1",
            "Content-Location: info",
            "Link: <?page=2>; rel=next, </base/v2/models/9/info>; rel=related, <../../other>; rel=up",
        ];
        a.reply(200, &fields, "")
    });
    let yaml = r#"
versioning: {resolve: [{header: X-API-Version}, {path: '^/v([0-9]+)(?:/|$)'}]}
upstreams: {main: <up>/base}
apis:
  shop:
    path: /
    endpoints: ['GET /models/{id}']
    versions: {"1": {}, "2": {upstream: main, endpoints: ['GET /v2/models/{id}/info']}}
    changes:
      - {change: c, from: "1", to: "2", operations: [{match: 'GET /models/{id}', to: 'GET /v2/models/{id}/info'}]}
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    for (target, fields, before) in [("/models/7", &[OLD][..], ""), ("/v1/models/7", &[], "/v1")] {
        let answer = gateway.get(target, fields);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(up.last().target, "/base/v2/models/7/info");
        assert_eq!(answer.header("Location"), Some(format!("{before}/models/8?x=1")));
        assert_eq!(answer.header("Content-Location"), Some(format!("{before}/models/7")));
        let links = answer.lines("Link").join(", ");
        for link in [
            "<?page=2>; rel=next".to_owned(),
            format!("<{before}/models/9>; rel=related"),
            format!("<{before}/v2/other>; rel=up"),
        ] {
            assert!(links.contains(&link), "{link}: {links}");
        }
    }
}
