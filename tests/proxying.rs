use crate::support::{
    Client, Gateway, Then, Upstream, eventually, plain,
    upstream::{Answer, Gate},
};
use std::io::{Read, Write};

fn world(script: impl Fn(&mut Answer) -> Then + Send + Sync + 'static) -> (Gateway, Upstream) {
    let up = Upstream::new(script);
    let gateway = Gateway::start(&plain(&up.url()));
    (gateway, up)
}

fn ok() -> (Gateway, Upstream) {
    world(|a| a.reply(200, &["Content-Type: text/plain"], "hello"))
}

// ---- fields -------------------------------------------------------------------------------------------------------

#[test]
fn hop_by_hop_fields_stop_at_the_gateway_over_all_connection_lines() {
    // RFC 9110 section 7.6.1.
    let (gateway, up) = world(|a| {
        a.reply(
            200,
            &[
                "Connection: X-Back-One",
                "connection: x-back-two, keep-alive",
                "X-Back-One: 1",
                "X-Back-Two: 2",
                "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "Proxy-Authenticate: Basic",
                "X-Stays: 3",
            ],
            "hello",
        )
    });
    let answer = gateway.get(
        "/items",
        &[
            "Connection: X-One, keep-alive",
            "Connection: x-two",
            "X-One: 1",
            "X-Two: 2",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "TE: trailers, deflate",
            "X-Stays: 3",
        ],
    );
    let seen = up.last();
    for name in ["X-One", "X-Two", "Keep-Alive", "Proxy-Connection", "Upgrade"] {
        assert_eq!(seen.header(name), None, "{name} reached the upstream:\n{}", seen.head.raw);
    }
    assert!(seen.header("TE").is_none_or(|te| te == "trailers"), "{}", seen.head.raw);
    assert_eq!(seen.header("X-Stays").as_deref(), Some("3"));
    for name in ["X-Back-One", "X-Back-Two", "Keep-Alive", "Proxy-Connection"] {
        assert_eq!(answer.header(name), None, "{name} reached the client:\n{}", answer.head.raw);
    }
    assert_eq!(answer.header("X-Stays").as_deref(), Some("3"));
}

#[test]
fn via_names_the_gateway_and_the_protocol_it_received() {
    let (gateway, up) = ok();
    gateway.get("/items", &[]);
    assert_eq!(up.last().header("Via").as_deref(), Some("1.1 vergate"));
    gateway.get("/items", &["Via: 1.0 fred"]);
    assert_eq!(up.last().header("Via").as_deref(), Some("1.0 fred, 1.1 vergate"));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.0\r\nHost: h\r\n\r\n");
    client.read();
    assert_eq!(up.last().header("Via").as_deref(), Some("1.0 vergate"));
}

#[test]
fn forwarded_fields_of_untrusted_peers_are_replaced() {
    let (gateway, up) = ok();
    gateway.get(
        "/items",
        &[
            "Host: shop.example",
            "Forwarded: for=6.6.6.6;proto=https",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: evil.example",
        ],
    );
    let seen = up.last();
    assert_eq!(seen.header("X-Forwarded-For").as_deref(), Some("127.0.0.1"));
    assert_eq!(seen.header("X-Forwarded-Proto").as_deref(), Some("http"));
    assert_eq!(seen.header("X-Forwarded-Host").as_deref(), Some("shop.example"));
    let forwarded = seen.header("Forwarded").unwrap();
    let pairs: Vec<String> = forwarded.split(';').map(|p| p.trim().replace('"', "").to_ascii_lowercase()).collect();
    assert!(!forwarded.contains("6.6.6.6"), "{forwarded}");
    for wanted in ["for=127.0.0.1", "proto=http", "host=shop.example"] {
        assert!(pairs.iter().any(|p| p == wanted), "{wanted} in {forwarded}");
    }
}

