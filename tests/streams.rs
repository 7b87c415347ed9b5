use crate::{
    adaptation::{OLD, one},
    codings::coded,
    support::{
        Client, Frames, Gate, Gateway, Then, Upstream, eventually,
        frames::{DATA, END_HEADERS, END_STREAM, HEADERS, request},
        http::read_chunked,
        http2,
        upstream::Answer,
    },
};
use std::{
    io::{BufRead, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Requests and answers rename `a` to `b`, and `n` has to be a number.
const RECORDS: &str = "{match: POST /p, request: [{rename: {a: b}}, {convert: {path: /n, from: string, to: integer, on_error: error}}], \
                       response: {2xx: [{rename: {a: b}}, {convert: {path: /n, from: integer, to: string, on_error: error}}]}}";

const INTERNAL_ERROR: u32 = 2;

fn head(media: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n")
}

fn chunk(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("{:x}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

/// A backend that says `first`, waits for the gate, says `second` and ends.
fn in_two(media: &'static str, first: &'static str, second: &'static str) -> (Gateway, Upstream, Gate) {
    let gate = Gate::default();
    let held = gate.clone();
    let (gateway, up) = one(RECORDS, move |a| {
        a.raw(head(media));
        a.raw(chunk(first));
        held.wait();
        a.raw(chunk(second));
        a.raw("0\r\n\r\n");
        Then::Keep
    });
    (gateway, up, gate)
}

fn ask(gateway: &Gateway) -> Client {
    let mut client = gateway.client();
    client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nAccept-Encoding: gzip\r\n\r\n");
    let head = client.read_head().unwrap().unwrap();
    assert_eq!(head.status, 200, "{}", head.head.raw);
    assert_eq!((head.header("Content-Length"), head.header("Content-Encoding")), (None, None));
    assert_eq!(head.header("Transfer-Encoding").as_deref(), Some("chunked"));
    client
}

/// The next chunk.
#[track_caller]
fn next(client: &mut Client) -> String {
    let mut size = String::new();
    client.reader().read_line(&mut size).unwrap();
    let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
    let mut text = vec![0; size + 2];
    client.reader().read_exact(&mut text).unwrap();
    text.truncate(size);
    String::from_utf8(text).unwrap()
}

/// An outcome is counted this often once the last stream is done with, which is after its end was sent.
#[track_caller]
fn counted(gateway: &Gateway, direction: &str, outcome: &str, wanted: f64) {
    let labels = [("direction", direction), ("outcome", outcome)];
    eventually(&format!("{labels:?} is counted {wanted} times"), || {
        (gateway.metrics().sum("vergate_adaptations_total", &labels) == wanted).then_some(())
    });
}

#[test]
fn the_first_record_arrives_before_the_second_is_sent() {
    for (media, first, second, adapted_first, adapted_second) in [
        ("application/x-ndjson", "{\"b\":1}\n{\"b", "\":2}\n", "{\"a\":1}\n", "{\"a\":2}\n"),
        (
            "text/event-stream",
            ": hi\n\nevent: x\nid: 1\ndata: {\"b\":1}\n\ndata: {",
            "\"b\":2}\n\ndata: [DONE]\n\n",
            ": hi\n\nevent: x\nid: 1\ndata: {\"a\":1}\n\n",
            "data: {\"a\":2}\n\ndata: [DONE]\n\n",
        ),
    ] {
        let (gateway, _up, gate) = in_two(media, first, second);
        let mut client = ask(&gateway);
        assert_eq!(next(&mut client), adapted_first);
        gate.open();
        assert_eq!(next(&mut client), adapted_second);
        assert_eq!(next(&mut client), "");
        // The connection goes on behind it.
        client.write("POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\n\r\n");
        assert_eq!(client.read().text(), format!("{adapted_first}{adapted_second}"));
        counted(&gateway, "response", "adapted", 2.0);
    }
}

#[test]
fn the_first_record_arrives_before_the_second_is_sent_over_http_2() {
    let (gateway, _up, gate) = in_two("text/event-stream", "data: {\"b\":1}\n\n", "data: {\"b\":2}\n\n");
    let mut client = Frames::connect(gateway.addr());
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("POST", "/p", &[("x-api-version", "1")]));
    assert_eq!(client.status(1), 200);
    client.until("the first", |frame| frame.kind == DATA && frame.payload == b"data: {\"a\":1}\n\n");
    gate.open();
    client.until("the second", |frame| frame.kind == DATA && frame.payload == b"data: {\"a\":2}\n\n");
    client.until("the end", |frame| frame.ends_stream());
}

#[test]
fn a_stream_has_no_length_no_digest_and_a_tag_of_its_own() {
    let (gateway, up) = one(RECORDS, |a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson; charset=latin1\r\nETag: \"v1\"\r\nRepr-Digest: sha-256=:x:\r\nAccept-Ranges: bytes\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Digest, X-Sum\r\n\r\n");
        a.raw(chunk("{\"b\":1}\n\n \n{\"b\":2}"));
        a.raw("0\r\nContent-Digest: sha-256=:x:\r\nX-Sum: 7\r\n\r\n");
        Then::Keep
    });
    let answer = gateway.call("POST", "/p", &[OLD, "TE: trailers"], "");
    assert_eq!(answer.text(), "{\"a\":1}\n\n \n{\"a\":2}");
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/x-ndjson"));
    assert!(answer.header("ETag").unwrap().starts_with("\"v1~"));
    assert_eq!((answer.header("Repr-Digest"), answer.header("Accept-Ranges")), (None, None));
    let trailers: Vec<(&str, &str)> = answer.trailers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!((trailers, answer.header("Trailer").as_deref()), (vec![("x-sum", "7")], Some("X-Sum")));
    assert_eq!(up.last().header("Accept-Encoding").as_deref(), Some("identity"));
}

#[test]
fn a_record_that_does_not_fit_breaks_the_stream_off() {
    for (media, text, before) in [
        ("application/jsonl", "{\"b\":1}\n{\"b\":2,\"b\":3}\n{\"b\":4}\n", "{\"a\":1}\n"),
        ("application/jsonl", "{\"b\":1}\n{\"b\":\n{\"b\":4}\n", "{\"a\":1}\n"),
        ("application/jsonl", "{\"b\":1}\n{\"n\":1.5}\n", "{\"a\":1}\n"),
        ("application/jsonl", "{\"b\":1}\n{\"b\":", "{\"a\":1}\n"),
        (
            "text/event-stream",
            "data: {\"b\":1}\n\ndata: {\"b\":2,\"b\":3}\n\ndata: {\"b\":4}\n\n",
            "data: {\"a\":1}\n\n",
        ),
    ] {
        let (gateway, _up) = one(RECORDS, move |a| {
            a.raw(head(media));
            a.raw(chunk(text));
            a.raw("0\r\n\r\n");
            Then::Keep
        });
        let mut client = ask(&gateway);
        assert_eq!(next(&mut client), before);
        let mut rest = Vec::new();
        let _ = client.reader().read_to_end(&mut rest);
        assert_eq!(String::from_utf8_lossy(&rest), "", "no end and nothing of what failed: {text:?}");
        counted(&gateway, "response", "failed", 1.0);

        let mut client = Frames::connect(gateway.addr());
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &request("POST", "/p", &[("x-api-version", "1")]));
        assert_eq!(client.reset(1), INTERNAL_ERROR);
    }
}

