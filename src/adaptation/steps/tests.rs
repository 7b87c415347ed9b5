//! The rulings about each op, byte for byte: `op`, direction, body in, body out or `!reason /pointer`.

use std::path::Path;

use bytes::Bytes;

use crate::{
    adaptation::{
        change::Direction::{self, Down, Up},
        program::{Mode, Program},
    },
    config::{changes, tree},
};

mod elements;

fn check_in(mode: Mode, ops: &str, direction: Direction, body: &str, expected: &str) {
    let node =
        tree::parse(&format!("[{ops}]"), Path::new("ops.yaml")).unwrap_or_else(|error| panic!("{ops}: {error:?}"));
    let mut findings = Vec::new();
    let edits = changes::read_list(&node, &mut findings);
    assert!(findings.is_empty(), "{ops}: {findings:?}");
    let program = Program::fuse([("c", edits.as_slice(), direction)]).expect("not empty");
    let seen = match program.apply(&Bytes::copy_from_slice(body.as_bytes()), mode) {
        Ok(adapted) => String::from_utf8(adapted.body.to_vec()).expect("UTF-8"),
        Err(error) => format!("!{} {}", error.reason, error.pointer.as_deref().unwrap_or("-")),
    };
    assert_eq!(seen, expected, "{ops} {direction:?} {body}");
}

fn check(ops: &str, direction: Direction, body: &str, expected: &str) {
    check_in(Mode::Whole, ops, direction, body, expected);
}

fn narrows(ops: &str, direction: Direction, body: &str) -> bool {
    let node = tree::parse(&format!("[{ops}]"), Path::new("ops.yaml")).expect("valid");
    let edits = changes::read_list(&node, &mut Vec::new());
    let program = Program::fuse([("c", edits.as_slice(), direction)]).expect("not empty");
    program.apply(&Bytes::copy_from_slice(body.as_bytes()), Mode::Whole).expect("adaptable").narrowed
}

