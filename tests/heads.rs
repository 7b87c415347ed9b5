use crate::support::duel::{Duel, either, get, refused, refused_somehow, served};

/// A request with this line (without its end) and this Host.
fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: h\r\n\r\n"].concat()
}

#[test]
fn a_request_line_is_three_words_with_one_blank_between() {
    let mut cases = vec![served(["GET /items"], line("GET /items HTTP/1.1"))];
    let lines: &[&[u8]] = &[
        b"GET  /items HTTP/1.1",
        b"GET /items  HTTP/1.1",
        b"GET\t/items HTTP/1.1",
        b"GET /items\tHTTP/1.1",
        b" GET /items HTTP/1.1",
        b"\tGET /items HTTP/1.1",
        b"GET /items HTTP/1.1 ",
        b"GET /items HTTP/1.1\t",
        b"GET /items HTTP/1.1 x",
        b"GET /items x HTTP/1.1",
        b"GET /it ems HTTP/1.1",
        b"GET\x0b/items HTTP/1.1",
        b"GET\x0c/items\x0cHTTP/1.1",
        b"GET\xa0/items HTTP/1.1",
        b"GET\r/items HTTP/1.1",
        b"GET /items\rHTTP/1.1",
        b"GET /items HTTP/1.1\r",
        b"GET\0/items HTTP/1.1",
        b"GET /items\0 HTTP/1.1",
        b"\0GET /items HTTP/1.1",
        b"GET /items",
        b"GET",
        b"/items HTTP/1.1",
        b"/items",
        b" /items HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET /items\r\n HTTP/1.1",
        b"\xef\xbb\xbfGET /items HTTP/1.1",
    ];
    cases.extend(lines.iter().map(|l| refused_somehow(line(l))));
    Duel::new().check(cases);
}

#[test]
fn a_protocol_version_is_one_that_is_spoken() {
    let versions = [
        "HTTP/2",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1.1.1",
        "HTTP/1.10",
        "HTTP/1.01",
        "HTTP/01.1",
        "HTTP/11",
        "HTTP/1,1",
        "HTTP/+1.1",
        "HTTP/1.-1",
        "HTTP/1.1a",
        "HTTP/a.b",
        "HTTP /1.1",
        "HTTP/ 1.1",
        "HTTP/1. 1",
        "HTTP1.1",
        "HTTP\\1.1",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "HTTP/\u{ff11}.1",
        "ICE/1.0",
        "RTSP/1.0",
        "HTTP/1.1\0",
        "x",
        "*",
    ];
    let mut cases: Vec<_> = versions.map(|v| refused_somehow(line(format!("GET /items {v}")))).into();
    // A later minor version speaks the same (RFC 9110 section 2.5), another major one does not (section 15.6.6).
    cases.push(served(["GET /items"], line("GET /items HTTP/1.2")));
    cases.push(served(["GET /items"], line("GET /items HTTP/1.9")));
    for version in ["HTTP/0.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"] {
        cases.push(refused(505, line(format!("GET /items {version}"))));
    }
    Duel::new().check(cases);
}

#[test]
fn a_method_is_a_token_and_its_case_counts() {
    let mut cases = vec![
        served(["get /items"], line("get /items HTTP/1.1")),
        served(["M-SEARCH /items"], line("M-SEARCH /items HTTP/1.1")),
        served(["!#$%&'*+-.^_`|~09 /items"], line("!#$%&'*+-.^_`|~09 /items HTTP/1.1")),
    ];
    let methods: &[&[u8]] = &[
        b"G(T",
        b"G)T",
        b"G,T",
        b"G/T",
        b"G:T",
        b"G;T",
        b"G<T",
        b"G=T",
        b"G>T",
        b"G?T",
        b"G@T",
        b"G[T",
        b"G\\T",
        b"G]T",
        b"G{T",
        b"G}T",
        b"\"GET\"",
        b"G\x7fT",
        b"G\x01T",
        b"G\x80T",
        b"G\xc3\x89T",
        b"G\xffT",
        b"{",
        b"",
    ];
    cases.extend(methods.iter().map(|m| refused_somehow(line([m, &b" /items HTTP/1.1"[..]].concat()))));
    cases.push(refused_somehow(line(format!("{} /items HTTP/1.1", "A".repeat(10_000)))));
    Duel::new().check(cases);
}