#[test]
fn forwarded_fields_of_trusted_proxies_are_kept_and_appended_to() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("trusted_proxies: [127.0.0.0/8]\n{}", plain(&up.url())));
    gateway.get(
        "/items",
        &[
            "Forwarded: for=6.6.6.6;proto=https",
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: front.example",
        ],
    );
    let seen = up.last();
    assert_eq!(seen.header("X-Forwarded-For").as_deref(), Some("6.6.6.6, 127.0.0.1"));
    assert!(seen.header("X-Forwarded-Proto").unwrap().starts_with("https"), "{}", seen.head.raw);
    assert!(seen.header("X-Forwarded-Host").unwrap().starts_with("front.example"), "{}", seen.head.raw);
    let forwarded = seen.header("Forwarded").unwrap();
    assert!(forwarded.starts_with("for=6.6.6.6;proto=https,") && forwarded.contains("for=127.0.0.1"), "{forwarded}");
    assert_eq!(gateway.log_line(|l| l["status"] == 200)["client"], "6.6.6.6", "the log names the caller behind it");
}

#[test]
fn host_and_traceparent_and_unknown_fields_pass_through() {
    let (gateway, up) = ok();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    gateway.get(
        "/items?a=%20",
        &[
            "Host: shop.example:81",
            &format!("traceparent: {trace}"),
            "tracestate: a=1, b=2",
            "Cookie: a=1",
            "X-Odd: \u{fc} \"x\"",
        ],
    );
    let seen = up.last();
    assert_eq!(seen.head.lines("Host"), ["shop.example:81"]);
    assert_eq!(seen.header("traceparent").as_deref(), Some(trace));
    assert_eq!(seen.header("tracestate").as_deref(), Some("a=1, b=2"));
    assert_eq!(seen.header("Cookie").as_deref(), Some("a=1"));
    assert_eq!(seen.header("X-Odd").as_deref(), Some("\u{fc} \"x\""));
    assert_eq!(seen.target, "/items?a=%20");
}

#[test]
fn repeated_fields_keep_their_lines_and_order_both_ways() {
    let (gateway, up) = world(|a| a.reply(200, &["Set-Cookie: a=1", "X: 1", "Set-Cookie: b=2"], ""));
    let answer = gateway.get("/items", &["X-List: 1", "X-Other: 0", "X-List: 2"]);
    assert_eq!(up.last().head.lines("X-List"), ["1", "2"]);
    assert_eq!(answer.lines("Set-Cookie"), ["a=1", "b=2"]);
}

#[test]
fn an_absolute_target_beats_host() {
    // RFC 9112 section 3.2.2.
    let (gateway, up) = ok();
    let mut client = gateway.client();
    client.write("GET http://real.example/items?x=1 HTTP/1.1\r\nHost: other.example\r\n\r\n");
    assert_eq!(client.read().status, 200);
    let seen = up.last();
    assert_eq!(seen.target, "/items?x=1");
    assert_eq!(seen.head.lines("Host"), ["real.example"]);
    assert_eq!(seen.header("X-Forwarded-Host").as_deref(), Some("real.example"));
}

