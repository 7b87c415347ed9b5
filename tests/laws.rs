use crate::support::{Client, Gateway, Response, SOURCES, Upstream, fill, plain, upstream::Recorded};
use proptest::{prelude::*, test_runner::TestRunner};

/// Runs a law on as many random cases as CI has patience for.
fn law<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 250, failure_persistence: None, max_shrink_iters: 200, ..Default::default() };
    TestRunner::new(config).run(strategy, check).unwrap_or_else(|e| panic!("{e}"));
}

struct World {
    gateway: Gateway,
    up: Upstream,
}

impl World {
    fn new(yaml: &str) -> Self {
        let up = Upstream::named("main");
        let gateway = Gateway::start(&fill(yaml, &[("up", &up.url())]));
        Self { gateway, up }
    }

    /// The answer, and what the backend saw if it was asked.
    fn ask(&self, target: &str, fields: &str) -> (Response, Option<Recorded>) {
        let before = self.up.requests().len();
        let mut client = Client::connect(self.gateway.addr());
        client.write(format!("GET {target} HTTP/1.1\r\nHost: h.example\r\n{fields}\r\n"));
        let answer = client.read();
        let mut seen = self.up.requests().split_off(before);
        assert!(seen.len() <= 1);
        (answer, seen.pop())
    }
}

// ---- paths --------------------------------------------------------------------------------------------------------

const VERSIONS: &str = r#"
upstreams: {main: <up>}
apis: {shop: {path: /, versions: {"0.9": {status: sunset, upstream: main}, "1.0": {upstream: main}, "2.0": {upstream: main}}}}
"#;