#[test]
fn a_target_has_one_of_four_forms() {
    Duel::new().check([
        served(["GET /items"], line("GET http://h/items HTTP/1.1")),
        served(["GET /items"], line("GET HTTP://h/items HTTP/1.1")),
        served(["GET /items?a=b"], line("GET http://h/items?a=b HTTP/1.1")),
        served(["GET /items"], line("GET http://h:80/items HTTP/1.1")),
        served(["GET /items"], line("GET http://[::1]/items HTTP/1.1")),
        served(["GET /"], line("GET http://h HTTP/1.1")),
        served(["GET /?a"], line("GET http://h?a HTTP/1.1")),
        // Not this listener's scheme: misdirected, or the proxy that ended TLS wrote it so.
        either(["GET /items"], line("GET https://h/items HTTP/1.1")),
        refused(400, line("GET http:///items HTTP/1.1")),
        refused(400, line("GET http://:80/items HTTP/1.1")),
        refused(400, line("GET http://u@h/items HTTP/1.1")),
        refused(400, line("GET http://u:p@h/items HTTP/1.1")),
        refused(400, line("GET http://h@evil/items HTTP/1.1")),
        refused(400, line("GET http://h:80:90/items HTTP/1.1")),
        refused(400, line("GET http://h:x/items HTTP/1.1")),
        refused(400, line("GET http://h\\@evil/items HTTP/1.1")),
        refused(400, line("GET http:/h/items HTTP/1.1")),
        refused(400, line("GET http:h/items HTTP/1.1")),
        refused(400, line("GET http:\\\\h\\items HTTP/1.1")),
        refused(400, line("GET http//h/items HTTP/1.1")),
        refused(400, line("GET ://h/items HTTP/1.1")),
        refused(400, line("GET ftp://h/items HTTP/1.1")),
        refused(400, line("GET file:///etc/passwd HTTP/1.1")),
        refused(400, line("GET javascript:alert(1) HTTP/1.1")),
        refused(400, line("GET unix:/run/x.sock HTTP/1.1")),
        refused(400, line("GET h/items HTTP/1.1")),
        refused(400, line("GET h:80 HTTP/1.1")),
        refused(400, line("GET @evil/items HTTP/1.1")),
        refused(400, line("GET items HTTP/1.1")),
        refused(400, line("GET ?items HTTP/1.1")),
        refused(400, line("GET #items HTTP/1.1")),
        refused(400, line("GET ;items HTTP/1.1")),
        refused(400, line("GET \\items HTTP/1.1")),
        refused(400, line("GET * HTTP/1.1")),
        refused(400, line("OPTIONS ** HTTP/1.1")),
        refused(400, line("OPTIONS *?a HTTP/1.1")),
        // Two slashes begin a path, never an authority.
        either(["GET //evil/items"], line("GET //evil/items HTTP/1.1")),
        either(["GET ///evil"], line("GET ///evil HTTP/1.1")),
    ]);
}

#[test]
fn a_target_holds_what_a_uri_holds() {
    let mut cases = vec![
        served(["GET /a-._~!$&'()*+,;=:@%20b"], line("GET /a-._~!$&'()*+,;=:@%20b HTTP/1.1")),
        served(["GET /items?a=/b?c&d=%00"], line("GET /items?a=/b?c&d=%00 HTTP/1.1")),
        refused(400, line("GET /items#a HTTP/1.1")),
        refused(400, line("GET /items?a#b HTTP/1.1")),
        refused(400, line("GET /a\\b HTTP/1.1")),
        refused(400, line("GET /items?a\\b HTTP/1.1")),
        refused(400, line("GET /a<b HTTP/1.1")),
        refused(400, line("GET /a>b HTTP/1.1")),
        refused(400, line("GET /a`b HTTP/1.1")),
        refused(400, line("GET /items?a=\"b\" HTTP/1.1")),
        // Not in the grammar, and what browsers send.
        served(["GET /a^b"], line("GET /a^b HTTP/1.1")),
        served(["GET /items?a^b`c{d}|e"], line("GET /items?a^b`c{d}|e HTTP/1.1")),
        refused(400, line("GET /items?a=<script> HTTP/1.1")),
        // Not in the grammar, and sent by old browsers.
        either(["GET /a|b"], line("GET /a|b HTTP/1.1")),
        either(["GET /a{b}"], line("GET /a{b} HTTP/1.1")),
        either(["GET /a\"b"], line("GET /a\"b HTTP/1.1")),
        either(["GET /items?a=[1]"], line("GET /items?a=[1] HTTP/1.1")),
    ];
    for byte in (1..0x20).chain(0x7f..=0xff) {
        cases.push(refused_somehow(line([b"GET /a", &[byte][..], b"b HTTP/1.1"].concat())));
    }
    for byte in [0, 0x01, 0x09, 0x0b, 0x0c, 0x7f, 0x80, 0xff] {
        cases.push(refused_somehow(line([b"GET /items?a", &[byte][..], b"b HTTP/1.1"].concat())));
    }
    Duel::new().check(cases);
}

