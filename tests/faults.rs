use crate::support::{
    Gateway,
    duel::answers,
    eventually,
    faulty::{Fault, Faulty, honest},
    plain,
    wire::Message,
};
use std::time::Duration;

/// What has to come of an answer.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// The gateway's own 502, with one of its codes.
    Bad,
    /// 504 `upstream_timeout`.
    Late,
    /// This status and body.
    Relayed(u16, &'static str),
    /// 502, or relayed as this.
    Either(u16, &'static str),
    /// 502, or a beginning that does not end: never a whole answer.
    Cut,
}
use Expect::{Bad, Cut, Either, Late, Relayed};

type Row = (Fault, Expect);

/// A gateway and a backend that answers `/items/{n}` with row n, and everything else honestly.
struct World {
    gateway: Gateway,
    backend: Faulty,
    rows: Vec<Row>,
}

impl World {
    fn new(rows: Vec<Row>) -> Self {
        Self::with(rows, "response: 15s, response_idle: 15s")
    }

    fn with(rows: Vec<Row>, timeouts: &str) -> Self {
        let faults: Vec<Fault> = rows.iter().map(|(fault, _)| fault.clone()).collect();
        let backend = Faulty::new(move |request| match row_of(request) {
            Some(n) => faults[n].clone(),
            None => honest(request),
        });
        let gateway = Gateway::start(&format!("workers: 1\ntimeouts: {{{timeouts}}}\n{}", plain(&backend.url())));
        Self { gateway, backend, rows }
    }

    /// Every row, asked for by GET and by POST; after each the next caller gets its own answer and nothing else.
    #[track_caller]
    fn check(&self) {
        let mut wrong = Vec::new();
        for (n, (fault, expect)) in self.rows.iter().enumerate() {
            for method in ["GET", "POST"] {
                if let Err(why) = self.play(method, n, *expect) {
                    wrong.push(format!("{method} {fault:?}\n    wanted {expect:?}\n    {why}"));
                }
            }
        }
        wrong.extend(self.backend.complaints());
        assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), self.rows.len(), wrong.join("\n"));
    }

    fn play(&self, method: &str, n: usize, expect: Expect) -> Result<(), String> {
        self.backend.forget();
        let second_parts = self.backend.second_parts();
        let mut client = self.gateway.client();
        let body = if method == "POST" { "Content-Length: 2\r\n\r\nhi" } else { "\r\n" };
        client.write(format!("{method} /items/{n} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{body}"));
        let (said, closed) = client.read_while_it_comes();
        if !closed {
            return Err(format!("the connection stays open after {:?}", String::from_utf8_lossy(&said)));
        }
        let got = answers(&said, false).map(|all| all.into_iter().filter(|a| a.status() >= 200).collect::<Vec<_>>());
        let good = match (&expect, &got) {
            (Bad | Cut | Either(..), Ok(all)) if is_problem(all, 502) => true,
            (Late, Ok(all)) => is_problem(all, 504),
            (Relayed(status, text) | Either(status, text), Ok(all)) => {
                matches!(&all[..], [a] if a.status() == *status && a.body == text.as_bytes())
            }
            // Cut before its head had left, too: the caller knows that it has no answer.
            (Cut, Err(_)) => true,
            (Cut, Ok(all)) => all.is_empty(),
            _ => false,
        };
        let times = self.backend.requests().iter().filter(|r| row_of(r) == Some(n)).count();
        if !good {
            return Err(format!("client saw {got:.400?}"));
        }
        if times > if method == "GET" { 2 } else { 1 } {
            return Err(format!("the backend was asked {times} times"));
        }
        if matches!(self.rows[n].0, Fault::SaysTwice(..)) {
            // No reader can tell that a stray answer is none once the next request is on its way: let it come first.
            eventually("the rest is said", || (self.backend.second_parts() > second_parts).then_some(()));
        }
        self.honest_after()
    }

    /// The next callers get their own answers: nothing of the last exchange is left on a connection.
    fn honest_after(&self) -> Result<(), String> {
        let mut client = self.gateway.client();
        for target in ["/items/next", "/items/then"] {
            client.write(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
            match client.try_read(false) {
                Ok(Some(answer)) if (answer.status, answer.text()) == (200, format!("GET {target}")) => {}
                Ok(Some(answer)) => return Err(format!("{target} got {} {:?}", answer.status, answer.text())),
                other => return Err(format!("{target} got {other:?}")),
            }
        }
        Ok(())
    }
}