fn decode(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

fn merge(path: &str) -> String {
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// The version a path names, as the configured expression reads it.
fn names(path: &str) -> Option<String> {
    let expression = regex::Regex::new(r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)").unwrap();
    expression.captures(path).map(|found| found[1].to_owned())
}

/// What readers behind the gateway may make of a path: none, one or two decodings, `\` for `/`, dots before or after.
fn readings(path: &str) -> Vec<String> {
    // Escapes of unreserved characters are the characters themselves (RFC 3986 section 6.2.2.2): no reader may differ.
    let escape = regex::Regex::new("(?i)%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)").unwrap();
    let path = &escape.replace_all(path, |found: &regex::Captures| decode(&found[0])).into_owned();
    let slashes = |p: &str| p.replace('\\', "/");
    let once = decode(path);
    let twice = decode(&once);
    vec![
        path.clone(),
        dots(path),
        merge(path),
        dots(&once),
        merge(&dots(&once)),
        dots(&merge(&once)),
        merge(&dots(&slashes(&once))),
        dots(&merge(&slashes(&once))),
        merge(&dots(&slashes(&twice))),
        dots(&merge(&slashes(&twice))),
    ]
}

#[test]
fn no_reader_finds_another_version_in_a_path_than_the_one_that_was_served() {
    let world = World::new(&format!("{SOURCES}{VERSIONS}"));
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("/./"),
        Just("/../"),
        Just("/%2e%2e/"),
        Just("/.%2e/"),
        Just("/%252e%252e/"),
        Just("%2f"),
        Just("%2F"),
        Just("%5c"),
        Just("%255c"),
        Just("%252f"),
        Just("a"),
        Just("items"),
        Just("/a"),
        Just("/items"),
        Just("%61"),
        Just(";x"),
        Just("/..;/"),
        Just("."),
        Just("%00"),
        Just("%20"),
    ];
    let version = prop_oneof![
        Just("/v1.0"),
        Just("/v2.0"),
        Just("/v0.9"),
        Just("/%761.0"),
        Just("/v1%2e0"),
        Just("/v1%252e0"),
        Just("%2fv1.0"),
        Just("/%76%31.0"),
        Just("/v1"),
    ];
    let pieces = || proptest::collection::vec(piece.clone(), 0..4);
    let path = (pieces(), version, pieces()).prop_map(|(a, v, b)| format!("/{}{v}{}", a.concat(), b.concat()));
    law(
        &prop_oneof![
            path.clone(),
            path.prop_map(|p| p.replacen('/', "", 1)).prop_filter("begins with a slash", |p| p.starts_with('/'))
        ],
        |path| {
            let (answer, seen) = world.ask(&path, "");
            let Some(seen) = seen else {
                prop_assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
                return Ok(());
            };
            let served = seen.header("X-API-Version").unwrap();
            for reading in readings(&path) {
                // One that names none is content with the default.
                let named = names(&reading).unwrap_or_else(|| "2.0".to_owned());
                let same = named == served || (named == "1" && served == "1.0") || (named == "2" && served == "2.0");
                prop_assert!(same, "{path} was served {served} as {}, and {reading} names {named}", seen.target);
            }
            Ok(())
        },
    );
}

#[test]
fn what_no_version_needs_of_a_path_stays_byte_for_byte() {
    let world = World::new(&format!("{SOURCES}{VERSIONS}"));
    let segment = "[a-zA-Z0-9_~!$&'()*+,;=:@-]{1,8}|%C3%A9|%20|%[2-7]F|a%2Fb";
    // What looks like a version would be one.
    let named = |path: &String| path.starts_with(['v', 'V']) && path[1..].starts_with(|c: char| c.is_ascii_digit());
    let path = proptest::collection::vec(segment, 0..5).prop_map(|s| s.join("/"));
    let path = path.prop_filter("no version", move |path| !named(path));
    law(&(path, proptest::bool::ANY), |(path, in_path)| {
        let (prefix, field) = if in_path { ("/v1.0", "") } else { ("", "X-API-Version: 1.0\r\n") };
        let (answer, seen) = world.ask(&format!("{prefix}/{path}"), field);
        match seen {
            Some(seen) => prop_assert_eq!(seen.target, format!("/{path}")),
            // An escape that hides a separator may be refused, never changed.
            None => prop_assert!(answer.status == 400 && path.contains('%'), "{path}: {}", answer.status),
        }
        Ok(())
    });
}

// ---- queries ------------------------------------------------------------------------------------------------------

#[test]
fn of_a_query_only_the_version_is_taken_off() {
    let world = World::new(&format!("{SOURCES}{VERSIONS}"));
    let parameter = prop_oneof![
        3 => "[a-z]{0,3}(=[a-zA-Z0-9%+*._~-]{0,6})?".prop_filter("no broken escapes", |p| !p.contains('%')),
        1 => Just("version=1.0".to_owned()), 1 => Just("%76ersion=1.0".to_owned()), 1 => Just("versio%6E=1%2E0".to_owned()),
        1 => Just("Version=2.0".to_owned()), 1 => Just("versions=9".to_owned()), 1 => Just("a=version=2.0".to_owned()), 1 => Just("=version".to_owned()),
        1 => Just("a=%26version=2.0".to_owned()), 1 => Just("xversion=3".to_owned()), 1 => Just("a=%3D%23".to_owned()), 1 => Just("a=/?".to_owned()),
    ];
    law(&proptest::collection::vec(parameter, 1..6), |parameters| {
        let query = parameters.join("&");
        let (answer, seen) = world.ask(&format!("/items?{query}"), "");
        prop_assert_eq!(answer.status, 200, "{}", query);
        let is_version = |p: &&str| decode(&p.split('=').next().unwrap().replace('+', " ")) == "version";
        let named = query.split('&').any(|p| is_version(&p));
        let left: Vec<&str> = query.split('&').filter(|p| !is_version(p)).collect();
        let seen = seen.unwrap();
        let wanted = if named && left.is_empty() { "/items".to_owned() } else { format!("/items?{}", left.join("&")) };
        prop_assert_eq!(&seen.target, &wanted, "{}", query);
        prop_assert_eq!(seen.header("X-API-Version").unwrap(), if named { "1.0" } else { "2.0" }, "{}", query);
        Ok(())
    });
}

// ---- fields -------------------------------------------------------------------------------------------------------

#[test]
fn what_strangers_say_of_earlier_hops_is_forgotten() {
    let world = World::new(&plain("<up>"));
    let name = prop_oneof![
        Just("Forwarded"),
        Just("forwarded"),
        Just("X-Forwarded-For"),
        Just("x-forwarded-for"),
        Just("X-Forwarded-Proto"),
        Just("X-Forwarded-Host"),
        Just("X-FORWARDED-HOST")
    ];
    let value = prop_oneof![
        Just("6.6.6.6".to_owned()),
        Just("for=6.6.6.6;proto=https".to_owned()),
        Just("".to_owned()),
        "[!-~]{1,30}",
        Just("evil.example, a".to_owned())
    ];
    law(&proptest::collection::vec((name, value), 0..6), |lines| {
        let fields: String = lines.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        let (answer, seen) = world.ask("/items", &fields);
        prop_assert_eq!(answer.status, 200, "{}", fields);
        let seen = seen.unwrap();
        prop_assert_eq!(seen.head.lines("X-Forwarded-For"), ["127.0.0.1"]);
        prop_assert_eq!(seen.head.lines("X-Forwarded-Proto"), ["http"]);
        prop_assert_eq!(seen.head.lines("X-Forwarded-Host"), ["h.example"]);
        prop_assert_eq!(seen.head.lines("Forwarded").len(), 1);
        prop_assert!(!seen.head.raw.contains("6.6.6.6") && !seen.head.raw.contains("evil"), "{}", seen.head.raw);
        Ok(())
    });
}

#[test]
fn what_trusted_proxies_say_of_earlier_hops_is_kept_in_order() {
    let world = World::new(&format!("trusted_proxies: [127.0.0.0/8]\n{}", plain("<up>")));
    let address = prop_oneof![Just("203.0.113.7"), Just("2001:db8::1"), Just("10.0.0.1"), Just("unknown")];
    law(&proptest::collection::vec(proptest::collection::vec(address, 1..4), 0..3), |lines| {
        let fields: String = lines.iter().map(|line| format!("X-Forwarded-For: {}\r\n", line.join(", "))).collect();
        let (answer, seen) = world.ask("/items", &fields);
        prop_assert_eq!(answer.status, 200, "{}", fields);
        let wanted: Vec<&str> = lines.iter().flatten().copied().chain(["127.0.0.1"]).collect();
        let got = seen.unwrap().header("X-Forwarded-For").unwrap();
        prop_assert_eq!(got.split(',').map(str::trim).collect::<Vec<_>>(), wanted);
        Ok(())
    });
}

#[test]
fn whatever_connection_names_stays_here_and_everything_else_goes_on() {
    let world = World::new(&plain("<up>"));
    let names = ["X-A", "X-B", "x-c", "Accept-Language", "X-D-e", "Keep-Alive", "X-Last"];
    let spelt = |n: usize, upper: bool| if upper { names[n].to_uppercase() } else { names[n].to_owned() };
    let named = proptest::collection::vec((0..names.len(), proptest::bool::ANY, 0..3usize), 0..5);
    let sent = proptest::collection::vec(0..names.len(), 0..7);
    law(&(named, sent, proptest::bool::ANY), |(named, sent, one_line)| {
        let options: Vec<String> =
            named.iter().map(|(n, upper, blank)| format!("{}{}", " \t".repeat(*blank), spelt(*n, *upper))).collect();
        let mut fields = match options.is_empty() {
            true => String::new(),
            false if one_line => format!("Connection: {}\r\n", options.join(" ,, ")),
            false => options.iter().map(|o| format!("Connection: keep-alive,{o}\r\n")).collect(),
        };
        sent.iter().enumerate().for_each(|(i, n)| fields.push_str(&format!("{}: {i}\r\n", names[*n])));
        let (answer, seen) = world.ask("/items", &fields);
        prop_assert_eq!(answer.status, 200, "{}", fields);
        let seen = seen.unwrap();
        for (n, name) in names.iter().enumerate() {
            let stays = *name == "Keep-Alive" || named.iter().any(|(m, ..)| *m == n);
            let wanted: Vec<String> =
                sent.iter().enumerate().filter(|(_, m)| **m == n && !stays).map(|(i, _)| i.to_string()).collect();
            prop_assert_eq!(seen.head.lines(name), wanted, "{} of {}", name, fields);
        }
        prop_assert!(seen.header("Via").is_some() && seen.header("X-Forwarded-For").is_some());
        Ok(())
    });
}
