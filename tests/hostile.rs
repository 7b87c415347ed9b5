use crate::support::{Gateway, Upstream, plain, upstream::Recorded};

struct World {
    gateway: Gateway,
    up: Upstream,
}

/// Between connecting and the first byte `keep_alive` runs, and a busy machine may let a caller wait there.
fn world() -> World {
    kept_alive("2s")
}

fn kept_alive(time: &str) -> World {
    let up = Upstream::named("main");
    // Two workers: one that hangs shows within a few tries. Short deadlines: what is neither served nor refused ends.
    let yaml = format!(
        "workers: 2\ntimeouts: {{request_header: 500ms, request_body: 500ms, keep_alive: {time}}}\n{}",
        plain(&up.url())
    );
    World { gateway: Gateway::start(&yaml), up }
}

impl World {
    /// Sends bytes; all that comes back. The gateway answers or closes: it never leaves a caller without either.
    #[track_caller]
    fn sends(&self, bytes: impl AsRef<[u8]>) -> String {
        let bytes = bytes.as_ref();
        let mut client = self.gateway.client();
        client.stream().set_read_timeout(Some(std::time::Duration::from_secs(15))).unwrap();
        let _ = client.try_write(bytes);
        let (said, closed) = client.read_while_it_comes();
        assert!(closed || !said.is_empty(), "no answer and no close for {:.200?}", String::from_utf8_lossy(bytes));
        String::from_utf8_lossy(&said).into_owned()
    }

    /// None of these may be served: an error answer or a close, and nothing reaches the upstream.
    #[track_caller]
    fn refuses<B: AsRef<[u8]>>(&self, all: impl IntoIterator<Item = B>) {
        let mut served = Vec::new();
        for bytes in all {
            let bytes = bytes.as_ref();
            let before = self.up.requests().len();
            let said = self.sends(bytes);
            let refused = said.is_empty()
                || ["HTTP/1.1 4", "HTTP/1.1 501", "HTTP/1.1 505"].iter().any(|start| said.starts_with(start));
            let forwarded: Vec<Recorded> = self.up.requests().split_off(before);
            if !refused || !forwarded.is_empty() {
                let seen = forwarded.first().map(|r| r.head.line.clone());
                served.push(format!("{:?} -> {said:.40?}, upstream saw {seen:?}", String::from_utf8_lossy(bytes)));
            }
        }
        assert!(served.is_empty(), "{}", served.join("\n"));
        self.still_serves();
    }

    #[track_caller]
    fn still_serves(&self) {
        for _ in 0..4 {
            assert_eq!(self.gateway.get("/items", &[]).status, 200);
        }
    }
}

/// The bytes are refused with this problem.
#[track_caller]
fn problem(world: &World, bytes: &str, status: u16, code: &str) {
    let mut client = world.gateway.client();
    client.write(bytes);
    client.read().problem(status, code);
}

#[test]
fn both_framings_at_once_are_refused() {
    let world = world();
    let framings = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
    ];
    world.refuses(framings.map(|f| format!("POST /items HTTP/1.1\r\nHost: h\r\n{f}\r\n\r\n0\r\n\r\n")));
}

#[test]
fn lengths_that_are_no_lengths_are_refused() {
    let world = world();
    let lengths = ["x", "-1", "+5", "5 5", "0x5", "5,6", "99999999999999999999", "5\r\nContent-Length: 6", "1e1"];
    world.refuses(
        lengths.map(|length| format!("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\nhello")),
    );
}

