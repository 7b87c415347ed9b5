//! What it costs to put the lifecycle fields of a deprecated version on an answer.
//!
//! `none`: a version without a deprecation. `fields`: the prebuilt fields, no successor link.
//! `successor`: with a link to the same path in the newest version. `from the request`: that path
//! is worked out first, as it is for every request of a deprecated version.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};
use vergate::{
    config::checked,
    domain::time::UtcTime,
    pipeline::policy::{self, Captured},
};

const CONFIG: &str = r#"
upstreams: {one: "http://127.0.0.1:1"}
apis:
  parser:
    path: /
    versions:
      "1.0": {upstream: one, deprecated: 2025-06-01, sunset: 2026-06-01, migration_guide: /docs/migration/v1-to-v2}
      "2.0": {upstream: one}
"#;

/// A small answer of a backend.
fn answer() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in [
        ("server", "backend"),
        ("date", "Mon, 01 Jun 2026 00:00:00 GMT"),
        ("content-type", "application/json"),
        ("content-length", "256"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn announce(c: &mut Criterion) {
    let now = UtcTime::parse("2026-01-01").expect("a date");
    let config = checked::read(CONFIG, Path::new("gateway.yaml"), &|_| None, now).config.expect("a sound file");
    let policies = policy::compile(&config.apis[0], now);
    let (old, new) = (&policies[0], &policies[1]);
    let path_source = config.apis[0]
        .versioning
        .sources
        .iter()
        .position(|source| matches!(source.place, vergate::domain::api::SourcePlace::Path(_)));
    let captured = Captured { source: path_source.expect("a path source"), range: 2..5 };
    let stays = |_: &str| None;

    let mut group = c.benchmark_group("announce");
    group.bench_function("none", |b| {
        b.iter_batched_ref(answer, |headers| new.announcement.apply(black_box(headers), None), BatchSize::SmallInput);
    });
    group.bench_function("fields", |b| {
        b.iter_batched_ref(answer, |headers| old.announcement.apply(black_box(headers), None), BatchSize::SmallInput);
    });
    group.bench_function("successor", |b| {
        let apply = |headers: &mut HeaderMap| old.announcement.apply(black_box(headers), Some("/v2.0/parse"));
        b.iter_batched_ref(answer, apply, BatchSize::SmallInput);
    });
    group.bench_function("from the request", |b| {
        let apply = |headers: &mut HeaderMap| {
            let target = old.link_target(black_box("/v1.0/parse"), Some(&captured), &stays);
            old.announcement.apply(black_box(headers), target.as_deref());
        };
        b.iter_batched_ref(answer, apply, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, announce);
criterion_main!(benches);
