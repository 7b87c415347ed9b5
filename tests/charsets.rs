use crate::{
    adaptation::OLD,
    codings::coded,
    support::{Answer, Gateway, Response, Then, Upstream, fill, gateway::file, vergate},
};

const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
limits: {adapted_body: 1KiB}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    adaptation: {charset: <charset>}
    versions: {"1": {}, "2": {upstream: main}}
    changes:
      - {change: c, from: "1", to: "2", operations: [{match: POST /p, request: [{rename: {a: b}}], response: {2xx: [{rename: {a: b}}]}}]}
"#;

fn shop(charset: &str, script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> (Gateway, Upstream) {
    let up = Upstream::new(script);
    (Gateway::start(&fill(YAML, &[("up", &up.url()), ("charset", charset)])), up)
}

/// An API that transcodes, with a backend that has nothing to say.
fn quiet() -> (Gateway, Upstream) {
    shop("transcode", |a| a.reply(204, &[], ""))
}

/// An API that transcodes, with a backend that says this.
fn saying(fields: &'static [&'static str], body: impl Into<Vec<u8>>) -> (Gateway, Upstream) {
    let body = body.into();
    shop("transcode", move |a| a.reply(200, fields, &body))
}

fn post(gateway: &Gateway, media: &str, body: impl AsRef<[u8]>) -> Response {
    gateway.call("POST", "/p", &[OLD, &format!("Content-Type: {media}"), "Content-Digest: sha-256=:x:"], body)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn a_request_in_the_charset_it_names_goes_on_in_utf8() {
    let (gateway, up) = quiet();
    for (charset, value) in [
        ("latin1", b"\xe9".to_vec()),
        ("\"ISO-8859-1\"", b"\xe9".to_vec()),
        ("cp437; charset=latin1", "é".into()),
        ("windows-1250", b"\xe9".to_vec()),
        ("gb18030", b"\xa8\xa6".to_vec()),
        // Its bytes say otherwise.
        ("shift_jis", "é".into()),
    ] {
        let body = [b"{\"a\":\"", &value[..], b"\",\"n\":1.50}"].concat();
        assert_eq!(post(&gateway, &format!("application/json; charset={charset}; v=1"), body).status, 204, "{charset}");
        let seen = up.last();
        assert_eq!(seen.text(), "{\"b\":\"é\",\"n\":1.50}", "{charset}");
        assert_eq!(seen.header("Content-Type").as_deref(), Some("application/json; v=1"));
        assert_eq!(seen.header("Content-Length"), Some(seen.body.len().to_string()));
        assert_eq!(seen.header("Content-Digest"), None);
    }
    assert_eq!(post(&gateway, "application/json; charset=utf-16", utf16("{\"a\":\"é\"}")).status, 204);
    assert_eq!(up.last().text(), "{\"b\":\"é\"}");
    let fields = [OLD, "Content-Type: application/json; charset=latin1", "Content-Encoding: gzip"];
    assert_eq!(gateway.call("POST", "/p", &fields, coded("gzip", b"{\"a\":\"\xe9\"}")).status, 204);
    assert_eq!(up.last().text(), "{\"b\":\"é\"}");
}

#[test]
fn what_cannot_be_read_in_it_is_415_and_502() {
    let (gateway, up) = quiet();
    for (charset, body) in [("shift_jis", &b"{\"a\":\"\xe9\"}"[..]), ("x-mine", b"\"\xe9\""), ("utf-32", b"7\0\0\0")] {
        let problem = post(&gateway, &format!("application/json; charset={charset}"), body)
            .problem(415, "content_coding_unsupported");
        assert_eq!(problem["reason"], "charset", "{charset}");
    }
    // 1,024 bytes may be adapted, in UTF-8.
    let long = [b"\"", &[0xe9; 600][..], b"\""].concat();
    post(&gateway, "application/json; charset=latin1", long).problem(413, "body_too_large");
    assert_eq!(up.requests().len(), 0, "nothing of it leaves");
    let (gateway, _up) = saying(&["Content-Type: application/json; charset=shift_jis"], b"{\"b\":\"\xe9\"}");
    let problem = gateway.call("POST", "/p", &[OLD], "").problem(502, "adaptation_response_failed");
    assert_eq!(problem["reason"], "charset");
}

#[test]
fn an_answer_in_the_charset_it_names_arrives_in_utf8() {
    let (gateway, _up) =
        saying(&["Content-Type: application/json; charset=windows-1251", "ETag: \"v1\""], b"{\"b\":\"\xc4\xe0\"}");
    let answer = gateway.call("POST", "/p", &[OLD], "");
    assert_eq!((answer.text().as_str(), answer.header("Content-Length")), ("{\"a\":\"Да\"}", Some("12".into())));
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json"));
    assert!(answer.header("ETag").unwrap().starts_with("\"v1~"), "other bytes have another tag");
}

#[test]
fn what_is_not_adapted_stays_in_its_charset() {
    let (gateway, up) = saying(&["Content-Type: application/json; charset=latin1"], b"{\"b\":\"\xe9\"}");
    let body = b"{\"b\":\"\xe9\"}";
    let answer =
        gateway.call("POST", "/p", &["X-API-Version: 2", "Content-Type: application/json; charset=latin1"], body);
    assert_eq!((&answer.body[..], &up.last().body[..]), (&body[..], &body[..]));
    for types in [answer.header("Content-Type"), up.last().header("Content-Type")] {
        assert_eq!(types.as_deref(), Some("application/json; charset=latin1"));
    }
    gateway.call("POST", "/p", &[OLD, "Content-Type: text/plain; charset=latin1"], body);
    assert_eq!(up.last().body, body);
    assert_eq!(up.last().header("Content-Type").as_deref(), Some("text/plain; charset=latin1"));
}

#[test]
fn other_charsets_are_refused_unless_the_api_says_so() {
    let (gateway, up) =
        shop("refuse", |a| a.reply(200, &["Content-Type: application/json; charset=latin1"], b"\"\xe9\""));
    for (charset, body) in [("latin1", b"\"\xe9\"".to_vec()), ("utf-16", utf16("{\"a\":1}"))] {
        let problem = post(&gateway, &format!("application/json; charset={charset}"), body)
            .problem(415, "content_coding_unsupported");
        assert_eq!(problem["reason"], "charset", "{charset}");
    }
    assert_eq!(up.requests().len(), 0);
    let problem = gateway.call("POST", "/p", &[OLD], "").problem(502, "adaptation_response_failed");
    assert_eq!(problem["reason"], "charset");
}

#[test]
fn lines_are_read_in_their_charset_both_ways_and_events_are_utf8() {
    let (gateway, up) = quiet();
    let lines = b"{\"a\":\"\xe9\"}\r\n\n{\"a\":\"\xc3\xa9\"}";
    assert_eq!(post(&gateway, "application/x-ndjson; charset=latin1", lines).status, 204);
    assert_eq!(up.last().text(), "{\"b\":\"é\"}\r\n\n{\"b\":\"é\"}");
    assert_eq!(up.last().header("Content-Type").as_deref(), Some("application/x-ndjson"));
    let problem =
        post(&gateway, "application/x-ndjson; charset=x-mine", lines).problem(415, "content_coding_unsupported");
    assert_eq!(problem["reason"], "charset");

    let (gateway, _up) =
        saying(&["Content-Type: application/jsonl; charset=utf-16"], utf16("{\"b\":\"é\"}\n{\"b\":2}\n"));
    let answer = gateway.call("POST", "/p", &[OLD], "");
    assert_eq!(answer.text(), "{\"a\":\"é\"}\n{\"a\":2}\n");
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/jsonl"));

    // An event stream has no other charset, whatever its type says.
    let (gateway, _up) = saying(&["Content-Type: text/event-stream; charset=latin1"], "data: {\"b\":\"é\"}\n\n");
    let answer = gateway.call("POST", "/p", &[OLD], "");
    assert_eq!(answer.text(), "data: {\"a\":\"é\"}\n\n");
    assert_eq!(answer.header("Content-Type").as_deref(), Some("text/event-stream"));
}

#[test]
fn explain_reads_a_body_in_its_charset() {
    let (dir, _) = file(&fill(YAML, &[("up", "http://127.0.0.1:9"), ("charset", "transcode")]));
    std::fs::write(dir.path("sent.json"), b"{\"a\":\"\xe9\"}").unwrap();
    let latin1 = "Content-Type: application/json; charset=latin1";
    let args = ["explain", "-X", "POST", "http://h/p", "-H", OLD, "-H", latin1, "-d", "@sent.json"];
    let (code, out, err) = vergate(&dir, &args);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("{\"b\":\"é\"}"), "{out}");
}

#[test]
fn a_word_that_is_none_is_an_error_with_those_that_are() {
    let (dir, _) = file(&fill(YAML, &[("up", "http://127.0.0.1:9"), ("charset", "latin1")]));
    let (code, out, _) = vergate(&dir, &["check"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("gateway.yaml:9:27: error: expected refuse or transcode, found \"latin1\""), "{out}");
}