fn row_of(request: &Message) -> Option<usize> {
    let target = request.line.split(' ').nth(1)?;
    target.strip_prefix("/items/")?.parse().ok()
}

fn is_problem(answers: &[Message], status: u16) -> bool {
    let [answer] = answers else { return false };
    let code = serde_json::from_slice::<serde_json::Value>(&answer.body).map(|p| p["code"].clone()).unwrap_or_default();
    let codes: &[&str] = match status {
        502 => &["upstream_invalid_response", "upstream_reset"],
        _ => &["upstream_timeout"],
    };
    answer.status() == status && code.as_str().is_some_and(|code| codes.contains(&code))
}

fn says(bytes: impl AsRef<[u8]>) -> Fault {
    Fault::Says(bytes.as_ref().to_vec())
}

fn says_and_closes(bytes: impl AsRef<[u8]>) -> Fault {
    Fault::SaysAndCloses(bytes.as_ref().to_vec())
}

/// A 200 with these field lines and a body of five bytes.
fn ok(fields: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", fields.as_ref(), b"\r\n\r\nhello"].concat()
}

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body.as_ref()].concat()
}

#[test]
fn a_status_line_is_one_or_the_answer_is_bad() {
    let lines: &[&[u8]] = &[
        b"garbage",
        b"<html>hello</html>",
        b"\0\0\0\0",
        b"\xff\xfe\xfd",
        b"\x16\x03\x01\x02\0",
        b"HTTP/1.1",
        b"HTTP/1.1 ",
        b"HTTP/1.1 2",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 Low",
        b"HTTP/1.1 000 Zero",
        b"HTTP/1.1 600 High",
        b"HTTP/1.1 999 High",
        b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 0x2 OK",
        b"HTTP/1.1 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/9.9 200 OK",
        b"HTTP/1.a 200 OK",
        b"HTTP 200 OK",
        b"ICY 200 OK",
        b"http/1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"\tHTTP/1.1 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200 O\0K",
        b"HTTP/1.1 200 O\rK",
        b"GET / HTTP/1.1",
        b"xHTTP/1.1 200 OK",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
    ];
    let rows = lines.iter().map(|line| (says([line, &b"\r\nContent-Length: 5\r\n\r\nhello"[..]].concat()), Bad));
    let rows: Vec<Row> = rows
        .chain([
            (says("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"), Relayed(200, "hello")),
            (says(b"HTTP/1.1 200 All \x80 right\r\nContent-Length: 5\r\n\r\nhello"), Relayed(200, "hello")),
            (says("HTTP/1.1 599 Odd\r\nContent-Length: 5\r\n\r\nhello"), Relayed(599, "hello")),
            (says_and_closes("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Relayed(200, "hello")),
            // No blank before an empty reason: common, and harmless.
            (says("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello"), Either(200, "hello")),
            (says("\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Either(200, "hello")),
            // HTTP/0.9: a body and nothing else.
            (says_and_closes("<html>hello</html>"), Bad),
            (says_and_closes("hello\n"), Bad),
        ])
        .collect();
    World::new(rows).check();
}

#[test]
fn fields_of_an_answer_are_fields_or_the_answer_is_bad() {
    let lines: &[&[u8]] = &[
        b"X: a\0b",
        b"X: a\x01b",
        b"X: a\x7fb",
        b"X: a\rb",
        b"X: a\x0bb",
        b"X: a\nEvil: b\0",
        b"nocolon",
        b": y",
        b"X y: z",
        b"X\0: y",
        b"X\xe4: y",
        b"(X): y",
        b"X\r: y",
        b"\0: y",
    ];
    let rows = lines.iter().map(|line| (says(ok([line, &b"\r\nContent-Length: 5"[..]].concat())), Bad));
    let rows: Vec<Row> = rows
        .chain([
            (says(ok("X: \u{fc}\tb\r\nContent-Length: 5")), Relayed(200, "hello")),
            // A proxy may refuse these or make them whole (RFC 9112 sections 5.1, 5.2); `answers` sees to the latter.
            (says(ok("X : y\r\nContent-Length: 5")), Either(200, "hello")),
            (says(ok("X: a\r\n folded\r\nContent-Length: 5")), Either(200, "hello")),
            (says(ok(" X: y\r\nContent-Length: 5")), Either(200, "hello")),
            (says("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"), Either(200, "hello")),
            // A space before the colon of a framing field is a guess nobody may make alone.
            (says(ok("Content-Length : 5")), Either(200, "hello")),
        ])
        .collect();
    World::new(rows).check();
}

#[test]
fn a_length_of_an_answer_is_one_number_or_the_answer_is_bad() {
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"x",
        b"-1",
        b"+5",
        b"0x5",
        b"5x",
        b"5 5",
        b"5;",
        b"5,6",
        b"5.0",
        b"\"5\"",
        b"5\0",
        b"5\x0b",
        b"\xd9\xa5",
        b"18446744073709551616",
        b"18446744073709551621",
        b"99999999999999999999999999",
        b"5\r\nContent-Length: 6",
        b"6\r\nContent-Length: 5",
        b"5\r\nContent-Length: x",
        b"5\r\nContent-Length:",
        b"5\r\nX: y\r\ncontent-length: 0",
    ];
    let rows = values.iter().map(|v| (says(ok([b"Content-Length: ", *v].concat())), Bad));
    let rows: Vec<Row> = rows
        .chain([
            (says(ok("Content-Length: 005")), Relayed(200, "hello")),
            (says(ok("Content-Length: 5\r\nContent-Length: 5")), Either(200, "hello")),
            (says(ok("Content-Length: 5, 5")), Either(200, "hello")),
        ])
        .collect();
    World::new(rows).check();
}

#[test]
fn a_coding_of_an_answer_is_chunked_or_the_answer_is_bad() {
    let body = "5\r\nhello\r\n0\r\n\r\n";
    let coded = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
    let mut rows = vec![
        (says(coded("Transfer-Encoding: Chunked")), Relayed(200, "hello")),
        (says(coded("transfer-encoding:\tchunked ")), Relayed(200, "hello")),
        // Two framings are a way to smuggle an answer (RFC 9112 section 6.3).
        (says(coded("Content-Length: 5\r\nTransfer-Encoding: chunked")), Bad),
        (says(coded("Transfer-Encoding: chunked\r\nContent-Length: 15")), Bad),
        (says(coded("Transfer-Encoding: chunked\r\nContent-Length: 0")), Bad),
        (says(coded("Transfer-Encoding: identity\r\nContent-Length: 15")), Bad),
        (says_and_closes(coded("Transfer-Encoding: chunked").replace("1.1", "1.0")), Bad),
    ];
    for value in [
        "",
        "gzip",
        "identity",
        "xchunked",
        "chunkedx",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "\x0bchunked",
        "chunked\0",
    ] {
        rows.push((says_and_closes(coded(&format!("Transfer-Encoding: {value}"))), Bad));
    }
    World::new(rows).check();
}

#[test]
fn chunks_of_an_answer_are_chunks_or_it_never_ends() {
    let mut rows: Vec<Row> = [
        "zz\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;a\x1bb\r\nhello\r\n0\r\n\r\n",
        "5;a\x7f\r\nhello\r\n0\r\n\r\n",
        "5\x0b\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;\0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\nx\r\n\r\n",
        "5\r\nhello\r\n0\r\nnocolon\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
        "5\r\nhello\r\n-0\r\n\r\n",
        "hello",
        "<html></html>\r\n\r\n",
    ]
    .map(|body| (says_and_closes(chunked(body)), Cut))
    .into();
    rows.extend([
        (says(chunked("05;a=b\r\nhello\r\n0;c\r\n\r\n")), Relayed(200, "hello")),
        (says(chunked("5\r\nhello\r\n0\r\nX: y\r\n\r\n")), Relayed(200, "hello")),
        (says(chunked("0\r\n\r\n")), Relayed(200, "")),
    ]);
    World::new(rows).check();
}

#[test]
fn an_answer_that_breaks_off_never_ends_cleanly() {
    let mut rows: Vec<Row> = Vec::new();
    let long = [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
    let long_chunk = chunked([b"493e0\r\n".to_vec(), vec![b'x'; 200_000]].concat());
    for cut in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec(),
        chunked("5\r\nhell"),
        chunked("5\r\nhello"),
        chunked("5\r\nhello\r\n"),
        chunked("5\r\nhello\r\n0"),
        chunked("5\r\nhello\r\n0\r\n"),
        chunked("5\r\nhello\r\n0\r\nX: y\r\n"),
        chunked("5"),
        chunked(""),
        long,
        long_chunk,
    ] {
        rows.push((Fault::SaysAndCloses(cut.clone()), Cut));
        rows.push((Fault::SaysAndResets(cut.clone()), Cut));
        let half = cut.len() / 2;
        rows.push((
            Fault::SaysTwiceAndCloses(cut[..half].to_vec(), Duration::from_millis(5), cut[half..].to_vec()),
            Cut,
        ));
    }
    for head in [
        "",
        "H",
        "HTTP/1.1",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2",
    ] {
        rows.push((says_and_closes(head), Bad));
        rows.push((Fault::SaysAndResets(head.into()), Bad));
    }
    World::new(rows).check();
}

#[test]
fn an_answer_that_never_comes_is_late() {
    let mut rows: Vec<Row> = vec![(Fault::NeverAnswers, Late)];
    for stall in ["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"] {
        rows.push((Fault::SaysAndStalls(stall.into()), Late));
    }
    for stall in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"[..],
        &chunked("5\r\nhello\r\n0\r\n"),
        &chunked("5\r\nhello\r\n"),
    ] {
        rows.push((Fault::SaysAndStalls(stall.to_vec()), Cut));
    }
    // Long enough for honest answers on a busy machine, and therefore side by side.
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(|| World::with(vec![row], "response: 2s, response_idle: 2s").check());
        }
    });
}