#[test]
fn rename_takes_all_pairs_at_once_and_its_value_wins() {
    let swap = "{rename: {a: b, b: a}}";
    check(swap, Up, r#"{"a":1,"x":0,"b":2}"#, r#"{"b":1,"x":0,"a":2}"#);
    check(swap, Up, r#"{"b":2}"#, r#"{"a":2}"#);
    check("{rename: {a: b, b: c}}", Up, r#"{"c":3,"a":1,"b":2}"#, r#"{"b":1,"c":2}"#);
    check("{rename: {a: b}}", Up, r#"{"b":9,"x":0,"a":1}"#, r#"{"x":0,"b":1}"#);
    check("{rename: {a: b}, conflict: error}", Up, r#"{"a":1,"b":9}"#, "!conflict /b");
    check("{rename: {a: b}, conflict: error}", Up, r#"{"b":9}"#, r#"{"b":9}"#);
    check("{rename: {a: b}, at: /x, strict: true}", Up, r#"{"x":5}"#, "!shape /x");
    check("{rename: {a: b}, at: /x, strict: true}", Up, r#"{"x":null}"#, r#"{"x":null}"#);
}

#[test]
fn touched_names_may_occur_once_whether_or_not_the_op_does_something() {
    for (ops, direction, body, expected) in [
        ("{rename: {a: b}}", Up, r#"{"b":1,"b":2}"#, "!duplicate_member /b"),
        ("{rename: {a: b}}", Up, r#"{"x":1,"x":2}"#, r#"{"x":1,"x":2}"#),
        ("{rename: {a: b}, at: /x}", Up, r#"{"x":1,"\u0078":2}"#, "!duplicate_member /x"),
        ("{rename: {a: b}, at: '/l/[]'}", Up, r#"{"l":[{"a":1},{"b":1,"b":2}]}"#, "!duplicate_member /l/1/b"),
        ("{rename: {a: b}, at: '/m/{}'}", Up, r#"{"m":{"k":1,"k":2}}"#, "!duplicate_member /m/k"),
        ("{move: {from: a, to: /b/c}}", Up, r#"{"b":{"c":1,"c":2}}"#, "!duplicate_member /b/c"),
        ("{nest: {into: i, members: [a]}}", Up, r#"{"i":1,"i":2}"#, "!duplicate_member /i"),
        ("{nest: {into: i, members: [a]}}", Down, r#"{"a":1,"a":2}"#, "!duplicate_member /a"),
        ("{nest: {into: i, members: [a]}}", Down, r#"{"i":{"a":1,"a":2}}"#, "!duplicate_member /i/a"),
        ("{nest: {into: i, members: [a], rest: keep}}", Up, r#"{"i":{"a":1,"a":2}}"#, "!duplicate_member /i/a"),
        ("{add: {path: /a}}", Up, r#"{"a":1,"a":2}"#, "!duplicate_member /a"),
        ("{remove: {path: /x/a}}", Down, r#"{"x":{"a":1,"a":2}}"#, "!duplicate_member /x/a"),
        ("{convert: {path: /a, from: string, to: integer}}", Up, r#"{"a":[],"a":2}"#, "!duplicate_member /a"),
    ] {
        check(ops, direction, body, expected);
    }
}

#[test]
fn a_moved_member_goes_last_and_takes_emptied_parents_with_it() {
    let ops = "{move: {from: /a/b, to: /c/d}}";
    check(ops, Up, r#"{"a":{"b":1},"c":{"d":9,"e":2},"z":0}"#, r#"{"c":{"e":2,"d":1},"z":0}"#);
    check(ops, Up, r#"{"a":{"b":1,"x":2},"z":0}"#, r#"{"a":{"x":2},"z":0,"c":{"d":1}}"#);
    check(ops, Up, r#"{"a":{"b":null}}"#, r#"{"c":{"d":null}}"#);
    check(ops, Up, r#"{"a":{"b":1},"c":[]}"#, "!shape /c");
    check(ops, Up, r#"{"a":[1]}"#, r#"{"a":[1]}"#);
    check("{move: {from: /a/b, to: /c/d}, strict: true}", Up, r#"{"a":[1]}"#, "!shape /a");
    check("{move: {from: /a/b, to: /c/d}, conflict: error}", Up, r#"{"a":{"b":1},"c":{"d":9}}"#, "!conflict /c/d");
    check("{move: {from: /a/b, to: /a/c}}", Up, r#"{"a":{"b":1},"z":0}"#, r#"{"z":0,"a":{"c":1}}"#);
    check("{move: {from: a, to: /a/b}}", Up, r#"{"a":1}"#, r#"{"a":{"b":1}}"#);
    check("{move: {from: a, to: /a/b}}", Down, r#"{"a":{"b":1}}"#, r#"{"a":1}"#);
    check("{move: {from: a, to: /b/c}, at: /x}", Down, r#"{"x":{"b":{"c":1}}}"#, r#"{"x":{"a":1}}"#);
}

#[test]
fn nest_keeps_document_order_at_the_place_of_the_first() {
    let ops = "{nest: {into: i, members: {x: a, y: b}}}";
    check(ops, Up, r#"{"z":0,"b":2,"w":0,"a":1}"#, r#"{"z":0,"i":{"y":2,"x":1},"w":0}"#);
    check(ops, Up, r#"{"i":9,"a":1}"#, r#"{"i":{"x":1}}"#);
    check(ops, Up, r#"{"i":9}"#, r#"{"i":9}"#);
    check("{nest: {into: i, members: [a]}, conflict: error}", Up, r#"{"i":9,"a":1}"#, "!conflict /i");
    check("{nest: {into: i, members: [a], always: true}}", Up, r#"{"z":0}"#, r#"{"z":0,"i":{}}"#);
    check_in(Mode::Patch, "{nest: {into: i, members: [a], always: true}}", Up, r#"{"z":0}"#, r#"{"z":0}"#);
    check("{nest: {into: i, members: [a]}, strict: true, at: /x}", Up, r#"{"x":"s"}"#, "!shape /x");
    check("{unnest: {from: n, members: {first: f}}}", Up, r#"{"n":{"first":1},"f":9}"#, r#"{"f":1}"#);
    check("{unnest: {from: n, members: {first: f}}}", Down, r#"{"f":1}"#, r#"{"n":{"first":1}}"#);
}

#[test]
fn a_scattered_group_stands_where_its_container_stood() {
    let ops = "{nest: {into: i, members: {x: a, y: b}}}";
    check(ops, Down, r#"{"z":0,"i":{"y":2,"q":3,"x":1},"w":0}"#, r#"{"z":0,"b":2,"a":1,"w":0}"#);
    check(ops, Down, r#"{"a":9,"i":{"x":1}}"#, r#"{"a":1}"#);
    check(ops, Down, r#"{"a":9,"i":{}}"#, r#"{"a":9}"#);
    check(ops, Down, r#"{"i":[1]}"#, r#"{"i":[1]}"#);
    check("{nest: {into: i, members: [a]}, strict: true}", Down, r#"{"i":[1]}"#, "!shape /i");
    check("{nest: {into: i, members: [a]}, conflict: error}", Down, r#"{"a":9,"i":{"a":1}}"#, "!conflict /a");
    check("{nest: {into: i, members: [a], rest: error}}", Down, r#"{"i":{"a":1,"q":2}}"#, "!rest /i/q");
    check("{nest: {into: i, members: {i: i}}}", Down, r#"{"i":{"i":1}}"#, r#"{"i":1}"#);
    assert!(narrows(ops, Down, r#"{"i":{"x":1,"q":2}}"#) && !narrows(ops, Down, r#"{"i":{"x":1}}"#));
}

#[test]
fn a_kept_rest_stays_in_the_container_and_is_merged_again() {
    let ops = "{nest: {into: i, members: {x: a}, rest: keep}}";
    check(ops, Down, r#"{"i":{"q":2,"x":1},"w":0}"#, r#"{"a":1,"i":{"q":2},"w":0}"#);
    check(ops, Down, r#"{"i":{"x":1}}"#, r#"{"a":1}"#);
    check(ops, Up, r#"{"w":0,"i":{"q":2,"x":9},"a":1}"#, r#"{"w":0,"i":{"x":1,"q":2}}"#);
    check(ops, Up, r#"{"i":{"q":2}}"#, r#"{"i":{"q":2}}"#);
    check(ops, Up, r#"{"i":5,"a":1}"#, r#"{"i":{"x":1}}"#);
    assert!(!narrows(ops, Down, r#"{"i":{"q":2,"x":1}}"#));
}

#[test]
fn add_writes_only_where_nothing_is() {
    let ops = "{add: {path: /x/a, value: 1.50}}";
    check(ops, Up, r#"{"x":{"b":1}}"#, r#"{"x":{"b":1,"a":1.50}}"#);
    check(ops, Up, r#"{"x":{"a":null}}"#, r#"{"x":{"a":null}}"#);
    check(ops, Up, r#"{}"#, r#"{}"#);
    check(ops, Up, r#"{"x":null}"#, r#"{"x":null}"#);
    check(ops, Up, r#"{"x":[]}"#, r#"{"x":[]}"#);
    check(ops, Down, r#"{"x":{"a":2}}"#, r#"{"x":{}}"#);
    check("{add: {path: /a, value: 1}, strict: true}", Up, "[]", "!shape ");
    check("{add: {path: /a, value: 1}, conflict: error}", Up, r#"{"a":2}"#, "!conflict /a");
    check("{add: {path: /a, value: 1}, conflict: replace}", Up, r#"{"a":2,"b":0}"#, r#"{"b":0,"a":1}"#);
    check("{add: {path: /a}}", Up, "{}", "{}");
    check("{add: {path: '/l/[]/a', value: []}}", Up, r#"{"l":[{},1,{}]}"#, r#"{"l":[{"a":[]},1,{"a":[]}]}"#);
    check_in(Mode::Patch, "{add: {path: /a, value: 1, if_null: replace}}", Up, r#"{"a":null}"#, r#"{"a":null}"#);
    assert!(narrows("{add: {path: /a}}", Down, r#"{"a":1}"#) && !narrows("{add: {path: /a}}", Down, "{}"));
}

#[test]
fn what_remove_gives_back_wins_over_a_stray() {
    let ops = "{remove: {path: /a, down: {value: false}}}";
    check(ops, Up, r#"{"a":1,"b":2}"#, r#"{"b":2}"#);
    check(ops, Down, r#"{"b":2}"#, r#"{"b":2,"a":false}"#);
    check(ops, Down, r#"{"a":9,"b":2}"#, r#"{"b":2,"a":false}"#);
    check("{remove: {path: /a, down: {value: 1}}, conflict: error}", Down, r#"{"a":9}"#, "!conflict /a");
    check_in(Mode::Patch, ops, Down, r#"{"b":2}"#, r#"{"b":2}"#);
    check("{remove: {path: /m/a}}", Up, r#"{"m":{"a":1}}"#, r#"{"m":{}}"#);
    check(
        "{remove: {path: '/m/{}/a'}}",
        Up,
        r#"{"m":{"x":{"a":1},"y":{"a":2,"b":3}}}"#,
        r#"{"m":{"x":{},"y":{"b":3}}}"#,
    );
}

#[test]
fn convert_falls_back_as_it_is_told() {
    let ops = |rest: &str| format!("{{convert: {{path: /a, from: string, to: integer{rest}}}}}");
    check(&ops(""), Up, r#"{"a":"x"}"#, r#"{"a":"x"}"#);
    check(&ops(", on_error: error"), Up, r#"{"a":"x"}"#, "!value /a");
    check(&ops(", on_error: null"), Up, r#"{"a":"x"}"#, r#"{"a":null}"#);
    check(&ops(", on_error: {value: 0}"), Up, r#"{"a":"x"}"#, r#"{"a":0}"#);
    check(&ops(", on_error: error"), Up, r#"{"a":null}"#, r#"{"a":null}"#);
    check(&ops(", on_error: error"), Up, "{}", "{}");
    check("{convert: {path: '', from: integer, to: string}}", Up, " 7 ", r#""7""#);
    check("{convert: {path: '/[]', from: number, to: integer}, strict: true}", Up, "[1.0,1.5]", "!value /1");
}

#[test]
fn map_compares_exactly_and_lets_null_pass() {
    let ops = "{map: {path: /a, pairs: [[1, one], [uno, one], [x, true]], up_else: error, down_else: {value: 0}}}";
    check(ops, Up, r#"{"a":1}"#, r#"{"a":"one"}"#);
    check(ops, Up, r#"{"a":1.0}"#, "!value /a");
    check(ops, Up, r#"{"a":[]}"#, "!value /a");
    check(ops, Up, r#"{"a":"\u0078"}"#, r#"{"a":true}"#);
    check(ops, Up, r#"{"a":null}"#, r#"{"a":null}"#);
    check(ops, Down, r#"{"a":"one"}"#, r#"{"a":1}"#);
    check(ops, Down, r#"{"a":{}}"#, r#"{"a":0}"#);
    check("{map: {path: /a, pairs: [[1, 2]]}, strict: true}", Up, r#"{"a":3}"#, "!value /a");
}

#[test]
fn wrap_and_unwrap_mirror_each_other() {
    let ops = "{wrap: {path: /a}}";
    check(ops, Up, r#"{"a":{"b":1}}"#, r#"{"a":[{"b":1}]}"#);
    check(ops, Up, r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#);
    check(ops, Up, r#"{"a":null}"#, r#"{"a":null}"#);
    check(ops, Down, r#"{"a":[],"b":1}"#, r#"{"b":1}"#);
    check(ops, Down, r#"{"a":[1,2]}"#, "!many /a");
    check(ops, Down, r#"{"a":5}"#, r#"{"a":5}"#);
    check("{wrap: {path: /a}, strict: true}", Down, r#"{"a":5}"#, "!shape /a");
    check("{wrap: {path: /a, many: last, empty: null}}", Down, r#"{"a":[1,2]}"#, r#"{"a":2}"#);
    check("{wrap: {path: /a, empty: null}}", Down, r#"{"a":[]}"#, r#"{"a":null}"#);
    check("{unwrap: {path: /a, many: first}}", Up, r#"{"a":["x","y"]}"#, r#"{"a":"x"}"#);
    check("{unwrap: {path: /a}}", Down, r#"{"a":"x"}"#, r#"{"a":["x"]}"#);
    check("{wrap: {path: '/m/{}'}}", Down, r#"{"m":{"x":[],"y":[1],"z":[]}}"#, r#"{"m":{"y":1}}"#);
    check("{wrap: {path: '/l/[]', empty: null}}", Down, r#"{"l":[[],[1]]}"#, r#"{"l":[null,1]}"#);
    check_in(Mode::Patch, "{wrap: {path: /a, if_null: empty}}", Up, r#"{"a":null}"#, r#"{"a":null}"#);
}

#[test]
fn a_later_op_sees_what_an_earlier_one_made() {
    let ops = "{rename: {a: b}}, {nest: {into: i, members: {x: b}}}, {wrap: {path: /i/x}}, {move: {from: /i/x, to: y}}, {convert: {path: '/y/[]', from: integer, to: string}}";
    check(ops, Up, r#"{"a":1}"#, r#"{"y":["1"]}"#);
    check(ops, Down, r#"{"y":["1"]}"#, r#"{"a":1}"#);
    check("{add: {path: /a, value: {b: {}}}}, {add: {path: /a/b/c, value: 1}}", Up, "{}", r#"{"a":{"b":{"c":1}}}"#);
}

#[test]
fn a_numeric_segment_is_a_name_and_a_byte_order_mark_goes() {
    check("{remove: {path: /l/0}}", Up, r#"{"l":[1]}"#, r#"{"l":[1]}"#);
    check("{remove: {path: /l/0}}", Up, r#"{"l":{"0":1}}"#, r#"{"l":{}}"#);
    check("{rename: {a: b}}", Up, "\u{feff}{ \"x\":1}", "{ \"x\":1}");
}
