use crate::{
    adaptation::{BOTH, OLD, one},
    support::{Gateway, Then, Upstream, fill, http::Response},
};
use std::io::{Read, Write};

/// In a content coding, `raw` being `deflate` without zlib's wrapper.
pub(crate) fn coded(coding: &str, text: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    match coding {
        "gzip" | "x-gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "raw" => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut coded = Vec::new();
            brotli::CompressorWriter::new(&mut coded, 4096, 5, 22).write_all(text).unwrap();
            coded
        }
        "zstd" => ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest),
        other => panic!("no coding {other}"),
    }
}

fn decoded(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match coding {
        "gzip" => flate2::read::MultiGzDecoder::new(coded).read_to_end(&mut text).unwrap(),
        "deflate" => flate2::read::ZlibDecoder::new(coded).read_to_end(&mut text).unwrap(),
        "br" => brotli::Decompressor::new(coded, 4096).read_to_end(&mut text).unwrap(),
        "zstd" => {
            use ruzstd::io::Read as _;
            ruzstd::decoding::StreamingDecoder::new(coded).unwrap().read_to_end(&mut text).unwrap();
            0
        }
        other => panic!("no coding {other}"),
    };
    text
}

/// The name in `Content-Encoding` and what is meant by it.
const CODINGS: [(&str, &str); 6] =
    [("gzip", "gzip"), ("x-gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("deflate", "deflate"), ("deflate", "raw")];

fn post(gateway: &Gateway, coding: &str, body: &[u8]) -> Response {
    let coding = format!("Content-Encoding: {coding}");
    gateway.call("POST", "/p", &[OLD, "Content-Type: application/json", &coding], body)
}

/// Answers `body` in `coding`, whatever was asked for.
fn answering(coding: &'static str, body: Vec<u8>) -> (Gateway, Upstream) {
    one(BOTH, move |a| {
        let coding = format!("Content-Encoding: {coding}");
        let fields = ["Content-Type: application/json", "ETag: \"v1\"", &coding];
        a.reply(200, if coding.ends_with(' ') { &fields[..2] } else { &fields }, &body)
    })
}

/// A document of about `length` bytes with `name` as its first member.
fn document(name: &str, length: usize) -> String {
    let rest: Vec<String> = (0..length / 16).map(|n| format!("\"item {n:06}\"")).collect();
    format!("{{\"{name}\":[{}]}}", rest.join(","))
}

#[test]
fn a_coded_request_is_decoded_adapted_and_sent_with_its_length() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], ""));
    for text in ["{\"a\":1}".to_owned(), document("a", 200_000)] {
        for (name, coding) in CODINGS {
            assert_eq!(post(&gateway, name, &coded(coding, text.as_bytes())).status, 200, "{coding}");
            let seen = up.last();
            assert!(seen.text() == text.replacen("\"a\"", "\"b\"", 1), "{coding}: {} bytes", seen.body.len());
            assert_eq!(seen.header("Content-Length"), Some(text.len().to_string()), "{coding}");
            assert_eq!((seen.header("Content-Encoding"), seen.header("Transfer-Encoding")), (None, None), "{coding}");
        }
    }
    // Byte for byte in chunks.
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n");
    for byte in coded("gzip", b"{\"a\":2}") {
        client.write([b"1\r\n", &[byte][..], b"\r\n"].concat());
    }
    client.write("0\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().text(), "{\"b\":2}");
}

#[test]
fn what_is_not_adapted_keeps_its_coding() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], ""));
    for (version, media) in [("2", "application/json"), ("1", "text/plain")] {
        let fields = [
            &format!("X-API-Version: {version}"),
            &format!("Content-Type: {media}") as &str,
            "Content-Encoding: nonsense",
        ];
        assert_eq!(gateway.call("POST", "/p", &fields, "xyz").status, 200);
        assert_eq!(up.last().text(), "xyz");
        assert_eq!(up.last().header("Content-Encoding").as_deref(), Some("nonsense"));
    }
}