#[test]
fn an_event_keeps_everything_around_its_data() {
    let (gateway, _up) = one(RECORDS, |a| {
        let text = ": hi\r\nid: 7\r\ndata: {\"b\":\r\ndata: 1}\r\nretry: 10\r\nevent: x\r\n\r\ndata:{\"b\":2}\r\rdata: [DONE]\n\n";
        a.reply(200, &["Content-Type: text/event-stream"], text)
    });
    let expected =
        ": hi\r\nid: 7\r\ndata: {\"a\":1}\r\nretry: 10\r\nevent: x\r\n\r\ndata:{\"a\":2}\r\rdata: [DONE]\n\n";
    assert_eq!(gateway.call("POST", "/p", &[OLD], "").text(), expected);
}

#[test]
fn event_types_may_have_lists_of_their_own() {
    let operation = "{match: POST /p, response: {2xx: [{rename: {a: b}}], \
                     events: {delta: [{rename: {text: content}}], done: [], message: [{rename: {m: n}}]}}}";
    let (gateway, _up) = one(operation, |a| {
        let text = "event: delta\ndata: {\"content\":1,\"b\":2}\n\ndata: {\"b\":1}\nevent: done\n\n\
                    event: other\ndata: {\"b\":1}\n\ndata: {\"n\":1,\"b\":2}\n\ndata: [DONE]\n\n";
        a.reply(200, &["Content-Type: text/event-stream"], text)
    });
    let expected = "event: delta\ndata: {\"text\":1,\"b\":2}\n\ndata: {\"b\":1}\nevent: done\n\n\
                    event: other\ndata: {\"a\":1}\n\ndata: {\"m\":1,\"b\":2}\n\ndata: [DONE]\n\n";
    assert_eq!(gateway.call("POST", "/p", &[OLD], "").text(), expected);
}

