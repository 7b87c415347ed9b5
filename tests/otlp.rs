use crate::support::{Gateway, Upstream, eventually, fill, upstream::Refusing};

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// What of a span these tests look at.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    /// 2 server, 3 client.
    kind: u64,
    nanos: u64,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Span {
    fn has(&self, name: &str, text: &str) -> bool {
        // A text stands behind its own tag and length.
        self.attributes.iter().any(|(key, value)| key == name && value.ends_with(text.as_bytes()))
    }
}

/// A field of a protobuf message: its number, and its number or bytes.
type Field<'b> = (u64, u64, &'b [u8]);

/// The fields of a message; enough of protobuf for OTLP.
fn fields(mut bytes: &[u8]) -> Vec<Field<'_>> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if *first < 0x80 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let (number, length) = match tag & 7 {
            0 => (varint(&mut bytes), 0),
            1 => (u64::from_le_bytes(bytes[..8].try_into().unwrap()), 8),
            2 => (0, varint(&mut bytes) as usize),
            5 => (0, 4),
            other => panic!("wire type {other}"),
        };
        let (inner, rest) = bytes.split_at(length);
        bytes = rest;
        found.push((tag >> 3, number, inner));
    }
    found
}

/// The messages below these fields, one after the other.
fn below<'b>(bytes: &'b [u8], path: &[u64]) -> Vec<&'b [u8]> {
    path.iter().fold(vec![bytes], |messages, wanted| {
        let inner =
            |message| fields(message).into_iter().filter(|(number, ..)| number == wanted).map(|(.., inner)| inner);
        messages.into_iter().flat_map(inner).collect()
    })
}

fn spans(body: &[u8]) -> Vec<Span> {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let read = |span| {
        let fields = fields(span);
        let bytes =
            |wanted| fields.iter().find(|(number, ..)| *number == wanted).map_or(&b""[..], |(.., inner)| *inner);
        let number = |wanted| fields.iter().find(|(number, ..)| *number == wanted).map_or(0, |(_, value, _)| *value);
        let attribute =
            |pair| (String::from_utf8(below(pair, &[1])[0].to_vec()).unwrap(), below(pair, &[2])[0].to_vec());
        Span {
            trace: hex(bytes(1)),
            id: hex(bytes(2)),
            parent: hex(bytes(4)),
            name: String::from_utf8(bytes(5).to_vec()).unwrap(),
            kind: number(6),
            nanos: number(8) - number(7),
            attributes: below(span, &[9]).into_iter().map(attribute).collect(),
        }
    };
    below(body, &[1, 2, 2]).into_iter().map(read).collect()
}

/// A gateway before `servers` that sends its spans to `collector`.
fn start(collector: &str, servers: &str, otlp: &str) -> Gateway {
    Gateway::start(&fill(
        r#"
workers: 1
telemetry: {otlp: {endpoint: <collector>, <otlp>}}
upstreams: {main: {servers: <servers>, balance: round_robin}}
apis: {shop: {path: /, endpoints: ['GET /items/{id}'], versions: {"1.0": {upstream: main}}}}
"#,
        &[("collector", collector), ("servers", servers), ("otlp", otlp)],
    ))
}

fn collector() -> Upstream {
    Upstream::new(|a| a.reply(200, &["Content-Type: application/x-protobuf"], ""))
}

