//! What adapting one body costs, beside parsing it into `serde_json::Value`, editing and printing.
//!
//! `member`: one member of the root is renamed and one added. `elements`: a member of every element
//! of an array is renamed and one converted. The document model loses number spellings, member
//! order and duplicates on the way; it is here as the yardstick, not as an alternative.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value};
use vergate::adaptation::{
    Direction, Mode, Program,
    literal::Literal,
    op::{Edit, Op, Otherwise, ScalarType},
    pointer::{Name, Pointer},
};

/// A query's answer with this many rows: two rows are about 300 bytes, 800 about 100 KB.
fn body(rows: usize) -> String {
    let row = |n: usize| {
        format!(
            r#"{{"uid": {n}, "name": "customer {n}", "total": {n}.50, "tags": ["a", "b\u00e9"], "at": "2026-01-{:02}T00:00:00Z"}}"#,
            n % 28 + 1
        )
    };
    let rows: Vec<String> = (1..=rows).map(row).collect();
    format!(r#"{{"query": "top customers", "rows": [{}], "confidence": 0.90}}"#, rows.join(", "))
}

fn edit(at: &str, op: Op) -> Edit {
    let at = Pointer::parse(at).expect("a pointer");
    Edit::new(at, op)
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename(vec![(Name::new(from), Name::new(to))])
}

fn program(edits: &[Edit]) -> Program {
    Program::fuse([("bench", edits, Direction::Up)]).expect("edits are not empty")
}

fn member() -> Program {
    let path = Pointer::parse("/context").expect("a pointer");
    let value = Some(Literal::null());
    program(&[edit("", rename("query", "text")), edit("", Op::Add { path, value, replaces_null: false })])
}

fn elements() -> Program {
    let convert = Op::Convert {
        path: Pointer::parse("/user_id").expect("a pointer"),
        from: ScalarType::Integer,
        to: ScalarType::String,
        on_error: Otherwise::Pass,
    };
    program(&[edit("/rows/[]", rename("uid", "user_id")), edit("/rows/[]", convert)])
}

fn root_of(body: &Bytes) -> Map<String, Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(root)) => root,
        other => panic!("the body is an object, not {other:?}"),
    }
}

fn member_by_model(body: &Bytes) -> Vec<u8> {
    let mut root = root_of(body);
    if let Some(text) = root.remove("query") {
        root.insert("text".to_owned(), text);
    }
    root.entry("context").or_insert(Value::Null);
    serde_json::to_vec(&root).expect("values can be printed")
}

fn elements_by_model(body: &Bytes) -> Vec<u8> {
    let mut root = root_of(body);
    for row in root.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(uid) = row.as_object_mut().and_then(|row| row.remove("uid")) {
            row["user_id"] = Value::String(uid.to_string());
        }
    }
    serde_json::to_vec(&root).expect("values can be printed")
}

fn adaptation(criterion: &mut Criterion) {
    for (size, rows) in [("300B", 2), ("100KB", 800)] {
        let body = Bytes::from(body(rows));
        let mut group = criterion.benchmark_group(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        for (name, program) in [("member", member()), ("elements", elements())] {
            group.bench_function(name, |bencher| {
                bencher.iter(|| program.apply(black_box(&body), Mode::Whole).expect("the body is adaptable"));
            });
        }
        group.bench_function("member by serde_json::Value", |bencher| {
            bencher.iter(|| member_by_model(black_box(&body)));
        });
        group.bench_function("elements by serde_json::Value", |bencher| {
            bencher.iter(|| elements_by_model(black_box(&body)));
        });
        group.finish();
    }
}

criterion_group!(benches, adaptation);
criterion_main!(benches);