/// A jq program that takes long over a list.
const FILTERED: &str = "{match: POST /p, \
    request: [{jq: {up: '{v: .}', down: .v, examples: ['1']}}], \
    response: {2xx: [{jq: {up: '{v: .}', down: 'if (.v | type) == \"array\" then reduce (.v | .[] as $a | .[] as $b | .[] as $c | .[] as $d | 1) as $x (0; . + $x) else .v end', examples: ['1']}}]}}";

#[test]
fn a_jq_program_adapts_record_by_record_in_order_and_delays_no_first_one() {
    for (media, first, second, adapted_first, adapted_second) in [
        ("application/x-ndjson", "{\"v\":1.50}\n{\"v\":", "[0,0]}\n\n{\"v\":3}", "1.50\n", ["16\n\n", "3"]),
        (
            "text/event-stream",
            "id: 1\ndata: {\"v\":1.50}\n\n",
            "data: {\"v\":[0,0]}\n\ndata: {\"v\":3}\n\n",
            "id: 1\ndata: 1.50\n\n",
            ["data: 16\n\n", "data: 3\n\n"],
        ),
    ] {
        let gate = Gate::default();
        let held = gate.clone();
        let (gateway, up) = one(FILTERED, move |a| {
            a.raw(head(media));
            a.raw(chunk(first));
            held.wait();
            a.raw(chunk(second));
            a.raw("0\r\n\r\n");
            Then::Keep
        });
        let mut client = ask(&gateway);
        let mut seen = String::new();
        while seen.len() < adapted_first.len() {
            seen.push_str(&next(&mut client));
        }
        assert_eq!(seen, adapted_first, "before the second is sent");
        gate.open();
        let mut rest = String::new();
        loop {
            match next(&mut client).as_str() {
                "" => break,
                text => rest.push_str(text),
            }
        }
        assert_eq!(rest, adapted_second.concat());
        counted(&gateway, "response", "adapted", 1.0);
        // The other way it goes the same way.
        let fields = [OLD, &format!("Content-Type: {media}")];
        let upload = if media == "text/event-stream" { "data: 1\n\ndata: 2\n\n" } else { "1\n2\n" };
        gateway.call("POST", "/p", &fields, upload);
        let sent = if media == "text/event-stream" {
            "data: {\"v\":1}\n\ndata: {\"v\":2}\n\n"
        } else {
            "{\"v\":1}\n{\"v\":2}\n"
        };
        assert_eq!(up.last().text(), sent);
    }
}

