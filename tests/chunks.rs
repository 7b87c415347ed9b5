use crate::support::duel::{Duel, SMUGGLED, broken, chunked, either, post, served};

#[test]
fn chunks_are_read_as_their_grammar_says() {
    Duel::new().check([
        served(["POST /items"], chunked("0\r\n\r\n")),
        served(["POST /items"], chunked("000\r\n\r\n")),
        served(["POST /items hello"], chunked("5\r\nhello\r\n0\r\n\r\n")),
        served(["POST /items hello"], chunked("05\r\nhello\r\n0\r\n\r\n")),
        served(["POST /items hello"], chunked("0000000000000005\r\nhello\r\n0\r\n\r\n")),
        served(["POST /items hello"], chunked("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n")),
        served(["POST /items helloworld"], chunked("a\r\nhelloworld\r\n0\r\n\r\n")),
        served(["POST /items helloworld"], chunked("A\r\nhelloworld\r\n0\r\n\r\n")),
        served(["POST /items 0\r\n\r\n"], chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n")),
        // Extensions are read over and not forwarded.
        served(["POST /items hello"], chunked("5;a\r\nhello\r\n0\r\n\r\n")),
        served(["POST /items hello"], chunked("5;a=b\r\nhello\r\n0;c=d\r\n\r\n")),
        served(["POST /items hello"], chunked("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n")),
        served(["POST /items hello"], chunked("5;a;b;c=d\r\nhello\r\n0\r\n\r\n")),
        // A blank before an extension is bad whitespace, which a reader may take.
        either(["POST /items hello"], chunked("5 ;a=b\r\nhello\r\n0\r\n\r\n")),
        either(["POST /items hello"], chunked("5;a = b\r\nhello\r\n0\r\n\r\n")),
    ]);
}

#[test]
fn a_chunk_size_that_is_no_hexadecimal_number_ends_the_request() {
    let sizes: &[&[u8]] = &[
        b"",
        b" ",
        b" 5",
        b"\t5",
        b"x",
        b"g",
        b"5x",
        b"0x5",
        b"0X5",
        b"-5",
        b"-0",
        b"+5",
        b"+0",
        b"5_0",
        b"0_5",
        b"5,",
        b"5,5",
        b"5.0",
        b"\"5\"",
        b"5h",
        b"&h5",
        b"#5",
        b"5\0",
        b"\x005",
        b"5\x0b",
        b"\xa05",
        b"\xef\xbc\x95",
        b"\xd9\xa5",
        b"10000000000000005",
        b"FFFFFFFFFFFFFFFFF",
        b"FFFFFFFFFFFFFFFF0",
        b"1000000000000000000000000000005",
        b"FFFFFFFFFFFFFFFF",
        b"8000000000000000",
        b"5\r",
        b"\r5",
        b"5 5",
        b"5 ",
        b"5\t",
        b"5=a",
        b"=5",
        b"zz",
        b"nil",
    ];
    let cases =
        sizes.iter().map(|size| broken(chunked([*size, b"\r\nhello\r\n0\r\n\r\n", SMUGGLED.as_bytes()].concat())));
    Duel::new().check(cases);
}

#[test]
fn a_chunk_that_does_not_end_where_it_says_ends_the_request() {
    let bodies: &[&str] = &[
        // No CRLF, half of it, or another one after the data.
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\rX\r\n0\r\n\r\n",
        "5\r\nhello\n\r0\r\n\r\n",
        "5\r\nhello \r\n0\r\n\r\n",
        "5\r\nhello\t\r\n0\r\n\r\n",
        "5\r\nhello\r\r\n0\r\n\r\n",
        "5\r\nhello\0\r\n0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        // Terminators of the size line: a bare line feed, a bare return, both the wrong way round.
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\n\rhello\r\n0\r\n\r\n",
        "5\r\rhello\r\n0\r\n\r\n",
        "5\n\nhello\r\n0\r\n\r\n",
        "5\r \nhello\r\n0\r\n\r\n",
        // TERM.EXT and EXT.TERM: a line feed inside an extension ends it for some readers.
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "5;a\rhello\r\n0\r\n\r\n",
        "5;\rx\r\nhello\r\n0\r\n\r\n",
        "2;\nxx\r\n2d\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n0\r\n\r\n",
        "5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        "5;a\0b\r\nhello\r\n0\r\n\r\n",
        "5;\x0b\r\nhello\r\n0\r\n\r\n",
        "5;\x7f\r\nhello\r\n0\r\n\r\n",
        // The last chunk and the line after it.
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\n\rX",
        "5\r\nhello\r\n0\r\r\n\r\n",
        "5\r\nhello\r\n0;\n\r\n\r\n",
        "5\r\nhello\r\n0x\r\n\r\n",
        "5\r\nhello\r\n-0\r\n\r\n",
        "5\r\nhello\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "hello",
        "{\"a\":1}",
    ];
    Duel::new().check(bodies.iter().map(|body| broken(chunked(format!("{body}{SMUGGLED}")))));
}

#[test]
fn trailers_never_become_fields_of_the_request() {
    let mut cases = Vec::new();
    for trailer in [
        "X: y",
        "Host: evil",
        "Content-Length: 50",
        "Transfer-Encoding: chunked",
        "X-API-Version: 9.9",
        "Authorization: Basic eDp5",
        "Connection: close",
        "Trailer: X",
        "Cookie: a=b",
        "X-Forwarded-For: 6.6.6.6",
    ] {
        cases.push(either(["POST /items hello"], chunked(format!("5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"))));
    }
    let duel = Duel::new();
    duel.check(cases);
    // And what did arrive carried none of them.
    for request in duel.backend.requests() {
        assert!(request.trailers.is_empty(), "{request:?}");
    }
}

#[test]
fn a_trailer_section_that_is_none_ends_the_request() {
    let trailers: &[&[u8]] = &[
        b"nocolon",
        b"X : y",
        b" X: y",
        b": y",
        b"X: a\0b",
        b"X: a\rb",
        b"X: a\nb",
        b"X: y\r\n folded",
        b"X\xe4: y",
        b"X y: z",
        b"GET /smuggled HTTP/1.1",
        b"X: y\n",
        b"\n",
        b"X: \x7f",
    ];
    let cases = trailers
        .iter()
        .map(|t| broken(chunked([b"5\r\nhello\r\n0\r\n", *t, b"\r\n\r\n", SMUGGLED.as_bytes()].concat())));
    let duel = Duel::new();
    duel.check(cases);
    duel.check([served(["POST /items hello"], chunked(format!("5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(16))))]);
}

#[test]
fn extensions_are_bounded_over_the_whole_body() {
    // 16 KiB in all: in one chunk, or a little in each of many (a byte of data for a hundred of nonsense).
    let one = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(17 * 1024));
    let many = format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "a".repeat(100)).repeat(200));
    let few = format!("{}0\r\n\r\n", format!("1;{}\r\nx\r\n", "a".repeat(100)).repeat(3));
    Duel::new().check([broken(chunked(one)), broken(chunked(many)), served(["POST /items xxx"], chunked(few))]);
}

#[test]
fn a_body_that_stops_is_never_passed_on_as_whole() {
    // The bytes that follow are the body's, not a request: the connection ends with the client's silence.
    let duel = Duel::new();
    duel.check([
        broken(post("Content-Length: 500", "hello")),
        broken(chunked("500\r\nhello")),
        broken(chunked("5\r\nhello\r\n100\r\nhello")),
    ]);
}