#[test]
fn the_asterisk_form_is_answered_without_a_crash() {
    let (gateway, _up) = ok();
    let mut client = gateway.client();
    client.write("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.read().status < 500);
    assert_eq!(gateway.get("/items", &[]).status, 200);
}

#[test]
fn the_reason_and_status_of_the_upstream_are_relayed() {
    for status in [200, 201, 206, 299, 301, 404, 418, 451, 500, 599] {
        let (gateway, _up) = world(move |a| a.reply(status, &["Location: /x"], "b"));
        let answer = gateway.get("/items", &[]);
        assert_eq!(answer.status, status);
        assert_eq!(answer.used().as_deref(), Some("1.0"));
        assert!(answer.header("X-Request-Id").is_some());
    }
}

#[test]
fn every_answer_carries_a_date() {
    let (gateway, _up) = ok();
    assert!(gateway.get("/items", &[]).header("Date").is_some());
    assert!(gateway.get("/items", &["X-API-Version: 9"]).header("Date").is_some());
}

// ---- bodies -------------------------------------------------------------------------------------------------------

#[test]
fn head_answers_keep_their_length_and_carry_no_body() {
    let (gateway, up) = ok();
    let mut client = gateway.client();
    client.write("HEAD /items HTTP/1.1\r\nHost: h\r\n\r\nGET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.read_of_head();
    assert_eq!(head.header("Content-Length").as_deref(), Some("5"));
    assert_eq!(client.read().text(), "hello");
    assert_eq!(up.requests()[0].method, "HEAD");
}

#[test]
fn answers_without_a_body_stay_in_step() {
    let (gateway, _up) = world(|a| match a.request.target.as_str() {
        "/items/204" => a.reply(204, &[], ""),
        "/items/304" => a.reply(304, &["ETag: \"x\"", "Content-Length: 500"], ""),
        _ => a.reply(200, &[], "hello"),
    });
    let mut client = gateway.client();
    for (target, status, body) in [("/items/204", 204, ""), ("/items/304", 304, ""), ("/items/1", 200, "hello")] {
        client.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
    }
}

#[test]
fn chunked_bodies_pass_both_ways() {
    let (gateway, up) = world(|a| {
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n!\r\n0\r\n\r\n");
        Then::Keep
    });
    let mut client = gateway.client();
    client.write(
        "POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
    );
    let answer = client.read();
    assert_eq!(answer.text(), "hello!");
    let seen = up.last();
    assert_eq!(seen.text(), "abcde");
    assert!(seen.header("Content-Length").is_none() || seen.header("Transfer-Encoding").is_none());
    // And the connection goes on.
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().text(), "hello!");
}

#[test]
fn trailers_of_an_answer_are_relayed() {
    let (gateway, _up) = world(|a| {
        a.raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n",
        );
        Then::Keep
    });
    let answer = gateway.get("/items", &["TE: trailers"]);
    assert_eq!(answer.text(), "hello");
    let [(name, value)] = &answer.trailers[..] else { panic!("{:?}", answer.trailers) };
    assert!(name.eq_ignore_ascii_case("X-Sum"), "{name}");
    assert_eq!(value, "42");
}

#[test]
fn an_answer_delimited_by_close_reaches_the_client_whole() {
    let (gateway, _up) = world(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
        Then::Close
    });
    assert_eq!(gateway.get("/items", &[]).text(), "until the end");
}