#[test]
fn interim_answers_are_bounded_and_never_the_answer() {
    let interim = |n: usize, status: &str| format!("HTTP/1.1 {status} X\r\nLink: </a>; rel=preload\r\n\r\n").repeat(n);
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    World::new(vec![
        (says(interim(1, "103") + last), Relayed(200, "hello")),
        (says(interim(1, "100") + last), Relayed(200, "hello")),
        (says(interim(1, "199") + last), Relayed(200, "hello")),
        (says(interim(30, "103") + last), Relayed(200, "hello")),
        (says(interim(40, "103") + last), Bad),
        (says(interim(40, "100") + last), Bad),
        (says(interim(100_000, "100")), Bad),
        (says("HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Bad),
        // Nobody asked for another protocol.
        (says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"), Bad),
        (says("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Bad),
        (says("HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\nhello"), Bad),
    ])
    .check();
}

#[test]
fn a_head_of_an_answer_has_a_size() {
    let fields = |n: usize| (0..n).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    World::new(vec![
        (says(ok(format!("X: {}\r\nContent-Length: 5", "y".repeat(60_000)))), Relayed(200, "hello")),
        (says(ok(format!("X: {}\r\nContent-Length: 5", "y".repeat(70_000)))), Bad),
        (says(ok(format!("{}: y\r\nContent-Length: 5", "X".repeat(70_000)))), Bad),
        (says(ok(format!("{}Content-Length: 5", fields(190)))), Relayed(200, "hello")),
        (says(ok(format!("{}Content-Length: 5", fields(210)))), Bad),
        (says(ok(format!("{}Content-Length: 5", fields(20_000)))), Bad),
        (says(format!("HTTP/1.1 200 {}", "y".repeat(1_000_000))), Bad),
        (says("y".repeat(1_000_000)), Bad),
        (says("HTTP/1.1 200 OK\r\nX: ".to_owned() + &"y".repeat(5_000_000)), Bad),
    ])
    .check();
}

#[test]
fn bytes_after_an_answer_are_nobodys_answer() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let pause = Duration::from_millis(4);
    let mut rows: Vec<Row> = Vec::new();
    for (answer, status, body) in [
        (ok("Content-Length: 5"), 200, "hello"),
        (chunked("5\r\nhello\r\n0\r\n\r\n"), 200, "hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), 204, ""),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 45\r\n\r\n".to_vec(), 204, ""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 45\r\n\r\n".to_vec(), 304, ""),
        (b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), 304, ""),
    ] {
        for stray in [evil, "x", "\r\n", "\n", "\0", "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"] {
            let expect = if answer.starts_with(b"HTTP/1.1 30") || answer.starts_with(b"HTTP/1.1 20") && status != 200 {
                Either(status, body)
            } else {
                Relayed(status, body)
            };
            rows.push((Fault::Says([&answer[..], stray.as_bytes()].concat()), expect));
            rows.push((Fault::SaysTwice(answer.clone(), pause, stray.into()), expect));
        }
    }
    World::new(rows).check();
}

#[test]
fn an_answer_in_single_bytes_is_the_same_answer() {
    let pause = Duration::from_micros(200);
    let drips = |bytes: Vec<u8>| Fault::Drips(bytes, pause);
    World::new(vec![
        (drips(ok("Content-Length: 5")), Relayed(200, "hello")),
        (drips(chunked("5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n")), Relayed(200, "hello!")),
        (
            drips([&b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"[..], &ok("Content-Length: 5")].concat()),
            Relayed(200, "hello"),
        ),
        (drips(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), Relayed(204, "")),
        (drips(ok("Content-Length: x")), Bad),
    ])
    .check();
}

#[test]
fn a_backend_that_closes_between_answers_costs_nobody_theirs() {
    // Every answer promises to go on and then the connection ends.
    let backend = Faulty::new(|request| match honest(request) {
        Fault::Says(bytes) => Fault::SaysAndCloses(bytes),
        other => other,
    });
    // All of them may meet the end of their connection on the way, and are sent again.
    let yaml = plain(&backend.url()).replace("servers:", "retries: {budget: 100%}, servers:");
    let gateway = Gateway::start(&yaml);
    let mut client = gateway.client();
    for n in 0..200 {
        client.write(format!("GET /items/{n} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let answer = client.read();
        assert_eq!((answer.status, answer.text()), (200, format!("GET /items/{n}")));
    }
    // No method is lost where the end was there to be seen before the first byte was written.
    for n in 0..20 {
        eventually("the backend has closed", || (backend.ended() >= 200 + n).then_some(()));
        std::thread::sleep(Duration::from_millis(3));
        client.write(format!("POST /items/{n} HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
        let answer = client.read();
        assert_eq!((answer.status, answer.text()), (200, format!("POST /items/{n} hi")));
    }
}

#[test]
fn an_answer_before_the_body_ended_leaves_the_connection_in_step() {
    // 0.CL: the backend answers on the head alone and goes on; what is left of the body must not be its next request.
    let backend = Faulty::new(|request| {
        let Fault::Says(bytes) = honest(request) else { unreachable!("it says") };
        if request.line.contains("early") {
            Fault::SaysEarly(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly".to_vec())
        } else {
            Fault::Says(bytes)
        }
    });
    let gateway = Gateway::start(&format!("workers: 1\ntimeouts: {{request_body: 10s}}\n{}", plain(&backend.url())));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for framing in ["Content-Length: 70", "Transfer-Encoding: chunked"] {
        let body = smuggled.repeat(2);
        let body = if framing.starts_with('T') { format!("46\r\n{body}\r\n0\r\n\r\n") } else { body };
        let mut client = gateway.client();
        client.write(format!("POST /items/early HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{}", &body[..30]));
        let answer = client.read();
        assert_eq!((answer.status, answer.text().as_str()), (200, "early"));
        // The rest comes late; then another caller asks.
        let _ = client.try_write(&body[30..]);
        for n in 0..3 {
            let mut other = gateway.client();
            other.write(format!("GET /items/{n} HTTP/1.1\r\nHost: h\r\n\r\n"));
            let answer = other.read();
            assert_eq!((answer.status, answer.text()), (200, format!("GET /items/{n}")));
        }
    }
    let seen: Vec<String> = backend.requests().iter().map(Message::summary).collect();
    assert!(!seen.iter().any(|s| s.starts_with("GET /smuggled")), "{seen:?}");
    assert_eq!(backend.complaints(), [""; 0]);
}

#[test]
fn an_answer_that_refuses_a_large_body_reaches_the_caller() {
    let refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!".to_vec();
    let backend = Faulty::new(move |_| Fault::SaysEarlyAndCloses(refusal.clone()));
    let gateway = Gateway::start(&plain(&backend.url()));
    let mut client = gateway.client();
    let body = vec![b'x'; 400_000];
    client.write(
        [format!("POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body]
            .concat(),
    );
    let answer = client.read();
    assert_eq!((answer.status, answer.text().as_str()), (413, "no!"));
}
