use crate::support::duel::{
    Duel, SMUGGLED, either, get, post, refused, served, served_and_closed, served_then_refused,
};

#[test]
fn pipelined_requests_stay_apart() {
    let get = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";
    let length = "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
    let chunks = "POST /items HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    Duel::new().check([
        served(["GET /items", "GET /items", "GET /items"], get.repeat(3)),
        served(["POST /items a", "GET /items", "POST /items b"], format!("{length}a{get}{length}b")),
        served(
            ["POST /items ab", "POST /items c", "GET /items"],
            format!("{chunks}1\r\na\r\n1;x\r\nb\r\n0\r\n\r\n{length}c{get}"),
        ),
        served(["POST /items", "GET /items"], format!("{chunks}0\r\nX: y\r\n\r\n{get}")),
        // An empty line or two between them belongs to neither.
        served(["GET /items", "GET /items"], format!("{get}\r\n{get}")),
        served(["GET /items"], format!("\r\n{get}")),
        either(["GET /items"], format!("\r\n\r\n\r\n{get}")),
        // `Connection: close` ends it: what follows was never asked.
        served_and_closed(
            ["GET /items"],
            format!("GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n{SMUGGLED}"),
        ),
        served_and_closed(
            ["GET /items"],
            format!("GET /items HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n{SMUGGLED}"),
        ),
        served_and_closed(["GET /items"], format!("GET /items HTTP/1.0\r\nHost: h\r\n\r\n{SMUGGLED}")),
    ]);
}

#[test]
fn a_bad_request_after_a_good_one_is_refused_alone() {
    let good = "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na";
    let duel = Duel::new();
    for bad in [
        "POST /items HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /items HTTP/1.1\r\n\r\n",
        "GET /items HTTP/1.1\r\nHost : h\r\n\r\n",
        "(",
        "aGET /items HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
        "0\r\n\r\n",
    ] {
        duel.check([served_then_refused(["POST /items a"], format!("{good}{bad}"))]);
    }
}

// ---- Expect -------------------------------------------------------------------------------------------------------

#[test]
fn expectations_do_not_shift_what_is_a_body() {
    let body = "hello";
    let mut cases = vec![
        served(["POST /items hello"], post("Expect: 100-continue\r\nContent-Length: 5", body)),
        served(["POST /items hello"], post("expect: 100-CONTINUE\r\nContent-Length: 5", body)),
        served(["POST /items"], post("Expect: 100-continue\r\nContent-Length: 0", "")),
        served(["GET /items"], get("Expect: 100-continue")),
        refused(400, post("Expect: 100-continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", body)),
    ];
    // Nobody knows these: 417, or the body goes on as any other.
    for odd in [
        "x",
        "y 100-continue",
        "100-continue, x",
        "100-continue\r\nExpect: x",
        "",
        "100-continue;q=1",
        "\"100-continue\"",
        "200-ok",
    ] {
        cases.push(either(["POST /items hello"], post(format!("Expect: {odd}\r\nContent-Length: 5"), body)));
    }
    Duel::new().check(cases);
}
