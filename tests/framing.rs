use crate::support::duel::{Duel, SMUGGLED, chunked, either, get, post, refused, served, served_then_either};

#[test]
fn a_length_beside_a_coding_is_refused_in_any_order_and_spelling() {
    // CL.TE and TE.CL: one reader goes by the length, the other by the chunks.
    let lengths = ["Content-Length: 0", "Content-Length: 5", "content-length:5", "Content-Length: 48"];
    let codings = [
        "Transfer-Encoding: chunked",
        "transfer-encoding:chunked",
        "TRANSFER-ENCODING: CHUNKED",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
    ];
    let body = format!("0\r\n\r\n{SMUGGLED}");
    let mut cases = Vec::new();
    for length in lengths {
        for coding in codings {
            cases.push(refused(400, post(format!("{length}\r\n{coding}"), &body)));
            cases.push(refused(400, post(format!("{coding}\r\n{length}"), &body)));
            cases.push(refused(400, post(format!("{coding}\r\nX: y\r\n{length}\r\nZ: y"), &body)));
        }
    }
    cases.push(refused(400, get("Content-Length: 5\r\nTransfer-Encoding: chunked")));
    Duel::new().check(cases);
}

#[test]
fn a_coding_that_is_not_exactly_chunked_is_refused() {
    // TE.TE: spellings that one reader takes for chunked and another does not.
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"identity",
        b"gzip",
        b"xchunked",
        b"chunkedx",
        b"chunke",
        b"chunked chunked",
        b"chunked, chunked",
        b"chunked,chunked",
        b"chunked,",
        b",chunked",
        b", chunked",
        b"chunked, identity",
        b"identity, chunked",
        b"gzip, chunked",
        b"chunked, gzip",
        b"deflate,chunked",
        b"chunked;q=1",
        b"chunked; ext=1",
        b"chunked;",
        b"\"chunked\"",
        b"'chunked'",
        b"<chunked>",
        b"[chunked]",
        b"chunked#",
        b"chun ked",
        b"chunked\x0b",
        b"\x0bchunked",
        b"chunked\x00",
        b"\x00chunked",
        b"chunked\x7f",
        b"\x08chunked",
        b"chunked\x1f",
        b"\xa0chunked",
        b"chunked\xa0",
        b"\xc2\xa0chunked",
        b"chunked\xff",
        b"chun\xc4\xb7ed",
        b"\xef\xbb\xbfchunked",
        b"cow\r\n chunked",
        b"\r\n chunked",
        b"\r\n\tchunked",
        b"chunked\r\n ",
        b"chunked\n",
        b"\nchunked",
        b"chunked\nX: y",
    ];
    let mut cases = Vec::new();
    for value in values {
        cases.push(refused(400, post([b"Transfer-Encoding: ", *value].concat(), "0\r\n\r\n")));
    }
    for two in [
        "chunked\r\nTransfer-Encoding: chunked",
        "identity\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "chunked\r\nTransfer-Encoding:",
        "gzip\r\nTransfer-Encoding: chunked",
        "chunked\r\ntransfer-encoding: x",
    ] {
        cases.push(refused(400, post(format!("Transfer-Encoding: {two}"), "0\r\n\r\n")));
    }
    Duel::new().check(cases);
}

#[test]
fn a_name_that_is_almost_a_framing_name_is_refused_or_means_nothing() {
    let mut cases = Vec::new();
    // No names at all: whoever skips the odd byte reads a framing field.
    for name in ["Transfer-Encoding", "Content-Length"] {
        let value = if name == "Content-Length" { "5" } else { "chunked" };
        for (before, after) in [
            ("", " "),
            ("", "\t"),
            (" ", ""),
            ("\t", ""),
            ("", "\x0b"),
            ("\x0b", ""),
            ("", "\0"),
            ("\0", ""),
            ("", "\r"),
            ("\r", ""),
            ("", "\u{a0}"),
            ("\u{85}", ""),
            ("", "\x08"),
            ("X: y\n", ""),
            ("X: y\r", ""),
            ("\"", "\""),
            ("(", ")"),
            ("", "@"),
            ("", "/"),
            ("", "="),
            ("", "\r\n "),
            ("X y ", ""),
            ("X:\r\n ", ""),
            (":", ""),
        ] {
            cases.push(refused(400, post(format!("{before}{name}{after}: {value}"), "0\r\n\r\n")));
        }
        let spaced = name.replace('-', " ");
        cases.push(refused(400, post(format!("{spaced}: {value}"), "0\r\n\r\n")));
    }
    // Names of their own: fields without meaning here, and no body.
    for name in [
        "Transfer_Encoding",
        "Transfer--Encoding",
        "X-Transfer-Encoding",
        "Content_Length",
        "Contentlength",
        "Transfer-Encodin",
        "Content-Length-",
        "'Content-Length'",
        "Transfer.Encoding",
    ] {
        cases.push(either(["POST /items"], post(format!("{name}: 5"), "")));
    }
    Duel::new().check(cases);
}