#[test]
fn codings_that_are_unknown_or_stacked_are_415() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], ""));
    for coding in ["compress", "gzip, gzip", "br, gzip", "aes128gcm", "gzip;q=1"] {
        let answer = post(&gateway, coding, &coded("gzip", b"{}"));
        answer.problem(415, "content_coding_unsupported");
        assert_eq!(answer.header("Accept-Encoding").as_deref(), Some("br, gzip, zstd, deflate"), "{coding}");
    }
    let stacked = [OLD, "Content-Type: application/json", "Content-Encoding: gzip", "Content-Encoding: br"];
    gateway.call("POST", "/p", &stacked, "x").problem(415, "content_coding_unsupported");
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn a_broken_coding_is_400_and_502_and_nothing_of_it_leaves() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], ""));
    let text = document("a", 5_000);
    for (name, coding) in CODINGS {
        let whole = coded(coding, text.as_bytes());
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x55;
        let bad = [
            ("cut", whole[..whole.len() - 1].to_vec()),
            ("cut in half", whole[..whole.len() / 2].to_vec()),
            ("too long", [&whole[..], b"{}"].concat()),
            ("flipped", flipped),
            ("none at all", text.clone().into_bytes()),
        ];
        for (what, body) in bad {
            // Where a bit is flipped and nothing sums it up, the text is wrong, and that is not JSON or another one.
            if what == "flipped" && ["br", "raw"].contains(&coding) {
                continue;
            }
            let problem = post(&gateway, name, &body).problem(400, "adaptation_request_failed");
            assert_eq!(problem["reason"], "malformed", "{coding} {what}");
            if ["cut", "too long"].contains(&what) && name == coding {
                let (gateway, _up) = answering(name, body);
                let problem = gateway.post_json("/p", &[OLD], "{}").problem(502, "adaptation_response_failed");
                assert_eq!(problem["reason"], "malformed", "{coding} {what}");
            }
        }
    }
    assert_eq!(up.requests().len(), 0);
    // Sound, but what is in it is not JSON.
    post(&gateway, "gzip", &coded("gzip", b"{\"a\":")).problem(400, "adaptation_request_failed");
}

#[test]
fn a_bomb_is_413_and_502_and_costs_no_more_than_the_cap() {
    let (gateway, up) = one(BOTH, |a| a.reply(200, &[], ""));
    let resident = || gateway.metrics().all("process_resident_memory_bytes")[0].value;
    // 24 MiB of one letter, 8 MiB being what is adapted.
    let text = [b"{\"a\":\"", &vec![b'x'; 64 << 20][..], b"\"}"].concat();
    let before = resident();
    for (name, coding) in CODINGS {
        let bomb = coded(coding, &text);
        assert!(bomb.len() < 100_000, "{coding}: {}", bomb.len());
        post(&gateway, name, &bomb).problem(413, "body_too_large");
        if name == coding {
            let (gateway, _up) = answering(name, bomb);
            let problem = gateway.post_json("/p", &[OLD], "{}").problem(502, "adaptation_response_failed");
            assert_eq!(problem["reason"], "too_large", "{coding}");
        }
    }
    let grown = resident() - before;
    assert!(grown < 40e6, "{grown} bytes more than before");
    assert_eq!(up.requests().len(), 0);
}

#[test]
fn the_cap_is_on_the_decoded_body_to_the_byte() {
    let up = Upstream::json("{}");
    let yaml = r#"
limits: {adapted_body: 100}
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1": {}, "2": {upstream: main}}
    changes: [{change: c, from: "1", to: "2", operations: [{match: POST /p, request: [{rename: {a: b}}]}]}]
"#;
    let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
    let text = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    for (name, coding) in CODINGS {
        assert_eq!(post(&gateway, name, &coded(coding, text(100).as_bytes())).status, 200, "{coding}");
        post(&gateway, name, &coded(coding, text(101).as_bytes())).problem(413, "body_too_large");
    }
}

