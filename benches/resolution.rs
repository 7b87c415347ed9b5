//! What one negotiation costs: by source of the version, and by the number of APIs to look among.
//!
//! Target: below 300 ns for header, path, query, Accept and default, and the same among 1,000 APIs.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use vergate::{
    domain::{
        api::{
            Api, BodyRules, DefaultVersion, DeprecationRules, HostPattern, OnConflict, OnUnknown, Service, Source,
            SourcePlace, Unlisted, Version, Versioning,
        },
        endpoint::Endpoint,
        lifecycle::{Lifecycle, Phases},
        time::UtcTime,
        version::ApiVersion,
    },
    pipeline::negotiation::{Head, Negotiator},
};

const VERSION: HeaderName = HeaderName::from_static("x-api-version");
const PATH: &str = r"^/v([0-9]+(?:\.[0-9]+){0,2})(?:/|$)";
/// Leaves the usual shapes, so that it runs as a regular expression.
const PATH_WITH_PRE_RELEASE: &str = r"^/v([0-9]+(?:\.[0-9]+){0,2}(?:-[0-9a-z.]+)?)(?:/|$)";
const ACCEPT: &str = r"application/vnd\.chatdb\.v([0-9]+(?:\.[0-9]+){0,2})\+json";

fn api(name: &str, path: &str, host: Option<&str>, expression: &str) -> Api {
    let version = |name: &str| Version {
        name: ApiVersion::parse(name).expect("a version"),
        lifecycle: Lifecycle::new(None, None, None, Phases::default(), None).expect("consistent"),
        deprecation: DeprecationRules::default(),
        migration_guide: None,
        breaking_changes: Vec::new(),
        endpoints: None,
        service: Service { upstream: 0, through: 0, speaks: 0, chain: Vec::new() },
    };
    let regex = |text: &str| regex::Regex::new(text).expect("an expression");
    let endpoint = |text: String| Endpoint::parse(&text).expect("an endpoint");
    let places = [
        SourcePlace::Header(VERSION),
        SourcePlace::Path(regex(expression)),
        SourcePlace::Query("version".to_owned()),
        SourcePlace::Accept(regex(ACCEPT)),
    ];
    Api {
        name: name.to_owned(),
        hosts: host.map(|host| HostPattern::Exact(host.to_owned())).into_iter().collect(),
        path: path.to_owned(),
        strip_path: false,
        endpoints: ["POST /parse", "POST /parse/batch", "GET /models/{id}"]
            .map(|text| endpoint(text.replace(" /", &format!(" {path}/"))))
            .into(),
        unlisted: Unlisted::Forward,
        bodies: BodyRules::default(),
        versioning: Versioning {
            sources: places.map(|place| Source { place, strip: true }).into(),
            default: DefaultVersion::LatestStable,
            on_conflict: OnConflict::Precedence,
            on_unknown: OnUnknown::Reject,
        },
        versions: ["1.0", "1.5", "2.0", "2.1"].map(version).into(),
    }
}

fn negotiator(apis: &[Api]) -> Negotiator {
    Negotiator::compile(apis, UtcTime::parse("2026-06-01").expect("a date"))
}

/// What a client such as curl or a browser library sends besides.
fn headers() -> HeaderMap {
    let fields = [
        (header::HOST, "api.chatdb.com"),
        (header::USER_AGENT, "client/1.0"),
        (header::ACCEPT, "*/*"),
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LENGTH, "28"),
    ];
    fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn with(name: HeaderName, value: &'static str) -> HeaderMap {
    let mut headers = headers();
    headers.insert(name, HeaderValue::from_static(value));
    headers
}

/// Every request is served, but the one that is an attack.
fn measure(bencher: &mut criterion::Bencher<'_>, negotiator: &Negotiator, target: &str, headers: &HeaderMap) {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let head = Head { method: &Method::POST, host: Some("api.chatdb.com"), path, query, headers };
    bencher.iter(|| negotiator.negotiate(black_box(&head)));
}

fn sources(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resolution");
    let usual = negotiator(&[api("query-parser", "", Some("api.chatdb.com"), PATH)]);
    let expression = negotiator(&[api("query-parser", "", Some("api.chatdb.com"), PATH_WITH_PRE_RELEASE)]);
    let hostile = format!("/v1.0{}", "/a%2e;%252f%5c//./b".repeat(430));
    let vendor = "application/vnd.chatdb.v1.0+json";
    for (name, negotiator, target, headers) in [
        ("header", &usual, "/parse", with(VERSION, "1.0")),
        ("path", &usual, "/v1.0/parse", headers()),
        ("path by regular expression", &expression, "/v1.0/parse", headers()),
        ("query", &usual, "/parse?version=1.0", headers()),
        ("accept", &usual, "/parse", with(header::ACCEPT, vendor)),
        ("default", &usual, "/parse", headers()),
        ("all four", &usual, "/v1.0/parse?version=1.0", {
            let mut headers = with(VERSION, "1.0");
            headers.insert(header::ACCEPT, HeaderValue::from_static(vendor));
            headers
        }),
        ("encoded path", &usual, "/v1.0/models/caf%C3%A9", headers()),
        ("path with a dot segment", &usual, "/v1.0/x/./y", headers()),
        ("8 KiB of everything that can be misread", &usual, hostile.as_str(), headers()),
    ] {
        group.bench_function(name, |bencher| measure(bencher, negotiator, target, &headers));
    }
    group.finish();
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup among apis");
    for count in [1, 10, 1000] {
        let by_prefix: Vec<Api> =
            (0..count).map(|index| api("api", &format!("/service-{index}/api"), None, PATH)).collect();
        let last = format!("/v1.0/service-{}/api/parse", count - 1);
        let by_prefix = negotiator(&by_prefix);
        group.bench_function(BenchmarkId::new("by prefix", count), |bencher| {
            measure(bencher, &by_prefix, &last, &headers());
        });
        let host = |index: usize| if index + 1 == count { "api.chatdb.com".to_owned() } else { format!("{index}.org") };
        let by_host: Vec<Api> = (0..count).map(|index| api("api", "", Some(&host(index)), PATH)).collect();
        let by_host = negotiator(&by_host);
        group.bench_function(BenchmarkId::new("by host", count), |bencher| {
            measure(bencher, &by_host, "/v1.0/parse", &headers());
        });
        let own = |index: usize| format!("^/service-{index}/v([0-9]+(?:\\.[0-9]+)?)(?:/|$)");
        let own: Vec<Api> =
            (0..count).map(|index| api("api", &format!("/service-{index}"), None, &own(index))).collect();
        let own = negotiator(&own);
        let last = format!("/service-{}/v1.0/parse", count - 1);
        group.bench_function(BenchmarkId::new("by prefix, each with its own expression", count), |bencher| {
            measure(bencher, &own, &last, &headers());
        });
    }
    group.finish();
}

criterion_group!(benches, sources, lookup);
criterion_main!(benches);