#[track_caller]
fn collected(collector: &Upstream, count: usize) -> Vec<Span> {
    eventually(&format!("{count} spans"), || {
        let all: Vec<_> = collector.requests().iter().flat_map(|request| spans(&request.body)).collect();
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn an_exchange_and_its_tries_are_spans_in_the_callers_trace() {
    let (collector, dead, up) = (collector(), Refusing::new(), Upstream::named("main"));
    let servers = format!("[{}, {}]", dead.url(), up.url());
    let otlp = "ratio: 0, service_name: edge, headers: {X-Key: '50%25'}";
    let gateway = start(&collector.url(), &servers, otlp);
    for _ in 0..CALLS {
        let trace = format!("traceparent: {SAMPLED}");
        assert_eq!(gateway.get("/items/7?secret=1", &[&trace, "tracestate: a=b"]).status, 200);
    }
    let all = eventually("every exchange", || {
        let all = collected(&collector, CALLS);
        (all.iter().filter(|span| span.kind == 2).count() == CALLS).then_some(all)
    });
    assert!(all.iter().any(has_failed), "one server is dead: {all:#?}");
    assert!(all.iter().all(|span| span.trace == "0af7651916cd43dd8448eb211c80319c"));
    let sent: Vec<_> = up.requests().iter().map(|r| (r.header("traceparent"), r.header("tracestate"))).collect();
    assert_eq!(sent.len(), CALLS);
    for own in all.iter().filter(|span| span.kind == 2) {
        assert_eq!((own.name.as_str(), own.parent.as_str()), ("GET /items/{id}", "b7ad6b7169203331"));
        assert!(own.has("http.route", "/items/{id}") && own.has("url.path", "/items/7"), "{own:?}");
        assert!(own.has("vergate.api", "shop") && own.has("vergate.version", "1.0"), "{own:?}");
        let tries: Vec<_> = all.iter().filter(|span| span.parent == own.id).collect();
        assert!(tries.iter().all(|tried| tried.kind == 3 && tried.nanos <= own.nanos), "{tries:?}");
        let last = tries.iter().find(|tried| tried.has("server.address", "127.0.0.1") && !has_failed(tried)).unwrap();
        let line = Some(format!("00-{}-{}-01", own.trace, last.id));
        assert!(sent.contains(&(line, Some("a=b".into()))), "the server gets its own try as parent: {sent:?}");
        assert!(
            tries.iter().filter(|tried| has_failed(tried)).all(|tried| tried.has("error.type", "upstream_unreachable"))
        );
    }
    let asked = &collector.requests()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/traces"));
    assert_eq!(asked.header("Content-Type").as_deref(), Some("application/x-protobuf"));
    assert_eq!(asked.header("X-Key").as_deref(), Some("50%25"));
    let text = String::from_utf8_lossy(&asked.body).into_owned();
    assert!(text.contains("service.name") && text.contains("edge") && !text.contains("secret"), "{text}");
    eventually("they are counted", || {
        (gateway.metrics().sum("vergate_otlp_spans_sent_total", &[]) == all.len() as f64).then_some(())
    });
}

/// Fewer than open the breaker of the dead server, enough that one of them meets it.
const CALLS: usize = 4;

fn has_failed(tried: &Span) -> bool {
    tried.attributes.iter().any(|(name, _)| name == "error.type")
}

#[test]
fn the_ratio_decides_where_the_caller_does_not() {
    let (collector, up) = (collector(), Upstream::named("main"));
    let gateway = start(&collector.url(), &format!("[{}]", up.url()), "ratio: 0");
    gateway.get("/items/1", &[&format!("traceparent: {UNSAMPLED}")]);
    assert_eq!(up.last().header("traceparent").as_deref(), Some(UNSAMPLED), "as it came");
    gateway.get("/items/1", &["traceparent: nonsense", "tracestate: a=b"]);
    let sent = up.last();
    let line = sent.header("traceparent").unwrap();
    assert!(line.starts_with("00-") && line.ends_with("-00") && line.len() == 55, "{line}");
    assert_eq!(sent.header("tracestate"), None, "the state of a trace that nobody can read");
    // A new ratio takes effect with the file; the file before left nothing to send.
    let yaml = std::fs::read_to_string(gateway.dir().path("gateway.yaml")).unwrap();
    gateway.reload(&yaml.replace("ratio: 0", "ratio: 1"));
    gateway.get("/items/1", &[]);
    assert!(up.last().header("traceparent").unwrap().ends_with("-01"));
    let all = collected(&collector, 2);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all.iter().any(|span| span.kind == 2 && span.parent.is_empty()), "{all:#?}");
}

#[test]
fn a_collector_that_is_gone_costs_spans_and_nothing_else() {
    let (nobody, up) = (Refusing::new(), Upstream::named("main"));
    let mut gateway = start(&nobody.url(), &format!("[{}]", up.url()), "timeout: 1s");
    for _ in 0..20 {
        assert_eq!(gateway.get("/items/1", &[]).status, 200);
    }
    eventually("they are counted", || {
        let lost = gateway.metrics().sum("vergate_otlp_spans_dropped_total", &[("reason", "not_taken")]);
        (lost == 40.0).then_some(())
    });
    let said = || gateway.stderr().matches("spans cannot be sent").count();
    eventually("it is said", || (said() > 0).then_some(()));
    assert_eq!(said(), 1);
    gateway.signal(rustix::process::Signal::TERM);
    assert!(gateway.wait().success());
}

#[test]
fn the_last_spans_are_sent_before_the_process_ends() {
    let (collector, up) = (collector(), Upstream::named("main"));
    let mut gateway = start(&collector.url(), &format!("[{}]", up.url()), "ratio: 1");
    gateway.get("/items/1", &[]);
    gateway.signal(rustix::process::Signal::TERM);
    assert!(gateway.wait().success());
    assert_eq!(collected(&collector, 2).len(), 2);
}