#[test]
fn an_answer_in_a_coding_nobody_asked_for_is_decoded() {
    let text = document("b", 3_000);
    for (name, coding) in CODINGS {
        let (gateway, up) = answering(name, coded(coding, text.as_bytes()));
        let answer = gateway.post_json("/p", &[OLD, "Accept-Encoding: identity"], "{}");
        assert_eq!(up.last().header("Accept-Encoding").as_deref(), Some("identity"));
        assert_eq!(answer.status, 200, "{coding}: {}", answer.text());
        assert!(answer.text() == text.replacen("\"b\"", "\"a\"", 1), "{coding}");
        assert_eq!(answer.header("Content-Encoding"), None, "{coding}");
        assert_eq!(answer.header("Content-Length"), Some(text.len().to_string()), "{coding}");
    }
    for coding in ["compress", "gzip, br"] {
        let (gateway, _up) = answering(coding, b"xx".to_vec());
        let problem = gateway.post_json("/p", &[OLD], "{}").problem(502, "adaptation_response_failed");
        assert_eq!(problem["reason"], "content_coding", "{coding}");
    }
}

#[test]
fn a_large_answer_is_coded_as_the_client_asks() {
    for length in [2_000, 400_000] {
        let text = document("b", length);
        let adapted = text.replacen("\"b\"", "\"a\"", 1);
        let (gateway, _up) = answering("", text.into_bytes());
        for (asked, coding) in [
            ("gzip", "gzip"),
            ("gzip, br", "br"),
            ("zstd", "zstd"),
            ("deflate", "deflate"),
            ("br;q=0.5, gzip;q=0.8", "gzip"),
            ("*;q=0.1, br;q=0, gzip;q=0", "zstd"),
        ] {
            let answer = gateway.post_json("/p", &[OLD, &format!("Accept-Encoding: {asked}")], "{}");
            assert_eq!(answer.header("Content-Encoding").as_deref(), Some(coding), "{asked}");
            assert_eq!(answer.header("Content-Length"), Some(answer.body.len().to_string()), "{asked}");
            assert!(answer.body.len() < adapted.len() / 2, "{asked}: {}", answer.body.len());
            assert!(decoded(coding, &answer.body) == adapted.as_bytes(), "{asked}");
            let tag = answer.header("ETag").unwrap();
            assert!(tag.starts_with("W/\"v1~"), "a weak tag of its own: {tag}");
            let vary = answer.lines("Vary").join(", ");
            assert!(vary.contains("Accept-Encoding") && vary.contains("X-API-Version"), "{vary}");
        }
        for asked in ["identity", "compress", "gzip;q=0", "br;q=0.5, identity"] {
            let answer = gateway.post_json("/p", &[OLD, &format!("Accept-Encoding: {asked}")], "{}");
            assert_eq!(answer.header("Content-Encoding"), None, "{asked}");
            assert!(answer.text() == adapted, "{asked}");
            assert!(answer.header("ETag").unwrap().starts_with("\"v1~"), "{asked}");
            assert!(answer.lines("Vary").join(", ").contains("Accept-Encoding"), "caches have to know: {asked}");
        }
        assert_eq!(gateway.post_json("/p", &[OLD], "{}").header("Content-Encoding"), None);
    }
}

#[test]
fn a_small_answer_is_not_coded_unless_nothing_else_is_taken() {
    let (gateway, _up) = answering("", br#"{"b":1}"#.to_vec());
    let answer = gateway.post_json("/p", &[OLD, "Accept-Encoding: gzip"], "{}");
    assert_eq!((answer.text().as_str(), answer.header("Content-Encoding")), (r#"{"a":1}"#, None));
    let answer = gateway.post_json("/p", &[OLD, "Accept-Encoding: gzip, identity;q=0"], "{}");
    assert_eq!(answer.header("Content-Encoding").as_deref(), Some("gzip"));
    assert_eq!(decoded("gzip", &answer.body), br#"{"a":1}"#);
}

#[test]
fn an_upstream_that_breaks_off_within_a_coding_is_never_half_an_answer() {
    let body = coded("gzip", document("b", 10_000).as_bytes());
    let (gateway, _up) = one(BOTH, move |a| {
        a.raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        a.raw(&body[..body.len() / 2]);
        Then::Close
    });
    gateway.post_json("/p", &[OLD], "{}").problem(502, "upstream_reset");
}