#[test]
fn an_http_1_0_answer_is_relayed() {
    let (gateway, up) = world(|a| {
        a.raw("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        Then::Close
    });
    for _ in 0..2 {
        let answer = gateway.get("/items", &[]);
        assert_eq!(answer.text(), "hello");
        assert!(answer.head.line.starts_with("HTTP/1.1 "));
    }
    assert_eq!(up.connections(), 2, "an HTTP/1.0 connection is not reused");
}

#[test]
fn http_1_0_clients_are_served_and_closed() {
    let (gateway, _up) = world(|a| {
        a.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        Then::Keep
    });
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.0\r\nHost: h\r\n\r\n");
    let raw = String::from_utf8(client.read_to_close()).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
    assert_eq!(body, "hello");
}

#[test]
fn an_http_1_0_request_without_a_host_names_that_of_its_server() {
    // RFC 9112 section 3.2: HTTP/1.1 always names one.
    let (gateway, up) = ok();
    let own = up.url().replace("http://", "");
    for (head, host) in [("", own.as_str()), ("Host: h\r\n", "h")] {
        let mut client = gateway.client();
        client.write(format!("GET /items HTTP/1.0\r\n{head}\r\n"));
        assert_eq!(client.read().status, 200);
        assert_eq!(up.last().head.lines("Host"), [host]);
        assert_eq!(up.last().header("X-Forwarded-Host"), (host == "h").then(|| "h".into()), "nobody asked for another");
    }
}

#[test]
fn http_1_0_with_keep_alive_stays_open() {
    let (gateway, _up) = ok();
    let mut client = gateway.client();
    for _ in 0..2 {
        client.write("GET /items HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.read();
        assert_eq!(answer.text(), "hello");
    }
}

#[test]
fn connections_are_reused_on_both_sides() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    let mut client = gateway.client();
    for _ in 0..5 {
        client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.read().status, 200);
    }
    assert_eq!(up.connections(), 1);
    client.write("GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = client.read();
    assert_eq!(answer.status, 200);
    assert_eq!(client.read_to_close(), b"");
    assert_eq!(up.connections(), 1, "the client's close is not the upstream's");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (gateway, up) = world(|a| {
        let body = format!("{} {}", a.request.target, a.request.text());
        a.reply(200, &[], body)
    });
    let mut client = gateway.client();
    let mut burst = String::new();
    for n in 0..20 {
        // The bodies look like requests.
        burst.push_str(&format!("POST /items?n={n} HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nGET /{}", n % 10));
        burst.push_str(&format!("GET /items?g={n} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    client.write(burst);
    for n in 0..20 {
        let answer = client.read();
        assert_eq!(answer.text(), format!("/items?n={n} GET /{}", n % 10));
        assert_eq!(client.read().text(), format!("/items?g={n} "));
    }
    assert_eq!(up.requests().len(), 40);
}

#[test]
fn a_request_after_an_error_answer_is_still_in_step() {
    let (gateway, _up) = ok();
    let mut client = gateway.client();
    // The refused body is either read off or the connection is closed: it is never taken for a request.
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nX-API-Version: 9\r\nContent-Length: 35\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil\r\n\r\nxx");
    assert_eq!(client.read().status, 400);
    let next = client.try_write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n").and_then(|()| client.try_read(false));
    if let Ok(Some(answer)) = next {
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
}

#[test]
fn early_answers_to_a_long_body_arrive() {
    let up = Upstream::streaming(|a| {
        a.raw("HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!");
        Then::Close
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nstart");
    let answer = client.read();
    assert!(answer.status == 413 || answer.status == 502, "{answer:?}");
    assert_eq!(answer.header("Connection").as_deref(), Some("close"));
}

// ---- expect and interim answers -----------------------------------------------------------------------------------

#[test]
fn expect_is_passed_on_and_the_body_follows_the_upstreams_100() {
    // RFC 9110 section 10.1.1.
    let up = Upstream::streaming(|a| {
        assert_eq!(a.request.header("Expect").map(|v| v.to_ascii_lowercase()).as_deref(), Some("100-continue"));
        a.raw("HTTP/1.1 100 Continue\r\n\r\n");
        let mut body = [0; 5];
        if a.stream().read_exact(&mut body).is_err() {
            return Then::Close;
        }
        a.reply(200, &[], body)
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let interim = client.read_head().unwrap().unwrap();
    assert_eq!(interim.status, 100);
    client.write("12345");
    assert_eq!(client.read().text(), "12345");
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served() {
    let (gateway, up) = ok();
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n12345");
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().text(), "12345");
}

#[test]
fn interim_answers_are_never_taken_for_the_answer() {
    let (gateway, _up) = world(|a| {
        a.raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        a.reply(200, &[], "final")
    });
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
    assert_eq!(answer.header("Link"), None);
    // The client has not asked to be invited; the others are its business.
    assert_eq!(client.interim, [102, 103]);
    // HTTP/1.0 knows none of them.
    client.write("GET /items HTTP/1.0\r\nHost: x\r\n\r\n");
    assert_eq!(client.read().status, 200);
    assert_eq!(client.interim, Vec::<u16>::new());
}

// ---- upgrades -----------------------------------------------------------------------------------------------------

fn upgrading() -> Upstream {
    Upstream::new(|a| {
        let key = a.request.header("Sec-WebSocket-Key").unwrap_or_default();
        a.raw(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {key}!\r\n\r\nearly"
        ));
        let mut buffer = [0; 1024];
        loop {
            match a.stream().read(&mut buffer) {
                Ok(0) | Err(_) => return Then::Close,
                Ok(n) => {
                    let back = buffer[..n].to_ascii_uppercase();
                    a.raw(back);
                }
            }
        }
    })
}

const UPGRADE: &str = "GET /items HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn an_upgrade_becomes_a_tunnel_both_ways() {
    let up = upgrading();
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write(UPGRADE);
    let answer = client.read_head().unwrap().unwrap();
    assert_eq!(answer.status, 101, "{}", answer.head.raw);
    assert_eq!(answer.header("Upgrade").as_deref(), Some("websocket"));
    assert!(answer.header("Connection").unwrap().to_ascii_lowercase().contains("upgrade"));
    assert_eq!(answer.header("Sec-WebSocket-Accept").as_deref(), Some("k!"));
    assert_eq!(answer.used().as_deref(), Some("1.0"));
    assert_eq!(client.read_bytes(5), b"early");
    for word in ["one", "two", "three"] {
        client.write(word);
        assert_eq!(client.read_bytes(word.len()), word.to_ascii_uppercase().as_bytes());
    }
    let seen = up.last();
    assert_eq!(seen.header("Upgrade").as_deref(), Some("websocket"));
    assert!(seen.header("Connection").unwrap().to_ascii_lowercase().contains("upgrade"));
    client.finish();
    assert_eq!(client.read_to_close(), b"");
}

#[test]
fn bytes_sent_with_the_upgrade_request_reach_the_upstream_after_its_101() {
    let up = upgrading();
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write(format!("{UPGRADE}first"));
    assert_eq!(client.read_head().unwrap().unwrap().status, 101);
    let mut got = client.read_bytes(10);
    got.sort_unstable();
    let mut wanted = b"earlyFIRST".to_vec();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
}

#[test]
fn a_refused_upgrade_goes_on_as_http() {
    // What follows a 200 is a request, not a tunnel: CVE-2026-2833 in another gateway.
    let (gateway, up) = ok();
    let mut client = gateway.client();
    client.write(UPGRADE);
    assert_eq!(client.read().text(), "hello");
    client.write("GET /items/2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().text(), "hello");
    assert_eq!(up.last().target, "/items/2");
}

// ---- streaming ----------------------------------------------------------------------------------------------------

const MIB: usize = 1024 * 1024;

#[test]
fn a_hundred_mebibytes_pass_up_and_down_in_constant_memory() {
    let up = Upstream::streaming(|a| {
        if a.request.method == "POST" {
            let mut left = 100 * MIB;
            let mut buffer = vec![0; 256 * 1024];
            let mut sum = 0_u64;
            while left > 0 {
                match a.stream().read(&mut buffer) {
                    Ok(0) | Err(_) => return Then::Close,
                    Ok(n) => {
                        sum += buffer[..n].iter().map(|b| u64::from(*b)).sum::<u64>();
                        left -= n;
                    }
                }
            }
            return a.reply(200, &[], sum.to_string());
        }
        a.raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 * MIB));
        let block = vec![7; MIB];
        for _ in 0..100 {
            if !a.raw(&block) {
                return Then::Close;
            }
        }
        Then::Keep
    });
    let gateway = Gateway::start(&plain(&up.url()));
    assert_eq!(gateway.metrics().sum("vergate_requests_in_flight", &[]), 0.0);
    let before = gateway.resident();
    let mut client = gateway.client();
    client.write(format!("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", 100 * MIB));
    let block = vec![3; MIB];
    let mut peak = 0;
    for _ in 0..100 {
        client.write(&block);
        peak = peak.max(gateway.resident());
    }
    assert_eq!(client.read().text(), (3 * 100 * MIB).to_string());
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = client.read_head().unwrap().unwrap();
    assert_eq!(head.header("Content-Length").as_deref(), Some((100 * MIB).to_string().as_str()));
    for _ in 0..100 {
        assert!(client.read_bytes(MIB).iter().all(|b| *b == 7));
        peak = peak.max(gateway.resident());
    }
    assert!(peak < before + 24 * MIB as u64, "grew from {before} to {peak} bytes");
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = sent.clone();
    let up = Upstream::streaming(move |a| {
        a.raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 * MIB));
        let block = vec![7; 64 * 1024];
        while a.raw(&block) {
            count.fetch_add(block.len(), std::sync::atomic::Ordering::SeqCst);
        }
        Then::Close
    });
    let gateway = Gateway::start(&format!("timeouts: {{write: 60s}}\n{}", plain(&up.url())));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    client.read_head().unwrap().unwrap();
    // The kernel's buffers fill and then nothing moves: wait until the counter stands still.
    let mut last = (0, 0);
    eventually("the upstream stalls", || {
        let now = sent.load(std::sync::atomic::Ordering::SeqCst);
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        (now > 0 && last.1 > 30).then_some(())
    });
    assert!(last.0 < 100 * MIB, "{} bytes were taken from the upstream", last.0);
    assert!(gateway.resident() < 80 * MIB as u64, "{} bytes resident", gateway.resident());
}

#[test]
fn bytes_of_an_answer_arrive_as_they_come() {
    let gate = Gate::default();
    let held = gate.clone();
    let (gateway, _up) = world(move |a| {
        a.raw(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:1\r\n",
        );
        held.wait();
        a.raw("6\r\ndata:2\r\n0\r\n\r\n");
        Then::Keep
    });
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    client.read_head().unwrap().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"data:1") {
        seen.extend(client.read_bytes(1));
        assert!(seen.len() < 100);
    }
    gate.open();
    while !seen.ends_with(b"data:2") {
        seen.extend(client.read_bytes(1));
        assert!(seen.len() < 200);
    }
}

#[test]
fn bytes_of_a_request_arrive_as_they_come() {
    let up = Upstream::streaming(|a| {
        let mut first = [0; 5];
        if a.stream().read_exact(&mut first).is_err() {
            return Then::Close;
        }
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        a.raw(first);
        let mut second = [0; 5];
        if a.stream().read_exact(&mut second).is_err() {
            return Then::Close;
        }
        a.raw(second);
        Then::Keep
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nfirst");
    client.read_head().unwrap().unwrap();
    assert_eq!(client.read_bytes(5), b"first");
    client.write("secon");
    assert_eq!(client.read_bytes(5), b"secon");
}

#[test]
fn a_client_that_leaves_takes_its_upstream_request_with_it() {
    let gone = Gate::default();
    let seen = gone.clone();
    let up = Upstream::new(move |a| {
        if a.until_closed() {
            seen.open();
        }
        Then::Close
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    up.wait(1);
    client.reset();
    gone.wait();
    eventually("it is counted as 499", || {
        let n = gateway.metrics().sum("api_requests_by_version_total", &[("status_code", "499")]);
        (n == 1.0).then_some(())
    });
}

// ---- other front protocols ----------------------------------------------------------------------------------------

#[test]
fn prior_knowledge_http_2_is_served() {
    let up = Upstream::new(|a| {
        let body = a.request.text();
        a.reply(200, &["X-Up: 1"], body)
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use http_body_util::{BodyExt, Full};
        let stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        for n in 0..3 {
            let request = hyper::Request::post("http://shop.example/items")
                .header("x-api-version", "1.0")
                .body(Full::new(bytes::Bytes::from(format!("body {n}"))))
                .unwrap();
            let answer = send.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["x-api-version-used"], "1.0");
            assert_eq!(answer.headers()["x-up"], "1");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, format!("body {n}"));
        }
    });
    let seen = up.last();
    assert_eq!(seen.header("Via").as_deref(), Some("2 vergate"));
    assert_eq!(seen.head.lines("Host"), ["shop.example"]);
}

#[test]
fn many_callers_get_their_own_answers() {
    let (gateway, _up) = world(|a| {
        let body = a.request.header("X-Me").unwrap_or_default();
        a.reply(200, &[], body)
    });
    let threads: Vec<_> = (0..16)
        .map(|caller| {
            let to = gateway.addr();
            std::thread::spawn(move || {
                let mut client = Client::connect(to);
                for n in 0..50 {
                    client.write(format!("GET /items HTTP/1.1\r\nHost: h\r\nX-Me: {caller}-{n}\r\n\r\n"));
                    assert_eq!(client.read().text(), format!("{caller}-{n}"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_slow_drip_of_a_request_is_put_together() {
    let (gateway, up) = ok();
    let mut client = gateway.client();
    for byte in b"POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc" {
        client.write([*byte]);
        client.stream().flush().unwrap();
    }
    assert_eq!(client.read().status, 200);
    assert_eq!(up.last().text(), "abc");
}

// ---- what else a proxy must do ------------------------------------------------------------------------------------

#[test]
fn max_forwards_is_counted_down_and_ends_here_at_zero() {
    // RFC 9110 section 7.6.2: MUST for OPTIONS.
    let (gateway, up) = ok();
    assert_eq!(gateway.call("OPTIONS", "/items", &["Max-Forwards: 5"], "").status, 200);
    assert_eq!(up.last().header("Max-Forwards").as_deref(), Some("4"));
    let before = up.requests().len();
    let answer = gateway.call("OPTIONS", "/items", &["Max-Forwards: 0"], "");
    assert!(answer.status < 500, "{}", answer.text());
    assert_eq!(up.requests().len(), before, "zero is not forwarded");
}

#[test]
fn an_h2c_upgrade_is_not_passed_on() {
    let (gateway, up) = ok();
    let answer = gateway
        .get("/items", &["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"]);
    assert_eq!(answer.status, 200);
    assert_eq!(up.last().header("Upgrade"), None);
    assert_eq!(up.last().header("HTTP2-Settings"), None);
    // Nor in a list, and whatever the client calls by name.
    for (lines, passed) in [
        (&["Upgrade: foo, h2c"][..], Some("foo")),
        (&["Upgrade: websocket", "Upgrade: H2C"], Some("websocket")),
        (&["Upgrade: h2c, TLS/1.0, HTTP/2.0"], None),
    ] {
        let fields = [&["Connection: Upgrade", "HTTP2-Settings: AAMAAABkAAQAAP__"], lines].concat();
        assert_eq!(gateway.get("/items", &fields).status, 200);
        assert_eq!(up.last().header("Upgrade").as_deref(), passed, "{lines:?}");
        assert_eq!(up.last().header("HTTP2-Settings"), None, "{lines:?}");
        assert_eq!(up.last().header("Connection").is_some(), passed.is_some(), "{lines:?}");
    }
}

#[test]
fn a_switch_to_what_was_not_asked_for_is_502() {
    let (gateway, _up) = world(|a| {
        let told = a.request.header("X-Told").unwrap_or_default();
        a.raw(format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{told}\r\nX-A: b\r\n\r\n"));
        Then::Close
    });
    for (asked, told, status) in [
        ("websocket", "Upgrade: h2c", 502),
        ("foo, h2c", "Upgrade: h2c", 502),
        ("websocket", "Upgrade: foo", 502),
        ("websocket", "Upgrade: websocket, h2c", 502),
        ("foo, bar", "X-None: 1", 502),
        ("foo, bar", "Upgrade: Bar", 101),
        ("websocket", "X-None: 1", 101),
    ] {
        let mut client = gateway.client();
        client.write(format!(
            "GET /items HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {asked}\r\nX-Told: {told}\r\n\r\n"
        ));
        let answer = client.read_head().unwrap().unwrap();
        assert_eq!(answer.status, status, "{asked} {told}");
        match told.strip_prefix("Upgrade: ") {
            Some(told) if status == 101 => assert_eq!(answer.header("Upgrade").as_deref(), Some(told)),
            None if status == 101 => assert_eq!(answer.header("Upgrade").as_deref(), Some(asked)),
            _ => {}
        }
    }
}

#[test]
fn a_switch_within_a_body_is_502() {
    // The rest of the body would be taken for the other protocol.
    let up = Upstream::streaming(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        a.until_closed();
        Then::Close
    });
    let gateway = Gateway::start(&plain(&up.url()));
    let mut client = gateway.client();
    client.write(UPGRADE.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 100000\r\n\r\nstart"));
    client.read().problem(502, "upstream_invalid_response");
}

#[test]
fn an_upstream_cannot_speak_for_the_gateway() {
    let (gateway, _up) =
        world(|a| a.reply(200, &["X-API-Version-Used: 9", "X-API-Version-Fallback: true", "X-Request-Id: theirs"], ""));
    let answer = gateway.get("/items", &["X-Request-Id: mine"]);
    assert_eq!(answer.lines("X-API-Version-Used"), ["1.0"]);
    assert_eq!(answer.header("X-API-Version-Fallback"), None);
    assert_eq!(answer.lines("X-Request-Id"), ["mine"]);
}

#[test]
fn an_upload_cut_short_is_never_passed_off_as_complete() {
    for framing in ["Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "Content-Length: 100\r\n\r\nhello"] {
        let (ended, cut) = (Gate::default(), std::sync::Arc::new(std::sync::Mutex::new(String::new())));
        let (seen, tail) = (ended.clone(), cut.clone());
        let up = Upstream::streaming(move |a| {
            let mut bytes = Vec::new();
            let _ = a.stream().read_to_end(&mut bytes);
            *tail.lock().unwrap() = String::from_utf8_lossy(&bytes).into_owned();
            seen.open();
            Then::Close
        });
        let gateway = Gateway::start(&plain(&up.url()));
        let mut client = gateway.client();
        client.write(format!("POST /items HTTP/1.1\r\nHost: h\r\n{framing}"));
        up.wait(1);
        client.reset();
        ended.wait();
        let sent = cut.lock().unwrap().clone();
        assert!(!sent.ends_with("0\r\n\r\n"), "the upstream was told that this is all: {sent:?}");
        assert!(sent.len() < 100, "{sent:?}");
    }
}

#[test]
fn an_answer_with_both_framings_reaches_the_client_with_one_or_not_at_all() {
    let (gateway, _up) = world(|a| {
        a.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        Then::Close
    });
    let answer = gateway.get("/items", &[]);
    if answer.status == 200 {
        assert_eq!(answer.text(), "hello");
        assert!(answer.header("Content-Length").is_none() || answer.header("Transfer-Encoding").is_none());
    } else {
        answer.problem(502, "upstream_invalid_response");
    }
}

#[test]
fn the_caller_behind_trusted_proxies_is_the_first_untrusted_address_from_the_right() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n{}", plain(&up.url())));
    let client = |fields: &[&str], id: &str| {
        let id_field = format!("X-Request-Id: {id}");
        let mut all = fields.to_vec();
        all.push(&id_field);
        gateway.get("/items", &all);
        gateway.log_line(|l| l["request_id"] == id)["client"].as_str().unwrap().to_owned()
    };
    assert_eq!(client(&["X-Forwarded-For: 6.6.6.6, 7.7.7.7, 10.1.2.3"], "a"), "7.7.7.7");
    assert_eq!(client(&[], "b"), "127.0.0.1");
    assert_eq!(client(&["X-Forwarded-For: garbage"], "c"), "127.0.0.1");
}

#[test]
fn http_2_requests_are_translated_and_refused_like_any_other() {
    let (gateway, up) = ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        use http_body_util::{BodyExt, Empty};
        let stream = tokio::net::TcpStream::connect(gateway.addr()).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut send, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get("http://shop.example/items?x=%20")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        assert_eq!(send.send_request(request).await.unwrap().status(), 200);
        // RFC 9113 section 8.2.3: crumbs become one line.
        assert_eq!(up.last().head.lines("Cookie"), ["a=1; b=2"]);
        assert_eq!(up.last().target, "/items?x=%20");

        let request = hyper::Request::get("http://shop.example/items")
            .header("x-api-version", "9")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = send.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().get("connection").is_none());
        let problem: serde_json::Value =
            serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!(problem["code"], "version_unknown");
    });
}