#[test]
fn a_host_is_there_once_and_is_one() {
    let hosts = |lines: &str| format!("GET /items HTTP/1.1\r\n{lines}\r\n\r\n");
    let mut cases = vec![
        served(["GET /items"], hosts("Host: h")),
        served(["GET /items"], hosts("host:h")),
        served(["GET /items"], hosts("HOST:  \th\t ")),
        served(["GET /items"], hosts("Host: h:8080")),
        served(["GET /items"], hosts("Host: 127.0.0.1:1")),
        served(["GET /items"], hosts("Host: [::1]")),
        served(["GET /items"], hosts("Host: [2001:db8::1]:8080")),
        served(["GET /items"], hosts("Host: a.b-c.example.")),
        refused(400, "GET /items HTTP/1.1\r\n\r\n"),
        refused(400, hosts("X-Forwarded-Host: h")),
        refused(400, hosts("Host: h\r\nHost: h")),
        refused(400, hosts("Host: h\r\nhost: evil")),
        refused(400, hosts("Host: h\r\nX: y\r\nHOST: h")),
        refused(400, hosts("Host: h\r\nHost:")),
        refused(400, hosts("Host:\r\nHost: h")),
        refused(400, "GET http://h/items HTTP/1.1\r\n\r\n"),
        refused(400, "GET http://h/items HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n"),
        refused(400, "GET http://h/items HTTP/1.1\r\nHost: a b\r\n\r\n"),
        // The grammar takes these; a name server would not.
        either(["GET /items"], hosts("Host:")),
        either(["GET /items"], hosts("Host: h:")),
        either(["GET /items"], hosts("Host: a,b")),
        either(["GET /items"], hosts("Host: a%20b")),
        either(["GET /items"], hosts("Host: h:99999")),
        either(["GET /items"], hosts("Host: a..b")),
        either(["GET /items"], hosts("Host: [v1.x]")),
    ];
    for host in [
        "a b",
        "h evil",
        "h\tevil",
        "h, evil",
        "h/",
        "h/items",
        "h\\",
        "h?",
        "h#",
        "h@evil",
        "@h",
        "u:p@h",
        "http://h",
        "//h",
        "h:80:90",
        "h:-1",
        "h:+1",
        "h:0x50",
        "h:80a",
        "h:123456",
        "h: 80",
        ":80:",
        "::1",
        "[::1",
        "::1]",
        "[::1]x",
        "[::1]:x",
        "[]",
        "[h]",
        "[::1%25lo]x",
        "<h>",
        "\"h\"",
        "h^",
        "h`",
        "h{",
        "h|",
        "h\0",
        "h\x01",
        "h\x7f",
        "h\r\n evil",
        "h\n",
        "h\nHost: evil",
        "h\rHost: evil",
        "%zz",
        "%2",
    ] {
        let strict = !matches!(host, "%zz" | "%2");
        let bytes = hosts(&format!("Host: {host}"));
        cases.push(if strict { refused(400, bytes) } else { either(["GET /items"], bytes) });
    }
    for byte in [0x80, 0xa0, 0xe9, 0xff] {
        cases.push(refused(400, [b"GET /items HTTP/1.1\r\nHost: h", &[byte][..], b"\r\n\r\n"].concat()));
    }
    Duel::new().check(cases);
}

