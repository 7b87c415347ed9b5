use crate::support::{Gateway, Upstream, eventually, fill};

// With several workers one may turn a little later than another.
const YAML: &str = r#"
workers: 1
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    versions:
      "1.0": {deprecated: 2020-06-01, sunset: '<sunset>', upstream: main}
      "2.0": {upstream: main}
"#;

/// `seconds` from now, RFC 3339.
fn soon(seconds: i64) -> (jiff::Timestamp, String) {
    let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap();
    (at, at.to_string())
}

#[test]
fn a_sunset_turns_200_into_410_at_its_second_and_a_later_date_undoes_it() {
    let up = Upstream::named("main");
    let (at, text) = soon(3);
    let yaml = |sunset: &str| fill(YAML, &[("up", &up.url()), ("sunset", sunset)]);
    let gateway = Gateway::start(&yaml(&text));
    let mut client = gateway.client();
    let mut ask = |when: &str| {
        client.write("GET /x HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\n\r\n");
        let answer = client.read();
        assert!(matches!(answer.status, 200 | 410), "{when}: {}", answer.text());
        answer
    };
    // One open connection sees both sides of the boundary; asked the whole time, it is never gone too early.
    eventually("the version is gone", || {
        let before = jiff::Timestamp::now();
        let answer = ask("while the sunset comes near");
        let after = jiff::Timestamp::now();
        if after < at {
            assert_eq!(answer.status, 200, "gone {after}, before its sunset {at}");
        }
        // A clock that ticks a few times a second may lag, also on a busy machine, but not for long.
        if before.as_second() > at.as_second() + 5 {
            assert_eq!(answer.status, 410, "still there at {before}, sunset {at}");
        }
        (answer.status == 410).then_some(())
    });
    assert!(gateway.get("/x", &["X-API-Version: 1.0"]).header("Sunset").is_some());
    assert_eq!(gateway.get("/x", &["X-API-Version: 1.0"]).status, 410, "and it stays gone");
    // Undo: a later date in the file, a reload, no restart.
    gateway.reload(&yaml("2098-06-01"));
    let answer = ask("after the undo");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("X-API-Sunset-Date").as_deref(), Some("2098-06-01"));
}

#[test]
fn a_deprecation_begins_at_its_second() {
    let up = Upstream::named("main");
    let (at, text) = soon(3);
    let yaml = YAML.replace("deprecated: 2020-06-01, sunset: '<sunset>'", &format!("deprecated: '{text}'"));
    let yaml = yaml.replace("\"2.0\"", "\"0.9\"");
    let gateway = Gateway::start(&fill(&yaml, &[("up", &up.url())]));
    let (told, used) =
        (gateway.get("/x", &["X-API-Version: 1.0"]).header("X-API-Deprecated"), gateway.get("/x", &[]).used());
    // The start itself may have taken that long.
    if jiff::Timestamp::now() < at {
        assert_eq!(told, None);
        assert_eq!(used.as_deref(), Some("1.0"), "latest-stable");
    }
    eventually("the version is deprecated", || gateway.get("/x", &["X-API-Version: 1.0"]).header("X-API-Deprecated"));
    assert_eq!(gateway.get("/x", &[]).used().as_deref(), Some("0.9"), "latest-stable moved with the clock");
}