#[test]
fn a_jq_program_that_is_slow_with_a_record_ends_its_stream_and_holds_nobody_up() {
    let slow = format!("{{\"v\":1}}\n{{\"v\":[{}1]}}\n{{\"v\":3}}\n", "1,".repeat(99));
    let (gateway, _up) = one(FILTERED, move |a| {
        a.raw(head("application/x-ndjson"));
        a.raw(chunk(&slow));
        a.raw("0\r\n\r\n");
        Then::Keep
    });
    let mut client = ask(&gateway);
    assert_eq!(next(&mut client), "1\n");
    // The only worker serves others meanwhile.
    assert_eq!(gateway.get("/p", &["X-API-Version: 2"]).status, 200);
    let mut rest = Vec::new();
    let _ = client.reader().read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "", "no end and nothing of what failed");
    counted(&gateway, "response", "failed", 1.0);
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_stream_off() {
    for then in [Then::Close, Then::Reset] {
        let (gateway, _up) = one(RECORDS, move |a| {
            a.raw(head("application/x-ndjson"));
            a.raw(chunk("{\"b\":1}\n{\"b\""));
            std::thread::sleep(std::time::Duration::from_millis(50));
            then
        });
        let mut client = ask(&gateway);
        assert_eq!(next(&mut client), "{\"a\":1}\n");
        let mut rest = Vec::new();
        let _ = client.reader().read_to_end(&mut rest);
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

#[test]
fn a_client_that_leaves_ends_the_upstreams_stream() {
    let (gateway, _up) = one(RECORDS, |a| {
        a.raw(head("text/event-stream"));
        while a.raw(chunk("data: {\"b\":1}\n\n")) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Then::Close
    });
    let mut client = ask(&gateway);
    assert_eq!(next(&mut client), "data: {\"a\":1}\n\n");
    client.reset();
    counted(&gateway, "response", "adapted", 1.0);
}

#[test]
fn a_record_is_at_most_as_long_as_a_body() {
    let long = format!("{{\"b\":\"{}\"}}", "x".repeat(9 << 20));
    let (gateway, _up) = one(RECORDS, move |a| {
        a.raw(head("application/x-ndjson"));
        a.raw(chunk("{\"b\":1}\n"));
        a.raw(chunk(&long));
        a.raw("0\r\n\r\n");
        Then::Close
    });
    let mut client = ask(&gateway);
    assert_eq!(next(&mut client), "{\"a\":1}\n");
    let mut rest = Vec::new();
    let _ = client.reader().read_to_end(&mut rest);
    assert_eq!(rest.len(), 0);
}

#[test]
fn a_client_that_does_not_read_slows_the_upstream_down() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let record = format!("{{\"b\":\"{}\"}}\n", "x".repeat(10_000));
    let (gateway, _up) = one(RECORDS, move |a| {
        a.raw(head("application/x-ndjson"));
        while a.raw(chunk(&record)) {
            count.fetch_add(record.len(), Ordering::SeqCst);
        }
        Then::Close
    });
    let resident = || gateway.metrics().all("process_resident_memory_bytes")[0].value;
    let before = resident();
    let _client = ask(&gateway);
    let mut last = usize::MAX;
    // What the kernel holds is all that was taken.
    eventually("the upstream has to wait", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = sent.load(Ordering::SeqCst);
        (std::mem::replace(&mut last, now) == now && now > 0).then_some(())
    });
    assert!(last < 64 << 20, "{last}");
    assert!(resident() - before < 8e6, "the gateway holds no more than it needs");
}

#[test]
fn a_coded_stream_is_decoded_while_it_passes() {
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let body = coded(coding, "{\"b\":1}\n".repeat(5_000).as_bytes());
        let (gateway, _up) = one(RECORDS, move |a| {
            let coding = format!("Content-Encoding: {coding}");
            a.reply(200, &["Content-Type: application/x-ndjson", &coding], &body)
        });
        let answer = gateway.call("POST", "/p", &[OLD], "");
        assert!(answer.text() == "{\"a\":1}\n".repeat(5_000), "{coding}");
        assert_eq!(answer.header("Content-Encoding"), None);
    }
}

// ---- uploads ------------------------------------------------------------------------------------------------------

/// What an upload's backend saw: chunks until the end, or none where it broke off.
fn uploaded(a: &mut Answer, gate: &Gate, first: usize) -> Option<String> {
    let mut seen = vec![0; first];
    a.stream().read_exact(&mut seen).ok()?;
    gate.open();
    let mut rest = std::io::BufReader::new(std::io::Cursor::new(seen).chain(a.stream()));
    read_chunked(&mut rest).ok().map(|(body, _)| String::from_utf8(body).unwrap())
}

