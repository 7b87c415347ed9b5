//! Adapts one body so often that its instructions can be counted: `benches/instructions` does that.
//!
//! Counts are repeatable on a busy machine, where times are not.

use std::hint::black_box;

use bytes::Bytes;
use vergate::adaptation::{
    Direction, Mode, Program,
    literal::Literal,
    op::{Edit, Op, Otherwise, ScalarType},
    pointer::{Name, Pointer},
};

fn body(rows: usize) -> Bytes {
    let row = |n: usize| {
        format!(
            r#"{{"uid": {n}, "name": "customer {n}", "total": {n}.50, "tags": ["a", "b\u00e9"], "at": "2026-01-{:02}T00:00:00Z"}}"#,
            n % 28 + 1
        )
    };
    let rows: Vec<String> = (1..=rows).map(row).collect();
    format!(r#"{{"query": "top customers", "rows": [{}], "confidence": 0.90}}"#, rows.join(", ")).into()
}

fn program(name: &str) -> Option<Program> {
    let edit = |at: &str, op| Edit::new(Pointer::parse(at).expect("a pointer"), op);
    let rename = |from: &str, to: &str| Op::Rename(vec![(Name::new(from), Name::new(to))]);
    let edits = match name {
        "member" => {
            let path = Pointer::member("context");
            let add = Op::Add { path, value: Some(Literal::null()), replaces_null: false };
            vec![edit("", rename("query", "text")), edit("", add)]
        }
        "elements" => {
            let (path, on_error) = (Pointer::member("user_id"), Otherwise::Pass);
            let convert = Op::Convert { path, from: ScalarType::Integer, to: ScalarType::String, on_error };
            vec![edit("/rows/[]", rename("uid", "user_id")), edit("/rows/[]", convert)]
        }
        _ => return None,
    };
    Program::fuse([("bench", edits.as_slice(), Direction::Up)])
}

/// `member|elements ROWS TIMES`; says how many bytes the body has.
fn main() {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().and_then(|name| program(&name));
    let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok());
    let (Some(program), Some(rows), Some(times)) = (program, number(), number()) else {
        eprintln!("usage: instructions member|elements ROWS TIMES (benches/instructions counts)");
        return;
    };
    let body = body(rows);
    for _ in 0..times {
        black_box(program.apply(black_box(&body), Mode::Whole).expect("the body is adaptable"));
    }
    println!("{}", body.len());
}