#[test]
fn transfer_codings_but_chunked_are_refused() {
    let world = world();
    let codings =
        ["gzip", "gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked", "chunked;q=1", "\"chunked\""];
    world.refuses(
        codings
            .map(|coding| format!("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n")),
    );
    world.refuses(["POST /items HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]);
}

#[test]
fn chunks_that_are_no_chunks_end_the_connection() {
    let world = world();
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "-5\r\nhello\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let said = world.sends(format!("POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{body:?}: {said}");
        assert!(world.up.requests().iter().all(|r| r.target != "/smuggled"), "{body:?} smuggled a request");
        world.still_serves();
    }
    assert!(world.up.requests().iter().all(|r| r.method != "POST"), "no such body was passed on as a whole one");
}

#[test]
fn a_request_names_its_host_exactly_once() {
    let world = world();
    problem(&world, "GET /items HTTP/1.1\r\n\r\n", 400, "request_invalid");
    problem(&world, "GET /items HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "request_invalid");
    let hosts = ["a b", "a/b", "a@b", "http://a", "a?b", "[::1", "a:b:c", "a:99999x"];
    world.refuses(hosts.map(|host| format!("GET /items HTTP/1.1\r\nHost: {host}\r\n\r\n")));
    // HTTP/1.0 may leave it out.
    assert!(world.sends("GET /items HTTP/1.0\r\n\r\n").starts_with("HTTP/1."));
    world.still_serves();
}

#[test]
fn heads_that_are_no_heads_are_refused() {
    let world = world();
    world.refuses([
        &b"GET /items HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n"[..],
        b"GET /items HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\n X: a\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\nX: a\r\n folded\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\nB\xe4d: a\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n",
        b"GET /items HTTP/1.1\r\nHost: h\r\nnocolon\r\n\r\n",
        b"GET /it\0ems HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /it ems HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /items\tx HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET items HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /items HTTP/3.7\r\nHost: h\r\n\r\n",
        b"GET /items\r\n\r\n",
        b"GET  /items HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G\xc3T /items HTTP/1.1\r\nHost: h\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\xff\xfe\xfd\xfc\r\n\r\n",
        b"{\"json\": true}\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\r\n\r\n\r\n\r\n\r\n",
    ]);
}

#[test]
fn fields_the_gateway_owns_cannot_be_named_away() {
    // Connection: Host and the like would remove what routing and framing rest on.
    let world = world();
    for name in
        ["Host", "Content-Length", "Transfer-Encoding", "X-API-Version", "Authorization", "X-Forwarded-For", "Cookie"]
    {
        let answer =
            world.gateway.get("/items", &[&format!("Connection: {name}, close"), "Authorization: a", "Cookie: c=1"]);
        if answer.status == 200 {
            let seen = world.up.last();
            assert!(
                seen.header("Host").is_some() && seen.header("X-Forwarded-For").is_some(),
                "{name}: {}",
                seen.head.raw
            );
            assert!(
                seen.header("X-API-Version").is_some() && seen.header("Authorization").is_some(),
                "{name}: {}",
                seen.head.raw
            );
        } else {
            assert_eq!(answer.status, 400, "{name}");
        }
    }
}

#[test]
fn oversized_heads_end_soon_and_leave_no_trace() {
    let world = world();
    let before = world.gateway.resident();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = world.gateway.client();
        let _ = client.try_write(format!("GET /{} HTTP/1.1\r\nHost: h\r\n", "x".repeat(4_000_000)));
        clients.push(client);
    }
    assert!(world.gateway.resident() < before + (64 << 20), "{} -> {}", before, world.gateway.resident());
    drop(clients);
    let said = world.sends(format!("GET / HTTP/1.1\r\nHost: h\r\n{}", "X: y\r\n".repeat(100_000)));
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    world.still_serves();
}

#[test]
fn an_http_2_preface_and_then_nonsense_does_no_harm() {
    let world = world();
    for bytes in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x01\x00\x00\x00\x00\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff",
    ] {
        let _ = world.sends(bytes);
        world.still_serves();
    }
}

#[test]
fn many_half_open_connections_do_not_stop_the_others() {
    let world = world();
    let held: Vec<_> = (0..300)
        .map(|n| {
            let mut client = world.gateway.client();
            if n % 2 == 0 {
                let _ = client.try_write("GET /items HTTP/1.1\r\nHo");
            }
            client
        })
        .collect();
    world.still_serves();
    for client in held {
        client.reset();
    }
    world.still_serves();
}

#[test]
fn callers_that_reset_at_every_stage_leave_nothing_behind() {
    let world = world();
    let full = "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    for cut in 0..full.len() {
        let mut client = world.gateway.client();
        let _ = client.try_write(&full[..cut]);
        client.reset();
    }
    world.still_serves();
    crate::support::eventually("nothing is in flight", || {
        (world.gateway.metrics().sum("vergate_requests_in_flight", &[]) == 0.0).then_some(())
    });
}

#[test]
fn mutilated_requests_never_stop_the_gateway() {
    // Many of them are served, and waited for until their connections end.
    let world = kept_alive("500ms");
    let seed = b"POST /v1.0/items?version=2 HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\nContent-Length: 3\r\n\r\nabc";
    std::thread::scope(|scope| {
        for caller in 0..10 {
            let world = &world;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(caller);
                for _ in 0..40 {
                    let mut bytes = seed.to_vec();
                    for _ in 0..random.usize(1..6) {
                        let at = random.usize(..bytes.len());
                        match random.u8(..3) {
                            0 => bytes[at] = random.u8(..),
                            1 => bytes.insert(at, random.u8(..)),
                            _ => drop(bytes.remove(at)),
                        }
                    }
                    let said = world.sends(&bytes);
                    assert!(
                        said.is_empty() || said.starts_with("HTTP/1."),
                        "{:?}: {said}",
                        String::from_utf8_lossy(&bytes)
                    );
                }
            });
        }
    });
    world.still_serves();
}
