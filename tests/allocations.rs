//! What adapting a body allocates. A program of its own, for the allocator that counts.

use bytes::Bytes;
use vergate::adaptation::{
    Direction, Mode, Program,
    op::{Edit, Op, Otherwise, ScalarType},
    pointer::{Name, Pointer},
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// A body with so many rows of five members.
fn body(rows: usize) -> Bytes {
    let row = |n: usize| {
        format!(r#"{{"uid": {n}, "name": "customer {n}", "total": {n}.50, "tags": ["a", {{}}], "on": true}}"#)
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(r#"{{"query": "top customers", "rows": [{}], "confidence": 0.90}}"#, rows.join(", ")).into()
}

fn program(edits: &[(&str, Op)]) -> Program {
    let edit = |(at, op): &(&str, Op)| Edit::new(Pointer::parse(at).expect("a pointer"), op.clone());
    let edits: Vec<Edit> = edits.iter().map(edit).collect();
    Program::fuse([("c", edits.as_slice(), Direction::Up)]).expect("edits are not empty")
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename(vec![(Name::new(from), Name::new(to))])
}

/// How many blocks adapting `body` allocates, and how many bytes are held at most beside it.
fn cost(program: &Program, body: &Bytes) -> (u64, usize) {
    let before = dhat::HeapStats::get();
    let adapted = program.apply(body, Mode::Whole).expect("the body is adaptable");
    let after = dhat::HeapStats::get();
    assert!(adapted.body != *body, "something was adapted");
    (after.total_blocks - before.total_blocks, after.max_bytes - before.curr_bytes)
}

/// One test: the counts are the whole program's.
#[test]
fn memory_is_what_the_body_takes_and_its_copy() {
    let (small, large) = (body(1_000), body(10_000));
    let untouched = program(&[("", rename("query", "text"))]);
    let renamed = program(&[("/rows/[]", rename("uid", "user_id"))]);
    let convert = Op::Convert {
        path: Pointer::member("uid"),
        from: ScalarType::Integer,
        to: ScalarType::String,
        on_error: Otherwise::Pass,
    };
    let converted = program(&[("", rename("query", "text")), ("/rows/[]", convert)]);

    let _profiler = dhat::Profiler::builder().testing().build();
    for (program, what) in [(&untouched, "untouched elements"), (&renamed, "elements with a member renamed")] {
        let (few, _) = cost(program, &small);
        let (many, _) = cost(program, &large);
        assert!(many <= few + 4, "{what} allocate nothing: {few} blocks for 1,000 of them, {many} for 10,000");
    }
    // From the smallest peak to the largest: the highest ever is what is counted.
    for program in [&untouched, &renamed, &converted] {
        let (_, peak) = cost(program, &large);
        assert!(peak * 2 <= large.len() * 3, "{peak} bytes beside a body of {}", large.len());
    }
}