#[test]
fn a_field_name_is_a_token_right_before_its_colon() {
    let mut cases = vec![
        served(["GET /items"], get("X:y")),
        served(["GET /items"], get("X:")),
        served(["GET /items"], get("!#$%&'*+-.^_`|~09: y")),
        served(["GET /items"], get("X: a:b")),
        refused(400, get("X : y")),
        refused(400, get("X\t: y")),
        refused(400, get(" X: y")),
        refused(400, get("\tX: y")),
        refused(400, get("X")),
        refused(400, get("X y")),
        refused(400, get(": y")),
        refused(400, get(":")),
        refused(400, get("::")),
        refused(400, get(" ")),
        refused(400, get("X y: z")),
        refused(400, "GET /items HTTP/1.1\r\n Host: h\r\n\r\n"),
        refused(400, "GET /items HTTP/1.1\r\n\tX: y\r\nHost: h\r\n\r\n"),
        refused(400, "GET /items HTTP/1.1\r\n \r\nHost: h\r\n\r\n"),
        refused(400, "GET /items HTTP/1.1\r\nHost: h\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ];
    for byte in (0..=0x20).chain(*b"()<>@,;\\\"/[]?={}").chain(0x7f..=0xff) {
        if byte != b'\n' {
            cases.push(refused(400, get([b"X", &[byte][..], b"Y: z"].concat())));
        }
    }
    Duel::new().check(cases);
}

#[test]
fn a_field_value_has_no_controls_and_one_line() {
    let mut cases = vec![
        served(["GET /items"], get("X: a\tb")),
        served(["GET /items"], get("X:  \t y \t ")),
        served(["GET /items"], get(b"X: \x80\xa0\xff")),
        refused(400, get("X: a\r\n folded")),
        refused(400, get("X: a\r\n\tfolded")),
        refused(400, get("X: a\r\n \r\nY: z")),
        refused(400, get("X: a\r\n ")),
        refused(400, get("X: a\nY: b")),
        refused(400, get("X: a\n\nGET /smuggled HTTP/1.1\nHost: h\n\n")),
        refused(400, get("X: a\rY: b")),
        refused(400, get("X: a\r\rY: b")),
        refused(400, get("X: a\r\n\rY: b")),
        refused(400, get("X: a\n\r\nY: b")),
        refused(400, get("X: a\r\n\n")),
        refused(400, get("\rX: a")),
        refused(400, get("X: a\r\n\r")),
        // Line feeds alone: a reader may take them, all of them, or none.
        either(["GET /items"], "GET /items HTTP/1.1\nHost: h\n\n"),
        either(["GET /items"], "GET /items HTTP/1.1\r\nHost: h\n\r\n"),
        either(["GET /items"], "GET /items HTTP/1.1\nHost: h\r\n\r\n"),
    ];
    for byte in (0..0x20).chain([0x7f]).filter(|b| !matches!(b, b'\t' | b'\n')) {
        cases.push(refused(400, get([b"X: a", &[byte][..], b"b"].concat())));
    }
    Duel::new().check(cases);
}

#[test]
fn a_head_that_is_too_much_says_which() {
    let duel = Duel::new();
    let fields = |n: usize| (0..n).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    duel.check([
        served(["GET /items"], get(format!("X: {}", "y".repeat(30_000)))),
        refused(431, get(format!("X: {}", "y".repeat(33_000)))),
        refused(431, get(format!("{}: y", "X".repeat(33_000)))),
        refused(431, get(format!("X: {}", "y".repeat(1_000_000)))),
        served(["GET /items"], get(format!("{}X: y", fields(98)))),
        refused(431, get(format!("{}X: y", fields(100)))),
        refused(431, get(format!("{}X: y", fields(5000)))),
        refused(414, line(format!("GET /{} HTTP/1.1", "x".repeat(8192)))),
        refused(414, line(format!("GET /{} HTTP/1.1", "x".repeat(1_000_000)))),
        refused(414, line(format!("GET /items?{} HTTP/1.1", "x".repeat(9_000)))),
    ]);
}

#[test]
fn a_preface_of_another_protocol_is_no_request() {
    let duel = Duel::new();
    duel.check([
        refused_somehow(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        refused_somehow("PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\n"),
        refused_somehow(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x06\x06\x06\x06\x7f\0\0\x01\0\x01\0\x50"),
        refused_somehow("SSH-2.0-x\r\n"),
        refused_somehow("HELO h\r\n"),
        refused_somehow("*1\r\n$4\r\nPING\r\n"),
        refused_somehow("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        refused_somehow("{\"a\": 1}\r\n\r\n"),
        refused_somehow("<policy-file-request/>\0"),
        refused_somehow("PRI * HTTP/1.1\r\nHost: h\r\n\r\n"),
    ]);
}