/// A version 1 whose backend reads bodies itself.
fn uploads(script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> (Gateway, Upstream) {
    let up = Upstream::streaming(script);
    let yaml = crate::support::fill(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1": {}, "2": {upstream: main}}
    changes: [{change: the-change, from: "1", to: "2", operations: [<op>]}]
"#,
        &[("up", &up.url()), ("op", RECORDS)],
    );
    (Gateway::start(&yaml), up)
}

const UPLOAD: &str = "POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1\r\nContent-Type: application/x-ndjson\r\n";

#[test]
fn an_upload_is_adapted_line_by_line_before_it_ends() {
    let gate = Gate::default();
    let seen = gate.clone();
    let (gateway, up) = uploads(move |a| {
        let body = uploaded(a, &seen, chunk("{\"b\":1}\n").len()).unwrap();
        a.reply(200, &["Content-Type: text/plain"], body)
    });
    let mut client = gateway.client();
    client.write(UPLOAD).write("Content-Length: 24\r\nContent-Digest: sha-256=:x:\r\n\r\n{\"a\":1}\n");
    gate.wait();
    client.write("\n{\"a\":2}\n{\"a\":3}");
    assert_eq!(client.read().text(), "{\"b\":1}\n\n{\"b\":2}\n{\"b\":3}");
    let seen = up.last();
    assert_eq!((seen.header("Content-Length"), seen.header("Content-Digest")), (None, None));
    counted(&gateway, "request", "adapted", 1.0);
}

#[test]
fn an_upload_with_a_bad_line_is_400_and_never_whole_at_the_upstream() {
    let ended = Arc::new(AtomicUsize::new(0));
    let whole = ended.clone();
    let (gateway, _up) = uploads(move |a| {
        if uploaded(a, &Gate::default(), 0).is_some() {
            whole.fetch_add(1, Ordering::SeqCst);
        }
        a.reply(200, &[], "")
    });
    for (line, reason) in
        [("{\"a\":", "malformed"), ("{\"a\":1,\"a\":2}", "duplicate_member"), ("{\"n\":\"x\"}", "value")]
    {
        let body = format!("{{\"a\":1}}\n{line}\n{{\"a\":3}}\n");
        let answer = gateway.call("POST", "/p", &[OLD, "Content-Type: application/x-ndjson"], &body);
        let problem = answer.problem(400, "adaptation_request_failed");
        assert_eq!(problem["reason"], reason);
    }
    let problem = gateway.call("POST", "/p", &[OLD, "Content-Type: application/x-ndjson"], "{\"n\":\"x\"}\n");
    let problem = problem.problem(400, "adaptation_request_failed");
    assert_eq!(
        (&problem["change"], &problem["op"], &problem["pointer"]),
        (&"the-change".into(), &"convert".into(), &"/n".into())
    );
    counted(&gateway, "request", "refused", 4.0);
    assert_eq!(ended.load(Ordering::SeqCst), 0, "no backend took half an upload for a whole one");
}

#[test]
fn a_coded_upload_is_decoded_and_a_broken_one_refused() {
    let (gateway, up) = uploads(|a| match uploaded(a, &Gate::default(), 0) {
        Some(body) => a.reply(200, &["Content-Type: text/plain"], body),
        None => Then::Close,
    });
    let lines = "{\"a\":1}\n".repeat(3_000);
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let body = coded(coding, lines.as_bytes());
        let fields = [OLD, "Content-Type: application/x-ndjson", &format!("Content-Encoding: {coding}")];
        let answer = gateway.call("POST", "/p", &fields, &body);
        assert!(answer.text() == lines.replace('a', "b"), "{coding}: {}", answer.status);
        assert_eq!(up.last().header("Content-Encoding"), None);
        let cut = gateway.call("POST", "/p", &fields, &body[..body.len() - 1]);
        assert_eq!(cut.problem(400, "adaptation_request_failed")["reason"], "malformed", "{coding}");
    }
    let fields = [OLD, "Content-Type: application/x-ndjson", "Content-Encoding: compress"];
    gateway.call("POST", "/p", &fields, "x").problem(415, "content_coding_unsupported");
}

#[test]
fn an_upload_over_http_2_is_adapted_line_by_line() {
    let (gateway, _up) = uploads(|a| match uploaded(a, &Gate::default(), 0) {
        Some(body) => a.reply(200, &["Content-Type: text/plain"], body),
        None => Then::Close,
    });
    let (status, body) = http2::call(gateway.addr(), async |mut sender| {
        let request = http::Request::post(format!("http://{}/p", gateway.addr()))
            .header("x-api-version", "1")
            .header("content-type", "application/x-ndjson")
            .body(())
            .unwrap();
        let (answer, mut stream) = sender.send_request(request, false).unwrap();
        stream.send_data("{\"a\":1}\n".into(), false).unwrap();
        stream.send_data("{\"a\":2}\n".into(), true).unwrap();
        let (head, mut body) = answer.await.unwrap().into_parts();
        (head.status, http2::read(&mut body).await.0)
    });
    assert_eq!((status.as_u16(), String::from_utf8(body).unwrap().as_str()), (200, "{\"b\":1}\n{\"b\":2}\n"));
}
