use crate::support::{Gateway, TempDir, Upstream, eventually, fill, vergate};

const SHIPPED: &str = include_str!("../gateway.yaml");

/// The shipped configuration with its OpenAPI documents, in a directory of its own.
fn shipped(gateway: &str) -> TempDir {
    let dir = TempDir::new();
    std::fs::create_dir(dir.path("openapi")).unwrap();
    for version in ["1.0", "1.5", "2.0"] {
        let name = format!("openapi/query-parser-{version}.yaml");
        let text = std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        dir.write(&name, &text);
    }
    dir.write("gateway.yaml", gateway);
    dir
}

/// The fenced blocks of the README's section: language and text.
fn blocks() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("README.md");
    let section = text.split("\n## Prove it\n").nth(1).expect("the README has the section");
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("\n```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.split_once('\n'))
        .map(|(language, text)| (language.to_owned(), text.to_owned()))
        .collect()
}

/// The shipped configuration with the lines of a diff replaced.
fn patched(diff: &str) -> String {
    let lines = |sign: char| {
        diff.lines().filter_map(|line| line.strip_prefix(sign)).map(|line| format!("{line}\n")).collect::<String>()
    };
    let old = lines('-');
    assert!(SHIPPED.contains(&old), "not in gateway.yaml:\n{old}");
    SHIPPED.replacen(&old, &lines('+'), 1)
}

#[test]
fn the_shipped_changes_are_proven_against_the_shipped_documents() {
    let dir = shipped(SHIPPED);
    let (code, out, err) = vergate(&dir, &["check"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("nothing to complain about"));
}

#[test]
fn what_the_readme_says_about_broken_changes_is_what_check_says() {
    let mut broken = 0;
    let mut dir = shipped(SHIPPED);
    for (language, text) in blocks() {
        if language == "diff" {
            dir = shipped(&patched(&text));
            broken += 1;
        } else if let Some(shown) = text.strip_prefix("$ vergate check\n") {
            let (code, out, err) = vergate(&dir, &["check"]);
            assert_eq!(without_lines((out + &err).trim_end()), without_lines(shown.trim_end()));
            assert_eq!(code, i32::from(shown.contains(": error: ")));
        }
    }
    assert!(broken >= 2, "the section breaks a change");
}

/// Any comment that `gateway.yaml` gains moves its lines; what is said, and in which column, does not change.
fn without_lines(text: &str) -> String {
    let mut parts = text.split("gateway.yaml:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + "gateway.yaml:" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn findings_of_the_proof_have_the_members_of_the_contract() {
    let dir = shipped(&SHIPPED.replace("{text: query, context: context}", "{text: querry, context: context}"));
    let (code, out, _) = vergate(&dir, &["check", "--json"]);
    assert_eq!(code, 1);
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let first = &found[0];
    for (member, expected) in [
        ("severity", "error"),
        ("code", "no-such-path"),
        ("file", "gateway.yaml"),
        ("api", "query-parser"),
        ("change", "qp-2.0-multimodal"),
        ("operation", "POST /parse"),
        ("pointer", "/querry"),
    ] {
        assert_eq!(first[member], expected, "{member}");
    }
    assert!(first["line"].is_u64() && first["col"].is_u64() && first["help"].is_string());
}

#[test]
fn the_running_gateway_does_not_need_the_documents() {
    let dir = TempDir::new();
    dir.write("gateway.yaml", SHIPPED);
    let (code, out, _) = vergate(&dir, &["check"]);
    assert_eq!(code, 1, "check does");
    assert_eq!(out.matches("cannot read the OpenAPI document").count(), 3, "{out}");
    let (code, out, err) =
        vergate(&dir, &["explain", "/v1.0/parse", "-d", "{\"query\":\"x\"}", "-H", "Content-Type: application/json"]);
    assert_eq!(code, 0, "{out}{err}");
}

/// A `merge` that loses something where a host may hold the separator.
const MERGES: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1": {openapi: 1.yaml}, "2": {upstream: main, openapi: 2.yaml}}
    changes:
      - {change: c, from: "1", to: "2", operations: [{match: POST /p, request: [{merge: {from: [host, port], into: addr, sep: ':'}}]}]}
"#;

/// A document whose requests are objects with these properties.
fn document(properties: &str) -> String {
    let schema = format!("{{type: object, required: [], properties: {properties}, additionalProperties: false}}");
    format!(
        "openapi: 3.1.0\npaths: {{/p: {{post: {{requestBody: {{content: {{application/json: {{schema: {schema}}}}}}}, responses: {{'204': {{description: done}}}}}}}}}}\n"
    )
}

#[test]
fn a_loss_that_documents_may_excuse_is_refused_by_run_as_by_check() {
    let named = document("{host: {type: string, format: uuid}, port: {type: string}}");
    let free = document("{host: {type: string}, port: {type: string}}");
    let up = Upstream::new(|a| a.reply(204, &[], ""));
    let folder = |old: &str| {
        let dir = TempDir::new();
        dir.write("gateway.yaml", &fill(MERGES, &[("up", &up.url())]));
        dir.write("1.yaml", old);
        dir.write("2.yaml", &document("{addr: {type: string}}"));
        dir
    };
    let dir = folder(&free);
    for verb in [&["check"][..], &["run"], &["explain", "/p"]] {
        let (code, out, err) = vergate(&dir, verb);
        assert_eq!(code, 1, "{out}{err}");
        assert!([out, err].concat().contains("gateway.yaml:10:"), "{verb:?}");
    }

    let dir = folder(&named);
    assert_eq!(vergate(&dir, &["check"]).0, 0);
    let yaml = std::fs::read_to_string(dir.path("gateway.yaml")).unwrap();
    let gateway = Gateway::start_in(dir, &yaml, |_| {});
    let answer = gateway.post_json("/p", &["X-API-Version: 1"], r#"{"host":"h","port":"1"}"#);
    assert_eq!((answer.status, up.last().text().as_str()), (204, r#"{"addr":"h:1"}"#));
    // What it depends on is watched, and a document that excuses nothing any more makes the file bad.
    gateway.dir().write("1.yaml", &free);
    eventually("the change of the document is refused", || {
        let status = gateway.admin_get("/metrics").text();
        status.contains("\nvergate_config_last_reload_successful 0\n").then_some(())
    });
    assert_eq!(gateway.post_json("/p", &["X-API-Version: 1"], "{}").status, 204, "the old one stays in use");
}
