//! What adapting one body costs, beside parsing it into a document model, editing and printing.
//!
//! - `member` (W1): one member of the root is renamed and one added;
//! - `elements` (W3): a member of every element of an array is renamed and converted;
//! - `one change`, `five changes`: a chain of five costs one pass, too.
//!
//! Document models lose number spellings, member order or duplicates on the way; they are here as
//! yardsticks, not as alternatives.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value};
use sonic_rs::{JsonValueMutTrait as _, JsonValueTrait as _};
use vergate::adaptation::{
    Direction, Mode, Program,
    literal::Literal,
    op::{Edit, Op, Otherwise, ScalarType},
    pointer::{Name, Pointer},
};

/// A query's answer with this many rows: two rows are about 300 bytes, 900 about 100 KB.
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

fn member_by_sonic(body: &Bytes) -> Vec<u8> {
    let mut value: sonic_rs::Value = sonic_rs::from_slice(body).expect("the body is JSON");
    let root = value.as_object_mut().expect("the body is an object");
    if let Some(text) = root.remove(&"query") {
        root.insert("text", text);
    }
    if !root.contains_key(&"context") {
        root.insert("context", sonic_rs::Value::new_null());
    }
    sonic_rs::to_vec(&value).expect("values can be printed")
}

fn elements_by_sonic(body: &Bytes) -> Vec<u8> {
    let mut value: sonic_rs::Value = sonic_rs::from_slice(body).expect("the body is JSON");
    let rows = value.as_object_mut().and_then(|root| root.get_mut(&"rows")).and_then(|rows| rows.as_array_mut());
    for row in rows.expect("the body has rows").iter_mut() {
        if let Some(row) = row.as_object_mut()
            && let Some(uid) = row.remove(&"uid").and_then(|uid| uid.as_u64())
        {
            row.insert("user_id", uid.to_string().as_str());
        }
    }
    sonic_rs::to_vec(&value).expect("values can be printed")
}

/// So many changes one after another, each of which renames the same member again.
fn chain(changes: usize) -> Program {
    let names: Vec<String> =
        (0..=changes).map(|n| if n == 0 { "query".to_owned() } else { format!("query{n}") }).collect();
    let lists: Vec<[Edit; 1]> = names.windows(2).map(|pair| [edit("", rename(&pair[0], &pair[1]))]).collect();
    Program::fuse(lists.iter().map(|list| ("bench", list.as_slice(), Direction::Up))).expect("edits are not empty")
}

/// An edit by a document model.
type Yardstick = fn(&Bytes) -> Vec<u8>;

fn adaptation(criterion: &mut Criterion) {
    for (size, rows) in [("1KB", 8), ("100KB", 900), ("10MB", 90_000)] {
        let body = Bytes::from(body(rows));
        let mut group = criterion.benchmark_group(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.sample_size(20);
        for (name, program) in
            [("member", member()), ("elements", elements()), ("one change", chain(1)), ("five changes", chain(5))]
        {
            group.bench_function(name, |bencher| {
                bencher.iter(|| program.apply(black_box(&body), Mode::Whole).expect("the body is adaptable"));
            });
        }
        let yardsticks: [(&str, Yardstick); 4] = [
            ("member by serde_json::Value", member_by_model),
            ("elements by serde_json::Value", elements_by_model),
            ("member by sonic_rs::Value", member_by_sonic),
            ("elements by sonic_rs::Value", elements_by_sonic),
        ];
        for (name, run) in yardsticks {
            group.bench_function(name, |bencher| bencher.iter(|| run(black_box(&body))));
        }
        group.finish();
    }
}

criterion_group!(benches, adaptation);
criterion_main!(benches);