#[test]
fn a_length_that_is_no_plain_number_is_refused() {
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"x",
        b"-1",
        b"-0",
        b"+5",
        b"+0",
        b"0x5",
        b"5x",
        b"5;",
        b"5; a=b",
        b"5.0",
        b"5e0",
        b"1e1",
        b"5 5",
        b"5\t5",
        b"0 5",
        b"5,5",
        b"5, 5",
        b"5,6",
        b"5,",
        b",5",
        b"\"5\"",
        b"'5'",
        b"(5)",
        b"5\0",
        b"\x005",
        b"5\x0b",
        b"\x0b5",
        b"5\x7f",
        b"\xd9\xa5",
        b"\xef\xbc\x95",
        b"5\xa0",
        b"\xa05",
        b"5_0",
        b"0b1",
        b"0o5",
        b"5\r\n 0",
        b"\r\n 5",
        b"5\n",
        b"\n5",
        b"9223372036854775808",
        b"18446744073709551615",
        b"18446744073709551616",
        b"18446744073709551621",
        b"99999999999999999999999999999999999999999999",
        b"5\r\nContent-Length: 6",
        b"6\r\nContent-Length: 5",
        b"5\r\nContent-Length: 0",
        b"0\r\ncontent-length: 5",
        b"5\r\nX: y\r\nContent-Length: 50",
        b"5\r\nContent-Length:",
        b"5\r\nContent-Length: 5, 5",
        b"Infinity",
        b"NaN",
        b"nil",
        b"five",
    ];
    let cases = values.iter().map(|v| refused(400, post([b"Content-Length: ", *v].concat(), "hello")));
    Duel::new().check(cases);
}

#[test]
fn only_blanks_and_tabs_stand_around_a_value() {
    // RFC 9110 section 5.6.3: a form feed or a return is no optional whitespace.
    let mut cases = Vec::new();
    for odd in ["\x0c", "\r", "\x0b", "\x1c", "\u{85}", "\u{a0}"] {
        for (field, value) in [("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("Host", "h")] {
            cases.push(refused(400, post(format!("{field}: {odd}{value}"), "0\r\n\r\n")));
            cases.push(refused(400, post(format!("{field}: {value}{odd}"), "0\r\n\r\n")));
        }
    }
    Duel::new().check(cases);
}

#[test]
fn a_length_that_is_a_number_is_that_number() {
    let mut cases = vec![
        served(["POST /items hello"], post("Content-Length: 5", "hello")),
        served(["POST /items hello"], post("content-length:5", "hello")),
        served(["POST /items hello"], post("CONTENT-LENGTH:\t 5 \t", "hello")),
        served(["POST /items hello"], post("Content-Length: 005", "hello")),
        served(["POST /items"], post("Content-Length: 0", "")),
        served(["POST /items"], post("Content-Length: 00", "")),
        // The same length twice says nothing else; a list of it would also be allowed, one line of it is forwarded.
        either(["POST /items hello"], post("Content-Length: 5\r\nContent-Length: 5", "hello")),
        either(["POST /items hello"], post("Content-Length: 5\r\nContent-Length: 05", "hello")),
        // CL.0: a method that seldom has a body has one if it says so.
        served(["GET /items hello"], [get("Content-Length: 5"), b"hello".to_vec()].concat()),
        served(["GET /items hello"], [get("Transfer-Encoding: chunked"), b"5\r\nhello\r\n0\r\n\r\n".to_vec()].concat()),
        // Larger than any body here may be.
        refused(413, post("Content-Length: 9223372036854775807", "hello")),
        refused(413, post("Content-Length: 1073741825", "hello")),
    ];
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "REPORT", "get"] {
        let expected: [&'static str; 1] = [match method {
            "PUT" => "PUT /items hello",
            "DELETE" => "DELETE /items hello",
            "PATCH" => "PATCH /items hello",
            "OPTIONS" => "OPTIONS /items hello",
            "REPORT" => "REPORT /items hello",
            _ => "get /items hello",
        }];
        cases.push(served(expected, format!("{method} /items HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")));
    }
    Duel::new().check(cases);
}

#[test]
fn a_body_that_looks_like_a_request_is_a_body() {
    let body = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(body.len(), 0x23, "the tables below count its bytes");
    let chunks = format!("23\r\n{body}\r\n0\r\n\r\n");
    Duel::new().check([
        served(["POST /items GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"], post("Content-Length: 35", body)),
        served(["POST /items GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"], chunked(&chunks)),
        served(
            ["GET /items GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"],
            [get("Content-Length: 35"), body.as_bytes().to_vec()].concat(),
        ),
        // A byte less than the body: its last byte begins the next request, which is none.
        served_then_either(["POST /items GET /smuggled HTTP/1.1\r\nHost: h\r\n\r"], post("Content-Length: 34", body)),
        // Where no length is said there is no body, and what follows is the next request.
        served(["POST /items", "GET /smuggled"], post("X: y", body)),
        served(["POST /items", "GET /smuggled"], post("Content-Length: 0", body)),
        served(["GET /items", "GET /smuggled"], [get("X: y"), body.as_bytes().to_vec()].concat()),
    ]);
}

#[test]
fn codings_and_http_1_0_do_not_go_together() {
    let one_zero = |fields: &str, body: &str| format!("POST /items HTTP/1.0\r\nHost: h\r\n{fields}\r\n\r\n{body}");
    Duel::new().check([
        refused(400, one_zero("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")),
        refused(400, one_zero("Transfer-Encoding: identity", "hello")),
        refused(400, one_zero("Connection: keep-alive\r\nTransfer-Encoding: chunked", "0\r\n\r\n")),
        refused(400, one_zero("Content-Length: 5\r\nTransfer-Encoding: chunked", "hello")),
        // A request is never delimited by the end of its connection.
        served(["POST /items"], one_zero("Connection: keep-alive", "")),
        served(["POST /items hello"], one_zero("Connection: keep-alive\r\nContent-Length: 5", "hello")),
    ]);
}
